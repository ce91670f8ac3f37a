// The plan in its order: what is done to what, what breaks, what survives, how it
// is taken back; and the orders that people give on it.
import { post, type Case, type Plan, type Step } from "../../api/client";
import type { Order } from "../../parts/order";
import { Badge, Moment, Outside, Term, Until } from "../../parts/small";
import { impact, isMine, isOpen } from "../../view/case";
import { author, role, stepState, visible, words } from "../../view/words";
import type { Shown } from "./screen";

export function PlanPanel({ c, plan, session, stale, ask }: Shown & { plan: Plan | null }) {
  const others = c.plans.filter((p) => p.id !== plan?.id);
  return (
    <section className="card panel plan" id="part-plan" tabIndex={0} aria-labelledby="h-plan">
      <h2 id="h-plan">
        <kbd aria-hidden="true">2</kbd> {plan ? (plan.kind === "contain" ? "Plan" : `Plan: ${words(plan.kind)}`) : "Plan"}
        {plan && <PlanState plan={plan} stale={stale} />}
      </h2>
      {plan ? <Body c={c} plan={plan} stale={stale} session={session} ask={ask} /> : <p className="notice">No plan is drafted yet.</p>}
      <Orders c={c} plan={plan} session={session} stale={stale} ask={ask} />
      {others.length > 0 && (
        <details>
          <summary>
            {others.length} other {others.length === 1 ? "plan" : "plans"}
          </summary>
          {others.map((p) => (
            <div key={p.id}>
              <h3>
                {words(p.kind)} <PlanState plan={p} stale={stale} />
              </h3>
              <p className="faint">
                {p.id} {p.because}
              </p>
              {p.break_glass && <GlassLine glass={p.break_glass} session={session} />}
              <Steps plan={p} stale={stale} names={session.names} />
            </div>
          ))}
        </details>
      )}
    </section>
  );
}

/** `proved` is the one that may be green: it was, and we are still told if it changes. */
function PlanState({ plan, stale }: { plan: Plan; stale: boolean }) {
  const tone = plan.state === "proved" ? (stale ? "amber" : "good") : plan.state === "running" ? "busy" : ["degraded", "handed_over", "amended", "waiting"].includes(plan.state) ? "amber" : "plain";
  return (
    <Badge tone={tone} mark={plan.state === "proved" ? "✓" : "·"}>
      {words(plan.state)}
    </Badge>
  );
}

function Body({ c, plan, stale, session }: Omit<Shown, "ask"> & { plan: Plan; ask: Shown["ask"] }) {
  return (
    <>
      <p className="planline">
        <Term word="digest">digest</Term>{" "}
        <code className="digest" title={plan.digest}>
          {plan.digest.slice(0, 16)}…
        </code>{" "}
        · tier {words(plan.tier)} · {plan.failover ? "switches over before it cuts" : plan.undo ? words(plan.undo) : "cuts at once"}
        {plan.wanted && plan.wanted.length > 0 && !plan.started_at && ` · asks ${plan.wanted.map((w) => `${w.people} × ${words(w.role)}`).join(", ")}`}
        {plan.wanted?.length === 0 && !plan.started_at && " · asks nobody"}
      </p>
      {plan.incomplete.length > 0 && <p className="notice bad">INCOMPLETE, it leaves out: {plan.incomplete.join("; ")}</p>}
      {plan.break_glass && <GlassLine glass={plan.break_glass} session={session} />}
      {plan.paused && <p className="notice">Paused: {plan.paused}</p>}
      {plan.because && <p className={plan.state === "proved" ? "faint" : "notice"}>{plan.because}</p>}
      {plan.left_out.length > 0 && <p className="notice">Not given back: {plan.left_out.join(", ")}</p>}
      <p>
        <strong>Impact:</strong> {impact(c, plan)}.
      </p>
      <Steps plan={plan} stale={stale} names={session.names} />
    </>
  );
}

function GlassLine({ glass, session }: { glass: NonNullable<Plan["break_glass"]>; session: Shown["session"] }) {
  const open = glass.reviews.filter((r) => r.at === null);
  return (
    <p className="notice bad">
      <Badge tone="amber" mark="!">
        break-glass
      </Badge>{" "}
      {visible(author(`person:${glass.by}`, session.names), 60)} ran it as {role(glass.role)} <Moment at={glass.at} />, without {glass.skipped.map((s) => `${s.people} of ${role(s.role)}`).join(" and ")}. <Outside text={glass.untrusted} />{" "}
      {open.length > 0 ? <strong>Not reviewed yet: {open.map((r) => role(r.role)).join(", ")}.</strong> : "Reviewed."}
    </p>
  );
}

