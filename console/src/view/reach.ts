// Where the nodes of a reach stand: one column a hop, at most as many as a person
// can take in.
import type { Reach } from "../api/client";

export const NODES_MAX = 150;
const [COLUMN, LINE, EDGE] = [300, 22, 20];

export interface Node {
  id: string;
  basis: "start" | "observed" | "possible";
  path: readonly string[];
  x: number;
  y: number;
}

export interface Picture {
  nodes: Node[];
  edges: { from: string; to: string; basis: "observed" | "possible"; x1: number; y1: number; x2: number; y2: number }[];
  left_out: number;
  width: number;
  height: number;
}

export function layout(reach: Reach): Picture {
  const all = [...reach.observed.map((r) => ({ ...r, basis: "observed" as const })), ...reach.possible.map((r) => ({ ...r, basis: "possible" as const }))].sort(
    (a, b) => a.path.length - b.path.length,
  );
  const drawn = all.slice(0, NODES_MAX - 1);
  const filled = new Map<number, number>();
  const place = (hop: number): { x: number; y: number } => {
    const n = filled.get(hop) ?? 0;
    filled.set(hop, n + 1);
    return { x: EDGE + hop * COLUMN, y: EDGE + n * LINE };
  };
  const nodes: Node[] = [{ id: reach.start, basis: "start", path: [reach.start], ...place(0) }];
  for (const r of drawn) nodes.push({ id: r.id, basis: r.basis, path: r.path, ...place(r.path.length - 1) });
  const at = new Map(nodes.map((n) => [n.id, n]));
  const edges: Picture["edges"] = [];
  for (const r of drawn) {
    const [from, to] = [at.get(r.path.at(-2) ?? ""), at.get(r.id)];
    if (from && to) edges.push({ from: from.id, to: to.id, basis: r.basis, x1: from.x, y1: from.y, x2: to.x, y2: to.y });
  }
  const columns = Math.max(0, ...filled.keys()) + 1;
  return { nodes, edges, left_out: all.length - drawn.length, width: columns * COLUMN + EDGE, height: Math.max(0, ...filled.values()) * LINE + EDGE * 2 };
}
