/** Search: the indexes of FT.*, how they fare, queries with their rows, what a query means and what it costs. */

import { html, useEffect, useMemo, useState } from "../vendor/htm-preact.module.js";
import { cell, cliText } from "../cli.js";
import { bytes, count, duration, escapeControls, micros, percent, plural, printable } from "../format.js";
import { argument, Bytes, compareNames, itemsOf, nameId, objectOf, RespError, textOf, wordOf } from "../resp.js";
import { go, href } from "../router.js";
import { useApp, useLoad } from "../state.js";
import { Editor } from "../parts/editor.js";
import { link } from "../parts/link.js";
import { Loaded, Page, Select, TextField } from "../parts/load.js";
import { usePast } from "../parts/past.js";
import { figureColumn, nameColumn, Table } from "../parts/table.js";
import { Button, Command, Kbd, Name, Note } from "../parts/text.js";
import { Bar, commandName, errorText, Stat, Stats, Tile, useLack } from "../parts/tile.js";
import { Tree } from "../parts/tree.js";
import { adviceOf } from "../search/advice.js";
import { completeQuery } from "../search/complete.js";
import { CreateIndex, DropIndex } from "../search/create.js";
import { linesOf, meaningOf, parseExplain, readProfile } from "../search/explain.js";
import { has, readIndex, remarksOf } from "../search/info.js";
import { Nearest } from "../search/nearest.js";
import { explainCommand, profileCommand, readFound, ROWS, searchCommand, typedCommand } from "../search/request.js";

/** @typedef {import("../resp.js").Name} Bulk */
/** @typedef {import("../search/info.js").Index} Index */
/** @typedef {import("../search/info.js").Field} Field */
/** @typedef {import("../search/request.js").Form} Form */
/** @typedef {import("../search/request.js").Cmd} Cmd */
/** @typedef {import("../search/request.js").Found} Found */
/** @typedef {import("../search/request.js").Row} Row */
/** @typedef {{name: Bulk, index: Index | null, error: RespError | null}} Entry */

/** Commands of which a view without any has nothing to show. */
const NEEDS = ["ft._list", "ft.info", "ft.search"];

/** Indexes that are asked for their figures: FT.INFO counts the words of each. */
const INDEXES = 200;

/** Columns of fields that rows are shown with. */
const COLUMNS = 12;

/** The setting of the dialect that queries have which name none. */
const DIALECT = "search-default-dialect";

/** Commands of indexes run in this database, whichever the page shows. */
const DATABASE = { db: 0 };

/** @typedef {{db: string | undefined}} Place the database of an index's keys, as links have it: none is 0 */

/** @param {Index | null | undefined} index @returns {Place} */
const keysOf = (index) => ({ db: index?.database ? String(index.database) : undefined });

/** Milliseconds between looks: while keys are read, otherwise, and where a look is dear (as long as this, microseconds). */
const [SOON, LATER, RARELY, DEAR_US] = [2000, 10_000, 60_000, 20_000];

/** @param {{route: import("../router.js").Route}} props */
export default function SearchView({ route }) {
  const app = useApp();
  const name = route.path[0];
  if (!NEEDS.some(app.can)) return html`<div class="page"><h1>Search</h1><${Note}>This view needs ${NEEDS.map(commandName).join(", ")} (the category @search), which this user may not run.<//></div>`;
  return html`<${Page} title="Search"><${Indexes} route=${route} chosen=${name} /><//>`;
}