function Steps({ plan, stale, names }: { plan: Plan; stale: boolean; names: ReadonlyMap<string, string> }) {
  return (
    <ol className="steps">
      {plan.steps.map((s) => (
        <StepRow key={s.n} s={s} stale={stale} names={names} />
      ))}
    </ol>
  );
}

const BACK = { exact: "undone exactly", approximate: "undone approximately", no: "CANNOT BE UNDONE" } as const;

function StepRow({ s, stale, names }: { s: Step; stale: boolean; names: ReadonlyMap<string, string> }) {
  const state = stepState(s);
  const green = s.state === "done" && stale;
  return (
    <li>
      <div className="row between">
        <span>
          <span className="stepno">{s.n}</span> {s.sentence}
        </span>
        <Badge tone={green ? "amber" : state.tone} mark={state.mark}>
          {state.says}
        </Badge>
      </div>
      <p className="faint">
        {s.targets.length === 0 ? (s.state === "done" ? "no target is left" : "no target found yet") : `${s.targets.length} ${s.targets.length === 1 ? "target" : "targets"}${s.targets.length > 1 || s.targets[0] !== s.selector ? `: ${s.targets.slice(0, 4).join(", ")}${s.targets.length > 4 ? ", …" : ""}` : ""}`}
        {" · "}
        {BACK[s.reversible]}
        {" · "}effect {words(s.effective)}
        {s.after.length > 0 && ` · after step ${s.after.map((a) => a.step).join(", ")}`}
        {s.survives.length > 0 && <strong> · survives it: {s.survives.join("; ")}</strong>}
        {s.because && <span> · {s.because}</span>}
      </p>
      {s.by_hand && (
        <p>
          {role(s.by_hand.owner)}: {s.by_hand.what}. <span className="faint">To bring: {s.by_hand.wants}.</span>
          {s.by_hand.said_by && s.by_hand.said_at && (
            <strong>
              {" "}
              Said done by {author(s.by_hand.said_by, names)} <Moment at={s.by_hand.said_at} />, {s.by_hand.proved ? "and proved" : "not proved by Quell"}.
            </strong>
          )}
        </p>
      )}
    </li>
  );
}

