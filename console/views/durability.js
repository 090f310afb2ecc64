/** Durability: what a power cut would cost now; files, backups and how to restore; replicas, Sentinel, cluster. */

import { html, useState } from "../vendor/htm-preact.module.js";
import { bytes, count, date, duration, percent, plural } from "../format.js";
import { readFindings } from "../api.js";
import { entriesOf, itemsOf, numberOf, objectOf, parseInfo, textOf } from "../resp.js";
import { lastSnapshot, lossTone } from "../stats.js";
import { column, useApp, useHistory, useLoad } from "../state.js";
import { ActButton, FLUSH_UNDONE, useAct, useWhyNot } from "../parts/act.js";
import { Loaded, Page, TextField } from "../parts/load.js";
import { Table, nameColumn } from "../parts/table.js";
import { Button, Command, Name, Note } from "../parts/text.js";
import { Stat, Stats, Tile } from "../parts/tile.js";
import { Topology } from "./topology.js";

export default function Durability() {
  const { can } = useApp();
  // A Sentinel has no data that could be lost.
  if (can("sentinel|masters")) return html`<${Page} title="Durability"><${Tile} title="Topology" needs=${["info"]} wide="full">${() => html`<${Topology} />`}<//><//>`;
  return html`<${Page} title="Durability">
    <${Tile} title="A power cut now" needs=${["info"]} wide="full">${() => html`<${PowerCut} />`}<//>
    <${Tile} title="Files" needs=${["info"]}>${() => html`<${Files} />`}<//>
    <${Tile} title="Backups" needs=${["backup|list"]} wide>${() => html`<${Backups} />`}<//>
    <${Tile} title="Replication" needs=${["info"]} wide>${() => html`<${Replication} />`}<//>
    <${Tile} title="Restore to a moment"><${Restore} /><//>
    <${Tile} title="Flushes to be undone" needs=${["flush|pending"]} wide>${() => html`<${Flushes} />`}<//>
    <${Tile} title="Topology" needs=${["info"]} wide="full">${() => html`<${Topology} />`}<//>
  <//>`;
}

function PowerCut() {
  const app = useApp();
  const { history } = useHistory();
  const load = useLoad(async () => {
    const [{ replies: [info, config] }, findings] = await Promise.all([app.batch([["INFO", "server", "persistence"], ["CONFIG", "GET", "appendfsync", "save"]]), readFindings()]);
    if (info instanceof Error) throw info;
    return { info: parseInfo(info), config: objectOf(config), findings };
  }, [], { every: 2000 });
  return html`<${Loaded} load=${load}>${(/** @type {any} */ { info, config, findings }) => {
    const last = (/** @type {string} */ field) => (history ? column(history, 0, field).at(-1) : null);
    const unsynced = last("aof_unsynced_ms");
    const changes = Number(info.rdb_changes_since_last_save);
    const saved = lastSnapshot(info);
    const log = info.aof_enabled === "1";
    const broken = (log && info.aof_last_write_status !== "ok") || info.rdb_last_bgsave_status !== "ok" || (log && info.aof_last_bgrewrite_status !== "ok");
    const [tone, text] = broken
      ? ["bad", "Writing to disk has failed: the log of the server says why."]
      : log
        ? [unsynced && unsynced > 2000 ? "warn" : "ok", config.appendfsync === "always" ? "Nothing that was acknowledged would be lost: each write is on disk before its reply." : unsynced ? `The writes of the last ${duration(unsynced)} would be lost.` : "Nothing would be lost: every write is on disk."]
        : changes === 0
          ? [lossTone(findings), saved === null ? "Nothing would be lost: nothing has been written since the start." : "Nothing would be lost: the last snapshot holds everything."]
          : [lossTone(findings), `${plural(changes, "change")} since ${saved === null ? "the start; no snapshot has been written" : `the last snapshot, ${duration(Date.now() - saved)} ago`}: a crash would lose ${changes === 1 ? "it" : "them"}.${config.save === "" ? " No save points are set, and the append only file is off." : ""}`];
    return html`<${Note} tone=${tone}><strong>${text}</strong>${!log && html` <${Command} cmd=${["CONFIG", "SET", "appendonly", "yes"]} />`}<//>
      <${Stats}>
        <${Stat} label="Append only file" value=${log ? "on" : "off"} note=${log ? `fsync ${textOf(config.appendfsync ?? "unknown")}` : "snapshots alone"} />
        <${Stat} label="Oldest write not on disk" value=${log ? (unsynced ? duration(unsynced) : "none") : "–"} tone=${unsynced && unsynced > 2000 ? "warn" : undefined} />
        <${Stat} label="Changes since a snapshot" value=${count(changes)} />
        <${Stat} label="Last snapshot" value=${saved === null ? "none yet" : `${duration(Date.now() - saved)} ago`} note=${saved === null ? "since the start" : date(saved)} />
        <${Stat} label="Disk left" value=${bytes(last("disk_free"))} note="where dir is" />
      <//>`;
  }}<//>`;
}

