import { expect, test } from "vitest";
import type { LedgerLine } from "../api/client";
import { moment, pauses } from "./audit";

const line = (index: number, type: string, by: string): LedgerLine => ({ index, at: `2026-11-30T10:0${index}:00Z`, by, stream: "policy/x", type, version: index, views: [], text: type, untrusted: null, changed: null, case: null });

test("a pause has the end that a person gave it, and one without has none", () => {
  const found = pauses([line(4, "automation_paused", "person:b"), line(2, "automation_resumed", "person:c"), line(1, "automation_paused", "person:a")]);
  expect(found.map((p) => [p.by, p.endedBy, p.endedAt])).toEqual([["person:b", null, null], ["person:a", "person:c", "2026-11-30T10:02:00Z"]]);
});

test("a resumption ends one pause, and never one before it", () => {
  const found = pauses([line(1, "automation_resumed", "person:x"), line(2, "automation_paused", "person:a"), line(3, "automation_paused", "person:b"), line(4, "automation_resumed", "person:c"), line(5, "connector_armed", "person:p")]);
  expect(found.map((p) => [p.by, p.endedBy])).toEqual([["person:b", "person:c"], ["person:a", null]]);
});

test("a field is a moment in UTC, and nonsense is none", () => {
  expect(moment("2026-09-30T12:00")).toBe("2026-09-30T12:00:00Z");
  for (const field of ["", "x", "2026-13-30T12:00", "2026-09-30"]) expect(moment(field)).toBeNull();
});
