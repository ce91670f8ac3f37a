// The container: stored entries, and exactly one spelling. It is read from the local
// headers, and the directory that must follow is written anew and compared, so there is
// no room for a gap, a prefix, a second directory or a tail.
import { join, same, utf8, type Bytes } from "./bytes";

export interface Entry {
  name: string;
  data: Bytes;
}

const [LOCAL, CENTRAL, END] = [[0x50, 0x4b, 3, 4], [0x50, 0x4b, 1, 2], [0x50, 0x4b, 5, 6]].map((b) => new Uint8Array(b)) as [Bytes, Bytes, Bytes];
const LOCAL_BYTES = 30;
const NAME_BYTES_MAX = 128;
const ENTRIES_MAX = 0xfffe;

export class BadContainer extends Error {}

export function unpack(bytes: Bytes): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Entry[] = [];
  const names = new Set<string>();
  let at = 0;
  while (same(bytes.subarray(at, at + 4), LOCAL)) {
    if (at + LOCAL_BYTES > bytes.length) throw new BadContainer(`byte ${at}: the entry is cut off`);
    const [size, nameBytes] = [view.getUint32(at + 18, true), view.getUint16(at + 26, true)];
    const dataAt = at + LOCAL_BYTES + nameBytes;
    if (dataAt + size > bytes.length) throw new BadContainer(`byte ${at}: the entry is cut off`);
    const name = String.fromCharCode(...bytes.subarray(at + LOCAL_BYTES, dataAt));
    if (!isName(name)) throw new BadContainer(`byte ${at}: a name is not one of a bundle`);
    const data = bytes.subarray(dataAt, dataAt + size);
    if (view.getUint32(at + 14, true) !== crc32(data)) throw new BadContainer(`\`${name}\` does not have its checksum; the bytes were changed`);
    if (!same(bytes.subarray(at, dataAt), local({ name, data }))) throw new BadContainer(`\`${name}\` is not stored plainly`);
    if (names.has(name)) throw new BadContainer(`\`${name}\` is there twice`);
    names.add(name);
    entries.push({ name, data });
    if (entries.length > ENTRIES_MAX) throw new BadContainer("a bundle has fewer files");
    at = dataAt + size;
  }
  const [found, wanted] = [bytes.subarray(at), directory(entries)];
  if (same(found, wanted)) return entries;
  if (found.length > wanted.length && same(found.subarray(0, wanted.length), wanted)) throw new BadContainer(`${found.length - wanted.length} bytes follow the end`);
  throw new BadContainer(same(found.subarray(0, 4), CENTRAL) || same(found.subarray(0, 4), END) ? "the directory does not list exactly the entries" : `byte ${at}: expected a zip entry or the directory`);
}

/** Writes the one spelling: for what must be compared, and for tests that forge. */
export function pack(entries: readonly Entry[]): Bytes {
  return join(...entries.flatMap((e) => [local(e), e.data]), directory(entries));
}

function local(entry: Entry): Bytes {
  return join(LOCAL, shared(entry), utf8(entry.name));
}

/** What local header and directory say alike. */
function shared({ name, data }: Entry): Bytes {
  const view = new DataView(new ArrayBuffer(26));
  view.setUint16(0, 10, true);
  view.setUint16(8, 0x0021, true);
  view.setUint32(10, crc32(data), true);
  view.setUint32(14, data.length, true);
  view.setUint32(18, data.length, true);
  view.setUint16(22, name.length, true);
  return new Uint8Array(view.buffer);
}

function directory(entries: readonly Entry[]): Bytes {
  const parts: Bytes[] = [];
  let offset = 0;
  for (const entry of entries) {
    const place = new DataView(new ArrayBuffer(14));
    place.setUint32(10, offset, true);
    parts.push(CENTRAL, new Uint8Array([10, 0]), shared(entry), new Uint8Array(place.buffer), utf8(entry.name));
    offset += LOCAL_BYTES + entry.name.length + entry.data.length;
  }
  const size = parts.reduce((n, p) => n + p.length, 0);
  const end = new DataView(new ArrayBuffer(18));
  end.setUint16(4, entries.length, true);
  end.setUint16(6, entries.length, true);
  end.setUint32(8, size, true);
  end.setUint32(12, offset, true);
  return join(...parts, END, new Uint8Array(end.buffer));
}

/** Relative, and the same path on every system. */
const isName = (name: string): boolean => name.length <= NAME_BYTES_MAX && name.split("/").every((part) => /^[A-Za-z0-9._-]+$/.test(part) && part !== "." && part !== "..");

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) c = TABLE[(c ^ byte) & 0xff]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
