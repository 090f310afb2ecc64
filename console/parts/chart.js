/**
 * Lines over time: uPlot on a canvas, with what it shows in words and, on demand, as a table. Colours come from the
 * style sheet; a series is told apart by its label and dash as well.
 */

import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.module.js";
import { clock, compact, date } from "../format.js";

/** @typedef {{label: string, values: (number | null)[], color?: string}} Series `color`: a custom property, "--c1" */

/** Cursors of charts that stand together move together. */
const SYNC = "russet";

/** 1 B to 1 PiB. */
const POWERS = Array.from({ length: 51 }, (_, i) => 2 ** i);

const DASHES = [[], [5, 3], [2, 3]];

/**
 * @param {{title: string, times: number[], series: Series[], format?: (n: number | null) => string, height?: number,
 *   max?: number, min?: number, binary?: boolean, marks?: number[], irregular?: boolean, onRange?: (from: number, to: number) => void}} props
 *   `times` in Unix milliseconds, ascending; `max`: the scale's least upper end;
 *   `binary`: ticks at powers of two (bytes); `marks`: times at which a line stands; `irregular`: values come when they
 *   come, so gaps are bridged, single ones are points and the scale is theirs; `onRange`: the time that was dragged over
 */
export function Chart({ title, times, series, format = compact, height = series.length > 1 ? 132 : 158, max = 0, min = 0, binary, marks = [], irregular = false, onRange }) {
  const box = useRef(/** @type {any} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const [table, setTable] = useState(false);
  const [scheme, setScheme] = useState(0);
  const latest = useRef({ format, max, min, marks, onRange });
  latest.current = { format, max, min, marks, onRange };
  const data = useMemo(() => [times.map((t) => t / 1000), ...series.map(({ values }) => values)], [times, ...series.map(({ values }) => values)]);

  useEffect(() => {
    const changed = () => setScheme((n) => n + 1);
    const query = matchMedia("(prefers-color-scheme: dark)");
    query.addEventListener("change", changed);
    addEventListener("russet-theme", changed);
    return () => {
      query.removeEventListener("change", changed);
      removeEventListener("russet-theme", changed);
    };
  }, []);

  const labels = series.map(({ label }) => label).join("|");
  useEffect(() => {
    const el = box.current;
    const style = getComputedStyle(el);
    /** @param {string} name */
    const color = (name) => resolved(el, style, name);
    const grid = { stroke: color("--line-soft"), width: 1 };
    const axis = { stroke: color("--text-soft"), font: `11px ${style.fontFamily}`, grid, ticks: { show: false } };
    const uPlot = /** @type {any} */ (globalThis).uPlot;
    const options = {
      width: Math.max(el.clientWidth, 120),
      height,
      padding: [8, 4, 0, 0],
      hooks: { draw: [(/** @type {any} */ u) => drawMarks(u, latest.current.marks, axis.stroke)], setSelect: [(/** @type {any} */ u) => dragged(u, latest.current.onRange)] },
      legend: { show: series.length > 1, live: true },
      cursor: { sync: { key: SYNC, setSeries: false }, y: false, points: { size: 6 }, drag: { x: Boolean(onRange), y: false, setScale: false } },
      scales: {
        x: { time: true },
        y: { range: (/** @type {any} */ _, /** @type {number | null} */ low, /** @type {number | null} */ high) => irregular ? around(low, high) : [Math.min(latest.current.min, low ?? 0), Math.max(latest.current.max, (high ?? 0) * 1.08 || latest.current.min + 1)] },
      },
      axes: [
        { ...axis, size: 24, space: 70, values: (/** @type {any} */ _, /** @type {number[]} */ splits) => splits.map((s) => axisTime(s, splits)) },
        { ...axis, size: 58, space: 34, ...(binary ? { incrs: POWERS } : {}), values: (/** @type {any} */ _, /** @type {number[]} */ splits) => splits.map((v) => latest.current.format(v)) },
      ],
      series: [
        { label: "time", value: (/** @type {any} */ _, /** @type {number | null} */ v) => (v === null ? "" : clock(v * 1000)) },
        ...series.map(({ label, color: own }, i) => ({
          label,
          stroke: color(own ?? `--c${i + 1}`),
          width: 1.5,
          dash: DASHES[i % DASHES.length],
          fill: i === 0 && series.length === 1 ? color("--c1-soft") : undefined,
          spanGaps: irregular,
          points: irregular ? { size: 4 } : { show: false },
          // Without a pointer over the chart the newest value.
          value: (/** @type {any} */ u, /** @type {number | null} */ v, /** @type {number} */ own, /** @type {number | null} */ at) => latest.current.format(at == null ? (u.data?.[own].findLast((/** @type {number | null} */ one) => one !== null || !irregular) ?? null) : v),
        })),
      ],
    };
    const chart = new uPlot(options, data, el);
    plot.current = chart;
    const watch = new ResizeObserver(() => chart.setSize({ width: Math.max(el.clientWidth, 120), height }));
    watch.observe(el);
    return () => {
      watch.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [labels, height, scheme]);

  useEffect(() => {
    plot.current?.setData(data);
    if (plot.current && plot.current.cursor.idx == null) plot.current.setLegend({ idx: null });
  }, [data]);

  const summary = useMemo(() => series.map((one) => summarize(one, format, irregular ? "at last" : "now")).join("; "), [data]);
  return html`<figure class="chart">
    <figcaption><span class="chart-title">${title}</span>
      <button type="button" class="link" aria-expanded=${String(table)} aria-label=${`${title} as a table`} onClick=${() => setTable(!table)}>${table ? "Chart" : "Table"}</button></figcaption>
    <p class="summary">${summary}</p>
    <div class="plot" ref=${box} hidden=${table} role="img" aria-label=${`${title}: ${summary}`}></div>
    ${table && html`<${ChartTable} title=${title} times=${times} series=${series} format=${format} height=${height} />`}
  </figure>`;
}

/** Hands on what was dragged over, and takes the mark of it away. @param {any} plot @param {((from: number, to: number) => void) | undefined} onRange */
function dragged(plot, onRange) {
  const { left, width } = plot.select;
  if (width === 0) return;
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (width > 3) onRange?.(plot.posToVal(left, "x") * 1000, plot.posToVal(left + width, "x") * 1000);
}

/** The ends of a scale a little beyond its values. @param {number | null} low @param {number | null} high @returns {[number, number]} */
function around(low, high) {
  if (low === null || high === null) return [0, 1];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.06 || 1;
  return [low - room, high + room];
}

/** @param {any} plot @param {number[]} marks those before the first time stand at its left edge @param {string} color */
function drawMarks({ ctx, bbox, valToPos }, marks, color) {
  ctx.save();
  ctx.strokeStyle = color;
  ctx.lineWidth = 2;
  ctx.setLineDash([3, 3]);
  ctx.beginPath();
  for (const mark of marks) {
    const x = Math.max(bbox.left + 1, valToPos(mark / 1000, "x", true));
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
  }
  ctx.stroke();
  ctx.restore();
}

/** At most 60 rows, evenly spaced, newest first. @param {{title: string, times: number[], series: Series[], format: (n: number | null) => string, height: number}} props */
function ChartTable({ title, times, series, format, height }) {
  const step = Math.max(1, Math.ceil(times.length / 60));
  /** @type {number[]} */
  const picked = [];
  for (let i = times.length - 1; i >= 0; i -= step) picked.push(i);
  return html`<div class="chart-table" tabindex="0" role="region" aria-label=${`${title}, table`} style=${{ height: `${height + 28}px` }}>
    <table><thead><tr><th scope="col">Time</th>${series.map(({ label }) => html`<th scope="col">${label}</th>`)}</tr></thead>
    <tbody>${picked.map((i) => html`<tr><th scope="row">${date(times[i])}</th>${series.map(({ values }) => html`<td>${format(values[i])}</td>`)}</tr>`)}</tbody></table>
  </div>`;
}

/** "ops 1.2k now, 0 to 5k, mean 900". @param {Series} series @param {(n: number | null) => string} format @param {string} newest what the last one is */
function summarize({ label, values }, format, newest) {
  const known = values.filter((v) => v !== null);
  if (known.length === 0) return `${label}: no data yet`;
  const sum = known.reduce((a, b) => a + b, 0);
  return `${label} ${format(known[known.length - 1])} ${newest}, ${format(known.reduce((a, b) => Math.min(a, b)))} to ${format(known.reduce((a, b) => Math.max(a, b)))}, mean ${format(sum / known.length)}`;
}

/** Seconds are shown only where the ticks are that close. @param {number} s @param {number[]} splits */
function axisTime(s, splits) {
  const step = splits.length > 1 ? splits[1] - splits[0] : 60;
  if (step >= 86400) return date(s * 1000).slice(5, 10);
  return clock(s * 1000).slice(0, step < 60 ? 8 : 5);
}

/** A custom property with light-dark() as the colour in force. @param {HTMLElement} el @param {CSSStyleDeclaration} style @param {string} name */
function resolved(el, style, name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  el.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
