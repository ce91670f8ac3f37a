// The first run in three steps, and a self-test that anybody may run at any time: it
// reads and asks, and changes nothing.
import { useState } from "react";
import { get } from "../api/client";
import type { Session } from "../app";
import { useKeys } from "../keys";
import { useConnection, type Connection } from "../live";
import { ReadAt, Screen, Shown } from "../parts/screen";
import { Badge, Command } from "../parts/small";
import { sentence, useRead } from "../read";
import { Link } from "../route";
import { steps, summary, type Check } from "../view/start";

export default function StartScreen({ session }: { session: Session }) {
  const planes = useRead("/api/v1/connectors/check", {}, (told) => told.stream.startsWith("policy"));
  const identities = useRead("/api/v1/identities", { limit: 1 }, (told) => told.stream.startsWith("inventory"));
  const sources = useRead("/api/v1/sources", {}, (told) => told.stream.startsWith("source"));
  const who = useRead("/api/v1/evidence/who", {}, (told) => told.stream.startsWith("person"));
  const approvers = who.data?.people.filter((p) => p.human && p.approves_as.length > 0).length ?? 0;
  const ready = planes.data !== null && identities.data !== null && sources.data !== null && who.data !== null;
  const facts = {
    planes: planes.data ?? [], identities: identities.data?.owned.identities ?? 0, owned: identities.data?.owned.owned ?? 0, approvers,
    sources: (sources.data as unknown as { sources: unknown[] } | null)?.sources.length ?? 0,
  };
  const list = steps(facts);
  const where: Record<number, string> = { 1: "/planes", 2: "/identities", 3: "/planes" };
  return (
    <Screen title="Start" says="Three steps from an empty installation to one that can prove something. Quell observes all the while: it changes nothing until a named person arms a plane.">
      <Shown read={planes} what="the planes">{() => null}</Shown>
      {!ready && !planes.problem && <p className="loading">Reading…</p>}
      {ready && (
        <ol className="firststeps">
          {list.map((step) => (
            <li key={step.n} className="card" data-done={step.done}>
              <div className="row wrap between">
                <h2>
                  {step.n}. {step.title}
                </h2>
                {step.done ? (
                  <Badge tone="plain" mark="✓">
                    done
                  </Badge>
                ) : (
                  <Badge tone="amber" mark="→">
                    to do
                  </Badge>
                )}
              </div>
              <p>{step.says}</p>
              {!step.done && step.next.map((command) => <Command key={command} line={command} />)}
              <p>
                <Link href={where[step.n] ?? "/"}>Look at it</Link>
              </p>
            </li>
          ))}
        </ol>
      )}
      <SelfTest session={session} />
      <p className="faint">
        After that: <Link href="/planes">arm a plane</Link> until a date, when the plans that it observed are the ones that you want.
      </p>
    </Screen>
  );
}

async function tried(name: string, run: () => Promise<Omit<Check, "name">>): Promise<Check> {
  try {
    return { name, ...(await run()) };
  } catch (error) {
    return { name, ok: null, says: sentence(error) };
  }
}

async function selfTest(connection: Connection): Promise<Check[]> {
  const [planes, policy, ledger, who, sources] = await Promise.all([
    tried("Planes answer, and their controls are alive", async () => {
      const found = await get("/api/v1/connectors/check");
      const bad = found.filter((p) => p.reachable !== true || p.control_alive !== true);
      return found.length === 0 ? { ok: false, says: "no plane is connected" } : { ok: bad.length === 0, says: bad.length === 0 ? `${found.length} of ${found.length}` : bad.map((p) => `${p.name}: ${p.reachable ? "its control is not alive" : "it does not answer"}`).join("; ") };
    }),
    tried("The policy's own tests pass", async () => {
      const found = await get("/api/v1/policy/tests");
      return { ok: found.ok && found.is_loaded, says: found.refused ?? (found.ok ? (found.is_loaded ? `${found.cases} cases` : "the files differ from the set in force") : `${found.failures.length} of ${found.cases} come out otherwise`) };
    }),
    tried("The log's last checkpoint is signed by its key, checked in this browser", async () => {
      const found = await get("/api/v1/ledger");
      if (found.checkpoint === null) return { ok: null, says: "none was signed yet; `quell ledger checkpoint` signs one" };
      const { openCheckpoint, readKey, canVerify } = await import("../evidence/note");
      if (!(await canVerify())) return { ok: null, says: "this browser cannot check Ed25519 here" };
      const signed = await readKey(found.key).then((key) => openCheckpoint(new TextEncoder().encode(found.checkpoint ?? ""), key)).then(() => true, () => false);
      return { ok: signed, says: signed ? `of ${found.signed_size} lines; ${found.witnesses.length === 0 ? "unwitnessed" : "witnessed"}` : "ITS SIGNATURE DOES NOT HOLD" };
    }),
    tried("Two people can say yes", async () => {
      const found = await get("/api/v1/evidence/who");
      const can = found.people.filter((p) => p.human && p.approves_as.length > 0).length;
      return { ok: can > 1, says: `${can} can` };
    }),
    tried("A source may send alerts", async () => {
      const found = (await get("/api/v1/sources")) as unknown as { sources: unknown[] };
      return { ok: found.sources.length > 0, says: `${found.sources.length}` };
    }),
  ]);
  return [{ name: "This page hears the server", ok: connection === "live", says: connection }, planes, policy, ledger, who, sources];
}

function SelfTest({ session }: { session: Session }) {
  const connection = useConnection();
  const [checks, setChecks] = useState<Check[]>([]);
  const [busy, setBusy] = useState(false);
  const [at, setAt] = useState<number | null>(null);
  const run = async (): Promise<void> => {
    setBusy(true);
    setChecks(await selfTest(connection));
    setAt(Date.now());
    setBusy(false);
  };
  useKeys([{ key: "t", says: "run the self-test", act: () => void run() }]);
  const is = summary(checks);
  return (
    <section aria-labelledby="h-selftest">
      <div className="row wrap between">
        <h2 id="h-selftest">Self-test</h2>
        <span className="row wrap">
          <ReadAt at={at} verb="run" />
          <button className="primary" onClick={() => void run()} disabled={busy} aria-busy={busy} data-command="quell doctor">
            {busy ? "Trying…" : "Run the self-test (t)"}
          </button>
        </span>
      </div>
      <p className="faint">It reads and asks. Whether a containment works is proved by a case, or by a drill: see the coverage under Planes.</p>
      <div role="status" data-selftest={checks.length === 0 ? "none" : is.ok ? "passed" : "failed"}>
        {checks.length > 0 && (
          <>
            <p>
              <strong className={is.ok ? undefined : "tone-amber"}>{is.says}</strong>
              {session.mode?.mode === "observe" && " · this installation observes"}
            </p>
            <ul className="plainlist checks">
              {checks.map((c) => (
                <li key={c.name} className="row wrap between">
                  <span>
                    {c.name} <span className="faint">{c.says}</span>
                  </span>
                  <Badge tone={c.ok === true ? "plain" : c.ok === false ? "bad" : "amber"} mark={c.ok === true ? "✓" : c.ok === false ? "✕" : "?"}>
                    {c.ok === true ? "passed" : c.ok === false ? "failed" : "not tried"}
                  </Badge>
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
      <Command line="quell doctor" />
    </section>
  );
}
