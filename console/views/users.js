/** Users and code: what users may do, refusals, functions, and the script that runs now. */

import { html, useState } from "../vendor/htm-preact.module.js";
import { describeUser } from "../aclwords.js";
import { count, date, duration, plural, printable } from "../format.js";
import { itemsOf, nameId, numberOf, objectOf, parseInfo, textOf } from "../resp.js";
import { go } from "../router.js";
import { useApp, useLoad } from "../state.js";
import { splitCommand } from "../commandline.js";
import { ActButton } from "../parts/act.js";
import { Loaded, Page, Select, TextField } from "../parts/load.js";
import { link } from "../parts/link.js";
import { Table, figureColumn, nameColumn } from "../parts/table.js";
import { Button, Command, Name, Note } from "../parts/text.js";
import { errorText, Stat, Stats, Tile } from "../parts/tile.js";
import { UserEditor } from "./usereditor.js";

/** @typedef {import("../aclwords.js").Described} Described */

/** @param {{route: import("../router.js").Route}} props */
export default function Users({ route }) {
  return html`<${Page} title="Users and code">
    <${List} chosen=${textOf(route.path[0] ?? "")} />
    <${Tile} title="May they?" needs=${["acl|users", "acl|dryrun"]}>${() => html`<${DryRun} />`}<//>
    <${Refusals} />
    <${Tile} title="Running now" needs=${["function|stats"]}>${() => html`<${Running} />`}<//>
    <${Tile} title="Budgets" needs=${["info"]} wide flush>${() => html`<${Budgets} />`}<//>
    <${Tile} title="Audit log" needs=${["info", "config|get"]}>${() => html`<${Audit} />`}<//>
    <${Tile} title="Functions" needs=${["function|list"]} wide="full" flush>${() => html`<${Functions} />`}<//>
  <//>`;
}