/** @param {{route: import("../router.js").Route, chosen: Bulk | undefined}} props */
function Indexes({ route, chosen }) {
  const app = useApp();
  const lists = app.runs("ft._list");
  const informs = app.runs("ft.info");
  const [every, setEvery] = useState(LATER);
  const [creates, setCreates] = useState(false);
  const load = useLoad(async (signal) => {
    const names = lists ? itemsOf(await app.run(["FT._LIST"], { ...DATABASE, signal })).map(wordOf).sort(compareNames) : [];
    const asked = names.slice(0, INDEXES);
    // An alias, or one of which only the name is known.
    if (chosen !== undefined && !asked.some((name) => nameId(name) === nameId(chosen))) asked.push(chosen);
    const { replies, cost } = informs ? await app.batch(asked.map((name) => ["FT.INFO", name]), { ...DATABASE, signal }) : { replies: [], cost: 0 };
    const entries = asked.map((name, i) => {
      const reply = replies[i];
      return { name, index: informs && !(reply instanceof RespError) ? readIndex(name, reply) : null, error: reply instanceof RespError ? reply : null };
    });
    setEvery(cost > DEAR_US ? RARELY : entries.some(({ index }) => index?.indexing) ? SOON : LATER);
    return { entries, listed: new Set(names.map(nameId)), all: names.length };
  }, [lists, informs, chosen === undefined ? "" : nameId(chosen)], { every });
  const entry = chosen === undefined ? undefined : load.data?.entries.find(({ name }) => nameId(name) === nameId(chosen));
  const open = (/** @type {Entry} */ one) => go(link("search", [one.name]), { replace: true });
  const created = (/** @type {Bulk} */ name) => {
    setCreates(false);
    load.reload();
    go(link("search", [name]));
  };
  return html`<${Tile} title="Indexes" needs=${["ft._list"]} actions=${app.can("ft.create") && html`<${Button} icon="plus" onClick=${() => setCreates(true)}>New index<//>`} note=${load.data && load.data.all > INDEXES ? `the first ${INDEXES} of ${count(load.data.all)}` : null} wide="full" flush>${() => html`<${Loaded} load=${load}>${(/** @type {{entries: Entry[], listed: Set<string>}} */ { entries, listed }) => {
    const rows = entries.filter(({ name }) => listed.has(nameId(name)));
    if (rows.length === 0) return html`<div class="pad stack"><p>There is no index. One finds hashes or JSON documents by what they hold, and follows every change of its keys:</p>
      <div><${Command} cmd=${["FT.CREATE", "books", "ON", "HASH", "PREFIX", 1, "book:", "SCHEMA", "title", "TEXT", "genre", "TAG", "year", "NUMERIC", "SORTABLE"]} /></div></div>`;
    return html`<${Table} label="Indexes" rows=${rows} rowKey=${(/** @type {Entry} */ e) => nameId(e.name)} selected=${entry ? nameId(entry.name) : null} onOpen=${open} maxRows=${entry ? 5 : 12} tone=${(/** @type {Entry} */ e) => (e.index && e.index.refused.count > 0 ? "warn" : null)} columns=${indexColumns(informs)} />
      ${chosen === undefined && html`<p class="pad soft">An index that is chosen shows its fields and health, and takes queries.</p>`}
      ${!informs && html`<p class="pad soft">Their figures need FT.INFO, which the user ${app.me.user} may not run.</p>`}`;
  }}<//>`}<//>
  ${creates && html`<${CreateIndex} onClose=${() => setCreates(false)} onDone=${created} />`}
  ${!app.can("ft._list") && html`<${ByName} key=${chosen === undefined ? "" : nameId(chosen)} chosen=${chosen} />`}
  ${chosen !== undefined && (load.data || load.error) && html`<${IndexOf} key=${nameId(chosen)} route=${route} entry=${entry ?? { name: chosen, index: null, error: null }} reload=${load.reload} />`}`;
}

/** @param {boolean} informs */
function indexColumns(informs) {
  const nameOnly = [{ id: "name", title: "Index", width: "minmax(8rem, 2fr)", value: (/** @type {Entry} */ e) => e.name, render: (/** @type {Entry} */ e) => html`<${Name} name=${e.name} />${e.error && html` <small>${refusalText(e.error)}</small>`}` }];
  if (!informs) return nameOnly;
  const figure = (/** @type {string} */ id, /** @type {string} */ title, /** @type {(index: Index) => number} */ of, /** @type {(n: number) => any} */ format, /** @type {string} */ width) => ({
    id, title, width, align: /** @type {const} */ ("right"), value: (/** @type {Entry} */ e) => (e.index ? of(e.index) : null), render: (/** @type {Entry} */ e) => (e.index ? format(of(e.index)) : ""),
  });
  return [
    ...nameOnly,
    { id: "on", title: "Over", width: "5.5rem", value: (/** @type {Entry} */ e) => e.index?.on ?? "" },
    { id: "prefixes", title: "Prefixes", width: "minmax(6rem, 1fr)", render: (/** @type {Entry} */ e) => e.index && prefixesOf(e.index) },
    figure("fields", "Fields", ({ fields }) => fields.length, count, "5rem"),
    figure("documents", "Documents", ({ documents }) => documents, count, "7rem"),
    figure("bytes", "Memory", (index) => index.bytes, bytes, "6.5rem"),
    figure("share", "Indexed", (index) => (index.indexing ? index.share : 1), (n) => percent(n, 0), "6rem"),
    figure("refused", "Refused", ({ refused }) => refused.count, count, "6rem"),
  ];
}

/** @param {Index} index */
function prefixesOf({ prefixes }) {
  return prefixes.every((one) => one === "") ? html`<span class="soft">all keys</span>` : prefixes.map((prefix, i) => html`${i > 0 && ", "}<${Name} name=${prefix} limit=${60} />`);
}

/** A refusal in words of the page. @param {RespError} error */
function refusalText(error) {
  if (/permissions to query the index/.test(error.message)) return "This user may not read all keys with the prefixes of the index.";
  return printable(error.message, 300);
}

/** An index by its name, for users who may not list them. @param {{chosen: Bulk | undefined}} props */
function ByName({ chosen }) {
  const [name, setName] = useState(chosen === undefined ? "" : textOf(chosen));
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    go(link("search", [name]));
  };
  return html`<${Tile} title="An index by its name" wide="full"><form class="toolbar" onSubmit=${submit}><${TextField} label="Index" value=${name} onInput=${setName} required /><${Button} type="submit">Open<//></form><//>`;
}

