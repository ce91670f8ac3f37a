import { expect, test } from "vitest";
import { hex, sha256, utf8 } from "./bytes";
import { leafHash } from "./tree";
import { checkLeaf } from "./leaf";

test("a leaf holds only with its own bytes, hash, place, path and root", async () => {
  const [a, b] = [await leafHash(utf8("one")), await leafHash(utf8("two"))];
  const root = hex(await sha256(new Uint8Array([1]), a, b));
  const leaf = { index: 1, leaf: "two", hash: hex(b), size: 2, root, proof: [hex(a)] };
  expect(await checkLeaf(leaf)).toBe(true);
  for (const over of [{ leaf: "two " }, { hash: hex(a) }, { index: 0 }, { index: 2 }, { size: 3 }, { root: hex(a) }, { proof: [] }, { proof: [hex(a), hex(a)] }, { proof: ["zz"] }]) expect([over, await checkLeaf({ ...leaf, ...over })]).toEqual([over, false]);
});