/** @param {{chosen: string}} props */
function List({ chosen }) {
  const app = useApp();
  const [editing, setEditing] = useState(/** @type {{name: import("../resp.js").Name | null} | null} */ (null));
  const load = useLoad(async () => {
    if (!app.can("acl|users") || !app.can("acl|getuser")) return [];
    const names = itemsOf(await app.run(["ACL", "USERS"])).slice(0, 5000);
    const { replies } = await app.batch(names.map((name) => ["ACL", "GETUSER", name]));
    return names.map((name, i) => ({ id: name, ...describeUser(textOf(name), replies[i]) }));
  }, [], { every: 10_000 });
  const may = ["acl|setuser", "acl|getuser", "acl|dryrun", "acl|deluser"].every(app.can);
  const actions = may && html`<${Button} icon="plus" onClick=${() => setEditing({ name: null })}>New user<//>`;
  return html`<${Tile} title="Users" needs=${["acl|users", "acl|getuser"]} actions=${actions} wide flush>${() => html`<${Loaded} load=${load}>${(/** @type {(Described & {id: any})[]} */ users) => {
    const user = users.find(({ name }) => name === chosen);
    return html`<${Table} label="Users" rows=${users} rowKey=${(/** @type {any} */ u) => nameId(u.id)} selected=${user ? nameId(user.id) : null} onOpen=${(/** @type {any} */ u) => go(link("users", [u.id]), { replace: true })} maxRows=${8} columns=${[
        { id: "name", title: "User", width: "minmax(7rem, 1fr)", value: (/** @type {any} */ u) => u.id, render: (/** @type {any} */ u) => html`<${Name} name=${u.id} />` },
        { id: "login", title: "Logs in", width: "minmax(10.6rem, 1fr)", value: (/** @type {Described} */ u) => (u.on ? u.login : "off"), render: (/** @type {Described} */ u) => (u.on ? u.login : "switched off") },
        { id: "commands", title: "Runs", width: "minmax(10rem, 2fr)", render: (/** @type {Described} */ u) => html`<${Name} name=${u.rules[0].commands} />` },
        { id: "keys", title: "On", width: "minmax(8rem, 1.5fr)", render: (/** @type {Described} */ u) => html`<${Name} name=${u.rules[0].keys} />${u.rules.length > 1 && html` <small>and ${plural(u.rules.length - 1, "selector")}</small>`}` },
      ]} />
      ${user && html`<div class="pad" aria-live="polite"><h3><${Name} name=${user.id} /></h3>
        <p>${user.on ? `Logs in ${user.login}.` : "Is switched off: it cannot log in."}</p>
        <ul>${user.rules.map(({ commands, keys, channels, databases }, i) => html`<li key=${i}>${i === 0 ? "May run" : "Also"} <${Name} name=${commands} limit=${1000} /> on <${Name} name=${keys} limit=${1000} />; <${Name} name=${channels} limit=${1000} />${databases ? `; databases ${databases}` : ""}.</li>`)}</ul>
        ${user.more && html`<p><${Name} name=${user.more} limit=${1000} /></p>`}
        <div class="toolbar">${may && html`<${Button} icon="edit" onClick=${() => setEditing({ name: user.id })}>Edit<//>`}
          ${user.name !== "default" && html`<${ActButton} needs="acl|deluser" icon="trash" cmd=${["ACL", "DELUSER", user.id]} done="The user is gone." after=${load.reload} question=${{ title: "Delete this user?", body: `${printable(user.id, 100)} is deleted, and its connections are closed.`, confirm: "Delete", danger: true, type: printable(user.id, 60) }}>Delete<//>`}
          <${Command} cmd=${["ACL", "GETUSER", user.id]} /></div></div>`}`;
  }}<//>`}<//>
  ${editing && html`<${UserEditor} name=${editing.name} onClose=${() => setEditing(null)} onDone=${(/** @type {import("../resp.js").Name} */ name) => { load.reload(); go(link("users", [name]), { replace: true }); }} />`}`;
}

function DryRun() {
  const app = useApp();
  const load = useLoad(async () => itemsOf(await app.run(["ACL", "USERS"])), []);
  const [user, setUser] = useState("");
  const [line, setLine] = useState("GET user:1");
  const [answer, setAnswer] = useState(/** @type {{yes: boolean, text: string} | null} */ (null));
  const ask = async (/** @type {any} */ event) => {
    event.preventDefault();
    const who = (load.data ?? []).find((name) => nameId(name) === user) ?? load.data?.[0] ?? "default";
    try {
      const reply = await app.run(["ACL", "DRYRUN", who, ...splitCommand(line)]);
      const text = textOf(reply);
      setAnswer(text === "OK" ? { yes: true, text: `Yes: ${textOf(who)} may run this.` } : { yes: false, text: `No: ${text}.` });
    } catch (error) {
      setAnswer({ yes: false, text: errorText(error) });
    }
  };
  return html`<form class="stack" onSubmit=${ask}>
    <${Select} label="User" value=${user} options=${(load.data ?? []).map((name) => [nameId(name), textOf(name)])} onChange=${setUser} />
    <${TextField} label="Command" value=${line} onInput=${setLine} required />
    <div><${Button} type="submit" kind="primary">May they?<//></div>
    <div role="status">${answer && html`<${Note} tone=${answer.yes ? "ok" : "warn"}>${answer.text}<//>`}</div>
  </form>
  <p class="soft">ACL DRYRUN checks and runs nothing.</p>`;
}

function Refusals() {
  const app = useApp();
  const load = useLoad(async () => (app.can("acl|log") ? itemsOf(await app.run(["ACL", "LOG", 128])).map(objectOf) : []), [], { every: 5000 });
  const actions = html`<${ActButton} needs="acl|log" icon="trash" cmd=${["ACL", "LOG", "RESET"]} done="The log is empty." after=${load.reload} question=${{ title: "Empty the log of refusals?", body: "ACL LOG RESET forgets its entries for everybody.", confirm: "Empty", danger: true }}>Empty<//>`;
  return html`<${Tile} title="Refused" needs=${["acl|log"]} actions=${actions} wide flush>${() => html`<${Loaded} load=${load}>${(/** @type {any[]} */ rows) => html`
    <${Table} label="Refused" rows=${rows} rowKey=${(/** @type {any} */ r) => textOf(r["entry-id"])} maxRows=${8} empty="No login or command was refused." columns=${[
      { id: "when", title: "Last", width: "13rem", value: (/** @type {any} */ r) => numberOf(r["timestamp-last-updated"]), render: (/** @type {any} */ r) => date(numberOf(r["timestamp-last-updated"])) },
      { id: "user", title: "User", value: (/** @type {any} */ r) => r.username, render: (/** @type {any} */ r) => html`<${Name} name=${r.username} />` },
      { id: "reason", title: "Reason", width: "7rem", value: (/** @type {any} */ r) => textOf(r.reason) },
      nameColumn("object", "Asked for", "minmax(8rem, 2fr)"),
      { id: "context", title: "In", width: "6rem", value: (/** @type {any} */ r) => textOf(r.context) },
      { id: "count", title: "Times", align: "right", width: "5.5rem", value: (/** @type {any} */ r) => numberOf(r.count), render: (/** @type {any} */ r) => count(numberOf(r.count)) },
    ]} />`}<//>`}<//>`;
}

