import { expect, test } from "vitest";
import { moved, ranked, SHOWN_MAX, type Item } from "./palette";

const item = (id: string, label: string, hint = "", group = "Go to"): Item => ({ id, group, label, hint });
const ITEMS = [item("1", "Metrics", "exposure over time"), item("2", "Case C-1 export key", "LIVE", "Case"), item("3", "Planes", "arming"), item("4", "Explain the policy"), item("5", "Run the plan", "r", "On this page")];
const ids = (text: string): string => ranked(ITEMS, text).map((i) => i.id).join("");

test("with nothing typed everything is offered in its order", () => {
  expect(ids("")).toBe("12345");
  expect(ids("   ")).toBe("12345");
});

test("every word must be found, in label, hint or group", () => {
  expect(ids("case export")).toBe("2");
  expect(ids("case planes")).toBe("");
  expect(ids("ARMING")).toBe("3");
});

test("what begins with the word stands before what holds it", () => {
  expect(ids("pla")).toBe("354");
  expect(ids("exp")).toBe("421");
});

test("the list ends, and the highlight goes round", () => {
  expect(ranked(Array.from({ length: 100 }, (_, n) => item(String(n), `x${n}`)), "x")).toHaveLength(SHOWN_MAX);
  expect([moved(0, -1, 3), moved(2, 1, 3), moved(0, 1, 3), moved(0, 1, 0)]).toEqual([2, 0, 1, 0]);
});
