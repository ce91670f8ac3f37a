// Identities: the list with who answers for each, and one of them in full. The one
// that is shown stands in the address.
import { useEffect, useRef, useState } from "react";
import { post, type Explained, type IdentityRow, type Plane } from "../api/client";
import type { Session } from "../app";
import { useKeys } from "../keys";
import { useConnection, useNow } from "../live";
import { Screen, Shown, Table } from "../parts/screen";
import { Badge, Command, LifeBadge, Moment, Problem } from "../parts/small";
import { sentence, useRead } from "../read";
import { go, Link } from "../route";
import { face } from "../view/exposure";
import { accountable, byState, credentialRows, freshness, ownerName, question, type Facts, type Listed } from "../view/identities";
import { clock } from "../view/time";
import { visible, words } from "../view/words";

const INVENTORY = (told: { stream: string }): boolean => /^(inventory|source)/.test(told.stream);
const CASES = (told: { stream: string }): boolean => /^(case|plan|target)\//.test(told.stream);

export default function IdentitiesScreen({ search, session }: { search: URLSearchParams; session: Session }) {
  const reference = search.get("ref");
  return reference === null ? <List search={search} /> : <One key={reference} reference={reference} session={session} />;
}

const address = (text: string): string => (text ? `/identities?q=${encodeURIComponent(text)}` : "/identities");
export const identityAddress = (id: string): string => `/identities?ref=${encodeURIComponent(id)}`;

function List({ search }: { search: URLSearchParams }) {
  const text = search.get("q") ?? "";
  const [limit, setLimit] = useState(100);
  const read = useRead("/api/v1/identities", { text: text || undefined, limit }, INVENTORY, { keep: true });
  const now = useNow();
  const box = useRef<HTMLInputElement>(null);
  useKeys([{ key: "/", says: "search", act: () => box.current?.focus() }]);
  return (
    <Screen title="Identities" says="Every identity of the inventory, and who answers for it. What the inventory does not know is not here: it is no list of all that exists.">
      <label className="search">
        <span className="visually-hidden">Search identities</span>
        <input ref={box} type="search" placeholder="Search: id, name, kind, owner ( / )" value={text} onChange={(e) => go(address(e.target.value), "replace")} onKeyDown={(e) => e.key === "Escape" && e.currentTarget.blur()} />
      </label>
      <Shown read={read} what="the inventory">
        {(data) => (
          <>
            <p>
              <strong>
                {data.owned.owned} of {data.owned.identities}
              </strong>{" "}
              have an owner, {data.owned.by_business} of the business. Cases of the others go to the response owner.
            </p>
            {data.owned.identities === 0 && (
              <div className="notice">
                <p>The inventory is empty: no alert can be joined to an identity, and nobody is known to answer.</p>
                <Command line="quell inventory import FILE" />
              </div>
            )}
            {data.owned.identities > 0 && data.identities.length === 0 && <p className="notice">No identity matches; the others are still there.</p>}
            {data.identities.length > 0 && (
              <Table label="Identities" heads={["Identity", "Kind", "Stands in", "Owner", "Consumers"]}>
                {data.identities.map((row) => (
                  <Row key={row.id} row={row} now={now} />
                ))}
              </Table>
            )}
            {data.next && limit < 500 && <button onClick={() => setLimit(500)}>Show more</button>}
            {data.next && limit >= 500 && <p className="notice">These are the first 500 by id; search narrows them down.</p>}
          </>
        )}
      </Shown>
      <Command line="quell inventory show" />
    </Screen>
  );
}

