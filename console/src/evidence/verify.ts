// An independent check of an evidence bundle: from the container inwards, trusting
// nothing that the file says about itself, with the browser's own cryptography. It was
// written from the public format (docs/auditors.md, C2SP, RFC 6962) and shares no code
// with the program that wrote the file. Nothing leaves the browser.
//
// It goes on after a fault where it can, so that one report tells all. It is never `ok`
// without the log's key from elsewhere: whoever forged a bundle could have put a key of
// their own inside.
import { decimal, hex, same, sha256, textOf, unhex, utf8, type Bytes } from "./bytes";
import { type Head } from "./link";
import { canVerify, readKey, type Checkpoint, type Key } from "./note";
import { openPopulation } from "./population";
import { isIncluded, leafHash, readProof } from "./tree";
import { readEvent, said, signed, Work, type Linked, type Report } from "./work";
import { BadContainer, unpack, type Entry } from "./zip";

export type { Report } from "./work";

/**
 * Verifies the bytes of a bundle. `pinned` is the log's vkey as the reader knows it from
 * elsewhere; without it nothing is ever `ok`.
 */
export async function verify(bytes: Bytes, pinned: string | null): Promise<Report> {
  const work = new Work();
  let known: Key | null = null;
  if (!(await canVerify())) {
    work.fault("cannot_verify", "this browser cannot check Ed25519 here; use a newer one over https or localhost, or `quell evidence verify`");
    return work.report();
  }
  if (pinned === null) work.fault("unpinned_key", "integrity only, signer not established; give the log's key from a place that did not send you this file");
  else {
    try {
      known = await readKey(pinned.trim());
    } catch (error) {
      work.fault("bad_key", `the key that you gave: ${said(error)}`);
    }
  }
  try {
    const entries = unpack(bytes);
    if (entries[0]?.name === "population.json") await openPopulation(entries, known, pinned !== null, work);
    else await open(sort(entries, work), known, pinned !== null, work);
  } catch (error) {
    if (!(error instanceof BadContainer)) throw error;
    work.fault("bad_container", error.message);
  }
  return work.report();
}

interface Files {
  single: Map<string, Bytes>;
  events: Map<number, Bytes>;
  proofs: Map<number, Bytes>;
  blobs: Map<string, Bytes>;
}

const SINGLE = ["case.json", "checkpoint", "key.vkey", "disclosures.jsonl", "README.txt"];

/** Where a file stands in the order of the container; null for one that has no place there. */
function place(name: string): [rank: number, within: number | string] | null {
  const ranks: Record<string, number> = { "case.json": 0, checkpoint: 1, "key.vkey": 2, "disclosures.jsonl": 6, "README.txt": 7 };
  const single = Object.hasOwn(ranks, name) ? ranks[name] : undefined;
  if (single !== undefined) return [single, 0];
  const [event, proof, blob] = [/^events\/(.+)\.json$/.exec(name)?.[1], /^proofs\/(.+)\.tlog-proof$/.exec(name)?.[1], /^blobs\/(.+)$/.exec(name)?.[1]];
  const index = decimal(event ?? proof ?? "");
  if (index !== null) return [event === undefined ? 5 : 3, index];
  return blob !== undefined && unhex(blob, 64) ? [4, blob] : null;
}

function sort(entries: readonly Entry[], work: Work): Files {
  const files: Files = { single: new Map(), events: new Map(), proofs: new Map(), blobs: new Map() };
  let last: [number, number | string] | null = null;
  for (const { name, data } of entries) {
    const at = place(name);
    if (!at) {
      work.fault("extra_file", `\`${name}\` does not belong into a bundle`);
      continue;
    }
    if (last && (last[0] > at[0] || (last[0] === at[0] && last[1] >= at[1]))) work.fault("bad_container", `\`${name}\` is out of order`);
    last = at;
    const [rank, within] = at;
    if (rank === 3) files.events.set(within as number, data);
    else if (rank === 4) files.blobs.set(within as string, data);
    else if (rank === 5) files.proofs.set(within as number, data);
    else files.single.set(name, data);
  }
  for (const name of SINGLE) if (!files.single.has(name)) work.fault("missing_file", `\`${name}\` is missing`);
  return files;
}

