// For whoever audits: read-only. First what left the ordinary way (acceptances,
// break-glass, pauses), then closures without a proof, then who could decide, then the
// check of a bundle. Nothing on this screen changes anything.
import { useState } from "react";
import { get, type LedgerLine } from "../api/client";
import type { Session } from "../app";
import { useNow } from "../live";
import { BundleCheck } from "../parts/bundle";
import { LeafButton, LeafSheet } from "../parts/leaf";
import { Screen, Shown, Table, Wide } from "../parts/screen";
import { Badge, Command, Moment, Outside } from "../parts/small";
import { useRead } from "../read";
import { Link } from "../route";
import { moment, pauses } from "../view/audit";
import { closedBySaying, closedUnproven } from "../view/measures";
import { reached } from "../view/record";
import { author, many, role, visible, words } from "../view/words";

export default function AuditScreen({ session }: { session: Session }) {
  const head = useRead("/api/v1/ledger", {});
  const [leaf, setLeaf] = useState<number | null>(null);
  const can = session.me.roles.includes("auditor");
  return (
    <Screen
      title="Audit"
      says={can ? "Your account reads, verifies and exports everything, and changes nothing." : "What an auditor reads. This screen changes nothing, whoever looks at it."}
      aside={
        <Badge tone="plain" mark="○">
          read-only
        </Badge>
      }
    >
      <Acceptances session={session} open={setLeaf} />
      <BrokenGlass session={session} open={setLeaf} />
      <Pauses session={session} open={setLeaf} />
      <Closures />
      <Who />
      <BundleCheck serverKey={head.data?.key ?? null} />
      <section aria-labelledby="h-range">
        <h2 id="h-range">Every case of a range</h2>
        <p className="faint">Every case that was opened between two checkpoints and how each ended, none left out. The command line makes this bundle; drop it above, or check it there.</p>
        <Command line="quell evidence export --from OLD.checkpoint --to NEW.checkpoint -o cases.zip" />
        <Command line="quell evidence verify cases.zip --key log.vkey" />
      </section>
      {leaf !== null && <LeafSheet index={leaf} load={() => get("/api/v1/ledger/events/{index}", { index: leaf })} onClose={() => setLeaf(null)} />}
    </Screen>
  );
}

function Acceptances({ session, open }: { session: Session; open: (index: number) => void }) {
  const read = useRead("/api/v1/ledger/events", { type: "rest_accepted", limit: 200 }, (told) => told.type === "rest_accepted");
  return (
    <section aria-labelledby="h-acceptances">
      <h2 id="h-acceptances">Acceptances: what somebody let stand</h2>
      <Shown read={read} what="the acceptances">
        {(data) => (
          <>
            {data.events.length === 0 ? (
              <p>None in what was looked at.</p>
            ) : (
              <Lines lines={data.events} session={session} open={open} label="Acceptances" />
            )}
            <p className="faint">{reached(data.events.length, data.looked_at, data.next ?? null)}. An acceptance has an end, is probed on, and counts as open.</p>
          </>
        )}
      </Shown>
    </section>
  );
}

function BrokenGlass({ session, open }: { session: Session; open: (index: number) => void }) {
  const read = useRead("/api/v1/ledger/events", { type: "glass_broken", limit: 200 }, (told) => told.type === "glass_broken");
  return (
    <section aria-labelledby="h-breakglass">
      <h2 id="h-breakglass">Break-glass: what ran without those who must be asked</h2>
      <Shown read={read} what="the log">
        {(data) => (
          <>
            {data.events.length === 0 ? (
              <p>None in what was looked at.</p>
            ) : (
              <Lines lines={data.events} session={session} open={open} label="Break-glass" />
            )}
            <p className="faint">{reached(data.events.length, data.looked_at, data.next ?? null)}. It contains only, ends by itself, and keeps its case open until somebody else has reviewed it.</p>
          </>
        )}
      </Shown>
    </section>
  );
}

