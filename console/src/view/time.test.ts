import { expect, test } from "vitest";
import { clock, duration, utcTime } from "./time";

test("digits keep their places while a clock runs", () => {
  for (const [seconds, shown] of [[0, "00:00:00"], [59.9, "00:00:59"], [3661, "01:01:01"], [86_400 * 3 + 61, "3 d 00:01:01"], [-5, "00:00:00"]] as const) expect(clock(seconds)).toBe(shown);
});

test("a length names its two largest units", () => {
  for (const [seconds, shown] of [[12, "12 s"], [245, "4 min 05 s"], [3 * 3600 + 720, "3 h 12 min"], [10 * 86_400 + 3 * 3600, "10 d 3 h"], [-1, "0 s"]] as const) expect(duration(seconds)).toBe(shown);
});

test("a moment of another day shows its day, and what is no time is shown as it is", () => {
  const now = Date.parse("2026-11-30T01:00:00Z");
  expect(utcTime("2026-11-30T00:59:58.5Z", now)).toBe("00:59:58");
  expect(utcTime("2026-11-29T23:00:00Z", now)).toBe("2026-11-29 23:00:00");
  expect(utcTime("soon", now)).toBe("soon");
});
