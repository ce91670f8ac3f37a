// What a check of a bundle comes to, in words that claim no more than it proved.
import type { Report } from "../evidence/verify";
import type { Tone } from "./words";

export interface Said {
  tone: Tone;
  mark: string;
  headline: string;
  proves: string[];
  not: string[];
}

const ALWAYS_NOT = ["that the events are true", "that everything that happened was reported to Quell", "that others were shown the same log, unless they signed the checkpoint or hold one of their own"];

export function said(report: Report): Said {
  const many = `${report.events} ${report.events === 1 ? "event" : "events"}`;
  // A range commits to names and discloses none.
  if (report.ok && !report.complete && !report.population) {
    return {
      tone: "amber", mark: "!", headline: "WHOLE, AND VALUES ARE MISSING WITHOUT A RECORD OF AN ERASURE", proves: [`the log of your key holds exactly these ${many}, and nothing was changed since`],
      not: [`what stands behind ${report.erased} commitments: ask why they are not disclosed`, ...ALWAYS_NOT],
    };
  }
  if (report.ok && report.population) {
    const { from, to, cases } = report.population;
    return {
      tone: "good", mark: "✓", headline: "VERIFIED under the key that you gave: every case of the range",
      proves: [`between these sizes the log of that key holds exactly these ${many}`, `${cases.length} ${cases.length === 1 ? "case was" : "cases were"} opened between size ${from.size} and size ${to.size}, none left out, and how each stood at the later one`],
      not: ["that these are the ends that you asked for: hold both against checkpoints that you kept", "about whom the cases are: names are commitments here", ...ALWAYS_NOT],
    };
  }
  if (report.ok) {
    return {
      tone: "good", mark: "✓", headline: "VERIFIED under the key that you gave",
      proves: [
        `the log of that key holds exactly these ${many}`, "the chain of the case and of every stream linked to it is whole up to the export: nothing is left out and no tail is cut", "nothing was changed since",
        report.erased > 0 ? `${report.erased} values were erased, and the record says so` : "every value behind a commitment is disclosed",
      ],
      not: ALWAYS_NOT,
    };
  }
  if (report.integrity) {
    const wrong = report.errors.some((e) => e.code === "wrong_key");
    return {
      tone: wrong ? "bad" : "amber", mark: wrong ? "✕" : "?",
      headline: wrong ? "REFUSED: signed by another key than yours" : "NOT VERIFIED: whole in itself, signer not established",
      proves: [`these ${many} agree with each other and with the key inside the file`],
      not: [wrong ? "that it is your log: this is another one, or a forged one" : "who signed it: whoever forges a bundle puts a key of their own inside", ...ALWAYS_NOT],
    };
  }
  return { tone: "bad", mark: "✕", headline: "REFUSED: do not rely on any part of it", proves: [], not: ["anything: the file is damaged, changed, or was never whole"] };
}
