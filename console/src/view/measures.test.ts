import { expect, test } from "vitest";
import type { MeasuredCase } from "../api/client";
import { byDay, closedBySaying, closedUnproven, exposed, fallback, incidents, secondsTo, spread, ticks } from "./measures";

const NOW = Date.parse("2026-11-30T12:00:00Z");
const one = (over: Partial<MeasuredCase> = {}): MeasuredCase => ({
  id: "C-1", headline: "", state: "detected", opened_at: "2026-11-30T10:00:00Z", closed_at: null, stages: [{ state: "detected", at: "2026-11-30T10:00:00Z" }], exposure: null, states: {}, routed: null, outcomes: [], sample: false, posture: false, ...over,
});
const exposure = (running: boolean, until: string | null) => ({ from: "2026-11-30T09:00:00Z", from_basis: "event", at_least_until: null, at_most_until: until, running });

test("no number is made of nothing", () => {
  expect(spread([])).toBeNull();
  expect(fallback([one()])).toBeNull();
  expect(exposed(one(), NOW)).toBeNull();
  expect(secondsTo(one(), "proven")).toBeNull();
});

test("median and nine in ten are by the nearest rank", () => {
  expect(spread([5])).toEqual({ of: 1, median: 5, most: 5 });
  expect(spread([4, 1, 3, 2])).toEqual({ of: 4, median: 2, most: 4 });
  expect(spread([10, 1, 2, 3, 4, 5, 6, 7, 8, 9])).toEqual({ of: 10, median: 5, most: 9 });
});

test("an exposure that runs is as long as it has run, and is never called ended", () => {
  expect(exposed(one({ exposure: exposure(true, null) }), NOW)).toEqual({ seconds: 10_800, running: true });
  expect(exposed(one({ exposure: exposure(false, "2026-11-30T09:30:00Z") }), NOW)).toEqual({ seconds: 1800, running: false });
  expect(exposed(one({ exposure: exposure(false, null) }), NOW)).toBeNull();
});

test("the first time that a stage was entered counts", () => {
  const stages = [{ state: "detected" as const, at: "2026-11-30T10:00:00Z" }, { state: "proven" as const, at: "2026-11-30T10:01:00Z" }, { state: "proven" as const, at: "2026-11-30T11:00:00Z" }];
  expect(secondsTo(one({ stages }), "proven")).toBe(60);
});

test("days are whole, also empty ones, and medians are of what was proved alone", () => {
  const days = byDay([one({ exposure: exposure(false, "2026-11-30T09:10:00Z") }), one({ exposure: exposure(true, null) }), one(), one({ opened_at: "2026-11-28T23:59:59Z" }), one({ opened_at: "2026-10-01T00:00:00Z" })], NOW, 3);
  expect(days.map((d) => [d.day, d.opened, d.proven, d.running, d.notLooked, d.median])).toEqual([
    ["2026-11-28", 1, 0, 0, 1, null],
    ["2026-11-29", 0, 0, 0, 0, null],
    ["2026-11-30", 3, 1, 1, 1, 600],
  ]);
});

test("a day's times to contain and to prove are of the cases that came to it", () => {
  const came = (seconds: number) => one({ stages: [{ state: "acted", at: new Date(Date.parse("2026-11-30T10:00:00Z") + seconds * 1000).toISOString() }] });
  const [day] = byDay([came(10), came(30), came(50), one()], NOW, 1);
  expect([day?.contain, day?.prove]).toEqual([30, null]);
});

test("the fallback's share is of those whose routing is known", () => {
  expect(fallback([one({ routed: "fallback" }), one({ routed: "owner" }), one({ routed: "owner" }), one({ routed: "owner" }), one()])).toEqual({ share: 0.25, of: 4, unknown: 1 });
});

test("a closure without a proof counts unless every outcome needs none", () => {
  const closed = { closed_at: "2026-11-30T11:00:00Z" };
  const proven = one({ ...closed, outcomes: ["contained"], stages: [{ state: "proven", at: "2026-11-30T10:30:00Z" }] });
  const said = one({ ...closed, outcomes: ["false_positive", "duplicate"] });
  const unproven = [one({ ...closed, outcomes: ["contained"] }), one({ ...closed, outcomes: [null] }), one({ ...closed, outcomes: ["false_positive", "contained"] }), one(closed)];
  expect(closedUnproven([proven, said, one(), ...unproven])).toEqual(unproven);
  expect(closedBySaying([proven, said, one(), ...unproven])).toEqual([said]);
});

test("samples and posture are no incidents", () => {
  expect(incidents([one(), one({ sample: true }), one({ posture: true })])).toHaveLength(1);
});

test.each([[0], [1], [7], [59], [61], [3_700], [90_000], [10_000_000]])("the scale of %d ends at or above it with few steps", (most) => {
  const scale = ticks(most);
  expect(scale[0]).toBe(0);
  expect(scale.at(-1)).toBeGreaterThanOrEqual(most);
  expect(scale.length).toBeLessThanOrEqual(6);
  expect(scale.length).toBeGreaterThan(1);
});
