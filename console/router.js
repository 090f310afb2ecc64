/**
 * Routes behind `#`: `#/keys/user%3A1?db=2&match=a*`. Every state of a view that is worth a link is in them.
 *
 * Names are bytes: each byte outside of the unreserved ones is percent-encoded, so that a key of any bytes
 * (NUL, newline, invalid UTF-8) has a link, and the link leads back to exactly that key. Pure but for `go`.
 */

import { bytesOf, nameOf } from "./resp.js";

/** @typedef {import("./resp.js").Name} Name */
/** @typedef {{view: string, path: Name[], query: Record<string, Name>}} Route */

/** The route of `location.hash`; unknown forms are the route of the first view. @param {string} hash @returns {Route} */
export function routeOf(hash) {
  const [, path = "", search = ""] = /^#?\/?([^?]*)\??(.*)$/s.exec(hash) ?? [];
  const [view = "", ...rest] = path.split("/");
  /** @type {Record<string, Name>} */
  const query = Object.create(null);
  for (const part of search.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const key = unescapeName(equals < 0 ? part : part.slice(0, equals));
    if (typeof key === "string") query[key] = equals < 0 ? "" : unescapeName(part.slice(equals + 1));
  }
  return { view: view || "overview", path: rest.map(unescapeName), query };
}

/**
 * The link to a route: a value for `href`. Query values that are undefined, null or false are left out.
 * @param {string} view @param {Name[]} [path] @param {Record<string, Name | number | boolean | null | undefined>} [query]
 */
export function href(view, path = [], query = {}) {
  const search = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null && value !== false)
    .map(([key, value]) => (value === true || value === "" ? key : `${key}=${escapeName(/** @type {Name} */ (value))}`));
  return `#/${[view, ...path.map(escapeName)].join("/")}${search.length ? `?${search.join("&")}` : ""}`;
}

/** Goes to a link. `replace`: without a new entry in the browser's history. @param {string} link @param {{replace?: boolean}} [options] */
export function go(link, options = {}) {
  if (link === location.hash) return;
  if (!options.replace) {
    location.hash = link;
    return;
  }
  history.replaceState(null, "", link);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** @param {Name | number} name @returns {string} */
export function escapeName(name) {
  let out = "";
  for (const b of bytesOf(name)) {
    const c = String.fromCharCode(b);
    out += b < 0x80 && /[\w.~!*:,@-]/.test(c) ? c : `%${b.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

/** The inverse of `escapeName`; a `%` without two digits stands for itself. @param {string} text @returns {Name} */
export function unescapeName(text) {
  const data = bytesOf(text);
  const out = new Uint8Array(data.length);
  let n = 0;
  for (let i = 0; i < data.length; i += 1) {
    const code = data[i] === 0x25 ? parseInt(String.fromCharCode(...data.subarray(i + 1, i + 3)), 16) : NaN;
    const valid = data[i] === 0x25 && /^[\da-f]{2}$/i.test(String.fromCharCode(...data.subarray(i + 1, i + 3)));
    out[n] = valid ? code : data[i];
    n += 1;
    if (valid) i += 2;
  }
  return nameOf(out.subarray(0, n));
}
