// What a check of a bundle found so far, and the one thing that every kind of bundle
// has: a checkpoint, and the key that signed it.
import { base64, textOf, type Bytes } from "./bytes";
import { NotCanonical, read } from "./canonical";
import { readLink, type Link } from "./link";
import { BadNote, openCheckpoint, readKey, type Checkpoint, type Key } from "./note";

export interface Fault {
  /** The codes are those of `quell evidence verify`. */
  code: string;
  message: string;
}

export interface Report {
  /** No fault at all, and the signer is the key that was given. */
  ok: boolean;
  /** The bytes alone are whole and agree; it says nothing about who signed. */
  integrity: boolean;
  events: number;
  size: number | null;
  /** As base64, by the checkpoint. */
  root: string | null;
  /** The key in the file. */
  key: string | null;
  keyPinned: boolean;
  /** Whole, and every commitment is disclosed or said to be erased. */
  complete: boolean;
  /** Commitments without a disclosure. */
  erased: number;
  case: string | null;
  /** Only of a bundle of a range: its two ends, and its cases. */
  population: Population | null;
  /** The events by their index, as far as they could be read. */
  lines: { index: number; link: Link }[];
  errors: Fault[];
}

export interface End {
  size: number;
  /** As base64, like a checkpoint's: what an older checkpoint is held against. */
  root: string;
}

export interface Population {
  from: End;
  to: End;
  cases: { case: string; index: number; opened_at: string; state: string; since: string; events: number; head: string }[];
}

const ABOUT_THE_SIGNER = new Set(["wrong_key", "unpinned_key"]);
const FAULTS_MAX = 100;
export const EVENT_BYTES_MAX = 64 * 1024;

export class Work {
  faults: Fault[] = [];
  broken = false;
  key: Key | null = null;
  checkpoint: Checkpoint | null = null;
  pinned = false;
  case: string | null = null;
  population: Population | null = null;
  lines: Linked[] = [];
  events = 0;
  open = 0;
  unexplained = 0;

  fault(code: string, message: string): void {
    if (!ABOUT_THE_SIGNER.has(code)) this.broken = true;
    if (this.faults.length < FAULTS_MAX) this.faults.push({ code, message: message.slice(0, 300) });
  }

  report(): Report {
    return {
      ok: this.faults.length === 0 && this.pinned, integrity: !this.broken, events: this.events, size: this.checkpoint?.size ?? null, root: this.checkpoint ? base64(this.checkpoint.root) : null,
      key: this.key?.text ?? null, keyPinned: this.pinned, complete: !this.broken && this.unexplained === 0, erased: this.open, case: this.case, population: this.population,
      lines: this.lines.map(({ index, link }) => ({ index, link })), errors: this.faults,
    };
  }
}

/** An event as far as the chain goes. */
export interface Linked {
  index: number;
  leaf: string;
  link: Link;
}

/** What one leaf says of its place, or why it cannot be read. */
export function readEvent(leaf: Bytes): Link | string {
  if (leaf.length > EVENT_BYTES_MAX) return `has ${leaf.length} bytes, at most ${EVENT_BYTES_MAX} are allowed`;
  const text = textOf(leaf);
  if (text === null) return "is not UTF-8";
  try {
    const link = readLink(read(text));
    return typeof link === "string" ? `cannot be read: ${link}` : link;
  } catch (error) {
    if (!(error instanceof NotCanonical)) throw error;
    return `cannot be read: ${error.message}`;
  }
}

export const said = (error: unknown): string => (error instanceof BadNote ? error.message : "it cannot be read");

/** The checkpoint, if the key in the file signed it; and whether that key is the one that was given. */
export async function signed(note: Bytes, keyFile: Bytes, known: Key | null, isPinned: boolean, work: Work): Promise<void> {
  const text = textOf(keyFile) ?? "";
  try {
    if (!text.endsWith("\n")) throw new BadNote("a key ends with a newline");
    work.key = await readKey(text.slice(0, -1));
  } catch (error) {
    work.fault("bad_key", `\`key.vkey\`: ${said(error)}`);
    return;
  }
  work.pinned = known !== null && known.text === work.key.text;
  if (isPinned && known && !work.pinned) work.fault("wrong_key", `signed by \`${work.key.text}\`, wanted \`${known.text}\`; this is another log, or a forged one`);
  try {
    work.checkpoint = await openCheckpoint(note, work.key);
  } catch (error) {
    work.fault("bad_signature", `\`checkpoint\`: ${said(error)}`);
  }
}
