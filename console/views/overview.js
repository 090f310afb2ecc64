/** Overview: one verdict, the figures of now, and their history. */

import { html, useMemo } from "../vendor/htm-preact.module.js";
import { UNKNOWN, ago, bytes, clock, compact, count, date, duration, isCommand, micros, percent, plural, printable } from "../format.js";
import { readFindings } from "../api.js";
import { RespError, parseInfo } from "../resp.js";
import { go, href } from "../router.js";
import { beginOf, column, useApp, useHistory, useLoad, useSilence } from "../state.js";
import { lastSnapshot, lossTone, startsOf } from "../stats.js";
import { ActButton } from "../parts/act.js";
import { Chart } from "../parts/chart.js";
import { Command, Icon, Note } from "../parts/text.js";
import { Stat, Stats, Tile, errorText } from "../parts/tile.js";

const SPANS = [
  { id: "15m", label: "15 min" },
  { id: "6h", label: "6 h" },
  { id: "48h", label: "48 h" },
];

/** @param {{route: import("../router.js").Route}} props */
export default function Overview({ route }) {
  const { can, run, db } = useApp();
  const tier = Math.max(0, SPANS.findIndex(({ id }) => id === route.query.span));
  const { history, error, live } = useHistory(tier);
  const state = useLoad(
    async (signal) => {
      if (!can("info")) return undefined;
      // While a script runs INFO is refused, and the findings say so.
      const info = run(["INFO"], { signal }).then(parseInfo, (failure) => {
        if (failure instanceof RespError) return undefined;
        throw failure;
      });
      const [fields, found] = await Promise.all([info, readFindings(signal)]);
      return { fields, found };
    },
    [],
    { every: 5000 },
  );
  const info = state.data?.fields;
  const begin = history && beginOf(history, tier);
  const starts = useMemo(() => (history ? startsOf(column(history, tier, "time"), column(history, tier, "uptime"), history.tiers[tier].step) : []), [history, tier]);
  // One that is no later than the first row is the beginning of what is known.
  const restarts = starts.filter((at) => at > Number(history && column(history, tier, "time")[0]));
  return html`<div class="page">
    <div class="page-head"><h1>Overview</h1>
      ${can("info") && html`<span class=${`live${live ? "" : " off"}`}>${live ? "Live" : "Interrupted; trying again"}</span>`}
      ${begin && html`<span class="soft">Figures since ${date(begin.at)}${begin.isStart ? ", the server's start" : ""}</span>`}
      ${restarts.length > 0 && html`<span class="soft">Started anew ${restarts.map(date).join(", ")}</span>`}
      <div class="end"><div class="segments" role="group" aria-label="Time span">${SPANS.map(({ id, label }, i) => html`<button type="button" aria-pressed=${String(i === tier)}
        onClick=${() => go(href("overview", [], { db: db || null, span: i ? id : null }), { replace: true })}>${label}</button>`)}</div></div>
    </div>
    ${can("info") ? html`<${Verdict} info=${info} found=${state.data?.found} error=${state.error} reload=${state.reload} />` : html`<div class="verdict unknown"><${Icon} name="help" /><div><h2>No verdict</h2><p class="soft">It needs INFO, which this user may not run.</p></div></div>`}
    <div class="now"><${Tile} title="Now" needs=${["info"]} wide="full" loading=${!history}>${() => html`<${Now} history=${history} info=${info} />`}<//></div>
    ${error && !history && html`<p><${Note} tone="bad">No history: ${errorText(error)}<//></p>`}
    ${history && html`<${Charts} history=${history} tier=${tier} info=${info} marks=${starts} />`}
  </div>`;
}

/** What the server finds about itself. @param {{info?: Record<string, string>, found?: import("../api.js").Finding[], error: any, reload: () => void}} props */
function Verdict({ info, found, error, reload }) {
  const silent = useSilence();
  if (silent !== null) return html`<section class="verdict bad" aria-label="Verdict"><${Icon} name="bad" /><div><h2>The server does not answer</h2><p>Nothing has come since ${clock(silent)}: it has ended, or it is held up. What it found before is no longer known to be true.</p></div></section>`;
  if (error || !found) return error ? html`<section class="verdict bad" aria-label="Verdict"><${Icon} name="bad" /><div><h2>The server's state is unknown</h2><p>${errorText(error)}</p></div></section>` : html`<div class="verdict" aria-busy="true"><${Icon} name="ok" /><div><h2>…</h2></div></div>`;
  const faults = found.filter(({ weight }) => weight !== "notice");
  const notes = found.filter(({ weight }) => weight === "notice");
  const [worst] = faults;
  // Green is not said of data that a crash would lose.
  const tone = !worst ? lossTone(notes) : worst.weight === "critical" ? "bad" : "warn";
  const title = worst ? (faults.length === 1 ? headed(worst) : `${faults.length} things need attention`) : notes.length ? "No problems" : "All is well";
  const role = info && (info.redis_mode === "sentinel" ? `a Sentinel of ${plural(Number(info.sentinel_masters), "primary", "primaries")}` : info.role === "slave" ? "a replica" : "a primary");
  const calm = info && `Up ${duration(Number(info.uptime_in_seconds) * 1000)}, ${role}${info.cluster_enabled === "1" ? " of a cluster" : ""}${info.aof_enabled === "1" ? ", with an append only file" : ""}.`;
  return html`<section class=${`verdict ${tone}`} aria-label="Verdict"><${Icon} name=${tone === "info" ? "help" : tone} /><div>
    <h2>${title}</h2>
    ${faults.length === 0
      ? html`<p class="soft">${calm}</p>`
      : html`<ul class="findings">${faults.map((its) => html`<li key=${its.code + its.text}>${faults.length > 1 && html`<span class="what">${headed(its)}</span>`}<span class="why">${printable(its.text, 400)}</span><${Remedy} finding=${its} reload=${reload} /></li>`)}</ul>`}
    ${notes.length > 0 && html`<ul class="findings soft" aria-label="Notes">${notes.map((its) => html`<li key=${its.code + its.text}><span class="what">${headed(its)}</span><span class="why">${printable(its.text, 400)}</span><${Remedy} finding=${its} reload=${reload} /></li>`)}</ul>`}
  </div></section>`;
}

