// The tree of RFC 6962: what a leaf and a node hash to, and whether a leaf is in a tree
// of that size and root (RFC 9162, section 2.1.3.2).
import { decimal, same, sha256, textOf, unbase64, type Bytes } from "./bytes";

const [LEAF, NODE] = [new Uint8Array([0]), new Uint8Array([1])];

export const leafHash = (leaf: Uint8Array): Promise<Bytes> => sha256(LEAF, leaf);
const nodeHash = (left: Uint8Array, right: Uint8Array): Promise<Bytes> => sha256(NODE, left, right);

const half = (n: number): number => Math.floor(n / 2);
const odd = (n: number): boolean => n % 2 === 1;

export async function isIncluded(index: number, size: number, leaf: Bytes, path: readonly Bytes[], root: Uint8Array): Promise<boolean> {
  if (index >= size) return false;
  let [node, last, hash] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (last === 0) return false;
    if (odd(node) || node === last) {
      hash = await nodeHash(sibling, hash);
      while (!odd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else hash = await nodeHash(hash, sibling);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && same(hash, root);
}

export interface Proof {
  index: number;
  path: Bytes[];
  /** The checkpoint's note, verbatim. */
  checkpoint: string;
}

/** Reads one `*.tlog-proof` (C2SP tlog-proof, version 1), without extra data, which nothing covers. */
export function readProof(bytes: Uint8Array): Proof | string {
  const text = textOf(bytes);
  const border = text?.indexOf("\n\n") ?? -1;
  if (text === null || border < 0) return "it is not a proof as text";
  const [header, index, ...hashes] = text.slice(0, border).split("\n");
  if (header !== "c2sp.org/tlog-proof@v1") return "its first line is not that of a proof";
  if (index?.startsWith("extra ")) return "it carries extra data, which nothing covers";
  const at = index?.startsWith("index ") ? decimal(index.slice("index ".length)) : null;
  if (at === null) return "expected `index` and a number";
  const path = hashes.map((line) => unbase64(line));
  if (path.length > 64 || path.some((hash) => hash?.length !== 32)) return "expected hashes as base64";
  return { index: at, path: path as Bytes[], checkpoint: text.slice(border + 2) };
}
