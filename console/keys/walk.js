/**
 * Walking the keyspace by SCAN, and the tree of what was found. Pure but for the `batch` that is handed in.
 *
 * A walk asks for pages of 1,000 positions with a rest after each by what it has cost, so that it takes 50 ms of a
 * second of the server, and stops after a number of keys or some time; it can go on later from where it is.
 */

import { restAfter } from "../api.js";
import { compact } from "../format.js";
import * as glob from "../glob.js";
import { bytesOf, compareNames, latinOf, nameId, nameOf, numberOf, textOf } from "../resp.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {(cmds: import("../api.js").Cmd[], options?: any) => Promise<import("../api.js").Batch>} BatchFn */
/** @typedef {{name: Name, type: string}} Found */
/** @typedef {{cursor: string, done: boolean, seen: number, keys: Found[]}} Walk `seen`: positions asked for, about */

const PAGE = 1000;

/** @param {number} cost us of the step @param {number} began its `performance.now()` */
export function rest(cost, began) {
  return new Promise((resolve) => setTimeout(resolve, restAfter(cost, performance.now() - began)));
}

/** @returns {Walk} */
export function newWalk() {
  return { cursor: "0", done: false, seen: 0, keys: [] };
}

/** Time between two reports of a walk, milliseconds: the page draws all keys found at each. @param {number} found */
function reportAfter(found) {
  return 150 + found / 100;
}

/**
 * Goes on until `want` more keys are found, `ms` have passed, or the keyspace ends. Returns a new walk; `onPage` gets
 * one every now and then. Each has a list of keys of its own, because the page draws only lists that it has not seen.
 * @param {Walk} walk @param {{batch: BatchFn, match: Name, type?: string, keep?: (name: Name) => boolean, want?: number, ms?: number, signal?: AbortSignal, stopped?: () => boolean,
 *   onPage?: (walk: Walk) => void}} options
 * @returns {Promise<Walk>}
 */
export async function goOn(walk, { batch, match, type, keep, want = 500, ms = Infinity, signal, stopped, onPage }) {
  const known = new Set(walk.keys.map(({ name }) => nameId(name)));
  const keys = [...walk.keys];
  const [end, goal] = [Date.now() + ms, keys.length + want];
  let { cursor, seen } = walk;
  let reported = Date.now();
  for (;;) {
    const scan = ["SCAN", cursor, "MATCH", match, "COUNT", PAGE, ...(type ? ["TYPE", type] : [])];
    const began = performance.now();
    let { replies, cost } = await batch([scan], { signal });
    if (replies[0] instanceof Error) throw replies[0];
    const names = /** @type {Name[]} */ (replies[0][1]).filter((name) => !known.has(nameId(name)) && (keep?.(name) ?? true));
    cursor = textOf(replies[0][0]);
    seen += PAGE;
    /** @type {any[]} */
    let types = [];
    if (!type && names.length > 0) {
      const asked = await batch(names.map((name) => ["TYPE", name]), { signal });
      types = asked.replies;
      cost += asked.cost;
    }
    names.forEach((name, i) => {
      known.add(nameId(name));
      keys.push({ name, type: type ?? textOf(types[i] ?? "") });
    });
    const now = { cursor, done: cursor === "0", seen, keys };
    if (now.done || keys.length >= goal || Date.now() > end || stopped?.()) return now;
    if (onPage && Date.now() - reported > reportAfter(keys.length)) {
      onPage({ ...now, keys: [...keys] });
      reported = Date.now();
    }
    await rest(cost, began);
    if (signal?.aborted) return now;
  }
}

/** A name, one character a byte: parts of it are cut without a look at what they say. @param {Name} name */
function latin(name) {
  return latinOf(bytesOf(name));
}

/** The inverse of `latin`. @param {string} text @returns {Name} */
function named(text) {
  return nameOf(Uint8Array.from(text, (c) => c.charCodeAt(0)));
}

/**
 * @typedef {object} Node a folder or a key of the tree
 * @property {string} id
 * @property {number} level
 * @property {boolean} expandable
 * @property {boolean} [expanded]
 * @property {number} [size]
 * @property {number} [index]
 * @property {Name} [label] a folder's part of the name
 * @property {Name} [prefix] a folder's whole prefix
 * @property {Name} [key] a key's name
 * @property {string} [type]
 * @property {number | null} [keys] in a folder
 * @property {number | null} [bytes]
 * @property {string} [reads] how often it is read, in words
 * @property {boolean} [counted] a line of PREFIXSTATS
 * @property {boolean} [sampled] the walk is not whole: there may be more
 * @property {{prefix: Name, text: string}} [more] a line about a walk that is not whole
 */

/**
 * The visible nodes below `prefix`: folders by the next part of the name, then keys; folders in `open` (by their
 * ids) with theirs.
 * @param {Found[]} found @param {Name} prefix @param {string} delimiter @param {number} level
 * @param {Set<string>} open @param {boolean} sampled @returns {Node[]}
 */
