/** Memory: how full, until when; where it goes; by prefix, type, time to live and key; fragmentation. */

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.module.js";
import { restAfter } from "../api.js";
import { bytes, compact, count, duration, percent, plural } from "../format.js";
import * as glob from "../glob.js";
import { itemsOf, nameId, numberOf, objectOf, parseInfo, textOf } from "../resp.js";
import { Namespaces, addToSpaces } from "../keys/namespaces.js";
import { typeName } from "../keys/typename.js";
import { column, useApp, useHistory, useLoad } from "../state.js";
import { MEMORY_PARTS, memoryLines, reaches, sinceStart, TTL_BINS, ttlBin } from "../stats.js";
import { Chart } from "../parts/chart.js";
import { Loaded, Page } from "../parts/load.js";
import { link } from "../parts/link.js";
import { Table, figureColumn } from "../parts/table.js";
import { Button, Command, Name, Note } from "../parts/text.js";
import { Bar, errorText, Stat, Stats, Tile } from "../parts/tile.js";

/** @typedef {import("../resp.js").Name} KeyName */
/** @typedef {{name: KeyName, type: string, ttl: number, bytes: number}} Seen a key of the sample */

export default function Memory() {
  return html`<${Page} title="Memory">
    <${Tile} title="How full" needs=${["info"]} wide="full">${() => html`<${Fullness} />`}<//>
    <${Tile} title="Where it goes" needs=${["memory|stats"]}>${() => html`<${Lines} />`}<//>
    <${Sample} />
    <${Tile} title="Fragmentation" needs=${["info"]}>${() => html`<${Fragmentation} />`}<//>
    <${Tile} title="Prefixes" needs=${["prefixstats"]} wide flush>${() => html`<${Prefixes} />`}<//>
    <${Tile} title="Packing" needs=${["memory|packing"]} wide flush>${() => html`<${Packing} />`}<//>
  <//>`;
}

/** How long a growth is watched before it is drawn on. */
const EARLY_MS = 180_000;

function Fullness() {
  const app = useApp();
  const { history } = useHistory();
  const load = useLoad(async () => parseInfo(await app.run(["INFO", "memory"])), [], { every: 5000 });
  return html`<${Loaded} load=${load}>${(/** @type {Record<string, string>} */ info) => {
    const [used, max] = [Number(info.used_memory), Number(info.maxmemory)];
    // Hours tell more than minutes, if there are any.
    const tier = history && history.tiers[2].rows.length >= 30 ? 2 : 1;
    const times = history ? column(history, tier, "time").map(Number) : [];
    const values = history ? column(history, tier, "used_memory") : [];
    // What was before a restart is another process's memory.
    const from = history ? sinceStart(times, column(history, tier, "uptime"), history.tiers[tier].step) : 0;
    // A minute's growth says nothing.
    const early = times.length === 0 || times[times.length - 1] - times[from] < EARLY_MS;
    const left = max && !early ? reaches(times.slice(from), values.slice(from), max) : null;
    const [span, whole] = [from, 0].map((i) => (times.length ? duration(times[times.length - 1] - times[i]) : ""));
    const evicts = info.maxmemory_policy !== "noeviction";
    return html`<${Stats}>
        <${Stat} label="Used" value=${bytes(used)} note=${max ? `${percent(used / max)} of maxmemory` : "no maxmemory"} tone=${max && used > max * 0.95 && !evicts ? "bad" : undefined} />
        <${Stat} label="Limit" value=${max ? bytes(max) : "none"} note=${info.maxmemory_policy} />
        <${Stat} label="Resident" value=${bytes(Number(info.used_memory_rss))} note=${`of ${bytes(Number(info.total_system_memory))} in the machine`} />
        <${Stat} label="Peak" value=${bytes(Number(info.used_memory_peak))} />
        <${Stat} label="Full" value=${left === null ? (max && early ? "not known yet" : "not in sight") : left === 0 ? "now" : `in ${duration(left)}`} tone=${left !== null && left < 86_400_000 && !evicts ? "warn" : undefined}
          note=${max ? (early ? "after some minutes of figures" : left === null ? `no growth towards the limit in the last ${span}` : `at the rate of the last ${span}`) : "there is no limit"} />
      <//>
      ${!max && html`<${Note} tone="warn">Without <code>maxmemory</code> the server grows until the system ends it. <${Command} cmd=${["CONFIG", "SET", "maxmemory", "auto"]} /> follows the container or the machine.<//>`}
      ${max > 0 && html`<${Bar} share=${used / max} tone=${used / max > 0.95 ? "warn" : undefined} label=${`${percent(used / max)} of maxmemory is used`} />`}
      ${times.length > 1 && html`<${Chart} title=${`Memory, last ${whole}`} times=${times} format=${bytes} series=${[{ label: "used", values }, { label: "resident", values: column(/** @type {any} */ (history), tier, "rss") }]} />`}`;
  }}<//>`;
}

