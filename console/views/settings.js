/** Settings: every directive with its meaning and default; change with undo; REWRITE. */

import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.module.js";
import { plural, printable } from "../format.js";
import { entriesOf, itemsOf, objectOf, parseInfo, textOf } from "../resp.js";
import { go } from "../router.js";
import { useApp, useLoad } from "../state.js";
import { ActButton, useAct, useWhyNot } from "../parts/act.js";
import { Loaded, Page, Select, TextField } from "../parts/load.js";
import { link } from "../parts/link.js";
import { Table } from "../parts/table.js";
import { Button, Command, Name } from "../parts/text.js";
import { Stat, Stats, Tile } from "../parts/tile.js";

/**
 * @typedef {{name: string, value: string, secret: boolean, known: boolean, default: string | null, file: string | null, changed: boolean, differs: boolean, fixed: boolean, meaning: string, kind: string, choices: string[]}} Directive
 *   `known`: CONFIG DOCS has it; `changed`: not the default; `differs`: not as the file has it; `fixed`: from the start on; `choices`: all that it can be,
 *   if these are a few
 */

/** Names of secrets, for a server that does not say which directives are (CONFIG DOCS `sensitive`). */
const SECRET = /(^|-)(requirepass|(master|primary)(auth|user)|hash-seed|.*-(pass(word)?|secret))$/;

/** @param {{route: import("../router.js").Route}} props */
export default function Settings({ route }) {
  const load = useDirectives();
  const chosen = textOf(route.path[0] ?? "");
  const filter = textOf(route.query.q ?? "");
  const show = textOf(route.query.show ?? "all");
  const rows = useMemo(() => choose(load.data ?? [], filter, show), [load.data, filter, show]);
  const directive = load.data?.find(({ name }) => name === chosen);
  const to = (/** @type {Record<string, any>} */ change) => go(link("settings", chosen ? [chosen] : [], { q: filter || null, show: show === "all" ? null : show, ...change }), { replace: true });
  const actions = html`<${ActButton} needs="config|rewrite" cmd=${["CONFIG", "REWRITE"]} done="The configuration file is rewritten." after=${load.reload}
    question=${{ title: "Write the settings to the file?", body: html`<${Rewrite} all=${load.data ?? []} />`, confirm: "Rewrite the file" }}>Rewrite the file<//>`;
  return html`<${Page} title="Settings">
    <${Tile} title="Directives" needs=${["config|get"]} note=${load.data && `${rows.length} of ${plural(load.data.length, "directive")}`} actions=${actions} wide=${directive ? true : "full"} flush>
      ${() => html`<${Loaded} load=${load}>${() => html`
        <div class="toolbar pad"><${TextField} label="Filter" type="search" data-filter value=${filter} onInput=${(/** @type {string} */ q) => to({ q: q || null })} />
          <${Select} label="Show" value=${show} options=${[["all", "all"], ["changed", "not the default"], ["differs", "not as in the file"], ["fixed", "only at the start"]]} onChange=${(/** @type {string} */ id) => to({ show: id === "all" ? null : id })} /></div>
        <${Table} label="Directives" rows=${rows} rowKey=${(/** @type {Directive} */ d) => d.name} selected=${chosen} maxRows=${14} empty="No directive matches."
          onOpen=${(/** @type {Directive} */ d) => go(link("settings", [d.name], { q: filter || null, show: show === "all" ? null : show }), { replace: true })} columns=${[
            { id: "name", title: "Directive", width: "minmax(13rem, 1.2fr)", value: (/** @type {Directive} */ d) => d.name },
            { id: "value", title: "Value", width: "minmax(8rem, 1fr)", value: (/** @type {Directive} */ d) => d.value, render: (/** @type {Directive} */ d) => html`<${Value} directive=${d} />` },
            ...(load.data?.some(({ known }) => known) ? [{ id: "default", title: "Default", width: "minmax(6rem, .7fr)", render: (/** @type {Directive} */ d) => (d.known ? html`<${Name} name=${d.default ?? ""} />` : "–") },
            { id: "state", title: "State", width: "minmax(9rem, 1fr)", value: (/** @type {Directive} */ d) => stateOf(d), render: (/** @type {Directive} */ d) => stateOf(d) }] : []),
          ]} />`}<//>`}
    <//>
    ${directive && html`<${Edit} key=${directive.name} directive=${directive} reload=${load.reload} />`}
    <${Tile} title="TLS certificates" needs=${["info"]}>${() => html`<${Certificates} />`}<//>
  <//>`;
}