function Files() {
  const app = useApp();
  const load = useLoad(async () => parseInfo(await app.run(["INFO", "persistence"])), [], { every: 2000 });
  const status = (/** @type {string} */ text) => (text === "ok" ? "ok" : html`<strong class="bad">${text}</strong>`);
  return html`<${Loaded} load=${load}>${(/** @type {Record<string, string>} */ info) => {
    const saving = info.rdb_bgsave_in_progress === "1";
    const rewriting = info.aof_rewrite_in_progress === "1";
    return html`<table class="plain"><caption class="unseen">Snapshot and append only file</caption><thead><tr><th scope="col"><span class="unseen">State</span></th><th scope="col">Snapshot</th><th scope="col">Append only file</th></tr></thead><tbody>
        <tr><th scope="row">Now</th><td>${saving ? `saving, ${percent(Number(info.current_save_keys_processed) / Number(info.current_save_keys_total || 1), 0)}` : "at rest"}</td><td>${rewriting ? "rewriting" : info.aof_enabled === "1" ? "at rest" : "off"}</td></tr>
        <tr><th scope="row">Last took</th><td>${took(info.rdb_last_bgsave_time_sec)}</td><td>${took(info.aof_last_rewrite_time_sec)}</td></tr>
        <tr><th scope="row">Last ended</th><td>${status(info.rdb_last_bgsave_status)}</td><td>${status(info.aof_last_bgrewrite_status)}</td></tr>
        <tr><th scope="row">Written</th><td>${plural(Number(info.rdb_saves), "time")}</td><td>${plural(Number(info.aof_rewrites), "time")}</td></tr>
        <tr><th scope="row">Size</th><td>–</td><td>${info.aof_current_size === undefined ? "–" : `${bytes(Number(info.aof_current_size))}, base ${bytes(Number(info.aof_base_size))}`}</td></tr>
      </tbody></table>
      <div class="toolbar"><${ActButton} needs="bgsave" cmd=${["BGSAVE"]} done="The snapshot is being written." after=${load.reload} disabled=${saving}>Save a snapshot<//>
        <${ActButton} needs="bgrewriteaof" cmd=${["BGREWRITEAOF"]} done="The append only file is being rewritten." after=${load.reload} disabled=${rewriting}>Rewrite the file<//></div>`;
  }}<//>`;
}

/** @param {string | undefined} seconds */
function took(seconds) {
  return seconds === undefined || seconds === "-1" ? "–" : duration(Number(seconds) * 1000);
}

