// The ledger: how far it goes, what was signed of it, a search over its lines with the
// proof of each, and the check of a bundle that somebody sent.
import { useEffect, useRef, useState } from "react";
import { get, post, type Ledger, type LedgerLine } from "../api/client";
import type { Session } from "../app";
import { useKeys } from "../keys";
import { BundleCheck } from "../parts/bundle";
import { LeafButton, LeafSheet } from "../parts/leaf";
import { OrderDialog, type Order } from "../parts/order";
import { Screen, Shown, Table } from "../parts/screen";
import { Badge, Command, Moment, Outside, Problem } from "../parts/small";
import { sentence, useRead } from "../read";
import { go, Link } from "../route";
import { askedOf, FAMILIES, isLive, reached, searchOf, unsigned, type Asked } from "../view/record";
import { author, visible } from "../view/words";

export default function LedgerScreen({ search, session }: { search: URLSearchParams; session: Session }) {
  const head = useRead("/api/v1/ledger", {}, () => true);
  return (
    <Screen title="Ledger" says="The record is the database: every change of state is a line in a Merkle log. A log shows what was changed after a checkpoint that you hold, and not whether its lines are true.">
      <Shown read={head} what="the log">{(data) => <Head ledger={data} />}</Shown>
      <BundleCheck serverKey={head.data?.key ?? null} />
      <Search search={search} session={session} size={head.data?.size ?? null} />
    </Screen>
  );
}

/** Is the last checkpoint signed by the key that the server tells? Null while that is not known. */
function useSigned(ledger: Ledger): boolean | null {
  const [signed, setSigned] = useState<boolean | null>(null);
  const { checkpoint, key } = ledger;
  useEffect(() => {
    let current = true;
    setSigned(null);
    if (checkpoint === null || !globalThis.crypto?.subtle) return;
    void import("../evidence/note").then(async ({ openCheckpoint, readKey, canVerify }) => {
      if (!(await canVerify())) return;
      const holds = await readKey(key).then((k) => openCheckpoint(new TextEncoder().encode(checkpoint), k)).then(
        () => true,
        () => false,
      );
      if (current) setSigned(holds);
    });
    return () => {
      current = false;
    };
  }, [checkpoint, key]);
  return signed;
}

function Head({ ledger }: { ledger: Ledger }) {
  const signed = useSigned(ledger);
  const [order, setOrder] = useState<Order | null>(null);
  const [whole, setWhole] = useState<{ ok: boolean; text: string } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const check = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const found = await get("/api/v1/ledger/verify");
      setWhole({ ok: found.ok, text: found.ok ? `The server read all ${found.size} lines again: every hash, version and root agrees. That is the server's own word.` : `IT IS NOT WHOLE: ${found.error ?? "no reason was given"}` });
    } catch (error) {
      setProblem(sentence(error));
    } finally {
      setBusy(false);
    }
  };
  const sign: Order = {
    title: "Sign a checkpoint?",
    verb: "Sign it",
    says: <p>The log's key signs the size and root of everything that is committed. Keep it in a place that Quell's operator does not control: the log is worth as much as the checkpoints that others hold.</p>,
    command: "quell ledger checkpoint",
    run: async () => {
      const made = await post("/api/v1/ledger/checkpoint", {}, {} as never);
      return (
        <>
          <p>Signed at size {made.size}:</p>
          <pre tabIndex={0}>{made.checkpoint}</pre>
        </>
      );
    },
  };
  return (
    <>
      <div className="cards">
        <section className="card" aria-labelledby="h-log">
          <h2 id="h-log">The log now</h2>
          <dl>
            <dt>Lines</dt>
            <dd>
              <strong className="big">{ledger.size}</strong>
            </dd>
            <dt>Root</dt>
            <dd className="mono">{ledger.root}</dd>
            <dt>Key</dt>
            <dd className="mono">{ledger.key}</dd>
          </dl>
          <div className="row wrap">
            <button onClick={() => void check()} disabled={busy} aria-busy={busy} data-command="quell ledger verify">
              {busy ? "Reading all of it…" : "Have the server verify all of it"}
            </button>
          </div>
          <Problem text={problem} />
          {whole && (
            <p className={whole.ok ? "notice" : "notice bad"} role="status">
              {whole.text}
            </p>
          )}
        </section>
        <section className="card" aria-labelledby="h-checkpoints">
          <h2 id="h-checkpoints">The last signed checkpoint</h2>
          {ledger.checkpoint === null ? (
            <p className="notice">None was signed yet.</p>
          ) : (
            <>
              <p className="row wrap">
                {signed === true && (
                  <Badge tone="plain" mark="✓">
                    signature checked in this browser
                  </Badge>
                )}
                {signed === false && (
                  <Badge tone="bad" mark="✕">
                    ITS SIGNATURE DOES NOT HOLD
                  </Badge>
                )}
                {ledger.witnesses.length === 0 ? (
                  <Badge tone="amber" mark="!">
                    unwitnessed
                  </Badge>
                ) : (
                  <span>signed by others, too: {ledger.witnesses.map((w) => visible(w, 60)).join(", ")}</span>
                )}
              </p>
              <p>
                Of {ledger.signed_size} lines; {unsigned(ledger.size, ledger.signed_size ?? null)}.
              </p>
              <pre tabIndex={0}>{ledger.checkpoint}</pre>
              {ledger.witnesses.length === 0 && <p className="faint">Nobody else has signed it: a log that is shown differently to others would be seen by nobody but whoever holds an older checkpoint.</p>}
            </>
          )}
          <div className="row wrap">
            <button onClick={() => setOrder(sign)} data-command={sign.command}>
              Sign a checkpoint…
            </button>
          </div>
          <p className="faint">Older checkpoints are not kept here; they are with whoever they were given to.</p>
        </section>
      </div>
      {order && <OrderDialog order={order} onClose={() => setOrder(null)} />}
    </>
  );
}

