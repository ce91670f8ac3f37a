import { expect, test } from "vitest";
import type { Plane } from "../api/client";
import { steps, summary, type Facts } from "./start";

const plane = (over: Partial<Plane>): Plane => ({ name: "pg", kind: null, endpoint: "", armed_until: null, armed_actions: [], reachable: true, privileges: null, actions: [], control_alive: true, ...over });
const facts = (over: Partial<Facts>): Facts => ({ planes: [plane({})], identities: 2, owned: 1, sources: 1, approvers: 2, ...over });
const done = (over: Partial<Facts>): boolean[] => steps(facts(over)).map((s) => s.done);

test("a step is done by what holds now", () => {
  expect(done({})).toEqual([true, true, true]);
  expect(done({ planes: [] })[0]).toBe(false);
  expect(done({ planes: [plane({ reachable: null })] })[0]).toBe(false);
  expect(done({ planes: [plane({ control_alive: false })] })[0]).toBe(false);
  expect(done({ owned: 0 })[1]).toBe(false);
  expect(done({ approvers: 1 })[1]).toBe(false);
  expect(done({ sources: 0 })[2]).toBe(false);
});

test("what could not be tried is no pass", () => {
  expect(summary([]).ok).toBe(false);
  expect(summary([{ name: "a", ok: true, says: "" }])).toEqual({ ok: true, says: "all 1 passed just now" });
  expect(summary([{ name: "a", ok: true, says: "" }, { name: "b", ok: null, says: "" }])).toEqual({ ok: false, says: "1 could not be tried, of 2" });
  expect(summary([{ name: "a", ok: false, says: "" }, { name: "b", ok: null, says: "" }]).says).toBe("1 failed, 1 could not be tried, of 2");
});