function Lines() {
  const app = useApp();
  const load = useLoad(async () => {
    const stats = objectOf(await app.run(["MEMORY", "STATS"]));
    for (const [id, value] of Object.entries(stats)) stats[id] = /^db\.\d+$/.test(id) ? objectOf(value) : numberOf(value);
    return stats;
  }, [], { every: 5000 });
  return html`<${Loaded} load=${load}>${(/** @type {Record<string, any>} */ stats) => {
    const { lines, total } = memoryLines(stats);
    return html`<table class="plain"><caption class="unseen">What the used memory consists of</caption>
      <thead><tr><th scope="col">Part</th><th scope="col" class="right">Bytes</th><th scope="col" class="right">Share</th></tr></thead>
      <tbody>${lines.map(({ id, bytes: n }) => html`<tr key=${id}><th scope="row" title=${id}>${MEMORY_PARTS.get(id) ?? `Tables of database ${id.slice(3)}`}</th>
        <td class="right" title=${`${count(n)} bytes`}>${bytes(n)}</td><td class="right">${percent(n / total)}</td></tr>`)}</tbody>
      <tfoot><tr><th scope="row">Used memory</th><td class="right" title=${`${count(total)} bytes`}>${bytes(total)}</td><td class="right">100 %</td></tr></tfoot>
    </table>
    <p class="soft">${plural(stats["keys.count"] ?? 0, "key")}, ${bytes(stats["keys.bytes-per-key"] ?? 0)} each on average.</p>`;
  }}<//>`;
}

function Fragmentation() {
  const app = useApp();
  const load = useLoad(async () => {
    const info = parseInfo(await app.run(["INFO", "memory"]));
    const [doctor, defrag] = (await app.batch([["MEMORY", "DOCTOR"], ["CONFIG", "GET", "activedefrag"]])).replies;
    return { info, doctor, defrag: objectOf(defrag).activedefrag };
  }, [], { every: 10_000 });
  return html`<${Loaded} load=${load}>${(/** @type {any} */ { info, doctor, defrag }) => {
    const inside = Number(info.allocator_frag_bytes);
    const kept = Number(info.allocator_rss_bytes);
    const running = Number(info.active_defrag_running);
    return html`<${Stats}>
        <${Stat} label="Resident / used" value=${info.mem_fragmentation_ratio} note=${`${bytes(Number(info.mem_fragmentation_bytes))} more than used`} />
        <${Stat} label="Holes in pages" value=${bytes(inside)} note=${`ratio ${info.allocator_frag_ratio}; defragmentation closes them`} />
        <${Stat} label="Free, kept by the allocator" value=${bytes(kept)} note="given back as it ages, or at once by PURGE" />
        <${Stat} label="Defragmentation" value=${defrag === undefined ? "unknown" : running ? `${running} % of CPU` : textOf(defrag) === "yes" ? "on, resting" : "off"} />
      <//>
      ${inside > 100 << 20 && textOf(defrag) !== "yes" && html`<${Note} tone="warn">Holes take ${bytes(inside)}. <${Command} cmd=${["CONFIG", "SET", "activedefrag", "yes"]} /><//>`}
      ${kept > 256 << 20 && html`<p><${Command} cmd=${["MEMORY", "PURGE"]} /></p>`}
      ${doctor instanceof Error ? html`<p class="lack">${errorText(doctor)}</p>` : html`<p><strong>MEMORY DOCTOR:</strong> ${textOf(doctor)}</p>`}`;
  }}<//>`;
}

/** The largest prefix-stats-depth. */
const PREFIX_DEPTH_MAX = 16;