function Search({ search, session, size }: { search: URLSearchParams; session: Session; size: number | null }) {
  const asked = askedOf(search);
  const [pages, setPages] = useState<{ key: string; older: LedgerLine[]; next: number | null; lookedAt: number }>({ key: "", older: [], next: null, lookedAt: 0 });
  const key = searchOf(asked);
  const first = useRead("/api/v1/ledger/events", { text: asked.text || undefined, type: asked.types || undefined, stream: asked.stream || undefined, by: asked.by || undefined, limit: 50 }, (told) => isLive(asked, told.type), { keep: true, pace: 1_000 });
  const [problem, setProblem] = useState<string | null>(null);
  const [leaf, setLeaf] = useState<LedgerLine | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const box = useRef<HTMLInputElement>(null);
  const more = pages.key === key && first.data !== null && pages.older.length > 0 ? pages : { older: [] as LedgerLine[], next: first.data?.next ?? null, lookedAt: 0 };
  const lines = [...new Map([...(first.data?.events ?? []), ...more.older].map((l) => [l.index, l])).values()].sort((a, b) => b.index - a.index);
  const ask = (over: Partial<Asked>): void => go(`/ledger${searchOf({ ...asked, ...over })}`, "replace");
  const older = async (): Promise<void> => {
    if (more.next === null) return;
    setProblem(null);
    try {
      const page = await get("/api/v1/ledger/events", { text: asked.text || undefined, type: asked.types || undefined, stream: asked.stream || undefined, by: asked.by || undefined, limit: 200, before: more.next });
      setPages({ key, older: [...more.older, ...page.events], next: page.next, lookedAt: more.lookedAt + page.looked_at });
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  const step = (by: number): void => {
    const now = lines.findIndex((l) => l.index === at);
    const next = lines[Math.min(lines.length - 1, Math.max(0, now + by))];
    if (!next) return;
    setAt(next.index);
    document.getElementById(`line-${next.index}`)?.focus();
  };
  useKeys([
    { key: "/", says: "search the log", act: () => box.current?.focus() },
    { key: "j", says: "next line", act: () => step(1) },
    { key: "k", says: "line before", act: () => step(-1) },
  ]);
  return (
    <section aria-labelledby="h-search">
      <h2 id="h-search">Search</h2>
      <div role="group" aria-label="Which lines" className="row wrap">
        {FAMILIES.map((f) => (
          <button key={f.id} className="quiet" aria-pressed={asked.types === f.types} onClick={() => ask({ types: f.types })}>
            {f.name}
          </button>
        ))}
      </div>
      <div className="row wrap filters">
        <label className="search">
          <span className="visually-hidden">Search the log</span>
          <input ref={box} type="search" placeholder="What the line says ( / )" value={asked.text} onChange={(e) => ask({ text: e.target.value })} onKeyDown={(e) => e.key === "Escape" && e.currentTarget.blur()} />
        </label>
        <label className="field">
          <span>Stream begins with</span>
          <input value={asked.stream} placeholder="case/C-…" onChange={(e) => ask({ stream: e.target.value })} />
        </label>
        <label className="field">
          <span>Author is</span>
          <input value={asked.by} placeholder="automation, person:…" onChange={(e) => ask({ by: e.target.value })} />
        </label>
      </div>
      <Problem text={problem} />
      <Shown read={first} what="the log">
        {(data) => (
          <>
            {size !== null && size > data.size && !isLive(asked, null) && (
              <p>
                <button onClick={first.again}>{size - data.size} newer {size - data.size === 1 ? "line was" : "lines were"} recorded: search again</button>
              </p>
            )}
            <p className="faint" role="status">
              {first.busy ? "Searching…" : `${reached(lines.length, data.looked_at + more.lookedAt, more.next ?? null)}.`}
            </p>
            {lines.length === 0 && <p className="notice">No line that was looked at says that.</p>}
            {lines.length > 0 && (
              <Table label="Lines of the log" className="log" heads={["At", "By", "What", "Case", "Leaf and proof"]}>
                {lines.map((line) => (
                  <tr key={line.index} className={at === line.index ? "selected" : undefined}>
                    <td>
                      <Moment at={line.at} />
                    </td>
                    <td>{visible(author(line.by, session.names), 40)}</td>
                    <td>
                      {visible(line.text, 400)} {line.untrusted && <Outside text={line.untrusted} />}
                      <span className="faint mono">
                        {line.type} · {visible(line.stream, 60)} @{line.version}
                      </span>
                    </td>
                    <td>{line.case ? <Link href={`/cases/${line.case}`}>{line.case}</Link> : <span className="faint">–</span>}</td>
                    <td>
                      <LeafButton id={`line-${line.index}`} index={line.index} onFocus={() => setAt(line.index)} onClick={() => setLeaf(line)} />
                    </td>
                  </tr>
                ))}
              </Table>
            )}
            {more.next !== null && <button onClick={() => void older()}>Look at older lines</button>}
          </>
        )}
      </Shown>
      {leaf && <LeafSheet index={leaf.index} load={() => get("/api/v1/ledger/events/{index}", { index: leaf.index })} onClose={() => setLeaf(null)} />}
      <Command line="quell ledger verify" />
    </section>
  );
}
