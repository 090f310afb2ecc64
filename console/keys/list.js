/** The keys that a walk has found as a table, with what each one is, takes and has left. */

import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.module.js";
import { bytes, count, duration } from "../format.js";
import { nameId } from "../resp.js";
import { useApp } from "../state.js";
import { Table } from "../parts/table.js";
import { Button, Name, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";
import { typeName } from "./typename.js";
import { rest } from "./walk.js";

/** @typedef {import("./walk.js").Found} Found */
/** @typedef {{bytes: number | null, until: number | null}} Figures bytes, and Unix milliseconds of the end (null: none), of a key */
/** @typedef {Found & {figures?: Figures}} Row */

/** Keys of a call: two commands each. */
const ASKED = 250;

/** The figures of all keys found, some after some; the server rests in between. @param {Found[]} found @param {number} turn counts reloads */
function useFigures(found, turn) {
  const { batch, can, db } = useApp();
  const known = useRef(/** @type {Map<string, Figures>} */ (new Map()));
  const [state, setState] = useState(/** @type {{n: number, error: any}} */ ({ n: 0, error: null }));
  const may = can("memory|usage") && can("pttl");
  useEffect(() => {
    known.current = new Map();
    setState({ n: 0, error: null });
  }, [db, turn]);
  useEffect(() => {
    if (!may) return;
    const abort = new AbortController();
    const ask = async () => {
      while (!abort.signal.aborted) {
        const asked = found.filter(({ name }) => !known.current.has(nameId(name))).slice(0, ASKED);
        if (asked.length === 0) return;
        const began = performance.now();
        const { replies, cost } = await batch(asked.flatMap(({ name }) => [["MEMORY", "USAGE", name], ["PTTL", name]]), { signal: abort.signal });
        const figure = (/** @type {any} */ reply) => (typeof reply === "number" && reply >= 0 ? reply : null);
        asked.forEach(({ name }, i) => {
          const ttl = figure(replies[2 * i + 1]);
          known.current.set(nameId(name), { bytes: figure(replies[2 * i]), until: ttl === null ? null : Date.now() + ttl });
        });
        setState({ n: known.current.size, error: null });
        await rest(cost, began);
      }
    };
    ask().catch((error) => !abort.signal.aborted && setState((old) => ({ ...old, error })));
    return () => abort.abort();
  }, [found, db, turn, may]);
  return { of: (/** @type {Found} */ { name }) => known.current.get(nameId(name)), ...state, may };
}

/**
 * @param {{found: Found[], done: boolean, busy: boolean, turn: number, selected: string | null, empty: any, onOpen: (key: Found) => void, onMore: () => void}} props
 *   `done`: the walk has come to its end; `onMore`: it shall go on
 */
export function KeyList({ found, done, busy, turn, selected, empty, onOpen, onMore }) {
  const figures = useFigures(found, turn);
  const rows = useMemo(() => found.map((one) => ({ ...one, figures: figures.of(one) })), [found, figures.n]);
  const left = (/** @type {Row} */ { figures: own }) => (own?.until == null ? null : Math.max(0, own.until - Date.now()));
  const partly = figures.may && figures.n < found.length;
  return html`${figures.error && html`<${Note} tone="bad">${errorText(figures.error)}<//>`}
    <${Table} label="Keys" rows=${rows} rowKey=${(/** @type {Row} */ r) => nameId(r.name)} selected=${selected} onOpen=${onOpen} maxRows=${30} empty=${empty} columns=${[
      { id: "name", title: "Key", width: "minmax(9rem, 3fr)", value: (/** @type {Row} */ r) => r.name, render: (/** @type {Row} */ r) => html`<${Name} name=${r.name} />` },
      { id: "type", title: "Type", width: "8.5rem", value: (/** @type {Row} */ r) => typeName(r.type), render: (/** @type {Row} */ r) => html`<span class=${`badge type ${r.type}`}>${typeName(r.type)}</span>` },
      { id: "ttl", title: "Expires in", width: "6rem", align: "right", value: (/** @type {Row} */ r) => left(r) ?? Infinity, render: (/** @type {Row} */ r) => (r.figures === undefined ? "" : r.figures.until === null ? "–" : duration(left(r))) },
      { id: "bytes", title: "Size", width: "5.5rem", align: "right", value: (/** @type {Row} */ r) => r.figures?.bytes ?? -1, render: (/** @type {Row} */ r) => (r.figures === undefined ? "" : bytes(r.figures.bytes)) },
    ]} />
    ${(!done || partly) && html`<div class="keys-list-end"><span class="soft">${done ? "" : `Of the ${count(found.length)} keys found so far. `}${partly ? `Figures of ${count(figures.n)} are known.` : ""}</span>${!done && !busy && html`<${Button} kind="quiet" onClick=${onMore}>Walk on<//>`}</div>`}`;
}
