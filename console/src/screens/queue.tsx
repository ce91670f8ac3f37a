// The queue: one row is one identity incident. The row's order, its filter and
// the view stand in the address; the preview spares opening and going back.
import { useCallback, useEffect, useRef, useState } from "react";
import { get, post, Refused, type CaseRow } from "../api/client";
import type { Session } from "../app";
import { useKeys } from "../keys";
import { useConnection, useNow, useTold } from "../live";
import { OrderDialog, type Order } from "../parts/order";
import { Badge, LifeBadge, Moment, Problem, Until } from "../parts/small";
import { sentence } from "../read";
import { go, Link } from "../route";
import { face } from "../view/exposure";
import { filterOf, inOrder, inView, matches, outcome, searchOf, stillShown, VIEW_NAMES, VIEWS, type Tried } from "../view/queue";
import { clock } from "../view/time";
import { author, role, words } from "../view/words";
import type { Life, Waiting } from "../api/client";

/** Rows fetched at most: the newest. Beyond it the page says what it does not show. */
const ROWS_MAX = 1000;
const PAGE = 200;
/** Rows drawn at once; the rest comes with a button. */
const DRAWN = 100;

export function QueueScreen({ search, session }: { search: URLSearchParams; session: Session }) {
  const [rows, setRows] = useState<CaseRow[] | null>(null);
  const [more, setMore] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [at, setAt] = useState<string | null>(null);
  const [drawn, setDrawn] = useState(DRAWN);
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const [order, setOrder] = useState<Order | null>(null);
  const box = useRef<HTMLInputElement>(null);
  const stale = useConnection() === "reconnecting";
  const filter = filterOf(search);

  const load = useCallback(async () => {
    try {
      const found: CaseRow[] = [];
      let after: string | undefined;
      do {
        const page = await get("/api/v1/cases", { limit: PAGE, after });
        found.push(...page.cases);
        after = page.next ?? undefined;
      } while (after && found.length < ROWS_MAX);
      setRows(found);
      setMore(after !== undefined);
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof Refused ? error.message : String(error));
    }
  }, []);
  useEffect(() => void load(), [load]);
  useTold((told) => /^(case|plan|approval|target)\//.test(told.stream), () => void load());

  const shown = inOrder((rows ?? []).filter((row) => matches(row, filter, session.me)));
  const selected = shown.find((r) => r.id === at) ?? shown[0] ?? null;
  const chosen = stillShown(marked, shown);
  const mark = (id: string): void => {
    const next = new Set(marked);
    if (!next.delete(id)) next.add(id);
    setMarked(next);
  };
  const step = (by: number): void => {
    const next = shown[Math.min(shown.length - 1, Math.max(0, shown.findIndex((r) => r.id === selected?.id) + by))];
    if (!next) return;
    setAt(next.id);
    document.getElementById(`row-${next.id}`)?.scrollIntoView({ block: "nearest" });
  };
  useKeys([
    { key: "j", says: "next case", act: () => step(1) },
    { key: "k", says: "case before", act: () => step(-1) },
    { key: "Enter", says: "open the case", act: () => selected && go(`/cases/${selected.id}`) },
    { key: "z", says: "mark the case for an order to several", act: () => selected && mark(selected.id) },
    { key: "/", says: "search", act: () => box.current?.focus() },
    ...VIEWS.map((view, n) => ({ key: String(n + 1), says: VIEW_NAMES[view], act: () => go(`/${searchOf({ ...filter, view })}`, "replace") })),
  ]);

  return (
    <div className="queue">
      <h1 className="visually-hidden">Queue</h1>
      <div className="row wrap">
        <nav aria-label="Views" className="views">
          {VIEWS.map((view, n) => (
            <Link key={view} href={`/${searchOf({ ...filter, view })}`} aria-current={view === filter.view ? "true" : undefined}>
              <kbd aria-hidden="true">{n + 1}</kbd> {VIEW_NAMES[view]} {rows && <span className="count">{rows.filter((r) => inView(r, view, session.me)).length}</span>}
            </Link>
          ))}
        </nav>
        <label className="search">
          <span className="visually-hidden">Search the queue</span>
          <input
            ref={box}
            type="search"
            placeholder="Search: id, name, state, kind ( / )"
            value={filter.text}
            onChange={(event) => go(`/${searchOf({ ...filter, text: event.target.value })}`, "replace")}
            onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
          />
        </label>
      </div>
      <Problem text={problem} />
      {!rows && !problem && <p className="loading">Loading the queue…</p>}
      {rows && shown.length === 0 && (
        <div className="notice">
          <p>{rows.length === 0 ? "No case is open. Nothing came in that needs containment, as far as Quell was told." : "No open case is in this view; the others are still there."}</p>
          {rows.length === 0 && (
            <p>
              A new installation? <Link href="/start">Start in three steps, with a self-test</Link>.
            </p>
          )}
        </div>
      )}
      {shown.length > 0 && (
        <div className="split">
          <div>
            <Bulk chosen={chosen} clear={() => setMarked(new Set())} all={() => setMarked(new Set(shown.map((r) => r.id)))} many={shown.length} order={setOrder} />
            <table className="rows">
              <thead>
                <tr>
                  <th scope="col">
                    <span className="visually-hidden">Marked</span>
                  </th>
                  <th scope="col">Exposure</th>
                  <th scope="col">Case</th>
                  <th scope="col">State</th>
                  <th scope="col">Reach</th>
                  <th scope="col">Next</th>
                  <th scope="col">Alerts</th>
                </tr>
              </thead>
              <tbody>
                {shown.slice(0, drawn).map((row) => (
                  <Row key={row.id} row={row} selected={row.id === selected?.id} stale={stale} select={() => setAt(row.id)} names={session.names} marked={marked.has(row.id)} mark={() => mark(row.id)} />
                ))}
              </tbody>
            </table>
            {shown.length > drawn && <button onClick={() => setDrawn(drawn + DRAWN)}>Show {Math.min(DRAWN, shown.length - drawn)} more of {shown.length}</button>}
            {more && <p className="notice">These are the newest {ROWS_MAX} open cases. Older ones are not shown or searched here; `quell case list` has them all.</p>}
          </div>
          {selected && <Preview row={selected} names={session.names} />}
        </div>
      )}
      {order && (
        <OrderDialog
          order={order}
          onClose={() => {
            setOrder(null);
            void load();
          }}
        />
      )}
    </div>
  );
}

