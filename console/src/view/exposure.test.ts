import { expect, test } from "vitest";
import { face } from "./exposure";

const now = Date.parse("2026-11-30T03:00:00Z");
const from = "2026-11-30T02:58:00Z";
const running = { from, from_basis: "event", at_least_until: null, at_most_until: null, running: true };

test("the clock runs while anything is usable, and its number is that of now", () => {
  expect(face(running, { LIVE: 1, DEAD: 2 }, now)).toMatchObject({ seconds: 120, running: true, tone: "bad" });
});

test("unknown keeps it running and stays amber", () => {
  expect(face(running, { UNKNOWN: 1, DEAD: 2 }, now)).toMatchObject({ running: true, tone: "amber" });
  expect(face(running, { DYING: 1 }, now)).toMatchObject({ running: true, tone: "amber" });
});

test("it is green only when it was stopped by a proof, and shows the time of the proof", () => {
  const stopped = { ...running, running: false, at_most_until: "2026-11-30T02:58:30Z" };
  expect(face(stopped, { DEAD: 2 }, now)).toMatchObject({ seconds: 30, running: false, tone: "good" });
  const unproved = { ...running, running: false };
  expect(face(unproved, { RESTORED: 1 }, now).tone).not.toBe("good");
});

test("nothing looked at is said, and is no number", () => {
  expect(face(null, {}, now)).toMatchObject({ seconds: null, running: false, tone: "amber" });
});
