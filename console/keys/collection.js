/** Elements of a collection: pages of them in a table, the selected one whole below, and what changes them. */

import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.module.js";
import { count, printable } from "../format.js";
import { Table } from "../parts/table.js";
import { Button, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";
import { EditDialog, useChange } from "./actions.js";
import { Formatted } from "./formats.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {import("../api.js").Cmd} Cmd */
/** @typedef {{label: string, title: string, fields: any[], note?: any, save: (v: Record<string, Name>) => import("./actions.js").Change}} Form */

/**
 * Reads with fewer elements, down to one, while the reply is longer than one may be; `most` keeps what has passed.
 * @template T @param {{current: number}} most @param {(count: number) => Promise<T>} read @returns {Promise<{reply: T, count: number}>}
 */
export async function halving(most, read) {
  for (;;) {
    const count = most.current;
    try {
      return { reply: await read(count), count };
    } catch (error) {
      if (count === 1 || !/^CONSOLE reply is larger/.test(/** @type {Error} */ (error).message)) throw error;
      most.current = Math.ceil(count / 2);
    }
  }
}

/** @template R @typedef {import("./find.js").Page<R>} Page */
/** @template R @typedef {{onPart: (page: Page<R>) => void, stopped: () => boolean}} Walker of a page that takes long: shows what it has so far; whether it must stop */

/**
 * Pages that follow each other. @template R
 * @param {(cursor: string, signal: AbortSignal, walk: Walker<R>) => Promise<Page<R>>} load @param {readonly any[]} inputs
 */
export function usePages(load, inputs) {
  const [state, setState] = useState(/** @type {{rows: R[], next: string | null, walked?: number, loading: boolean, error: any}} */ ({ rows: [], next: "0", loading: true, error: null }));
  const halted = useRef(false);
  const [turn, setTurn] = useState(0);
  const abort = useRef(new AbortController());
  const fetchPage = async (/** @type {string} */ cursor, /** @type {R[]} */ before, walkedBefore = 0) => {
    const { signal } = abort.current;
    halted.current = false;
    setState((old) => ({ ...old, loading: true }));
    const put = (/** @type {Page<R>} */ { rows, next, walked }, /** @type {boolean} */ loading) => {
      if (!signal.aborted) setState({ rows: [...before, ...rows], next, walked: walked === undefined ? undefined : walkedBefore + walked, loading, error: null });
    };
    try {
      put(await load(cursor, signal, { onPart: (page) => put(page, true), stopped: () => halted.current || signal.aborted }), false);
    } catch (error) {
      if (!signal.aborted) setState((old) => ({ ...old, next: null, loading: false, error }));
    }
  };
  useEffect(() => {
    abort.current = new AbortController();
    fetchPage("0", []);
    return () => abort.current.abort();
  }, [...inputs, turn]);
  const more = () => {
    if (state.next !== null && !state.loading) fetchPage(state.next, state.rows, state.walked);
  };
  const stop = () => {
    halted.current = true;
  };
  return { ...state, more, stop, reload: () => setTurn((n) => n + 1) };
}

/**
 * @template R
 * @param {{label: string, total: number | null, columns: import("../parts/table.js").Column<R>[], load: (cursor: string, signal: AbortSignal, walk: Walker<R>) => Promise<Page<R>>,
 *   inputs: readonly any[], rowKey: (row: R) => string, valueOf: (row: R) => Name, nameOf?: (row: R) => Name, add?: Form, forms?: (row: R) => (Form | null)[],
 *   remove?: (row: R) => import("./actions.js").Change, tools?: any, find?: any, onChange: () => void}} props `find`: the fields that narrow it down
 */
export function Collection({ label, total, columns, load, inputs, rowKey, valueOf, nameOf, add, forms, remove, tools, find, onChange }) {
  const pages = usePages(load, inputs);
  // A walk may meet an element twice.
  const rows = useMemo(() => [...new Map(pages.rows.map((one) => [rowKey(one), one])).values()], [pages.rows]);
  const walks = pages.walked !== undefined;
  const change = useChange();
  const [selected, setSelected] = useState(/** @type {string | null} */ (null));
  const [form, setForm] = useState(/** @type {Form | null} */ (null));
  const row = rows.find((one) => rowKey(one) === selected);
  const after = () => {
    pages.reload();
    onChange();
  };
  const save = async (/** @type {Record<string, Name>} */ values) => {
    if (!form) return true;
    const done = await change(form.save(values));
    after();
    return done !== null;
  };
  const drop = async () => {
    if (!row || !remove) return;
    await change(remove(row));
    after();
  };
  const shown = walks ? `${count(rows.length)} found, ${pages.next === null ? "all" : `${count(pages.walked)} of ${count(total)}`} walked` : `${count(rows.length)} of ${count(total)} shown`;
  return html`<div class="collection">${find}
    <div class="bar-line"><span class="soft" role="status">${shown}</span>
      ${walks && pages.loading ? html`<${Button} kind="quiet" icon="stop" onClick=${pages.stop}>Stop<//>` : pages.next !== null && (walks || rows.length > 0) && html`<${Button} kind="quiet" onClick=${pages.more} disabled=${pages.loading}>${walks ? "Walk on" : "Load more"}<//>`}
      <div class="end">${tools}${add && html`<${Button} icon="plus" onClick=${() => setForm(add)}>${add.label}<//>`}</div></div>
    ${pages.error && html`<${Note} tone="bad">${errorText(pages.error)}<//>`}
    <${Table} label=${label} columns=${columns} rows=${rows} rowKey=${rowKey} selected=${selected} onSelect=${(/** @type {R} */ one) => setSelected(rowKey(one))} maxRows=${14} onEnd=${pages.more}
      empty=${pages.loading ? "Loading…" : walks ? "Nothing found." : "No elements."} />
    ${row && html`<section class="element" aria-label="Selected element">
      <div class="bar-line"><code class="element-name">${printable(nameOf ? nameOf(row) : "Value", 80)}</code><div class="end">
        ${forms?.(row).map((one) => one && html`<${Button} icon="edit" onClick=${() => setForm(one)}>${one.label}<//>`)}
        ${remove && html`<${Button} icon="trash" onClick=${drop}>Remove<//>`}</div></div>
      <${Formatted} key=${selected} value=${valueOf(row)} label="Value of the element" />
    </section>`}
    ${form && html`<${EditDialog} title=${form.title} fields=${form.fields} note=${form.note} onSave=${save} onClose=${() => setForm(null)} />`}
  </div>`;
}
