/** Activity: slow commands, latency by command, errors, the dearest keys, and MONITOR with a filter. */

import { html, useMemo, useState } from "../vendor/htm-preact.module.js";
import { bytes, clock, commandLine, compact, count, date, duration, micros, percent, plural } from "../format.js";
import { entriesOf, itemsOf, nameId, numberOf, objectOf, parseInfo, textOf } from "../resp.js";
import { go } from "../router.js";
import { useApp, useLoad, useTopic } from "../state.js";
import { percentile } from "../stats.js";
import { Loaded, Page, Select, TextField } from "../parts/load.js";
import { link } from "../parts/link.js";
import { Table, figureColumn, nameColumn } from "../parts/table.js";
import { Button, Command, Name } from "../parts/text.js";
import { errorText, Tile } from "../parts/tile.js";

/** @typedef {import("../resp.js").Name} KeyName */

/** @param {{route: import("../router.js").Route}} props */
export default function Activity({ route }) {
  return html`<${Page} title="Activity">
    <${Logs} kind=${textOf(route.query.log ?? "slow")} />
    <${Tile} title="Latency by command" needs=${["latency|histogram"]} wide flush>${() => html`<${Latency} />`}<//>
    <${Tile} title="Errors by kind" needs=${["info"]} flush>${() => html`<${Errors} />`}<//>
    <${HotKeys} />
    <${Tile} title="Watch commands" needs=${["monitor"]} wide="full">${() => html`<${Monitor} />`}<//>
  <//>`;
}

const LOGS = {
  slow: { title: "Slow commands", unit: "Time", format: micros, limit: "commandlog-execution-slower-than" },
  "large-request": { title: "Large requests", unit: "Bytes", format: bytes, limit: "commandlog-request-larger-than" },
  "large-reply": { title: "Large replies", unit: "Bytes", format: bytes, limit: "commandlog-reply-larger-than" },
};

/** @param {{kind: string}} props */
function Logs({ kind }) {
  const app = useApp();
  const log = LOGS[/** @type {keyof typeof LOGS} */ (kind)] ? kind : "slow";
  const { unit, format, limit } = LOGS[/** @type {keyof typeof LOGS} */ (log)];
  const reset = async () => {
    if (!(await app.ask({ title: "Empty this log?", body: `COMMANDLOG RESET ${log} forgets its entries for everybody.`, confirm: "Empty", danger: true }))) return;
    try {
      await app.run(["COMMANDLOG", "RESET", log]);
      app.toast("The log is empty.");
    } catch (error) {
      app.toast(errorText(error), { kind: "bad" });
    }
  };
  const actions = html`<${Select} label="Log" value=${log} options=${Object.entries(LOGS).map(([id, { title }]) => [id, title])} onChange=${(/** @type {string} */ id) => go(link("activity", [], { log: id === "slow" ? null : id }), { replace: true })} />
    <${Button} icon="trash" why=${!app.runs("commandlog|reset") && "This needs COMMANDLOG RESET: open the lock first."} onClick=${reset}>Empty<//>`;
  return html`<${Tile} title="Slow and large" needs=${["commandlog|get"]} actions=${actions} wide="full" flush>
    ${() => html`<${LogTable} key=${log} log=${log} unit=${unit} format=${format} limit=${limit} />`}
  <//>`;
}

/** @param {{log: string, unit: string, format: (n: number) => string, limit: string}} props */
function LogTable({ log, unit, format, limit }) {
  const app = useApp();
  const load = useLoad(async () => {
    const [entries, config] = (await app.batch([["COMMANDLOG", "GET", 500, log], ["CONFIG", "GET", limit]])).replies;
    if (entries instanceof Error) throw entries;
    const rows = itemsOf(entries).map(([id, time, cost, args, client, name]) => ({ id: textOf(id), time: numberOf(time) * 1000, cost: numberOf(cost), args, client, name }));
    return { rows, threshold: objectOf(config)[limit] };
  }, [], { every: 3000 });
  return html`<${Loaded} load=${load}>${(/** @type {any} */ { rows, threshold }) => html`
    <${Table} label=${`Log ${log}`} rows=${rows} rowKey=${(/** @type {any} */ row) => row.id} maxRows=${8}
      empty=${threshold === undefined ? "The log is empty." : `The log is empty: nothing went beyond ${limit} ${threshold}.`} columns=${[
        { id: "time", title: "When", width: "13rem", value: (/** @type {any} */ r) => r.time, render: (/** @type {any} */ r) => date(r.time) },
        { id: "cost", title: unit, width: "6rem", align: "right", value: (/** @type {any} */ r) => r.cost, render: (/** @type {any} */ r) => format(r.cost) },
        { id: "command", title: "Command", width: "minmax(12rem, 4fr)", render: (/** @type {any} */ r) => html`<${Name} name=${commandLine(r.args)} />` },
        { id: "client", title: "Client", width: "minmax(13rem, 1fr)", value: (/** @type {any} */ r) => r.client, render: (/** @type {any} */ r) => html`<${Name} name=${r.client} />${r.name ? html` (<${Name} name=${r.name} />)` : null}` },
      ]} />
    ${threshold !== undefined && html`<p class="pad soft">Kept from <code>${limit}</code> ${textOf(threshold)}${Number(textOf(threshold)) > 0 && ` (${format(Number(textOf(threshold)))})`} on: <a href=${link("settings", [limit])}>change it</a>.</p>`}`}<//>`;
}

