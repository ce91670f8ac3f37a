// For tests alone: bundles as a log would write them, and as a forger would. A forger
// here may sign with a key of their own and make every proof anew.
import { base64, hex, join, sha256, utf8, type Bytes } from "./bytes";
import { write, type Json } from "./canonical";
import type { Head } from "./link";
import { leafHash } from "./tree";
import { pack, type Entry } from "./zip";

export interface Event {
  type: string;
  stream: string;
  body: { [key: string]: Json };
  /** What it names as the event before it, where that is a lie. */
  prev?: string;
}

export interface Log {
  vkey: string;
  sign: (text: string) => Promise<Bytes>;
}

export async function newLog(name = "log.example/quell"): Promise<Log> {
  const pair = (await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"])) as CryptoKeyPair;
  const blob = join(new Uint8Array([1]), new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
  const id = (await sha256(utf8(`${name}\n`), blob)).slice(0, 4);
  return {
    vkey: `${name}+${hex(id)}+${base64(blob)}`,
    sign: async (text) => {
      const signature = new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, pair.privateKey, utf8(text)));
      return utf8(`${text}\n— ${name} ${base64(join(id, signature))}\n`);
    },
  };
}

const node = (left: Bytes, right: Bytes): Promise<Bytes> => sha256(new Uint8Array([1]), left, right);
const split = (n: number): number => 2 ** Math.floor(Math.log2(n - 1));

export async function rootOf(leaves: Bytes[]): Promise<Bytes> {
  if (leaves.length === 1) return leaves[0]!;
  const k = split(leaves.length);
  return node(await rootOf(leaves.slice(0, k)), await rootOf(leaves.slice(k)));
}

async function pathOf(index: number, leaves: Bytes[]): Promise<Bytes[]> {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return index < k ? [...(await pathOf(index, leaves.slice(0, k))), await rootOf(leaves.slice(k))] : [...(await pathOf(index - k, leaves.slice(k))), await rootOf(leaves.slice(0, k))];
}

export const commitment = async (value: string, salt = "00112233445566778899aabbccddeeff"): Promise<{ commitment: string; salt: string; value: string }> => ({
  commitment: hex(await sha256(Uint8Array.from(salt.match(/../g)!.map((p) => parseInt(p, 16))), utf8(value))), salt, value,
});

/** The leaves of events, chained within their streams; events of other cases stand between them. */
export async function leavesOf(events: readonly Event[]): Promise<{ event: Event; bytes: Bytes; hash: Bytes; version: number }[]> {
  const last = new Map<string, { hash: Bytes; version: number }>();
  const out: { event: Event; bytes: Bytes; hash: Bytes; version: number }[] = [];
  for (const event of events) {
    const before = last.get(event.stream);
    const version = (before?.version ?? 0) + 1;
    const bytes = utf8(write({ at: "2026-11-30T10:00:00Z", body: event.body, by: "automation", cause: null, prev: event.prev ?? (before ? hex(before.hash) : null), stream: event.stream, stream_version: version, type: event.type, v: 1 }));
    const hash = await leafHash(bytes);
    last.set(event.stream, { hash, version });
    out.push({ event, bytes, hash, version });
  }
  return out;
}

/** The consistency proof from `old` to all of `leaves` (RFC 6962, section 2.1.2). */
export async function consistencyOf(old: number, leaves: Bytes[], whole = true): Promise<Bytes[]> {
  if (old === leaves.length) return whole ? [] : [await rootOf(leaves)];
  const k = split(leaves.length);
  return old <= k ? [...(await consistencyOf(old, leaves.slice(0, k), whole)), await rootOf(leaves.slice(k))] : [...(await consistencyOf(old - k, leaves.slice(k), false)), await rootOf(leaves.slice(0, k))];
}

/** The right edge of the tree of `leaves`, as it is encoded. */
export async function edgeOf(leaves: Bytes[]): Promise<Bytes> {
  const size = new DataView(new ArrayBuffer(8));
  size.setBigUint64(0, BigInt(leaves.length));
  const parts: Bytes[] = [new Uint8Array(size.buffer)];
  for (let rest = leaves; rest.length > 0; ) {
    const wide = 2 ** Math.floor(Math.log2(rest.length));
    parts.push(await rootOf(rest.slice(0, wide)));
    rest = rest.slice(wide);
  }
  return join(...parts);
}