function Backups() {
  const app = useApp();
  const act = useAct();
  const [name, setName] = useState("");
  // The number of backups before the one that is being made.
  const [awaited, setAwaited] = useState(/** @type {number | null} */ (null));
  const load = useLoad(async () => {
    const rows = itemsOf(await app.run(["BACKUP", "LIST"])).filter((row) => typeof row !== "string").map(objectOf);
    if (awaited !== null && rows.length > awaited) setAwaited(null);
    return rows;
  }, [], { every: awaited === null ? 10_000 : 1000 });
  const why = useWhyNot("backup|create");
  const create = async (/** @type {any} */ event) => {
    event.preventDefault();
    if (why) return;
    const folder = await act(["BACKUP", "CREATE", ...(name ? [name] : [])], { after: load.reload });
    if (folder === undefined) return;
    setName("");
    setAwaited(folder === null ? (load.data?.length ?? 0) : null);
    app.toast(folder === null ? "The backup is being made, and is listed when it is complete." : `Sealed in ${textOf(folder)}: copy that folder away.`);
  };
  return html`<form class="toolbar" onSubmit=${create}><${TextField} label="Name" value=${name} onInput=${setName} placeholder="the time" /><${Button} type="submit" kind="primary" why=${why}>Create a backup<//></form>
    <${Loaded} load=${load}>${(/** @type {any[]} */ rows) => html`<${Table} label="Backups" rows=${rows} rowKey=${(/** @type {any} */ r) => textOf(r.name)} maxRows=${6} empty="No backup here yet." columns=${[
      nameColumn("name", "Name", "minmax(8rem, 2fr)"),
      { id: "kind", title: "Kind", width: "5rem", value: (/** @type {any} */ r) => textOf(r.kind) },
      { id: "bytes", title: "Size", align: "right", width: "7rem", value: (/** @type {any} */ r) => numberOf(r.bytes), render: (/** @type {any} */ r) => bytes(numberOf(r.bytes)) },
      { id: "created", title: "Created", width: "13rem", value: (/** @type {any} */ r) => numberOf(r.created), render: (/** @type {any} */ r) => date(numberOf(r.created) * 1000) },
      { id: "drop", title: "Drop", width: "5rem", render: (/** @type {any} */ r) => html`<${ActButton} needs="backup|drop" kind="quiet" icon="trash" label=${`Drop ${textOf(r.name)}`} cmd=${["BACKUP", "DROP", r.name]} done="The backup is gone." after=${load.reload}
        question=${{ title: "Drop this backup?", body: `${textOf(r.name)} is removed from the server's disk for good.`, confirm: "Drop", danger: true }} />` },
    ]} />`}<//>`;
}

function Restore() {
  const app = useApp();
  const [when, setWhen] = useState(() => new Date(Date.now() - 600_000).toISOString().slice(0, 19) + "Z");
  const load = useLoad(async () => (app.can("config|get") ? objectOf(await app.run(["CONFIG", "GET", "dir", "appenddirname", "appendonly"])) : {}), []);
  const dir = textOf(load.data?.dir ?? "DIR");
  const log = textOf(load.data?.appenddirname ?? "appendonlydir");
  if (textOf(load.data?.appendonly ?? "") === "no")
    return html`<p>The append only file is off: what can be restored are the last snapshot and backups, each as it is, and no moment between them.</p><p><${Command} cmd=${["CONFIG", "SET", "appendonly", "yes"]} /></p>`;
  return html`<p>The append only file holds every write with its time. To take back what happened after a moment, stop the server and run:</p>
    <${TextField} label="Until (UTC)" value=${when} onInput=${setWhen} />
    <pre class="steps">${`russet restore --from ${dir}/${log} \\\n    --until ${when} --to ${dir}/before\nmv ${dir}/${log} ${dir}/${log}.bad\nmv ${dir}/before/${log} ${dir}/`}</pre>
    <p class="soft">Then start the server. <code>--from</code> also takes the folder of a backup; the source is not changed.</p>`;
}

function Flushes() {
  const app = useApp();
  const load = useLoad(async () => itemsOf(await app.run(["FLUSH", "PENDING"])).map(objectOf), [], { every: 2000 });
  return html`<${Loaded} load=${load}>${(/** @type {any[]} */ rows) => html`
    <${Table} label="Flushes" rows=${rows} rowKey=${(/** @type {any} */ r) => String(r.id)} maxRows=${4} empty="None. With flush-grace 60 what FLUSHALL and FLUSHDB delete can be brought back for a minute." columns=${[
      { id: "keys", title: "Keys", align: "right", render: (/** @type {any} */ r) => count(r.keys) },
      { id: "bytes", title: "Bytes", align: "right", render: (/** @type {any} */ r) => bytes(r.bytes) },
      { id: "databases", title: "Databases", render: databasesOf },
      { id: "left", title: "For another", align: "right", render: (/** @type {any} */ r) => duration(r["seconds-left"] * 1000) },
    ]} />
    ${rows.length > 0 && html`<div class="toolbar"><${ActButton} needs="flush|undo" cmd=${["FLUSH", "UNDO"]} ...${FLUSH_UNDONE} after=${load.reload}
      question=${{ title: "Undo the last flush?", body: `It brings back ${plural(numberOf(rows[0].keys), "key")}, about ${bytes(numberOf(rows[0].bytes))}, of database ${databasesOf(rows[0])}.`, confirm: "Bring them back" }}>Undo the last one<//></div>`}`}<//>`;
}

/** @param {Record<string, any>} flush a row of FLUSH PENDING */
function databasesOf(flush) {
  return entriesOf(flush.databases).map(([db]) => textOf(db)).join(", ");
}

function Replication() {
  const app = useApp();
  const load = useLoad(async () => parseInfo(await app.run(["INFO", "replication"])), [], { every: 1000 });
  return html`<${Loaded} load=${load}>${(/** @type {Record<string, string>} */ info) => {
    const offset = Number(info.master_repl_offset);
    const replicas = Object.entries(info).filter(([id]) => /^slave\d+$/.test(id)).map(([id, text]) => ({ id, ...Object.fromEntries(text.split(",").map((part) => part.split("="))) }));
    const up = info.master_link_status === "up";
    return html`<${Stats}>
        <${Stat} label="Role" value=${info.role === "slave" ? "replica" : "primary"} note=${info.role === "slave" ? `of ${info.master_host}:${info.master_port}` : plural(replicas.length, "replica")} />
        ${info.role === "slave" && html`<${Stat} label="Link" value=${up ? "up" : "down"} tone=${up ? undefined : "bad"} note=${up ? `heard ${info.master_last_io_seconds_ago} s ago` : `for ${duration(Number(info.master_link_down_since_seconds) * 1000)}`} />`}
        <${Stat} label="Offset" value=${count(offset)} title=${info.master_replid} />
        <${Stat} label="Backlog" value=${info.repl_backlog_active === "1" ? bytes(Number(info.repl_backlog_histlen)) : "none"} note=${`of ${bytes(Number(info.repl_backlog_size))}`} />
        <${Stat} label="Failover" value=${info.master_failover_state ?? "–"} />
      <//>
      ${info.role === "slave" && html`<div class="toolbar"><${ActButton} needs="replicaof" kind="danger" cmd=${["REPLICAOF", "NO", "ONE"]} done="This server is a primary now." after=${load.reload}
        question=${{ title: "Make this replica a primary?", body: "It stops to follow its primary at once and takes writes. The two will differ from then on.", confirm: "Make it a primary", danger: true, type: "primary" }}>Make it a primary<//></div>`}
      ${info.role !== "slave" && html`<${Table} label="Replicas" rows=${replicas} rowKey=${(/** @type {any} */ r) => r.id} maxRows=${6} empty="No replica is connected." columns=${[
          { id: "ip", title: "Address", width: "minmax(9rem, 2fr)", value: (/** @type {any} */ r) => `${r.ip}:${r.port}` },
          { id: "state", title: "State", value: (/** @type {any} */ r) => r.state },
          { id: "behind", title: "Behind", align: "right", value: (/** @type {any} */ r) => offset - Number(r.offset), render: (/** @type {any} */ r) => bytes(Math.max(0, offset - Number(r.offset))) },
          { id: "lag", title: "Heard", align: "right", value: (/** @type {any} */ r) => Number(r.lag), render: (/** @type {any} */ r) => `${r.lag} s ago` },
        ]} />
        ${replicas.length > 0 && html`<div class="toolbar"><${ActButton} needs="failover" kind="danger" cmd=${["FAILOVER", "TIMEOUT", 10000]} done="The failover has begun." after=${load.reload}
          question=${{ title: "Hand over to a replica?", body: "Writes wait until a replica has everything; then it is the primary and this server follows it. Given up after 10 s.", confirm: "Hand over", danger: true }}>Hand over to a replica<//></div>`}`}`;
  }}<//>`;
}