/** One order to several cases: each is asked of the server by itself, and what it refuses is told. */
function Bulk({ chosen, clear, all, many, order }: { chosen: readonly CaseRow[]; clear: () => void; all: () => void; many: number; order: (order: Order) => void }) {
  if (chosen.length === 0) return null;
  const each = async (one: (id: string) => Promise<unknown>) => {
    const tried: Tried[] = [];
    for (const { id } of chosen) {
      tried.push(
        await one(id).then(
          () => ({ id, refused: null }),
          (error: unknown) => ({ id, refused: sentence(error) }),
        ),
      );
    }
    const { headline, refused } = outcome(tried);
    return (
      <div>
        <p>
          <strong>{headline}.</strong>
        </p>
        <ul>
          {refused.map((r) => (
            <li key={r.id}>
              {r.id}: {r.refused}
            </li>
          ))}
        </ul>
      </div>
    );
  };
  const many_cases = `${chosen.length} ${chosen.length === 1 ? "case" : "cases"}`;
  const targets = (
    <ul className="targets">
      {chosen.map((row) => (
        <li key={row.id}>
          {row.headline.split(". ")[0]} <span className="faint">{row.id}</span>
        </li>
      ))}
    </ul>
  );
  const lead: Order = {
    title: `Take the lead of ${many_cases}?`,
    verb: "Take the lead",
    says: (
      <>
        <p>Whoever leads one of them now is told.</p>
        {targets}
      </>
    ),
    command: chosen.map((row) => `quell case lead ${row.id}`).join("; "),
    run: () => each((id) => post("/api/v1/cases/{id}/lead", { id }, {} as never)),
  };
  const note: Order = {
    title: `Write a note into ${many_cases}`,
    verb: "Write it down",
    says: (
      <>
        <p>It becomes an event of each, with your name, and cannot be taken out again.</p>
        {targets}
      </>
    ),
    command: chosen.map((row) => `quell case note ${row.id} TEXT`).join("; "),
    ask: { label: "Note", required: true },
    run: (text) => each((id) => post("/api/v1/cases/{id}/note", { id }, { text })),
  };
  const close: Order = {
    title: `Close ${many_cases}?`,
    verb: "Close them",
    danger: true,
    says: (
      <>
        <p>A case closes only when every subject is in its proved end state or has an outcome; the others are refused, each with what is open.</p>
        {targets}
      </>
    ),
    command: chosen.map((row) => `quell case close ${row.id}`).join("; "),
    ask: { label: "A last note (optional)", required: false },
    run: (text) => each((id) => post("/api/v1/cases/{id}/close", { id }, text ? { note: text } : {})),
  };
  return (
    <div className="row wrap bulk" role="group" aria-label="Orders to the marked cases">
      <strong>{chosen.length} marked</strong>
      <button onClick={() => order(lead)} data-command={lead.command}>
        Take the lead…
      </button>
      <button onClick={() => order(note)} data-command={note.command}>
        Note…
      </button>
      <button onClick={() => order(close)} data-command={close.command}>
        Close…
      </button>
      {chosen.length < many && (
        <button className="quiet" onClick={all}>
          Mark all {many}
        </button>
      )}
      <button className="quiet" onClick={clear}>
        Mark none
      </button>
      <span className="faint">Approvals are given one by one.</span>
    </div>
  );
}