function Orders({ c, plan, session, ask }: Shown & { plan: Plan | null }) {
  const id = c.id;
  const mine = c.waiting_for.find((w) => w.missing !== undefined && w.plan && isMine(w, session.me) && !c.plans.find((p) => p.id === w.plan)?.approvals.some((a) => a.by === session.me.user));
  const waits = plan !== null && isOpen(plan) && plan.started_at === null;
  const acted = c.plans.some((p) => p.started_at !== null && p.kind !== "undo");
  const digest = plan?.digest ?? "";
  const incomplete = (plan?.incomplete.length ?? 0) > 0;
  const targets = [...new Set(plan?.steps.flatMap((s) => s.targets) ?? [])];
  const effect = plan ? (
    <>
      <p>
        Plan <code>{plan.id}</code>, digest <code>{digest.slice(0, 16)}…</code>
      </p>
      <ul>
        {plan.steps.map((s) => (
          <li key={s.n}>{s.sentence}</li>
        ))}
      </ul>
      <p>
        <strong>Targets:</strong> {targets.join(", ") || "none found yet"}. <strong>Impact:</strong> {impact(c, plan)}.
      </p>
    </>
  ) : null;

  const run: Order = {
    title: "Run this plan?",
    verb: "Run it now",
    danger: true,
    says: effect,
    command: `quell case run ${id} --digest ${digest}`,
    ...(incomplete ? { ask: { label: "It is INCOMPLETE. Why does it run all the same?", required: true } } : {}),
    run: async (reason) => void (await post("/api/v1/cases/{id}/run", { id }, { digest, ...(reason ? { reason } : {}) })),
  };
  const dry: Order = {
    title: "Dry-run",
    verb: "Ask whether it would run",
    says: <p>Nothing is changed and nothing is recorded.</p>,
    command: `quell case run ${id} --digest ${digest} --dry-run`,
    run: async () => {
      const answer: Case = await post("/api/v1/cases/{id}/run", { id }, { digest, dry_run: true });
      const would = answer.dry_run;
      return would?.would_run ? <p className="notice">It would run now. Policy is asked again for every attempt.</p> : <p className="notice">It would not run: {would?.because ?? "the server gave no reason"}</p>;
    },
  };
  const deny: Order = {
    title: waits ? "Refuse this plan?" : "Stop this plan?",
    verb: waits ? "Refuse it" : "Stop it",
    danger: true,
    says: (
      <>
        {effect}
        <p>{waits ? "The plan ends. What is usable now stays usable until somebody orders another plan." : "It does nothing more. What it has cut stays cut; use undo for the way back."}</p>
      </>
    ),
    command: `quell case deny ${id} --digest ${digest} --reason TEXT`,
    ask: { label: "Why?", required: true },
    run: async (reason) => void (await post("/api/v1/cases/{id}/deny", { id }, { digest, reason })),
  };
  const glass: Order = {
    title: "Break the glass for this plan?",
    verb: "Run it without them",
    danger: true,
    says: (
      <>
        {effect}
        <p>
          It runs now, without {c.waiting_for.filter((w) => w.plan === plan?.id && w.missing !== undefined).map((w) => role(w.role)).join(" and ")}. They are told, and one of them or another person reviews it before the case
          closes. It holds for 15 minutes and contains only; what is protected or not armed stays as it is.
        </p>
      </>
    ),
    command: `quell case break-glass ${id} --digest ${digest} --reason TEXT`,
    ask: { label: "Why is nobody waited for? They read it.", required: true },
    run: async (reason) => void (await post("/api/v1/cases/{id}/break-glass", { id }, { digest, reason })),
  };
  const undo = (mode: "reinstate" | "restore"): Order => ({
    title: mode === "reinstate" ? "Draft the way back?" : "Draft a restore?",
    verb: mode === "reinstate" ? "Draft a reinstate" : "Draft a restore",
    says:
      mode === "reinstate" ? (
        <p>The identity works again with new credentials; the old ones stay dead. The plan is approved and run like any other.</p>
      ) : (
        <p>The exact old credential lives again. Only after a recorded “not malicious”, and never where a secret was exposed.</p>
      ),
    command: `quell case undo ${id} --mode ${mode}`,
    run: async () => void (await post("/api/v1/cases/{id}/undo", { id }, { mode })),
  });
  const draft: Order = {
    title: "Draft a plan?",
    verb: "Draft it",
    says: <p>A containment is computed anew from what is known now. It changes nothing by itself.</p>,
    command: `quell case plan ${id}`,
    run: async () => void (await post("/api/v1/cases/{id}/plan", { id }, {} as never)),
  };

  return (
    <div className="orders row wrap">
      {mine && (
        <a data-approval className="button primary" data-command={`quell case approve ${id} --digest ${c.plans.find((p) => p.id === mine.plan)?.digest ?? "DIGEST"}`} href={`/cases/${encodeURIComponent(id)}/approval/${encodeURIComponent(mine.plan ?? "")}`}>
          Answer the approval (a)
        </a>
      )}
      {waits && (
        <>
          <button data-order="run" data-command={run.command} onClick={() => ask(run)}>
            Run (r)
          </button>
          <button data-order="dry-run" data-command={dry.command} onClick={() => ask(dry)}>
            Dry-run (d)
          </button>
        </>
      )}
      {plan && isOpen(plan) && (
        <button data-order="deny" className="danger" data-command={deny.command} onClick={() => ask(deny)}>
          {waits ? "Refuse" : "Stop"}
        </button>
      )}
      {waits && plan?.kind !== "undo" && c.waiting_for.some((w) => w.plan === plan?.id && w.missing !== undefined) && (
        <button data-order="break-glass" className="danger" data-command={glass.command} onClick={() => ask(glass)}>
          Break glass
        </button>
      )}
      {acted && (
        <button data-order="undo" data-command={undo("reinstate").command} onClick={() => ask(undo("reinstate"))}>
          Undo: reinstate (u)
        </button>
      )}
      {acted && <button data-command={undo("restore").command} onClick={() => ask(undo("restore"))}>Restore</button>}
      {c.state !== "closed" && !c.plans.some(isOpen) && <button data-command={draft.command} onClick={() => ask(draft)}>Draft a plan</button>}
      {plan?.started_at && (
        <span className="faint">
          started <Moment at={plan.started_at} />
        </span>
      )}
      {c.waiting_for[0]?.deadline && waits && (
        <span className="faint">
          ends undone <Until at={c.waiting_for[0].deadline} />
        </span>
      )}
    </div>
  );
}
