// The frame around every screen: where one is, what this installation may do,
// whether what is shown is live, and who one is.
import * as Ariakit from "@ariakit/react";
import { Component, lazy, Suspense, useCallback, useEffect, useState, type ReactNode } from "react";
import { get, post, Refused, useCsrf, type Me, type Mode } from "./api/client";
import { keysNow, useKeys, usePaletteKey, type Key } from "./keys";
import { follow, setServerTime, useConnection, useTold } from "./live";
import { Moment } from "./parts/small";
import { OrderDialog, type Order } from "./parts/order";
import { CommandsSheet } from "./parts/commands";
import { fetchScreens, placeOf, PLACES } from "./places";
import { go, Link, useRoute } from "./route";
import { CaseScreen } from "./screens/case";
import { InboxScreen } from "./screens/inbox";
import { QueueScreen } from "./screens/queue";
import { GLOSS, role, STATES } from "./view/words";

const Palette = lazy(() => import("./parts/palette").then((m) => ({ default: m.Palette })));

export interface Session {
  me: Me;
  names: ReadonlyMap<string, string>;
  mode: Mode | null;
}

export function App() {
  const [session, setSession] = useState<Session | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const load = useCallback(async () => {
    try {
      const me = await get("/api/v1/whoami");
      useCsrf(me.csrf ?? "");
      const [users, mode] = await Promise.all([get("/api/v1/users").catch(() => ({ users: [] })), get("/api/v1/automation").catch(() => null)]);
      if (mode) setServerTime(mode.now);
      setSession({ me, names: new Map(users.users.map((u) => [u.user, u.name])), mode });
      setProblem(null);
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        window.location.assign(`/sign-in?next=${encodeURIComponent(window.location.pathname + window.location.search)}`);
      } else setProblem(error instanceof Refused ? error.message : String(error));
    }
  }, []);
  useEffect(() => void load(), [load]);
  useTold((told) => told.stream.startsWith("policy/") || told.stream.startsWith("person/"), () => void load());
  // The mode ends by the clock, too, and nothing is recorded then.
  useEffect(() => {
    const timer = window.setInterval(() => void load(), 60_000);
    return () => window.clearInterval(timer);
  }, [load]);

  if (!session) return problem ? <Unreachable text={problem} retry={() => void load()} /> : <p className="loading">Loading…</p>;
  return <Frame session={session} />;
}

function Unreachable({ text, retry }: { text: string; retry: () => void }) {
  return (
    <main className="alone">
      <h1>Quell does not answer</h1>
      <p className="notice bad" role="alert">
        {text}
      </p>
      <button onClick={retry}>Try again</button>
    </main>
  );
}

