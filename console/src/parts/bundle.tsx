// A bundle that is dropped here is checked in this browser, by code that was written
// from the public format. Nothing is sent anywhere; it works without the server, too.
import { useRef, useState } from "react";
import type { Report } from "../evidence/verify";
import { said } from "../view/report";
import { visible, words } from "../view/words";
import { Badge, Command, Problem } from "./small";
import { Table } from "./screen";

const BYTES_MAX = 512 * 1024 * 1024;
const KEPT = "log-key";

const kept = (): string => {
  try {
    return localStorage.getItem(KEPT) ?? "";
  } catch {
    return "";
  }
};

export function BundleCheck({ serverKey }: { serverKey: string | null }) {
  const [key, setKey] = useState(kept);
  const [file, setFile] = useState<File | null>(null);
  const [report, setReport] = useState<Report | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [over, setOver] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const newest = useRef(0);

  const check = async (chosen: File, by: string): Promise<void> => {
    const mine = (newest.current += 1);
    setFile(chosen);
    setReport(null);
    setProblem(null);
    setBusy(true);
    try {
      if (chosen.size > BYTES_MAX) throw new Error(`it has ${chosen.size} bytes; this page reads at most ${BYTES_MAX}. Use \`quell evidence verify\``);
      const { verify } = await import("../evidence/verify");
      const found = await verify(new Uint8Array(await chosen.arrayBuffer()), by.trim() === "" ? null : by);
      if (mine === newest.current) setReport(found);
    } catch (error) {
      // No verdict is no good one.
      if (mine === newest.current) setProblem(`The check could not be made, so nothing is verified: ${error instanceof Error ? error.message : "unknown reason"}`);
    } finally {
      if (mine === newest.current) setBusy(false);
    }
  };
  const pin = (value: string): void => {
    setKey(value);
    if (file) void check(file, value);
  };
  const keep = (): void => {
    try {
      localStorage.setItem(KEPT, key.trim());
    } catch {
      // A browser that keeps nothing asks again.
    }
  };
  return (
    <section aria-labelledby="h-check">
      <h2 id="h-check">Verify a bundle, in this browser</h2>
      <p className="faint">The file stays here: it is checked by this page alone, with code that shares nothing with the server's, and goes on working when the server is gone.</p>
      <label className="field keyfield">
        The log's key, from a place that did not send you the file
        <input className="mono" value={key} placeholder="name+8 hex digits+base64" spellCheck={false} autoComplete="off" onChange={(e) => pin(e.target.value)} />
      </label>
      <div className="row wrap">
        <button className="quiet" onClick={keep} disabled={key.trim() === ""}>
          Keep this key in this browser
        </button>
        {serverKey && (
          <button className="quiet" onClick={() => pin(serverKey)}>
            Take the key that this server tells
          </button>
        )}
        <span className="faint">A key that the sender of the file tells you establishes nothing about the sender.</span>
      </div>
      <div
        className={over ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          const dropped = event.dataTransfer.files[0];
          if (dropped) void check(dropped, key);
        }}
      >
        <p>Drop an evidence bundle here, of a case or of a range, or</p>
        <input
          ref={picker}
          type="file"
          accept=".zip,application/zip"
          className="visually-hidden"
          tabIndex={-1}
          aria-label="Evidence bundle"
          onChange={(event) => {
            const picked = event.target.files?.[0];
            if (picked) void check(picked, key);
            event.target.value = "";
          }}
        />
        <button onClick={() => picker.current?.click()} data-command="quell evidence verify FILE --key VKEY">
          Choose a file…
        </button>
      </div>
      <div role="status" aria-live="polite">
        {busy && <p className="loading">Checking {file?.name}…</p>}
        <Problem text={problem} />
        {report && file && <Verdict report={report} name={file.name} />}
      </div>
      <Command line="quell evidence verify FILE --key VKEY" />
    </section>
  );
}

function Range({ population }: { population: NonNullable<Report["population"]> }) {
  return (
    <>
      <dl>
        {[population.from, population.to].map((end, n) => (
          <div key={n} className="contents">
            <dt>{n === 0 ? "From" : "To"}</dt>
            <dd className="mono">
              size {end.size}, root {end.root}
            </dd>
          </div>
        ))}
      </dl>
      <Table label="Cases of the range" heads={["Case", "Opened", "Stage at the end", "Since", "Events"]}>
        {population.cases.slice(0, 2000).map((c) => (
          <tr key={c.case}>
            <th scope="row">{visible(c.case, 60)}</th>
            <td>{visible(c.opened_at, 40)}</td>
            <td>{visible(words(c.state), 40)}</td>
            <td>{visible(c.since, 40)}</td>
            <td>{c.events}</td>
          </tr>
        ))}
      </Table>
      {population.cases.length > 2000 && <p className="notice">The first 2,000 are shown; all were checked.</p>}
    </>
  );
}

function Verdict({ report, name }: { report: Report; name: string }) {
  const is = said(report);
  return (
    <div className="card verdict" data-verdict={report.ok ? "ok" : "refused"}>
      <p>
        <Badge tone={is.tone} mark={is.mark} lasting>
          {is.headline}
        </Badge>
      </p>
      <p className="faint">
        {visible(name, 120)}
        {report.case && ` · case ${visible(report.case, 40)}`} · {report.events} events
        {report.size !== null && ` · log of ${report.size}`}
      </p>
      {report.errors.length > 0 && (
        <>
          <h3>What is wrong</h3>
          <ul>
            {report.errors.map((e, n) => (
              <li key={n}>
                <code>{e.code}</code> {visible(e.message, 300)}
              </li>
            ))}
          </ul>
        </>
      )}
      {is.proves.length > 0 && (
        <>
          <h3>What it says</h3>
          <ul>
            {is.proves.map((p) => (
              <li key={p}>{p}</li>
            ))}
          </ul>
        </>
      )}
      <h3>What it does not say</h3>
      <ul>
        {is.not.map((p) => (
          <li key={p}>{p}</li>
        ))}
      </ul>
      <dl>
        <dt>Key in the file</dt>
        <dd className="mono">{report.key ?? "none that can be read"}</dd>
        <dt>Root</dt>
        <dd className="mono">{report.root ?? "none that is signed"}</dd>
      </dl>
      {report.ok && report.population && <Range population={report.population} />}
      {report.ok && report.lines.length > 0 && (
        <details>
          <summary>The {report.lines.length} events</summary>
          <Table label="Events of the bundle" heads={["Leaf", "At", "What", "By", "Stream"]}>
            {report.lines.slice(0, 2000).map((l) => (
              <tr key={l.index}>
                <td>{l.index}</td>
                <td>{visible(l.link.at, 40)}</td>
                <td>{visible(words(l.link.type), 60)}</td>
                <td>{visible(l.link.by, 60)}</td>
                <td className="mono">
                  {visible(l.link.stream, 60)} @{l.link.version}
                </td>
              </tr>
            ))}
          </Table>
          {report.lines.length > 2000 && <p className="notice">The first 2,000 are shown; all were checked.</p>}
        </details>
      )}
    </div>
  );
}
