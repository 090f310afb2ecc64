/** Clients: the connections, by user, library or address; what they hold; ending those that a filter hits. */

import { html, useMemo, useState } from "../vendor/htm-preact.module.js";
import { GROUPS, grouped, hits, hostOf, parseClients, stateWords } from "../clientlist.js";
import { brief, bytes, compact, count, date, duration, plural } from "../format.js";
import { itemsOf, objectOf, parseInfo, textOf } from "../resp.js";
import { go } from "../router.js";
import { useApp, useLoad } from "../state.js";
import { Dialog } from "../parts/dialog.js";
import { Loaded, Page, Select, TextField } from "../parts/load.js";
import { link } from "../parts/link.js";
import { Table, figureColumn, nameColumn } from "../parts/table.js";
import { Button, Name, Note } from "../parts/text.js";
import { errorText, Stat, Stats, Tile } from "../parts/tile.js";

/** @typedef {import("../clientlist.js").Client} Client */

/** @param {{route: import("../router.js").Route}} props */
export default function Clients({ route }) {
  const app = useApp();
  const load = useLoad(async () => (app.can("client|list") ? parseClients(await app.run(["CLIENT", "LIST"])) : []), [], { every: 2000 });
  const by = textOf(route.query.by ?? "none");
  const [killing, setKilling] = useState(/** @type {any} */ (null));
  /** @type {((client: Client) => string) | undefined} */
  const group = GROUPS[by];
  const chosen = textOf(route.query.is ?? "");
  const clients = useMemo(() => (load.data ?? []).filter((client) => group === undefined || !route.query.is || group(client) === chosen), [load.data, by, chosen]);
  const lack = !app.runs("client|kill") && "This needs CLIENT KILL: open the lock first.";
  const actions = html`<${Select} label="By" value=${group === undefined ? "none" : by} options=${[["none", "each client"], ...Object.keys(GROUPS).map((id) => [id, id])]} onChange=${(/** @type {string} */ id) => go(link("clients", [], { by: id === "none" ? null : id }), { replace: true })} />
    <${Button} icon="close" why=${lack} onClick=${() => setKilling({})}>End clients…<//>`;
  return html`<${Page} title="Clients">
    <${Tile} title="All together" needs=${["info"]} wide="full">${() => html`<${Totals} />`}<//>
    <${Tile} title="Connected" needs=${["client|list"]} note=${load.data && plural(load.data.length, "client")} actions=${actions} wide="full" flush>
      ${() => html`<${Loaded} load=${load}>${() => html`${group !== undefined && !route.query.is
        ? html`<${ClientGroups} rows=${grouped(clients, group)} by=${by} />`
        : html`${group !== undefined && html`<p class="pad">With ${by} <${Name} name=${chosen} />. <a href=${link("clients", [], { by })}>All groups</a></p>`}<${Each} clients=${clients} onKill=${!lack && ((/** @type {Client} */ client) => setKilling({ id: client.id }))} />`}`}<//>`}
    <//>
    <${Tile} title="Ended lately" needs=${["client|closed"]} wide="full" flush>${() => html`<${Ended} />`}<//>
    ${killing && html`<${Kill} clients=${load.data ?? []} only=${killing.id} onClose=${() => { setKilling(null); load.reload(); }} />`}
  <//>`;
}

function Totals() {
  const app = useApp();
  const load = useLoad(async () => parseInfo(await app.run(["INFO", "clients"])), [], { every: 2000 });
  const more = useLoad(async () => parseInfo(await app.run(["INFO", "stats"])), [], { every: 2000 });
  return html`<${Loaded} load=${load}>${(/** @type {any} */ info) => html`<${Stats}>
    <${Stat} label="Connected" value=${count(Number(info.connected_clients))} note=${`of ${count(Number(info.maxclients))}`} tone=${Number(info.connected_clients) > 0.9 * Number(info.maxclients) ? "warn" : undefined} />
    <${Stat} label="Blocked" value=${count(Number(info.blocked_clients))} />
    <${Stat} label="Subscribed" value=${count(Number(info.pubsub_clients))} />
    <${Stat} label="Tracking" value=${count(Number(info.tracking_clients))} />
    <${Stat} label="Accepted" value=${compact(Number(more.data?.total_connections_received))} note="since the start" />
    <${Stat} label="Refused" value=${compact(Number(more.data?.rejected_connections))} tone=${Number(more.data?.rejected_connections) ? "warn" : undefined} note="at maxclients" />
    <${Stat} label="Cut off" value=${compact(Number(more.data?.client_output_buffer_limit_disconnections) + Number(more.data?.evicted_clients))} note="for their buffers" />
  <//>`}<//>`;
}

