// Every screen there is: where it is, by which key, what it answers. Navigation,
// keys, palette and help are all made from this one list. Screens beside queue,
// inbox and case are fetched when they are first looked at, or once nothing else is
// to do: so that they are there when the server is away.
import { useEffect, useState, type ComponentType } from "react";
import type { Session } from "./app";
import { useConnection } from "./live";

interface Props {
  session: Session;
  search: URLSearchParams;
}

export interface Place {
  path: string;
  name: string;
  key: string;
  says: string;
  /** The same on the command line. */
  command: string;
  Screen: ComponentType<Props> | null;
}

type Load = () => Promise<{ default: ComponentType<Props> }>;
const loads: Load[] = [];

/** Was the page loaded anew for this longer than half a minute ago? Else it would go on for ever. */
function isLongAgo(): boolean {
  try {
    const last = Number(sessionStorage.getItem("reloaded") ?? 0);
    sessionStorage.setItem("reloaded", String(Date.now()));
    return Date.now() - last > 30_000;
  } catch {
    return false;
  }
}

/** A screen that is fetched. One that could not be says so, and is tried again when the server is back. */
function later(load: Load): ComponentType<Props> {
  let fetched: ComponentType<Props> | null = null;
  const fetchIt: Load = async () => {
    const found = await load();
    fetched = found.default;
    return found;
  };
  loads.push(fetchIt);
  return function Later(props: Props) {
    const connection = useConnection();
    const [Screen, setScreen] = useState<ComponentType<Props> | null>(() => fetched);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (Screen) return;
      let current = true;
      fetchIt().then(
        (found) => current && setScreen(() => found.default),
        () => {
          if (!current) return;
          // A browser may remember that a script could not be fetched; loading the page anew forgets it.
          if (failed && connection === "live" && isLongAgo()) window.location.reload();
          setFailed(true);
        },
      );
      return () => {
        current = false;
      };
    }, [Screen, connection]);
    if (Screen) return <Screen {...props} />;
    return failed ? (
      <div className="notice bad" role="alert">
        <p>This screen could not be fetched. It is tried again when the server is heard.</p>
        <button onClick={() => window.location.reload()}>Load the page again</button>
      </div>
    ) : (
      <p className="loading" role="status">
        Loading…
      </p>
    );
  };
}

/** Fetches every screen, one after the other, for when the server is away. */
export async function fetchScreens(): Promise<void> {
  for (const load of loads) await load().catch(() => undefined);
}

export const PLACES: readonly Place[] = [
  { path: "/", name: "Queue", key: "q", says: "open identity incidents, the most exposed first", command: "quell case list", Screen: null },
  { path: "/inbox", name: "Inbox", key: "i", says: "what waits for me", command: "quell inbox", Screen: null },
  { path: "/planes", name: "Planes", key: "p", says: "planes, sources, privileges, arming, coverage", command: "quell connector check", Screen: later(() => import("./screens/planes")) },
  { path: "/identities", name: "Identities", key: "o", says: "owners, credentials by state, consumers, rotation, incidents", command: "quell inventory show", Screen: later(() => import("./screens/identities")) },
  { path: "/policy", name: "Policy", key: "y", says: "the rules in English, their tests, explain", command: "quell policy show", Screen: later(() => import("./screens/policy")) },
  { path: "/ledger", name: "Ledger", key: "x", says: "search the record, checkpoints, proofs, verify a bundle", command: "quell ledger verify", Screen: later(() => import("./screens/ledger")) },
  { path: "/audit", name: "Audit", key: "v", says: "acceptances, pauses, closures without a proof, who could decide", command: "quell evidence who", Screen: later(() => import("./screens/audit")) },
  { path: "/measures", name: "Metrics", key: "m", says: "exposure, time to contain and to prove, owners, fallback", command: "quell case list --state all --json", Screen: later(() => import("./screens/measures")) },
  { path: "/start", name: "Start", key: "s", says: "the first run in three steps, and a self-test", command: "quell doctor", Screen: later(() => import("./screens/start")) },
];

/** The place of a path; a case is of none. */
export const placeOf = (path: string): Place | undefined => PLACES.find((place) => place.path === path);
