// The glossary's words for what the API calls by its ids: one word per idea.
import type { Life, Step, StepState } from "../api/client";

export type Tone = "bad" | "busy" | "amber" | "good" | "plain";

/** What a state is called and how it is coloured. Amber is not green: UNKNOWN and DYING are not dead. */
export const STATES: Record<Life, { tone: Tone; mark: string; says: string }> = {
  LIVE: { tone: "bad", mark: "●", says: "still usable" },
  CONTAINING: { tone: "busy", mark: "◐", says: "being cut, not proved" },
  DYING: { tone: "amber", mark: "◔", says: "usable until its residual ends" },
  UNKNOWN: { tone: "amber", mark: "?", says: "no probe could tell; count it as usable" },
  DEAD: { tone: "good", mark: "✓", says: "proved dead" },
  RESTORED: { tone: "plain", mark: "↺", says: "usable again, on purpose" },
};

export const STEP_STATES: Record<StepState, { tone: Tone; mark: string; says: string }> = {
  waiting: { tone: "plain", mark: "·", says: "waiting" },
  cleared: { tone: "plain", mark: "·", says: "cleared" },
  running: { tone: "busy", mark: "◐", says: "running, not proved" },
  paused: { tone: "amber", mark: "‖", says: "paused" },
  done: { tone: "good", mark: "✓", says: "done" },
  refused: { tone: "bad", mark: "✕", says: "refused by the plane" },
  throttled: { tone: "amber", mark: "…", says: "throttled by the plane" },
  unknown: { tone: "amber", mark: "?", says: "outcome unknown" },
  failed: { tone: "bad", mark: "✕", says: "failed" },
  skipped: { tone: "plain", mark: "–", says: "skipped" },
  undone: { tone: "plain", mark: "↺", says: "undone" },
  handed_over: { tone: "amber", mark: "→", says: "a person has it" },
};

/** How a step stands. What a person says is done is no proof, so it is never green without one. */
export function stepState(s: Pick<Step, "state" | "by_hand">): { tone: Tone; mark: string; says: string } {
  if (s.state !== "done" || !s.by_hand) return STEP_STATES[s.state];
  return s.by_hand.proved ? { tone: "good", mark: "✓", says: "said done, and proved" } : { tone: "amber", mark: "?", says: "said done, not proved" };
}

const ROLES: Record<string, string> = {
  response_owner: "response owner", lead: "lead", iam: "identity team", secops: "security operations", business_owner: "business owner", platform_owner: "platform owner",
  telemetry_owner: "telemetry owner", vendor_contact: "vendor contact", policy_author: "policy author", auditor: "auditor", admin: "administrator",
};

export const role = (id: string): string => ROLES[id] ?? words(id);

/** `1 case`, `2 cases`. */
export const many = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;

/** `leaked_secret` -> `leaked secret`. */
export const words = (id: string): string => id.replaceAll("_", " ");

/** The hard words, glossed where they are first seen. */
export const GLOSS: Record<string, string> = {
  exposure: "How long a credential stayed usable by others. It ends only when a probe proved it dead.",
  digest: "The fingerprint of a plan. A yes counts for this digest alone; when the plan changes, it does not carry over.",
  residual: "What stays usable although nothing more can be done, and until when.",
  reach: "Everything that can be derived from a subject, seen or possible: its blast radius.",
  probe: "An attempt to use or look up the old credential. Only a probe, beside a control that is alive, makes anything DEAD.",
};

/** `person:X` and the like, as people call them. */
export function author(by: string, names: ReadonlyMap<string, string>): string {
  if (by === "automation") return "Quell";
  const [kind, id] = by.includes(":") ? (by.split(":", 2) as [string, string]) : ["person", by];
  const name = names.get(id);
  if (kind === "source") return `source ${name ?? id}`;
  return kind === "agent" ? `${name ?? id} (agent)` : (name ?? id);
}

/** Text of outsiders on one line: marks that hide or turn their neighbours are shown, not obeyed. */
export function visible(text: string, most = 400): string {
  const shown = [...text].map((c) => (DECEPTIVE.test(c) ? `\\u{${c.codePointAt(0)!.toString(16)}}` : c));
  return shown.length > most ? `${shown.slice(0, most - 1).join("")}…` : shown.join("");
}

// Controls, bidirectional marks, zero widths, separators, tags, fillers, variation selectors: as the server's own escaper has them.
const DECEPTIVE = /[\p{Cc}\u00AD\u061C\u180E\u200B-\u200F\u2028-\u202E\u2060-\u2069\uFEFF\uFFF9-\uFFFB\u034F\u115F\u1160\u17B4\u17B5\u3164\uFFA0\uFE00-\uFE0F]|[\u{E0000}-\u{E007F}]|[\u{E0100}-\u{E01EF}]/u;
