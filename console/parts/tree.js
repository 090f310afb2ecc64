/** A tree (WAI-ARIA): the caller gives the visible nodes in order, flat. Virtual as the table is. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/htm-preact.module.js";
import { Icon } from "./text.js";

const ROW = 28;
const SPARE = 10;

/** @typedef {{id: string, level: number, expandable: boolean, expanded?: boolean, size?: number, index?: number}} TreeNode level from 1; size and index (from 1) among its siblings */

/**
 * @template {TreeNode} N
 * @param {{label: string, nodes: N[], selected: string | null, onSelect: (node: N) => void, onToggle: (node: N) => void, onSeen?: (nodes: N[]) => void, follow?: boolean, render: (node: N) => any}} props
 *   Arrow keys move and select, right and left open and close; Enter and a click select, and open or close;
 *   `onSeen`: the nodes in sight, and some around them; `follow`: a node that the caller selects comes into sight.
 */
export function Tree({ label, nodes, selected, onSelect, onToggle, onSeen, follow, render }) {
  const box = useRef(/** @type {any} */ (null));
  const [top, setTop] = useState(0);
  const [seen, setSeen] = useState(30);
  const [activeId, setActive] = useState(/** @type {string | null} */ (null));
  const focusNext = useRef(false);
  const measure = () => {
    if (!box.current) return;
    setTop(box.current.scrollTop);
    setSeen(Math.ceil(box.current.clientHeight / ROW) || 30);
  };
  useLayoutEffect(() => {
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);

  let current = nodes.findIndex(({ id }) => id === activeId);
  if (current < 0) current = nodes.findIndex(({ id }) => id === selected);
  if (current < 0) current = 0;
  useLayoutEffect(() => {
    if (!focusNext.current) return;
    focusNext.current = false;
    box.current?.querySelector(`[data-node="${current}"]`)?.focus({ preventScroll: true });
  });

  /** @param {number} at */
  const bringIntoSight = (at) => {
    const el = box.current;
    if (at * ROW < el.scrollTop) el.scrollTop = at * ROW;
    else if ((at + 1) * ROW > el.scrollTop + el.clientHeight) el.scrollTop = (at + 1) * ROW - el.clientHeight;
    setTop(el.scrollTop);
  };
  useLayoutEffect(() => {
    const at = follow ? nodes.findIndex(({ id }) => id === selected) : -1;
    if (at < 0 || selected === activeId) return;
    setActive(selected);
    bringIntoSight(at);
  }, [selected]);

  /** @param {number} to */
  const move = (to) => {
    const at = Math.max(0, Math.min(nodes.length - 1, to));
    bringIntoSight(at);
    setActive(nodes[at].id);
    focusNext.current = true;
    onSelect(nodes[at]);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || nodes.length === 0) return;
    const node = nodes[current];
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: seen - 1, PageUp: 1 - seen };
    if (event.key in steps) move(current + steps[/** @type {keyof typeof steps} */ (event.key)]);
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(nodes.length - 1);
    else if (event.key === "ArrowRight" && node.expandable) node.expanded ? move(current + 1) : onToggle(node);
    else if (event.key === "ArrowLeft" && node.expanded) onToggle(node);
    else if (event.key === "ArrowLeft") {
      const parent = nodes.findLastIndex((other, i) => i < current && other.level < node.level);
      if (parent >= 0) move(parent);
    } else if (event.key === "Enter" || event.key === " ") {
      onSelect(node);
      if (node.expandable) onToggle(node);
    } else return;
    event.preventDefault();
  };

  const first = Math.max(0, Math.floor(top / ROW) - SPARE);
  const last = Math.min(nodes.length, first + seen + 2 * SPARE);
  useEffect(() => onSeen?.(nodes.slice(first, last)), [nodes, first, last]);
  return html`<div class="tree" role="tree" aria-label=${label} ref=${box} onScroll=${measure} onKeyDown=${onKeyDown}>
    <div class="rows" role="presentation" style=${{ height: `${nodes.length * ROW}px` }}>
      ${nodes.slice(first, last).map((node, i) => {
        const at = first + i;
        const pick = () => {
          setActive(node.id);
          onSelect(node);
          if (node.expandable) onToggle(node);
        };
        const toggle = (/** @type {Event} */ event) => {
          event.stopPropagation();
          setActive(node.id);
          onToggle(node);
        };
        return html`<div key=${node.id} class=${`node${node.id === selected ? " selected" : ""}`} role="treeitem" data-node=${at} aria-level=${node.level} aria-setsize=${node.size}
          aria-posinset=${node.index} aria-expanded=${node.expandable ? String(Boolean(node.expanded)) : null} aria-selected=${String(node.id === selected)}
          tabindex=${at === current ? 0 : -1} onClick=${pick} style=${{ transform: `translateY(${at * ROW}px)`, paddingLeft: `${(node.level - 1) * 14 + 4}px` }}>
          <span class="twist" aria-hidden="true" onClick=${node.expandable ? toggle : null}>${node.expandable && html`<${Icon} name="chevron" />`}</span>
          ${render(node)}
        </div>`;
      })}
    </div>
  </div>`;
}
