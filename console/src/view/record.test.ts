import { expect, test } from "vitest";
import { askedOf, FAMILIES, isLive, reached, searchOf, unsigned } from "./record";

test("what is asked survives the address", () => {
  for (const asked of [{ text: "", types: "", stream: "", by: "" }, { text: "a & b", types: "case_opened,note_added", stream: "case/", by: "person:p1" }]) expect(askedOf(new URLSearchParams(searchOf(asked)))).toEqual(asked);
  expect(searchOf({ text: "", types: "", stream: "", by: "" })).toBe("");
});

test("a search that did not come to the beginning says so", () => {
  expect(reached(0, 20_000, 512)).toBe("0 lines in 20000 looked at; 512 older ones were not looked at");
  expect(reached(1, 10, null)).toMatch(/^1 line .* first of the log$/);
});

test("what is not signed is counted", () => {
  expect(unsigned(10, null)).toMatch(/no checkpoint/);
  expect(unsigned(10, 9)).toBe("the newest 1 line is not under a signed checkpoint yet");
  expect(unsigned(10, 10)).toMatch(/every line/);
});

test("families name types in the ledger's spelling, each family its own", () => {
  const types = FAMILIES.flatMap((f) => f.types.split(",")).filter(Boolean);
  expect(new Set(types).size).toBe(types.length);
  for (const type of types) expect(type).toMatch(/^[a-z_]+$/);
});

test("a search follows what it would show, and one that looks far back does not", () => {
  const all = { text: "", types: "", stream: "", by: "" };
  expect([isLive(all, "note_added"), isLive(all, null)]).toEqual([true, true]);
  const some = { ...all, types: "case_opened,case_closed" };
  expect([isLive(some, "case_closed"), isLive(some, "note_added"), isLive(some, null)]).toEqual([true, false, true]);
  for (const over of [{ text: "x" }, { stream: "case/" }, { by: "automation" }]) expect(isLive({ ...some, ...over }, "case_closed")).toBe(false);
});
