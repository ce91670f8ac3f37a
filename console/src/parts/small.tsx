// Small pieces that every screen uses.
import * as Ariakit from "@ariakit/react";
import { useState, type ReactNode } from "react";
import type { Life } from "../api/client";
import { useConnection, useNow } from "../live";
import { duration, localTime, utcTime } from "../view/time";
import { GLOSS, STATES, visible, type Tone } from "../view/words";

/** Nothing that the server said stays green while it is not heard; only what was checked here does (`lasting`). */
export function Badge({ tone, mark, children, title, lasting = false }: { tone: Tone; mark: string; children: ReactNode; title?: string; lasting?: boolean }) {
  const stale = useConnection() === "reconnecting";
  return (
    <span className={`state ${tone === "good" && stale && !lasting ? "amber" : tone}`} title={title}>
      <span aria-hidden="true">{mark}</span> {children}
    </span>
  );
}

export function LifeBadge({ state }: { state: Life }) {
  const { tone, mark, says } = STATES[state];
  return (
    <Badge tone={tone} mark={mark} title={says}>
      {state}
    </Badge>
  );
}

/** A moment in UTC; the reader's own clock in its tooltip. */
export function Moment({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={`${localTime(at)} here; ${at}`}>
      {utcTime(at, now)}
    </time>
  );
}

/** How long until a deadline; what is over says so. */
export function Until({ at }: { at: string }) {
  const left = (Date.parse(at) - useNow()) / 1000;
  return (
    <span className={left < 120 ? "soon" : undefined}>
      {left > 0 ? `in ${duration(left)}` : "over"} (<Moment at={at} />)
    </span>
  );
}

/** What an outsider wrote: quoted, in one line of view, with the rest on demand. */
export function Outside({ text }: { text: string }) {
  const [whole, setWhole] = useState(false);
  const shown = visible(text, whole ? 20_000 : 160);
  return (
    <>
      <q className="outside" dir="ltr">
        {shown}
      </q>
      {text.length > 160 && (
        <button className="quiet" onClick={() => setWhole(!whole)} aria-expanded={whole}>
          {whole ? "shorter" : "all of it"}
        </button>
      )}
    </>
  );
}

/** A hard word with its gloss: focusable, and the gloss is read out with it. */
export function Term({ word, children }: { word: keyof typeof GLOSS & string; children?: ReactNode }) {
  return (
    <Ariakit.TooltipProvider>
      <Ariakit.TooltipAnchor render={<span className="term" tabIndex={0} />}>{children ?? word}</Ariakit.TooltipAnchor>
      <Ariakit.Tooltip className="tooltip" portal={false}>
        {GLOSS[word]}
      </Ariakit.Tooltip>
    </Ariakit.TooltipProvider>
  );
}

/** The same as a command, to copy. */
export function Command({ line }: { line: string }) {
  const [copied, setCopied] = useState(false);
  const copy = (): void => {
    void navigator.clipboard?.writeText(line).then(() => setCopied(true));
  };
  return (
    <div className="command">
      <code>{line}</code>
      <button className="quiet" onClick={copy}>
        {copied ? "copied" : "copy"}
      </button>
    </div>
  );
}

export function Problem({ text }: { text: string | null }) {
  return text ? (
    <p className="notice bad" role="alert">
      {text}
    </p>
  ) : null;
}
