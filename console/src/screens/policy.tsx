// The policy in force: whose sets, every rule in English, whether its own tests pass,
// and why the answer to a question is what it is.
import { useRef, useState } from "react";
import { post, type Explained, type PolicyRow } from "../api/client";
import type { Session } from "../app";
import { useKeys } from "../keys";
import { ReadAt, Screen, Shown, Table } from "../parts/screen";
import { Badge, Command, Moment, Problem } from "../parts/small";
import { sentence, useRead } from "../read";
import { Link } from "../route";
import { approvals, chosen, ownersOf, verdict, type Effect } from "../view/policy";
import { role, words } from "../view/words";

const OWNERS: Record<string, string> = { iam: "identity team", secops: "security operations", business: "business owners" };
const POLICY = (told: { stream: string }): boolean => told.stream.startsWith("policy");

export default function PolicyScreen({ session }: { session: Session }) {
  const read = useRead("/api/v1/policy", {}, POLICY);
  return (
    <Screen title="Policy" says="Who may do what, who must be asked, and what nobody may do. It is decided by these rules alone, and again for every attempt.">
      <Shown read={read} what="the policy">
        {(data) => (
          <>
            <Sets digest={data.digest} rows={data.rows} session={session} />
            <Rules rows={data.rows} />
          </>
        )}
      </Shown>
      <Tests />
      <Explain />
      <section aria-labelledby="h-replay">
        <h2 id="h-replay">Replay</h2>
        <p className="notice">Replaying past cases under another set is not in this version. Every decision in a case names the digest it was taken under, so that it can be asked again with “explain”.</p>
      </section>
    </Screen>
  );
}

function Sets({ digest, rows, session }: { digest: string; rows: readonly PolicyRow[]; session: Session }) {
  const loaded = useRead("/api/v1/ledger/events", { type: "policy_loaded", limit: 10 }, POLICY);
  const { mode } = session;
  return (
    <div className="cards">
      <section className="card" aria-labelledby="h-sets">
        <h2 id="h-sets">Sets</h2>
        <ul className="plainlist">
          {ownersOf(rows).map((owner) => (
            <li key={owner}>
              <strong>{OWNERS[owner] ?? owner}</strong> <span className="faint">{owner}.cedar</span>: {rows.filter((r) => r.owner === owner && r.forbids).length} forbid, {rows.filter((r) => r.owner === owner && !r.forbids).length} permit
            </li>
          ))}
        </ul>
        <p className="faint">
          A forbid outweighs every permit; what nothing permits is refused. Digest <code title={digest}>{digest.slice(0, 16)}…</code>
        </p>
        {loaded.data && loaded.data.events.length > 0 && (
          <p className="faint">
            In force since <Moment at={loaded.data.events[0]?.at ?? ""} />
            {loaded.data.events.length > 1 && `; ${loaded.data.events.length - 1} other ${loaded.data.events.length === 2 ? "set" : "sets"} before, by the log`}.
          </p>
        )}
        <Command line="quell policy show" />
      </section>
      <section className="card" aria-labelledby="h-mode">
        <h2 id="h-mode">Observe or enforce</h2>
        <p>What policy permits is done only on a plane that a named person armed, until the date they gave. Elsewhere Quell plans, asks and records, and changes nothing.</p>
        <ul className="plainlist">
          {(mode?.planes ?? []).map((p) => (
            <li key={p.name}>
              <strong>{p.name}</strong>:{" "}
              {p.armed_until ? (
                <>
                  enforces {p.actions.length} {p.actions.length === 1 ? "action" : "actions"} until <Moment at={p.armed_until} />
                  {mode?.paused && " (paused now)"}
                </>
              ) : (
                "observes"
              )}
            </li>
          ))}
          {mode?.planes.length === 0 && <li className="faint">No plane is connected.</li>}
        </ul>
        <p>
          <Link href="/planes">Arm or disarm a plane</Link>
        </p>
        <p className="faint">A switch for one rule alone is not in this version.</p>
      </section>
    </div>
  );
}

