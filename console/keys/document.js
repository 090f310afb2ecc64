/** The page of a JSON document: a tree that is read as it is opened, the chosen value below, matches of a path. */

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.module.js";
import { bytes, count, escapeControls, plural } from "../format.js";
import { parse, pretty } from "../json.js";
import { itemsOf, nameId, numberOf, textOf } from "../resp.js";
import { useApp, useLoad } from "../state.js";
import { Table } from "../parts/table.js";
import { Button, CopyButton, Icon, Name, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";
import { Tree } from "../parts/tree.js";
import { EditDialog, useChange } from "./actions.js";
import { Formatted } from "./formats.js";
import { PAGE, WHOLE_BYTES, findByPath, isContainer, linesOf, readApart, readFurther, readLevel, readRoot, steady } from "./levels.js";
import { ROOT, pathOf } from "./paths.js";

/** @typedef {import("../resp.js").Name} Bulk */
/** @typedef {import("./levels.js").Part} Part */
/** @typedef {import("./levels.js").Level} Level */
/** @typedef {import("./levels.js").Line} Line */
/** @typedef {import("./paths.js").Step} Step */

/** Characters of a value in a line of the tree, and of a table. */
const LINE = 200;

/** A JSON text as it was typed. Throws where it is none. @param {Bulk} text */
export function jsonOf(text) {
  try {
    parse(textOf(text));
  } catch (error) {
    // How deep a document may be, the server knows.
    if (!/^nested/.test(/** @type {Error} */ (error).message)) throw error;
  }
  return text;
}

/** Over lines; as it is if it is too deep for that. @param {string} text */
function indented(text) {
  try {
    return pretty(parse(text));
  } catch {
    return text;
  }
}

/** @param {Part} part */
function sizeText({ kind, size }) {
  if (size === null) return "";
  return kind === "object" ? plural(size, "member") : kind === "array" ? plural(size, "element") : bytes(size);
}

/** @param {Part} part */
function valueText({ text }) {
  return text === null ? "" : escapeControls(text.length > LINE ? `${text.slice(0, LINE)}…` : text);
}

/** The levels that are open, kept while the document is read again. @param {Bulk} name @param {number} turn */
function useDocument(name, turn) {
  const { batch } = useApp();
  const [state, setState] = useState(/** @type {{root: Part | null | undefined, levels: Map<string, Level>, open: Set<string>, error: any}} */ ({ root: undefined, levels: new Map(), open: new Set([ROOT]), error: null }));
  const latest = useRef(state);
  latest.current = state;
  const abort = useRef(new AbortController());
  const queue = useRef(/** @type {Promise<any>} */ (Promise.resolve()));
  const put = (/** @type {Partial<typeof state>} */ part) => setState((latest.current = { ...latest.current, ...part }));

  /** Reads after what is being read, so that each goes on from the state before it; whether that went well. @param {(read: import("./levels.js").Read) => Promise<Partial<typeof state>>} work @returns {Promise<boolean>} */
  const reading = (work) => {
    const { signal } = abort.current;
    const step = async () => {
      try {
        const part = await steady(() => work({ batch, key: name, signal }));
        if (!signal.aborted) put({ error: null, ...part });
        return !signal.aborted;
      } catch (error) {
        if (!signal.aborted) put({ error });
        return false;
      }
    };
    return (queue.current = queue.current.then(step));
  };
  useEffect(() => () => abort.current.abort(), []);
  useEffect(() => {
    reading(async (read) => {
      const { open, levels: old } = latest.current;
      const root = await readRoot(read);
      const levels = new Map();
      // A container comes before what it holds: its path is the shorter one.
      for (const path of root === null ? [] : [...open].sort((a, b) => a.length - b.length)) {
        const level = await readLevel(read, path, Math.min(10 * PAGE, Math.max(PAGE, old.get(path)?.parts.length ?? 0)));
        if (level) levels.set(path, level);
      }
      // Others may have been opened meanwhile; they are read next.
      return { root, levels, open: new Set([...latest.current.open].filter((path) => levels.has(path) || !open.has(path))) };
    });
  }, [nameId(name), turn]);

  const put1 = (/** @type {string} */ path, /** @type {Level} */ level) => new Map(latest.current.levels).set(path, level);
  /** @param {string} path */
  const toggle = async (path) => {
    const open = new Set(latest.current.open);
    if (!open.delete(path)) open.add(path);
    put({ open });
    if (!open.has(path) || latest.current.levels.has(path)) return;
    await reading(async (read) => {
      const level = await readLevel(read, path);
      return level ? { levels: put1(path, level) } : {};
    });
  };
  /** @param {string} path */
  const further = (path) =>
    reading(async (read) => {
      const level = latest.current.levels.get(path);
      return level ? { levels: put1(path, await readFurther(read, path, level)) } : {};
    });
  /** Opens all containers on the way to a value; its path, or null if it cannot be shown. @param {Step[]} steps @returns {Promise<string | null>} */
  const reveal = async (steps) => {
    let path = /** @type {string | null} */ (ROOT);
    const done = await reading(async (read) => {
      const levels = new Map(latest.current.levels);
      const open = new Set(latest.current.open);
      path = ROOT;
      for (const step of steps) {
        if (path === null) break;
        const level = levels.get(path) ?? (await readLevel(read, path));
        if (!level) break;
        levels.set(path, await readApart(read, path, level, step));
        open.add(path);
        path = pathOf(path, step);
      }
      return { levels, open };
    });
    return done ? path : null;
  };
  return { ...state, toggle, further, reveal };
}

/** @param {import("./types.js").PageProps} props */
export function DocumentPage({ name, onChange, turn }) {
  const { root, levels, open, error, toggle, further, reveal } = useDocument(name, turn);
  const [chosen, setChosen] = useState(ROOT);
  if (root === undefined) return error ? html`<${Note} tone="bad">${errorText(error)}<//>` : html`<p class="soft" aria-busy="true">Loading…</p>`;
  if (root === null) return html`<${Note}>The document is gone.<//>`;
  const lines = linesOf(root, levels, open);
  const line = lines.find(({ id }) => id === chosen) ?? lines[0];
  const onSelect = (/** @type {Line} */ one) => {
    if (!one.more) setChosen(one.id);
    else if (!one.more.whole) further(one.more.path);
  };
  const show = async (/** @type {Step[]} */ steps) => {
    const path = await reveal(steps);
    if (path !== null) setChosen(path);
  };
  return html`<div class="fields document">
    <${Find} name=${name} turn=${turn} onShow=${show} />
    ${error && html`<${Note} tone="bad">${errorText(error)}<//>`}
    <div class="document-tree" style=${{ "--lines": String(lines.length) }}><${Tree} label="Document" nodes=${lines} selected=${line.id} follow=${true} onSelect=${onSelect} onToggle=${(/** @type {Line} */ one) => toggle(one.id)} render=${renderLine} /></div>
    ${line.part && html`<${Chosen} key=${line.id} name=${name} part=${line.part} turn=${turn} onDone=${onChange} onRemoved=${() => setChosen(line.parent ?? ROOT)} />`}
  </div>`;
}

/** @param {Line} line */
function renderLine({ part, more }) {
  if (!part) return html`<span class=${more?.whole ? "soft" : "more-line"}>${more?.text}</span>`;
  return html`<span class="node-name">${part.step === null ? html`<span class="name">${ROOT}</span>` : html`<${Name} name=${String(part.step)} />`}${part.text !== null && html`<span class="soft">: </span><bdi class=${`mono json-${part.kind}`}>${valueText(part)}</bdi>`}</span>
    <span class="soft node-figures num">${part.kind !== "string" || part.text === null ? sizeText(part) : ""}</span>${part.kind !== "" && html`<span class="badge type">${part.kind}</span>`}`;
}

/** The chosen value: whole if it is not too large, its path, and what changes it. @param {{name: Bulk, part: Part, turn: number, onDone: () => void, onRemoved: () => void}} props */
function Chosen({ name, part, turn, onDone, onRemoved }) {
  const { run, ask } = useApp();
  const change = useChange();
  const [form, setForm] = useState(/** @type {import("./collection.js").Form | null} */ (null));
  const { path, kind, size } = part;
  const whole = useLoad(
    async (signal) => {
      if (path === null) return null;
      if (part.text !== null) return { text: part.text, memory: 0 };
      const memory = numberOf(itemsOf(await run(["JSON.DEBUG", "MEMORY", name, path], { signal }))[0]);
      if (!(memory <= WHOLE_BYTES)) return { text: null, memory };
      return { text: textOf(await run(["JSON.GET", name, path], { signal })).slice(1, -1), memory };
    },
    [path, part.text, turn],
  );
  if (path === null)
    return html`<section class="element" aria-label="Chosen value"><${Note}>No path names this member: its name begins with a blank, which the server skips, or is too long. It is shown and changed with the object that holds it.<//></section>`;
  const text = whole.data?.text ?? null;
  const large = whole.data && text === null ? `It takes ${bytes(whole.data.memory)}: too large to be shown whole` : null;
  // What was shown, as the server says it: in the array of all matches.
  const asShown = /** @type {[import("../api.js").Cmd, any][]} */ (
    text !== null ? [[["JSON.GET", name, path], `[${text}]`]] : [[["JSON.TYPE", name, path], [[kind]]], [[kind === "object" ? "JSON.OBJLEN" : kind === "array" ? "JSON.ARRLEN" : "JSON.STRLEN", name, path], [size]]]
  );
  const stays = /** @type {[import("../api.js").Cmd, any][]} */ ([[["JSON.TYPE", name, path], [[kind]]]]);
  const value = { id: "value", label: "Value, as JSON", value: "" };
  const edit = {
    label: "Edit", title: "Edit a value", fields: [{ id: "path", label: "Path", value: path, fixed: true }, { ...value, value: indented(text ?? ""), rows: isContainer(kind) ? 12 : 4 }],
    save: (/** @type {any} */ v) => ({ what: "Saved.", cmds: [["JSON.SET", name, path, jsonOf(v.value), "XX"]], conditions: asShown, nothing: (/** @type {any[]} */ [reply]) => reply === null && "Not saved: there is nothing at the path." }),
  };
  const member = {
    label: "Add member", title: "Add a member", fields: [{ id: "name", label: "Name", value: "", line: true }, { ...value, rows: 4 }],
    save: (/** @type {any} */ v) => {
      const at = pathOf(path, v.name);
      if (at === null) throw new RangeError("No path can name such a member: it begins with a blank, or is too long.");
      return { what: "Added.", cmds: [["JSON.SET", name, at, jsonOf(v.value), "NX"]], conditions: stays, nothing: (/** @type {any[]} */ [reply]) => reply === null && "Not added: there is a member of that name." };
    },
  };
  const element = {
    label: "Add element", title: "Add an element", fields: [{ ...value, rows: 4 }, { id: "index", label: "Before the index; empty: at the end", value: "", line: true }],
    save: (/** @type {any} */ v) => {
      if (!/^\s*\d*\s*$/.test(v.index)) throw new RangeError("An index is a whole number from 0 on; empty: at the end.");
      const at = v.index.trim();
      return { what: "Added.", cmds: [at === "" ? ["JSON.ARRAPPEND", name, path, jsonOf(v.value)] : ["JSON.ARRINSERT", name, path, at, jsonOf(v.value)]], conditions: at === "" ? stays : asShown };
    },
  };
  const add = kind === "object" ? member : kind === "array" ? element : null;
  const save = async (/** @type {Record<string, Bulk>} */ values) => {
    const done = form && (await change(form.save(values)));
    onDone();
    return done !== null;
  };
  const drop = async () => {
    if (isContainer(kind) && size && !(await ask({ title: "Remove from the document", body: `${path} and its ${sizeText(part)} go.`, confirm: "Remove", danger: true }))) return;
    const done = await change({ what: "Removed.", cmds: [["JSON.DEL", name, path]], conditions: asShown, nothing: ([removed]) => removed === 0 && "Nothing was removed: it was gone already." });
    if (done) onRemoved();
    onDone();
  };
  return html`<section class="element" aria-label="Chosen value">
    <div class="bar-line"><code class="element-name">${escapeControls(path)}</code><${CopyButton} text=${path} label="Copy the path" /><span class="soft">${kind}${size === null ? "" : `, ${sizeText(part)}`}</span>
      <div class="end">${text !== null && html`<${CopyButton} text=${text} label="Copy the value as JSON" />`}
        ${add && html`<${Button} icon="plus" onClick=${() => setForm(add)}>${add.label}<//>`}
        <${Button} icon="edit" why=${large && `${large}: edit its parts`} disabled=${text === null} onClick=${() => setForm(edit)}>Edit<//>
        ${path !== ROOT && html`<${Button} icon="trash" onClick=${drop}>Remove<//>`}</div></div>
    ${whole.error && html`<${Note} tone="bad">${errorText(whole.error)}<//>`}
    ${large && html`<${Note}>${large}. ${isContainer(kind) ? "Its parts are in the tree." : "JSON.GET reads it, in the workbench."}<//>`}
    ${text !== null && html`<${Formatted} value=${kind === "string" ? JSON.parse(text) : text} label="Chosen value" />`}
    ${form && html`<${EditDialog} title=${form.title} fields=${form.fields} onSave=${save} onClose=${() => setForm(null)} />`}
  </section>`;
}

/** Asks for a path of either dialect, and shows its matches; one value by names and indexes is chosen in the tree. @param {{name: Bulk, turn: number, onShow: (steps: Step[]) => Promise<void>}} props */
function Find({ name, turn, onShow }) {
  const { batch } = useApp();
  const [text, setText] = useState("");
  const [asked, setAsked] = useState({ path: "", times: 0 });
  const [row, setRow] = useState(/** @type {string | null} */ (null));
  const show = useRef(0);
  const { data, error, loading } = useLoad(
    async (signal) => {
      if (asked.path === "") return null;
      const found = await steady(() => findByPath({ batch, key: name, signal }, asked.path));
      // Once for each question: the document may be read again for another reason.
      if (found.steps && show.current !== asked.times) await onShow(found.steps);
      show.current = asked.times;
      return { ...found, path: asked.path };
    },
    [asked.path, asked.times, turn],
  );
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    setRow(null);
    setAsked(({ times }) => ({ path: text.trim(), times: times + 1 }));
  };
  const clear = () => {
    setText("");
    setAsked(({ times }) => ({ path: "", times: times + 1 }));
  };
  const found = data && data.path === asked.path && !error ? data : null;
  const rows = found?.parts.map((part, i) => ({ ...part, id: String(i), number: i + 1 })) ?? [];
  const picked = rows.find(({ id }) => id === row);
  return html`<form class="document-find" role="search" aria-label="In the document" onSubmit=${submit}>
      <label class="search"><${Icon} name="search" /><input type="search" aria-label="Find by a path of either dialect" placeholder="Path, e.g. $..price or .items[0]" spellcheck=${false} autocomplete="off" autocapitalize="off" value=${text} onInput=${(/** @type {any} */ e) => setText(e.target.value)} /></label>
      <${Button} type="submit" disabled=${text.trim() === ""}>Find<//>${asked.path !== "" && html`<${Button} kind="quiet" icon="close" label="Close the matches" onClick=${clear} />`}
    </form>
    ${asked.path !== "" && html`<section class="element" aria-label="Matches">
      ${error && html`<${Note} tone="bad">${errorText(error)}<//>`}
      <p class="soft" role="status">${found ? html`${foundText(found)} <code>${escapeControls(found.path)}</code>` : loading ? "Searching…" : ""}</p>
      ${rows.length > 0 && !found?.steps && html`<${Table} label="Matches" rows=${rows} rowKey=${(/** @type {any} */ r) => r.id} selected=${row} onSelect=${(/** @type {any} */ r) => setRow(r.id)} maxRows=${8}
        columns=${[{ id: "number", title: "Match", width: "5rem", align: "right", value: (/** @type {any} */ r) => r.number, render: (/** @type {any} */ r) => count(r.number) }, { id: "kind", title: "Type", width: "6rem", value: (/** @type {any} */ r) => r.kind },
          { id: "size", title: "Size", width: "8rem", align: "right", value: (/** @type {any} */ r) => r.size, render: sizeText }, { id: "value", title: "Value", width: "minmax(10rem, 2fr)", render: (/** @type {any} */ r) => html`<bdi class="mono">${valueText(r)}</bdi>` }]} />`}
      ${picked?.text != null && html`<${Formatted} key=${picked.id} value=${picked.text} label="Value of the match" />`}
    </section>`}`;
}

/** @param {import("./levels.js").Found} found */
function foundText({ legacy, parts, total, bytes: size, steps }) {
  if (total === 0) return "No match of";
  if (steps) return "Chosen in the tree:";
  if (total > parts.length) return `${plural(total, "match", "matches")}, shown are the types of the first ${count(parts.length)} alone, of`;
  if (legacy) return `The first match${parts[0].text === null ? `, whose ${bytes(size)} are not shown,` : ""} (a path without $ has no other) of`;
  return `${plural(total, "match", "matches")}${parts[0].text === null ? `; their values take ${bytes(size)} and are not shown` : ""} of`;
}
