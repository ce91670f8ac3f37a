// What happened, newest first: the story, everything, what touched a plane, or
// the record itself. Every line leads to its leaf and its proof.
import { useState } from "react";
import { get, type Case, type EventLine } from "../../api/client";
import type { Session } from "../../app";
import { LeafButton, LeafSheet } from "../../parts/leaf";
import { Moment, Outside } from "../../parts/small";
import { folded, inView, type TimelineView } from "../../view/case";
import { author, visible } from "../../view/words";

const VIEWS: readonly TimelineView[] = ["story", "all", "enforcement", "raw"];
const DRAWN = 60;

export function Timeline({ c, events, session, stale }: { c: Case; events: readonly EventLine[]; session: Session; stale: boolean }) {
  const [view, setView] = useState<TimelineView>("story");
  const [text, setText] = useState("");
  const [drawn, setDrawn] = useState(DRAWN);
  const [leaf, setLeaf] = useState<EventLine | null>(null);
  const said = text.trim().toLowerCase();
  const chosen = events.filter((e) => inView(e, view) && (!said || `${e.text} ${e.type} ${e.stream} ${author(e.by, session.names)} ${e.untrusted ?? ""}`.toLowerCase().includes(said)));
  const lines = (view === "raw" ? chosen.map((line) => ({ line, times: 1 })) : folded(chosen)).reverse();
  return (
    <section className="card panel timeline" id="part-timeline" tabIndex={-1} aria-labelledby="h-timeline">
      <div className="row wrap between">
        <h2 id="h-timeline">
          <kbd aria-hidden="true">4</kbd> Timeline
        </h2>
        <div role="group" aria-label="Which lines" className="row">
          {VIEWS.map((v) => (
            <button key={v} className="quiet" aria-pressed={v === view} onClick={() => setView(v)}>
              {v}
            </button>
          ))}
          <input type="search" aria-label="Filter the timeline" placeholder="filter" value={text} onChange={(e) => setText(e.target.value)} />
        </div>
      </div>
      {stale && <p className="notice">Not connected: newer lines are missing.</p>}
      {lines.length === 0 && <p className="faint">{events.length === 0 ? "Reading the record…" : "No line is in this view."}</p>}
      <ol className="lines">
        {lines.slice(0, drawn).map(({ line, times }) => (
          <li key={line.index}>
            <Moment at={line.at} />
            <span className="by">{author(line.by, session.names)}</span>
            <span className="what">
              {view === "raw" ? `${line.type} · ${line.stream} @${line.version}` : line.text}
              {times > 1 && <span className="faint"> ×{times}</span>}
              {line.untrusted && view !== "raw" && (
                <>
                  {" "}
                  <Outside text={line.untrusted} />
                </>
              )}
              <Changed changed={line.changed} />
            </span>
            <LeafButton index={line.index} onClick={() => setLeaf(line)} />
          </li>
        ))}
      </ol>
      {lines.length > drawn && <button onClick={() => setDrawn(drawn + 200)}>Show older lines ({lines.length - drawn})</button>}
      {leaf && <LeafSheet index={leaf.index} load={() => get("/api/v1/cases/{id}/events/{index}", { id: c.id, index: leaf.index })} onClose={() => setLeaf(null)} />}
    </section>
  );
}

function Changed({ changed }: { changed: EventLine["changed"] }) {
  const pairs = Object.entries(changed ?? {}) as [string, [string | null, string | null]][];
  if (pairs.length === 0) return null;
  return (
    <span className="faint">
      {" "}
      {pairs.map(([name, [before, after]]) => (
        <code key={name}>
          {visible(name, 60)}: {visible(before ?? "none", 80)} → {visible(after ?? "none", 80)}{" "}
        </code>
      ))}
    </span>
  );
}
