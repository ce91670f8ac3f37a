// The queue: one row is one identity incident. The row's order, its filter and
// the view stand in the address; the preview spares opening and going back.
import { useCallback, useEffect, useRef, useState } from "react";
import { get, Refused, type CaseRow } from "../api/client";
import type { Session } from "../app";
import { useKeys } from "../keys";
import { useConnection, useNow, useTold } from "../live";
import { Badge, LifeBadge, Moment, Problem, Until } from "../parts/small";
import { go, Link } from "../route";
import { face } from "../view/exposure";
import { filterOf, inOrder, inView, matches, searchOf, VIEW_NAMES, VIEWS } from "../view/queue";
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
        <p className="notice">{rows.length === 0 ? "No case is open. Nothing came in that needs containment, as far as Quell was told." : "No open case is in this view; the others are still there."}</p>
      )}
      {shown.length > 0 && (
        <div className="split">
          <div>
            <table className="rows">
              <thead>
                <tr>
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
                  <Row key={row.id} row={row} selected={row.id === selected?.id} stale={stale} select={() => setAt(row.id)} names={session.names} />
                ))}
              </tbody>
            </table>
            {shown.length > drawn && <button onClick={() => setDrawn(drawn + DRAWN)}>Show {Math.min(DRAWN, shown.length - drawn)} more of {shown.length}</button>}
            {more && <p className="notice">These are the newest {ROWS_MAX} open cases. Older ones are not shown or searched here; `quell case list` has them all.</p>}
          </div>
          {selected && <Preview row={selected} names={session.names} />}
        </div>
      )}
    </div>
  );
}

function Row({ row, selected, stale, select, names }: { row: CaseRow; selected: boolean; stale: boolean; select: () => void; names: ReadonlyMap<string, string> }) {
  const shown = face(row.exposure, row.states, useNow());
  return (
    <tr id={`row-${row.id}`} aria-current={selected ? "true" : undefined} className={selected ? "selected" : undefined} onClick={select} onFocus={select}>
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