/** @param {import("../router.js").Route["query"]} query @returns {Form | null} null: nothing was asked */
function formOf(query) {
  if (query.q === undefined) return null;
  const whole = (/** @type {string} */ id, /** @type {number} */ usual) => (/^\d{1,9}$/.test(textOf(query[id] ?? "")) ? Number(textOf(query[id])) : usual);
  const rows = whole("rows", ROWS[0]);
  const dialect = textOf(query.dialect ?? "");
  return { query: textOf(query.q), sort: query.sort ?? null, down: query.down !== undefined, fields: textOf(query.return ?? ""), rows: ROWS.includes(rows) ? rows : ROWS[0], from: whole("from", 0), dialect: /^[1-4]$/.test(dialect) ? dialect : "" };
}

/** @param {Bulk} name @param {Form} form */
function formLink(name, { query, sort, down, fields, rows, from, dialect }) {
  return link("search", [name], { q: query, sort, down: sort !== null && down, return: fields || null, rows: rows === ROWS[0] ? null : rows, from: from || null, dialect: dialect || null });
}

/** @type {Form} */
const EMPTY = { query: "", sort: null, down: false, fields: "", rows: ROWS[0], from: 0, dialect: "" };

/** @param {{route: import("../router.js").Route, entry: Entry, reload: () => void}} props */
function IndexOf({ route, entry, reload }) {
  const { name, index, error } = entry;
  const asked = formOf(route.query);
  const [turn, setTurn] = useState(0);
  if (error) return html`<div class="tile full pad"><${Note} tone="warn"><strong><${Name} name=${name} /></strong>: ${refusalText(error)}<//></div>`;
  const ask = (/** @type {Form} */ form) => {
    const to = formLink(name, form);
    if (to === location.hash) setTurn((n) => n + 1);
    else go(to);
  };
  const retry = () => {
    setTurn((n) => n + 1);
    reload();
  };
  return html`<${Query} name=${name} index=${index} asked=${asked} onAsk=${ask} />
    ${asked && html`<${Answer} name=${name} index=${index} form=${asked} turn=${turn} onAsk=${ask} onAgain=${retry} />`}
    ${index && index.fields.some(({ type }) => type === "VECTOR") && html`<${Nearest} index=${index} render=${(/** @type {Cmd} */ cmd, /** @type {number} */ n) => html`<${Rows} cmd=${cmd} db=${keysOf(index)} form=${null} turn=${n} onAsk=${ask} onAgain=${retry} />`} />`}
    ${index && html`<${Health} index=${index} onDropped=${() => { reload(); go(link("search", [])); }} /><${Fields} index=${index} />`}`;
}