function Lines({ lines, session, open, label }: { lines: readonly LedgerLine[]; session: Session; open: (index: number) => void; label: string }) {
  const ofCases = lines.some((line) => line.case !== null);
  return (
    <Wide label={label}>
      <table className="rows log">
        <thead>
          <tr>
            <th scope="col">At</th>
            <th scope="col">By</th>
            <th scope="col">What</th>
            {ofCases && <th scope="col">Case</th>}
            <th scope="col">Leaf</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <tr key={line.index}>
              <td>
                <Moment at={line.at} />
              </td>
              <td>{visible(author(line.by, session.names), 60)}</td>
              <td>
                {visible(line.text, 400)} {line.untrusted && <Outside text={line.untrusted} />}
              </td>
              {ofCases && <td>{line.case ? <Link href={`/cases/${line.case}`}>{line.case}</Link> : "–"}</td>}
              <td>
                <LeafButton index={line.index} onClick={() => open(line.index)} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

function Pauses({ session, open }: { session: Session; open: (index: number) => void }) {
  const read = useRead("/api/v1/ledger/events", { type: "automation_paused,automation_resumed", limit: 200 }, (told) => told.stream.startsWith("policy"));
  const arms = useRead("/api/v1/ledger/events", { type: "connector_armed,connector_disarmed,policy_loaded,clock_stepped", limit: 50 }, (told) => told.stream.startsWith("policy"));
  return (
    <>
      <section aria-labelledby="h-pauses">
        <h2 id="h-pauses">Pauses of automation</h2>
        <Shown read={read} what="the pauses">
          {(data) => {
            const found = pauses(data.events);
            return (
              <>
                {found.length === 0 ? (
                  <p>None in what was looked at.</p>
                ) : (
                  <Table label="Pauses" className="log" heads={["Began", "By", "What", "Ended sooner by", "Leaf"]}>
                    {found.map((p) => (
                      <tr key={p.index}>
                        <td>
                          <Moment at={p.from} />
                        </td>
                        <td>{visible(author(p.by, session.names), 60)}</td>
                        <td>
                          {p.said} {p.reason === null ? <span className="faint">no reason was given</span> : <Outside text={p.reason} />}
                        </td>
                        <td>
                          {p.endedAt && p.endedBy ? (
                            <>
                              {visible(author(p.endedBy, session.names), 60)} <span className="faint"><Moment at={p.endedAt} /></span>
                            </>
                          ) : (
                            <span className="faint">nobody: it ends by itself</span>
                          )}
                        </td>
                        <td>
                          <LeafButton index={p.index} onClick={() => open(p.index)} />
                        </td>
                      </tr>
                    ))}
                  </Table>
                )}
                <p className="faint">{reached(data.events.length, data.looked_at, data.next ?? null)}.</p>
              </>
            );
          }}
        </Shown>
      </section>
      <section aria-labelledby="h-arms">
        <h2 id="h-arms">Arming, policy, clock</h2>
        <Shown read={arms} what="the changes">{(data) => (data.events.length === 0 ? <p>None in what was looked at.</p> : <Lines lines={data.events} session={session} open={open} label="Arming, policy, clock" />)}</Shown>
      </section>
    </>
  );
}

function Closures() {
  const read = useRead("/api/v1/measures", {}, (told) => told.type === "case_closed" || told.type === "case_reopened");
  return (
    <section aria-labelledby="h-closures">
      <h2 id="h-closures">Cases that were closed without a proof of death</h2>
      <Shown read={read} what="the cases">
        {(data) => {
          const [unproven, said] = [closedUnproven(data.cases), closedBySaying(data.cases)];
          const row = (c: (typeof unproven)[number], why: string) => (
            <tr key={c.id}>
              <th scope="row">
                <Link href={`/cases/${c.id}`}>{c.id}</Link>
                <span className="faint">{c.headline.split(". ")[0]}</span>
              </th>
              <td>{c.closed_at && <Moment at={c.closed_at} />}</td>
              <td>{why}</td>
            </tr>
          );
          return (
            <>
              {unproven.length + said.length === 0 ? (
                <p>None, of {many(data.cases.length, "case")}.</p>
              ) : (
                <Table label="Closures without a proof" heads={["Case", "Closed", "Why no proof"]}>
                  {unproven.map((c) => row(c, "NO OUTCOME that needs none: ask how it was closed"))}
                  {said.map((c) => row(c, `somebody said: ${c.outcomes.map((o) => words(o ?? "")).join(", ")}`))}
                </Table>
              )}
              {data.truncated && <p className="notice">Of the newest {data.cases.length} cases; there are more.</p>}
            </>
          );
        }}
      </Shown>
    </section>
  );
}

function Who() {
  const [field, setField] = useState("");
  const at = moment(field);
  const read = useRead("/api/v1/evidence/who", { at: at ?? undefined });
  const now = useNow();
  return (
    <section aria-labelledby="h-who">
      <h2 id="h-who">Who could decide</h2>
      <label className="field short">
        At (UTC; now where it is empty)
        <input type="datetime-local" value={field} max={new Date(now).toISOString().slice(0, 16)} onChange={(e) => setField(e.target.value)} />
      </label>
      <Shown read={read} what="who could decide">
        {(data) => (
          <>
            <p className="faint">
              As of <Moment at={data.at} />, under policy <code>{data.policy.digest?.slice(0, 16) ?? "none"}…</code>
              {!data.policy.is_loaded && "; another set is loaded now, so what each verb allowed then is not known here"}. It does not know who stood too near to a case to decide in it: that is in the case.
            </p>
            <Table label="Who could decide" heads={["Account", "Roles, since", "A yes counts as", "Policy permitted"]}>
              {data.people.map((p) => (
                <tr key={p.user}>
                  <th scope="row">
                    {visible(p.name, 60)}
                    <span className="faint">{p.human ? "a person" : "not a person"}</span>
                  </th>
                  <td>
                    {p.roles.map((r) => (
                      <span key={r.role} className="line">
                        {role(r.role)} <span className="faint"><Moment at={r.since} /></span>
                      </span>
                    ))}
                    {p.roles.length === 0 && <span className="faint">none</span>}
                  </td>
                  <td>{p.approves_as.map(role).join(", ") || <span className="faint">nothing</span>}</td>
                  <td>{p.may ? <details><summary>{p.may.length} verbs</summary>{p.may.map(words).join(", ")}</details> : <span className="faint">not known</span>}</td>
                </tr>
              ))}
            </Table>
          </>
        )}
      </Shown>
      <Command line={`quell evidence who${at ? ` --at ${at}` : ""}`} />
    </section>
  );
}
