/** Keys: the tree of names at the left, the selected key at the right. */

import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.module.js";
import { brief, bytes, compact, count, plural, printable } from "../format.js";
import * as glob from "../glob.js";
import { RespError, nameId, numberOf, objectOf, parseInfo, textOf } from "../resp.js";
import { go, href } from "../router.js";
import { useApp, useChoice, useLoad, useSettled, useSilence } from "../state.js";
import { Button, Command, Icon, Name, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";
import { Tree } from "../parts/tree.js";
import { BulkDelete, NewKey } from "../keys/actions.js";
import { KeyList } from "../keys/list.js";
import { ExportKeys, ImportCommands } from "../keys/transfer.js";
import { typeName } from "../keys/typename.js";
import { TYPES } from "../keys/types.js";
import { KeyPage } from "../keys/value.js";
import { exactFolders, exactOf, goOn, insideOf, newWalk, nodesOf, scopeOf, tail } from "../keys/walk.js";

/** @typedef {import("../resp.js").Name} Bulk */
/** @typedef {import("../keys/walk.js").Walk} Walk */
/** @typedef {import("../keys/walk.js").Node} Node */
/** @typedef {import("../keys/walk.js").Exact} Exact */

/** The walk of all names: the filter's, or that of a server without PREFIXSTATS. */
const ALL = "";

/** What a walk that has not begun has found. @type {import("../keys/walk.js").Found[]} */
const NONE = [];

/** Keys that the first walk looks for; further ones go on to the end, or until the page has as many as it can draw. */
const [FIRST, MOST] = [10_000, 1_000_000];

/** Keys of a folder of PREFIXSTATS that are looked for as it opens. */
const INSIDE = 500;

/** How often the page asks whether the server has been started anew, milliseconds. */
const LOOK_MS = 3000;

/** @param {{route: import("../router.js").Route}} props */
export default function Keys({ route }) {
  const { batch, db, can } = useApp();
  const key = route.path[0];
  const filter = route.query.match ?? "";
  const type = textOf(route.query.type ?? "");
  const filtered = filter !== "" || type !== "";
  const [turn, setTurn] = useState(0);
  const [dialog, setDialog] = useState(/** @type {"new" | "bulk" | "export" | "import" | null} */ (null));
  const link = (/** @type {Bulk | undefined} */ name, /** @type {any} */ other = {}) => href("keys", name === undefined ? [] : [name], { db: db || null, match: filter || null, type: type || null, ...other });

  const top = useLoad(
    async (signal) => {
      const [size, lines, config] = (await batch([["DBSIZE"], ["PREFIXSTATS", "COUNT", 0], ["CONFIG", "GET", "prefix-stats-*"]], { signal })).replies;
      const known = config instanceof RespError ? {} : objectOf(config);
      return { size: size instanceof RespError ? null : numberOf(size), exact: lines instanceof RespError ? null : exactOf(lines, known), delimiter: textOf(known["prefix-stats-delimiter"] ?? "") || ":" };
    },
    [db, turn],
  );
  const silent = useSilence();
  useRestarts(() => setTurn((n) => n + 1));
  const [look, setLook] = useChoice("keys-look", "tree");
  const [ownDelimiter, setDelimiter] = useChoice("keys-delimiter", "");
  const serverDelimiter = top.data?.delimiter ?? ":";
  const delimiter = ownDelimiter || serverDelimiter;
  const isList = look === "list";
  // PREFIXSTATS counts by the server's own delimiter.
  const exact = !filtered && !isList && delimiter === serverDelimiter && top.data?.exact ? top.data.exact : null;
  const figures = useFigures(turn);
  const tree = useTree({ exact, filter, type, turn, delimiter, ready: top.data !== undefined || top.error !== null });
  const refresh = () => setTurn((n) => n + 1);
  const settled = useSettled(key, 60);
  const selectedId = useMemo(() => (key === undefined ? null : (tree.nodes.find((node) => node.key !== undefined && nameId(node.key) === nameId(key))?.id ?? null)), [tree.nodes, key]);
  const [folder, setFolder] = useState(/** @type {Node | null} */ (null));
  // Of the folder that is chosen: its title is for the mouse alone.
  const reads = folder && tree.nodes.find(({ id }) => id === folder.id)?.reads;

  // What an export or a deletion begins with.
  const scope = filter || (folder?.prefix !== undefined ? glob.startsWith(folder.prefix) : "");
  const onSelect = (/** @type {Node} */ node) => {
    if (node.more) tree.more(node.more.prefix);
    else if (node.key !== undefined) {
      setFolder(null);
      go(link(node.key), { replace: key !== undefined });
    } else setFolder(node);
  };
  const empty = silent !== null || top.error || tree.error ? "Not known: the names could not be read." : !tree.known ? "" : filtered ? "No key matches." : "This database is empty.";
  return html`<div class=${`keys${key === undefined ? "" : " with-key"}${isList ? " as-list" : ""}`}>
    <h1 class="unseen">Keys</h1>
    <section class="keys-side" aria-label="Browse">
      <${Filter} filter=${filter} type=${type} onChange=${(/** @type {string} */ match, /** @type {string} */ t) => go(href("keys", key === undefined ? [] : [key], { db: db || null, match: match || null, type: t || null }), { replace: true })} />
      <div class="keys-look"><div class="segments" role="group" aria-label="Show as">${[["tree", "Tree"], ["list", "List"]].map(([id, title]) => html`<button type="button" aria-pressed=${String(look === id)} onClick=${() => setLook(id)}>${title}</button>`)}</div>
        ${!isList && html`<label>Delimiter <input class="delimiter" maxlength="8" spellcheck=${false} autocomplete="off" placeholder=${serverDelimiter} value=${ownDelimiter} onInput=${(/** @type {any} */ e) => setDelimiter(e.target.value)} /></label>`}
        <div class="end"><${Button} kind="quiet" icon="download" label="Export keys" onClick=${() => setDialog("export")} /><${Button} kind="quiet" icon="upload" label="Import a file of commands" onClick=${() => setDialog("import")} /></div></div>
      <div class="keys-tools"><span class="soft num" role="status">${reads || tree.text(top.data?.size ?? null)}</span><div class="end">
        ${tree.rests && !tree.busy && html`<${Button} kind="quiet" icon="play" label="Walk on to the end" onClick=${() => tree.more(ALL)} />`}
        ${tree.busy ? html`<${Button} kind="quiet" icon="stop" label="Stop walking" onClick=${tree.stop} />` : html`<${Button} kind="quiet" icon="refresh" label="Load again" onClick=${refresh} />`}
        ${can("unlink") && html`<${Button} kind="quiet" icon="trash" label="Delete by pattern" onClick=${() => setDialog("bulk")} />`}
        <${Button} kind="quiet" icon="plus" label="New key" onClick=${() => setDialog("new")} /></div></div>
      ${tree.busy && !exact && html`<progress class="keys-walk" aria-label="Walked" max=${top.data?.size || 1} value=${Math.min(tree.seen, top.data?.size ?? 0)}></progress>`}
      ${tree.error && html`<${Note} tone="bad">${errorText(tree.error)}<//>`}
      <div class="keys-tree">${isList
        ? html`<${KeyList} found=${tree.found} done=${tree.done} busy=${tree.busy} turn=${turn} selected=${key === undefined ? null : nameId(key)} empty=${empty} onOpen=${(/** @type {import("../keys/walk.js").Found} */ { name }) => go(link(name), { replace: key !== undefined })} onMore=${() => tree.more(ALL)} />`
        : html`<${Tree} label="Keys" nodes=${tree.nodes} selected=${folder?.id ?? selectedId} onSelect=${onSelect} onToggle=${tree.toggle} onSeen=${figures.see} render=${(/** @type {Node} */ node) => renderNode(node, figures.of(node))} />
        ${tree.nodes.length === 0 && !tree.busy && html`<p class="empty-note">${empty}</p>`}`}</div>
    </section>
    <section class="keys-main" aria-label="Key">
      ${key !== undefined && html`<a class="back" href=${link(undefined)}>← All keys</a>`}
      ${settled === undefined
        ? html`<div class="key-page"><${Landing} counts=${Boolean(top.data?.exact)} size=${top.data?.size ?? null} /></div>`
        : html`<${KeyPage} key=${`${db} ${nameId(settled)}`} name=${settled} onRenamed=${(/** @type {Bulk} */ name) => { refresh(); go(link(name), { replace: true }); }} onGone=${refresh} />`}
    </section>
    ${dialog === "new" && html`<${NewKey} start="" onClose=${() => setDialog(null)} onDone=${(/** @type {Bulk} */ name) => { refresh(); go(link(name)); }} />`}
    ${dialog === "export" && html`<${ExportKeys} match=${scope} type=${type} onClose=${() => setDialog(null)} />`}
    ${dialog === "import" && html`<${ImportCommands} onClose=${() => setDialog(null)} onDone=${refresh} />`}
    ${dialog === "bulk" && html`<${BulkDelete} match=${scope} type=${type} onClose=${() => setDialog(null)} onDone=${refresh} />`}
  </div>`;
}

/** Calls back when the server that answers is another process than before: its keys may be others. @param {() => void} onRestart */
function useRestarts(onRestart) {
  const { run, can } = useApp();
  const before = useRef("");
  useLoad(
    async (signal) => {
      if (!can("info")) return;
      const { run_id: now } = parseInfo(await run(["INFO", "server"], { signal }));
      if (before.current !== "" && now !== before.current) onRestart();
      before.current = now;
    },
    [],
    { every: LOOK_MS },
  );
}

/** The walks behind the tree: one of all names, or one a line of PREFIXSTATS that is open. @param {{exact: Exact | null, filter: Bulk, type: string, turn: number, delimiter: string, ready: boolean}} props */
function useTree({ exact, filter, type, turn, delimiter, ready }) {
  const { batch, db } = useApp();
  const [walks, setWalks] = useState(/** @type {Map<string, Walk>} */ (new Map()));
  const [open, setOpen] = useState(/** @type {Set<string>} */ (new Set()));
  const [busy, setBusy] = useState(0);
  const [error, setError] = useState(/** @type {any} */ (null));
  const abort = useRef(new AbortController());
  const halted = useRef(false);
  const latest = useRef(walks);
  latest.current = walks;

  const put = (/** @type {Bulk} */ prefix, /** @type {Walk} */ walk) => setWalks((old) => new Map(old).set(nameId(prefix), walk));
  const walk = async (/** @type {Bulk} */ prefix, want = INSIDE) => {
    const { signal } = abort.current;
    halted.current = false;
    const scope = exact ? scopeOf(exact, prefix) : { match: glob.fromFilter(filter) };
    setBusy((n) => n + 1);
    try {
      const now = await goOn(latest.current.get(nameId(prefix)) ?? newWalk(), { batch, ...scope, type: type || undefined, want, signal, stopped: () => halted.current, onPage: (page) => !signal.aborted && put(prefix, page) });
      if (!signal.aborted) put(prefix, now);
    } catch (failure) {
      if (!signal.aborted) setError(failure);
    }
    setBusy((n) => n - 1);
  };
  useEffect(() => {
    if (!ready) return;
    abort.current = new AbortController();
    latest.current = new Map();
    setWalks(new Map());
    setError(null);
    if (exact) for (const prefix of openLines(exact, open)) walk(prefix);
    else walk(ALL, FIRST);
    return () => abort.current.abort();
  }, [exact, nameId(filter), type, db, turn, ready]);

  const nodes = useMemo(() => {
    if (!exact) {
      const all = walks.get(nameId(ALL));
      return all ? [...nodesOf(all.keys, "", delimiter, 1, open, !all.done), ...moreLine(all, ALL, 1)] : [];
    }
    return exactFolders(exact, open).flatMap((node) => {
      const prefix = /** @type {Bulk} */ (node.prefix);
      const one = walks.get(nameId(prefix));
      if (!node.expanded || !one) return [node];
      return [node, ...insideOf(exact, prefix, one, open), ...moreLine(one, prefix, 2)];
    });
  }, [exact, walks, open, delimiter]);

  const toggle = (/** @type {Node} */ node) => {
    const prefix = /** @type {Bulk} */ (node.prefix);
    const next = new Set(open);
    if (!next.delete(node.id)) {
      next.add(node.id);
      if (exact && node.counted && !walks.has(nameId(prefix))) walk(prefix);
    }
    setOpen(next);
  };
  const stop = () => {
    halted.current = true;
  };
  /** What part of the whole is shown. @param {number | null} size */
  const text = (size) => {
    if (exact) return plural(size ?? 0, "key");
    const all = walks.get(nameId(ALL));
    if (!all) return "…";
    if (all.done) return filter !== "" || type !== "" ? `${count(all.keys.length)} of ${count(size)} keys match` : plural(all.keys.length, "key");
    return `${count(all.keys.length)} found, ${size ? `${Math.min(99, Math.floor((100 * all.seen) / size))} % of ${compact(size)}` : count(all.seen)} walked`;
  };
  // Nothing found is nothing there only after a walk to its end.
  const known = !error && (exact !== null || walks.get(nameId(ALL))?.done === true);
  const all = walks.get(nameId(ALL));
  return { nodes, found: all?.keys ?? NONE, done: all?.done ?? false, toggle, known, more: (/** @type {Bulk} */ prefix) => walk(prefix, MOST), busy: busy > 0, seen: all?.seen ?? 0, rests: all !== undefined && !all.done && !exact, stop, error, text };
}

/** The lines of PREFIXSTATS that are open. @param {Exact} exact @param {Set<string>} open @returns {Bulk[]} */
function openLines(exact, open) {
  return exactFolders(exact, open).filter(({ expanded }) => expanded).map(({ prefix }) => /** @type {Bulk} */ (prefix));
}

/** @param {Walk} walk @param {Bulk} prefix @param {number} level @returns {Node[]} */
function moreLine(walk, prefix, level) {
  if (walk.done) return [];
  return [{ id: `m${nameId(prefix)}`, level, expandable: false, more: { prefix, text: `A sample: ${plural(walk.keys.length, "key")} so far. Walk on` } }];
}

/** Bytes, and Unix milliseconds of the end (null: none), of a key. @typedef {{bytes: number | null, until: number | null}} Figures */

/** The figures of the keys in sight, asked for as they come into it. @param {number} turn counts reloads */
function useFigures(turn) {
  const { batch, can, db } = useApp();
  const known = useMemo(() => /** @type {Map<string, Figures>} */ (new Map()), [db, turn]);
  const [seen, see] = useState(/** @type {Node[]} */ ([]));
  const settled = useSettled(seen, 120);
  useLoad(
    async (signal) => {
      const asked = settled.filter(({ id, key }) => key !== undefined && !known.has(id));
      if (asked.length === 0 || !can("memory|usage") || !can("pttl")) return;
      const { replies } = await batch(asked.flatMap(({ key = "" }) => [["MEMORY", "USAGE", key], ["PTTL", key]]), { signal });
      const figure = (/** @type {any} */ reply) => (typeof reply === "number" && reply >= 0 ? reply : null);
      asked.forEach(({ id }, i) => {
        const ttl = figure(replies[2 * i + 1]);
        known.set(id, { bytes: figure(replies[2 * i]), until: ttl === null ? null : Date.now() + ttl });
      });
    },
    [settled, known],
  );
  return { see, of: (/** @type {Node} */ { id }) => known.get(id) };
}

/** @param {Node} node @param {Figures} [figures] of a key */
function renderNode(node, figures) {
  if (node.more) return html`<span class="more-line">${node.more.text}</span>`;
  if (node.key !== undefined) return html`<span class="node-name"><${Name} name=${tail(node)} /></span>${figures?.until != null && html`<span class="soft node-figures num" title="Expires in">${brief(Math.max(0, figures.until - Date.now()))}</span>`}
    ${figures?.bytes != null && html`<span class="node-figures num" title="Memory">${bytes(figures.bytes)}</span>`}<span class=${`badge type ${node.type}`}>${typeName(node.type ?? "")}</span>`;
  return html`<span class="node-name folder"><${Name} name=${node.label ?? ""} /></span><span class="node-figures num" title=${node.reads}>${node.bytes === undefined || node.bytes === null ? "" : html`<span class="soft">${bytes(node.bytes)}</span>`}
    <span>${!node.sampled ? "" : html`<span class="soft" title="Among those found so far">≥ </span>`}${count(node.keys)}</span></span>`;
}

/** @param {{filter: Bulk, type: string, onChange: (match: string, type: string) => void}} props */
function Filter({ filter, type, onChange }) {
  const [text, setText] = useState(printable(filter));
  const settled = useSettled(text, 300);
  useEffect(() => {
    if (settled !== printable(filter)) onChange(settled, type);
  }, [settled]);
  return html`<div class="keys-filter" role="search">
    <label class="search"><${Icon} name="search" /><input data-filter type="search" aria-label="Filter: a part of the name, or a pattern with *" placeholder="Filter, e.g. user:*" spellcheck=${false} value=${text} onInput=${(/** @type {any} */ e) => setText(e.target.value)} /></label>
    <select aria-label="Type" value=${type} onChange=${(/** @type {any} */ e) => onChange(text, e.target.value)}><option value="">All types</option>${Object.keys(TYPES).map((one) => html`<option value=${one}>${typeName(one)}</option>`)}</select>
  </div>`;
}

/** What stands at the right before a key is chosen. @param {{counts: boolean, size: number | null}} props */
function Landing({ counts, size }) {
  return html`<div class="landing"><p class="big">${size === null ? "Keys" : plural(size, "key")}</p><p class="soft">Choose a key. Arrow keys move through the tree; right and left open and close.</p>
    ${!counts && html`<div class="landing-hint"><p>The server can count keys and bytes by prefix, exactly and at any size:</p><${Command} cmd=${["CONFIG", "SET", "prefix-stats", "yes"]} /></div>`}</div>`;
}
