// What may be said of an identity: who answers for it and how lately that was
// confirmed, and each credential with what was proved of it, if anything was.
import type { HeldIn, OwnerLine } from "../api/client";
import { STATES, type Tone } from "./words";

/** A confirmation counts as fresh for this long. */
export const FRESH_DAYS = 90;

export interface Freshness {
  tone: Tone;
  says: string;
}

export function freshness(confirmedAt: string | null, now: number): Freshness {
  const at = confirmedAt === null ? NaN : Date.parse(confirmedAt);
  if (Number.isNaN(at)) return { tone: "amber", says: "never confirmed" };
  const days = Math.floor((now - at) / 86_400_000);
  if (days < 0) return { tone: "amber", says: "confirmed in the future: check the date" };
  const ago = days === 0 ? "today" : days === 1 ? "yesterday" : `${days} days ago`;
  return days <= FRESH_DAYS ? { tone: "plain", says: `confirmed ${ago}` } : { tone: "amber", says: `confirmed ${ago}: older than ${FRESH_DAYS} days` };
}

export const ownerName = (owner: Pick<OwnerLine, "person" | "team">): string => owner.person ?? owner.team ?? "nobody named";

/** The one who is asked first, as routing has it: business before the others. */
export function accountable(owners: readonly OwnerLine[]): OwnerLine | null {
  return owners.find((o) => o.role === "business") ?? owners[0] ?? null;
}

/** What an inventory says of a credential. */
export interface Listed {
  type: string;
  id: string;
  kind?: string;
  issued_at?: string | null;
  expires_at?: string | null;
  last_used_at?: string | null;
  started_at?: string | null;
}

export interface CredentialRow {
  id: string;
  what: "credential" | "session";
  kind: string | null;
  /** What a case knows of it; null: no case has looked at it, which is not that it is safe. */
  held: HeldIn | null;
  listed: Listed | null;
}

/** Credentials and sessions of an identity, those that need somebody first. */
export function credentialRows(objects: readonly Listed[], holdings: readonly HeldIn[]): CredentialRow[] {
  const rows = new Map<string, CredentialRow>();
  for (const o of objects) if (o.type === "credential" || o.type === "session") rows.set(o.id, { id: o.id, what: o.type, kind: o.kind ?? null, held: null, listed: o });
  for (const held of holdings) {
    if (held.what === "entitlement") continue;
    const { id, kind } = held.holding;
    rows.set(id, { id, what: held.what as "credential" | "session", kind: kind ?? rows.get(id)?.kind ?? null, held, listed: rows.get(id)?.listed ?? null });
  }
  const order: Tone[] = ["bad", "amber", "busy", "plain", "good"];
  const rank = (row: CredentialRow): number => (row.held ? order.indexOf(STATES[row.held.holding.state].tone) : 3);
  return [...rows.values()].sort((a, b) => rank(a) - rank(b) || a.id.localeCompare(b.id));
}

/** How many stand in each state; what no case looked at counts apart. */
export function byState(rows: readonly CredentialRow[]): { state: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const state = row.held?.holding.state ?? "not looked at";
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return [...counts].map(([state, count]) => ({ state, count }));
}

/** What policy is asked to foretell a containment: facts of the inventory, and circumstances that the reader sees. */
export interface Circumstances {
  corroborated: boolean;
  secret_exposed: boolean;
  confidence: number;
}

export interface Facts {
  id: string;
  kind: string;
  environment: string | null;
  criticality: string | null;
  shared: boolean | null;
  third_party: boolean | null;
  protected: boolean | null;
  hasBusinessOwner: boolean;
  consumers: number;
  reach: number | null;
}

export function question(facts: Facts, plane: string, action: string, reversible: string, armed: boolean, paused: boolean, over: Circumstances, hour: number): Record<string, unknown> {
  return {
    action,
    identity: {
      plane, kind: facts.kind, environment: facts.environment, criticality: facts.criticality, shared: facts.shared, third_party: facts.third_party,
      protected: facts.protected ? "declared protected in the inventory" : null, has_business_owner: facts.hasBusinessOwner,
    },
    // No consumer that is declared is not the same as none: unknown stays unknown.
    circumstances: {
      ...over, possession: over.secret_exposed, tier: "contain", reversible, armed, paused, reach: facts.reach, dependents: facts.consumers > 0 ? facts.consumers : null, approvals: {}, failover: false, not_malicious: false, sample: false, hour_utc: hour,
    },
  };
}
