// What must be known of one event to tell whether a bundle is whole: its place in its
// stream, what it commits to and names, and, of an export, where every stream ended.
import { unhex } from "./bytes";
import type { Json } from "./canonical";

export interface Head {
  stream: string;
  version: number;
  /** Hex leaf hash. */
  leaf: string;
}

export interface Link {
  type: string;
  at: string;
  by: string;
  stream: string;
  version: number;
  /** Hex leaf hash of the event before; null for the first. */
  prev: string | null;
  commitments: string[];
  blobs: string[];
  erased: string[];
  heads: Head[] | null;
  /** Hex SHA-256 of `case.json`; only of an export. */
  case: string | null;
  /** The stage that the case of its stream enters with it. */
  stage: string | null;
}

type Members = { [key: string]: Json };

const isMembers = (value: Json | undefined): value is Members => typeof value === "object" && value !== null && !Array.isArray(value);
const isHash = (value: Json | undefined): value is string => typeof value === "string" && unhex(value, 64) !== null;
const isCount = (value: Json | undefined): value is number => typeof value === "number" && value >= 0;
const texts = (value: Json | undefined): string[] => (Array.isArray(value) ? value.filter((item) => typeof item === "string") : []);

/** Reads the link of an event, or says why it is none. */
export function readLink(event: Json): Link | string {
  if (!isMembers(event)) return "an event is an object";
  const { type, at, by, stream, stream_version: version, prev, body } = event;
  if (typeof type !== "string" || typeof at !== "string" || typeof by !== "string" || typeof stream !== "string") return "an event has the texts `type`, `at`, `by` and `stream`";
  if (!isCount(version)) return "an event has the number `stream_version`";
  if (prev !== null && prev !== undefined && !isHash(prev)) return "`prev` is no hash";
  const inside = isMembers(body) ? body : {};
  const link: Link = { type, at, by, stream, version, prev: prev ?? null, commitments: commitments(event), blobs: texts(inside["blobs"]), erased: type === "values_erased" ? texts(inside["commitments"]) : [], heads: null, case: null, stage: stageOf(type, inside["stage"]) };
  if (type !== "case_exported") return link;
  const heads = readHeads(inside["heads"]);
  if (!heads || !isHash(inside["case_json"])) return "an export names the head of every stream, and `case.json` by its hash";
  return { ...link, heads, case: inside["case_json"] };
}

function stageOf(type: string, stage: Json | undefined): string | null {
  const fixed: Record<string, string> = { case_opened: "detected", case_reopened: "triaged", case_closed: "closed" };
  if (Object.hasOwn(fixed, type)) return fixed[type] ?? null;
  return type === "case_advanced" && typeof stage === "string" ? stage : null;
}

function readHeads(value: Json | undefined): Head[] | null {
  if (!Array.isArray(value)) return null;
  const heads: Head[] = [];
  for (const one of value) {
    if (!isMembers(one) || typeof one["stream"] !== "string" || !isCount(one["version"]) || !isHash(one["leaf"])) return null;
    heads.push({ stream: one["stream"], version: one["version"], leaf: one["leaf"] });
  }
  return heads;
}

/** Every commitment that an event holds: the text `personal` of an object. What stands in such an object is not looked into. */
function commitments(value: Json): string[] {
  if (Array.isArray(value)) return value.flatMap(commitments);
  if (!isMembers(value)) return [];
  const own = Object.hasOwn(value, "personal") ? value["personal"] : undefined;
  return typeof own === "string" ? [own] : Object.values(value).flatMap(commitments);
}
