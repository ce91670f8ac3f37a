// What a case's page puts first, computed from the case alone.
import type { BlindSource, Case, CaseNotice, EventLine, Holding, Plan, Stage, Waiting } from "../api/client";

export const STAGES: readonly Stage[] = ["detected", "triaged", "decided", "acted", "proven", "restored", "reviewed"];

export interface StripCell {
  stage: Stage;
  /** When it was last entered; null while it was not. */
  at: string | null;
  state: "past" | "now" | "ahead";
}

/** The status strip. A stage that was jumped over stays without a time. */
export function strip(c: Pick<Case, "stages" | "state">): StripCell[] {
  const here = c.state === "closed" ? STAGES.length : STAGES.indexOf(c.state);
  return STAGES.map((stage, n) => {
    const entries = c.stages.filter((s) => s.state === stage);
    const at = entries.at(-1)?.at ?? null;
    // A reopened case has been where it is not now: that time is of the first round.
    const state = n === here ? "now" : n < here && at ? "past" : "ahead";
    return { stage, at: state === "ahead" ? null : at, state };
  });
}

const OPEN = new Set(["drafted", "waiting", "running", "degraded", "amended"]);

export const isOpen = (plan: Plan): boolean => OPEN.has(plan.state);

/** The plan that people look for: the open one that was made last, else the last one. */
export function foremost(plans: readonly Plan[]): Plan | null {
  return plans.findLast(isOpen) ?? plans.at(-1) ?? null;
}

/** In the order in which they need somebody: usable first, new ones of ours last. */
export function byUrgency(holdings: readonly Holding[]): Holding[] {
  const rank: Record<Holding["state"], number> = { LIVE: 0, UNKNOWN: 1, CONTAINING: 2, DYING: 3, RESTORED: 4, DEAD: 5 };
  return [...holdings].sort((a, b) => Number(a.issued_by_quell) - Number(b.issued_by_quell) || rank[a.state] - rank[b.state] || a.id.localeCompare(b.id));
}

/** Is it contained? Only by proof: each of its credentials and sessions DEAD. */
export function isProvedDead(c: Pick<Case, "credentials" | "sessions">): boolean {
  const old = [...c.credentials, ...c.sessions].filter((h) => !h.issued_by_quell);
  return old.length > 0 && old.every((h) => h.state === "DEAD");
}

export type TimelineView = "story" | "all" | "enforcement" | "raw";

export function inView(line: EventLine, view: TimelineView): boolean {
  return view === "all" || view === "raw" || line.views.includes(view);
}

/** Consecutive lines that say the same are one line with a count: probes of a watch fill pages otherwise. */
export function folded(lines: readonly EventLine[]): { line: EventLine; times: number }[] {
  const out: { line: EventLine; times: number }[] = [];
  for (const line of lines) {
    const last = out.at(-1);
    if (last && last.line.text === line.text && last.line.by === line.by && !line.untrusted) {
      out[out.length - 1] = { line, times: last.times + 1 };
    } else out.push({ line, times: 1 });
  }
  return out;
}

/** Is this the caller's to answer? By name where people were named, else by role. */
export function isMine(waiting: Waiting, me: { user: string; roles: readonly string[] }): boolean {
  return waiting.people.length > 0 ? waiting.people.includes(me.user) : me.roles.includes(waiting.role);
}

/** What stops if the plan runs: declared consumers, or that nobody declared any. A plan that fails over lists none at its steps. */
export function impact(c: Pick<Case, "subjects">, plan: Plan): string {
  const names = [...new Set([...plan.steps.flatMap((s) => s.dependents), ...c.subjects.flatMap((s) => s.consumers.map((x) => x.name))])].sort();
  if (names.length > 0 && plan.undo) return `touches ${names.join(", ")}`;
  if (names.length > 0) return plan.failover ? `${names.join(", ")} move${names.length === 1 ? "s" : ""} to a new credential first` : `stops ${names.join(", ")}`;
  return c.subjects.length > 0 && c.subjects.every((s) => s.dependents !== null) ? "no consumer is declared" : "unknown: nobody has declared what needs it";
}

/** What became of a notice. A channel that took it says nothing of who read it. */
export function toldHow(notice: Pick<CaseNotice, "standing" | "over" | "failed" | "paged">): string {
  const failed = notice.failed.map((f) => `${f.channel} did not take it: ${f.why}`);
  const how =
    notice.standing === "due" ? "not yet" : notice.standing === "dropped" ? "not any more" : notice.over.length === 0 ? "nobody yet" : `${notice.paged > 0 ? "paged" : "told"} over ${notice.over.join(", ")}`;
  return [how, ...failed].join("; ");
}

/** Why nothing of a source could be heard in the time of the case. */
export function blind(source: BlindSource): string {
  const until = source.until ?? "now";
  return source.why === "silent" ? `${source.source}: silent from ${source.from ?? "?"} until ${until}` : `${source.source}: never heard until ${until}`;
}
