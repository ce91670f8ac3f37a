// What waits for me: by name, or by a role of mine.
import { useCallback, useEffect, useState } from "react";
import { get, Refused, type InboxRow, type Waiting } from "../api/client";
import type { Session } from "../app";
import { useKeys } from "../keys";
import { useTold } from "../live";
import { Moment, Problem, Until } from "../parts/small";
import { Link } from "../route";
import { role } from "../view/words";

interface Inbox {
  cases: InboxRow[];
  notices: { id: string; at: string; headline: string; pages: boolean }[];
}

export function InboxScreen({ session }: { session: Session }) {
  const [inbox, setInbox] = useState<Inbox | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const load = useCallback(() => {
    get("/api/v1/inbox").then(
      (found) => {
        setInbox(found);
        setProblem(null);
      },
      (error: unknown) => setProblem(error instanceof Refused ? error.message : String(error)),
    );
  }, []);
  useEffect(load, [load]);
  useTold((told) => /^(case|plan|approval|policy)/.test(told.stream), load);
  const [at, setAt] = useState(0);
  const focus = (n: number): void => {
    const places = document.querySelectorAll<HTMLElement>("[data-answer]");
    const next = Math.max(0, Math.min(places.length - 1, n));
    setAt(next);
    places[next]?.focus();
  };
  useKeys([
    { key: "j", says: "next", act: () => focus(document.activeElement?.hasAttribute("data-answer") ? at + 1 : 0) },
    { key: "k", says: "the one before", act: () => focus(at - 1) },
  ]);
  return (
    <div className="inbox">
      <h1>Waiting for {session.me.name ?? "you"}</h1>
      <p className="faint">As {session.me.roles.map(role).join(", ") || "somebody without a role"}. What is addressed to another person by name is not here.</p>
      <Problem text={problem} />
      {!inbox && !problem && <p className="loading">Loading…</p>}
      {inbox?.cases.length === 0 && <p className="notice">Nothing waits for you.</p>}
      {inbox?.cases.map((c) => (
        <section key={c.id} className="card" aria-labelledby={`in-${c.id}`}>
          <h2 id={`in-${c.id}`}>{c.headline}</h2>
          <ul className="plainlist">
            {c.waiting_for.map((w, n) => (
              <li key={n} className="row wrap between">
                <span>
                  {w.what}
                  {w.deadline && (
                    <>
                      , <Until at={w.deadline} />
                    </>
                  )}
                  ; then {w.at_timeout}
                </span>
                <Answer id={c.id} waiting={w} />
              </li>
            ))}
          </ul>
        </section>
      ))}
      {inbox && inbox.notices.length > 0 && (
        <section aria-labelledby="told">
          <h2 id="told">What you were told</h2>
          <p className="faint">Since the server started; nothing was sent by mail or chat, which this version does not do.</p>
          <ul>
            {inbox.notices.map((n) => (
              <li key={n.id}>
                <Moment at={n.at} /> {n.pages && <strong>PAGE </strong>}
                {n.headline}
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

function Answer({ id, waiting }: { id: string; waiting: Waiting }) {
  // An approval is a page of its own, served without script.
  if (waiting.missing !== undefined && waiting.plan) {
    return (
      <a data-answer className="button primary" href={`/cases/${id}/approval/${waiting.plan}`}>
        Answer
      </a>
    );
  }
  return (
    <Link data-answer className="button" href={`/cases/${id}`}>
      Open the case
    </Link>
  );
}