/** What users with budgets had to wait for. */
function Budgets() {
  const app = useApp();
  const load = useLoad(async () => {
    const info = parseInfo(await app.run(["INFO", "budgets"]));
    return Object.entries(info).flatMap(([id, text]) => {
      // The name comes last, and may look like a figure.
      const [, figures, user] = /^(clients=.*?),user=(.*)$/s.exec(text) ?? [];
      return figures ? [{ ...Object.fromEntries(figures.split(",").map((part) => part.split("=")).map(([name, n]) => [name, Number(n)])), id, user }] : [];
    });
  }, [], { every: 3000 });
  return html`<${Loaded} load=${load}>${(/** @type {any[]} */ rows) => html`
    <${Table} label="Budgets" rows=${rows} rowKey=${(/** @type {any} */ r) => r.id} maxRows=${6} empty="No user has a budget (ACL SETUSER name rate=1000)." columns=${[
      nameColumn("user", "User", "minmax(7rem, 2fr)"),
      ...Object.entries({ clients: "Clients", held: "Held now", delayed: "Delayed", refused: "Refused", large_replies: "Too long", much_work: "Too much" }).map(([id, title]) => figureColumn(id, title, count)),
    ]} />`}<//>`;
}

function Audit() {
  const app = useApp();
  const load = useLoad(async () => {
    const [info, config] = (await app.batch([["INFO", "stats"], ["CONFIG", "GET", "audit-*"]])).replies;
    return { ...parseInfo(info), ...objectOf(config) };
  }, [], { every: 5000 });
  return html`<${Loaded} load=${load}>${(/** @type {any} */ now) => html`<p>${now["audit-log"] ? html`<${Name} name=${now["audit-log"]} />: ${textOf(now["audit-categories"])}` : "Off: audit-log names a file, or syslog."}</p>
    <${Stats}><${Stat} label="Lines" value=${count(Number(now.audit_lines_written))} /><${Stat} label="Lost" value=${count(Number(now.audit_lines_dropped))} tone=${now.audit_lines_dropped > 0 ? "bad" : undefined} /><//>`}<//>`;
}

function Running() {
  const app = useApp();
  const load = useLoad(async () => {
    const [stats, info] = (await app.batch([["FUNCTION", "STATS"], ["INFO", "memory"]])).replies;
    if (stats instanceof Error) throw stats;
    return { script: objectOf(stats).running_script, info: info instanceof Error ? {} : parseInfo(info) };
  }, [], { every: 1000 });
  return html`<${Loaded} load=${load}>${(/** @type {any} */ { script, info }) => {
    const running = script && objectOf(script);
    return html`${running
      ? html`<${Note} tone="warn"><strong><${Name} name=${running.name} /></strong> has run for ${duration(numberOf(running.duration_ms))}: <${Name} name=${itemsOf(running.command).map(textOf).join(" ")} /><//>
        <div class="toolbar"><${ActButton} needs="function|kill" kind="danger" icon="stop" cmd=${["FUNCTION", "KILL"]} done="The function was told to end.">End the function<//><${ActButton} needs="script|kill" kind="danger" icon="stop" cmd=${["SCRIPT", "KILL"]} done="The script was told to end.">End the script<//></div>`
      : html`<p>No script or function runs.</p>`}
      <${Stats}><${Stat} label="Scripts kept" value=${count(Number(info.number_of_cached_scripts))} /><${Stat} label="Libraries" value=${count(Number(info.number_of_libraries))} /><${Stat} label="Functions" value=${count(Number(info.number_of_functions))} /><//>`;
  }}<//>`;
}

function Functions() {
  const app = useApp();
  const load = useLoad(async () => itemsOf(await app.run(["FUNCTION", "LIST", "WITHCODE"])).map(objectOf), [], { every: 10_000 });
  const [open, setOpen] = useState(/** @type {string | null} */ (null));
  return html`<${Loaded} load=${load}>${(/** @type {any[]} */ libraries) => {
    const shown = libraries.find((library) => nameId(library.library_name) === open);
    return html`<${Table} label="Libraries" rows=${libraries} rowKey=${(/** @type {any} */ l) => nameId(l.library_name)} selected=${open} onOpen=${(/** @type {any} */ l) => setOpen(nameId(l.library_name))} maxRows=${6} empty="No library is loaded." columns=${[
        { id: "name", title: "Library", value: (/** @type {any} */ l) => l.library_name, render: (/** @type {any} */ l) => html`<${Name} name=${l.library_name} />` },
        { id: "engine", title: "Engine", width: "7rem", render: (/** @type {any} */ l) => textOf(l.engine) },
        { id: "functions", title: "Functions", width: "minmax(9rem, 3fr)", render: (/** @type {any} */ l) => html`<${Name} name=${itemsOf(l.functions).map((f) => textOf(objectOf(f).name)).join(", ")} />` },
      ]} />${shown && html`<pre class="code" tabindex="0" aria-label="Code of the library">${textOf(shown.library_code)}</pre>`}`;
  }}<//>`;
}
