// Lengths of time and moments, as a tired person reads them.

const pad = (n: number): string => String(n).padStart(2, "0");

/** `3 d 04:05:06`, `04:05:06`: digits keep their places while it runs. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const days = Math.floor(whole / 86_400);
  const rest = `${pad(Math.floor((whole % 86_400) / 3600))}:${pad(Math.floor((whole % 3600) / 60))}:${pad(whole % 60)}`;
  return days > 0 ? `${days} d ${rest}` : rest;
}

/** `12 s`, `4 min 05 s`, `3 h 12 min`, `10 d 3 h`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

const parts = (at: string, timeZone: string): Record<string, string> => {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  });
  return Object.fromEntries(format.formatToParts(new Date(at)).map((p) => [p.type, p.value]));
};

/** `02:58:01`, with the day where it is not today's, in UTC. */
export function utcTime(at: string, now: number): string {
  if (Number.isNaN(Date.parse(at))) return at;
  const [p, today] = [parts(at, "UTC"), parts(new Date(now).toISOString(), "UTC")];
  const time = `${p["hour"]}:${p["minute"]}:${p["second"]}`;
  return p["day"] === today["day"] && p["month"] === today["month"] && p["year"] === today["year"] ? time : `${p["year"]}-${p["month"]}-${p["day"]} ${time}`;
}

/** `2026-11-30 03:58` in the reader's own zone. */
export function localTime(at: string): string {
  if (Number.isNaN(Date.parse(at))) return at;
  const p = parts(at, Intl.DateTimeFormat().resolvedOptions().timeZone);
  return `${p["year"]}-${p["month"]}-${p["day"]} ${p["hour"]}:${p["minute"]}`;
}
