// RFC 8785, for the values an event may hold: keys by UTF-16 code units, integers of
// magnitude up to 2^53-1, no floats.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const DEPTH_MAX = 127;

export class NotCanonical extends Error {}

export function write(value: Json, depth = 0): string {
  if (typeof value === "string") {
    if (!wellFormed(value)) throw new NotCanonical("a text is not Unicode");
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new NotCanonical("a number is not an integer of magnitude up to 2^53-1");
    return String(value);
  }
  if (value === null || typeof value === "boolean") return String(value);
  if (depth === DEPTH_MAX) throw new NotCanonical(`it is nested deeper than ${DEPTH_MAX} levels`);
  if (Array.isArray(value)) return `[${value.map((item) => write(item, depth + 1)).join(",")}]`;
  // The sort of arrays of strings is by UTF-16 code units.
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${write(key, depth)}:${write(value[key]!, depth + 1)}`).join(",")}}`;
}

/** Reads a text that must be the one canonical form of what it says. */
export function read(text: string): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw new NotCanonical("it is not JSON");
  }
  if (write(value) !== text) throw new NotCanonical("it is not in its canonical spelling");
  return value;
}

/** No surrogate without its other half. */
const wellFormed = (text: string): boolean => !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
