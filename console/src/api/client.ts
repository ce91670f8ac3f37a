// The API, typed by its own description: `schema.d.ts` is made from it by `npm run types`.
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export type Approval = Schemas["Approval"];
export type Case = Schemas["Case"];
export type CaseRow = Schemas["CaseRow"];
export type EventLine = Schemas["EventLine"];
export type Exposure = Schemas["Exposure"];
export type Finding = Schemas["Finding"];
export type Holding = Schemas["Holding"];
export type InboxRow = Schemas["InboxRow"];
export type Leaf = Schemas["Leaf"];
export type Life = Schemas["Life"];
export type Me = Schemas["Me"];
export type Mode = Schemas["Mode"];
export type Plan = Schemas["Plan"];
export type Reach = Schemas["ReachAnswer"];
export type Stage = Schemas["Stage"];
export type Step = Schemas["Step"];
export type StepState = Schemas["StepState"];
export type Waiting = Schemas["Waiting"];
export type Why = Schemas["Why"];
export type Explained = Schemas["Explained"];
export type HeldIn = Schemas["HeldIn"];
export type IdentityRow = Schemas["IdentityRow"];
export type Ledger = Schemas["Ledger"];
export type LedgerLine = Schemas["LedgerLine"];
export type Measures = Schemas["Measures"];
export type MeasuredCase = Schemas["MeasuredCase"];
export type Offered = Schemas["Offered"];
export type OwnerLine = Schemas["OwnerLine"];
export type Plane = Schemas["Plane"];
export type Source = Schemas["SourceRow"];
export type BlindSource = Schemas["BlindSource"];
export type CaseNotice = Schemas["CaseNotice"];
export type PolicyRow = Schemas["PolicyRow"];

type Json<T> = T extends { responses: { 200: { content: { "application/json": infer Body } } } } ? Body : never;
export type Getable = { [P in keyof paths]: paths[P] extends { get: object } ? P : never }[keyof paths];
export type Answer<P extends Getable> = Json<paths[P]["get"]>;
type Postable = { [P in keyof paths]: paths[P] extends { post: object } ? P : never }[keyof paths];
type BodyOf<T> = T extends { requestBody: { content: { "application/json": infer Body } } } ? Body : Record<string, never>;

/** A refusal: the server's own sentence, which ends with the next move. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

let csrf = "";

/** What changes something carries it; `whoami` tells it to pages of this origin. */
export function useCsrf(value: string): void {
  csrf = value;
}

export type Values = Record<string, string | number | undefined>;

/** Fills `{name}` in the path; what is left over is the query. */
export function address(path: string, values: Values = {}): string {
  const query = new URLSearchParams();
  let filled = path;
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    const slot = `{${name}}`;
    if (filled.includes(slot)) filled = filled.replace(slot, encodeURIComponent(value));
    else query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${filled}?${text}` : filled;
}

async function call(method: string, url: string, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = method === "GET" ? {} : { "content-type": "application/json", "quell-csrf": csrf };
  let answer: Response;
  try {
    answer = await fetch(url, { method, headers, credentials: "same-origin", cache: "no-store", ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  } catch {
    throw new Refused(0, "the server does not answer; nothing is known to have happened");
  }
  if (answer.ok) return answer;
  const problem: unknown = await answer.json().catch(() => null);
  const detail = problem && typeof problem === "object" && "detail" in problem ? String(problem.detail) : `the server answered ${answer.status}`;
  throw new Refused(answer.status, detail);
}

export async function get<P extends Getable>(path: P, values?: Values): Promise<Json<paths[P]["get"]>> {
  return (await call("GET", address(path, values))).json();
}

export async function post<P extends Postable>(path: P, values: Values, body: BodyOf<paths[P]["post"]>): Promise<Json<paths[P]["post"]>> {
  return (await call("POST", address(path, values), body)).json();
}
