// Where the reader is: the address says it, and nothing else does.
import { useSyncExternalStore, type AnchorHTMLAttributes, type MouseEvent } from "react";

const watchers = new Set<() => void>();
const changed = (): void => watchers.forEach((watcher) => watcher());
window.addEventListener("popstate", changed);

const read = (): string => window.location.pathname + window.location.search;

export function go(to: string, how: "push" | "replace" = "push"): void {
  if (to === read()) return;
  if (how === "push") window.history.pushState(null, "", to);
  else window.history.replaceState(null, "", to);
  changed();
  if (how === "push") {
    window.scrollTo(0, 0);
    document.querySelector<HTMLElement>("main")?.focus();
  }
}

export function useRoute(): { path: string; search: URLSearchParams } {
  const at = useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    read,
  );
  const url = new URL(at, window.location.origin);
  return { path: url.pathname, search: url.searchParams };
}

/** A link inside of the app; everything that is not a plain click is the browser's. */
export function Link(props: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent<HTMLAnchorElement>): void => {
    props.onClick?.(event);
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(props.href);
  };
  return <a {...props} onClick={follow} />;
}
