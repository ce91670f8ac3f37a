// The search over the log: what is asked stands in the address.

export interface Asked {
  text: string;
  types: string;
  stream: string;
  by: string;
}

/** Families of lines that people look for, by the types they consist of. */
export const FAMILIES: readonly { id: string; name: string; types: string }[] = [
  { id: "all", name: "Everything", types: "" },
  { id: "authority", name: "Approvals and verdicts", types: "approval_given,glass_broken,plan_denied,verdict_given,lead_taken,plan_decided" },
  { id: "acts", name: "Acts on planes", types: "attempt_intended,attempt_ended,hold_placed,hold_released,secret_used" },
  { id: "proofs", name: "Proofs", types: "target_probed,reuse_seen" },
  { id: "installation", name: "Arming, pauses, policy", types: "connector_armed,connector_disarmed,automation_paused,automation_resumed,policy_loaded,clock_stepped" },
  { id: "accounts", name: "Accounts", types: "person_created,person_changed,token_created,token_revoked,signed_in,source_created" },
  { id: "acceptances", name: "Acceptances", types: "rest_accepted" },
  { id: "erasures", name: "Erasures and exports", types: "erasure_requested,erasure_approved,erasure_denied,erasure_extended,erasure_withdrawn,values_erased,case_exported,population_exported" },
];

export function askedOf(search: URLSearchParams): Asked {
  return { text: search.get("q") ?? "", types: search.get("type") ?? "", stream: search.get("stream") ?? "", by: search.get("by") ?? "" };
}

export function searchOf(asked: Asked): string {
  const search = new URLSearchParams();
  if (asked.text) search.set("q", asked.text);
  if (asked.types) search.set("type", asked.types);
  if (asked.stream) search.set("stream", asked.stream);
  if (asked.by) search.set("by", asked.by);
  const text = search.toString();
  return text ? `?${text}` : "";
}

/** How far a search came, so that nothing found never passes for nothing there. */
export function reached(found: number, lookedAt: number, next: number | null): string {
  const lines = `${found} ${found === 1 ? "line" : "lines"} in ${lookedAt} looked at`;
  return next === null ? `${lines}, down to the first of the log` : `${lines}; ${next} older ones were not looked at`;
}

/** How much of the log the last checkpoint signed. */
export function unsigned(size: number, signedSize: number | null): string {
  if (signedSize === null) return "no checkpoint was signed yet";
  return signedSize === size ? "every line is under the signed checkpoint" : `the newest ${size - signedSize} ${size - signedSize === 1 ? "line is" : "lines are"} not under a signed checkpoint yet`;
}

/**
 * Does a search follow by itself when a line of `type` is recorded? One that looks far
 * back does not: it says how many newer lines there are. Null asks whether it follows
 * everything that it would show.
 */
export function isLive(asked: Asked, type: string | null): boolean {
  if (asked.text || asked.stream || asked.by) return false;
  return asked.types === "" || type === null || asked.types.split(",").includes(type);
}
