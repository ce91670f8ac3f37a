// The queue: which rows, in which order; all of it stands in the address.
import type { CaseRow } from "../api/client";
import { isMine } from "./case";

export const VIEWS = ["all", "mine", "waiting", "unproven", "unowned"] as const;
export type View = (typeof VIEWS)[number];

export const VIEW_NAMES: Record<View, string> = { all: "All open", mine: "Mine", waiting: "Waiting for approval", unproven: "Unproven", unowned: "No owner" };

export interface Filter {
  view: View;
  text: string;
}

export function filterOf(search: URLSearchParams): Filter {
  const view = search.get("view");
  return { view: VIEWS.find((v) => v === view) ?? "all", text: search.get("q") ?? "" };
}

export function searchOf(filter: Filter): string {
  const search = new URLSearchParams();
  if (filter.view !== "all") search.set("view", filter.view);
  if (filter.text) search.set("q", filter.text);
  const text = search.toString();
  return text ? `?${text}` : "";
}

export interface Me {
  user: string;
  roles: readonly string[];
}

export function matches(row: CaseRow, filter: Filter, me: Me): boolean {
  const text = filter.text.trim().toLowerCase();
  const said = [row.id, row.headline, row.state, row.because, ...row.kinds].join(" ").toLowerCase();
  return inView(row, filter.view, me) && text.split(/\s+/).every((word) => said.includes(word));
}

export function inView(row: CaseRow, view: View, me: Me): boolean {
  switch (view) {
    case "all":
      return true;
    case "mine":
      return row.lead === me.user || row.waiting_for.some((w) => isMine(w, me));
    case "waiting":
      return row.waiting_for.some((w) => w.missing !== undefined);
    case "unproven":
      return row.exposure === null || row.exposure.running;
    case "unowned":
      return !row.owned;
  }
}

/** Running clocks first, the nearest deadline before others, then the newest. */
export function inOrder(rows: readonly CaseRow[]): CaseRow[] {
  const running = (r: CaseRow): number => (r.exposure === null || r.exposure.running ? 0 : 1);
  const deadline = (r: CaseRow): number => Math.min(...r.waiting_for.map((w) => (w.deadline ? Date.parse(w.deadline) : Infinity)), Infinity);
  const order = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);
  return [...rows].sort((a, b) => order(running(a), running(b)) || order(deadline(a), deadline(b)) || b.opened_at.localeCompare(a.opened_at));
}

/** What of a selection still is in view: nothing is ordered for a row that nobody sees. */
export const stillShown = (selected: ReadonlySet<string>, rows: readonly CaseRow[]): CaseRow[] => rows.filter((row) => selected.has(row.id));

export interface Tried {
  id: string;
  /** The refusal; null where it was done. */
  refused: string | null;
}

/** `3 of 4 done`, and what was refused, each with its reason. */
export function outcome(tried: readonly Tried[]): { headline: string; refused: Tried[] } {
  const refused = tried.filter((t) => t.refused !== null);
  return { headline: `${tried.length - refused.length} of ${tried.length} done`, refused };
}
