// What an auditor looks at first: where somebody stepped out of the ordinary way.
import type { LedgerLine } from "../api/client";

export interface Pause {
  from: string;
  by: string;
  /** What was written as its reason. */
  reason: string | null;
  said: string;
  /** Who ended it sooner; null where it ended by itself, or has not ended. */
  endedAt: string | null;
  endedBy: string | null;
  index: number;
}

/** Pauses with their ends, the newest first. A second pause over a first one stands for itself. */
export function pauses(lines: readonly LedgerLine[]): Pause[] {
  const out: Pause[] = [];
  for (const line of [...lines].sort((a, b) => a.index - b.index)) {
    if (line.type === "automation_paused") out.push({ from: line.at, by: line.by, reason: line.untrusted, said: line.text, endedAt: null, endedBy: null, index: line.index });
    const last = out.at(-1);
    if (line.type === "automation_resumed" && last && last.endedAt === null) [last.endedAt, last.endedBy] = [line.at, line.by];
  }
  return out.reverse();
}

/** `2026-09-30T12:00` of a field as a moment in UTC, or null. */
export function moment(field: string): string | null {
  const at = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$/.test(field) ? Date.parse(`${field}:00Z`) : NaN;
  return Number.isNaN(at) ? null : new Date(at).toISOString().replace(/\.000Z$/, "Z");
}
