// The planes: how each is, whether it may act, with which privileges, and what was
// proved to work there; and the sources, with when each was heard last.
import { useState } from "react";
import { post, type Plane } from "../api/client";
import type { Session } from "../app";
import { useKeys } from "../keys";
import { useNow, useNowLocal } from "../live";
import { OrderDialog, type Order } from "../parts/order";
import { ReadAt, Screen, Shown, Table, Wide } from "../parts/screen";
import { Badge, Command, Moment, Until } from "../parts/small";
import { useRead } from "../read";
import { arming, coverage, health, heard, proven, usually, type Matrix } from "../view/planes";
import { words } from "../view/words";

const INSTALLATION = (told: { stream: string }): boolean => told.stream.startsWith("policy");

export default function PlanesScreen({ session }: { session: Session }) {
  const known = useRead("/api/v1/connectors", {}, INSTALLATION);
  const asked = useRead("/api/v1/connectors/check", {});
  const [order, setOrder] = useState<Order | null>(null);
  useKeys([{ key: "c", says: "ask every plane now", act: asked.again }]);
  // What a plane answered beside what is known without asking; arming is always of the newest.
  const planes = (known.data ?? []).map((plane): Plane => {
    const answer = asked.data?.find((a) => a.name === plane.name);
    return answer ? { ...answer, armed_until: plane.armed_until, armed_actions: plane.armed_actions, actions: plane.actions } : plane;
  });
  return (
    <Screen
      title="Planes and sources"
      says="Where Quell may read and act, with which rights, and what was proved to work there; and who sends alerts."
      aside={
        <>
          <ReadAt at={asked.at} verb="asked" />
          <button data-command="quell connector check" onClick={asked.again} disabled={asked.busy} aria-busy={asked.busy}>
            {asked.busy ? "Asking the planes…" : "Ask every plane (c)"}
          </button>
        </>
      }
    >
      <Shown read={known} what="the planes">
        {() => (
          <>
            {asked.problem && <p className="notice bad" role="alert">The planes could not be asked: {asked.problem}</p>}
            {planes.length === 0 && (
              <div className="notice">
                <p>No plane is connected: alerts are filed and routed, and nothing can be looked at, cut or proved.</p>
                <p>
                  Name one in <code>quell.toml</code> under <code>[[connector]]</code>, then:
                </p>
                <Command line="quell connector bootstrap NAME" />
              </div>
            )}
            <div className="planes">
              {planes.map((plane) => (
                <PlaneCard key={plane.name} plane={plane} askedAt={asked.at} pausedUntil={session.mode?.paused ? session.mode.until : null} order={setOrder} />
              ))}
            </div>
            {planes.length > 0 && <Coverage planes={planes} />}
          </>
        )}
      </Shown>
      <Sources />
      {order && (
        <OrderDialog
          order={order}
          onClose={() => {
            setOrder(null);
            known.again();
          }}
        />
      )}
    </Screen>
  );
}

