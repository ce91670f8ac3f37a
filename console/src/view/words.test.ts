import { expect, test } from "vitest";
import { author, STATES, STEP_STATES, stepState, visible } from "./words";

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

test("what a person says is done is green only once a probe proved it", () => {
  const by_hand = { instead_of: null, task: "t-1", what: "", owner: "iam", wants: "", probed: true, said_by: "person:u-1", said_at: "2026-11-30T03:10:00Z", proved: false };
  expect(stepState({ state: "done", by_hand }).tone).toBe("amber");
  expect(stepState({ state: "done", by_hand: { ...by_hand, proved: true } }).tone).toBe("good");
  expect(stepState({ state: "handed_over", by_hand }).says).toBe("a person has it");
  expect(stepState({ state: "done", by_hand: null })).toEqual(STEP_STATES.done);
});
