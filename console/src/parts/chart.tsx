// Bars over days as a picture, and the same as a table: the picture says nothing that
// the table does not. Each series has its own pattern, so that colour is not needed.
import { useId } from "react";
import { ticks } from "../view/measures";
import { Wide } from "./screen";

export interface Series {
  name: string;
  /** One value a label; null: not measured, and no bar. */
  values: readonly (number | null)[];
  look: "solid" | "striped" | "dotted" | "hollow";
}

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [720, 220, 70, 34, 10];

export function Bars({ title, labels, series, stacked = false, scale = ticks, says, heading }: { title: string; labels: readonly string[]; series: readonly Series[]; stacked?: boolean; scale?: (most: number) => number[]; says: (value: number) => string; heading: string }) {
  const id = useId();
  const sums = labels.map((_, n) => (stacked ? series.reduce((sum, s) => sum + (s.values[n] ?? 0), 0) : Math.max(0, ...series.map((s) => s.values[n] ?? 0))));
  const steps = scale(Math.max(...sums, 0));
  const top = steps.at(-1) ?? 1;
  const y = (value: number): number => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
  const slot = (WIDTH - LEFT - 6) / Math.max(1, labels.length);
  const wide = Math.min(34, stacked ? slot * 0.7 : (slot * 0.7) / Math.max(1, series.length));
  const every = Math.max(1, Math.ceil(labels.length / 8));
  return (
    <figure className="chart">
      <figcaption>{title}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${title}; the table below says the same`}>
        <defs>
          <pattern id={`${id}-striped`} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <rect width="6" height="6" className="ground" />
            <rect width="3" height="6" className="ink" />
          </pattern>
          <pattern id={`${id}-dotted`} width="6" height="6" patternUnits="userSpaceOnUse">
            <rect width="6" height="6" className="ground" />
            <circle cx="3" cy="3" r="1.6" className="ink" />
          </pattern>
        </defs>
        {steps.map((value) => (
          <g key={value}>
            <line x1={LEFT} x2={WIDTH - 6} y1={y(value)} y2={y(value)} />
            <text x={LEFT - 8} y={y(value) + 4} textAnchor="end">
              {says(value)}
            </text>
          </g>
        ))}
        {labels.map((label, n) => {
          let under = 0;
          const left = LEFT + n * slot + (slot - (stacked ? wide : wide * series.length)) / 2;
          return (
            <g key={label}>
              {series.map((s, m) => {
                const value = s.values[n] ?? null;
                if (value === null || value === 0) return null;
                const from = stacked ? under : 0;
                under += stacked ? value : 0;
                const fill = s.look === "striped" || s.look === "dotted" ? `url(#${id}-${s.look})` : undefined;
                return (
                  <rect key={s.name} className={`bar ${s.look}`} fill={fill} x={left + (stacked ? 0 : m * wide)} width={wide} y={y(from + value)} height={Math.max(1.5, y(from) - y(from + value))}>
                    <title>{`${label}: ${s.name} ${says(value)}`}</title>
                  </rect>
                );
              })}
              {n % every === 0 && (
                <text x={LEFT + n * slot + slot / 2} y={HEIGHT - 12} textAnchor="middle">
                  {label.slice(5)}
                </text>
              )}
            </g>
          );
        })}
      </svg>
      <ul className="legend">
        {series.map((s) => (
          <li key={s.name}>
            <svg width="16" height="12" aria-hidden="true">
              <rect x="0.5" y="0.5" width="15" height="11" className={`bar ${s.look}`} fill={s.look === "striped" || s.look === "dotted" ? `url(#${id}-${s.look})` : undefined} />
            </svg>{" "}
            {s.name}
          </li>
        ))}
      </ul>
      <details>
        <summary>The same as a table</summary>
        <Wide label={title}>
          <table className="rows">
            <thead>
              <tr>
                <th scope="col">{heading}</th>
                {series.map((s) => (
                  <th key={s.name} scope="col">
                    {s.name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {labels.map((label, n) => (
                <tr key={label}>
                  <th scope="row">{label}</th>
                  {series.map((s) => (
                    <td key={s.name}>{s.values[n] === null || s.values[n] === undefined ? "not measured" : says(s.values[n]!)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      </details>
    </figure>
  );
}