function Row({ row, now }: { row: IdentityRow; now: number }) {
  const first = accountable(row.owners);
  const fresh = first && freshness(first.confirmed_at, now);
  return (
    <tr>
      <th scope="row">
        <Link href={identityAddress(row.id)}>{visible(row.name ?? row.id, 80)}</Link>
        <span className="faint">{visible(row.id, 120)}</span>
      </th>
      <td>
        {words(row.kind)}
        <span className="faint">
          {row.shared === true ? "shared" : row.shared === null ? "sharing unknown" : "not shared"}
          {row.protected && "; PROTECTED"}
        </span>
      </td>
      <td>
        {row.environment ?? <span className="faint">environment unknown</span>}
        <span className="faint">{row.criticality ? `${row.criticality} criticality` : "criticality unknown"}</span>
      </td>
      <td>
        {first && fresh ? (
          <>
            {visible(ownerName(first), 80)} <span className="faint">{words(first.role)}</span>
            {fresh.tone === "plain" ? <span className="faint">{fresh.says}</span> : <Badge tone={fresh.tone} mark="!">{fresh.says}</Badge>}
          </>
        ) : (
          <Badge tone="amber" mark="!">nobody: falls to the response owner</Badge>
        )}
      </td>
      <td>{row.consumers === 0 ? <span className="faint">none declared</span> : row.consumers}</td>
    </tr>
  );
}

type Known = { [key: string]: unknown; type: string; id: string };

