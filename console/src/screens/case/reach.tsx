// The reach of one subject, asked for with a query: what was seen and what is
// possible are told apart by line and word; the table says the same as the picture.
import { useEffect, useState } from "react";
import { get, Refused, type Reach } from "../../api/client";
import { Command, Problem } from "../../parts/small";
import { SheetDialog } from "../../parts/sheet";
import { layout, NODES_MAX } from "../../view/reach";
import { visible } from "../../view/words";

export function ReachSheet({ start, onClose }: { start: string; onClose: () => void }) {
  const [depth, setDepth] = useState(2);
  const [reach, setReach] = useState<Reach | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  useEffect(() => {
    let current = true;
    get("/api/v1/inventory/reach", { ref: start, depth }).then(
      (found) => current && setReach(found),
      (error: unknown) => current && setProblem(error instanceof Refused ? error.message : String(error)),
    );
    return () => {
      current = false;
    };
  }, [start, depth]);
  const picture = reach ? layout(reach) : null;
  const node = picture?.nodes.find((n) => n.id === chosen) ?? null;
  return (
    <SheetDialog title={`Reach of ${start}`} onClose={onClose} wide>
      <Problem text={problem} />
      <div className="row wrap">
        <span>
          {depth} {depth === 1 ? "hop" : "hops"}
        </span>
        <button onClick={() => setDepth(Math.min(64, depth + 1))}>One hop further</button>
        <button onClick={() => setDepth(Math.max(1, depth - 1))}>One hop less</button>
        {reach && (
          <span className="faint">
            {reach.count} found: {reach.observed.length} observed, {reach.possible.length} possible{reach.truncated ? "; THERE IS MORE beyond this depth" : ""}
          </span>
        )}
      </div>
      <Command line={`quell inventory reach ${start} --depth ${depth}`} />
      {reach && reach.count === 0 && <p className="notice">Nothing is known to be derivable from it. That is what the inventory says, and not that there is nothing.</p>}
      {picture && reach && reach.count > 0 && (
        <>
          <svg className="reach" viewBox={`0 0 ${picture.width} ${picture.height}`} role="img" aria-label={`Picture of the reach; the table below says the same`}>
            {picture.edges.map((e) => (
              <line key={`${e.from} ${e.to}`} x1={e.x1} y1={e.y1} x2={e.x2} y2={e.y2} className={`${e.basis}${node?.path.includes(e.to) ? " on" : ""}`} />
            ))}
            {picture.nodes.map((n) => (
              <g key={n.id} className={`${n.basis}${node?.path.includes(n.id) ? " on" : ""}`} onClick={() => setChosen(n.id)}>
                <circle cx={n.x} cy={n.y} r={6} />
                <text x={n.x + 10} y={n.y + 4}>
                  {visible(n.id, 34)}
                </text>
              </g>
            ))}
          </svg>
          {picture.left_out > 0 && <p className="notice">The picture shows {NODES_MAX} of {reach.count}; the table has the first 500.</p>}
          <table className="rows">
            <caption className="visually-hidden">Reach of {start}</caption>
            <thead>
              <tr>
                <th scope="col">What</th>
                <th scope="col">Basis</th>
                <th scope="col">Via</th>
                <th scope="col">The path that explains it</th>
              </tr>
            </thead>
            <tbody>
              {[...reach.observed.map((r) => ({ ...r, basis: "observed" })), ...reach.possible.map((r) => ({ ...r, basis: "possible" }))].slice(0, 500).map((r) => (
                <tr key={r.id} className={chosen === r.id ? "selected" : undefined}>
                  <td>
                    <button className="quiet" onClick={() => setChosen(r.id)} aria-pressed={chosen === r.id}>
                      {visible(r.id, 80)}
                    </button>
                  </td>
                  <td>{r.basis}</td>
                  <td>{visible(r.via, 60)}</td>
                  <td>{r.path.map((p) => visible(p, 60)).join(" → ")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
      <h3>Not looked at</h3>
      {reach && (reach.not_looked_at.length === 0 ? <p className="faint">Nothing is known to be left out.</p> : <ul>{reach.not_looked_at.map((n) => <li key={n}>{n}</li>)}</ul>)}
    </SheetDialog>
  );
}
