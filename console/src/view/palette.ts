// What the palette offers for what was typed: every word must be found, and what
// begins with it stands first.

export interface Item {
  id: string;
  /** `Go to`, `Case`, `Identity`, `On this page`. */
  group: string;
  label: string;
  /** Found by, too, and shown faintly. */
  hint: string;
}

export const SHOWN_MAX = 40;

export function ranked<T extends Item>(items: readonly T[], text: string): T[] {
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const scored: { item: T; score: number; n: number }[] = [];
  for (const [n, item] of items.entries()) {
    const [label, all] = [item.label.toLowerCase(), `${item.group} ${item.label} ${item.hint}`.toLowerCase()];
    if (!words.every((word) => all.includes(word))) continue;
    const score = words.reduce((sum, word) => sum + (label.startsWith(word) ? 3 : label.split(/[\s/:.@_-]+/).some((part) => part.startsWith(word)) ? 2 : label.includes(word) ? 1 : 0), 0);
    scored.push({ item, score, n });
  }
  return scored
    .sort((a, b) => b.score - a.score || a.n - b.n)
    .slice(0, SHOWN_MAX)
    .map((s) => s.item);
}

/** The next place of the highlight; it goes round. */
export const moved = (at: number, by: number, many: number): number => (many === 0 ? 0 : (at + by + many) % many);