/** Remedies that are a button of their own, with the right that they need. @type {Record<string, string>} */
const KILLS = { "SCRIPT KILL": "script|kill", "FUNCTION KILL": "function|kill" };

/** A button, a command to copy, or words. @param {{finding: import("../api.js").Finding, reload: () => void}} props */
function Remedy({ finding: { remedy }, reload }) {
  if (!remedy) return null;
  const cmd = remedy.split(" ");
  const kill = KILLS[remedy];
  if (kill) return html`<${ActButton} needs=${kill} kind="danger" icon="stop" cmd=${cmd} done="It has been told to end." after=${reload}>${remedy}<//>`;
  return isCommand(remedy) ? html`<${Command} cmd=${cmd} />` : html`<span class="why soft">${printable(remedy, 400)}</span>`;
}

/** The subject of a finding, as a heading. @param {import("../api.js").Finding} finding */
function headed({ code }) {
  return code[0].toUpperCase() + code.slice(1);
}

/** @param {{history?: import("../api.js").History, info?: Record<string, string>}} props */
function Now({ history, info }) {
  const row = history?.tiers[0].rows.at(-1);
  /** @param {string} field */
  const now = (field) => (row && history ? (row[history.fields.indexOf(field)] ?? null) : null);
  const [used, max] = [now("used_memory"), Number(info?.maxmemory ?? 0)];
  const full = max > 0 && used !== null ? used / max : 0;
  const reads = sumOf(history, "hits") + sumOf(history, "misses");
  const durable = durableOf(info, now("aof_unsynced_ms"));
  return html`<${Stats}>
    <${Stat} label="Commands" value=${`${compact(now("ops"))}/s`} note=${`loop busy ${percent((now("busy_permille") ?? NaN) / 1000)}`} />
    <${Stat} label="Latency p50" value=${micros(now("p50_us"))} note=${`p99 ${micros(now("p99_us"))}`} />
    <${Stat} label="Memory used" value=${bytes(used)} note=${max ? `${percent(full, 0)} of ${bytes(max)}` : info ? "no limit (maxmemory 0)" : ""} tone=${full > 0.98 ? "bad" : full > 0.9 ? "warn" : undefined} />
    <${Stat} label="Resident" value=${bytes(now("rss"))} note=${`peak used ${bytes(now("used_memory_peak"))}`} />
    <${Stat} label="Hit ratio" value=${reads ? percent(sumOf(history, "hits") / reads) : "–"} note="15 min" />
    <${Stat} label="Keys" value=${count(now("keys"))} note=${`${compact(now("expires"))} with expiry${Number(info?.blessed_keys) > 0 ? `, ${compact(Number(info?.blessed_keys))} never evicted` : ""}`} />
    <${Stat} label="Clients" value=${count(now("clients"))} note=${`${count(now("blocked"))} blocked`} />
    <${Stat} label="Network" value=${`${bytes(now("net_out"))}/s`} note=${`in ${bytes(now("net_in"))}/s`} />
    <${Stat} label="Expired / evicted" value=${`${compact(sumOf(history, "expired"))} / ${compact(sumOf(history, "evicted"))}`} note="15 min" />
    <${Stat} label="Last durable write" value=${durable.value} note=${durable.note} />
    <${Stat} label="Replicas" value=${count(now("replicas"))} note=${now("repl_lag_bytes") === null ? "" : `${bytes(now("repl_lag_bytes"))} behind`} />
    <${Stat} label="Uptime" value=${duration((now("uptime") ?? NaN) * 1000)} />
  <//>`;
}

