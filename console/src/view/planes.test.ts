import { expect, test } from "vitest";
import type { Offered, Plane } from "../api/client";
import { arming, coverage, FRESH_MS, health, heard, proven, usually } from "./planes";

const NOW = Date.parse("2026-11-30T12:00:00Z");
const offered = (action: string, over: Partial<Offered> = {}): Offered => ({ action, reversible: "exact", effective: "now", survives: [], last_proven_at: null, lab_drill: null, ...over });
const plane = (over: Partial<Plane> = {}): Plane => ({
  name: "pg", kind: "postgresql", endpoint: "localhost", armed_until: null, armed_actions: [], reachable: true, privileges: { needed: ["a"], missing: [], excess: [] }, actions: [offered("suspend_identity")],
  control_alive: true, warnings: [], ...over,
});

test.each([
  ["nobody asked it", { reachable: null }, "plain"],
  ["it does not answer", { reachable: false }, "bad"],
  ["its control is dead", { control_alive: false }, "bad"],
  ["its control was not told", { control_alive: undefined as never }, "bad"],
  ["it lacks a privilege", { privileges: { needed: ["a"], missing: ["a"], excess: [] } }, "amber"],
  ["it has too many", { privileges: { needed: [], missing: [], excess: ["b"] } }, "amber"],
  ["all is well", {}, "good"],
] as const)("a plane's health: %s", (_, over, tone) => {
  expect(health(plane(over as Partial<Plane>), NOW, NOW).tone).toBe(tone);
});

test("an answer of long ago is not green, and none is not either", () => {
  expect(health(plane(), NOW - FRESH_MS - 1, NOW).tone).toBe("amber");
  expect(health(plane(), NOW - FRESH_MS, NOW).tone).toBe("good");
  expect(health(plane(), null, NOW).tone).toBe("plain");
});

test("a plane is armed until its end and not after, and a pause outweighs it", () => {
  const armed = { armed_until: "2026-11-30T13:00:00Z" };
  expect(arming(armed, null, NOW).says).toBe("armed");
  expect(arming(armed, null, Date.parse("2026-11-30T13:00:00Z")).says).toMatch(/observes/);
  expect(arming(armed, "2026-11-30T12:30:00Z", NOW)).toMatchObject({ tone: "amber", until: "2026-11-30T12:30:00Z" });
  expect(arming(armed, "2026-11-30T11:30:00Z", NOW).says).toBe("armed");
  expect(arming({ armed_until: null }, null, NOW).tone).toBe("plain");
});

test("the coverage has every action once, and a plane that does not offer it says so", () => {
  const found = coverage([plane({ actions: [offered("b"), offered("a")], armed_until: "2026-11-30T13:00:00Z", armed_actions: ["a"] }), plane({ name: "bao", actions: [offered("a")] })], NOW);
  expect(found.planes).toEqual(["pg", "bao"]);
  expect(found.rows.map((r) => [r.action, r.cells.map((c) => [c.offered !== null, c.armed])])).toEqual([
    ["a", [[true, true], [true, false]]],
    ["b", [[true, false], [false, false]]],
  ]);
});

test("only a case here makes a coverage green; a drill in the lab does not", () => {
  expect(proven(offered("a", { last_proven_at: "2026-11-01T00:00:00Z" })).tone).toBe("good");
  const drill = proven(offered("a", { lab_drill: { proven_at: "2026-11-01T00:00:00Z", server: "PostgreSQL 17", strength: "exercised", undone: "proved" } }));
  expect(drill.tone).not.toBe("good");
  expect(drill.says).toMatch(/lab drill.*PostgreSQL 17/);
  expect(proven(offered("a"))).toMatchObject({ tone: "amber", at: null });
});

test.each([
  ["it was never heard", { last_alert_at: null }, "amber", "never heard"],
  ["it is silent", { silent_since: "2026-11-29T11:00:00Z" }, "bad", "SILENT"],
  ["it has no habit", { usual: null }, "plain", "heard, no habit yet"],
  ["it is heard as usual", {}, "good", "heard as usual"],
])("a source: %s", (_, over, tone, says) => {
  const source = { last_alert_at: "2026-11-30T11:00:00Z", usual: { hours_heard: 20, hours: 24, wait_seconds: 3600 }, silent_since: null, ...over };
  expect(heard(source)).toMatchObject({ tone, says });
});

test("a rate that is not known is no number", () => {
  expect([usually(null), usually({ hours_heard: 20, hours: 24, wait_seconds: 3600 })]).toEqual(["not known yet", "in 20 of 24 hours"]);
});
