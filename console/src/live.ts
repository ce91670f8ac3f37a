// What is recorded, as it is recorded: one stream for the whole page. While it is
// not connected the page says so, because what it shows may be old.
import { useEffect, useRef, useSyncExternalStore } from "react";

export type Connection = "connecting" | "live" | "reconnecting";
export interface Told {
  stream: string;
  version: number;
  type: string;
}

type Listener = (told: Told | null) => void;

let connection: Connection = "connecting";
let source: EventSource | null = null;
const listeners = new Set<Listener>();
const watchers = new Set<() => void>();

function become(next: Connection): void {
  connection = next;
  for (const watcher of watchers) watcher();
}

function tell(told: Told | null): void {
  for (const listener of listeners) listener(told);
}

/** Begins to follow; a stream that broke is opened again, and then everything is read anew. */
export function follow(): () => void {
  let wait = 500;
  let timer = 0;
  let ended = false;
  const open = (): void => {
    source = new EventSource("/api/v1/stream");
    source.onopen = () => {
      wait = 500;
      become("live");
      // What happened meanwhile was not told.
      tell(null);
    };
    source.onmessage = (message: MessageEvent<string>) => tell(JSON.parse(message.data) as Told);
    source.addEventListener("missed", () => tell(null));
    source.onerror = () => {
      source?.close();
      if (ended) return;
      become("reconnecting");
      timer = window.setTimeout(open, wait);
      wait = Math.min(wait * 2, 10_000);
    };
  };
  open();
  return () => {
    ended = true;
    window.clearTimeout(timer);
    source?.close();
  };
}

export function useConnection(): Connection {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => connection,
  );
}

/** Calls back when something that concerns was recorded: at once, and at most a few times a second. */
export function useTold(concerns: (told: Told) => boolean, act: () => void): void {
  const latest = useRef({ concerns, act });
  latest.current = { concerns, act };
  useEffect(() => {
    let timer = 0;
    let last = 0;
    const run = (): void => {
      timer = 0;
      last = Date.now();
      latest.current.act();
    };
    const listener: Listener = (told) => {
      if (timer || (told && !latest.current.concerns(told))) return;
      timer = window.setTimeout(run, Math.max(0, last + 300 - Date.now()));
    };
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      window.clearTimeout(timer);
    };
  }, []);
}

// One clock for every running number: they tick together. The server's clock counts, not the reader's.
let skew = 0;
let beat = Date.now();
const hearers = new Set<() => void>();
setInterval(() => {
  beat = Date.now();
  for (const hear of hearers) hear();
}, 1000);

/** The server said that it is `now`. */
export function setServerTime(now: string): void {
  skew = Date.parse(now) - Date.now();
}

/** The reader's own time, each second: for what happened here, such as an answer that came. */
export function useNowLocal(): number {
  return useSyncExternalStore(
    (hear) => {
      hearers.add(hear);
      return () => hearers.delete(hear);
    },
    () => beat,
  );
}

/** The server's time, each second. */
export function useNow(): number {
  return useNowLocal() + skew;
}
