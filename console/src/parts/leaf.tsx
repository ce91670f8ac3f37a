// One line as the ledger holds it, and its proof: checked here, in the browser, as far
// as that goes without a key of one's own.
import { useEffect, useState } from "react";
import type { Leaf } from "../api/client";
import { checkLeaf } from "../evidence/leaf";
import { sentence } from "../read";
import { visible } from "../view/words";
import { SheetDialog } from "./sheet";
import { Badge, Problem } from "./small";

/** Opens a line's leaf and its proof. */
export function LeafButton({ index, ...rest }: { index: number; id?: string; onClick: () => void; onFocus?: () => void }) {
  return (
    <button className="quiet" aria-label={`Leaf ${index} and its proof`} {...rest}>
      leaf {index}
    </button>
  );
}

export function LeafSheet({ index, load, onClose }: { index: number; load: () => Promise<Leaf>; onClose: () => void }) {
  const [leaf, setLeaf] = useState<Leaf | null>(null);
  const [holds, setHolds] = useState<boolean | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    load().then(
      async (found) => {
        setLeaf(found);
        // Without WebCrypto (plain http from elsewhere) nothing is checked, and nothing is claimed.
        setHolds(globalThis.crypto?.subtle ? await checkLeaf(found) : null);
      },
      (error: unknown) => setProblem(sentence(error)),
    );
    // Once: the sheet is of one leaf.
  }, []);
  return (
    <SheetDialog title={`Leaf ${index}`} onClose={onClose} wide>
      <Problem text={problem} />
      {!leaf && !problem && <p className="loading">Reading the leaf…</p>}
      {leaf && (
        <>
          <p>As the ledger holds it, byte for byte. Personal data is not in it, only commitments to it.</p>
          <pre className="leaf" tabIndex={0}>
            {visible(leaf.leaf, 70_000)}
          </pre>
          <dl>
            <dt>Leaf hash</dt>
            <dd>
              <code>{leaf.hash}</code>
            </dd>
            <dt>Log size</dt>
            <dd>{leaf.size}</dd>
            <dt>Root</dt>
            <dd>
              <code>{leaf.root}</code>
            </dd>
          </dl>
          <h3>Inclusion proof (RFC 6962), {leaf.proof.length} hashes</h3>
          {holds === true && (
            <p>
              <Badge tone="plain" mark="✓">
                checked in this browser: these bytes lead to that root
              </Badge>
            </p>
          )}
          {holds === false && (
            <p className="notice bad" role="alert">
              CHECKED IN THIS BROWSER, AND IT DOES NOT HOLD: these bytes do not lead to that root. Do not rely on this server; keep the page and tell the auditor.
            </p>
          )}
          <ol className="mono">
            {leaf.proof.map((h, n) => (
              <li key={n}>{h}</li>
            ))}
          </ol>
          <p className="faint">The root is as this server tells it. An evidence bundle, under the log's key from elsewhere, is what to rely on: it holds the same leaf, its proof and a signed checkpoint.</p>
        </>
      )}
    </SheetDialog>
  );
}
