// The policy table: which rows, and what an explanation comes to.
import type { Explained, PolicyRow } from "../api/client";
import type { Tone } from "./words";

export type Effect = "all" | "forbids" | "permits";

export interface Choice {
  owner: string | null;
  effect: Effect;
  text: string;
}

/** The owners of the sets, in the order of the table. */
export const ownersOf = (rows: readonly PolicyRow[]): string[] => [...new Set(rows.map((r) => r.owner))].sort();

export function chosen(rows: readonly PolicyRow[], choice: Choice): PolicyRow[] {
  const words = choice.text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => {
    const said = [row.id, row.who, row.may, row.to, row.unless ?? "", row.ask ?? "", row.why].join(" ").toLowerCase();
    return (choice.owner === null || row.owner === choice.owner) && (choice.effect === "all" || row.forbids === (choice.effect === "forbids")) && words.every((word) => said.includes(word));
  });
}

export interface Verdict {
  tone: Tone;
  mark: string;
  says: string;
}

/** An answer with an evaluation error is a deny and an alarm, whatever else it says. */
export function verdict(explained: Pick<Explained, "decision" | "ask">): Verdict {
  if (explained.decision.errors.length > 0) return { tone: "bad", mark: "!", says: "refused: policy could not be evaluated, which is an alarm" };
  if (explained.decision.allowed) return { tone: "busy", mark: "▲", says: "it may run now" };
  const ask = explained.ask as { ask?: string; approvals?: Record<string, number> } | null;
  if (ask?.ask === "these") return { tone: "amber", mark: "?", says: "it waits for people" };
  return { tone: "plain", mark: "✕", says: "it may not run" };
}

/** `2 × iam and 1 × secops`; empty where nobody is asked. */
export function approvals(explained: Pick<Explained, "ask">, name: (role: string) => string): string {
  const ask = explained.ask as { approvals?: Record<string, number> } | null;
  return Object.entries(ask?.approvals ?? {})
    .map(([role, n]) => `${n} × ${name(role)}`)
    .join(" and ");
}
