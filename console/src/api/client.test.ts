import { expect, test } from "vitest";
import { address } from "./client";

test("values fill the path or become the query, and none escapes its place", () => {
  expect(address("/cases/{id}/events", { id: "C-1/../x?", after: 7 })).toBe("/cases/C-1%2F..%2Fx%3F/events?after=7");
  expect(address("/cases", { after: undefined, limit: 200 })).toBe("/cases?limit=200");
});