function Prefixes() {
  const app = useApp();
  const load = useLoad(async () => {
    const [rows, config] = (await app.batch([["PREFIXSTATS", "COUNT", 1000], ["CONFIG", "GET", "prefix-stats*"]])).replies;
    const off = objectOf(config)["prefix-stats"] === "no";
    if (rows instanceof Error && !off) throw rows;
    return { rows: itemsOf(rows).map(objectOf), off, depth: numberOf(objectOf(config)["prefix-stats-depth"]) };
  }, [], { every: 5000 });
  const on = async () => {
    try {
      await app.run(["CONFIG", "SET", "prefix-stats", "yes"]);
      app.toast("Keys are counted by prefix from now on.", { action: { label: "Undo", run: () => app.run(["CONFIG", "SET", "prefix-stats", "no"]).then(load.reload) } });
      load.reload();
    } catch (error) {
      app.toast(errorText(error), { kind: "bad" });
    }
  };
  return html`<${Loaded} load=${load}>${(/** @type {any} */ { rows, off, depth }) => {
    if (off)
      return html`<div class="pad"><p>Exact counts and bytes by prefix are off. They cost some 3 % of a SET and a few bytes a prefix; existing keys are counted between other work.</p>
        <${Button} kind="primary" onClick=${on} why=${!app.runs("config|set") && "This needs CONFIG SET: open the lock first."}>Count by prefix<//></div>`;
    /** @param {string} id @param {string} title @param {(n: number) => string} format */
    const figure = (id, title, format) => ({ id, title, align: /** @type {"right"} */ ("right"), width: "minmax(6.2rem, .6fr)", value: (/** @type {any} */ row) => row[id], render: (/** @type {any} */ row) => format(row[id]) });
    return html`<${Table} label="Prefixes" rows=${rows} rowKey=${(/** @type {any} */ row) => nameId(row.prefix)} sort=${{ id: "bytes", down: true }} maxRows=${10}
      empty="No key yet." columns=${[
        { id: "prefix", title: "Prefix", width: "minmax(9rem, 2fr)", value: (/** @type {any} */ row) => row.prefix, render: (/** @type {any} */ row) => html`<a href=${link("keys", [], { match: glob.startsWith(row.prefix) })}><${Name} name=${row.prefix} /></a>` },
        figure("keys", "Keys", count), figure("bytes", "Bytes", bytes), figure("reads", "Reads", compact), figure("writes", "Writes", compact), figure("misses", "Misses", compact), figure("expired", "Expired", compact),
        // A column that is needed where values are packed.
        ...(rows.some((/** @type {any} */ row) => row.packed > 0) ? [figure("packed", "Packed keys", count), figure("saved", "Saved by it", bytes)] : []),
      ]} />
      ${depth > 0 && depth < PREFIX_DEPTH_MAX && html`<p class="pad soft">By the first ${plural(depth, "part")} of the name. Deeper: <${Command} cmd=${["CONFIG", "SET", "prefix-stats-depth", depth + 1]} /></p>`}`;
  }}<//>`;
}

/** Savings of `compress-values` now, and on request an estimate by prefix. */
function Packing() {
  const app = useApp();
  const [rows, setRows] = useState(/** @type {any[] | null} */ (null));
  const [busy, setBusy] = useState(false);
  const load = useLoad(async () => {
    const [info, config] = (await app.batch([["INFO", "memory"], ["CONFIG", "GET", "compress-values"]])).replies;
    if (info instanceof Error) throw info;
    return { info: parseInfo(info), mode: config instanceof Error ? "" : textOf(objectOf(config)["compress-values"] ?? "") };
  }, [], { every: 5000 });
  const estimate = async () => {
    setBusy(true);
    try {
      setRows(itemsOf(await app.run(["MEMORY", "PACKING"])).map(objectOf));
    } catch (error) {
      app.toast(errorText(error), { kind: "bad" });
    } finally {
      setBusy(false);
    }
  };
  return html`<${Loaded} load=${load}>${(/** @type {any} */ { info, mode }) => {
    const [keys, saved] = [Number(info.packed_keys ?? 0), Number(info.packed_saved_bytes ?? 0)];
    const [whole, gain] = (rows ?? []).reduce(([all, less], row) => [all + row.bytes, less + row.saved_bytes], [0, 0]);
    return html`<div class="pad">
        <p>${keys > 0 ? `${plural(keys, "value")} ${keys === 1 ? "is" : "are"} packed, which saves ${bytes(saved)}.` : "No value is packed."}${mode !== "" && html` <code>compress-values</code> is <code>${mode}</code>.`}</p>
        <${Button} disabled=${busy} onClick=${estimate}>${busy ? "Estimating…" : "Estimate by prefix"}<//>
        ${rows !== null && rows.length > 0 && html`<p>Packing everything that the settings allow would take ${bytes(whole - gain)} instead of ${bytes(whole)}.${mode === "no" && gain * 10 >= whole && html` <${Command} cmd=${["CONFIG", "SET", "compress-values", "auto"]} /> packs near the limit, the longest unused first.`}</p>`}
      </div>
      ${rows !== null && html`<${Table} label="What packing would save" rows=${rows} rowKey=${(/** @type {any} */ row) => nameId(row.prefix)} sort=${{ id: "saved_bytes", down: true }} maxRows=${10}
        empty="No key yet." columns=${[
          { id: "prefix", title: "Prefix", width: "minmax(9rem, 2fr)", value: (/** @type {any} */ row) => row.prefix, render: (/** @type {any} */ row) => html`<${Name} name=${row.prefix} />` },
          figureColumn("keys", "Keys", count), figureColumn("bytes", "Bytes", bytes), figureColumn("packed_bytes", "Packed", bytes), figureColumn("saved_bytes", "Saved", bytes), figureColumn("percent", "Of before", (n) => `${n} %`),
        ]} />`}`;
  }}<//>`;
}

