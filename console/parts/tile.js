/** Tiles: parts of a page that stand alone. One that lacks rights or fails says so and leaves the others as they are. */

import { html } from "../vendor/htm-preact.module.js";
import { useApp } from "../state.js";
import { Note } from "./text.js";

/** "memory|stats" -> "MEMORY STATS". @param {string} command */
export function commandName(command) {
  return command.replace("|", " ").toUpperCase();
}

/**
 * Which of the commands a part needs are missing, in words; null if none is.
 * @param {string[]} needs @returns {string | null}
 */
export function useLack(needs) {
  const { me, can, runs } = useApp();
  const denied = needs.filter((command) => !can(command));
  if (denied.length) return `This needs ${denied.map(commandName).join(", ")}, which the user ${me.user} may not run.`;
  const locked = needs.filter((command) => !runs(command));
  return locked.length ? `This needs ${locked.map(commandName).join(", ")}: open the lock first.` : null;
}

/**
 * @param {{title: string, needs?: string[], error?: any, actions?: any, wide?: boolean | "full", loading?: boolean, note?: any, flush?: boolean, children?: any}} props
 *   `children` may be a function: it is called only if nothing is missing. `flush`: no padding (tables).
 */
export function Tile({ title, needs = [], error, actions, wide, loading, note, flush, children }) {
  const lack = useLack(needs);
  const id = `tile-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return html`<section class=${`tile${wide === "full" ? " full" : wide ? " wide" : ""}${flush ? " flush" : ""}`} aria-labelledby=${id} aria-busy=${loading ? "true" : null}>
    <header><h2 id=${id}>${title}</h2>${note && html`<span class="tile-note">${note}</span>`}${!lack && actions && html`<div class="tile-actions">${actions}</div>`}</header>
    <div class="tile-body">
      ${lack ? html`<p class="lack">${lack}</p>` : html`${error && html`<${Note} tone="bad">${errorText(error)}<//>`}${typeof children === "function" ? children() : children}`}
    </div>
  </section>`;
}

/** A figure. @param {{label: string, value: any, note?: any, tone?: "ok" | "warn" | "bad", title?: string}} props */
export function Stat({ label, value, note, tone, title }) {
  return html`<div class=${`stat${tone ? ` ${tone}` : ""}`} title=${title}><dt>${label}</dt><dd><span class="stat-value">${value}</span>${note && html`<span class="stat-note">${note}</span>`}</dd></div>`;
}

/** @param {{children?: any}} props Stats side by side */
export function Stats({ children }) {
  return html`<dl class="stats">${children}</dl>`;
}

/** A share of a whole, as a bar with its text. @param {{share: number, tone?: "ok" | "warn" | "bad", label: string}} props */
export function Bar({ share, tone, label }) {
  const width = `${Math.max(0, Math.min(1, share || 0)) * 100}%`;
  return html`<div class=${`bar${tone ? ` ${tone}` : ""}`} role="img" aria-label=${label}><div style=${{ width }}></div></div>`;
}

/** @param {any} error */
export function errorText(error) {
  return error?.message ?? String(error);
}