/** How old the newest data is that a crash would not lose. @param {Record<string, string> | undefined} info @param {number | null} unsynced ms */
function durableOf(info, unsynced) {
  // A Sentinel keeps no data.
  if (!info?.rdb_last_save_time) return { value: UNKNOWN, note: "" };
  if (info.aof_enabled === "1") return { value: unsynced ? ago(unsynced) : "all on disk", note: `append only file; ${info.aof_last_write_status === "ok" ? "last write ok" : "last write failed"}` };
  const saved = lastSnapshot(info);
  const changes = Number(info.rdb_changes_since_last_save);
  return { value: saved === null ? "none yet" : ago(Date.now() - saved), note: `snapshot; ${compact(changes)} ${changes === 1 ? "change" : "changes"} since${saved === null ? " the start" : ""}` };
}

/** @param {import("../api.js").History | undefined} history @param {string} field @returns {number} over 15 minutes */
function sumOf(history, field) {
  return history ? column(history, 0, field).reduce((/** @type {number} */ a, b) => a + (b ?? 0), 0) : NaN;
}

/** @param {{history: import("../api.js").History, tier: number, info?: Record<string, string>, marks: number[]}} props `marks`: starts of the server */
function Charts({ history, tier, info = {}, marks }) {
  const rows = history.tiers[tier].rows;
  const times = useMemo(() => column(history, tier, "time").map((t) => t ?? 0), [rows]);
  const get = useMemo(() => {
    /** @type {Map<string, (number | null)[]>} */
    const made = new Map();
    return (/** @type {string} */ field) => made.get(field) ?? (made.set(field, column(history, tier, field)), /** @type {(number | null)[]} */ (made.get(field)));
  }, [rows]);
  if (times.length < 2) return html`<p><${Note}>There are no samples of this span yet: the history begins with the server's start.<//></p>`;
  const rate = (/** @type {number | null} */ n) => (n === null ? UNKNOWN : `${compact(n)}/s`);
  const byteRate = (/** @type {number | null} */ n) => (n === null ? UNKNOWN : `${bytes(n)}/s`);
  const share = (/** @type {number | null} */ n) => percent(n === null ? null : n / 1000, 0);
  const common = { times, marks };
  const max = Number(info.maxmemory ?? 0);
  const used = get("used_memory").at(-1) ?? 0;
  return html`<div class="charts">
    <${Chart} title="Commands" ...${common} format=${rate} series=${[{ label: "ops", values: get("ops") }]} />
    <${Chart} title="Latency" ...${common} format=${micros} series=${[{ label: "p50", values: get("p50_us"), color: "--c2" }, { label: "p99", values: get("p99_us"), color: "--c1" }]} />
    <${Chart} title="Memory" binary=${true} ...${common} format=${bytes} max=${max && used > max / 2 ? max : 0} series=${[{ label: "used", values: get("used_memory") }, { label: "resident", values: get("rss"), color: "--c2" }]} />
    <${Chart} title="Reads" ...${common} format=${rate} series=${[{ label: "hits", values: get("hits"), color: "--c3" }, { label: "misses", values: get("misses"), color: "--c1" }]} />
    <${Chart} title="Network" binary=${true} ...${common} format=${byteRate} series=${[{ label: "out", values: get("net_out") }, { label: "in", values: get("net_in"), color: "--c2" }]} />
    <${Chart} title="Keys leaving" ...${common} format=${rate} series=${[{ label: "expired", values: get("expired"), color: "--c2" }, { label: "evicted", values: get("evicted"), color: "--c1" }]} />
    <${Chart} title="Clients" ...${common} format=${compact} series=${[{ label: "connected", values: get("clients") }, { label: "blocked", values: get("blocked"), color: "--c2" }]} />
    <${Chart} title="CPU and loop" ...${common} format=${share} max=${100} series=${[{ label: "CPU", values: get("cpu_permille") }, { label: "loop busy", values: get("busy_permille"), color: "--c2" }]} />
    <${Chart} title="Errors" ...${common} format=${rate} series=${[{ label: "errors", values: get("errors") }, { label: "rejected", values: get("rejected"), color: "--c2" }]} />
  </div>`;
}
