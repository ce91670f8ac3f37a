import { expect, test } from "vitest";
import type { Explained, PolicyRow } from "../api/client";
import { approvals, chosen, ownersOf, verdict } from "./policy";

const row = (id: string, owner: string, forbids: boolean, why = ""): PolicyRow => ({ id, owner, forbids, who: "automation", may: "suspend", to: "identities", unless: null, ask: null, why });
const ROWS = [row("a", "secops", true, "People decide."), row("b", "iam", false), row("c", "secops", false)];
const answer = (allowed: boolean, ask: unknown, errors: string[] = []): Pick<Explained, "decision" | "ask"> => ({ decision: { allowed, errors, policy_digest: "", request_digest: "", deciding: [] }, ask: ask as never });

test("rows are chosen by owner, effect and every word", () => {
  const ids = (choice: Parameters<typeof chosen>[1]): string[] => chosen(ROWS, choice).map((r) => r.id);
  expect(ids({ owner: null, effect: "all", text: "" })).toEqual(["a", "b", "c"]);
  expect(ids({ owner: "secops", effect: "permits", text: "" })).toEqual(["c"]);
  expect(ids({ owner: null, effect: "forbids", text: "" })).toEqual(["a"]);
  expect(ids({ owner: null, effect: "all", text: " PEOPLE suspend " })).toEqual(["a"]);
  expect(ids({ owner: null, effect: "all", text: "nothing" })).toEqual([]);
  expect(ownersOf(ROWS)).toEqual(["iam", "secops"]);
});

test("an error outweighs an allow, and being asked is no allow", () => {
  expect(verdict(answer(true, { ask: "nobody" })).says).toMatch(/may run now/);
  expect(verdict(answer(true, { ask: "nobody" }, ["boom"]))).toMatchObject({ tone: "bad" });
  expect(verdict(answer(false, { ask: "these", approvals: { iam: 2 } }))).toMatchObject({ tone: "amber" });
  expect(verdict(answer(false, { ask: "no_one" })).says).toMatch(/may not/);
  expect(verdict(answer(false, null)).says).toMatch(/may not/);
});

test("whom it waits for is counted by role", () => {
  expect(approvals({ ask: { ask: "these", approvals: { iam: 2, secops: 1 } } as never }, (r) => r.toUpperCase())).toBe("2 × IAM and 1 × SECOPS");
  expect(approvals({ ask: null }, (r) => r)).toBe("");
});
