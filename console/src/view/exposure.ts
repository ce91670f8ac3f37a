// The exposure clock. It never says less than was proved: while one credential or
// session is not dead, it runs; while nothing was looked at, it says so.
import type { Exposure } from "../api/client";
import type { Tone } from "./words";

export interface ClockFace {
  /** What stands beside the number. */
  label: string;
  /** Null: there is no number to show. */
  seconds: number | null;
  running: boolean;
  tone: Tone;
}

export function face(exposure: Exposure | null, states: Record<string, number>, now: number): ClockFace {
  if (!exposure) return { label: "not looked at yet", seconds: null, running: false, tone: "amber" };
  const from = Date.parse(exposure.from);
  const count = (state: string): number => states[state] ?? 0;
  if (exposure.running) {
    const usable = count("LIVE") + count("CONTAINING");
    const label = usable > 0 ? "exposed, running" : count("UNKNOWN") > 0 ? "exposed, running: no probe could tell" : "exposed, running until the residual ends";
    return { label, seconds: seconds(from, now), running: true, tone: usable > 0 ? "bad" : "amber" };
  }
  if (exposure.at_most_until) return { label: "exposed at most; stopped by proof", seconds: seconds(from, Date.parse(exposure.at_most_until)), running: false, tone: "good" };
  // Not running and never proved: given back on purpose. Nothing green about it.
  return { label: "given back on purpose; no proof of death", seconds: seconds(from, now), running: false, tone: "amber" };
}

const seconds = (from: number, to: number): number => Math.max(0, (to - from) / 1000);
