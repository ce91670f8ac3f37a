// The first run: three steps, each done or not by what the server says and not by what
// somebody clicked; and a self-test that tells what was tried, with what result.
import type { Plane } from "../api/client";

export interface Facts {
  planes: readonly Plane[];
  identities: number;
  owned: number;
  sources: number;
  /** People whose yes can count. */
  approvers: number;
}

export interface Step {
  n: 1 | 2 | 3;
  title: string;
  done: boolean;
  says: string;
  /** What to do next; the commands in order. */
  next: readonly string[];
}

export function steps(f: Facts): Step[] {
  const alive = f.planes.filter((p) => p.reachable === true && p.control_alive === true);
  const owners = f.identities > 0 && f.owned > 0;
  return [
    {
      n: 1, title: "Connect a plane", done: alive.length > 0,
      says: f.planes.length === 0 ? "No plane is in quell.toml: nothing can be looked at or cut." : alive.length > 0 ? `${alive.map((p) => `${p.name} answers, control alive; it is ${p.armed_until === null ? "only observing" : "armed"}`).join(". ")}.` : "A plane is configured, and none answers with its control alive: nothing could be proved.",
      next: ["quell connector bootstrap NAME", "quell connector check"],
    },
    {
      n: 2, title: "Say whose what is", done: owners && f.approvers > 1,
      says: `${f.identities} identities, ${f.owned} with an owner; ${f.approvers} ${f.approvers === 1 ? "person's" : "people's"} yes can count.${f.approvers < 2 ? " One person alone cannot approve what they propose." : ""}`,
      next: ["quell inventory import FILE", "quell user create NAME --role iam --email M"],
    },
    {
      n: 3, title: "Let a detector speak", done: f.sources > 0, says: f.sources === 0 ? "No source may send alerts yet." : `${f.sources} ${f.sources === 1 ? "source" : "sources"} may send alerts.`,
      next: ["quell source create gitleaks-ci --detector gitleaks", "quell alert fold --source gitleaks-ci FILE"],
    },
  ];
}

export interface Check {
  name: string;
  /** Null: it could not be tried. */
  ok: boolean | null;
  says: string;
}

/** What a self-test comes to: what could not be tried is no pass. */
export function summary(checks: readonly Check[]): { ok: boolean; says: string } {
  const [failed, untried] = [checks.filter((c) => c.ok === false).length, checks.filter((c) => c.ok === null).length];
  if (checks.length === 0) return { ok: false, says: "nothing was tried yet" };
  if (failed === 0 && untried === 0) return { ok: true, says: `all ${checks.length} passed just now` };
  return { ok: false, says: [failed > 0 && `${failed} failed`, untried > 0 && `${untried} could not be tried`, `of ${checks.length}`].filter(Boolean).join(", ") };
}
