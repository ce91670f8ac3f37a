// Makes a served page tick: its countdowns and the reader's own clock. The page
// says everything without it.
import { duration, localTime } from "./view/time";

function tick(): void {
  const now = Date.now();
  for (const place of document.querySelectorAll<HTMLElement>("[data-until]")) {
    const left = Date.parse(place.dataset["until"] ?? "") - now;
    if (!Number.isNaN(left)) place.textContent = left > 0 ? `in ${duration(left / 1000)}` : "over";
  }
}

for (const time of document.querySelectorAll("time")) time.textContent += ` (${localTime(time.dateTime)} here)`;
tick();
setInterval(tick, 1000);
