// A dialog to read in: beside the page, closed by Escape.
import * as Ariakit from "@ariakit/react";
import type { ReactNode } from "react";

export function SheetDialog({ title, onClose, wide, children }: { title: string; onClose: () => void; wide?: boolean; children: ReactNode }) {
  return (
    <Ariakit.Dialog open onClose={onClose} className={`dialog sheet${wide ? " wide" : ""}`} backdrop={<div className="backdrop" />} preventBodyScroll={false}>
      <div className="row between">
        <Ariakit.DialogHeading render={<h2 />}>{title}</Ariakit.DialogHeading>
        <Ariakit.DialogDismiss className="quiet">Close</Ariakit.DialogDismiss>
      </div>
      {children}
    </Ariakit.Dialog>
  );
}