/** @param {{name: Bulk, index: Index | null, asked: Form | null, onAsk: (form: Form) => void}} props */
function Query({ name, index, asked, onAsk }) {
  const [form, setForm] = useState(asked ?? EMPTY);
  const [error, setError] = useState("");
  const past = usePast("russet.queries");
  const id = asked && formId(asked);
  // The way back through the browser's history brings the query back, too.
  useEffect(() => {
    if (asked) setForm(asked);
  }, [id]);
  const set = (/** @type {Partial<Form>} */ part) => setForm({ ...form, ...part });
  const fields = index?.fields ?? [];
  const sortable = fields.filter(({ type }) => !/VECTOR|GEO/.test(type));
  const run = () => {
    try {
      typedCommand(form.query);
    } catch (failure) {
      setError(errorText(failure));
      return;
    }
    setError("");
    past.add([form.query]);
    onAsk({ ...form, from: 0 });
  };
  const onHistory = (/** @type {number} */ step) => {
    set({ query: past.step(step) });
    return true;
  };
  const complete = (/** @type {string} */ text, /** @type {number} */ caret) => completeQuery(text, caret, { index: name, fields });
  const isCommand = /^\s*_?ft\./i.test(form.query);
  return html`<${Tile} title="Query" note=${html`of <${Name} name=${name} limit=${60} />`} wide="full"><div class="stack">
    <${Editor} label="Query" value=${form.query} onChange=${(/** @type {string} */ query) => set({ query })} complete=${complete} onRun=${run} onHistory=${onHistory} enterRuns=${true} wrap=${true} rows=${2} placeholder=${exampleOf(fields)} />
    ${error && html`<${Note} tone="bad">${error}<//>`}
    <div class="toolbar query-options">
      ${isCommand ? html`<p class="soft query-command">A command in full: its own words count, not the choices of the form.</p>` : html`
      <${Select} label="Order" value=${form.sort === null ? "" : nameId(form.sort)} options=${[["", "best match first"], ...sortable.map((field) => /** @type {[string, string]} */ ([nameId(field.name), `${printable(field.name, 40)}${has(field, "SORTABLE") ? "" : " (not SORTABLE)"}`]))]} onChange=${(/** @type {string} */ value) => set({ sort: sortable.find((field) => nameId(field.name) === value)?.name ?? null })} />
      ${form.sort !== null && html`<${Select} label="Direction" value=${form.down ? "down" : "up"} options=${[["up", "ascending"], ["down", "descending"]]} onChange=${(/** @type {string} */ value) => set({ down: value === "down" })} />`}
      <${TextField} label="Return" value=${form.fields} onInput=${(/** @type {string} */ text) => set({ fields: text })} placeholder="whole documents" />
      <${Select} label="Rows" value=${String(form.rows)} options=${ROWS.map((n) => [String(n), String(n)])} onChange=${(/** @type {string} */ value) => set({ rows: Number(value) })} />
      <${Select} label="Dialect" value=${form.dialect} options=${[["", "the server's"], ...["1", "2", "3", "4"].map((n) => [n, n])]} onChange=${(/** @type {string} */ value) => set({ dialect: value })} />`}
      <${Button} kind="primary" icon="play" onClick=${run}>Run<//><${Kbd} keys="Enter" />
    </div>
    <p class="soft query-hint">After @ fields are offered; Alt ↑ brings back earlier queries. FT.AGGREGATE and FT.SEARCH may be typed in full.</p>
  </div><//>`;
}

/** A string that is equal for equal forms only. @param {Form} form */
function formId(form) {
  return JSON.stringify({ ...form, sort: form.sort === null ? null : nameId(form.sort) });
}

/** A string that is equal for equal commands only. @param {Cmd | null} cmd */
function cmdId(cmd) {
  return JSON.stringify(cmd?.map(argument) ?? null);
}

/** A query that the fields could have. @param {Field[]} fields */
function exampleOf(fields) {
  const first = (/** @type {string} */ type) => fields.find((field) => field.type === type && typeof field.name === "string" && /^\w+$/.test(field.name))?.name;
  const [tag, number] = [first("TAG"), first("NUMERIC")];
  return ["*", "some words", tag && `@${tag}:{tag}`, number && `@${number}:[1 100]`].filter(Boolean).join("   ");
}