function Ended() {
  const app = useApp();
  const load = useLoad(async () => itemsOf(await app.run(["CLIENT", "CLOSED"])).map(objectOf), [], { every: 3000 });
  return html`<${Loaded} load=${load}>${(/** @type {any[]} */ rows) => html`<${Table} label="Connections that ended" rows=${rows} rowKey=${(/** @type {any} */ r) => String(r.id)} maxRows=${6} empty="None yet." columns=${[
    { id: "when", title: "When", width: "13rem", value: (/** @type {any} */ r) => r["time-ms"], render: (/** @type {any} */ r) => date(r["time-ms"]) },
    nameColumn("reason", "Why", "8rem"), { ...nameColumn("detail", "In detail", "minmax(12rem, 3fr)"), render: (/** @type {any} */ r) => r.detail && html`<${Name} name=${r.detail} />` }, nameColumn("addr", "Address", "minmax(12rem, 1fr)"), nameColumn("user", "User"),
  ]} />`}<//>`;
}

/** @param {{rows: ReturnType<typeof grouped>, by: string}} props */
function ClientGroups({ rows, by }) {
  return html`<${Table} label=${`Clients by ${by}`} rows=${rows} rowKey=${(/** @type {any} */ r) => r.name} sort=${{ id: "clients", down: true }} columns=${[
    { id: "name", title: by, width: "minmax(9rem, 2fr)", value: (/** @type {any} */ r) => r.name, render: (/** @type {any} */ r) => html`<a href=${link("clients", [], { by, is: r.name })}><${Name} name=${r.name} /></a>` },
    figureColumn("clients", "Clients", count), figureColumn("memory", "Memory", bytes), figureColumn("output", "Unsent", bytes), figureColumn("idle", "Longest idle", (s) => duration(s * 1000)), figureColumn("blocked", "Blocked", count),
  ]} />`;
}

/** @param {{clients: Client[], onKill: false | ((client: Client) => void)}} props */
function Each({ clients, onKill }) {
  /** @param {string} id @param {string} title @param {string} [width] */
  const text = (id, title, width) => ({ id, title, width, value: (/** @type {Client} */ c) => c[id] ?? "", render: (/** @type {Client} */ c) => html`<${Name} name=${c[id] || "–"} />` });
  /** @param {string} id @param {string} title @param {(n: number) => string} format @param {string} [width] */
  const figure = (id, title, format, width = "minmax(5.6rem, .6fr)") => ({ id, title, align: "right", width, value: (/** @type {Client} */ c) => Number(c[id]), render: (/** @type {Client} */ c) => format(Number(c[id])) });
  return html`<${Table} label="Clients" rows=${clients} rowKey=${(/** @type {Client} */ c) => c.id} sort=${{ id: "tot-mem", down: true }} maxRows=${18} columns=${[
    figure("id", "Id", String, "minmax(4.6rem, .4fr)"), text("addr", "Address", "minmax(12rem, 1fr)"), text("user", "User", "minmax(6rem, .6fr)"), text("name", "Name", "minmax(5rem, .6fr)"),
    { id: "lib", title: "Library", width: "minmax(9.6rem, 1fr)", value: GROUPS.library, render: (/** @type {Client} */ c) => html`<${Name} name=${GROUPS.library(c)} />` },
    { id: "cmd", title: "Last command", width: "minmax(8.5rem, 1fr)", value: GROUPS.command, render: (/** @type {Client} */ c) => html`<${Name} name=${GROUPS.command(c).toUpperCase()} />` },
    { id: "flags", title: "State", width: "minmax(6rem, .8fr)", value: stateWords, render: (/** @type {Client} */ c) => stateWords(c) || "–" },
    figure("age", "Age", (s) => brief(s * 1000)), figure("idle", "Idle", (s) => brief(s * 1000)), figure("omem", "Unsent", bytes), figure("tot-mem", "Memory", bytes, "minmax(7rem, .6fr)"),
    ...(onKill ? [{ id: "end", title: "End", width: "4rem", render: (/** @type {Client} */ c) => html`<${Button} kind="quiet" icon="close" label=${`End client ${c.id}`} onClick=${() => onKill(c)} />` }] : []),
  ]} />`;
}