function Latency() {
  const app = useApp();
  const load = useLoad(async () => {
    const [histograms, info] = (await app.batch([["LATENCY", "HISTOGRAM"], ["INFO", "commandstats"]])).replies;
    if (histograms instanceof Error) throw histograms;
    const stats = info instanceof Error ? {} : parseInfo(info);
    return entriesOf(histograms).map(([name, value]) => {
      const { calls, histogram_usec: histogram } = objectOf(value);
      /** @type {[number, number][]} */
      const buckets = entriesOf(histogram).map(([bound, n]) => [numberOf(bound), numberOf(n)]);
      const line = Object.fromEntries((stats[`cmdstat_${name}`] ?? "").split(",").map((part) => part.split("=")));
      return { name, calls: numberOf(calls), p50: percentile(buckets, 0.5), p99: percentile(buckets, 0.99), p999: percentile(buckets, 0.999), sum: Number(line.usec ?? NaN), failed: Number(line.failed_calls ?? 0) + Number(line.rejected_calls ?? 0) };
    });
  }, [], { every: 3000 });
  return html`<${Loaded} load=${load}>${(/** @type {any[]} */ rows) => {
    const all = rows.reduce((sum, { sum: own }) => sum + (own || 0), 0);
    /** @param {string} id @param {string} title @param {(n: any) => string} format */
    const figure = (id, title, format) => ({ id, title, align: "right", width: "minmax(6.8rem, .6fr)", value: (/** @type {any} */ r) => r[id], render: (/** @type {any} */ r) => format(r[id]) });
    return html`<${Table} label="Latency by command" rows=${rows} rowKey=${(/** @type {any} */ r) => r.name} sort=${{ id: "sum", down: true }} maxRows=${10} columns=${[
      { id: "name", title: "Command", width: "minmax(9rem, 2fr)", value: (/** @type {any} */ r) => r.name, render: (/** @type {any} */ r) => r.name.replace("|", " ").toUpperCase() },
      figure("calls", "Calls", compact), figure("sum", "Time share", (n) => percent(all ? n / all : NaN)), figure("p50", "p50", micros), figure("p99", "p99", micros), figure("p999", "p99.9", micros), figure("failed", "Failed", compact),
    ]} />`;
  }}<//>`;
}

function Errors() {
  const app = useApp();
  const load = useLoad(async () => {
    const info = parseInfo(await app.run(["INFO", "errorstats"]));
    return Object.entries(info).map(([field, text]) => ({ kind: field.replace("errorstat_", ""), count: Number(text.replace("count=", "")) }));
  }, [], { every: 3000 });
  return html`<${Loaded} load=${load}>${(/** @type {any[]} */ rows) => html`
    <${Table} label="Errors by kind" rows=${rows} rowKey=${(/** @type {any} */ r) => r.kind} sort=${{ id: "count", down: true }} maxRows=${8} empty="No command was refused." columns=${[
      nameColumn("kind", "Kind"),
      figureColumn("count", "Replies", count),
    ]} />`}<//>`;
}