function One({ reference, session }: { reference: string; session: Session }) {
  const stale = useConnection() === "reconnecting";
  const read = useRead("/api/v1/inventory", { ref: reference }, INVENTORY);
  const past = useRead("/api/v1/identities/cases", { ref: reference }, CASES, { pace: 2_000 });
  const planes = useRead("/api/v1/connectors", {}, (told) => told.stream.startsWith("policy"));
  const reach = useRead("/api/v1/inventory/reach", { ref: reference, depth: 6 });
  const now = useNow();
  useKeys([{ key: "b", says: "back to the identities", act: () => go("/identities") }]);
  const objects = (read.data?.objects ?? []) as unknown as Known[];
  const identity = objects.find((o) => o.type === "identity") ?? null;
  const name = typeof identity?.["name"] === "string" ? identity["name"] : reference;
  useEffect(() => {
    document.title = `${name} · Quell`;
  }, [name]);
  const holdings = past.data?.holdings ?? [];
  const rows = credentialRows(objects as unknown as Listed[], holdings);
  const owners = ((read.data?.owners ?? []) as unknown as IdentityRow["owners"]) ?? [];
  const consumers = (read.data?.consumers ?? []) as unknown as { consumer: string; criticality: string | null; reads_from: string | null; schedule: string | null }[];
  const said = (key: string): string | null => (typeof identity?.[key] === "string" ? (identity[key] as string) : null);
  const flag = (key: string): boolean | null => (typeof identity?.[key] === "boolean" ? (identity[key] as boolean) : null);
  const rotation = identity?.["rotation"] as { method: string; sink: string | null; runbook: string | null } | null | undefined;
  const entitlements = [
    ...objects.filter((o) => o.type === "entitlement").map((o) => ({ key: String(o["permission"]) + String(o["resource"]), says: `${String(o["permission"])} on ${String(o["resource"])}`, basis: "inventory", state: null as string | null })),
    ...holdings.filter((h) => h.what === "entitlement").map((h) => ({ key: h.holding.target, says: h.holding.id, basis: h.case, state: h.holding.state as string })),
  ];
  const facts: Facts = {
    id: reference, kind: said("kind") ?? "unknown", environment: said("environment"), criticality: said("criticality"), shared: flag("shared"), third_party: flag("third_party"), protected: flag("protected"),
    hasBusinessOwner: owners.some((o) => o.role === "business"), consumers: consumers.length,
    // As a case counts it: what was seen, and not what is possible.
    reach: reach.data ? reach.data.observed.length : null,
  };
  const plane = planes.data?.find((p) => reference.startsWith(`${p.name}/`)) ?? null;
  return (
    <Screen
      title={visible(name, 120)}
      says={<span className="mono">{visible(reference, 200)}</span>}
      aside={
        <Link className="button" href="/identities">
          All identities (b)
        </Link>
      }
    >
      <Shown read={read} what="the inventory">
        {() => (
          <>
            {!identity && <p className="notice">The inventory has no such identity. What stands here is what it says of its system, and what cases say.</p>}
            <p>
              {words(facts.kind)}, {facts.environment ?? "environment unknown"}, {facts.criticality ? `${facts.criticality} criticality` : "criticality unknown"}, {facts.shared === null ? "sharing unknown" : facts.shared ? "shared" : "not shared"}
              {facts.third_party && ", of a third party"}
              {facts.protected && <strong>, PROTECTED</strong>}; reach {reach.data ? `${reach.data.observed.length} observed, ${reach.data.possible.length} more possible${reach.data.truncated ? ", and there is more" : ""}` : "unknown"}
              {said("last_used_at") && (
                <>
                  ; seen used <Moment at={said("last_used_at") ?? ""} />
                </>
              )}
            </p>
            <div className="cards">
              <section className="card" aria-labelledby="h-owners">
                <h2 id="h-owners">Owners</h2>
                {owners.length === 0 && <p className="notice">Nobody answers for it in the inventory: the response owner has its cases.</p>}
                <ul className="plainlist">
                  {owners.map((o) => {
                    const fresh = freshness(o.confirmed_at, now);
                    return (
                      <li key={o.role}>
                        <strong>{words(o.role)}</strong>: {visible(ownerName(o), 80)}
                        {o.deputy && <span className="faint"> deputy {visible(o.deputy, 80)}</span>}{" "}
                        {fresh.tone === "plain" ? <span className="faint">{fresh.says}</span> : <Badge tone={fresh.tone} mark="!">{fresh.says}</Badge>}
                      </li>
                    );
                  })}
                </ul>
              </section>
              <section className="card" aria-labelledby="h-consumers">
                <h2 id="h-consumers">Consumers</h2>
                {consumers.length === 0 ? (
                  <p className="notice">Nobody declared what needs it. That is not that nothing does.</p>
                ) : (
                  <ul className="plainlist">
                    {consumers.map((c) => (
                      <li key={c.consumer}>
                        <strong>{visible(c.consumer, 80)}</strong> <span className="faint">{[c.criticality && `${c.criticality} criticality`, c.reads_from && `reads it from ${c.reads_from}`, c.schedule].filter(Boolean).join("; ") || "nothing more is declared"}</span>
                      </li>
                    ))}
                  </ul>
                )}
              </section>
              <section className="card" aria-labelledby="h-rotation">
                <h2 id="h-rotation">Rotation</h2>
                {rotation ? (
                  <p>
                    {rotation.method === "failover" ? "Fails over: consumers move to a new credential first, then the old one is cut." : rotation.method === "connector" ? "The plane replaces it in place." : "A person rotates it by hand."}
                    {rotation.sink && <span className="faint"> New credential goes to {rotation.sink}.</span>}
                    {rotation.runbook && <span className="faint"> Runbook: {visible(rotation.runbook, 200)}.</span>}
                  </p>
                ) : (
                  <p className="notice">No way to rotate it is declared: a cut is a hard cut.</p>
                )}
                <Rotated planes={plane} />
              </section>
            </div>
          </>
        )}
      </Shown>
      <section aria-labelledby="h-credentials">
        <h2 id="h-credentials">Credentials and sessions, by what was proved</h2>
        <Problem text={past.problem} />
        <p className="row wrap">
          {byState(rows).map(({ state, count }) => (
            <span key={state} className="faint">
              {count} {state}
            </span>
          ))}
        </p>
        {rows.length === 0 ? (
          <p className="notice">None is known, neither by the inventory nor by a case.</p>
        ) : (
          <Table label="Credentials and sessions" heads={["What", "State", "Rests on", "By the inventory"]}>
            {rows.map((row) => (
              <tr key={row.id}>
                <th scope="row">
                  {visible(row.id, 120)}
                  <span className="faint">
                    {row.what}
                    {row.kind && `, ${words(row.kind)}`}
                    {row.held?.holding.issued_by_quell && ", issued by Quell"}
                  </span>
                </th>
                <td>
                  {row.held ? stale && row.held.holding.state === "DEAD" ? <Badge tone="amber" mark="?">DEAD when last heard of</Badge> : <LifeBadge state={row.held.holding.state} /> : <Badge tone="plain" mark="·">no case looked at it</Badge>}
                  {row.held?.holding.residual_until && (
                    <span className="faint">
                      until <Moment at={row.held.holding.residual_until} />
                    </span>
                  )}
                </td>
                <td>
                  {row.held ? (
                    <>
                      <Link href={`/cases/${row.held.case}`}>{row.held.case}</Link>
                      <span className="faint">{row.held.holding.proof ? `${row.held.holding.proof.reason}${row.held.holding.proof.strength ? `, ${words(row.held.holding.proof.strength)}` : ""}` : "nothing was probed"}</span>
                    </>
                  ) : (
                    <span className="faint">nothing: count it as usable</span>
                  )}
                </td>
                <td>
                  {row.listed ? (
                    <span className="faint">
                      {row.listed.issued_at && (
                        <>
                          issued <Moment at={row.listed.issued_at} />{" "}
                        </>
                      )}
                      {row.listed.expires_at ? (
                        <>
                          expires <Moment at={row.listed.expires_at} />
                        </>
                      ) : (
                        "no expiry known"
                      )}
                    </span>
                  ) : (
                    <span className="faint">not listed</span>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        )}
      </section>
      <section aria-labelledby="h-entitlements">
        <h2 id="h-entitlements">Entitlements</h2>
        {entitlements.length === 0 ? (
          <p className="faint">None is known. That is what inventory and cases say, and not that there is none.</p>
        ) : (
          <ul>
            {entitlements.map((e) => (
              <li key={e.key}>
                {visible(e.says, 160)} <span className="faint">{e.state ? `${words(e.state.toLowerCase())}, by ${e.basis}` : "by the inventory"}</span>
              </li>
            ))}
          </ul>
        )}
      </section>
      <Incidents past={past} />
      <WhatIf facts={facts} plane={plane} session={session} ready={read.data !== null && planes.data !== null} />
      <Command line={`quell inventory show ${reference}`} />
    </Screen>
  );
}

function Rotated({ planes }: { planes: Plane | null }) {
  const rotate = planes?.actions.find((a) => a.action === "rotate_credential");
  if (!planes) return <p className="faint">Its system is no connected plane.</p>;
  if (!rotate) return <p className="faint">{planes.name} does not offer to rotate credentials.</p>;
  return <p className="faint">{rotate.last_proven_at ? <>Rotation on {planes.name} was proved last <Moment at={rotate.last_proven_at} />, by a case here.</> : `No case here has proved a rotation on ${planes.name}.`} Of this identity alone: not measured.</p>;
}

function Incidents({ past }: { past: ReturnType<typeof useRead<"/api/v1/identities/cases">> }) {
  const now = useNow();
  const stale = useConnection() === "reconnecting";
  return (
    <section aria-labelledby="h-incidents">
      <h2 id="h-incidents">Incidents over time</h2>
      <Shown read={past} what="its cases">
        {(data) =>
          data.cases.length === 0 ? (
            <p className="faint">No case was about it, as far as this log goes.</p>
          ) : (
            <>
              <Table label="Incidents" heads={["Opened", "Case", "State", "Exposure, at most", "What was reported"]}>
                {data.cases.map((c) => {
                  const shown = face(c.exposure, c.states, now);
                  return (
                    <tr key={c.id}>
                      <td>
                        <Moment at={c.opened_at} />
                      </td>
                      <th scope="row">
                        <Link href={`/cases/${c.id}`}>{c.headline.split(". ")[0]}</Link>
                        <span className="faint">{c.id}</span>
                      </th>
                      <td>{words(c.state)}</td>
                      <td className={`tone-${stale ? "amber" : shown.tone}`}>
                        {shown.seconds === null ? "not looked at" : clock(shown.seconds)} <span className="faint">{shown.running ? "running" : ""}</span>
                      </td>
                      <td>
                        {c.kinds.map(words).join(", ")} ×{c.signals}
                      </td>
                    </tr>
                  );
                })}
              </Table>
              {data.truncated && <p className="notice">These are its newest 100 cases; there are more.</p>}
            </>
          )
        }
      </Shown>
    </section>
  );
}

interface Foretold {
  action: string;
  answer: Explained | null;
  problem: string | null;
}

/** What policy would say now of containing it: a question, which changes and records nothing. */
function WhatIf({ facts, plane, session, ready }: { facts: Facts; plane: Plane | null; session: Session; ready: boolean }) {
  const now = useNow();
  const [alone, setAlone] = useState(false);
  const [leaked, setLeaked] = useState(true);
  const [asIf, setAsIf] = useState(true);
  const [rows, setRows] = useState<Foretold[] | null>(null);
  const [busy, setBusy] = useState(false);
  const actions = plane?.actions.filter((a) => !["reinstate", "restore"].includes(a.action)) ?? [];
  const ask = async (): Promise<void> => {
    if (!plane) return;
    setBusy(true);
    const over = { corroborated: !alone, secret_exposed: leaked, confidence: alone ? 40 : 95 };
    const found = await Promise.all(
      actions.map(async (a): Promise<Foretold> => {
        const armed = asIf || (plane.armed_actions.includes(a.action) && plane.armed_until !== null && Date.parse(plane.armed_until) > now);
        try {
          const asked = question(facts, plane.name, a.action, a.reversible, armed, !asIf && (session.mode?.paused ?? false), over, new Date(now).getUTCHours());
          return { action: a.action, answer: await post("/api/v1/policy/explain", {}, { question: asked as never }), problem: null };
        } catch (error) {
          return { action: a.action, answer: null, problem: sentence(error) };
        }
      }),
    );
    setRows(found);
    setBusy(false);
  };
  return (
    <section aria-labelledby="h-whatif">
      <h2 id="h-whatif">What if it were contained now?</h2>
      <p className="faint">
        Policy is asked about each action that its plane offers, as things stand now. Nothing is changed and nothing is recorded. It is no plan: a plan is drafted in a case, from what the plane says then; this version drafts none without a case.
      </p>
      {ready && !plane && <p className="notice">Its system is no connected plane: Quell could do nothing to it itself, and a person would get the task.</p>}
      {plane && (
        <>
          <fieldset className="choices">
            <legend className="visually-hidden">Circumstances</legend>
            <label>
              <input type="checkbox" checked={leaked} onChange={() => setLeaked(!leaked)} /> the alert carried its secret, and it matched
            </label>
            <label>
              <input type="checkbox" checked={alone} onChange={() => setAlone(!alone)} /> it is one sender's word alone
            </label>
            <label>
              <input type="checkbox" checked={asIf} onChange={() => setAsIf(!asIf)} /> as if {plane.name} were armed, and nothing paused
            </label>
          </fieldset>
          {(plane.armed_until === null || session.mode?.paused) && <p className="notice">{session.mode?.paused ? "Automation is paused" : `${plane.name} only observes`} now: nothing of this would run before a person ends that.</p>}
          <button onClick={() => void ask()} disabled={busy} aria-busy={busy} data-command={`quell policy explain --action ${actions[0]?.action ?? "ACTION"}`}>
            {busy ? "Asking policy…" : "Ask policy"}
          </button>
        </>
      )}
      {rows && plane && (
        <div role="status">
          <Table label="What policy would say" heads={["Action", "Policy would", "Why, and the next move"]}>
            {rows.map((row) => (
              <tr key={row.action}>
                <th scope="row">{words(row.action)}</th>
                <td>{row.answer ? row.answer.decision.allowed ? <Badge tone="busy" mark="▲">let it run</Badge> : row.answer.ask && "ask" in row.answer.ask && row.answer.ask["ask"] === "these" ? <Badge tone="amber" mark="?">ask people first</Badge> : <Badge tone="plain" mark="✕">refuse it</Badge> : "not known"}</td>
                <td>
                  {row.problem ?? row.answer?.next}
                  <span className="faint">{row.answer?.reasons.map((r) => `${r.why} (${r.id})`).join(" ")}</span>
                </td>
              </tr>
            ))}
          </Table>
          <p className="faint">
            Consumers that are declared: {facts.consumers > 0 ? facts.consumers : "none, so what would stop is unknown"}. Reach: {facts.reach ?? "unknown"}.
          </p>
        </div>
      )}
    </section>
  );
}