async function open(files: Files, known: Key | null, isPinned: boolean, work: Work): Promise<void> {
  const single = (name: string): Bytes => files.single.get(name) ?? new Uint8Array(0);
  work.events = files.events.size;
  if (hex(await sha256(single("README.txt"))) !== README_SHA256) work.fault("bad_readme", "`README.txt` is not the known text");
  await signed(single("checkpoint"), single("key.vkey"), known, isPinned, work);
  for (const index of files.proofs.keys()) if (!files.events.has(index)) work.fault("extra_file", `\`proofs/${index}.tlog-proof\` proves an event that is not here`);
  for (const [index, leaf] of files.events) await one(index, leaf, files.proofs.get(index), single("checkpoint"), work);

  const stream = ownStream(single("case.json"), work);
  if (stream !== null) {
    const end = chain(work.lines, stream, work);
    if (end && end.link.case !== hex(await sha256(single("case.json")))) work.fault("bad_case", "`case.json` is not the one that the export names");
  }
  await disclosed(single("disclosures.jsonl"), work);
  await blobs(files.blobs, work);
}

/** One event: proved to be in the log, and read. */
async function one(index: number, leaf: Bytes, proofFile: Bytes | undefined, note: Bytes, work: Work): Promise<void> {
  const hash = await leafHash(leaf);
  if (!proofFile) work.fault("missing_file", `\`proofs/${index}.tlog-proof\` is missing`);
  // What cannot be checked is already refused by the checkpoint.
  else if (work.checkpoint) {
    const why = await unproved(index, hash, proofFile, note, work.checkpoint);
    if (why) work.fault("bad_inclusion", `event ${index}: ${why}`);
  }
  const link = readEvent(leaf);
  if (typeof link === "string") work.fault("bad_event", `event ${index} ${link}`);
  else work.lines.push({ index, leaf: hex(hash), link });
}

async function unproved(index: number, leaf: Bytes, file: Bytes, note: Bytes, checkpoint: Checkpoint): Promise<string | null> {
  const proof = readProof(file);
  if (typeof proof === "string") return proof;
  if (!same(utf8(proof.checkpoint), note)) return "its proof carries another checkpoint than the bundle";
  if (proof.index !== index) return `its proof is of event ${proof.index}`;
  return (await isIncluded(index, checkpoint.size, leaf, proof.path, checkpoint.root)) ? null : "its proof does not lead to the signed root";
}

function ownStream(file: Bytes, work: Work): string | null {
  const wanted = "expected an object with the texts `case` and `stream`";
  try {
    const value = JSON.parse(textOf(file) ?? "") as Record<string, unknown> | null;
    if (typeof value?.["case"] === "string" && typeof value["stream"] === "string") {
      work.case = value["case"];
      return value["stream"];
    }
  } catch {
    // Said below.
  }
  work.fault("bad_case", `\`case.json\`: ${wanted}`);
  return null;
}

/**
 * Whether the streams are whole: versions from 1 without a gap, each event naming the one
 * before it; the case's own stream ends with an export, and the export names the last
 * event of every other stream and no other. Answers that export.
 */
function chain(events: readonly Linked[], own: string, work: Work): Linked | null {
  const streams = new Map<string, Linked[]>();
  for (const event of events) streams.set(event.link.stream, [...(streams.get(event.link.stream) ?? []), event]);
  for (const [stream, list] of streams) {
    list.sort((a, b) => a.link.version - b.link.version || a.index - b.index);
    let before: Linked | null = null;
    for (const event of list) {
      const due: number = (before?.link.version ?? 0) + 1;
      const { version, prev } = event.link;
      if (version < due) work.fault("bad_chain", `event ${event.index}: \`${stream}\` cannot have a version ${version} here`);
      else if (version > due) work.fault("missing_event", `\`${stream}\` lacks its versions ${due} to ${version - 1} before event ${event.index}`);
      else if (prev !== (before?.leaf ?? null)) work.fault("bad_chain", `event ${event.index} does not follow the event before it in \`${stream}\``);
      before = event;
    }
  }
  const last = streams.get(own)?.at(-1);
  streams.delete(own);
  if (!last) {
    work.fault("missing_stream", `the case's own stream \`${own}\` is not in the bundle`);
    return null;
  }
  if (!last.link.heads) {
    work.fault("truncated", `event ${last.index} ends the case's stream and is no export; the tail is cut`);
    return null;
  }
  for (const head of last.link.heads) ends(head, streams, work);
  for (const stream of streams.keys()) work.fault("extra_stream", `\`${stream}\` is in the bundle, but the export does not name it`);
  return last;
}

