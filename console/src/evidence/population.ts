// A bundle of every case of a range: it holds all leaves between two sizes of the log and
// the right edge before the first of them. From these follow the root at either end, and
// every row; so nothing can be left out, and nothing that the file lists is believed.
import { base64, hex, sha256, textOf, unbase64, unhex, type Bytes } from "./bytes";
import type { Key } from "./note";
import { Edge, isConsistent, leafHash } from "./tree";
import { readEvent, signed, type End, type Population, type Work } from "./work";
import type { Entry } from "./zip";

const NAMES = ["population.json", "checkpoint", "key.vkey", "leaves.jsonl", "README.txt"];

export async function openPopulation(entries: readonly Entry[], known: Key | null, isPinned: boolean, work: Work): Promise<void> {
  for (const { name } of entries) if (!NAMES.includes(name)) work.fault("extra_file", `\`${name}\` does not belong into a population bundle`);
  if (entries.map((e) => e.name).join() !== NAMES.join()) work.fault("missing_file", `expected exactly ${NAMES.join(", ")}, in this order`);
  const file = (name: string): Bytes => entries.find((e) => e.name === name)?.data ?? new Uint8Array(0);
  if (hex(await sha256(file("README.txt"))) !== README_SHA256) work.fault("bad_readme", "`README.txt` is not the known text");
  await signed(file("checkpoint"), file("key.vkey"), known, isPinned, work);

  const given = listed(file("population.json"));
  if (!given) {
    work.fault("bad_population", "`population.json`: the edge or the consistency proof cannot be read");
    return;
  }
  const found = await count(given.edge, leaves(file("leaves.jsonl")), work);
  if (!found) return;
  const { checkpoint } = work;
  const end = unbase64(found.to.root);
  if (checkpoint && (!end || !(await isConsistent(found.to.size, checkpoint.size, end, checkpoint.root, given.consistency)))) {
    work.fault("bad_inclusion", `these are not the events ${found.from.size} to ${found.to.size} of the log: they lead to another root`);
  }
  for (const row of found.cases) if (!given.cases.includes(row.case)) work.fault("missing_case", `\`${row.case}\`, opened at event ${row.index}, is not listed`);
  for (const one of given.cases) if (!found.cases.some((row) => row.case === one)) work.fault("extra_case", `\`${one}\` is listed and was not opened in this range`);
  const wanted = `${JSON.stringify({ format: "quell-population/1", from: found.from, to: found.to, edge: given.edgeText, consistency: given.consistency.map(base64), cases: found.cases }, null, 2)}\n`;
  if (textOf(file("population.json")) !== wanted) work.fault("bad_population", "`population.json` is not what the events say");
  work.population = found;
}

interface Listed {
  edge: Edge;
  edgeText: string;
  consistency: Bytes[];
  /** What it calls its cases. */
  cases: string[];
}

function listed(file: Bytes): Listed | null {
  try {
    const value = JSON.parse(textOf(file) ?? "") as { edge: unknown; consistency: unknown; cases: unknown };
    const bytes = typeof value.edge === "string" ? unhex(value.edge) : null;
    const edge = bytes && Edge.read(bytes);
    if (!edge || !Array.isArray(value.consistency) || !Array.isArray(value.cases)) return null;
    const consistency = value.consistency.map((text) => (typeof text === "string" ? unbase64(text) : null));
    const cases = value.cases.map((row: unknown) => (row !== null && typeof row === "object" && "case" in row && typeof row.case === "string" ? row.case : ""));
    if (consistency.some((hash) => hash?.length !== 32)) return null;
    return { edge, edgeText: value.edge as string, consistency: consistency as Bytes[], cases };
  } catch {
    return null;
  }
}

/** The lines of the file, as bytes: a leaf is hashed as it stands. */
function leaves(file: Bytes): Bytes[] {
  const out: Bytes[] = [];
  if (file.length === 0) return out;
  const end = file.at(-1) === 10 ? file.length - 1 : file.length;
  for (let from = 0; from <= end; ) {
    const at = file.indexOf(10, from);
    const to = at < 0 || at > end ? end : at;
    out.push(file.slice(from, to));
    from = to + 1;
  }
  return out;
}

/** What the leaves say: both ends, and one row a case that was opened between them. */
async function count(edge: Edge, all: readonly Bytes[], work: Work): Promise<Population | null> {
  const at = async (): Promise<End> => ({ size: edge.size, root: base64(await edge.root()) });
  const from = await at();
  const rows = new Map<string, Population["cases"][number]>();
  work.events = all.length;
  for (const leaf of all) {
    const index = edge.size;
    const link = readEvent(leaf);
    if (typeof link === "string") {
      work.fault("bad_event", `event ${index} ${link}`);
      return null;
    }
    const hash = await leafHash(leaf);
    await edge.push(hash);
    if (link.type === "case_opened") rows.set(link.stream, { case: link.stream, index, opened_at: link.at, state: "", since: link.at, events: 0, head: "" });
    // What was opened before the range is not of it.
    const row = rows.get(link.stream);
    if (!row) continue;
    row.events += 1;
    row.head = hex(hash);
    if (link.version !== row.events) {
      work.fault("bad_event", `event ${index} cannot be read: \`${link.stream}\` lacks its version ${row.events}`);
      return null;
    }
    if (link.stage !== null) [row.state, row.since] = [link.stage, link.at];
  }
  return { from, to: await at(), cases: [...rows.values()].sort((a, b) => a.index - b.index) };
}

/** Of the text that every bundle of a range carries; part of the format. */
const README_SHA256 = "b82fd0269d513e9e615cc9391673753852c2ead95d986ce8fc15cbeae432f6e0";