/** Keys a call looks at: four commands each of some microseconds. */
const STEP = 100;
const FIRST = 1000;
/** Keys up to which the walk is whole without being asked: half a minute at most. */
const WHOLE = 100_000;
const BIGGEST = 20;

/** Walks the keyspace in small steps, at most 50 ms of the server's time a second, and shows what it saw. */
function Sample() {
  const app = useApp();
  const [walk, setWalk] = useState(() => ({ cursor: "0", begun: false, done: false, total: 0, seen: 0, types: /** @type {Map<string, {keys: number, bytes: number}>} */ (new Map()), ttls: TTL_BINS.map(() => ({ keys: 0, bytes: 0 })), forever: { keys: 0, bytes: 0 }, big: /** @type {Seen[]} */ ([]), spaces: /** @type {import("../keys/namespaces.js").Spaces} */ (new Map()), delimiter: ":" }));
  const [goal, setGoal] = useState(FIRST);
  const [error, setError] = useState(/** @type {any} */ (null));
  const state = useRef(walk);
  const needs = ["scan", "type", "pttl", "memory|usage"];
  const may = needs.every(app.runs);
  useEffect(() => {
    if (!may) return;
    let ended = false;
    const step = async () => {
      const now = state.current;
      if (ended || now.done || now.seen >= goal) return;
      const began = performance.now();
      const { replies, cost } = await app.batch([["SCAN", now.cursor, "COUNT", STEP], ["DBSIZE"], ...(now.begun ? [] : [["CONFIG", "GET", "prefix-stats-delimiter"]])]);
      if (replies[0] instanceof Error) throw replies[0];
      // That of the server, for who may read it.
      if (!now.begun && !(replies[2] instanceof Error)) now.delimiter = textOf(objectOf(replies[2])["prefix-stats-delimiter"] ?? "") || ":";
      const [cursor, names] = replies[0];
      const each = await app.batch(names.flatMap((/** @type {KeyName} */ name) => [["TYPE", name], ["PTTL", name], ["MEMORY", "USAGE", name]]));
      if (ended) return;
      const next = { ...now, cursor: textOf(cursor), begun: true, done: textOf(cursor) === "0", total: numberOf(replies[1]) || 0 };
      names.forEach((/** @type {KeyName} */ name, /** @type {number} */ i) => add(next, { name, type: textOf(each.replies[3 * i]), ttl: numberOf(each.replies[3 * i + 1]), bytes: numberOf(each.replies[3 * i + 2]) || 0 }));
      next.big = [...next.big].sort((a, b) => b.bytes - a.bytes).slice(0, BIGGEST);
      state.current = next;
      setWalk(next);
      if (!now.begun && next.total <= WHOLE) setGoal(Infinity);
      setTimeout(() => step().catch(setError), restAfter(cost + each.cost, performance.now() - began));
    };
    step().catch(setError);
    return () => {
      ended = true;
    };
  }, [goal, may]);
  const whole = !may ? null : walk.done ? `all ${plural(walk.seen, "key")}` : `sample of ${count(walk.seen)} of ${plural(walk.total, "key")}`;
  const largest = walk.done || !walk.begun ? "Largest keys" : "Largest keys of the sample";
  const busy = may && !walk.done && walk.seen < goal;
  const actions = busy && goal > FIRST
    ? html`<${Button} icon="stop" onClick=${() => setGoal(0)}>Stop<//>`
    : html`<${Button} icon="play" disabled=${walk.done || busy} onClick=${() => setGoal(Infinity)}>Walk all<//>`;
  const types = [...walk.types].map(([type, sums]) => ({ type, ...sums }));
  const calendar = [...walk.ttls.map((sums, i) => ({ when: TTL_BINS[i][1], ...sums })), { when: "never", ...walk.forever }];
  const most = Math.max(1, ...calendar.map(({ keys }) => keys));
  return html`
    <${Tile} title="Types" needs=${needs} error=${error} note=${whole} actions=${actions} flush>
      <${Table} label="Types" rows=${types} rowKey=${(/** @type {any} */ row) => row.type} sort=${{ id: "bytes", down: true }} maxRows=${8} empty=${walk.begun ? "No key here." : "Looking…"} columns=${[
        { id: "type", title: "Type", width: "minmax(8.2rem, 1.4fr)", value: (/** @type {any} */ r) => typeName(r.type) },
        figureColumn("keys", "Keys", count),
        figureColumn("bytes", "Bytes", bytes),
        { id: "mean", title: "Each", align: "right", value: (/** @type {any} */ r) => r.bytes / r.keys, render: (/** @type {any} */ r) => bytes(r.bytes / r.keys) },
      ]} />
    <//>
    <${Tile} title="What expires when" needs=${needs} note=${whole}>
      <table class="plain"><caption class="unseen">Keys by time to live</caption><thead><tr><th scope="col">Expires</th><th scope="col" class="right">Keys</th><th scope="col" class="right">Bytes</th><th scope="col"><span class="unseen">Share</span></th></tr></thead>
        <tbody>${calendar.map(({ when, keys, bytes: n }) => html`<tr key=${when}><th scope="row">${when}</th><td class="right">${count(keys)}</td><td class="right">${bytes(n)}</td>
          <td class="bar-cell"><${Bar} share=${keys / most} label=${`${percent(keys / Math.max(1, walk.seen))} of the keys`} /></td></tr>`)}</tbody></table>
    <//>
    <${Tile} title="Namespaces" needs=${needs} note=${whole} wide>${() => html`<${Namespaces} spaces=${walk.spaces} seen=${walk.seen} />`}<//>
    <${Tile} title=${largest} needs=${needs} note=${whole} wide="full" flush>
      <${Table} label="Largest keys" rows=${walk.big} rowKey=${(/** @type {Seen} */ row) => nameId(row.name)} maxRows=${10} empty=${walk.begun ? "No key here." : "Looking…"} columns=${[
        { id: "name", title: "Key", width: "minmax(9rem, 3fr)", value: (/** @type {Seen} */ r) => r.name, render: (/** @type {Seen} */ r) => html`<a href=${link("keys", [r.name])}><${Name} name=${r.name} /></a>` },
        { id: "type", title: "Type", width: "8.2rem", value: (/** @type {Seen} */ r) => typeName(r.type) },
        figureColumn("bytes", "Bytes", bytes),
        { id: "ttl", title: "Expires in", align: "right", value: (/** @type {Seen} */ r) => (r.ttl < 0 ? Infinity : r.ttl), render: (/** @type {Seen} */ r) => (r.ttl < 0 ? "never" : duration(r.ttl)) },
      ]} />
      <p class="pad soft">The keys that cost the most time and bytes on the wire: <a href=${link("activity")}>HOTKEYS in Activity</a>.</p>
    <//>`;
}

/** @param {any} walk @param {Seen} key */
function add(walk, key) {
  // A key that went away between two commands.
  if (key.type === "none") return;
  walk.seen += 1;
  const type = walk.types.get(key.type) ?? { keys: 0, bytes: 0 };
  walk.types.set(key.type, type);
  const bin = ttlBin(key.ttl);
  for (const sums of [type, bin < 0 ? walk.forever : walk.ttls[bin]]) {
    sums.keys += 1;
    sums.bytes += key.bytes;
  }
  addToSpaces(walk.spaces, key.name, walk.delimiter, key.bytes);
  walk.big = [...walk.big, key];
}