function Frame({ session }: { session: Session }) {
  const { path, search } = useRoute();
  const [help, setHelp] = useState(false);
  const [waiting, setWaiting] = useState<number | null>(null);
  const readInbox = useCallback(() => {
    get("/api/v1/inbox").then(
      (inbox) => setWaiting(inbox.cases.reduce((n, c) => n + c.waiting_for.length, 0)),
      () => setWaiting(null),
    );
  }, []);
  useEffect(() => follow(), []);
  useEffect(() => {
    const timer = window.setTimeout(() => void fetchScreens(), 2_000);
    return () => window.clearTimeout(timer);
  }, []);
  useEffect(readInbox, [readInbox]);
  useTold((told) => /^(case|plan|approval)\//.test(told.stream), readInbox);
  const [commands, setCommands] = useState(false);
  const [palette, setPalette] = useState<readonly Key[] | null>(null);
  usePaletteKey(() => setPalette(keysNow()));
  useKeys([
    { key: "?", says: "help: keys, screens, words", act: () => setHelp(true) },
    { key: ".", says: "the commands behind the buttons of this page", act: () => setCommands(true) },
    ...PLACES.map((place) => ({ key: place.key, says: `${place.name}: ${place.says}`, act: () => go(place.path) })),
  ]);
  const id = /^\/cases\/([^/]+)$/.exec(path)?.[1];
  const place = placeOf(path);
  useEffect(() => {
    if (!id) document.title = place && place.path !== "/" ? `${place.name} · Quell` : "Quell";
  }, [id, place]);
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="bar">
        <Link className="brand" href="/">
          Quell
        </Link>
        <nav aria-label="Screens">
          {PLACES.map((p) => (
            <Link key={p.path} href={p.path} aria-current={path === p.path ? "page" : undefined} title={`${p.says} (${p.key})`}>
              {p.name}
              {p.path === "/inbox" && waiting !== null ? ` (${waiting})` : ""}
            </Link>
          ))}
        </nav>
        <ModeBadge session={session} />
        <Connected />
        <button className="quiet" onClick={() => setPalette(keysNow())} aria-keyshortcuts="Control+K">
          Find <kbd aria-hidden="true">Ctrl K</kbd>
        </button>
        <Account me={session.me} help={() => setHelp(true)} />
      </header>
      <main id="main" tabIndex={-1}>
        {id ? (
          <CaseScreen key={id} id={decodeURIComponent(id)} session={session} />
        ) : path === "/inbox" ? (
          <InboxScreen session={session} />
        ) : place?.Screen ? (
          <Broken key={path}>
            <place.Screen session={session} search={search} />
          </Broken>
        ) : (
          <QueueScreen search={search} session={session} />
        )}
      </main>
      {help && <Help onClose={() => setHelp(false)} />}
      {palette && (
        <Suspense fallback={null}>
          <Palette keys={palette} onClose={() => setPalette(null)} />
        </Suspense>
      )}
      {commands && <CommandsSheet place={place ?? null} onClose={() => setCommands(false)} />}
    </>
  );
}

/** A screen that could not be fetched, or that failed, says so; the frame stays. */
class Broken extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };
  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }
  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <div className="notice bad" role="alert">
        <p>This screen could not be shown. Nothing was changed by that.</p>
        <button onClick={() => window.location.reload()}>Load it again</button>
      </div>
    );
  }
}

/** Observe, armed or paused: it stands on every page. */
function ModeBadge({ session }: { session: Session }) {
  const [order, setOrder] = useState<Order | null>(null);
  const { mode } = session;
  if (!mode) return <span className="state amber">mode unknown</span>;
  const armed = mode.planes.filter((p) => p.armed_until);
  const pause: Order = {
    title: "Pause automation?",
    verb: "Pause for one hour",
    danger: true,
    says: "Quell stops acting on every plane at once, in every case. Probes go on, and running exposure clocks keep running. The pause ends by itself in one hour; another person can end it sooner.",
    command: "quell automation pause --until +1h --reason TEXT",
    ask: { label: "Why?", required: true },
    run: async (reason) => void (await post("/api/v1/automation/pause", {}, { until: "1h", reason })),
  };
  const resume: Order = {
    title: "Resume automation?",
    verb: "Resume",
    says: "Plans that policy permits run again. Whoever paused cannot be the one who resumes.",
    command: "quell automation resume",
    run: async () => void (await post("/api/v1/automation/resume", {}, {} as never)),
  };
  return (
    <div className="mode">
      {mode.mode === "paused" && (
        <span className="state amber">
          <span aria-hidden="true">‖</span> PAUSED until {mode.until ? <Moment at={mode.until} /> : "?"}
        </span>
      )}
      {mode.mode === "armed" && (
        <span className="state busy" title={armed.map((p) => `${p.name}: ${p.actions.join(", ")}`).join("\n")}>
          <span aria-hidden="true">▲</span> ARMED {armed.map((p) => p.name).join(", ")}
        </span>
      )}
      {mode.mode === "observe" && (
        <span className="state plain" title="It plans, asks, reads and records, and changes nothing.">
          <span aria-hidden="true">○</span> OBSERVES: nothing is changed
        </span>
      )}
      <button className="quiet" data-command={(mode.mode === "paused" ? resume : pause).command} onClick={() => setOrder(mode.mode === "paused" ? resume : pause)}>
        {mode.mode === "paused" ? "Resume" : "Pause"}
      </button>
      {order && <OrderDialog order={order} onClose={() => setOrder(null)} />}
    </div>
  );
}

