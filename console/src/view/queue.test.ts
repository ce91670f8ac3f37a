import { expect, test } from "vitest";
import type { CaseRow, Waiting } from "../api/client";
import { filterOf, inOrder, inView, matches, searchOf } from "./queue";
import { outcome, stillShown } from "./queue";

const waiting = (role: string, deadline: string | null, missing?: number): Waiting => ({ role, people: [], deadline, at_timeout: "", plan: "p-1", what: "", ...(missing === undefined ? {} : { missing }) });
const row = (id: string, over: Partial<CaseRow> = {}): CaseRow => ({
  id, state: "decided", headline: `${id}: STILL USABLE. Next: x.`, opened_at: "2026-11-30T00:00:00Z", closed_at: null, findings: 1, signals: 1, waiting_for: [], states: { LIVE: 1 }, because: "b", lead: null, confidence: 90,
  kinds: ["leaked_secret"], last_at: null, owned: true, reach: null,
  exposure: { from: "2026-11-30T00:00:00Z", from_basis: "event", at_least_until: null, at_most_until: null, running: true }, ...over,
});
const stopped = { from: "2026-11-30T00:00:00Z", from_basis: "event", at_least_until: null, at_most_until: "2026-11-30T00:01:00Z", running: false };
const me = { user: "u-1", roles: ["iam"] };

test("running clocks stand first, then the nearest deadline, then the newest", () => {
  const rows = [
    row("proved", { exposure: stopped, opened_at: "2026-11-30T09:00:00Z" }),
    row("old"),
    row("new", { opened_at: "2026-11-30T01:00:00Z" }),
    row("late", { waiting_for: [waiting("iam", "2026-11-30T05:00:00Z")] }),
    row("soon", { waiting_for: [waiting("iam", null), waiting("iam", "2026-11-30T03:00:00Z")] }),
  ];
  expect(inOrder(rows).map((r) => r.id)).toEqual(["soon", "late", "new", "old", "proved"]);
});

test("a case that was never looked at is unproven", () => {
  expect(inView(row("a", { exposure: null }), "unproven", me)).toBe(true);
  expect(inView(row("a", { exposure: stopped }), "unproven", me)).toBe(false);
});

test("mine is what I lead and what waits for my role; waiting is for an approval", () => {
  expect(inView(row("a", { lead: "u-1" }), "mine", me)).toBe(true);
  expect(inView(row("a", { waiting_for: [waiting("iam", null)] }), "mine", me)).toBe(true);
  expect(inView(row("a", { waiting_for: [waiting("secops", null)] }), "mine", me)).toBe(false);
  expect([inView(row("a", { waiting_for: [waiting("iam", null, 1)] }), "waiting", me), inView(row("a", { waiting_for: [waiting("iam", null)] }), "waiting", me)]).toEqual([true, false]);
  expect(inView(row("a", { owned: false }), "unowned", me)).toBe(true);
});

test("every word of a search must be there", () => {
  expect(matches(row("C-1"), { view: "all", text: "usable LEAKED" }, me)).toBe(true);
  expect(matches(row("C-1"), { view: "all", text: "usable nobody" }, me)).toBe(false);
});

test("the address says what is shown, and a strange address shows all", () => {
  for (const filter of [{ view: "mine", text: "a b&c" }, { view: "all", text: "" }] as const) expect(filterOf(new URLSearchParams(searchOf(filter)))).toEqual(filter);
  expect(filterOf(new URLSearchParams("?view=evil"))).toEqual({ view: "all", text: "" });
});

test("a bulk order is for what is selected and in view, and for nothing else", () => {
  const rows = [{ id: "C-1" }, { id: "C-2" }] as never;
  expect(stillShown(new Set(["C-2", "C-3"]), rows).map((r) => r.id)).toEqual(["C-2"]);
  expect(stillShown(new Set(), rows)).toEqual([]);
});

test("what was refused in a bulk order is told one by one, and never as done", () => {
  const tried = [{ id: "C-1", refused: null }, { id: "C-2", refused: "a plan is open" }];
  expect(outcome(tried)).toEqual({ headline: "1 of 2 done", refused: [tried[1]] });
  expect(outcome([]).headline).toBe("0 of 0 done");
});
