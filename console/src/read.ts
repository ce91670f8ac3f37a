// Reading for a screen: once, again when something that concerns it was recorded,
// and again when the connection comes back. What was read before stays in view, and
// the problem stands beside it.
import { useCallback, useEffect, useRef, useState } from "react";
import { get, Refused, type Answer, type Getable, type Values } from "./api/client";
import { useTold, type Told } from "./live";

export interface Read<T> {
  data: T | null;
  problem: string | null;
  /** When the answer came; null while there is none. */
  at: number | null;
  busy: boolean;
  again: () => void;
}

export const sentence = (error: unknown): string => (error instanceof Refused ? error.message : "the console failed to read it; try again");

export interface How {
  /** What was read for the question before stays in view, busy, until the answer to the new one is there. */
  keep?: boolean;
  /** At most one reading in so many milliseconds for what was recorded: for answers that cost the server much. */
  pace?: number;
}

export function useRead<P extends Getable>(path: P, values: Values | null, concerns: (told: Told) => boolean = () => false, { keep = false, pace = 0 }: How = {}): Read<Answer<P>> {
  const [state, setState] = useState<Omit<Read<Answer<P>>, "again">>({ data: null, problem: null, at: null, busy: true });
  const key = JSON.stringify(values);
  const asked = useRef(0);
  const last = useRef(0);
  const again = useCallback(() => {
    if (key === "null") return;
    // Only the newest question's answer counts.
    const mine = (asked.current += 1);
    last.current = Date.now();
    setState((had) => ({ ...had, busy: true }));
    get(path, JSON.parse(key) as Values).then(
      (data) => mine === asked.current && setState({ data, problem: null, at: Date.now(), busy: false }),
      (error: unknown) => mine === asked.current && setState((had) => ({ ...had, problem: sentence(error), busy: false })),
    );
  }, [path, key]);
  useEffect(() => {
    setState((had) => ({ data: keep ? had.data : null, problem: null, at: null, busy: key !== "null" }));
    again();
  }, [again, key, keep]);
  const timer = useRef(0);
  // The question may be another one when the timer is over.
  const newest = useRef(again);
  newest.current = again;
  useTold(
    (told) => key !== "null" && concerns(told),
    () => {
      if (timer.current) return;
      timer.current = window.setTimeout(() => {
        timer.current = 0;
        newest.current();
      }, Math.max(0, last.current + pace - Date.now()));
    },
  );
  useEffect(() => () => window.clearTimeout(timer.current), []);
  return { ...state, again };
}