function ends({ stream, version, leaf }: Head, streams: Map<string, Linked[]>, work: Work): void {
  const last = streams.get(stream)?.at(-1);
  streams.delete(stream);
  if (!last) work.fault("missing_stream", `\`${stream}\`: the export names it, but it is not in the bundle, or it is named twice`);
  else if (last.link.version < version) work.fault("truncated", `\`${stream}\` ends at version ${last.link.version}; the export names ${version}`);
  else if (last.link.version > version) work.fault("bad_chain", `\`${stream}\` goes on to version ${last.link.version}; the export names ${version}`);
  else if (last.leaf !== leaf) work.fault("bad_chain", `\`${stream}\` does not end with the event that the export names`);
}

/** Every disclosure holds and is asked for; what is asked for and not there is counted. */
async function disclosed(file: Bytes, work: Work): Promise<void> {
  const open = new Set(work.lines.flatMap((line) => line.link.commitments));
  const text = textOf(file);
  const lines = text === null ? null : text === "" ? [] : text.endsWith("\n") ? text.slice(0, -1).split("\n") : null;
  if (!lines) work.fault("bad_disclosure", "`disclosures.jsonl` is not lines of UTF-8");
  let before = "";
  for (const [n, line] of (lines ?? []).entries()) {
    const one = disclosure(line);
    if (!one || one.commitment <= before) {
      work.fault("bad_disclosure", `\`disclosures.jsonl\`: line ${n + 1}: ${one ? "commitments must ascend" : "expected `{\"commitment\",\"salt\",\"value\"}` in its one spelling"}`);
      continue;
    }
    before = one.commitment;
    const salt = unhex(one.salt);
    if (!salt || hex(await sha256(salt, utf8(one.value))) !== one.commitment) work.fault("bad_disclosure", `salt and value do not give the commitment \`${one.commitment}\``);
    if (!open.delete(one.commitment)) work.fault("bad_disclosure", `no event has the commitment \`${one.commitment}\``);
  }
  const erased = new Set(work.lines.flatMap((line) => line.link.erased));
  work.open = open.size;
  work.unexplained = [...open].filter((commitment) => !erased.has(commitment)).length;
}

function disclosure(line: string): { commitment: string; salt: string; value: string } | null {
  try {
    const { commitment, salt, value } = JSON.parse(line) as Record<string, unknown>;
    if (typeof commitment !== "string" || typeof salt !== "string" || typeof value !== "string" || !unhex(commitment, 64)) return null;
    return JSON.stringify({ commitment, salt, value }) === line ? { commitment, salt, value } : null;
  } catch {
    return null;
  }
}

/** Every blob is what its name says, and exactly the named ones are there. */
async function blobs(files: ReadonlyMap<string, Bytes>, work: Work): Promise<void> {
  const named = new Set(work.lines.flatMap((line) => line.link.blobs));
  for (const [name, bytes] of files) {
    if (hex(await sha256(bytes)) !== name) work.fault("bad_blob", `\`blobs/${name}\` is not what its name says`);
    if (!named.delete(name)) work.fault("extra_file", `no event names \`blobs/${name}\``);
  }
  for (const name of named) work.fault("missing_file", `\`blobs/${name}\` is named by an event and missing`);
}

/** Of the text that every bundle of a case carries; part of the format. */
const README_SHA256 = "9eaa12d4013737fe7cb554dc89a0685f3411abc4d7b30cc1076a9d6c06485c0a";
