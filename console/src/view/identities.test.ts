import { expect, test } from "vitest";
import type { HeldIn, OwnerLine } from "../api/client";
import { accountable, byState, credentialRows, freshness, ownerName, question } from "./identities";

const NOW = Date.parse("2026-11-30T12:00:00Z");
const owner = (role: string, person: string | null = null): OwnerLine => ({ role, person, team: null, deputy: null, confirmed_at: null });
const held = (id: string, state: HeldIn["holding"]["state"], what = "credential"): HeldIn => ({ case: "C-1", what, holding: { id, state, kind: "password", target: id } as HeldIn["holding"] });

test.each([
  [null, "amber", /never/], ["nonsense", "amber", /never/], ["2026-11-30", "plain", /today/], ["2026-11-29", "plain", /yesterday/], ["2026-09-01", "plain", /90 days ago/], ["2026-08-31", "amber", /91 days ago/], ["2027-01-01", "amber", /future/],
] as const)("an owner who was confirmed %s is %s", (at, tone, says) => {
  const found = freshness(at, NOW);
  expect(found.tone).toBe(tone);
  expect(found.says).toMatch(says);
});

test("the business owner answers first, and somebody without a name is nobody", () => {
  expect(accountable([owner("iam", "a"), owner("business", "b")])?.person).toBe("b");
  expect(accountable([owner("iam", "a")])?.person).toBe("a");
  expect(accountable([])).toBeNull();
  expect(ownerName(owner("iam"))).toBe("nobody named");
});

test("a credential that no case looked at has no state, and what is usable stands first", () => {
  const rows = credentialRows([{ type: "credential", id: "pg/a#1" }, { type: "identity", id: "pg/a" }, { type: "session", id: "pg/s" }], [held("pg/a#2", "DEAD"), held("pg/a#3", "LIVE"), held("pg/s", "UNKNOWN", "session"), held("pg/db", "LIVE", "entitlement")]);
  expect(rows.map((r) => [r.id, r.held?.holding.state ?? null])).toEqual([["pg/a#3", "LIVE"], ["pg/s", "UNKNOWN"], ["pg/a#1", null], ["pg/a#2", "DEAD"]]);
  expect(byState(rows)).toContainEqual({ state: "not looked at", count: 1 });
});

test("what is unknown is asked as unknown, never as none", () => {
  const facts = { id: "pg/a", kind: "service_account", environment: null, criticality: null, shared: null, third_party: null, protected: null, hasBusinessOwner: false, consumers: 0, reach: null };
  const asked = question(facts, "pg", "suspend_identity", "exact", false, false, { corroborated: true, secret_exposed: true, confidence: 90 }, 3) as { identity: Record<string, unknown>; circumstances: Record<string, unknown> };
  expect(asked.identity).toMatchObject({ shared: null, criticality: null, protected: null, has_business_owner: false });
  expect(asked.circumstances).toMatchObject({ dependents: null, reach: null, armed: false, approvals: {} });
  expect((question({ ...facts, consumers: 2 }, "pg", "a", "exact", true, false, { corroborated: false, secret_exposed: false, confidence: 10 }, 3)["circumstances"] as Record<string, unknown>)["dependents"]).toBe(2);
});
