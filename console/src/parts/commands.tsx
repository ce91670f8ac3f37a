// The commands behind the buttons of the page: each button that orders or reads
// something carries its own, and they are listed here to copy.
import { useState } from "react";
import type { Place } from "../places";
import { Command } from "./small";
import { SheetDialog } from "./sheet";

interface Line {
  label: string;
  command: string;
}

function linesNow(place: Place | null): Line[] {
  const lines: Line[] = place ? [{ label: `This screen: ${place.name}`, command: place.command }] : [];
  for (const button of document.querySelectorAll<HTMLElement>("[data-command]")) {
    const command = button.dataset["command"] ?? "";
    if (!lines.some((l) => l.command === command)) lines.push({ label: button.textContent?.trim() ?? "", command });
  }
  return lines;
}

export function CommandsSheet({ place, onClose }: { place: Place | null; onClose: () => void }) {
  const [lines] = useState(() => linesNow(place));
  return (
    <SheetDialog title="The same as commands" onClose={onClose}>
      <p className="faint">Every button asks the API that the command line asks, under the same policy. What a dialog asks for is written in capitals here.</p>
      {lines.length === 0 && <p className="notice">No button of this page has a command.</p>}
      <dl className="commands">
        {lines.map((line) => (
          <div key={line.command}>
            <dt>{line.label}</dt>
            <dd>
              <Command line={line.command} />
            </dd>
          </div>
        ))}
      </dl>
    </SheetDialog>
  );
}