/** What a rewrite changes in the file. @param {{all: Directive[]}} props */
function Rewrite({ all }) {
  const changed = all.filter(({ differs }) => differs);
  return html`<p>CONFIG REWRITE changes the lines that differ and keeps comments. A start without this reads the file as it is now.</p>
    ${changed.length === 0 ? html`<p>${all.some(({ known }) => known) ? "No directive differs from the file, secrets apart: they are not compared." : "Which lines differ is not known: this needs CONFIG DOCS."}</p>` : html`<pre class="value diff" tabindex="0" aria-label="Changes of the file">${changed.map(({ name, file, value }) => html`<span key=${name} class="old">− ${name} ${printable(file || '""')}</span><span class="new">+ ${name} ${printable(value || '""')}</span>`)}</pre>`}`;
}

/** All directives, with what CONFIG DOCS says of them where the server has it. */
function useDirectives() {
  const app = useApp();
  return useLoad(async () => {
    if (!app.can("config|get")) return [];
    const { replies } = await app.batch(app.can("config|docs") ? [["CONFIG", "GET", "*"], ["CONFIG", "DOCS"]] : [["CONFIG", "GET", "*"]]);
    if (replies[0] instanceof Error) throw replies[0];
    const docs = replies[1] instanceof Error ? {} : objectOf(replies[1] ?? []);
    for (const doc of Object.values(docs)) {
      const { alias } = objectOf(doc);
      if (alias !== undefined) docs[textOf(alias)] ??= doc;
    }
    return entriesOf(replies[0]).map(([name, value]) => directiveOf(textOf(name), textOf(value), docs[textOf(name)])).sort((a, b) => (a.name < b.name ? -1 : 1));
  }, [], { every: 10_000 });
}

/** @param {string} name @param {string} value @param {any} doc @returns {Directive} */
export function directiveOf(name, value, doc) {
  const facts = objectOf(doc ?? []);
  const own = "default" in facts && facts.default !== null ? textOf(facts.default) : null;
  const file = facts.file === undefined || facts.file === null ? null : textOf(facts.file);
  const kind = textOf(facts.type ?? "");
  return {
    name, value, kind, choices: kind === "bool" ? ["yes", "no"] : kind === "choice" ? itemsOf(facts.values ?? []).map(textOf) : [], known: doc !== undefined, secret: facts.sensitive === undefined ? SECRET.test(name) : Boolean(facts.sensitive), default: own, file,
    changed: own !== null && own !== value,
    differs: file !== null && file !== value,
    fixed: facts.mutable === false || facts.mutable === 0,
    meaning: textOf(facts.summary ?? ""),
  };
}

/** @param {Directive[]} all @param {string} filter @param {string} show */
function choose(all, filter, show) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter((directive) => (show === "all" || directive[/** @type {"changed" | "differs" | "fixed"} */ (show)]) && words.every((word) => `${directive.name} ${directive.secret ? "" : directive.value} ${directive.meaning}`.toLowerCase().includes(word)));
}

/** @param {Directive} directive */
function stateOf({ changed, differs, fixed }) {
  return [changed && "not the default", differs && "differs from the file", fixed && "set at the start"].filter(Boolean).join(", ");
}

/** @param {{directive: Directive}} props */
function Value({ directive: { secret, value } }) {
  if (secret && value !== "") return "(hidden)";
  return value === "" ? html`<span class="soft">(empty)</span>` : html`<${Name} name=${value} />`;
}

