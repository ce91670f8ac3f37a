// Keys for everything. A key that is held fires nothing; no key acts while
// somebody writes; an order always goes through a dialog that names its target.
import { useEffect, useRef } from "react";

export interface Key {
  key: string;
  says: string;
  act: () => void;
}

const layers: { current: readonly Key[] }[] = [];

const writes = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

window.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || writes(event.target) || document.querySelector("[role=dialog],dialog[open]")) return;
  for (const layer of [...layers].reverse()) {
    const found = layer.current.find((k) => k.key === event.key);
    if (!found) continue;
    event.preventDefault();
    found.act();
    return;
  }
});

/** Control-K, or its like, from everywhere but a dialog. */
export function usePaletteKey(act: () => void): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      event.preventDefault();
      if (!event.repeat && !document.querySelector("[role=dialog],dialog[open]")) latest.current();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}

/** These keys act while the screen is there. */
export function useKeys(keys: readonly Key[]): void {
  const layer = useRef<readonly Key[]>(keys);
  layer.current = keys;
  useEffect(() => {
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
    };
  }, []);
}

/** Every key that acts now, for the help. */
export function keysNow(): Key[] {
  const seen = new Map<string, Key>();
  for (const layer of layers) for (const key of layer.current) seen.set(key.key, key);
  return [...seen.values()];
}
