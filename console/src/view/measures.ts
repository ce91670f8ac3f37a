// Figures over the cases of the log. Each is a number that was measured, of a stated
// number of cases, or it is null: not measured. Nothing is estimated, and a running
// exposure counts as long as it has run so far, never as ended.
import type { MeasuredCase } from "../api/client";

export const DAY_MS = 86_400_000;

/** Cases that count: samples and posture are no incidents. */
export const incidents = (cases: readonly MeasuredCase[]): MeasuredCase[] => cases.filter((c) => !c.sample && !c.posture);

export interface Spread {
  /** Of how many. */
  of: number;
  median: number;
  /** Nine in ten are at most this. */
  most: number;
}

/** Median and 90th percentile by the nearest rank; null where there is nothing. */
export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  return { of: sorted.length, median: at(0.5), most: at(0.9) };
}

const entered = (c: MeasuredCase, state: string): number | null => {
  const at = c.stages.find((s) => s.state === state)?.at;
  return at === undefined ? null : Date.parse(at);
};

/** Seconds from the detection until the case first came to a stage. */
export function secondsTo(c: MeasuredCase, state: string): number | null {
  const at = entered(c, state);
  return at === null ? null : Math.max(0, (at - Date.parse(c.opened_at)) / 1000);
}

export interface Exposed {
  seconds: number;
  /** It still runs: this is so far. */
  running: boolean;
}

/** How long a case's credentials were usable, at most; null where nothing was looked at. */
export function exposed(c: MeasuredCase, now: number): Exposed | null {
  if (!c.exposure) return null;
  const from = Date.parse(c.exposure.from);
  if (c.exposure.running) return { seconds: Math.max(0, (now - from) / 1000), running: true };
  return c.exposure.at_most_until ? { seconds: Math.max(0, (Date.parse(c.exposure.at_most_until) - from) / 1000), running: false } : null;
}

export interface Bucket {
  /** The bucket's first day, in UTC: `2026-11-30`. */
  day: string;
  opened: number;
  proven: number;
  running: number;
  notLooked: number;
  /** Median exposure of those that were proved; null for none. */
  median: number | null;
  worst: number | null;
  /** Median seconds from the detection to the first act, and to the proof; null where no case came to it. */
  contain: number | null;
  prove: number | null;
}

/** Cases by the day they were opened, the last `days` of them, also the empty ones. */
export function byDay(cases: readonly MeasuredCase[], now: number, days: number): Bucket[] {
  const today = Math.floor(now / DAY_MS);
  return Array.from({ length: days }, (_, n) => {
    const day = today - (days - 1 - n);
    const here = cases.filter((c) => Math.floor(Date.parse(c.opened_at) / DAY_MS) === day);
    const all = here.map((c) => exposed(c, now));
    const ended = all.filter((e) => e !== null && !e.running).map((e) => e!.seconds);
    return {
      day: new Date(day * DAY_MS).toISOString().slice(0, 10), opened: here.length, proven: ended.length, running: all.filter((e) => e?.running).length, notLooked: all.filter((e) => e === null).length,
      contain: medianOf(here, "acted"), prove: medianOf(here, "proven"),
      median: spread(ended)?.median ?? null, worst: ended.length > 0 ? Math.max(...ended) : null,
    };
  });
}

const medianOf = (cases: readonly MeasuredCase[], state: string): number | null => spread(cases.map((c) => secondsTo(c, state)).filter((s) => s !== null))?.median ?? null;

/** Share of cases that fell to the response owner because nobody owns the identity. */
export function fallback(cases: readonly MeasuredCase[]): { share: number; of: number; unknown: number } | null {
  const known = cases.filter((c) => c.routed !== null);
  if (known.length === 0) return null;
  return { share: known.filter((c) => c.routed === "fallback").length / known.length, of: known.length, unknown: cases.length - known.length };
}

/** Outcomes that need no proof of death. */
const NEEDS_NONE = new Set(["expected", "false_positive", "duplicate", "accepted_risk"]);

/** Closed, never proven, and with a finding whose outcome would have needed it. */
export function closedUnproven(cases: readonly MeasuredCase[]): MeasuredCase[] {
  return cases.filter((c) => c.closed_at !== null && entered(c, "proven") === null && (c.outcomes.length === 0 || c.outcomes.some((o) => o === null || !NEEDS_NONE.has(o))));
}

/** Closed with an outcome that needs no proof: said, and by whom is in the case. */
export function closedBySaying(cases: readonly MeasuredCase[]): MeasuredCase[] {
  return cases.filter((c) => c.closed_at !== null && entered(c, "proven") === null && c.outcomes.length > 0 && c.outcomes.every((o) => o !== null && NEEDS_NONE.has(o)));
}

/** A round number at or above `most`, and the steps up to it: seconds read as a clock does. */
export function ticks(most: number): number[] {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000];
  const step = steps.find((s) => most / s <= 4) ?? Math.ceil(most / 4);
  const top = Math.max(1, Math.ceil(most / step));
  return Array.from({ length: top + 1 }, (_, n) => n * step);
}