const TABS = [["rows", "Rows"], ["explain", "Explanation"], ["profile", "Profile"]];

/** @param {{name: Bulk, index: Index | null, form: Form, turn: number, onAsk: (form: Form) => void, onAgain: () => void}} props */
function Answer({ name, index, form, turn, onAsk, onAgain }) {
  const app = useApp();
  const [tab, setTab] = useState("rows");
  const counting = useLoad(async (signal) => (app.runs("config|get") ? textOf(objectOf(await app.run(["CONFIG", "GET", DIALECT], { signal }))[DIALECT]) : ""), []);
  const [cmd, failure] = useMemo(() => {
    try {
      const typed = typedCommand(form.query);
      // In dialect 4 only the rows shown are counted, unless asked for.
      return [typed ?? searchCommand(name, form, (form.dialect || counting.data) === "4"), null];
    } catch (error) {
      return [null, error];
    }
  }, [formId(form), counting.data]);
  const isForm = cmd !== null && typedCommandOrNull(form.query) === null;
  useEffect(() => setTab("rows"), [turn, formId(form)]);
  const actions = html`<div class="segments" role="group" aria-label="Show">${TABS.map(([id, title]) => html`<button type="button" aria-pressed=${String(tab === id)} onClick=${() => setTab(id)}>${title}</button>`)}</div>`;
  return html`<${Tile} title="Results" wide="full" flush actions=${actions}>
    ${failure && html`<div class="pad"><${Note} tone="bad">${errorText(failure)}<//></div>`}
    ${cmd && !counting.loading && tab === "rows" && html`<${Rows} cmd=${cmd} db=${keysOf(index)} form=${isForm ? form : null} turn=${turn} onAsk=${onAsk} onAgain=${onAgain} />`}
    ${cmd && tab === "explain" && html`<${Explanation} cmd=${cmd} turn=${turn} />`}
    ${cmd && tab === "profile" && html`<${Profiled} cmd=${cmd} index=${index} turn=${turn} />`}
  <//>`;
}

/** @param {string} text */
function typedCommandOrNull(text) {
  try {
    return typedCommand(text);
  } catch {
    return null;
  }
}

/** A part that needs a command beside those of the view. @param {{needs: string, children: any}} props */
function Needs({ needs, children }) {
  const lack = useLack([needs]);
  return lack ? html`<p class="lack">${lack}</p>` : children();
}

/** @param {{cmd: Cmd, db: Place, form: Form | null, turn: number, onAsk: (form: Form) => void, onAgain: () => void}} props `form`: null for a command typed in full, which has no pages */
function Rows({ cmd, db, form, turn, onAsk, onAgain }) {
  const app = useApp();
  const may = app.runs(textOf(cmd[0]).toLowerCase());
  const load = useLoad(async (signal) => {
    if (!may) return null;
    const { replies, us } = await app.batch([cmd], { ...DATABASE, signal });
    if (replies[0] instanceof RespError) throw replies[0];
    return { reply: replies[0], found: readFound(replies[0]), us: us[0] };
  }, [cmdId(cmd), turn, may]);
  return html`<${Needs} needs=${textOf(cmd[0]).toLowerCase()}>${() => html`
    ${load.error && html`<div class="pad"><${Note} tone="bad">${/larger than 8 MiB/.test(load.error.message) ? "The documents of this page are more than 8 MiB: choose fewer rows, or the fields to return." : refusalText(load.error)}<//></div>`}
    ${!load.error && !load.data && html`<p class="loading">Loading…</p>`}
    ${!load.error && load.data && (load.data.found ? html`<${FoundRows} found=${load.data.found} db=${db} us=${load.data.us} cmd=${cmd} form=${form} onAsk=${onAsk} onAgain=${onAgain} />` : html`<pre class="pad">${escapeControls(cliText(load.data.reply), true)}</pre>`)}`}<//>`;
}

