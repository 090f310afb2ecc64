/**
 * Tables of any length: rows of one height, and only those in sight are in the page.
 *
 * Keyboard: one row takes the focus; arrows, Page Up and Down, Home, End move it, Enter opens it. Screen readers
 * hear the whole number of rows by `aria-rowcount`.
 */

import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/htm-preact.module.js";
import { compareNames } from "../resp.js";
import { Empty, Name } from "./text.js";

const SPARE = 8;

/** Where rows have two lines, so that names are not cut short (style.css has the same width and heights). */
const NARROW = "(max-width: 640px)";

/** The height of a row, CSS pixels. */
function useRowHeight() {
  const [isNarrow, setNarrow] = useState(() => matchMedia(NARROW).matches);
  useEffect(() => {
    const query = matchMedia(NARROW);
    const changed = () => setNarrow(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  return isNarrow ? 46 : 30;
}

/**
 * @template R
 * @typedef {object} Column
 * @property {string} id
 * @property {string} title
 * @property {string} [width] a CSS grid track: "8rem", "minmax(10rem, 2fr)"; default 1fr
 * @property {"left" | "right"} [align]
 * @property {(row: R) => any} [render] the cell; default: the value
 * @property {(row: R) => any} [value] what is sorted by; without it the column cannot be sorted
 */

/** A column of names. @param {string} id the field of a row @param {string} title @param {string} [width] @returns {Column<any>} */
export function nameColumn(id, title, width) {
  return { id, title, width, value: (row) => row[id], render: (row) => html`<${Name} name=${row[id]} />` };
}

/** A column of numbers. @param {string} id the field of a row @param {string} title @param {(n: any) => string} format @param {string} [width] @returns {Column<any>} */
export function figureColumn(id, title, format, width) {
  return { id, title, width, align: "right", value: (row) => row[id], render: (row) => format(row[id]) };
}

/**
 * @template R
 * @param {{label: string, columns: Column<R>[], rows: R[], rowKey: (row: R) => string, selected?: string | null,
 *   onSelect?: (row: R) => void, onOpen?: (row: R) => void, sort?: {id: string, down?: boolean}, maxRows?: number,
 *   tone?: (row: R) => string | null, empty?: any, onEnd?: () => void}} props
 *   `onSelect` follows the focus, `onOpen` is Enter or a click; `maxRows` in sight (15);
 *   `onEnd`: the last rows came into sight.
 */
export function Table({ label, columns, rows, rowKey, selected, onSelect, onOpen, sort, maxRows = 15, tone, empty, onEnd }) {
  const [order, setOrder] = useState(/** @type {{id: string, down?: boolean} | undefined} */ (sort));
  const [top, setTop] = useState(0);
  const [seen, setSeen] = useState(maxRows);
  const [active, setActive] = useState(0);
  const box = useRef(/** @type {any} */ (null));
  const focusNext = useRef(false);
  const height = useRowHeight();

  const sorted = useMemo(() => {
    const by = columns.find(({ id }) => id === order?.id)?.value;
    if (!by) return rows;
    const sign = order?.down ? -1 : 1;
    return rows.map((row, i) => ({ row, i, value: by(row) })).sort((a, b) => sign * compare(a.value, b.value) || a.i - b.i).map(({ row }) => row);
  }, [rows, order]);

  const measure = () => {
    const el = box.current;
    if (!el) return;
    setTop(el.scrollTop);
    setSeen(Math.ceil(el.clientHeight / height) || maxRows);
  };
  useLayoutEffect(() => {
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);

  const first = Math.max(0, Math.floor(top / height) - SPARE);
  const last = Math.min(sorted.length, first + seen + 2 * SPARE);
  useEffect(() => {
    if (onEnd && sorted.length > 0 && last >= sorted.length) onEnd();
  }, [last, sorted.length]);

  const current = Math.min(active, Math.max(0, sorted.length - 1));
  useLayoutEffect(() => {
    if (!focusNext.current) return;
    focusNext.current = false;
    box.current?.querySelector(`[data-row="${current}"]`)?.focus({ preventScroll: true });
  });

  /** @param {number} to */
  const move = (to) => {
    const next = Math.max(0, Math.min(sorted.length - 1, to));
    const el = box.current;
    const head = el.querySelector(".row.head")?.offsetHeight ?? height;
    if (next * height < el.scrollTop) el.scrollTop = next * height;
    else if ((next + 1) * height + head > el.scrollTop + el.clientHeight) el.scrollTop = (next + 1) * height + head - el.clientHeight;
    setTop(el.scrollTop);
    setActive(next);
    focusNext.current = true;
    onSelect?.(sorted[next]);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || !target.matches("[data-row]")) return;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: seen - 1, PageUp: 1 - seen }[event.key];
    if (step) move(current + step);
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(sorted.length - 1);
    else if (event.key === "Enter" && onOpen) onOpen(sorted[current]);
    else return;
    event.preventDefault();
  };
  const gridTemplateColumns = columns.map(({ width }) => width ?? "minmax(6rem, 1fr)").join(" ");
  // All rows are as wide as the head, whatever is in their cells.
  const minWidth = `calc(${columns.map(({ width }) => /^minmax\(([^,]+),/.exec(width ?? "minmax(6rem,")?.[1] ?? width).join(" + ")})`;
  const clickable = Boolean(onOpen || onSelect);

  return html`<div class=${`table${clickable ? " pick" : ""}`} role=${clickable ? "grid" : "table"} aria-label=${label} aria-rowcount=${sorted.length + 1} tabindex=${sorted.length === 0 ? 0 : null}
    ref=${box} onScroll=${measure} onKeyDown=${onKeyDown} style=${{ maxHeight: `${(maxRows + 1) * height + 2}px` }}>
    <div class="row head" role="row" aria-rowindex="1" style=${{ gridTemplateColumns, minWidth }}>
      ${columns.map(({ id, title, align, value }) => {
        const sorting = order?.id === id ? (order.down ? "descending" : "ascending") : null;
        const turn = () => setOrder({ id, down: sorting ? !order?.down : align === "right" });
        return html`<div role="columnheader" class=${align ?? "left"} aria-sort=${sorting}>
          ${value ? html`<button type="button" onClick=${turn}>${title}<span class="sort" aria-hidden="true">${sorting ? (order?.down ? "↓" : "↑") : ""}</span></button>` : html`<span>${title}</span>`}
        </div>`;
      })}
    </div>
    <div class="rows" role="rowgroup" style=${{ height: `${sorted.length * height}px` }}>
      ${sorted.slice(first, last).map((row, i) => {
        const at = first + i;
        const id = rowKey(row);
        const pick = () => {
          setActive(at);
          onSelect?.(row);
          onOpen?.(row);
        };
        return html`<div key=${id} class=${`row${id === selected ? " selected" : ""}${tone?.(row) ? ` ${tone(row)}` : ""}`} role="row" data-row=${at} aria-rowindex=${at + 2}
          aria-selected=${clickable ? String(id === selected) : null} tabindex=${at === current ? 0 : -1} onClick=${clickable ? pick : null}
          onFocus=${() => at !== active && setActive(at)} style=${{ gridTemplateColumns, minWidth, transform: `translateY(${at * height}px)` }}>
          ${columns.map(({ id: column, align, render, value }) => html`<div key=${column} role=${clickable ? "gridcell" : "cell"} class=${align ?? "left"}>${render ? render(row) : value?.(row)}</div>`)}
        </div>`;
      })}
    </div>
    ${sorted.length === 0 && html`<div role="row"><div role=${clickable ? "gridcell" : "cell"}><${Empty}>${empty ?? "Nothing here."}<//></div></div>`}
  </div>`;
}

/** Numbers by size, names by bytes, unknown last. @param {any} a @param {any} b */
function compare(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  if (typeof a === "number" || typeof a === "bigint") return a < b ? -1 : 1;
  return compareNames(a, b);
}
