import { expect, test } from "vitest";
import type { EventLine, Holding, Plan, Step, Waiting } from "../api/client";
import { blind, byUrgency, folded, foremost, impact, inView, isMine, isProvedDead, strip, toldHow } from "./case";

const holding = (id: string, state: Holding["state"], issued_by_quell = false): Holding => ({
  id, target: id, identity: "pg/app", kind: null, fingerprint: null, state, since: null, residual_until: null, exposure: null, proof: null, used_since_cut: null, never_seen_live: false, issued_by_quell, proven_dead_at: null, accepted_until: null,
});
const step = (dependents: string[]): Step => ({
  n: 1, action: "suspend_identity", selector: "pg/app", sentence: "", targets: [], state: "waiting", reversible: "exact", undo: "", effective: "now", residual_until: null, dependents, survives: [], after: [],
  approved_by: [], policies: [], allowed_now: null, because: null, by_hand: null,
});
const plan = (id: string, state: Plan["state"], steps: Step[] = [], failover = false): Plan => ({
  id, kind: "contain", parent: null, digest: id, state, tier: "contain", incomplete: [], failover, undo: null, wanted: null, approvals: [], started_at: null, ended_at: null, because: null, break_glass: null, paused: null, left_out: [], steps,
});
const line = (index: number, text: string, views: string[] = ["story"], untrusted: string | null = null): EventLine => ({
  index, at: "2026-11-30T03:00:00Z", by: "automation", stream: "case/C-1", type: "x", version: index, views, text, untrusted, changed: null,
});
const at = (n: number): string => `2026-11-30T03:00:0${n}Z`;

test("the strip shows a time only for what was entered, and nothing is proven before it is", () => {
  const cells = strip({ state: "acted", stages: [{ state: "detected", at: at(0) }, { state: "triaged", at: at(1) }, { state: "acted", at: at(3) }] });
  expect(cells.map((c) => [c.stage, c.state])).toEqual([
    ["detected", "past"], ["triaged", "past"], ["decided", "ahead"], ["acted", "now"], ["proven", "ahead"], ["restored", "ahead"], ["reviewed", "ahead"],
  ]);
  expect(cells.find((c) => c.stage === "decided")?.at).toBeNull();
});

test("a reopened case has no proof any more, whatever its first round had", () => {
  const stages = (["detected", "triaged", "decided", "acted", "proven", "triaged"] as const).map((state, n) => ({ state, at: at(n) }));
  const cells = strip({ state: "triaged", stages });
  expect(cells.find((c) => c.stage === "proven")).toMatchObject({ state: "ahead", at: null });
  expect(cells.find((c) => c.stage === "triaged")).toMatchObject({ state: "now", at: at(5) });
});

test("what is usable stands first and what we issued last", () => {
  const order = byUrgency([holding("d", "DEAD"), holding("n", "LIVE", true), holding("u", "UNKNOWN"), holding("l", "LIVE")]).map((h) => h.id);
  expect(order).toEqual(["l", "u", "d", "n"]);
});

test("proved dead is every credential and session, and not none", () => {
  expect(isProvedDead({ credentials: [], sessions: [] })).toBe(false);
  expect(isProvedDead({ credentials: [holding("a", "DEAD")], sessions: [holding("b", "UNKNOWN")] })).toBe(false);
  expect(isProvedDead({ credentials: [holding("a", "DEAD"), holding("n", "LIVE", true)], sessions: [] })).toBe(true);
});

test("the open plan is in front of one that is over", () => {
  expect(foremost([])).toBeNull();
  expect(foremost([plan("a", "waiting"), plan("b", "superseded")])?.id).toBe("a");
  expect(foremost([plan("a", "proved"), plan("b", "denied")])?.id).toBe("b");
});

test("no declared consumer is not the same as nobody having declared any", () => {
  const subjects = (dependents: number | null) => [{ identity: "pg/app", name: null, kind: "workload", criticality: null, environment: null, shared: null, protected: null, reach: null, dependents, consumers: [] }];
  expect(impact({ subjects: subjects(0) }, plan("a", "waiting", [step([])]))).toBe("no consumer is declared");
  expect(impact({ subjects: subjects(null) }, plan("a", "waiting", [step([])]))).toMatch(/^unknown/);
  expect(impact({ subjects: [] }, plan("a", "waiting"))).toMatch(/^unknown/);
  const consumed = [{ ...subjects(1)[0]!, consumers: [{ name: "job", criticality: null, reads_from: null }] }];
  expect(impact({ subjects: consumed }, plan("a", "waiting", [step([])], true))).toBe("job moves to a new credential first");
  expect(impact({ subjects: subjects(1) }, plan("a", "waiting", [step(["job"]), step(["job"])]))).toBe("stops job");
  expect(impact({ subjects: subjects(1) }, plan("a", "waiting", [step(["job"])], true))).toBe("job moves to a new credential first");
});

test("what was addressed to people by name is not everybody's of the role", () => {
  const waiting = (people: string[]): Waiting => ({ role: "iam", people, deadline: null, at_timeout: "", plan: null, what: "" });
  const me = { user: "u-1", roles: ["iam"] };
  expect([isMine(waiting([]), me), isMine(waiting(["u-2"]), me), isMine(waiting(["u-1"]), { user: "u-1", roles: [] })]).toEqual([true, false, true]);
});

test("views are by the line's own word, and repeated lines fold unless somebody wrote them", () => {
  const act = line(1, "a", ["enforcement"]);
  expect([inView(act, "story"), inView(act, "enforcement"), inView(act, "all"), inView(act, "raw")]).toEqual([false, true, true, true]);
  expect(folded([line(1, "a"), line(2, "a"), line(3, "b"), line(4, "a")]).map((f) => [f.line.index, f.times])).toEqual([[2, 2], [3, 1], [4, 1]]);
  expect(folded([line(1, "wrote a note", ["story"], "x"), line(2, "wrote a note", ["story"], "y")])).toHaveLength(2);
});

test.each([
  [{ source: "okta", why: "silent", from: "2026-11-30T08:00:00Z", until: null }, "okta: silent from 2026-11-30T08:00:00Z until now"],
  [{ source: "okta", why: "silent", from: "2026-11-30T08:00:00Z", until: "2026-11-30T09:00:00Z" }, "okta: silent from 2026-11-30T08:00:00Z until 2026-11-30T09:00:00Z"],
  [{ source: "ci", why: "never_heard", from: "2026-11-30T08:00:00Z", until: null }, "ci: never heard until now"],
])("a source that could not have told of it says why: %#", (source, says) => {
  expect(blind(source)).toBe(says);
});

test.each([
  ["due", [], [], 0, "not yet"],
  ["dropped", [], [], 0, "not any more"],
  ["failing", [], [{ channel: "mail", why: "it cannot be reached" }], 1, "nobody yet; mail did not take it: it cannot be reached"],
  ["told_in_part", ["hook", "inbox"], [{ channel: "mail", why: "x" }], 1, "paged over hook, inbox; mail did not take it: x"],
  ["told", ["inbox"], [], 0, "told over inbox"],
])("a notice that is %s says over what, and never that somebody read it", (standing, over, failed, paged, says) => {
  expect(toldHow({ standing, over, failed, paged })).toBe(says);
});
