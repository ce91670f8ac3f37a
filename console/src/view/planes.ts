// What may be said of a plane: how it is, whether it may act, and what was proved to
// work on it. Nothing is green that was not asked, and asked lately.
import type { Offered, Plane, Source } from "../api/client";
import type { Tone } from "./words";

export interface Standing {
  tone: Tone;
  mark: string;
  says: string;
  /** The next move, where there is one. */
  next: string | null;
}

/** An answer of a plane counts as fresh for this long. */
export const FRESH_MS = 5 * 60_000;

/** How a plane is, by the answer that came at `at`. */
export function health(plane: Plane, at: number | null, now: number): Standing {
  if (plane.reachable === null || at === null) return { tone: "plain", mark: "·", says: "not asked yet", next: "ask the planes" };
  if (!plane.reachable) return { tone: "bad", mark: "✕", says: "does not answer", next: "no act and no proof is possible there until it does" };
  if (now - at > FRESH_MS) return { tone: "amber", mark: "…", says: "answered, a while ago", next: "ask the planes again" };
  if (plane.control_alive !== true) return { tone: "bad", mark: "!", says: "answers, its control is not alive", next: "nothing can be proved dead there: mend the control identity" };
  const missing = plane.privileges?.missing.length ?? 0;
  if (missing > 0) return { tone: "amber", mark: "!", says: `answers, lacks ${missing} ${missing === 1 ? "privilege" : "privileges"}`, next: `quell connector bootstrap ${plane.name} prints what to grant` };
  const excess = plane.privileges?.excess.length ?? 0;
  if (excess > 0) return { tone: "amber", mark: "!", says: `answers, has ${excess} ${excess === 1 ? "privilege" : "privileges"} more than it needs`, next: "take away what it does not need" };
  return { tone: "good", mark: "✓", says: "answers, control alive, privileges as needed", next: null };
}

export interface Arming {
  tone: Tone;
  mark: string;
  says: string;
  until: string | null;
}

/** May it act? Paused outweighs armed; an end that is over is no arming. */
export function arming(plane: Pick<Plane, "armed_until">, pausedUntil: string | null, now: number): Arming {
  const armed = plane.armed_until !== null && Date.parse(plane.armed_until) > now;
  if (!armed) return { tone: "plain", mark: "○", says: "observes: changes nothing", until: null };
  if (pausedUntil !== null && Date.parse(pausedUntil) > now) return { tone: "amber", mark: "‖", says: "armed, and paused", until: pausedUntil };
  return { tone: "busy", mark: "▲", says: "armed", until: plane.armed_until };
}

export interface Cell {
  /** Null: this plane does not offer the action. */
  offered: Offered | null;
  armed: boolean;
}

export interface Matrix {
  planes: readonly string[];
  rows: { action: string; cells: Cell[] }[];
}

/** Every action that any plane offers, by plane: the coverage. */
export function coverage(planes: readonly Plane[], now: number): Matrix {
  const actions = [...new Set(planes.flatMap((p) => p.actions.map((a) => a.action)))].sort();
  return {
    planes: planes.map((p) => p.name),
    rows: actions.map((action) => ({
      action,
      cells: planes.map((p) => ({
        offered: p.actions.find((a) => a.action === action) ?? null,
        armed: p.armed_actions.includes(action) && p.armed_until !== null && Date.parse(p.armed_until) > now,
      })),
    })),
  };
}

/** What a cell of the coverage claims, and no more. */
export function proven(offered: Offered): { tone: Tone; mark: string; says: string; at: string | null } {
  if (offered.last_proven_at) return { tone: "good", mark: "✓", says: "proved here by a case", at: offered.last_proven_at };
  if (offered.lab_drill) return { tone: "plain", mark: "◇", says: `only in a lab drill, on ${offered.lab_drill.server}`, at: offered.lab_drill.proven_at };
  return { tone: "amber", mark: "?", says: "never proved", at: null };
}

/** How a source is heard. Nothing is green that has no habit: nobody would notice its silence. */
export function heard(source: Pick<Source, "last_alert_at" | "usual" | "silent_since">): Standing {
  if (source.last_alert_at === null) return { tone: "amber", mark: "?", says: "never heard", next: "send it an alert, or ask whoever runs it" };
  if (source.silent_since !== null) return { tone: "bad", mark: "!", says: "SILENT", next: "its telemetry owner has a task to say why" };
  if (source.usual === null) return { tone: "plain", mark: "·", says: "heard, no habit yet", next: null };
  return { tone: "good", mark: "✓", says: "heard as usual", next: null };
}

/** Its usual rate, in words. */
export function usually(usual: Source["usual"]): string {
  return usual === null ? "not known yet" : `in ${usual.hours_heard} of ${usual.hours} hours`;
}