/** A bundle of the range `from..to` of a log, under a checkpoint over all of it. What it lists is the forger's choice. */
export async function range(log: Log, readme: Bytes, events: readonly Event[], from: number, to: number, over: { rows?: (rows: Json[]) => Json[]; leaves?: (leaves: Bytes[]) => Bytes[] } = {}): Promise<Made> {
  const all = await leavesOf(events);
  const hashes = all.map((l) => l.hash);
  const checkpoint = await log.sign(`${log.vkey.split("+")[0]}\n${all.length}\n${base64(await rootOf(hashes))}\n`);
  const rows: { [key: string]: Json }[] = [];
  for (const [n, leaf] of all.entries()) {
    if (n < from || n >= to) continue;
    const { type, stream, body } = leaf.event;
    const at = "2026-11-30T10:00:00Z";
    if (type === "case_opened") rows.push({ case: stream, index: n, opened_at: at, state: "detected", since: at, events: 0, head: "" });
    const row = rows.find((r) => r["case"] === stream);
    if (!row) continue;
    row["events"] = (row["events"] as number) + 1;
    row["head"] = hex(leaf.hash);
    if (type === "case_advanced") row["state"] = body["stage"] as string;
  }
  const end = async (n: number): Promise<{ size: number; root: string }> => ({ size: n, root: base64(n === 0 ? await sha256() : await rootOf(hashes.slice(0, n))) });
  const listing = { format: "quell-population/1", from: await end(from), to: await end(to), edge: hex(await edgeOf(hashes.slice(0, from))), consistency: (await consistencyOf(to, hashes)).map(base64), cases: over.rows ? over.rows(rows) : rows };
  const kept = all.slice(from, to).map((l) => l.bytes);
  const entries: Entry[] = [
    { name: "population.json", data: utf8(`${JSON.stringify(listing, null, 2)}\n`) }, { name: "checkpoint", data: checkpoint }, { name: "key.vkey", data: utf8(`${log.vkey}\n`) },
    { name: "leaves.jsonl", data: join(...(over.leaves ? over.leaves(kept) : kept).flatMap((l) => [l, utf8("\n")])) }, { name: "README.txt", data: readme },
  ];
  return { entries, zip: pack(entries) };
}

export interface Made {
  entries: Entry[];
  zip: Bytes;
}

/** What `wanted` leaves out of the log or puts in is the forger's choice; proofs are always right. */
export async function bundle(log: Log, readme: Bytes, events: readonly Event[], over: { leaveOut?: (event: Event, version: number) => boolean; disclosures?: { commitment: string; salt: string; value: string }[]; blobs?: Bytes[]; case?: Bytes; noExport?: boolean; withOthers?: boolean; heads?: (heads: Head[]) => Head[] } = {}): Promise<Made> {
  const caseJson = over.case ?? utf8(JSON.stringify({ format: "quell-evidence/1", case: "C-1", stream: "case/C-1" }, null, 2));
  const before = await leavesOf(events);
  const heads = new Map<string, { stream: string; version: number; leaf: string }>();
  for (const leaf of before) if (leaf.event.stream !== "case/C-1" && leaf.event.stream !== "other/1") heads.set(leaf.event.stream, { stream: leaf.event.stream, version: leaf.version, leaf: hex(leaf.hash) });
  const exported: Event = { type: "case_exported", stream: "case/C-1", body: { case_json: hex(await sha256(caseJson)), heads: (over.heads ? over.heads([...heads.values()]) : [...heads.values()]).map((h) => ({ ...h })) } };
  const all = await leavesOf(over.noExport ? events : [...events, exported]);
  const hashes = all.map((l) => l.hash);
  const checkpoint = await log.sign(`${log.vkey.split("+")[0]}\n${all.length}\n${base64(await rootOf(hashes))}\n`);
  const kept = all.map((leaf, index) => ({ ...leaf, index })).filter((l) => (over.withOthers || l.event.stream !== "other/1") && !over.leaveOut?.(l.event, l.version));
  const proofs = await Promise.all(kept.map(async (l) => ({ name: `proofs/${l.index}.tlog-proof`, data: join(utf8(`c2sp.org/tlog-proof@v1\nindex ${l.index}\n${(await pathOf(l.index, hashes)).map((h) => `${base64(h)}\n`).join("")}\n`), checkpoint) })));
  const blobs = await Promise.all((over.blobs ?? []).map(async (data) => ({ name: `blobs/${hex(await sha256(data))}`, data })));
  const disclosures = [...(over.disclosures ?? [])].sort((a, b) => (a.commitment < b.commitment ? -1 : 1)).map((d) => `${JSON.stringify(d)}\n`);
  const entries: Entry[] = [
    { name: "case.json", data: caseJson }, { name: "checkpoint", data: checkpoint }, { name: "key.vkey", data: utf8(`${log.vkey}\n`) }, ...kept.map((l) => ({ name: `events/${l.index}.json`, data: l.bytes })),
    ...blobs.sort((a, b) => (a.name < b.name ? -1 : 1)), ...proofs, { name: "disclosures.jsonl", data: utf8(disclosures.join("")) }, { name: "README.txt", data: readme },
  ];
  return { entries, zip: pack(entries) };
}
