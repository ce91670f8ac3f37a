import { beforeAll, describe, expect, test } from "vitest";
import readme from "../../../crates/ledger/src/bundle/README.txt?raw";
import { utf8, type Bytes } from "./bytes";
import { bundle, commitment, newLog, type Event, type Log } from "./forge";
import { verify } from "./verify";
import { pack, unpack } from "./zip";

const README = utf8(readme);

let log: Log;
let other: Log;
let told: { commitment: string; salt: string; value: string };
const blob = utf8("a plan, larger than an event");
let events: Event[];

beforeAll(async () => {
  [log, other] = [await newLog(), await newLog()];
  told = await commitment("Rosa Lind");
  const { sha256, hex } = await import("./bytes");
  events = [
    { type: "case_opened", stream: "case/C-1", body: { by: { personal: told.commitment } } },
    { type: "person_created", stream: "other/1", body: {} },
    { type: "plan_drafted", stream: "plan/P-1", body: { blobs: [hex(await sha256(blob))] } },
    { type: "plan_started", stream: "plan/P-1", body: {} },
    { type: "target_probed", stream: "target/t-1", body: {} },
    { type: "case_advanced", stream: "case/C-1", body: { stage: "proven" } },
  ];
});

const whole = () => bundle(log, README, events, { disclosures: [told], blobs: [blob] });
const codes = async (zip: Bytes, key: string | null = log.vkey): Promise<string[]> => [...new Set((await verify(zip, key)).errors.map((e) => e.code))].sort();

test("a whole bundle under its own pinned key verifies, and says what it holds", async () => {
  const { zip } = await whole();
  const report = await verify(zip, log.vkey);
  expect(report.errors).toEqual([]);
  expect(report).toMatchObject({ ok: true, integrity: true, complete: true, keyPinned: true, events: 6, size: 7, erased: 0, case: "C-1" });
  expect(report.lines.map((l) => l.index)).toEqual([0, 2, 3, 4, 5, 6]);
});

test("without a pinned key nothing is ever ok, whatever the file says of itself", async () => {
  const { zip } = await whole();
  const report = await verify(zip, null);
  expect(report).toMatchObject({ ok: false, integrity: true, keyPinned: false });
  expect(report.errors.map((e) => e.code)).toEqual(["unpinned_key"]);
});

test("a forger's own log, whole in itself, is refused under the key that the reader holds", async () => {
  const forged = await bundle(other, README, events, { disclosures: [told], blobs: [blob] });
  expect((await verify(forged.zip, other.vkey)).ok).toBe(true);
  const report = await verify(forged.zip, log.vkey);
  expect(report).toMatchObject({ ok: false, keyPinned: false });
  expect(report.errors.map((e) => e.code)).toEqual(["wrong_key"]);
});

test("a forger who swaps the key file alone is found by the signature", async () => {
  const { entries } = await whole();
  const forged = pack(entries.map((e) => (e.name === "key.vkey" ? { ...e, data: utf8(`${other.vkey}\n`) } : e)));
  expect(await codes(forged)).toEqual(["bad_signature", "wrong_key"]);
});

test("a key that is no key is refused, and never taken for none", async () => {
  const { zip } = await whole();
  for (const key of ["", "x", log.vkey.replace(/.$/, "A"), log.vkey.replace("+", "x+"), log.vkey.slice(0, -4)]) {
    const report = await verify(zip, key);
    expect([key, report.ok, report.keyPinned]).toEqual([key, false, false]);
  }
});

test("every single flipped bit of the file is found", async () => {
  const { zip } = await whole();
  for (let at = 0; at < zip.length; at += 1) {
    const changed = zip.slice();
    changed[at] = changed[at]! ^ (1 << at % 8);
    const report = await verify(changed, log.vkey);
    expect([at, report.ok, report.integrity]).toEqual([at, false, false]);
  }
}, 120_000);

test("a flipped bit is found behind a checksum that was made to fit, in every file", async () => {
  const { entries } = await whole();
  for (const [n, entry] of entries.entries()) {
    const data = entry.data.slice();
    data[Math.floor(data.length / 2)]! ^= 1;
    const report = await verify(pack(entries.map((e, m) => (m === n ? { ...e, data } : e))), log.vkey);
    expect([entry.name, report.ok]).toEqual([entry.name, false]);
  }
});

