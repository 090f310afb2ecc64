/**
 * Walking the keyspace by SCAN, and the tree of what was found. Pure but for the `batch` that is handed in.
 *
 * A walk asks for pages of 1,000 positions with a rest between them, so that it takes a small share of the server,
 * and stops after a number of keys or of seconds; it can go on later from where it is.
 */

import * as glob from "../glob.js";
import { compareNames, nameId, numberOf, textOf } from "../resp.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {(cmds: import("../api.js").Cmd[], options?: any) => Promise<import("../api.js").Batch>} BatchFn */
/** @typedef {{name: Name, type: string}} Found */
/** @typedef {{cursor: string, done: boolean, seen: number, keys: Found[]}} Walk `seen`: positions asked for, about */

const PAGE = 1000;
const REST_MS = 15;

/** @returns {Walk} */
export function newWalk() {
  return { cursor: "0", done: false, seen: 0, keys: [] };
}

/**
 * Goes on until `want` more keys are found, `ms` have passed, or the keyspace ends. Returns a new walk.
 * @param {Walk} walk @param {{batch: BatchFn, match: Name, type?: string, keep?: (name: Name) => boolean, want?: number, ms?: number, signal?: AbortSignal,
 *   onPage?: (walk: Walk) => void}} options
 * @returns {Promise<Walk>}
 */
export async function goOn(walk, { batch, match, type, keep, want = 500, ms = 4000, signal, onPage }) {
  const known = new Set(walk.keys.map(({ name }) => nameId(name)));
  const keys = [...walk.keys];
  const [end, goal] = [Date.now() + ms, keys.length + want];
  let { cursor, seen } = walk;
  for (;;) {
    const scan = ["SCAN", cursor, "MATCH", match, "COUNT", PAGE, ...(type ? ["TYPE", type] : [])];
    const { replies } = await batch([scan], { signal });
    if (replies[0] instanceof Error) throw replies[0];
    const names = /** @type {Name[]} */ (replies[0][1]).filter((name) => !known.has(nameId(name)) && (keep?.(name) ?? true));
    cursor = textOf(replies[0][0]);
    seen += PAGE;
    const types = type || names.length === 0 ? null : (await batch(names.map((name) => ["TYPE", name]), { signal })).replies;
    names.forEach((name, i) => {
      known.add(nameId(name));
      keys.push({ name, type: type ?? textOf(types?.[i] ?? "") });
    });
    const now = { cursor, done: cursor === "0", seen, keys };
    if (now.done || keys.length >= goal || Date.now() > end) return now;
    onPage?.(now);
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    if (signal?.aborted) return now;
  }
}

/**
 * @typedef {object} Node a folder or a key of the tree
 * @property {string} id
 * @property {number} level
 * @property {boolean} expandable
 * @property {boolean} [expanded]
 * @property {number} [size]
 * @property {number} [index]
 * @property {string} [label] a folder's part of the name
 * @property {string} [prefix] a folder's whole prefix
 * @property {Name} [key] a key's name
 * @property {string} [type]
 * @property {number | null} [keys] in a folder
 * @property {number | null} [bytes]
 * @property {boolean} [counted] a line of PREFIXSTATS
 * @property {boolean} [sampled] the walk is not whole: there may be more
 * @property {{prefix: string, text: string}} [more] a line about a walk that is not whole
 */

/**
 * The visible nodes below `prefix`: folders by the next part of the name, then keys; folders in `open` with theirs.
 * @param {Found[]} found @param {string} prefix @param {string} delimiter @param {number} level
 * @param {Set<string>} open @param {boolean} sampled @returns {Node[]}
 */
export function nodesOf(found, prefix, delimiter, level, open, sampled) {
  /** @type {Map<string, Found[]>} */
  const folders = new Map();
  /** @type {Found[]} */
  const leaves = [];
  for (const one of found) {
    const rest = typeof one.name === "string" ? one.name.slice(prefix.length) : null;
    const cut = rest === null || delimiter === "" ? -1 : rest.indexOf(delimiter);
    if (rest === null || cut < 0) {
      leaves.push(one);
      continue;
    }
    const part = rest.slice(0, cut + delimiter.length);
    const list = folders.get(part);
    if (list) list.push(one);
    else folders.set(part, [one]);
  }
  const size = folders.size + leaves.length;
  /** @type {Node[]} */
  const out = [];
  let index = 0;
  for (const [part, list] of [...folders].sort(([a], [b]) => compareNames(a, b))) {
    const whole = prefix + part;
    const expanded = open.has(whole);
    out.push({ id: `f${whole}`, level, expandable: true, expanded, size, index: (index += 1), label: part, prefix: whole, keys: list.length, sampled });
    if (expanded) out.push(...nodesOf(list, whole, delimiter, level + 1, open, sampled));
  }
  for (const { name, type } of leaves.sort((a, b) => compareNames(a.name, b.name))) {
    out.push({ id: `k${nameId(name)}`, level, expandable: false, size, index: (index += 1), key: name, type, prefix });
  }
  return out;
}

/** What remains of a key's name below its folder. @param {Node} node @returns {Name} */
export function tail(node) {
  const { key = "", prefix = "" } = node;
  return typeof key === "string" && prefix && key.startsWith(prefix) && key.length > prefix.length ? key.slice(prefix.length) : key;
}

/** The lines of PREFIXSTATS COUNT 0 as folders. @param {any[]} lines maps @param {Set<string>} open @returns {Node[]} */
export function exactFolders(lines, open) {
  return lines
    .map((line) => ({ prefix: textOf(line.get("prefix")), keys: numberOf(line.get("keys")), bytes: numberOf(line.get("bytes")) }))
    .filter(({ keys }) => keys > 0)
    .map(({ prefix, keys, bytes }, i, all) => ({ id: `f${prefix}`, level: 1, expandable: true, expanded: open.has(prefix), size: all.length, index: i + 1, label: prefix, prefix, keys, bytes, counted: true }));
}

/** What a walk of a line of PREFIXSTATS asks for. @param {string} prefix @returns {{match: Name, keep?: (name: Name) => boolean}} */
export function scopeOf(prefix) {
  if (prefix === "(none)" || prefix === "(other)") return { match: "*", keep: (name) => typeof name !== "string" || !name.includes(":") };
  return { match: glob.startsWith(prefix) };
}
