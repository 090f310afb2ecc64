/** The page of a time series: what it is, its samples as a line that can be zoomed, other series beside it. */

import { html, useMemo, useRef, useState } from "../vendor/htm-preact.module.js";
import { UNKNOWN, count, date, duration, plural, printable } from "../format.js";
import { nameId, numberOf, textOf } from "../resp.js";
import { useApp, useLoad } from "../state.js";
import { Chart } from "../parts/chart.js";
import { Select, TextField } from "../parts/load.js";
import { Button, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";
import { AGGREGATORS, labelTexts, readFacts, readMatching, readSamples, ruleTexts, sideBySide, spanOf, widthText } from "./samples.js";

/** @typedef {import("../resp.js").Name} Bulk */
/** @typedef {import("../api.js").Cmd} Cmd */
/** @typedef {import("./samples.js").Series} Series */

/** Pixels of the chart for a point. */
const PIXELS = 2;

/** 0.30000000000000004 -> "0.3"; six digits. @param {number | null} n */
function valueText(n) {
  return n === null ? UNKNOWN : String(Number(n.toPrecision(6)));
}

/** @param {{name: Bulk, turn: number}} props */
export function SeriesPage({ name, turn }) {
  const { batch, can } = useApp();
  const box = useRef(/** @type {any} */ (null));
  const [filter, setFilter] = useState({ text: "", asked: "" });
  const [range, setRange] = useState(/** @type {[number, number] | null} */ (null));
  const [aggregator, setAggregator] = useState(AGGREGATORS[0]);
  const ask = (/** @type {AbortSignal} */ signal) => async (/** @type {Cmd[]} */ cmds) => (cmds.length ? (await batch(cmds, { signal })).replies : []);
  const found = useLoad(async (signal) => {
    const [own] = await readFacts(ask(signal), [name]);
    const shown = filter.asked === "" ? { series: own ? [own] : [], total: 1 } : await readMatching(ask(signal), filter.asked);
    return { own, ...shown, whole: spanOf(shown.series) };
  }, [nameId(name), filter.asked, turn]);
  const whole = found.data?.whole ?? null;
  const shown = range ?? whole;
  const drawn = useLoad(async (signal) => {
    const series = found.data?.series ?? [];
    if (!shown) return null;
    const points = Math.max(50, Math.floor((box.current?.clientWidth || 600) / PIXELS));
    const { bucket, samples } = await readSamples(ask(signal), series.map(({ key }) => key), { from: shown[0], to: shown[1], points, aggregator });
    return { bucket, series, ...sideBySide(samples) };
  }, [found.data, range, aggregator]);
  const lines = useMemo(
    () => drawn.data?.series.map(({ key }, i) => ({ label: printable(key, 60), values: drawn.data?.values[i] ?? [], color: `--c${(i % 4) + 1}` })) ?? [],
    [drawn.data],
  );
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    setRange(null);
    setFilter((old) => ({ ...old, asked: old.text.trim() }));
  };
  const alone = () => {
    setRange(null);
    setFilter({ text: "", asked: "" });
  };
  const bucket = drawn.data?.bucket ?? null;
  return html`<div class="fields" ref=${box}>
    ${found.error && html`<${Note} tone="bad">${errorText(found.error)}<//>`}
    ${found.data?.own && html`<${Facts} series=${found.data.own} />`}
    ${can("ts.queryindex") && html`<form class="toolbar grow" role="search" aria-label="Series by their labels" onSubmit=${submit}>
      <${TextField} label="Series by labels" placeholder="area=32 type!=raw" value=${filter.text} onInput=${(/** @type {string} */ text) => setFilter((old) => ({ ...old, text }))} />
      <${Button} type="submit" disabled=${filter.text.trim() === ""}>Draw them<//>${filter.asked !== "" && html`<${Button} kind="quiet" icon="close" onClick=${alone}>This key alone<//>`}
    </form>`}
    ${found.data && found.data.total > found.data.series.length && html`<p class="soft" role="status">The first ${count(found.data.series.length)} of ${plural(found.data.total, "series", "series")}.</p>`}
    ${found.data && found.data.total === 0 && html`<p class="soft" role="status">No series has these labels.</p>`}
    <${Zoom} whole=${whole} shown=${shown} onRange=${setRange} aggregator=${aggregator} onAggregator=${setAggregator} grouped=${bucket !== null} />
    ${drawn.error && html`<${Note} tone="bad">${errorText(drawn.error)}<//>`}
    ${drawn.data
      ? html`<${Chart} title=${bucket === null ? "All samples" : `${aggregator} of each ${widthText(bucket)}`} times=${drawn.data.times} series=${lines} format=${valueText} height=${260} irregular=${true} onRange=${(/** @type {number} */ from, /** @type {number} */ to) => setRange([from, to])} />`
      : drawn.data === null && found.data && html`<p class="soft">There is no sample.</p>`}
  </div>`;
}

/** @param {{series: Series}} props */
function Facts({ series: { first, last, samples, facts } }) {
  const rules = ruleTexts(facts.rules);
  const retention = numberOf(facts.retentionTime);
  /** @type {[string, any][]} */
  const rows = [
    ["Samples", count(samples)], ["First", samples ? date(first) : UNKNOWN], ["Last", samples ? date(last) : UNKNOWN],
    ["Kept for", retention ? duration(retention) : "ever"], ["Same time again", facts.duplicatePolicy === null ? "as the server has it" : textOf(facts.duplicatePolicy)],
    ["Chunks", `${count(numberOf(facts.chunkCount))}, ${textOf(facts.chunkType)}`], ["Labels", labelTexts(facts.labels).map((text) => printable(text, 100)).join(", ") || "none"],
    ...(facts.sourceKey === null ? [] : /** @type {[string, any][]} */ ([["Made from", printable(textOf(facts.sourceKey), 100)]])),
    ...(rules.length ? /** @type {[string, any][]} */ ([["Makes", rules.map((text) => printable(text, 100)).join("; ")]]) : []),
  ];
  return html`<dl class="key-facts">${rows.map(([title, text]) => html`<div key=${title}><dt>${title}</dt><dd>${text}</dd></div>`)}</dl>`;
}

/**
 * What part of the time is drawn, by buttons; the chart's own way is to drag over it.
 * @param {{whole: [number, number] | null, shown: [number, number] | null, onRange: (range: [number, number] | null) => void, aggregator: string, onAggregator: (name: string) => void, grouped: boolean}} props
 */
function Zoom({ whole, shown, onRange, aggregator, onAggregator, grouped }) {
  if (!whole || !shown) return null;
  const [from, to] = shown;
  const half = Math.max(1, (to - from) / 2);
  const middle = (from + to) / 2;
  /** @param {number} low @param {number} high */
  const go = (low, high) => onRange(low <= whole[0] && high >= whole[1] ? null : [low, high]);
  const all = from <= whole[0] && to >= whole[1];
  return html`<div class="toolbar" role="group" aria-label="What is drawn">
    <${Select} label="Of each bucket" value=${aggregator} options=${AGGREGATORS.map((name) => [name, name])} onChange=${onAggregator} />
    <${Button} onClick=${() => go(middle - half / 2, middle + half / 2)}>Zoom in<//>
    <${Button} disabled=${all} onClick=${() => go(middle - 2 * half, middle + 2 * half)}>Zoom out<//>
    <${Button} disabled=${from <= whole[0]} onClick=${() => go(from - half, to - half)}>Earlier<//>
    <${Button} disabled=${to >= whole[1]} onClick=${() => go(from + half, to + half)}>Later<//>
    <${Button} disabled=${all} onClick=${() => onRange(null)}>Everything<//>
    <span class="soft" role="status">${date(from)} to ${date(to)}${grouped ? "" : ", all samples"}</span>
  </div>`;
}
