// Figures: how long credentials stay usable, how fast cases are contained and proved,
// who answers, and what was closed without a proof. Every number says of how many
// cases it is, and what was not measured says so.
import { useState, type ReactNode } from "react";
import { useNow } from "../live";
import { Bars } from "../parts/chart";
import { Screen, Shown } from "../parts/screen";
import { Badge, Command } from "../parts/small";
import { useRead } from "../read";
import { Link } from "../route";
import { byDay, closedBySaying, closedUnproven, exposed, fallback, incidents, secondsTo, spread, type Spread } from "../view/measures";
import { duration } from "../view/time";
import { many } from "../view/words";
import type { Measures } from "../api/client";

const SPANS = [7, 30, 90] as const;

export default function MeasuresScreen() {
  const read = useRead("/api/v1/measures", {}, (told) => /^(case|plan|target)\//.test(told.stream), { pace: 5_000 });
  const [days, setDays] = useState<number>(30);
  return (
    <Screen
      title="Metrics"
      says="Over the incidents in this log; samples and posture are left out. Exposure ends at the start of the first probe that proved it over, never at an act."
      aside={
        <div role="group" aria-label="Over how many days" className="row">
          {SPANS.map((span) => (
            <button key={span} className="quiet" aria-pressed={days === span} onClick={() => setDays(span)}>
              {span} days
            </button>
          ))}
        </div>
      }
    >
      <Shown read={read} what="the cases">{(data) => <Figures data={data} days={days} />}</Shown>
      <Command line="quell case list --state all --json" />
    </Screen>
  );
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

function Figures({ data, days }: { data: Measures; days: number }) {
  const now = useNow();
  const since = now - days * 86_400_000;
  const cases = incidents(data.cases).filter((c) => Date.parse(c.opened_at) >= since);
  const buckets = byDay(cases, now, days);
  const owners = useRead("/api/v1/identities", { limit: 1 }, (told) => told.stream.startsWith("inventory"));
  const all = cases.map((c) => exposed(c, now));
  const ended = all.filter((e) => e !== null && !e.running).map((e) => e!.seconds);
  const running = all.filter((e) => e?.running);
  const contain = cases.map((c) => secondsTo(c, "acted")).filter((s) => s !== null);
  const prove = cases.map((c) => secondsTo(c, "proven")).filter((s) => s !== null);
  const back = fallback(cases);
  const [unproven, said] = [closedUnproven(cases), closedBySaying(cases)];
  const labels = buckets.map((b) => b.day);
  const owned = owners.data?.owned;
  return (
    <>
      {data.truncated && <p className="notice">These figures are of the newest {data.cases.length} cases; older ones are left out.</p>}
      {cases.length === 0 && <p className="notice">No incident was opened in these {days} days: nothing is measured. That is what this log says, and not that nothing happened.</p>}
      <div className="figures">
        <Figure name="Exposure, proved over" spread={spread(ended)} of="proved case" />
        <Figure name="Time to contain" spread={spread(contain)} of="case" says="acted on: from the detection to the first act; an act is no proof" />
        <Figure name="Time to prove" spread={spread(prove)} of="case" says="proven: from the detection to the proof" />
        <Plain name="Running now" value={cases.length === 0 ? null : String(running.length)} says={`of ${many(cases.length, "case")}; ${all.filter((e) => e === null).length} were not looked at`} alarm={running.length > 0} />
        <Plain name="Owner coverage, now" value={owned && owned.identities > 0 ? percent(owned.owned / owned.identities) : null} says={owned ? `${owned.owned} of ${owned.identities} identities have an owner, ${owned.by_business} of the business` : "the inventory is being read"} />
        <Plain name="Fallback share" value={back ? percent(back.share) : null} says={back ? `of ${many(back.of, "case")} nobody owned the identity; of ${back.unknown} more it is not known` : "no case names an identity of the inventory"} alarm={(back?.share ?? 0) > 0} />
        <Plain name="Unproven closures" value={cases.length === 0 ? null : String(unproven.length)} says={`${said.length} more were closed with an outcome that needs no proof`} alarm={unproven.length > 0} />
      </div>
      {unproven.length > 0 && (
        <p className="notice bad">
          Closed without a proof:{" "}
          {unproven.slice(0, 20).map((c, n) => (
            <span key={c.id}>
              {n > 0 && ", "}
              <Link href={`/cases/${c.id}`}>{c.id}</Link>
            </span>
          ))}
          {unproven.length > 20 && `, and ${unproven.length - 20} more`}
        </p>
      )}
      {cases.length > 0 && (
        <div className="charts">
          <Bars
            title="Exposure that was proved over, by the day a case was opened"
            heading="Day (UTC)"
            labels={labels}
            series={[
              { name: "median", values: buckets.map((b) => b.median), look: "solid" },
              { name: "longest", values: buckets.map((b) => b.worst), look: "hollow" },
            ]}
            says={(v) => (v === 0 ? "0" : duration(v))}
          />
          <Bars
            title="From the detection to the first act, and to the proof, by the day a case was opened (median)"
            heading="Day (UTC)"
            labels={labels}
            series={[
              { name: "to the first act", values: buckets.map((b) => b.contain), look: "striped" },
              { name: "to the proof", values: buckets.map((b) => b.prove), look: "solid" },
            ]}
            says={(v) => (v === 0 ? "0" : duration(v))}
          />
          <Bars
            title="Incidents by the day they were opened, and what was proved of them"
            heading="Day (UTC)"
            labels={labels}
            stacked
            scale={counts}
            series={[
              { name: "proved over", values: buckets.map((b) => b.proven), look: "solid" },
              { name: "exposure runs", values: buckets.map((b) => b.running), look: "striped" },
              { name: "not looked at, or given back", values: buckets.map((b) => b.notLooked), look: "dotted" },
            ]}
            says={String}
          />
        </div>
      )}
    </>
  );
}

/** Whole numbers up to `most`. */
function counts(most: number): number[] {
  const step = Math.max(1, Math.ceil(most / 4));
  return Array.from({ length: Math.max(1, Math.ceil(most / step)) + 1 }, (_, n) => n * step);
}

function Figure({ name, spread, of, says }: { name: string; spread: Spread | null; of: string; says?: string }) {
  return (
    <Plain
      name={name}
      value={spread ? duration(spread.median) : null}
      says={
        spread ? (
          <>
            {spread.of === 1 ? `of 1 ${of} alone` : `median of ${many(spread.of, of)}; nine in ten at most ${duration(spread.most)}`}
            {says && <>; {says}</>}
          </>
        ) : (
          "no case came to that in this time"
        )
      }
    />
  );
}

function Plain({ name, value, says, alarm = false }: { name: string; value: string | null; says: ReactNode; alarm?: boolean }) {
  return (
    <section className="card figure" aria-label={name}>
      <h2>{name}</h2>
      {value === null ? (
        <Badge tone="plain" mark="·">
          not measured
        </Badge>
      ) : (
        <strong className={alarm ? "big tone-bad" : "big"}>
          {alarm && <span aria-hidden="true">! </span>}
          {value}
        </strong>
      )}
      <p className="faint">{says}</p>
    </section>
  );
}