function Row({ row, selected, stale, select, names, marked, mark }: { row: CaseRow; selected: boolean; stale: boolean; select: () => void; names: ReadonlyMap<string, string>; marked: boolean; mark: () => void }) {
  const shown = face(row.exposure, row.states, useNow());
  return (
    <tr id={`row-${row.id}`} aria-current={selected ? "true" : undefined} className={selected ? "selected" : undefined} onClick={select} onFocus={select}>
      <td>
        <input type="checkbox" checked={marked} onChange={mark} aria-label={`Mark ${row.id}`} />
      </td>
      <td>
        <span className={`clock tone-${stale ? "amber" : shown.tone}`}>{shown.seconds === null ? "not looked at" : clock(shown.seconds)}</span>
        <span className="faint">{shown.running ? "running" : shown.seconds === null ? "" : "stopped"}</span>
      </td>
      <td>
        <Link href={`/cases/${row.id}`}>{row.headline.split(". ")[0]}</Link>
        <span className="faint">
          {row.id} · {row.kinds.map(words).join(", ")}
        </span>
      </td>
      <td>
        {row.state === "proven" ? <Badge tone={stale ? "amber" : "good"} mark="✓">proven</Badge> : words(row.state)}
        <span className="faint">{Object.entries(row.states).map(([s, n]) => `${n} ${s}`).join(", ") || "nothing linked"}</span>
      </td>
      <td>{row.reach ?? "unknown"}</td>
      <td>
        <Next waiting={row.waiting_for[0] ?? null} names={names} />
      </td>
      <td>×{row.signals}</td>
    </tr>
  );
}

function Next({ waiting, names }: { waiting: Waiting | null; names: ReadonlyMap<string, string> }) {
  if (!waiting) return <span className="faint">Quell, or the lead</span>;
  return (
    <>
      {waiting.people.map((p) => author(p, names)).join(", ") || role(waiting.role)}
      {waiting.deadline && (
        <span className="faint">
          <Until at={waiting.deadline} />
        </span>
      )}
    </>
  );
}

function Preview({ row, names }: { row: CaseRow; names: ReadonlyMap<string, string> }) {
  return (
    <aside className="card preview" aria-label="Preview">
      <h2>{row.headline}</h2>
      <p className="row wrap">
        {Object.entries(row.states).map(([state, n]) => (
          <span key={state}>
            {n} <LifeBadge state={state as Life} />
          </span>
        ))}
      </p>
      <dl>
        <dt>Opened</dt>
        <dd>
          <Moment at={row.opened_at} />
        </dd>
        <dt>Why one case</dt>
        <dd>{row.because}</dd>
        <dt>Alerts</dt>
        <dd>
          {row.signals} in {row.findings} {row.findings === 1 ? "finding" : "findings"}
          {row.last_at && (
            <>
              , last <Moment at={row.last_at} />
            </>
          )}
        </dd>
        <dt>Confidence</dt>
        <dd>{row.confidence} of 100, computed</dd>
        <dt>Lead</dt>
        <dd>{row.lead ? author(row.lead, names) : "nobody yet"}</dd>
        <dt>Owner</dt>
        <dd>{row.owned ? "known; the case names them" : "nobody is named in the inventory"}</dd>
      </dl>
      <h3>Waiting for</h3>
      {row.waiting_for.length === 0 && <p className="faint">Nobody.</p>}
      <ul>
        {row.waiting_for.map((w, n) => (
          <li key={n}>
            {w.what}
            {w.deadline && (
              <>
                , <Until at={w.deadline} />
              </>
            )}
            ; then {w.at_timeout}
          </li>
        ))}
      </ul>
      <Link className="button primary" href={`/cases/${row.id}`}>
        Open the case
      </Link>
    </aside>
  );
}