export function nodesOf(found, prefix, delimiter, level, open, sampled) {
  const whole = latin(prefix);
  return below(found.map(({ name, type }) => ({ name, type, text: latin(name) })), whole, latin(delimiter), level, open, sampled);
}

/** @param {(Found & {text: string})[]} found @param {string} prefix @param {string} delimiter @param {number} level @param {Set<string>} open @param {boolean} sampled @returns {Node[]} */
function below(found, prefix, delimiter, level, open, sampled) {
  /** @type {Map<string, (Found & {text: string})[]>} */
  const folders = new Map();
  /** @type {(Found & {text: string})[]} */
  const leaves = [];
  for (const one of found) {
    const cut = delimiter === "" ? -1 : one.text.indexOf(delimiter, prefix.length);
    if (cut < 0) {
      leaves.push(one);
      continue;
    }
    const part = one.text.slice(prefix.length, cut + delimiter.length);
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
    const id = `f${whole}`;
    const expanded = open.has(id);
    out.push({ id, level, expandable: true, expanded, size, index: (index += 1), label: named(part), prefix: named(whole), keys: list.length, sampled });
    if (expanded) out.push(...below(list, whole, delimiter, level + 1, open, sampled));
  }
  const folder = named(prefix);
  for (const { name, type } of leaves.sort((a, b) => compareNames(a.name, b.name))) {
    out.push({ id: `k${nameId(name)}`, level, expandable: false, size, index: (index += 1), key: name, type, prefix: folder });
  }
  return out;
}

/** What remains of a key's name below its folder. @param {Node} node @returns {Name} */
export function tail({ key = "", prefix = "" }) {
  const [name, folder] = [latin(key), latin(prefix)];
  return name.startsWith(folder) && name.length > folder.length ? named(name.slice(folder.length)) : key;
}

/**
 * PREFIXSTATS, whole: its lines, and how the server cuts prefixes.
 * @typedef {{lines: {prefix: Name, keys: number, bytes: number, reads?: string}[], delimiter: string, depth: number}} Exact
 */

/** @param {any[]} lines maps of the reply @param {Record<string, any>} config `prefix-stats-*` as far as it is known @returns {Exact} */
export function exactOf(lines, config) {
  const all = lines.map((line) => ({ prefix: line.get("prefix"), keys: numberOf(line.get("keys")), bytes: numberOf(line.get("bytes")), reads: `${compact(numberOf(line.get("reads")))} reads, ${compact(numberOf(line.get("misses")))} misses` }));
  // Who may not read the configuration sees them in the lines.
  const prefixes = all.filter(({ prefix }) => !isRest(prefix)).map(({ prefix }) => latin(prefix));
  const delimiter = textOf(config["prefix-stats-delimiter"] ?? "") || (prefixes[0]?.at(-1) ?? ":");
  const depth = Number(textOf(config["prefix-stats-depth"] ?? "")) || Math.max(1, ...prefixes.map((prefix) => prefix.split(delimiter).length - 1));
  return { lines: all, delimiter, depth };
}

/** Whether a line is of the keys that have no line of their own. @param {Name} prefix */
function isRest(prefix) {
  return prefix === "(none)" || prefix === "(other)";
}

/** The lines as folders. @param {Exact} exact @param {Set<string>} open @returns {Node[]} */
export function exactFolders({ lines }, open) {
  return lines
    .filter(({ keys }) => keys > 0)
    .map(({ prefix, keys, bytes, reads }, i, all) => {
      const id = `f${latin(prefix)}`;
      return { id, level: 1, expandable: true, expanded: open.has(id), size: all.length, index: i + 1, label: prefix, prefix, keys, bytes, reads, counted: true };
    });
}

/** The nodes of a line's keys. @param {Exact} exact @param {Name} prefix @param {Walk} walk @param {Set<string>} open @returns {Node[]} */
export function insideOf({ delimiter }, prefix, walk, open) {
  return nodesOf(walk.keys, isRest(prefix) ? "" : prefix, delimiter, 2, open, !walk.done);
}

/** What a walk of a line asks for: a prefix ends behind the last delimiter of a key, or the `depth`-th. @param {Exact} exact @param {Name} prefix @returns {{match: Name, keep: (name: Name) => boolean}} */
export function scopeOf({ lines, delimiter, depth }, prefix) {
  const own = (/** @type {Name} */ name) => {
    const parts = latin(name).split(delimiter);
    const taken = parts.slice(0, Math.min(depth, parts.length - 1));
    return taken.map((part) => part + delimiter).join("");
  };
  if (prefix === "(none)") return { match: "*", keep: (name) => own(name) === "" };
  const known = new Set(["", ...lines.map((line) => latin(line.prefix))]);
  if (prefix === "(other)") return { match: "*", keep: (name) => !known.has(own(name)) };
  const wanted = latin(prefix);
  return { match: glob.startsWith(prefix), keep: (name) => own(name) === wanted };
}
