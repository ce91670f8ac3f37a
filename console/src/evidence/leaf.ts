// One leaf that a server shows, with its proof.
import { hex, unhex, utf8, type Bytes } from "./bytes";
import { isIncluded, leafHash } from "./tree";

export interface ShownLeaf {
  index: number;
  /** The exact bytes, as text. */
  leaf: string;
  /** Hex, as are the root and the path. */
  hash: string;
  size: number;
  root: string;
  proof: readonly string[];
}

/** Does the leaf hash to what is said, and does its path lead to the root that is said? */
export async function checkLeaf(leaf: ShownLeaf): Promise<boolean> {
  const [path, root] = [leaf.proof.map((h) => unhex(h, 64)), unhex(leaf.root, 64)];
  if (!root || path.some((h) => h === null)) return false;
  const hash = await leafHash(utf8(leaf.leaf));
  return hex(hash) === leaf.hash && (await isIncluded(leaf.index, leaf.size, hash, path as Bytes[], root));
}
