// One case on one page: the clock and the first line, what is usable, what is
// planned, who is awaited, what happened, and what nobody looked at.
import { useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import { get, post, Refused, type Case, type EventLine, type Stage } from "../../api/client";
import type { Session } from "../../app";
import { useKeys } from "../../keys";
import { useConnection, useNow, useTold } from "../../live";
import { OrderDialog, type Order } from "../../parts/order";
import { Command, Moment, Problem, Term } from "../../parts/small";
import { SheetDialog } from "../../parts/sheet";
import { go } from "../../route";
import { foremost, isOpen, strip } from "../../view/case";
import { face } from "../../view/exposure";
import { clock } from "../../view/time";
import { Identities } from "./identities";
import { People } from "./people";
import { PlanPanel } from "./plan";
import { ReachSheet } from "./reach";
import { Timeline } from "./timeline";

/** What every part of the page is given. */
export interface Shown {
  c: Case;
  session: Session;
  stale: boolean;
  ask: (order: Order) => void;
}

export function CaseScreen({ id, session }: { id: string; session: Session }) {
  const [c, setCase] = useState<Case | null>(null);
  const [events, setEvents] = useState<EventLine[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const [order, setOrder] = useState<Order | null>(null);
  const [reach, setReach] = useState<string | null>(null);
  const [why, setWhy] = useState(false);
  const last = useRef<number | undefined>(undefined);
  const reading = useRef(false);
  const stale = useConnection() === "reconnecting";

  const load = useCallback(async () => {
    try {
      setCase(await get("/api/v1/cases/{id}", { id }));
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof Refused ? error.message : String(error));
      return;
    }
    if (reading.current) return;
    reading.current = true;
    try {
      // Only what is new: the record does not change behind us.
      let next: number | null | undefined = last.current;
      do {
        const page: { events: EventLine[]; next: number | null } = await get("/api/v1/cases/{id}/events", { id, after: next ?? undefined });
        if (page.events.length > 0) {
          last.current = page.events.at(-1)?.index;
          // An event of a stream that was linked later may stand before what we have: sorted, and once.
          setEvents((had) => [...new Map([...had, ...page.events].map((e) => [e.index, e])).values()].sort((a, b) => a.index - b.index));
        }
        next = page.next;
      } while (next !== null);
    } catch (error) {
      setProblem(error instanceof Refused ? error.message : String(error));
    } finally {
      reading.current = false;
    }
  }, [id]);
  useEffect(() => void load(), [load]);
  useTold((told) => /^(case|plan|approval|target|policy)/.test(told.stream), () => void load());
  useEffect(() => {
    if (c) document.title = `${c.headline.split(". ")[0]} · Quell`;
    return () => {
      document.title = "Quell";
    };
  }, [c]);

  const plan = c ? foremost(c.plans) : null;
  const focus = (part: string): void => document.getElementById(part)?.focus();
  const press = (name: string): void => document.querySelector<HTMLButtonElement>(`[data-order="${name}"]:not(:disabled)`)?.click();
  useKeys([
    { key: "1", says: "identities, credentials, sessions", act: () => focus("part-identities") },
    { key: "2", says: "plan", act: () => focus("part-plan") },
    { key: "3", says: "people: waiting, approvals, verdicts", act: () => focus("part-people") },
    { key: "4", says: "timeline", act: () => focus("part-timeline") },
    { key: "a", says: "answer the approval that waits for you", act: () => document.querySelector<HTMLAnchorElement>("[data-approval]")?.click() },
    { key: "r", says: "run the plan (asks first)", act: () => press("run") },
    { key: "d", says: "dry-run", act: () => press("dry-run") },
    { key: "u", says: "undo (asks first)", act: () => press("undo") },
    { key: "l", says: "take the lead (asks first)", act: () => press("lead") },
    { key: "n", says: "write a note", act: () => press("note") },
    { key: "g", says: "reach", act: () => c?.subjects[0] && setReach(c.subjects[0].identity) },
    { key: "w", says: "why it stands as it does", act: () => setWhy(true) },
    { key: "e", says: "evidence", act: () => window.location.assign(`/cases/${encodeURIComponent(id)}/evidence`) },
    { key: "b", says: "back to the queue", act: () => go("/") },
  ]);

  if (!c) return problem ? <Problem text={problem} /> : <p className="loading">Loading the case…</p>;
  const shown: Shown = { c, session, stale, ask: setOrder };
  return (
    <div className="case">
      <Head {...shown} why={() => setWhy(true)} />
      <Problem text={problem} />
      <Strip c={c} stale={stale} />
      <div className="columns">
        <Identities {...shown} reach={setReach} />
        <PlanPanel {...shown} plan={plan} />
        <People {...shown} plan={plan} />
      </div>
      <Timeline c={c} events={events} session={session} stale={stale} />
      {order && (
        <OrderDialog
          order={order}
          onClose={() => {
            setOrder(null);
            void load();
          }}
        />
      )}
      {reach && <ReachSheet start={reach} onClose={() => setReach(null)} />}
      {why && <WhyDialog id={id} onClose={() => setWhy(false)} />}
    </div>
  );
}

function Head({ c, session, stale, ask, why }: Shown & { why: () => void }) {
  const now = useNow();
  const shown = face(c.exposure, c.states, now);
  const tone = stale ? "amber" : shown.tone;
  const open = c.plans.some(isOpen);
  const close: Order = {
    title: `Close case ${c.id}?`,
    verb: "Close the case",
    says: "It closes only when every subject is in its proved end state or has an outcome; else the server says what is open.",
    command: `quell case close ${c.id}`,
    ask: { label: "A last note (optional)", required: false },
    run: async (note) => void (await post("/api/v1/cases/{id}/close", { id: c.id }, note ? { note } : {})),
  };
  const note: Order = {
    title: "Write a note",
    verb: "Write it down",
    says: "It becomes an event of the case, with your name, and cannot be taken out again.",
    command: `quell case note ${c.id} TEXT`,
    ask: { label: "Note", required: true },
    run: async (text) => void (await post("/api/v1/cases/{id}/note", { id: c.id }, { text })),
  };
  return (
    <section className="head" aria-label="Exposure and first line">
      <div className={`bigclock tone-${tone}`} data-running={shown.running} role="timer" aria-label={shown.seconds === null ? "Exposure: not looked at yet" : `Exposure ${clock(shown.seconds)}, ${shown.label}`}>
        <span className="number">{shown.seconds === null ? "--:--:--" : clock(shown.seconds)}</span>
        <span className="under">
          {stale ? "as of the last connection: " : ""}
          <Term word="exposure">{shown.label}</Term>
          {c.exposure && (
            <>
              {" "}
              since <Moment at={c.exposure.from} /> ({c.exposure.from_basis === "event" ? "the event's own time" : c.exposure.from_basis === "received" ? "time of receipt" : "the vendor's time"})
            </>
          )}
        </span>
      </div>
      <div className="first">
        <h1>{c.headline}</h1>
        <p className="faint">
          {c.id} · confidence {c.confidence} of 100{c.corroborated ? ", corroborated" : ", one sender's word alone"} · {c.why_routed ?? c.because}
        </p>
      </div>
      <div className="actions">
        <a className="button" data-command={`quell evidence export ${c.id} -o ${c.id}.zip`} href={`/cases/${encodeURIComponent(c.id)}/evidence`}>
          Evidence ⤓
        </a>
        <button data-command={`quell case why ${c.id}`} onClick={why}>
          Why
        </button>
        <button data-order="note" data-command={note.command} onClick={() => ask(note)}>
          Note
        </button>
        {c.state !== "closed" && (
          <button data-command={close.command} onClick={() => ask(close)} disabled={open} title={open ? "a plan is still open" : undefined}>
            Close
          </button>
        )}
        <span className="faint">Lead: {c.lead ? (session.names.get(c.lead) ?? c.lead) : "nobody"}</span>
      </div>
    </section>
  );
}

const STAGE_NAMES: Record<Stage, string> = {
  detected: "detected", triaged: "triaged", decided: "decided", acted: "acted", proven: "PROVEN", restored: "restored", reviewed: "reviewed", closed: "closed",
};

function Strip({ c, stale }: { c: Case; stale: boolean }) {
  return (
    <ol className={stale ? "strip stale" : "strip"} aria-label="Where the case stands">
      {strip(c).map((cell) => (
        <li key={cell.stage} className={`${cell.state} ${cell.stage}`} aria-current={cell.state === "now" ? "step" : undefined}>
          <span>{STAGE_NAMES[cell.stage]}</span>
          <span className="when">{cell.at ? <Moment at={cell.at} /> : cell.state === "ahead" ? "not yet" : "passed over"}</span>
        </li>
      ))}
      {c.state === "closed" && (
        <li className="now" aria-current="step">
          <span>closed</span>
          <span className="when">{c.closed_at && <Moment at={c.closed_at} />}</span>
        </li>
      )}
    </ol>
  );
}

function WhyDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const [said, setSaid] = useState<ReactNode>(<p className="loading">Asking…</p>);
  useEffect(() => {
    get("/api/v1/cases/{id}/why", { id }).then(
      (w) =>
        setSaid(
          <>
            <h3>Done</h3>
            {w.done.length === 0 ? <p className="faint">Nothing was done.</p> : <ul>{w.done.map((d, n) => <li key={n}>{d}</li>)}</ul>}
            <h3>Not done</h3>
            {w.not_done.length === 0 ? (
              <p className="faint">Nothing is left of the plans.</p>
            ) : (
              <ul>
                {w.not_done.map((d, n) => (
                  <li key={n}>
                    {d.what}: {d.because} {d.policies.length > 0 && <span className="faint">[{d.policies.join(", ")}]</span>}
                  </li>
                ))}
              </ul>
            )}
            <h3>The next command</h3>
            <Command line={w.next} />
          </>,
        ),
      (error: unknown) => setSaid(<Problem text={error instanceof Refused ? error.message : String(error)} />),
    );
  }, [id]);
  return (
    <SheetDialog title="Why it stands as it does" onClose={onClose}>
      {said}
      <h3>The same as a command</h3>
      <Command line={`quell case why ${id}`} />
    </SheetDialog>
  );
}
