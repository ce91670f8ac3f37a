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

/** Is the tree of `old` leaves the beginning of the one of `size` (RFC 9162, section 2.1.4.2)? */
export async function isConsistent(old: number, size: number, oldRoot: Bytes, root: Bytes, path: readonly Bytes[]): Promise<boolean> {
  if (old > size) return false;
  if (old === size) return path.length === 0 && same(oldRoot, root);
  if (old === 0) return path.length === 0 && same(oldRoot, await sha256());
  let [node, last] = [old - 1, size - 1];
  while (odd(node)) [node, last] = [half(node), half(last)];
  // A complete old tree is not repeated in the proof.
  const complete = Number.isInteger(Math.log2(old));
  const [first, rest] = complete ? [oldRoot, path] : [path[0], path.slice(1)];
  if (!first) return false;
  let [left, whole] = [first, first];
  for (const hash of rest) {
    if (last === 0) return false;
    if (odd(node) || node === last) {
      [left, whole] = [await nodeHash(hash, left), await nodeHash(hash, whole)];
      while (!odd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else whole = await nodeHash(whole, hash);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && same(left, oldRoot) && same(whole, root);
}

/** The right edge of a tree: its complete subtrees, the widest first. */
export class Edge {
  private constructor(
    public size: number,
    private readonly hashes: Bytes[],
  ) {}

  /** Size as 8 bytes, then 32 for each subtree; null where it is not that. */
  static read(bytes: Bytes): Edge | null {
    if (bytes.length < 8) return null;
    const size = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0));
    if (!Number.isSafeInteger(size) || bytes.length !== 8 + 32 * ones(size)) return null;
    return new Edge(size, Array.from({ length: ones(size) }, (_, n) => bytes.slice(8 + 32 * n, 40 + 32 * n)));
  }

  async push(leaf: Bytes): Promise<void> {
    let hash = leaf;
    for (let n = this.size; odd(n); n = half(n)) hash = await nodeHash(this.hashes.pop()!, hash);
    this.hashes.push(hash);
    this.size += 1;
  }

  async root(): Promise<Bytes> {
    let root = this.hashes.at(-1) ?? (await sha256());
    for (let n = this.hashes.length - 2; n >= 0; n -= 1) root = await nodeHash(this.hashes[n]!, root);
    return root;
  }
}

const ones = (n: number): number => [...n.toString(2)].filter((bit) => bit === "1").length;

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
