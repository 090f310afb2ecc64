/** The other servers: nodes of the cluster, of Sentinels' groups or of the replication, and a list of one's own. */

import { html, useState } from "../vendor/htm-preact.module.js";
import { addressOf, consoleUrl, savedServers, validUrl } from "../servers.js";
import { useApp, useChoice, useLoad } from "../state.js";
import { Dialog } from "../parts/dialog.js";
import { TextField } from "../parts/load.js";
import { Button, Name, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";
import { readPicture } from "./topology.js";

/** @param {{onClose: () => void}} props */
export function Servers({ onClose }) {
  const app = useApp();
  const load = useLoad(async (signal) => (app.can("info") ? ((await readPicture(app, signal)).picture?.groups ?? []) : []), []);
  const [ports, setPorts] = useChoice("console-ports", "{}");
  const [list, setList] = useChoice("servers", "[]");
  const [draft, setDraft] = useState({ name: "", url: "" });
  const own = savedServers(list);
  const url = validUrl(draft.url.includes("//") ? draft.url : `http://${draft.url}`);
  /** @type {Record<string, string>} */
  const known = portsOf(ports);
  const nodes = [...new Map((load.data ?? []).flatMap(({ title, watchers, primaries, replicas }) => [...primaries, ...replicas, ...watchers].map((node) => /** @type {const} */ ([node.name, { ...node, group: title }])))).values()];
  const setPort = (/** @type {string} */ name, /** @type {string} */ port) => setPorts(JSON.stringify({ ...known, [name]: port.replace(/\D/g, "").slice(0, 5) }));
  const save = () => {
    if (!url || own.some((one) => one.url === url)) return;
    setList(JSON.stringify([...own, { name: draft.name.trim() || new URL(url).host, url }]));
    setDraft({ name: "", url: "" });
  };
  return html`<${Dialog} title="Servers" wide=${true} onClose=${onClose} onSubmit=${save} actions=${html`<${Button} onClick=${onClose}>Close<//>`}>
    <p class="soft">Each server has a console and a login of its own: a link leads there, to this view.</p>
    <h3>Known to this server</h3>
    ${load.error && html`<${Note} tone="bad">${errorText(load.error)}<//>`}
    ${load.data && (nodes.length === 0
      ? html`<p class="soft">It is no node of a cluster, has no replicas and is no Sentinel.</p>`
      : html`<div class="scroll-x" tabindex="0" role="group" aria-label="Nodes"><table class="plain"><caption class="unseen">Nodes</caption><thead><tr><th scope="col">Node</th><th scope="col">Role</th><th scope="col">State</th><th scope="col">Console's port</th><th scope="col">Console</th></tr></thead>
        <tbody>${nodes.map(({ name, role, text, self, group }) => html`<tr key=${name}><th scope="row"><${Name} name=${name} /></th><td>${role}, <span class="soft">${group}</span></td><td>${text}</td>
          ${self ? html`<td></td><td class="soft">this page</td>` : html`<td><input class="port" inputmode="numeric" aria-label=${`Port of the console of ${name}`} value=${known[name] ?? ""} placeholder=${consoleUrl(name, location) ? location.port || "443" : "needed"} onInput=${(/** @type {any} */ e) => setPort(name, e.target.value)} /></td><td>${opening(consoleUrl(name, location, known[name]), addressOf(name).host)}</td>`}</tr>`)}</tbody></table></div>`)}
    <h3>Of your own</h3>
    ${own.length > 0 && html`<ul class="own-servers">${own.map(({ name, url: to }) => html`<li key=${to}><a href=${to + (to.includes("#") ? "" : location.hash)} rel="noreferrer">${name}</a> <span class="soft">${to}</span><${Button} kind="quiet" icon="close" label=${`Forget ${name}`} onClick=${() => setList(JSON.stringify(own.filter((one) => one.url !== to)))} /></li>`)}</ul>`}
    <div class="toolbar grow"><${TextField} label="Name" value=${draft.name} onInput=${(/** @type {string} */ name) => setDraft({ ...draft, name })} placeholder="staging" />
      <${TextField} label="Address of its console" value=${draft.url} onInput=${(/** @type {string} */ text) => setDraft({ ...draft, url: text })} placeholder="http://db-2:8001" />
      <${Button} type="submit" icon="plus" why=${url || draft.url === "" ? null : "An address begins with http:// or https://, and has no password."} disabled=${draft.url === ""}>Add<//></div>
    <p class="soft">The list is kept in this browser.</p>
  <//>`;
}

/** @param {string | null} url @param {string} host */
function opening(url, host) {
  return url === null ? html`<span class="soft">on this host: name its port</span>` : html`<a href=${url} rel="noreferrer" aria-label=${`Open the console at ${new URL(url).host}`}>Open<span class="unseen"> ${host}</span></a>`;
}

/** @param {string} text @returns {Record<string, string>} */
function portsOf(text) {
  try {
    return Object.fromEntries(Object.entries(JSON.parse(text)).filter(([, port]) => /^\d{1,5}$/.test(String(port)) && Number(port) < 65_536));
  } catch {
    return {};
  }
}
