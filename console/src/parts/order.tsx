// An order to the server: a dialog that says what happens to what, shows the same
// as a command, and keeps its refusal in view. No order runs from a key alone.
import * as Ariakit from "@ariakit/react";
import { useState, type ReactNode } from "react";
import { Refused } from "../api/client";
import { Command, Problem } from "./small";

export interface Order {
  title: string;
  /** The button that carries it out. */
  verb: string;
  danger?: boolean;
  says: ReactNode;
  command: string;
  /** Asks for a sentence. */
  ask?: { label: string; required: boolean; initial?: string };
  run: (text: string) => Promise<ReactNode | void>;
}

export function OrderDialog({ order, onClose }: { order: Order; onClose: () => void }) {
  const [text, setText] = useState(order.ask?.initial ?? "");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [answer, setAnswer] = useState<ReactNode>(null);
  const run = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const said = await order.run(text.trim());
      if (said) setAnswer(said);
      else onClose();
    } catch (error) {
      setProblem(error instanceof Refused ? error.message : "the console failed; nothing is known to have happened");
    } finally {
      setBusy(false);
    }
  };
  const missing = order.ask?.required === true && text.trim() === "";
  return (
    <Ariakit.Dialog open onClose={onClose} className="dialog" backdrop={<div className="backdrop" />} portal preventBodyScroll={false} unmountOnHide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!missing && !busy) void run();
        }}
        className="stack"
      >
        <Ariakit.DialogHeading render={<h2 />}>{order.title}</Ariakit.DialogHeading>
        <div>{order.says}</div>
        {order.ask && !answer && (
          <label className="stack">
            {order.ask.label}
            <textarea rows={3} maxLength={2000} value={text} required={order.ask.required} onChange={(event) => setText(event.target.value)} />
          </label>
        )}
        <Problem text={problem} />
        {answer && <div role="status">{answer}</div>}
        <details>
          <summary>The same as a command</summary>
          <Command line={order.command} />
        </details>
        <div className="row end">
          <Ariakit.DialogDismiss>{answer ? "Close" : "Leave it"}</Ariakit.DialogDismiss>
          {!answer && (
            <button type="submit" className={order.danger ? "danger" : "primary"} disabled={busy || missing} aria-busy={busy}>
              {busy ? "Asking the server…" : order.verb}
            </button>
          )}
        </div>
      </form>
    </Ariakit.Dialog>
  );
}