/** @param {{found: Found, db: Place, us: number, cmd: Cmd, form: Form | null, onAsk: (form: Form) => void, onAgain: () => void}} props */
function FoundRows({ found, db, us, cmd, form, onAsk, onAgain }) {
  const { total, rows, columns, warnings, cursor } = found;
  const from = form?.from ?? 0;
  const shown = columns.slice(0, COLUMNS);
  const numbered = rows.map((row, at) => ({ ...row, at }));
  const hasKeys = rows.some(({ key }) => key !== null);
  const hasScores = rows.some(({ score }) => score !== null);
  const what = cmd[0] === "FT.AGGREGATE" ? ["row", "rows"] : ["document", "documents"];
  return html`<div class="pad bar-line"><span role="status" class="num">${plural(total, what[0], what[1])}${rows.length > 0 && `, ${from + 1} to ${from + rows.length} shown`} · ${micros(us)}</span>
      ${form && html`<div class="end"><${Button} disabled=${from === 0} onClick=${() => onAsk({ ...form, from: Math.max(0, from - form.rows) })}>Previous<//><${Button} disabled=${from + rows.length >= total || rows.length === 0} onClick=${() => onAsk({ ...form, from: from + form.rows })}>Next<//><${Button} kind="quiet" icon="refresh" label="Run again" onClick=${onAgain} /></div>`}</div>
    ${warnings.map((text) => html`<div class="pad"><${Note} tone="warn">The rows may be incomplete. The server warns: ${printable(text, 300)}<//></div>`)}
    <${Table} label="Results" rows=${numbered} rowKey=${(/** @type {any} */ r) => String(r.at)} maxRows=${20} empty=${total > 0 ? "There are no rows so far on." : "Nothing matches."} columns=${[
      ...(hasKeys ? [{ id: "key", title: "Key", width: "minmax(10rem, 1.5fr)", render: (/** @type {Row} */ r) => r.key !== null && html`<a href=${href("keys", [r.key], db)}><${Name} name=${r.key} /></a>` }] : []),
      ...(hasScores ? [figureColumn("score", "Score", (n) => (n === null ? "" : String(Number(n.toPrecision(4)))), "6rem")] : []),
      ...shown.map(({ id, name }) => ({ id: `field ${id}`, title: printable(name, 40), width: "minmax(8rem, 1fr)", render: (/** @type {Row} */ r) => (r.cells.has(id) ? html`<${Cell} value=${r.cells.get(id)} />` : "") })),
    ]} />
    <div class="pad stack">
      ${columns.length > shown.length && html`<p class="soft">${plural(columns.length - shown.length, "more field")} not shown: Return chooses.</p>`}
      ${cursor !== null && html`<p>More rows wait at the cursor: <${Command} cmd=${["FT.CURSOR", "READ", /** @type {Bulk} */ (cmd[1]), cursor]} /></p>`}
      <div><${Command} cmd=${cmd} /></div></div>`;
}

/** @param {{value: any}} props */
function Cell({ value }) {
  if (value === null) return html`<span class="soft">(nil)</span>`;
  return html`<${Name} name=${value instanceof Bytes ? value : cell(value)} />`;
}

/** A tree whose parts are all open at first. @param {{label: string, roots: any[], render: (part: any) => any}} props */
function Parts({ label, roots, render }) {
  const [closed, setClosed] = useState(/** @type {Set<string>} */ (new Set()));
  const [chosen, setChosen] = useState(/** @type {string | null} */ (null));
  const lines = linesOf(roots, closed);
  const toggle = (/** @type {{id: string}} */ { id }) => setClosed((old) => {
    const next = new Set(old);
    if (!next.delete(id)) next.add(id);
    return next;
  });
  return html`<div class="query-tree" style=${{ "--lines": String(lines.length) }}><${Tree} label=${label} nodes=${lines} selected=${chosen} onSelect=${(/** @type {any} */ one) => setChosen(one.id)} onToggle=${toggle} render=${(/** @type {any} */ one) => render(one.part)} /></div>`;
}

/** @param {{cmd: Cmd, turn: number}} props */
function Explanation({ cmd, turn }) {
  return html`<${Needs} needs="ft.explain">${() => html`<${Explained} cmd=${cmd} turn=${turn} />`}<//>`;
}

