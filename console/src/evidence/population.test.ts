import { beforeAll, expect, test } from "vitest";
import readme from "../../../crates/ledger/src/bundle/population.txt?raw";
import { hex, sha256, utf8, type Bytes } from "./bytes";
import { consistencyOf, edgeOf, newLog, range, rootOf, type Event, type Log } from "./forge";
import { Edge, isConsistent, leafHash } from "./tree";
import { verify } from "./verify";
import { pack } from "./zip";

const README = utf8(readme);
let log: Log;
let other: Log;
const opened = (id: string): Event => ({ type: "case_opened", stream: `case/${id}`, body: {} });
const advanced = (id: string, stage: string): Event => ({ type: "case_advanced", stream: `case/${id}`, body: { stage } });
const EVENTS: Event[] = [opened("C-0"), opened("C-1"), { type: "person_created", stream: "person/p", body: {} }, advanced("C-0", "proven"), opened("C-2"), advanced("C-1", "proven"), advanced("C-2", "triaged"), opened("C-3")];

beforeAll(async () => {
  [log, other] = [await newLog(), await newLog()];
});

const codes = async (zip: Bytes): Promise<string[]> => [...new Set((await verify(zip, log.vkey)).errors.map((e) => e.code))].sort();

test("a range verifies under the reader's key, and says every case of it with its stage at the end", async () => {
  for (const [from, to] of [[1, 7], [0, 8], [1, 8], [3, 4], [4, 4]] as const) {
    const report = await verify((await range(log, README, EVENTS, from, to)).zip, log.vkey);
    expect([from, to, report.errors, report.ok]).toEqual([from, to, [], true]);
    expect([report.population?.from.size, report.population?.to.size, report.size]).toEqual([from, to, 8]);
  }
  const report = await verify((await range(log, README, EVENTS, 1, 7)).zip, log.vkey);
  expect(report.population?.cases.map((c) => [c.case, c.state, c.events])).toEqual([["case/C-1", "proven", 2], ["case/C-2", "triaged", 2]]);
});

test("it needs the reader's key as any bundle", async () => {
  const { zip } = await range(log, README, EVENTS, 1, 7);
  expect((await verify(zip, null)).errors.map((e) => e.code)).toEqual(["unpinned_key"]);
  expect(await codes((await range(other, README, EVENTS, 1, 7)).zip)).toEqual(["wrong_key"]);
});

test("a case that is taken off the list, out of the events, or out of both is found", async () => {
  const offList = await range(log, README, EVENTS, 1, 7, { rows: (rows) => rows.slice(1) });
  expect(await codes(offList.zip)).toEqual(["bad_population", "missing_case"]);
  const offEvents = await range(log, README, EVENTS, 1, 7, { leaves: (all) => all.filter((_, n) => n !== 3) });
  expect((await verify(offEvents.zip, log.vkey)).ok).toBe(false);
  const both = await range(log, README, EVENTS, 1, 7, { rows: (rows) => rows.slice(0, 1), leaves: (all) => all.filter((_, n) => n !== 3 && n !== 5) });
  expect(await codes(both.zip)).toEqual(["bad_inclusion", "bad_population"]);
});

test("another stage, a case too many, a cut tail and a late beginning are found", async () => {
  const wrong = await range(log, README, EVENTS, 1, 7, { rows: (rows) => rows.map((r) => ({ ...(r as object), state: "closed" })) });
  expect(await codes(wrong.zip)).toEqual(["bad_population"]);
  const more = await range(log, README, EVENTS, 1, 7, { rows: (rows) => [...rows, { ...(rows[0] as object), case: "case/C-9" }] });
  expect(await codes(more.zip)).toEqual(["bad_population", "extra_case"]);
  expect(await codes((await range(log, README, EVENTS, 1, 7, { leaves: (all) => all.slice(0, -1) })).zip)).toContain("bad_inclusion");
  expect(await codes((await range(log, README, EVENTS, 2, 7, { leaves: (all) => all.slice(1) })).zip)).toContain("bad_inclusion");
});

test("every single flipped bit of it is found", async () => {
  const { zip } = await range(log, README, EVENTS, 1, 7);
  for (let at = 0; at < zip.length; at += 1) {
    const changed = zip.slice();
    changed[at] = changed[at]! ^ (1 << at % 8);
    expect([at, (await verify(changed, log.vkey)).ok]).toEqual([at, false]);
  }
}, 120_000);

test("a file too many or too few, and another order, are refused", async () => {
  const { entries } = await range(log, README, EVENTS, 1, 7);
  for (const forged of [[...entries, { name: "more.txt", data: utf8("x") }], entries.slice(0, 4), [entries[0]!, ...entries.slice(1).reverse()]]) expect((await verify(pack(forged), log.vkey)).ok).toBe(false);
});

test("consistency proofs hold between all sizes, and for no other size, root or path", async () => {
  const leaves = await Promise.all(Array.from({ length: 17 }, (_, n) => leafHash(utf8(`leaf ${n}`))));
  for (let size = 1; size <= 17; size += 1) {
    for (let old = 1; old <= size; old += 1) {
      const [small, large] = [await rootOf(leaves.slice(0, old)), await rootOf(leaves.slice(0, size))];
      const path = await consistencyOf(old, leaves.slice(0, size));
      expect([old, size, await isConsistent(old, size, small, large, path)]).toEqual([old, size, true]);
      if (old === size) continue;
      expect([old, size, await isConsistent(old, size, large, large, path)]).toEqual([old, size, false]);
      expect([old, size, await isConsistent(old, size, small, small, path)]).toEqual([old, size, false]);
      expect([old, size, await isConsistent(old, size, small, large, [...path, small])]).toEqual([old, size, false]);
      expect([old, size, await isConsistent(old, size, small, large, path.slice(0, -1))]).toEqual([old, size, false]);
    }
  }
});

test("an edge grows as the tree does, from any size", async () => {
  const leaves = await Promise.all(Array.from({ length: 12 }, (_, n) => leafHash(utf8(`leaf ${n}`))));
  for (let from = 0; from <= 12; from += 1) {
    const edge = Edge.read(await edgeOf(leaves.slice(0, from)));
    for (let n = from; n < 12; n += 1) await edge?.push(leaves[n]!);
    expect([from, edge?.size, edge && hex(await edge.root())]).toEqual([from, 12, hex(await rootOf(leaves))]);
  }
  expect(hex((await Edge.read(new Uint8Array(8))?.root()) ?? new Uint8Array(0))).toBe(hex(await sha256()));
  for (const bad of [new Uint8Array(7), new Uint8Array([0, 0, 0, 0, 0, 0, 0, 1]), new Uint8Array(40)]) expect(Edge.read(bad)).toBeNull();
});