function PlaneCard({ plane, askedAt, pausedUntil, order }: { plane: Plane; askedAt: number | null; pausedUntil: string | null; order: (order: Order) => void }) {
  const [now, local] = [useNow(), useNowLocal()];
  const is = health(plane, askedAt, local);
  const may = arming(plane, pausedUntil, now);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set(plane.actions.map((a) => a.action)));
  const actions = plane.actions.map((a) => a.action).filter((a) => chosen.has(a));
  const toggle = (action: string): void => {
    const next = new Set(chosen);
    if (!next.delete(action)) next.add(action);
    setChosen(next);
  };
  const arm: Order = {
    title: `Arm ${plane.name}?`,
    verb: "Arm it",
    danger: true,
    says: (
      <>
        <p>
          From then on Quell changes accounts on <strong>{plane.name}</strong> ({plane.endpoint}) where policy permits it: it may run these actions in any case, waiting plans first.
        </p>
        <ul>
          {actions.map((a) => (
            <li key={a}>{words(a)}</li>
          ))}
        </ul>
      </>
    ),
    command: `quell connector arm ${plane.name} ${actions.map((a) => `--action ${a}`).join(" ")} --until 8h`,
    ask: { label: "Until when? A length such as 8h, or a time such as 2026-12-01T06:00:00Z", required: true, initial: "8h" },
    run: async (until) => void (await post("/api/v1/connectors/{name}/arm", { name: plane.name }, { actions, until })),
  };
  const disarm: Order = {
    title: `Disarm ${plane.name}?`,
    verb: "Disarm it",
    danger: true,
    says: (
      <p>
        Quell changes nothing more on <strong>{plane.name}</strong>. What is cut stays cut; plans that wait for this plane go on waiting, and the exposure of their cases goes on.
      </p>
    ),
    command: `quell connector disarm ${plane.name}`,
    run: async () => void (await post("/api/v1/connectors/{name}/disarm", { name: plane.name }, {} as never)),
  };
  const missing = plane.privileges?.missing ?? [];
  const excess = plane.privileges?.excess ?? [];
  return (
    <section className="card plane" aria-labelledby={`plane-${plane.name}`}>
      <div className="row wrap between">
        <h2 id={`plane-${plane.name}`}>
          {plane.name} <span className="faint">{plane.kind ?? "kind unknown"}</span>
        </h2>
        <span className="row wrap">
          <Badge tone={is.tone} mark={is.mark}>
            {is.says}
          </Badge>
          <Badge tone={may.tone} mark={may.mark}>
            {may.says}
          </Badge>
        </span>
      </div>
      <p className="faint">
        {plane.endpoint}
        {may.until && (
          <>
            {" · "}
            {may.says === "armed" ? "armed, ends" : "paused, ends"} <Until at={may.until} />
          </>
        )}
      </p>
      {is.next && <p className="notice">Next: {is.next}.</p>}
      {typeof plane.why_not === "string" && <p className="notice bad">It said: {plane.why_not}</p>}
      {(plane.warnings ?? []).map((w) => (
        <p key={w} className="notice">
          {w}
        </p>
      ))}
      <h3>Privileges</h3>
      {plane.privileges === null ? (
        <p className="faint">Not known until the plane is asked.</p>
      ) : (
        <details open={missing.length + excess.length > 0}>
        <summary>
          {plane.privileges.needed.length} needed, {missing.length === 0 ? "all granted" : `${missing.length} NOT granted`}
          {excess.length > 0 && `; ${excess.length} granted and not needed`}
        </summary>
        <table className="rows plainrows">
          <caption className="visually-hidden">Privileges of {plane.name}: needed, and granted or not</caption>
          <thead>
            <tr>
              <th scope="col">Privilege</th>
              <th scope="col">Granted against needed</th>
            </tr>
          </thead>
          <tbody>
            {plane.privileges.needed.map((p) => (
              <tr key={p}>
                <td>{p}</td>
                <td>{missing.includes(p) ? <Badge tone="bad" mark="✕">needed, NOT granted</Badge> : <span><span aria-hidden="true">✓</span> needed, granted</span>}</td>
              </tr>
            ))}
            {missing.filter((p) => !plane.privileges?.needed.includes(p)).map((p) => (
              <tr key={p}>
                <td>{p}</td>
                <td>
                  <Badge tone="bad" mark="✕">needed, NOT granted</Badge>
                </td>
              </tr>
            ))}
            {excess.map((p) => (
              <tr key={p}>
                <td>{p}</td>
                <td>
                  <Badge tone="amber" mark="!">granted, not needed</Badge>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        </details>
      )}
      <h3>Arming</h3>
      <fieldset className="choices">
        <legend className="visually-hidden">Actions to arm on {plane.name}</legend>
        {plane.actions.map((a) => (
          <label key={a.action}>
            <input type="checkbox" checked={chosen.has(a.action)} onChange={() => toggle(a.action)} /> {words(a.action)}
            {plane.armed_actions.includes(a.action) && may.until && <span className="faint"> armed</span>}
          </label>
        ))}
      </fieldset>
      <div className="row wrap">
        <button className="danger" data-command={arm.command} disabled={actions.length === 0} onClick={() => order(arm)}>
          Arm {actions.length} of {plane.actions.length} actions…
        </button>
        {plane.armed_until && <button data-command={disarm.command} onClick={() => order(disarm)}>Disarm…</button>}
      </div>
    </section>
  );
}

function Coverage({ planes }: { planes: readonly Plane[] }) {
  const matrix: Matrix = coverage(planes, useNow());
  return (
    <section aria-labelledby="h-coverage">
      <h2 id="h-coverage">Coverage: what was proved to work, and when last</h2>
      <p className="faint">“Proved here” is by a case of this installation, on this plane. A lab drill proves it on the server of the lab that it names, and says nothing of yours.</p>
      <Wide label="Coverage">
        <table className="rows">
          <thead>
            <tr>
              <th scope="col">Action</th>
              {matrix.planes.map((p) => (
                <th key={p} scope="col">
                  {p}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {matrix.rows.map((row) => (
              <tr key={row.action}>
                <th scope="row">{words(row.action)}</th>
                {row.cells.map((cell, n) => {
                  if (!cell.offered) return <td key={n} className="faint">not offered</td>;
                  const is = proven(cell.offered);
                  return (
                    <td key={n}>
                      <Badge tone={is.tone} mark={is.mark}>
                        {is.says}
                      </Badge>
                      <span className="faint">
                        {is.at && <Moment at={is.at} />} {cell.armed ? "· armed" : "· not armed"}
                        {cell.offered.reversible === "no" && " · CANNOT BE UNDONE"}
                      </span>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
      <Command line="quell connector list" />
    </section>
  );
}

function Sources() {
  const read = useRead("/api/v1/sources", {}, (told) => told.stream.startsWith("source/") || told.type === "alert_received");
  return (
    <section aria-labelledby="h-sources">
      <h2 id="h-sources">Sources</h2>
      <Shown read={read} what="the sources">
        {({ sources }) =>
          sources.length === 0 ? (
            <div className="notice">
              <p>Nobody may send alerts yet.</p>
              <Command line="quell source create gitleaks-ci --detector gitleaks" />
            </div>
          ) : (
            <Table label="Sources" heads={["Source", "Detector", "May speak about", "Highest tier it may cause", "Signs its messages", "Heard", "Usually", "Answers for it"]}>
              {sources.map((s) => {
                const is = heard(s);
                return (
                  <tr key={s.source}>
                    <th scope="row">{s.source}</th>
                    <td>{s.detector}</td>
                    <td>{s.systems.join(", ")}</td>
                    <td>{words(s.tier_max)}</td>
                    <td>{s.hmac ? "yes" : "no, a token alone"}</td>
                    <td>
                      <Badge tone={is.tone} mark={is.mark}>
                        {is.says}
                      </Badge>
                      {s.last_alert_at && (
                        <span className="faint">
                          {" last "}
                          <Moment at={s.last_alert_at} />
                        </span>
                      )}
                      {is.next && <div className="faint">Next: {is.next}.</div>}
                    </td>
                    <td>{usually(s.usual)}</td>
                    <td>{s.owner ?? <span className="faint">every telemetry owner</span>}</td>
                  </tr>
                );
              })}
            </Table>
          )
        }
      </Shown>
      <p className="faint">A silent source is nobody's proof that nothing happened: whoever answers for its telemetry says why it is silent.</p>
      <Command line="quell source list" />
    </section>
  );
}
