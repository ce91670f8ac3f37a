import { beforeAll, expect, test } from "vitest";
import { base64, utf8 } from "./bytes";
import { newLog, type Log } from "./forge";
import { isSigned, openCheckpoint, readCheckpoint, readKey, readNote } from "./note";

let log: Log;
const ROOT = base64(new Uint8Array(32));
const body = (name: string): string => `${name}\n7\n${ROOT}\n`;

beforeAll(async () => {
  log = await newLog("log.example/a");
});

test("a key is read in its one spelling, and its id must be its own", async () => {
  const [name, id, blob] = [log.vkey.split("+")[0], log.vkey.split("+")[1], log.vkey.split("+").slice(2).join("+")];
  expect((await readKey(log.vkey)).text).toBe(log.vkey);
  for (const bad of ["", name, `${name}+${id}`, `${name}+00000000+${blob}`, `${name}x+${id}+${blob}`, `${name}+${id?.toUpperCase()}x+${blob}`, `${name}+${id}+${blob.slice(0, -2)}`, `a b+${id}+${blob}`]) {
    await expect(readKey(bad ?? ""), bad).rejects.toThrow();
  }
});

test("a key under which anything is signed is no key", async () => {
  const { sha256, join, hex } = await import("./bytes");
  const weak = join(new Uint8Array([1]), new Uint8Array([1]), new Uint8Array(31));
  const id = hex((await sha256(utf8("weak\n"), weak)).slice(0, 4));
  await expect(readKey(`weak+${id}+${base64(weak)}`)).rejects.toThrow(/usable/);
});

test("a checkpoint holds under the key that signed it, and of its own log alone", async () => {
  const key = await readKey(log.vkey);
  const note = await log.sign(body("log.example/a"));
  expect(await openCheckpoint(note, key)).toMatchObject({ origin: "log.example/a", size: 7 });
  await expect(openCheckpoint(note, await readKey((await newLog("log.example/a")).vkey))).rejects.toThrow(/did not sign/);
  await expect(openCheckpoint(await log.sign(body("log.example/b")), key)).rejects.toThrow(/of the log/);
  const changed = note.slice();
  changed[15]! ^= 1;
  await expect(openCheckpoint(changed, key)).rejects.toThrow();
});

test("one bad signature in the key's name refuses a note that has a good one, too", async () => {
  const text = body("log.example/a");
  const good = new TextDecoder().decode(await log.sign(text));
  const bad = new TextDecoder().decode(await log.sign("another text\n")).split("\n\n")[1];
  const key = await readKey(log.vkey);
  expect(await isSigned(readNote(utf8(good)), key)).toBe(true);
  expect(await isSigned(readNote(utf8(good + bad)), key)).toBe(false);
  expect(await isSigned(readNote(utf8(good.replace("— log.example/a", "— log.example/w"))), key)).toBe(false);
});

test.each([
  ["no signature", "text\n"], ["no border", "text\n— a AAAAAAA=\n"], ["no last newline", `text\n\n— a ${base64(new Uint8Array(68))}`], ["a control character", `te\u0007xt\n\n— a ${base64(new Uint8Array(68))}\n`], ["another mark", `text\n\n- a ${base64(new Uint8Array(68))}\n`],
])("a note with %s is none", (_, text) => {
  expect(() => readNote(utf8(text))).toThrow();
});

test.each([["", "no origin"], ["a\n07\nX\n", "a leading zero"], [`a\n-1\n${ROOT}\n`, "a sign"], ["a\n7\nAAAA\n", "a short root"], [`a\n7\n${ROOT}\n\n`, "an empty extension"], [`a\n7\n${ROOT}`, "no end"]])("%j is no checkpoint: %s", (text) => {
  expect(() => readCheckpoint(text)).toThrow();
});
