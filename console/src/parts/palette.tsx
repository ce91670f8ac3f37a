// The palette: everything by name, from everywhere. It goes to places and presses what
// the page offers; an order that it presses opens the same dialog as its button.
import * as Ariakit from "@ariakit/react";
import { useEffect, useMemo, useRef, useState } from "react";
import { get } from "../api/client";
import type { Key } from "../keys";
import { PLACES } from "../places";
import { go } from "../route";
import { moved, ranked, type Item } from "../view/palette";
import { visible } from "../view/words";

interface Offered extends Item {
  act: () => void;
}

export function Palette({ keys, onClose }: { keys: readonly Key[]; onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [cases, setCases] = useState<Offered[]>([]);
  const [identities, setIdentities] = useState<Offered[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    const missing = (): void => setProblem("Cases and identities could not be read; places and keys are here.");
    get("/api/v1/cases", { limit: 200 }).then((found) => setCases(found.cases.map((c) => ({ id: `case-${c.id}`, group: "Case", label: c.headline.split(". ")[0] ?? c.id, hint: `${c.id} ${c.state}`, act: () => go(`/cases/${c.id}`) }))), missing);
    get("/api/v1/identities", { limit: 500 }).then((found) => setIdentities(found.identities.map((i) => ({ id: `identity-${i.id}`, group: "Identity", label: visible(i.name ?? i.id, 80), hint: visible(i.id, 80), act: () => go(`/identities?ref=${encodeURIComponent(i.id)}`) }))), missing);
  }, []);
  const fixed = useMemo((): Offered[] => {
    const places = PLACES.map((p) => ({ id: `place-${p.path}`, group: "Go to", label: p.name, hint: `${p.says} · ${p.key}`, act: () => go(p.path) }));
    const taken = new Set(PLACES.map((p) => p.key));
    const here = keys.filter((k) => !taken.has(k.key)).map((k) => ({ id: `key-${k.key}`, group: "On this page", label: k.says, hint: k.key, act: k.act }));
    return [...places, ...here];
  }, [keys]);
  const shown = ranked([...fixed, ...cases, ...identities], text);
  const chosen = shown[Math.min(at, shown.length - 1)];
  const move = (by: number): void => {
    const next = moved(Math.min(at, shown.length - 1), by, shown.length);
    setAt(next);
    list.current?.children[next]?.scrollIntoView({ block: "nearest" });
  };
  const run = (item: Offered | undefined): void => {
    if (!item) return;
    onClose();
    // After the dialog is gone: what the page offers acts on the page, and not behind a dialog.
    window.setTimeout(item.act, 0);
  };
  return (
    <Ariakit.Dialog open onClose={onClose} className="dialog palette" backdrop={<div className="backdrop" />} preventBodyScroll={false} aria-label="Palette">
      <input
        autoFocus
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-autocomplete="list"
        aria-activedescendant={chosen ? `palette-${chosen.id}` : undefined}
        aria-label="Go to, or do"
        placeholder="A screen, a case, an identity, or what this page can do"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) return;
          const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          if (by !== undefined) {
            event.preventDefault();
            move(by);
          } else if (event.key === "Enter" && !event.repeat) {
            event.preventDefault();
            run(chosen);
          }
        }}
      />
      {problem && <p className="notice">{problem}</p>}
      <ul ref={list} id="palette-list" role="listbox" aria-label="What there is">
        {shown.map((item) => (
          <li key={item.id} id={`palette-${item.id}`} role="option" aria-selected={item === chosen} onClick={() => run(item)}>
            <span className="group">{item.group}</span> <span>{item.label}</span> <span className="faint">{item.hint}</span>
          </li>
        ))}
      </ul>
      {shown.length === 0 && <p className="notice">Nothing here is called that. Only the newest 200 open cases are looked through.</p>}
      <p className="faint">Arrows move, Enter goes, Escape leaves. An order opens its dialog first; nothing is changed from here.</p>
    </Ariakit.Dialog>
  );
}
