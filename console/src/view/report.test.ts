import { expect, test } from "vitest";
import type { Report } from "../evidence/verify";
import { said } from "./report";

const report = (over: Partial<Report>): Report => ({ ok: true, integrity: true, events: 6, size: 7, root: "r", key: "k", keyPinned: true, complete: true, erased: 0, case: "C-1", population: null, lines: [], errors: [], ...over });
const unpinned = { ok: false, keyPinned: false, errors: [{ code: "unpinned_key", message: "" }] };

test("only a whole bundle under the reader's key is green", () => {
  expect(said(report({})).tone).toBe("good");
  for (const over of [unpinned, { ...unpinned, errors: [{ code: "wrong_key", message: "" }] }, { ok: false, integrity: false }, { complete: false, erased: 1 }]) expect(said(report(over)).tone).not.toBe("good");
});

test("a bundle without a pinned key is called not verified, and another key's is refused", () => {
  expect(said(report(unpinned)).headline).toMatch(/NOT VERIFIED/);
  expect(said(report({ ...unpinned, errors: [{ code: "wrong_key", message: "" }] })).headline).toMatch(/REFUSED/);
  expect(said(report({ ok: false, integrity: false })).headline).toMatch(/REFUSED/);
  expect(said(report({ ok: false, integrity: false })).proves).toEqual([]);
});

test("a range says how many cases, and against which checkpoints to hold it", () => {
  const population = { from: { size: 3, root: "a" }, to: { size: 9, root: "b" }, cases: [{ case: "case/C-1" }] as never };
  const one = said(report({ population }));
  expect(one.tone).toBe("good");
  expect(one.proves.join()).toMatch(/1 case was opened between size 3 and size 9/);
  expect(one.not.join()).toMatch(/checkpoints that you kept/);
  expect(said(report({ ...unpinned, population })).tone).toBe("amber");
});

test("it never says that the events are true", () => {
  for (const one of [said(report({})), said(report(unpinned))]) expect(one.not).toContain("that the events are true");
  expect(said(report({ erased: 2 })).proves.join()).toMatch(/2 values were erased/);
});