describe("what is left out shows", () => {
  test.each([
    ["an event in the middle of a stream", (e: Event) => e.type === "plan_drafted", ["missing_event", "extra_file"]],
    ["the end of a linked stream", (e: Event) => e.type === "plan_started", ["truncated"]],
    ["a whole linked stream", (e: Event) => e.stream === "target/t-1", ["missing_stream"]],
    ["the export, and with it the end", (e: Event) => e.type === "case_exported", ["truncated"]],
    ["the end of the case's own stream", (e: Event) => e.type === "case_exported" || e.type === "case_advanced", ["truncated"]],
    ["the first event of the case", (e: Event) => e.type === "case_opened", ["missing_event", "bad_disclosure"]],
  ])("%s", async (_, leaveOut, wanted) => {
    const made = await bundle(log, README, events, { disclosures: [told], blobs: [blob], leaveOut });
    expect(await codes(made.zip)).toEqual([...wanted].sort());
  });

  test("a log that never exported", async () => {
    const made = await bundle(log, README, events, { disclosures: [told], blobs: [blob], noExport: true });
    expect(await codes(made.zip)).toEqual(["truncated"]);
  });

  test("a proof, a blob, a key, a checkpoint", async () => {
    const { entries } = await whole();
    for (const [name, code] of [["proofs/2.tlog-proof", "missing_file"], [entries.find((e) => e.name.startsWith("blobs/"))!.name, "missing_file"], ["key.vkey", "missing_file"], ["checkpoint", "missing_file"], ["README.txt", "missing_file"], ["disclosures.jsonl", "missing_file"]] as const) {
      const report = await verify(pack(entries.filter((e) => e.name !== name)), log.vkey);
      expect([name, report.ok, report.errors.some((e) => e.code === code)]).toEqual([name, false, true]);
    }
  });
});

describe("what is put in shows", () => {
  test("a file, a second copy, another order, bytes behind the end and before the beginning", async () => {
    const { entries, zip } = await whole();
    const evil = { name: "events/999.json", data: utf8("{}") };
    for (const forged of [pack([...entries, { name: "more.txt", data: utf8("x") }]), pack([...entries, entries[0]!]), pack([...entries].reverse()), pack([...entries.slice(0, 3), evil, ...entries.slice(3)])]) expect((await verify(forged, log.vkey)).ok).toBe(false);
    for (const forged of [new Uint8Array([...zip, 0]), new Uint8Array([0, ...zip]), zip.slice(0, -1), zip.slice(0, 1000), new Uint8Array(0), utf8("not a zip")]) expect(await codes(forged as Bytes)).toEqual(["bad_container"]);
  });

  test("another value behind a commitment, and one that nobody committed to", async () => {
    const another = { ...told, value: "Sam Oduya" };
    expect(await codes((await bundle(log, README, events, { disclosures: [another], blobs: [blob] })).zip)).toEqual(["bad_disclosure"]);
    expect(await codes((await bundle(log, README, events, { disclosures: [told, await commitment("nobody")], blobs: [blob] })).zip)).toEqual(["bad_disclosure"]);
  });

  test("a stream that the export does not name", async () => {
    const made = await bundle(log, README, events, { disclosures: [told], blobs: [blob], withOthers: true });
    expect(await codes(made.zip)).toEqual(["extra_stream"]);
  });

  test("an event that does not follow the one before it, in a log that signed it all the same", async () => {
    for (const at of [0, 3]) {
      const forked = events.map((e, n) => (n === at ? { ...e, prev: "00".repeat(32) } : e));
      expect([at, await codes((await bundle(log, README, forked, { disclosures: [told], blobs: [blob] })).zip)]).toEqual([at, ["bad_chain"]]);
    }
  });

  test("an export that names another end of a stream than the one that is there", async () => {
    for (const [over, code] of [[{ leaf: "00".repeat(32) }, "bad_chain"], [{ version: 1 }, "bad_chain"], [{ version: 3 }, "truncated"]] as const) {
      const made = await bundle(log, README, events, { disclosures: [told], blobs: [blob], heads: (heads) => heads.map((h) => (h.stream === "plan/P-1" ? { ...h, ...over } : h)) });
      expect([over, await codes(made.zip)]).toEqual([over, [code]]);
    }
  });

  test("another case's name over these events", async () => {
    const { entries } = await whole();
    const renamed = utf8(JSON.stringify({ format: "quell-evidence/1", case: "C-2", stream: "case/C-1" }, null, 2));
    expect(await codes(pack(entries.map((e) => (e.name === "case.json" ? { ...e, data: renamed } : e))))).toEqual(["bad_case"]);
    const moved = utf8(JSON.stringify({ format: "quell-evidence/1", case: "C-1", stream: "plan/P-1" }, null, 2));
    expect(await codes(pack(entries.map((e) => (e.name === "case.json" ? { ...e, data: moved } : e))))).toEqual(["truncated"]);
  });
});

test("a value that was erased is counted, and one that is gone without a word makes it incomplete", async () => {
  const silent = await verify((await bundle(log, README, events, { blobs: [blob] })).zip, log.vkey);
  expect(silent).toMatchObject({ ok: true, complete: false, erased: 1 });
  const erasure: Event = { type: "values_erased", stream: "erasure/E-1", body: { commitments: [told.commitment], sealed: [] } };
  const said = await verify((await bundle(log, README, [...events, erasure], { blobs: [blob] })).zip, log.vkey);
  expect(said).toMatchObject({ ok: true, complete: true, erased: 1 });
});

test("a range without a listing is refused", async () => {
  const report = await verify(pack([{ name: "population.json", data: utf8("{}") }]), log.vkey);
  expect(report).toMatchObject({ ok: false, integrity: false, population: null });
});

test("what was packed is read back, byte for byte", async () => {
  const { entries, zip } = await whole();
  expect(pack(unpack(zip))).toEqual(zip);
  expect(unpack(zip).map((e) => e.name)).toEqual(entries.map((e) => e.name));
});