function HotKeys() {
  const app = useApp();
  const [seconds, setSeconds] = useState("10");
  const load = useLoad(async () => {
    if (!app.runs("hotkeys|get")) return null;
    const [first] = itemsOf(await app.run(["HOTKEYS", "GET"]));
    return first === undefined ? null : objectOf(first);
  }, [app.locked], { every: 1000 });
  const act = async (/** @type {(string | number)[]} */ cmd) => {
    try {
      await app.run(cmd);
      load.reload();
    } catch (error) {
      app.toast(errorText(error), { kind: "bad" });
    }
  };
  const running = numberOf(load.data?.["tracking-active"]) === 1;
  const lack = !app.runs("hotkeys|start") && "This needs HOTKEYS START: open the lock first.";
  const actions = running
    ? html`<${Button} icon="stop" onClick=${() => act(["HOTKEYS", "STOP"])}>Stop<//>`
    : html`<${Select} label="For" value=${seconds} options=${[["10", "10 s"], ["60", "1 min"], ["600", "10 min"]]} onChange=${setSeconds} />
      <${Button} icon="play" kind="primary" why=${lack} onClick=${() => act(["HOTKEYS", "START", "METRICS", 2, "CPU", "NET", "COUNT", 20, "DURATION", Number(seconds)])}>Find hot keys<//>`;
  /** @param {any} found @param {string} field @returns {{name: KeyName, cost: number}[]} */
  const list = (found, field) => {
    const flat = entriesOf(found?.[field] ?? []);
    return flat.map(([name, cost]) => ({ name, cost: numberOf(cost) }));
  };
  return html`<${Tile} title="Hot keys" needs=${["hotkeys|get"]} error=${load.error} actions=${actions} wide="full">
    ${() => load.data
      ? html`<p class="soft">${running ? "Counting for" : "Counted for"} ${duration(numberOf(load.data["collection-duration-ms"]))}: ${bytes(numberOf(load.data["total-net-bytes"]))} on the wire.</p>
        <div class="columns">${[["by-cpu-time-us", "By CPU time", micros], ["by-net-bytes", "By bytes on the wire", bytes]].map(([field, title, format]) => html`<div key=${field}>
          <${Table} label=${title} rows=${list(load.data, /** @type {string} */ (field))} rowKey=${(/** @type {any} */ r) => nameId(r.name)} maxRows=${8} empty="No key yet." columns=${[
            { id: "name", title, width: "minmax(8rem, 3fr)", value: (/** @type {any} */ r) => r.name, render: (/** @type {any} */ r) => html`<a href=${link("keys", [r.name])}><${Name} name=${r.name} /></a>` },
            { id: "cost", title: "Cost", align: "right", value: (/** @type {any} */ r) => r.cost, render: (/** @type {any} */ r) => /** @type {any} */ (format)(r.cost) },
          ]} /></div>`)}</div>`
      : html`<p>A session of HOTKEYS finds the keys that cost the most time and bytes; it takes a 64th of the commands' time at most.</p>`}
  <//>`;
}

/** Lines kept of MONITOR. */
const LINES_KEPT = 500;

function Monitor() {
  const app = useApp();
  const [filter, setFilter] = useState({ cmd: "", key: "", user: "" });
  const [running, setRunning] = useState(/** @type {any} */ (null));
  const [rows, setRows] = useState(/** @type {any[]} */ ([]));
  const [state, setState] = useState({ dropped: 0, note: "" });
  const topic = useMemo(() => running && { monitor: running }, [running]);
  useTopic(topic, (event, data) => {
    if (event === "monitor") setRows((old) => [...old, { ...data, id: (old.at(-1)?.id ?? 0) + 1 }].slice(-LINES_KEPT));
    else if (event === "dropped") setState((old) => ({ ...old, dropped: old.dropped + data.dropped }));
    else if (event === "end") {
      setRunning(null);
      setState((old) => ({ ...old, note: `Ended: ${data.reason}.` }));
    } else if (event === "broken") {
      setRunning(null);
      setState((old) => ({ ...old, note: errorText(data.error) }));
    }
  });
  const start = (/** @type {any} */ event) => {
    event.preventDefault();
    if (running) {
      setRunning(null);
      return;
    }
    setRows([]);
    setState({ dropped: 0, note: "" });
    setRunning({ ...Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== "")), rate: 500, for: 60 });
  };
  const field = (/** @type {"cmd" | "key" | "user"} */ id) => ({ value: filter[id], disabled: Boolean(running), onInput: (/** @type {string} */ value) => setFilter({ ...filter, [id]: value }) });
  return html`<form class="toolbar" onSubmit=${start}>
      <${TextField} label="Command" placeholder="any" ...${field("cmd")} />
      <${TextField} label="Key pattern" placeholder="*" ...${field("key")} />
      <${TextField} label="User" placeholder="any" ...${field("user")} />
      <${Button} type="submit" kind=${running ? "plain" : "primary"} icon=${running ? "stop" : "play"}>${running ? "Stop" : "Watch for a minute"}<//>
    </form>
    <p class="soft" role="status">${running ? `Watching, at most 500 a second.` : state.note || "The server filters and samples; it ends by itself after a minute."} ${plural(rows.length, "line")}${state.dropped ? `, ${plural(state.dropped, "more was", "more were")} left out` : ""}.</p>
    <${Table} label="Commands" rows=${rows} rowKey=${(/** @type {any} */ r) => String(r.id)} maxRows=${12} empty="No command seen." columns=${[
      { id: "time", title: "When", width: "7rem", render: (/** @type {any} */ r) => clock(Number(r.time) * 1000) },
      { id: "cmd", title: "Command", width: "minmax(12rem, 4fr)", render: (/** @type {any} */ r) => html`<${Name} name=${commandLine(r.cmd)} />` },
      { id: "db", title: "Db", width: "4rem", render: (/** @type {any} */ r) => r.db },
      { id: "user", title: "User", render: (/** @type {any} */ r) => html`<${Name} name=${r.user} />` },
      { id: "addr", title: "Address", width: "minmax(13rem, 1fr)", render: (/** @type {any} */ r) => html`<${Name} name=${r.addr} />` },
    ]} />
    ${rows.length > 0 && !app.locked && html`<p class="soft">Without filter or limit: <${Command} cmd=${["MONITOR"]} /> in redis-cli.</p>`}`;
}
