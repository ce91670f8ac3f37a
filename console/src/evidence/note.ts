// Signed notes and the keys that sign them (C2SP signed-note), and the checkpoint that a
// log's own key signs (C2SP tlog-checkpoint). Ed25519 by the browser's WebCrypto.
import { base64, decimal, hex, join, sha256, textOf, unbase64, unhex, utf8, type Bytes } from "./bytes";

const ED25519 = 0x01;

export interface Key {
  name: string;
  id: Bytes;
  point: Bytes;
  /** The vkey, as it prints. */
  text: string;
}

export class BadNote extends Error {}

/** Reads a vkey: `name+8 hex digits+base64`, whose id must be that of the key. */
export async function readKey(text: string): Promise<Key> {
  const [name, id, encoded] = split(text);
  const [keyId, blob] = [unhex(id, 8), unbase64(encoded)];
  if (!isName(name) || !keyId || !blob || blob.length !== 33) throw new BadNote("a key reads `name+8 hex digits+base64`");
  if (blob[0] !== ED25519) throw new BadNote("the key is not of Ed25519, the one kind that is known");
  const point = blob.slice(1);
  if (isWeak(point)) throw new BadNote("the public key is not a usable Ed25519 key");
  if (hex((await sha256(utf8(`${name}\n`), blob)).subarray(0, 4)) !== id) throw new BadNote("the key id does not belong to the key; the text was changed");
  return { name, id: keyId, point, text: `${name}+${id}+${base64(blob)}` };
}

/** The base64 may hold a `+` of its own, the first two fields cannot. */
function split(text: string): [string, string, string] {
  const first = text.indexOf("+");
  const second = text.indexOf("+", first + 1);
  return first < 0 || second < 0 ? ["", "", ""] : [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)];
}

/** Points of small order, under which a signature says nothing. As they are encoded, without the sign bit. */
const SMALL_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]);

function isWeak(point: Bytes): boolean {
  const unsigned = point.slice();
  unsigned[31] = unsigned[31]! & 0x7f;
  return SMALL_ORDER.has(hex(unsigned));
}

const isName = (name: string): boolean => name.length > 0 && utf8(name).length <= 255 && !/[+\s\p{Cc}]/u.test(name);

export interface Note {
  /** What the signatures cover, with its last newline. */
  text: string;
  signatures: { name: string; id: Bytes; bytes: Bytes }[];
}

export function readNote(bytes: Uint8Array): Note {
  const whole = bytes.length <= 1_000_000 ? textOf(bytes) : null;
  if (whole === null || /[\u0000-\u0009\u000b-\u001f]/.test(whole)) throw new BadNote("a note is UTF-8 without control characters other than the newline");
  const border = whole.lastIndexOf("\n\n");
  if (border < 0 || !whole.endsWith("\n")) throw new BadNote("a note ends with an empty line and at least one signature line");
  const lines = whole.slice(border + 2, -1).split("\n");
  if (lines.length > 100) throw new BadNote("a note has at most 100 signatures");
  const signatures = lines.map((line, n) => {
    const [, name, encoded] = /^— (\S+) (\S+)$/.exec(line) ?? [];
    const blob = encoded === undefined ? null : unbase64(encoded);
    if (!name || !isName(name) || !blob || blob.length < 5) throw new BadNote(`signature line ${n + 1}: expected \`— name base64\``);
    return { name, id: blob.slice(0, 4), bytes: blob.slice(4) };
  });
  return { text: whole.slice(0, border + 1), signatures };
}

/** Whether `key` signed the note. One bad signature in its name refuses the note. */
export async function isSigned(note: Note, key: Key): Promise<boolean> {
  const mine = note.signatures.filter((s) => s.name === key.name && hex(s.id) === hex(key.id));
  if (mine.length === 0) return false;
  const point = await crypto.subtle.importKey("raw", key.point, { name: "Ed25519" }, false, ["verify"]);
  for (const signature of mine) {
    if (signature.bytes.length !== 64 || isWeak(signature.bytes.slice(0, 32)) || !(await crypto.subtle.verify({ name: "Ed25519" }, point, signature.bytes, utf8(note.text)))) return false;
  }
  return true;
}

/** Can this browser check Ed25519 at all? One that cannot says so, and checks nothing. */
export async function canVerify(): Promise<boolean> {
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(join(new Uint8Array([3]), new Uint8Array(31))), { name: "Ed25519" }, false, ["verify"]);
    return true;
  } catch (error) {
    return !(error instanceof DOMException && error.name === "NotSupportedError") && globalThis.crypto?.subtle !== undefined;
  }
}

export interface Checkpoint {
  origin: string;
  size: number;
  /** 32 bytes. */
  root: Bytes;
}

/** The body of a checkpoint's note. */
export function readCheckpoint(text: string): Checkpoint {
  if (!text.endsWith("\n")) throw new BadNote("a checkpoint ends with a newline");
  const [origin, size, root, ...extensions] = text.slice(0, -1).split("\n");
  const [leaves, hash] = [decimal(size ?? ""), unbase64(root ?? "")];
  if (!origin) throw new BadNote("checkpoint line 1: expected the origin of the log");
  if (leaves === null) throw new BadNote("checkpoint line 2: expected a tree size");
  if (hash?.length !== 32) throw new BadNote("checkpoint line 3: expected a root hash as 44 base64 characters");
  if (extensions.length > 16 || extensions.some((line) => line === "")) throw new BadNote("a checkpoint has at most 16 extension lines, none of them empty");
  return { origin, size: leaves, root: hash };
}

/** The checkpoint that the log's own key signed, or why it is none. */
export async function openCheckpoint(bytes: Uint8Array, key: Key): Promise<Checkpoint> {
  const note = readNote(bytes);
  if (!(await isSigned(note, key))) throw new BadNote("the log's key did not sign it; do not use any part of it");
  const checkpoint = readCheckpoint(note.text);
  if (checkpoint.origin !== key.name) throw new BadNote(`the checkpoint is of the log \`${checkpoint.origin}\`, the key of \`${key.name}\``);
  return checkpoint;
}
