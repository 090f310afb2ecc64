/** Keys and bytes by the first part of the name, of the keys that a walk has seen; and their chart. */

import { html, useState } from "../vendor/htm-preact.module.js";
import { bytes, count, percent, plural } from "../format.js";
import * as glob from "../glob.js";
import { bytesOf, latinOf, nameId, nameOf } from "../resp.js";
import { link } from "../parts/link.js";
import { Name } from "../parts/text.js";
import { Bar } from "../parts/tile.js";

/** @typedef {import("../resp.js").Name} KeyName */
/** @typedef {{keys: number, bytes: number}} Sums */

/** Namespaces that are counted apart, and that are drawn; the rest is one. */
const [SPACES, DRAWN] = [2000, 12];

/** The first part of a name with its delimiter; null: it has one part. @param {KeyName} name @param {string} delimiter @returns {KeyName | null} */
export function namespaceOf(name, delimiter) {
  const [text, mark] = [latinOf(bytesOf(name)), latinOf(bytesOf(delimiter))];
  const at = mark === "" ? -1 : text.indexOf(mark);
  return at < 0 ? null : nameOf(Uint8Array.from(text.slice(0, at + mark.length), (c) => c.charCodeAt(0)));
}

/** Sums by the `nameId` of a namespace; "" has the keys without one, "+" those of namespaces beyond the counted. @typedef {Map<string, Sums & {name: KeyName | null}>} Spaces */

/** @param {Spaces} spaces @param {KeyName} name @param {string} delimiter @param {number} size bytes */
export function addToSpaces(spaces, name, delimiter, size) {
  const space = namespaceOf(name, delimiter);
  const own = space === null ? "" : nameId(space);
  const id = spaces.has(own) || spaces.size < SPACES ? own : "+";
  const sums = spaces.get(id) ?? { name: id === "+" ? null : space, keys: 0, bytes: 0 };
  sums.keys += 1;
  sums.bytes += size;
  spaces.set(id, sums);
}

/** The largest namespaces, and the sum of the others. @param {Spaces} spaces @param {"keys" | "bytes"} by */
export function largestSpaces(spaces, by) {
  const sorted = [...spaces].map(([id, sums]) => ({ id, ...sums })).sort((a, b) => b[by] - a[by]);
  const apart = sorted.filter(({ id }) => id !== "+");
  const rest = [...apart.slice(DRAWN), ...sorted.filter(({ id }) => id === "+")];
  const sum = (/** @type {"keys" | "bytes"} */ field) => rest.reduce((all, one) => all + one[field], 0);
  return { drawn: apart.slice(0, DRAWN), rest: rest.length ? { n: rest.length, keys: sum("keys"), bytes: sum("bytes") } : null };
}

/** @param {{spaces: Spaces, seen: number}} props `seen`: keys in all */
export function Namespaces({ spaces, seen }) {
  const [by, setBy] = useState(/** @type {"bytes" | "keys"} */ ("bytes"));
  const { drawn, rest } = largestSpaces(spaces, by);
  const all = [...spaces.values()].reduce((sum, one) => sum + one[by], 0) || 1;
  const most = Math.max(1, ...drawn.map((one) => one[by]), rest?.[by] ?? 0);
  const row = (/** @type {string} */ id, /** @type {any} */ title, /** @type {Sums} */ sums) => html`<tr key=${id}><th scope="row">${title}</th><td class="right">${count(sums.keys)}</td><td class="right">${bytes(sums.bytes)}</td>
    <td class="bar-cell"><${Bar} share=${sums[by] / most} label=${`${percent(sums[by] / all)} of the ${by}`} /></td><td class="right soft">${percent(sums[by] / all)}</td></tr>`;
  return html`<div class="segments" role="group" aria-label="Namespaces by">${/** @type {("bytes" | "keys")[]} */ (["bytes", "keys"]).map((one) => html`<button type="button" aria-pressed=${String(one === by)} onClick=${() => setBy(one)}>${one === "bytes" ? "Bytes" : "Keys"}</button>`)}</div>
    ${seen === 0 ? html`<p class="soft">No key here.</p>` : html`<table class="plain"><caption class="unseen">Keys by namespace</caption><thead><tr><th scope="col">Namespace</th><th scope="col" class="right">Keys</th><th scope="col" class="right">Bytes</th><th scope="col"><span class="unseen">Bar</span></th><th scope="col" class="right">Share</th></tr></thead>
      <tbody>${drawn.map(({ id, name, ...sums }) => row(id, name === null ? html`<span class="soft">without one</span>` : html`<a href=${link("keys", [], { match: glob.startsWith(name) })}><${Name} name=${name} limit=${60} /></a>`, sums))}
        ${rest && row("rest", html`<span class="soft">${plural(rest.n, "other")}</span>`, rest)}</tbody></table>`}`;
}