/**
 * What is ended is what the preview shows: the clients by their ids.
 * @param {{clients: Client[], only?: string, onClose: () => void}} props
 */
function Kill({ clients, only, onClose }) {
  const app = useApp();
  const [filter, setFilter] = useState({ user: "", address: "", library: "", name: "", idle: "" });
  const [error, setError] = useState(/** @type {any} */ (null));
  const empty = !only && Object.values(filter).every((value) => value === "");
  const hit = only ? clients.filter(({ id }) => id === only) : empty ? [] : hits(clients, { ...filter, idle: Number(filter.idle) });
  const console = hit.filter((client) => client["lib-name"] === "russet-console").length;
  const field = (/** @type {keyof typeof filter} */ id) => ({ value: filter[id], onInput: (/** @type {string} */ value) => setFilter({ ...filter, [id]: value }) });
  const kill = async () => {
    if (hit.length === 0) return;
    try {
      const { replies } = await app.batch(hit.map(({ id }) => ["CLIENT", "KILL", "ID", id]));
      const failed = replies.find((reply) => reply instanceof Error);
      if (failed) throw failed;
      app.toast(`${plural(replies.filter((reply) => reply === 1).length, "client")} ended.`);
      onClose();
    } catch (reason) {
      setError(reason);
    }
  };
  return html`<${Dialog} title=${only ? `End client ${only}?` : "End clients"} onClose=${onClose} onSubmit=${kill} wide
    actions=${html`<${Button} onClick=${onClose}>Cancel<//><${Button} kind="danger" type="submit" disabled=${hit.length === 0}>End ${plural(hit.length, "client")}<//>`}>
    ${error && html`<${Note} tone="bad">${errorText(error)}<//>`}
    ${!only && html`<div class="toolbar"><${TextField} label="User" ...${field("user")} /><${TextField} label="Address begins with" ...${field("address")} />
      <${TextField} label="Library contains" ...${field("library")} /><${TextField} label="Name contains" ...${field("name")} /><${TextField} label="Idle for seconds" type="number" min="0" ...${field("idle")} /></div>`}
    <p role="status">${empty ? "Fill in one field at least." : `${plural(hit.length, "connection")} would be cut${console ? `, ${console} of the console among them` : ""}.`}</p>
    <${Table} label="Clients to be ended" rows=${hit} rowKey=${(/** @type {Client} */ c) => c.id} maxRows=${8} empty="No client." columns=${[
      { id: "id", title: "Id", width: "5rem", value: (/** @type {Client} */ c) => Number(c.id) },
      { id: "addr", title: "Address", value: (/** @type {Client} */ c) => hostOf(c.addr ?? ""), render: (/** @type {Client} */ c) => html`<${Name} name=${c.addr ?? ""} />` },
      { id: "user", title: "User", value: (/** @type {Client} */ c) => c.user, render: (/** @type {Client} */ c) => html`<${Name} name=${c.user ?? ""} />` },
      { id: "idle", title: "Idle", align: "right", value: (/** @type {Client} */ c) => Number(c.idle), render: (/** @type {Client} */ c) => duration(Number(c.idle) * 1000) },
    ]} />
  <//>`;
}