/** @param {{directive: Directive, reload: () => void}} props */
function Edit({ directive, reload }) {
  const { name, value, secret, known, default: own, file, fixed, meaning } = directive;
  const [draft, setDraft] = useState(secret ? "" : value);
  const act = useAct();
  const why = useWhyNot("config|set") || (fixed && "This is read at the start only: put it into the file.") || (draft === value && !secret && "Nothing is changed.");
  const save = async (/** @type {any} */ event) => {
    event.preventDefault();
    if (why) return;
    await act(["CONFIG", "SET", name, draft], { done: `${name} is set.`, undo: secret ? undefined : ["CONFIG", "SET", name, value], after: reload });
  };
  const place = useRef(/** @type {any} */ (null));
  // Below the table where the page is narrow.
  useEffect(() => place.current.scrollIntoView({ block: "nearest" }), []);
  return html`<${Tile} title=${name}>
    <p ref=${place}>${meaning}</p>
    <${Stats}><${Stat} label="Value" value=${html`<${Value} directive=${directive} />`} />${known && html`<${Stat} label="Default" value=${own === null ? "–" : own || "(empty)"} />`}
      ${file !== null && html`<${Stat} label="In the file" value=${secret ? "(hidden)" : file || "(empty)"} />`}<${Stat} label="Takes effect" value=${fixed ? "at the start" : "at once"} /><//>
    <form class="stack" onSubmit=${save}>
      <${NewValue} directive=${directive} draft=${draft} onChange=${setDraft} />
      <div class="toolbar"><${Button} type="submit" kind="primary" why=${why}>Set<//>${own !== null && own !== draft && html`<${Button} onClick=${() => setDraft(own)}>Default<//>`}
        ${!secret && html`<${Command} cmd=${["CONFIG", "SET", name, draft]} />`}</div>
    </form>
    <p class="soft">What is set here ends with the process unless the file is rewritten.</p>
  <//>`;
}

/** What a directive shall be: one of a few, or text. @param {{directive: Directive, draft: string, onChange: (draft: string) => void}} props */
function NewValue({ directive: { name, value, secret, kind, choices }, draft, onChange }) {
  const label = `New value of ${name}`;
  if (kind === "bool") return html`<div class="field"><span id="new-value">${label}</span><div class="segments" role="group" aria-labelledby="new-value">${choices.map((one) => html`<button type="button" key=${one} aria-pressed=${String(draft === one)} onClick=${() => onChange(one)}>${one}</button>`)}</div></div>`;
  // A value that the list lacks stays as it is.
  const all = choices.includes(value) ? choices : [value, ...choices];
  if (choices.length > 0) return html`<${Select} label=${label} value=${draft} options=${all.map((one) => [one, one || "(empty)"])} onChange=${onChange} />`;
  return html`<${TextField} label=${label} value=${draft} onInput=${onChange} type=${secret ? "password" : "text"} />`;
}

/** Days before its end at which a certificate is named. */
const SOON = 30 * 86400;

function Certificates() {
  const app = useApp();
  const load = useLoad(async () => parseInfo(await app.run(["INFO", "tls"])), [], { every: 60_000 });
  return html`<${Loaded} load=${load}>${(/** @type {Record<string, string>} */ info) => {
    const shown = [["server", "Server"], ["client", "For its own links"], ["ca", "Authority"]].filter(([id]) => info[`tls_${id}_cert_serial`] && info[`tls_${id}_cert_serial`] !== "none");
    if (shown.length === 0) return html`<p>None is in use: TLS is off.</p>`;
    return html`<${Stats}>${shown.map(([id, label]) => {
      const left = Number(info[`tls_${id}_cert_expires_in_seconds`]);
      return html`<${Stat} key=${id} label=${label} value=${left > 0 ? `${Math.floor(left / 86400)} days left` : "ended"} tone=${left <= 0 ? "bad" : left < SOON ? "warn" : "ok"} note=${`serial ${info[`tls_${id}_cert_serial`]}`} />`;
    })}<//>`;
  }}<//>`;
}
