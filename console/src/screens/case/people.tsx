// Who is awaited until when and what happens then; who approved; the three
// verdicts; and what nobody looked at.
import { post, type Case, type Plan } from "../../api/client";
import type { Order } from "../../parts/order";
import { Badge, Moment, Outside, Until } from "../../parts/small";
import { blind, toldHow } from "../../view/case";
import { author, role, visible, words } from "../../view/words";
import type { Shown } from "./screen";

/** How somebody says that a task is done; a step by hand wants to know what was seen. */
const done = (id: string, t: Case["tasks"][number]): string => `quell case task ${id} ${t.id} --done${t.wants ? " --saw TEXT" : ""}`;

const JUDGES = [
  { role: "iam", asks: "was it entitled?", answers: ["entitled", "not_entitled", "do_not_know"] },
  { role: "secops", asks: "is it malicious?", answers: ["malicious", "not_malicious", "do_not_know"] },
  { role: "business_owner", asks: "was it expected?", answers: ["expected", "not_expected", "do_not_know"] },
] as const;

export function People({ c, plan, session, ask }: Shown & { plan: Plan | null }) {
  const lead: Order = {
    title: `Take the lead of ${c.id}?`,
    verb: "Take the lead",
    says: c.lead ? <p>{session.names.get(c.lead) ?? c.lead} leads it now and is told.</p> : <p>Nobody leads it yet.</p>,
    command: `quell case lead ${c.id}`,
    run: async () => void (await post("/api/v1/cases/{id}/lead", { id: c.id }, {} as never)),
  };
  const judge = (as: string, verdict: string): Order => ({
    title: `Verdict: ${words(verdict)}?`,
    verb: "Give the verdict",
    says: <p>As {role(as)}, for the whole case. It is recorded with your name; a later verdict stands beside it.</p>,
    command: `quell case verdict ${c.id} --as ${as} ${verdict}`,
    ask: { label: "What it rests on (optional)", required: false },
    run: async (evidence) => void (await post("/api/v1/cases/{id}/verdict", { id: c.id }, { role: as, verdict, ...(evidence ? { evidence } : {}) })),
  });
  return (
    <section className="card panel" id="part-people" tabIndex={0} aria-labelledby="h-people">
      <h2 id="h-people">
        <kbd aria-hidden="true">3</kbd> Waiting for
      </h2>
      {c.waiting_for.length === 0 && <p className="faint">Nobody.</p>}
      <ul className="plainlist">
        {c.waiting_for.map((w, n) => (
          <li key={n} className="awaited">
            <strong>{w.people.map((p) => author(p, session.names)).join(", ") || role(w.role)}</strong>: {w.what}
            <div className="faint">
              {w.deadline ? <Until at={w.deadline} /> : "no deadline"}; then {w.at_timeout}
            </div>
          </li>
        ))}
      </ul>
      <h3>Who answers for it</h3>
      {c.routes.length === 0 ? (
        <p className="faint">Nobody looked yet.</p>
      ) : (
        <ul className="plainlist">
          {c.routes.map((r) => (
            <li key={r.of}>
              {r.of}: <strong>{r.to}</strong> {r.ownership !== "confirmed" && <Badge tone="amber" mark="!">{words(r.ownership)}</Badge>}
              <div className="faint">
                {r.why}
                {r.record && `, by ${r.record}`}; until <Moment at={r.deadline} />, then {r.escalation}
                {r.proposed.length > 0 && `; its tags propose ${r.proposed.join(", ")}, which decides nothing`}
              </div>
            </li>
          ))}
        </ul>
      )}
      <h3>Approvals</h3>
      {!plan || plan.approvals.length === 0 ? (
        <p className="faint">{plan ? "Nobody approved this digest." : "There is no plan to approve."}</p>
      ) : (
        <ul className="plainlist">
          {plan.approvals.map((a) => (
            <li key={a.id}>
              ✓ {author(a.by, session.names)} for {role(a.role)} <span className="faint"><Moment at={a.at} />{a.used ? ", used" : ""}</span>
            </li>
          ))}
        </ul>
      )}
      <h3>Not looked at</h3>
      {c.not_looked_at.length === 0 ? (
        <p className="faint">Nothing is known to be left out.</p>
      ) : (
        <ul>
          {c.not_looked_at.map((n) => (
            <li key={n}>{n}</li>
          ))}
        </ul>
      )}
      {c.notices.length > 0 && (
        <>
          <h3>Told</h3>
          <ul className="plainlist" data-told>
            {c.notices.map((n) => (
              <li key={n.id}>
                <strong>{n.to}</strong>: {toldHow(n)}{" "}
                <span className="faint">
                  because {n.why} <Moment at={n.tried_at ?? n.due_at} />
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      {c.blind_sources.length > 0 && (
        <>
          <h3>Blind in its window</h3>
          <ul>
            {c.blind_sources.map((b) => (
              <li key={b.source}>{blind(b)}</li>
            ))}
          </ul>
        </>
      )}
      <h3>Verdicts</h3>
      <ul className="plainlist">
        {JUDGES.map((j) => {
          const given = c.verdicts.findLast((v) => v.role === j.role);
          return (
            <li key={j.role}>
              {role(j.role)}: {given ? <strong>{words(given.verdict)}</strong> : <span className="faint">{j.asks} no answer yet</span>}
              {given && (
                <span className="faint">
                  {" "}
                  {author(given.by, session.names)} <Moment at={given.at} />
                </span>
              )}
              {session.me.roles.includes(j.role) && c.state !== "closed" && (
                <span className="row wrap">
                  {j.answers.map((a) => (
                    <button key={a} className="quiet" data-command={judge(j.role, a).command} onClick={() => ask(judge(j.role, a))}>
                      {words(a)}
                    </button>
                  ))}
                </span>
              )}
            </li>
          );
        })}
      </ul>
      {c.threat_context.length > 0 && (
        <>
          <h3>Threat context</h3>
          <p className="faint">What others publish of what the signals name. It decides nothing.</p>
          <ul className="plainlist">
            {c.threat_context.map((t, n) => (
              <li key={n}>
                {words(t.kind)} <strong>{t.named}</strong> <span className="faint">{t.feed}</span>
                <Outside text={t.untrusted.says ? `${t.untrusted.title}: ${t.untrusted.says}` : t.untrusted.title} />
              </li>
            ))}
          </ul>
        </>
      )}
      <p>
        <button data-order="lead" className="quiet" data-command={lead.command} onClick={() => ask(lead)}>
          Take the lead (l)
        </button>
      </p>
      {c.passed_over.length > 0 && (
        <>
          <h3>Passed over</h3>
          <ul className="plainlist">
            {c.passed_over.map((p, n) => (
              <li key={n}>
                {author(p.person, session.names)}: {p.why}
              </li>
            ))}
          </ul>
        </>
      )}
      {c.tasks.some((t) => !t.ended_at) && (
        <>
          <h3>Tasks</h3>
          <ul className="plainlist">
            {c.tasks
              .filter((t) => !t.ended_at)
              .map((t) => (
                <li key={t.id}>
                  {t.wants && t.step !== null && <span className="stepno">{t.step}</span>} {role(t.owner)}: {t.what} {t.untrusted && <Outside text={t.untrusted} />}{" "}
                  {t.wants && <span className="faint">To bring: {t.wants}. </span>}
                  <button
                    className="quiet"
                    data-command={done(c.id, t)}
                    onClick={() =>
                      ask({
                        title: "Is the task done?",
                        verb: "Say that it is done",
                        says: <p>Said is not proved: nothing becomes dead by it.</p>,
                        command: done(c.id, t),
                        ask: t.wants ? { label: "What you saw, where and when", required: true } : { label: "What was done (optional)", required: false },
                        run: async (attested) => void (await post("/api/v1/cases/{id}/task/{task}/done", { id: c.id, task: t.id }, attested ? { attested } : {})),
                      })
                    }
                  >
                    done
                  </button>
                </li>
              ))}
          </ul>
        </>
      )}
      <h3>What the senders wrote</h3>
      <ul className="plainlist">
        {c.findings.map((f) => (
          <li key={f.id}>
            {words(f.kind)} ×{f.count}
            {f.sample && " (sample)"}
            {f.unreadable && " (unreadable)"}: <Outside text={f.untrusted.title} />
            {f.ambiguous && (
              <span className="line">
                AMBIGUOUS: its id means {visible(f.ambiguous.id_means, 80)}, its name {visible(f.ambiguous.name_means, 80)}; nobody is cut for it without a person
              </span>
            )}
            {f.uncompared.length > 0 && (
              <span className="line">
                NOT COMPARED: {f.uncompared.map((plane) => visible(plane, 60)).join(", ")} did not answer whether the value is one of their own; nothing there is restored until this has an outcome
              </span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