function Connected() {
  const connection = useConnection();
  const says = { connecting: "connecting…", live: "live", reconnecting: "RECONNECTING: what you see may be old" }[connection];
  return (
    <span className={`state ${connection === "live" ? "plain" : "amber"}`} role="status" data-connection={connection}>
      <span aria-hidden="true">{connection === "live" ? "●" : "⟳"}</span> {says}
    </span>
  );
}

function Account({ me, help }: { me: Me; help: () => void }) {
  const theme = (name: string | null): void => {
    if (name) document.documentElement.dataset["theme"] = name;
    else delete document.documentElement.dataset["theme"];
    try {
      if (name) localStorage.setItem("theme", name);
      else localStorage.removeItem("theme");
    } catch {
      // A browser that keeps nothing shows its own theme.
    }
  };
  return (
    <div className="who">
      <Ariakit.MenuProvider>
        <Ariakit.MenuButton className="quiet">{me.name ?? me.user} ▾</Ariakit.MenuButton>
        <Ariakit.Menu className="menu" gutter={4} portal>
          <p className="faint">{me.roles.map(role).join(", ") || "no role"}</p>
          <Ariakit.MenuItem onClick={help}>Keys (?)</Ariakit.MenuItem>
          <Ariakit.MenuItem onClick={() => theme("dark")}>Dark</Ariakit.MenuItem>
          <Ariakit.MenuItem onClick={() => theme("light")}>Light</Ariakit.MenuItem>
          <Ariakit.MenuItem onClick={() => theme(null)}>As the system has it</Ariakit.MenuItem>
        </Ariakit.Menu>
      </Ariakit.MenuProvider>
      <form method="post" action="/sign-out">
        <input type="hidden" name="csrf" value={me.csrf ?? ""} />
        <button className="quiet">Sign out</button>
      </form>
    </div>
  );
}

function Help({ onClose }: { onClose: () => void }) {
  const [keys] = useState(keysNow);
  const places = new Set(PLACES.map((p) => p.key));
  return (
    <Ariakit.Dialog open onClose={onClose} className="dialog sheet wide" backdrop={<div className="backdrop" />} preventBodyScroll={false}>
      <div className="row between">
        <Ariakit.DialogHeading render={<h2 />}>Help</Ariakit.DialogHeading>
        <Ariakit.DialogDismiss className="quiet">Close</Ariakit.DialogDismiss>
      </div>
      <h3>Keys of this page</h3>
      <dl>
        <div className="contents">
          <dt>
            <kbd>Ctrl K</kbd>
          </dt>
          <dd>find a screen, a case, an identity, or what this page can do</dd>
        </div>
        {keys
          .filter((k) => !places.has(k.key))
          .map((k) => (
            <div key={k.key} className="contents">
              <dt>
                <kbd>{k.key}</kbd>
              </dt>
              <dd>{k.says}</dd>
            </div>
          ))}
      </dl>
      <p className="faint">Every order opens a dialog that names its target; no key alone changes anything, and a held key does nothing.</p>
      <h3>Screens</h3>
      <dl>
        {PLACES.map((p) => (
          <div key={p.path} className="contents">
            <dt>
              <kbd>{p.key}</kbd> {p.name}
            </dt>
            <dd>
              {p.says} <code>{p.command}</code>
            </dd>
          </div>
        ))}
      </dl>
      <p className="faint">
        Without script: <a href="/waiting">what waits for you</a>, approvals, evidence.
      </p>
      <h3>Words</h3>
      <dl>
        {Object.entries(GLOSS).map(([word, says]) => (
          <div key={word} className="contents">
            <dt>{word}</dt>
            <dd>{says}</dd>
          </div>
        ))}
        {Object.entries(STATES).map(([state, { mark, says }]) => (
          <div key={state} className="contents">
            <dt>
              <span aria-hidden="true">{mark}</span> {state}
            </dt>
            <dd>{says}</dd>
          </div>
        ))}
      </dl>
    </Ariakit.Dialog>
  );
}

// Before the first paint that matters; a stored word that is none of ours is nothing.
try {
  const stored = localStorage.getItem("theme");
  if (stored === "dark" || stored === "light") document.documentElement.dataset["theme"] = stored;
} catch {
  // See above.
}
