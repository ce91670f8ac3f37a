// What every screen beside the case has: a heading, a sentence that says what it
// answers, and the four states of anything that is read: loading, empty, refused, there.
import type { ReactNode } from "react";
import type { Read } from "../read";
import { useConnection } from "../live";
import { duration } from "../view/time";
import { useNowLocal } from "../live";
import { Problem } from "./small";

export function Screen({ title, says, children, aside }: { title: string; says: ReactNode; children: ReactNode; aside?: ReactNode }) {
  return (
    <div className="screen">
      <div className="row wrap between">
        <div>
          <h1>{title}</h1>
          <p className="faint says">{says}</p>
        </div>
        {aside && <div className="row wrap aside">{aside}</div>}
      </div>
      {children}
    </div>
  );
}

/** Loading, refused or there; what is old says so. */
export function Shown<T>({ read, what, children }: { read: Read<T>; what: string; children: (data: T) => ReactNode }) {
  const stale = useConnection() === "reconnecting";
  return (
    <>
      <Problem text={read.problem && (read.data ? `${read.problem}. What stands below was read before.` : read.problem)} />
      {read.problem && (
        <p>
          <button onClick={read.again}>Try again</button>
        </p>
      )}
      {read.data === null ? !read.problem && <p className="loading" role="status">Reading {what}…</p> : <>{stale && <p className="notice">Not connected: this is as of the last connection.</p>}{children(read.data)}</>}
    </>
  );
}

/** How long ago it was read. */
export function ReadAt({ at, verb = "read" }: { at: number | null; verb?: string }) {
  const now = useNowLocal();
  if (at === null) return null;
  const seconds = Math.max(0, (now - at) / 1000);
  return (
    <span className="faint">
      {verb} {seconds < 5 ? "just now" : `${duration(seconds)} ago`}
    </span>
  );
}

/** A table that scrolls by itself where it is wider than the page, by keyboard, too. */
export function Wide({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="wide" role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

/** Rows under their heads, scrolling sideways on a narrow screen. */
export function Table({ label, heads, className, children }: { label: string; heads: string[]; className?: string; children: ReactNode }) {
  return (
    <Wide label={label}>
      <table className={className ? `rows ${className}` : "rows"}>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </Wide>
  );
}
