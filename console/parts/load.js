/** What views of tiles share: the page around them, what stands where data will be, fields of forms. */

import { html } from "../vendor/htm-preact.module.js";
import { errorText } from "./tile.js";
import { Note } from "./text.js";

/** A view of tiles. @param {{title: string, children?: any}} props */
export function Page({ title, children }) {
  return html`<div class="page"><header><h1>${title}</h1></header><div class="tiles">${children}</div></div>`;
}

/**
 * Loading, an error beside the old data, or what was loaded.
 * @template T
 * @param {{load: {data: T | undefined, error: any, loading: boolean}, children: (data: T) => any}} props `load`: of useLoad
 */
export function Loaded({ load, children }) {
  return html`${load.error && html`<${Note} tone="bad">${errorText(load.error)}<//>`}
    ${load.data === undefined ? !load.error && html`<p class="loading">Loading…</p>` : children(load.data)}`;
}

/** A form's field with its label. @param {{label: string, children?: any}} props */
export function Field({ label, children }) {
  return html`<label class="field"><span>${label}</span>${children}</label>`;
}

/**
 * A line of text to fill in.
 * @param {{label: string, value: string, onInput: (value: string) => void, type?: string, placeholder?: string, [other: string]: any}} props
 */
export function TextField({ label, value, onInput, type = "text", placeholder, ...other }) {
  return html`<${Field} label=${label}><input type=${type} value=${value} placeholder=${placeholder} autocomplete="off" autocapitalize="off" spellcheck="false"
    onInput=${(/** @type {any} */ event) => onInput(event.target.value)} ...${other} /><//>`;
}

/** One of a few. @param {{label: string, value: string, options: [string, string][], onChange: (value: string) => void}} props options: value, text */
export function Select({ label, value, options, onChange }) {
  const current = options.some(([id]) => id === value) ? value : options[0]?.[0];
  return html`<${Field} label=${label}><select value=${current} onChange=${(/** @type {any} */ event) => onChange(event.target.value)}>
    ${options.map(([id, text]) => html`<option key=${id} value=${id} selected=${id === current}>${text}</option>`)}
  </select><//>`;
}
