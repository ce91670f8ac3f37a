import { expect, test } from "vitest";
import { author, STATES, STEP_STATES, visible } from "./words";

test("only DEAD is green among the states, and UNKNOWN and DYING are amber", () => {
  for (const [state, { tone, mark, says }] of Object.entries(STATES)) {
    expect(tone === "good", state).toBe(state === "DEAD");
    expect(mark && says, state).toBeTruthy();
  }
  expect([STATES.UNKNOWN.tone, STATES.DYING.tone]).toEqual(["amber", "amber"]);
});

test("a step that was ordered and not proved is not green", () => {
  for (const [state, { tone }] of Object.entries(STEP_STATES)) expect(tone === "good", state).toBe(state === "done");
});

test("marks that hide or turn their neighbours are shown and not obeyed", () => {
  expect(visible("a\u202egnp.exe")).toBe("a\\u{202e}gnp.exe");
  expect(visible("\u200b\u0000\u001b[2J\u{E0041}")).toBe("\\u{200b}\\u{0}\\u{1b}[2J\\u{e0041}");
  expect(visible("<b>&é漢</b>")).toBe("<b>&é漢</b>");
  expect([...visible("x".repeat(10_000))]).toHaveLength(400);
});

test("authors are called as people call them", () => {
  const names = new Map([["u-1", "lea"]]);
  expect([author("automation", names), author("person:u-1", names), author("source:s-1", names), author("agent:u-1", names), author("u-1", names)]).toEqual(["Quell", "lea", "source s-1", "lea (agent)", "lea"]);
});