/** @param {{cmd: Cmd, turn: number}} props */
function Explained({ cmd, turn }) {
  const app = useApp();
  const command = explainCommand(cmd);
  const load = useLoad(async (signal) => (command ? parseExplain(wordOf(await app.run(command, { ...DATABASE, signal }))) : null), [cmdId(command), turn]);
  return html`<div class="pad stack"><${Loaded} load=${{ ...load, error: load.error && { message: refusalText(load.error) } }}>${(/** @type {import("../search/explain.js").Part[] | null} */ parts) => parts === null
    ? html`<p class="soft">FT.EXPLAIN explains queries of FT.SEARCH and FT.AGGREGATE.</p>`
    : html`<p class="soft">How the server reads the query: each part with those that it is made of. A document has to fit the first.</p>
      <${Parts} label="Explanation" roots=${parts} render=${renderPart} />
      ${command && html`<div><${Command} cmd=${command} /></div>`}`}<//></div>`;
}

/** @param {import("../search/explain.js").Part} part */
function renderPart({ text, kind }) {
  return html`<span class="node-name"><bdi class="name">${text}</bdi></span><span class="soft node-figures">${meaningOf(kind)}</span>`;
}

/** @param {{cmd: Cmd, index: Index | null, turn: number}} props */
function Profiled({ cmd, index, turn }) {
  return html`<${Needs} needs="ft.profile">${() => html`<${ProfileOf} cmd=${cmd} index=${index} turn=${turn} />`}<//>`;
}

/** @param {{cmd: Cmd, index: Index | null, turn: number}} props */
function ProfileOf({ cmd, index, turn }) {
  const app = useApp();
  const command = profileCommand(cmd);
  const explain = app.runs("ft.explain") ? explainCommand(cmd) : null;
  const load = useLoad(async (signal) => {
    if (!command) return null;
    const { replies } = await app.batch([command, ...(explain ? [explain] : [])], { ...DATABASE, signal });
    if (replies[0] instanceof RespError) throw replies[0];
    const parts = explain && !(replies[1] instanceof RespError) ? parseExplain(wordOf(replies[1])) : [];
    return { profile: readProfile(replies[0]), parts };
  }, [cmdId(command), turn]);
  return html`<div class="pad stack"><${Loaded} load=${{ ...load, error: load.error && { message: refusalText(load.error) } }}>${(/** @type {any} */ data) => {
    if (data === null) return html`<p class="soft">FT.PROFILE knows FT.SEARCH and FT.AGGREGATE.</p>`;
    const { profile, parts } = data;
    // The index that the query names may be another one than that of the page.
    const its = index && nameId(/** @type {Bulk} */ (cmd[1])) === nameId(index.name) ? index : null;
    return html`<div class="stack" role="region" aria-label="Advice">${adviceOf({ cmd, index: its, parts, profile }).map(({ tone, text }) => html`<${Note} tone=${tone}>${text}<//>`)}</div>
      ${profile && html`<${Figures} profile=${profile} />`}
      <p class="soft">FT.PROFILE runs the query once more, and to its end at one go: other clients wait for it.</p>
      ${command && html`<div><${Command} cmd=${command} /></div>`}`;
  }}<//></div>`;
}

/** @param {number} n milliseconds */
function ms(n) {
  return micros(n * 1000);
}

/** @param {{profile: import("../search/explain.js").Profile}} props */
function Figures({ profile }) {
  const { total, parsing, creating, root, steps } = profile;
  return html`<${Stats}><${Stat} label="In all" value=${ms(total)} /><${Stat} label="Reading the query" value=${ms(parsing)} /><${Stat} label="Preparing" value=${ms(creating)} /><${Stat} label="Documents found" value=${count(steps[0]?.rows)} /><//>
    <h3>Parts of the query</h3>
    <${Parts} label="Parts of the query" roots=${[root]} render=${renderRead} />
    <h3>Stages</h3>
    <table class="plain"><thead><tr><th scope="col">Stage</th><th scope="col" class="right">Rows</th><th scope="col" class="right">Time</th><th scope="col">Share</th></tr></thead>
      <tbody>${steps.map(({ name, ms: time, rows }, i) => html`<tr key=${i}><th scope="row"><${Name} name=${name} /></th><td class="right">${count(rows)}</td><td class="right">${ms(time)}</td><td class="bar-cell"><${Bar} share=${time / total} label=${percent(time / total, 0)} /></td></tr>`)}</tbody></table>`;
}

