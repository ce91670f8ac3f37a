import { expect, test } from "vitest";
import { layout, NODES_MAX } from "./reach";

test("a reach of many is a picture of few that says how many it leaves out", () => {
  const observed = Array.from({ length: 1000 }, (_, n) => ({ id: `n${n}`, via: "reads", path: ["s", `n${n}`] }));
  const picture = layout({ start: "s", observed, possible: [], count: 1000, truncated: false, not_looked_at: [] });
  expect([picture.nodes.length, picture.left_out]).toEqual([NODES_MAX, 1000 - NODES_MAX + 1]);
  expect(picture.edges).toHaveLength(NODES_MAX - 1);
});

test("observed and possible stay told apart, and every edge has both its ends", () => {
  const picture = layout({ start: "s", observed: [{ id: "a", via: "v", path: ["s", "a"] }], possible: [{ id: "b", via: "v", path: ["s", "a", "b"] }], count: 2, truncated: false, not_looked_at: [] });
  expect(picture.edges.map((e) => [e.from, e.to, e.basis])).toEqual([["s", "a", "observed"], ["a", "b", "possible"]]);
  expect(picture.nodes.map((n) => n.x)).toEqual([20, 320, 620]);
});