function Rules({ rows }: { rows: readonly PolicyRow[] }) {
  const [owner, setOwner] = useState<string | null>(null);
  const [effect, setEffect] = useState<Effect>("all");
  const [text, setText] = useState("");
  const box = useRef<HTMLInputElement>(null);
  useKeys([{ key: "/", says: "search the rules", act: () => box.current?.focus() }]);
  const shown = chosen(rows, { owner, effect, text });
  return (
    <section aria-labelledby="h-table">
      <h2 id="h-table">Every rule in English</h2>
      <div className="row wrap filters">
        <div role="group" aria-label="Whose rules" className="row wrap">
          {[null, ...ownersOf(rows)].map((o) => (
            <button key={o ?? "all"} className="quiet" aria-pressed={owner === o} onClick={() => setOwner(o)}>
              {o === null ? "all" : (OWNERS[o] ?? o)}
            </button>
          ))}
        </div>
        <div role="group" aria-label="Which effect" className="row wrap">
          {(["all", "forbids", "permits"] as const).map((e) => (
            <button key={e} className="quiet" aria-pressed={effect === e} onClick={() => setEffect(e)}>
              {e}
            </button>
          ))}
        </div>
        <label className="search">
          <span className="visually-hidden">Search the rules</span>
          <input ref={box} type="search" placeholder="Search the rules ( / )" value={text} onChange={(e) => setText(e.target.value)} onKeyDown={(e) => e.key === "Escape" && e.currentTarget.blur()} />
        </label>
        <span className="faint" role="status">
          {shown.length} of {rows.length} rules
        </span>
      </div>
      {shown.length === 0 ? (
        <p className="notice">No rule matches; the others are in force all the same.</p>
      ) : (
        <Table label="The rules" className="rules" heads={["Effect", "Who", "May do", "To what", "Unless", "Ask whom", "Why"]}>
          {shown.map((r) => (
            <tr key={r.id} id={`rule-${r.id}`}>
              <td>
                <Badge tone={r.forbids ? "amber" : "plain"} mark={r.forbids ? "✕" : "✓"}>
                  {r.forbids ? "forbids" : "permits"}
                </Badge>
                <span className="faint mono">{r.id}</span>
              </td>
              <td>{r.who}</td>
              <td>{r.may}</td>
              <td>{r.to}</td>
              <td>{r.unless ?? <span className="faint">{r.forbids ? "never lifted" : "–"}</span>}</td>
              <td>{r.ask ?? <span className="faint">nobody</span>}</td>
              <td>{r.why}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

function Tests() {
  const read = useRead("/api/v1/policy/tests", {}, POLICY);
  return (
    <section aria-labelledby="h-tests">
      <div className="row wrap between">
        <h2 id="h-tests">Tests</h2>
        <span className="row wrap">
          <ReadAt at={read.at} verb="run" />
          <button onClick={read.again} disabled={read.busy} aria-busy={read.busy} data-command="quell policy test">
            {read.busy ? "Running…" : "Run them again"}
          </button>
        </span>
      </div>
      <Shown read={read} what="the tests">
        {(t) => (
          <>
            {t.refused && <p className="notice bad" role="alert">The files of the set are refused now; what was loaded stays in force: {t.refused}</p>}
            {!t.is_loaded && !t.refused && <p className="notice">The files differ from the set in force: these tests ran against the files. The server loads them when it starts.</p>}
            {!t.refused && (
              <p>
                {t.ok ? (
                  <Badge tone={t.is_loaded ? "good" : "amber"} mark="✓">
                    all {t.cases} cases come out as they say
                  </Badge>
                ) : (
                  <Badge tone="bad" mark="✕">
                    {t.failures.length} of {t.cases} cases come out otherwise
                  </Badge>
                )}
              </p>
            )}
            {t.failures.length > 0 && (
              <ul>
                {t.failures.map((f, n) => (
                  <li key={n}>
                    <strong>{f.file}</strong> {f.case}: {f.message}
                  </li>
                ))}
              </ul>
            )}
            {t.never_decides.length > 0 && <p className="notice">Rules that decide in no case: {t.never_decides.join(", ")}. Nothing tests what they do.</p>}
            {t.never_silent.length > 0 && <p className="notice">Rules that stay silent in no case: {t.never_silent.join(", ")}.</p>}
          </>
        )}
      </Shown>
      <Command line="quell policy test" />
    </section>
  );
}

const KINDS = ["service_account", "human", "workload", "device", "agent", "unknown"];
const CRITICALITIES = ["low", "normal", "high", "critical"];

function Explain() {
  const planes = useRead("/api/v1/connectors", {});
  const [action, setAction] = useState("suspend_identity");
  const [kind, setKind] = useState("service_account");
  const [criticality, setCriticality] = useState("normal");
  const [shared, setShared] = useState(false);
  const [alone, setAlone] = useState(false);
  const [armed, setArmed] = useState(true);
  const [answer, setAnswer] = useState<Explained | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const actions = [...new Set((planes.data ?? []).flatMap((p) => p.actions.map((a) => a.action)))].sort();
  const choices = actions.length > 0 ? actions : ["suspend_identity", "revoke_credential", "terminate_sessions", "rotate_credential", "reinstate", "restore"];
  const changes = { "identity.kind": kind, "identity.criticality": criticality, "identity.shared": String(shared), "circumstances.corroborated": String(!alone), "circumstances.armed": String(armed) };
  const command = `quell policy explain --action ${action} ${Object.entries(changes).map(([path, value]) => `--set ${path}=${value}`).join(" ")}`;
  const ask = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const question = { action, identity: { kind, criticality, shared }, circumstances: { corroborated: !alone, armed } };
      setAnswer(await post("/api/v1/policy/explain", {}, { question: question as never }));
    } catch (error) {
      setAnswer(null);
      setProblem(sentence(error));
    } finally {
      setBusy(false);
    }
  };
  const is = answer && verdict(answer);
  return (
    <section aria-labelledby="h-explain">
      <h2 id="h-explain">Explain</h2>
      <p className="faint">
        One question about an attempt. What you do not choose is that of the usual example: automation, a production service account whose leaked secret the alert carried, at three in the morning. Asking changes and records nothing.
      </p>
      <form
        className="row wrap explain"
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <Select label="Action" value={action} values={choices} set={setAction} />
        <Select label="Kind of identity" value={kind} values={KINDS} set={setKind} />
        <Select label="Criticality" value={criticality} values={CRITICALITIES} set={setCriticality} />
        <fieldset className="choices">
          <legend className="visually-hidden">Circumstances</legend>
          <label>
            <input type="checkbox" checked={shared} onChange={() => setShared(!shared)} /> shared by several
          </label>
          <label>
            <input type="checkbox" checked={alone} onChange={() => setAlone(!alone)} /> one sender's word alone
          </label>
          <label>
            <input type="checkbox" checked={armed} onChange={() => setArmed(!armed)} /> the plane is armed
          </label>
        </fieldset>
        <button type="submit" className="primary" disabled={busy} aria-busy={busy} data-command={command}>
          {busy ? "Asking…" : "Explain"}
        </button>
      </form>
      <Problem text={problem} />
      {answer && is && (
        <div className="card" role="status">
          <p>
            <Badge tone={is.tone} mark={is.mark}>
              {is.says}
            </Badge>{" "}
            {approvals(answer, role) && <strong>{approvals(answer, role)}</strong>}
          </p>
          <p>{answer.next}</p>
          {answer.decision.errors.length > 0 && <p className="notice bad">{answer.decision.errors.join("; ")}</p>}
          <Reasons title="These rules decide" reasons={answer.reasons} />
          <Reasons title="Once they approved, these would permit it" reasons={answer.then} />
          <details>
            <summary>The whole question</summary>
            <pre tabIndex={0}>{JSON.stringify(answer.question, null, 2)}</pre>
          </details>
        </div>
      )}
      <Command line={command} />
    </section>
  );
}

function Reasons({ title, reasons }: { title: string; reasons: Explained["reasons"] }) {
  if (reasons.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul>
        {reasons.map((r) => (
          <li key={r.id}>
            {r.forbids ? "Forbids" : "Permits"}: {r.why} <span className="faint mono">{r.id} ({r.file}:{r.line})</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function Select({ label, value, values, set }: { label: string; value: string; values: readonly string[]; set: (value: string) => void }) {
  return (
    <label className="field">
      {label}
      <select value={value} onChange={(e) => set(e.target.value)}>
        {values.map((v) => (
          <option key={v} value={v}>
            {words(v)}
          </option>
        ))}
      </select>
    </label>
  );
}