/** @param {import("../search/explain.js").Read} read */
function renderRead({ kind, query, term, ms: time, reads, expansions, mode }) {
  const named = query && query !== "UNION" ? `${kind} ${query}` : kind;
  return html`<span class="node-name"><bdi class="name">${printable(named, 200)}${term !== null && ` ${printable(term, 200)}`}</bdi>${mode && html` <small>${mode}</small>`}${expansions !== null && html` <small class="soft">${plural(expansions, "word or value", "words or values")}</small>`}</span>
    <span class="node-figures num"><span>${plural(reads, "read")}</span><span>${ms(time)}</span></span>`;
}

/** @param {{index: Index, onDropped: () => void}} props */
function Health({ index, onDropped }) {
  const { on, prefixes, rules, documents, terms, bytes: size, parts, uses, indexingMs, indexing, share } = index;
  return html`<${Tile} title="Health" note=${html`of <${Name} name=${index.name} limit=${60} />`} wide="full" actions=${html`<${DropIndex} name=${index.name} documents=${documents} onDone=${onDropped} />`}><div class="stack">
    ${remarksOf(index).map(({ tone, text, key }) => html`<${Note} tone=${tone}>${printable(text, 1000)}${key !== undefined && html` The last key: <a href=${href("keys", [key], keysOf(index))}><${Name} name=${key} /></a>.`}<//>`)}
    ${indexing && html`<${Bar} share=${share} label=${`${percent(share, 0)} of the keys read`} />`}
    <${Stats}><${Stat} label="Documents" value=${count(documents)} /><${Stat} label="Words" value=${count(terms)} /><${Stat} label="Memory" value=${bytes(size)} note=${documents > 0 && `${bytes(size / documents)} a document`} /><${Stat} label="Indexed" value=${percent(indexing ? share : 1, 0)} note=${`${duration(indexingMs)} spent`} /><${Stat} label="Queries" value=${count(uses)} /><//>
    <dl class="facts"><dt>Over</dt><dd>${on === "JSON" ? "JSON documents" : "hashes"} with ${prefixes.every((one) => one === "") ? "any key" : html`keys that begin with ${prefixesOf(index)}`}</dd>
      ${rules.map(([title, value]) => html`<dt>${title}</dt><dd><${Name} name=${value} limit=${1000} /></dd>`)}
      ${parts.length > 0 && html`<dt>Memory by part</dt><dd>${parts.map(([title, part]) => `${title} ${bytes(part)}`).join(", ")}</dd>`}</dl>
  </div><//>`;
}

/** @param {{index: Index}} props */
function Fields({ index }) {
  const refused = (/** @type {Field} */ f) => f.refused;
  return html`<${Tile} title="Fields" note=${plural(index.fields.length, "field")} wide="full" flush>
    <${Table} label="Fields" rows=${index.fields} rowKey=${(/** @type {Field} */ f) => nameId(f.name)} maxRows=${12} tone=${(/** @type {Field} */ f) => (refused(f).count > 0 ? "warn" : null)} columns=${[
      nameColumn("name", "Field", "minmax(7rem, 1fr)"),
      nameColumn("path", index.on === "JSON" ? "Path" : "Of the hash", "minmax(7rem, 1fr)"),
      { id: "type", title: "Type", width: "6.5rem", value: (/** @type {Field} */ f) => f.type },
      { id: "options", title: "Options", width: "minmax(9rem, 1.5fr)", render: (/** @type {Field} */ f) => html`<${Name} name=${f.options.join(", ") || "–"} />` },
      { id: "refused", title: "Refused", width: "6rem", align: "right", value: (/** @type {Field} */ f) => refused(f).count, render: (/** @type {Field} */ f) => count(refused(f).count) },
      { id: "reason", title: "Last reason", width: "minmax(9rem, 2fr)", render: (/** @type {Field} */ f) => refused(f).count > 0 && html`<${Name} name=${refused(f).reason} />` },
    ]} />
  <//>`;
}
