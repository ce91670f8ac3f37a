// Whose it is, and every credential and session with what was proved of it.
import type { Holding } from "../../api/client";
import { Link } from "../../route";
import { LifeBadge, Moment, Until, Term } from "../../parts/small";
import { byUrgency } from "../../view/case";
import { role, words } from "../../view/words";
import type { Shown } from "./screen";

export function Identities({ c, stale, reach }: Shown & { reach: (start: string) => void }) {
  const held = byUrgency([...c.credentials, ...c.sessions]);
  return (
    <section className="card panel" id="part-identities" tabIndex={0} aria-labelledby="h-identities">
      <h2 id="h-identities">
        <kbd aria-hidden="true">1</kbd> Identities
      </h2>
      {c.subjects.length === 0 && <p className="notice">No identity on our planes was found for this alert.</p>}
      {c.subjects.map((s) => (
        <div key={s.identity} className="subject">
          <Link href={`/identities?ref=${encodeURIComponent(s.identity)}`}>
            <strong>{s.name ?? s.identity}</strong>
          </Link>{" "}
          <span className="faint">{s.name && s.identity}</span>
          <p className="faint">
            {words(s.kind)}, {s.environment ?? "environment unknown"}, {s.criticality ? `${s.criticality} criticality` : "criticality unknown"}
            {s.shared === true && ", shared"}
            {s.shared === null && ", sharing unknown"}
            {s.consumers.length > 0 && `; used by ${s.consumers.map((x) => x.name).join(", ")}`}
            {s.protected && <strong>; protected: {s.protected}</strong>}
          </p>
          <button className="quiet" data-command={`quell inventory reach ${s.identity}`} onClick={() => reach(s.identity)}>
            reach: {s.reach ?? "unknown"} (g)
          </button>
        </div>
      ))}
      <h3>Credentials and sessions</h3>
      {held.length === 0 && <p className="notice">None is known yet.</p>}
      <ul className="plainlist held">
        {held.map((h) => (
          <One key={h.target} h={h} stale={stale} />
        ))}
      </ul>
      {c.entitlements.length > 0 && (
        <>
          <h3>Entitlements</h3>
          <ul>
            {c.entitlements.map((e) => (
              <li key={e.target}>{e.id}</li>
            ))}
          </ul>
        </>
      )}
      <h3>Owners</h3>
      {c.owners.length === 0 ? (
        <p className="notice">Nobody is named as owner.</p>
      ) : (
        <ul className="plainlist">
          {c.owners.map((o, n) => (
            <li key={n}>
              {role(o.role)}: {o.person ?? "nobody named"} <span className="faint">{o.confirmed_at ? `confirmed ${o.confirmed_at}` : "never confirmed"}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function One({ h, stale }: { h: Holding; stale: boolean }) {
  const probed = h.proof;
  const used = h.used_since_cut;
  // A use that was accepted is what matters, and is never hidden behind refused ones.
  const last = used && (used.last_accepted_at ?? used.last_refused_at);
  const triedAgain = used && last ? { times: used.accepted + used.refused, accepted: used.accepted, last } : null;
  return (
    <li className={`holding${h.issued_by_quell ? " new" : ""}`}>
      <div className="row between">
        <code>{h.id}</code>
        {stale && h.state === "DEAD" ? <span className="state amber">DEAD when last heard of</span> : h.issued_by_quell && h.state === "LIVE" ? <span className="state plain">● LIVE, new</span> : <LifeBadge state={h.state} />}
      </div>
      <p className="faint">
        {h.issued_by_quell && "new, issued by Quell. "}
        {h.state === "DYING" && h.residual_until && (
          <>
            <Term word="residual">residual</Term> ends <Until at={h.residual_until} />.{" "}
          </>
        )}
        {h.never_seen_live && "never seen live. "}
        {triedAgain && (
          <>
            tried again {triedAgain.times} times since the cut, {triedAgain.accepted === 0 ? "never accepted" : `ACCEPTED ${triedAgain.accepted} times`}, last{" "}
            <Moment at={triedAgain.last} />.{" "}
          </>
        )}
        {h.accepted_until && (
          <>
            rest accepted until <Moment at={h.accepted_until} />.{" "}
          </>
        )}
        {probed ? (
          <>
            <Term word="probe">probe</Term> <Moment at={probed.at} />: {probed.liveness}
            {probed.strength ? `, ${probed.strength}` : ""}
            {probed.control ? `; control ${probed.control.alive ? "alive" : "NOT alive"}` : "; no control"}.
            <span className="reason"> {probed.reason}</span>
          </>
        ) : (
          "not probed yet: nothing is proved"
        )}
      </p>
    </li>
  );
}
