/**
 * A JSON document, level by level: of a container the kinds and sizes of what it holds and its short scalars, a page
 * at a time. A document of any size is never read whole.
 */

import { minify, parse } from "../json.js";
import { RespError, itemsOf, numberOf, textOf } from "../resp.js";
import { ROOT, pathOf, stepsOf, unionOf, unionsOf } from "./paths.js";

/** @typedef {import("../resp.js").Name} Bulk */
/** @typedef {import("./paths.js").Step} Step */
/** @typedef {{batch: (cmds: import("../api.js").Cmd[], options?: import("../api.js").Options) => Promise<import("../api.js").Batch>, key: Bulk, signal?: AbortSignal}} Read */

/**
 * @typedef {object} Part a value of a document
 * @property {Step | null} step null: the document itself
 * @property {string | null} path null: no path can name it
 * @property {string} kind "object", "integer"; "" if there is no path
 * @property {number | null} size members, elements, or bytes of a string
 * @property {string | null} text as JSON; null if it has not been read
 */

/** @typedef {{kind: string, size: number, names: string[] | null, parts: Part[], apart: Part[]}} Level
 * What a container holds: `parts` are the first of it, `apart` are others; `names` of all members, null if they are too many, and of an array */

/** Parts that are read at first, and with each further page. */
export const PAGE = 100;
/** Members of an object whose names are read. */
const NAMES_MAX = 20_000;
/** Bytes of a string up to which it is read with its level. */
const SHORT = 1024;
/** Matches of a path whose sizes and values are read. */
const MATCHES_MAX = 10_000;
/** Bytes in the server's memory up to which a value is read whole, and all matches of a path together. */
export const WHOLE_BYTES = 65_536;

/** The document has become another one between two calls. */
export class Moved extends Error {
  constructor() {
    super("The document has changed while it was read: load it again.");
    this.name = "Moved";
  }
}

/** Reads again what has moved meanwhile; a document that always does is said to. @template T @param {() => Promise<T>} work @returns {Promise<T>} */
export async function steady(work) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (tries === 3 || !(error instanceof Moved)) throw error;
    }
  }
}

/** Whether a kind holds other values. @param {string} kind */
export function isContainer(kind) {
  return kind === "object" || kind === "array";
}

/** @param {Read} read @param {import("../api.js").Cmd[]} cmds @param {[import("../api.js").Cmd, any][]} [conditions] */
async function ask({ batch, signal }, cmds, conditions) {
  const { replies, changed } = await batch(cmds, { signal, atomic: cmds.length > 1 || Boolean(conditions), conditions });
  if (changed !== undefined) throw new Moved();
  for (const reply of replies) if (reply instanceof RespError) throw reply;
  return replies;
}

/** Kinds and sizes of the values at a JSONPath. @param {Read} read @param {string} path @returns {Promise<{kind: string, size: number | null}[]>} */
async function measured(read, path) {
  const { key } = read;
  const [types, ...sizes] = await ask(read, [["JSON.TYPE", key, path], ["JSON.OBJLEN", key, path], ["JSON.ARRLEN", key, path], ["JSON.STRLEN", key, path]]);
  return itemsOf(itemsOf(types)[0]).map((kind, i) => {
    const size = sizes.map((reply) => itemsOf(reply)[i]).find((one) => one !== null && one !== undefined);
    return { kind: textOf(kind), size: size === undefined ? null : numberOf(size) };
  });
}

/** The texts of values. @param {any} reply of JSON.GET with a JSONPath @returns {string[]} */
function textsOf(reply) {
  const node = parse(textOf(reply));
  return "items" in node ? node.items.map(minify) : [];
}

/** Parts of one container. @param {Read} read @param {string} path @param {Step[]} steps @returns {Promise<Part[]>} */
async function readParts(read, path, steps) {
  /** @type {Map<Step, Part>} */
  const parts = new Map(steps.map((step) => [step, { step, path: pathOf(path, step), kind: "", size: null, text: null }]));
  const named = steps.filter((step) => parts.get(step)?.path !== null);
  for (const group of unionsOf(path, named)) {
    const found = await measured(read, unionOf(path, group));
    if (found.length !== group.length) throw new Moved();
    group.forEach((step, i) => Object.assign(parts.get(step) ?? {}, found[i]));
    const short = found.flatMap((one, i) => (isContainer(one.kind) || Number(one.size) > SHORT ? [] : [i]));
    if (short.length === 0) continue;
    const union = unionOf(path, short.map((i) => group[i]));
    // What has been measured, and nothing that is longer.
    const [reply] = await ask(read, [["JSON.GET", read.key, union]], [
      [["JSON.TYPE", read.key, union], [short.map((i) => found[i].kind)]],
      [["JSON.STRLEN", read.key, union], short.map((i) => found[i].size)],
    ]);
    const texts = textsOf(reply);
    short.forEach((i, at) => Object.assign(parts.get(group[i]) ?? {}, { text: texts[at] }));
  }
  return [...parts.values()];
}

/** The document itself. @param {Read} read @returns {Promise<Part | null>} null: the key is gone */
export async function readRoot(read) {
  const [types] = await ask(read, [["JSON.TYPE", read.key, ROOT]]);
  if (itemsOf(types)[0] === null) return null;
  const [found] = await measured(read, ROOT);
  /** @type {Part} */
  const root = { step: null, path: ROOT, ...found, text: null };
  if (!isContainer(root.kind) && Number(root.size) <= SHORT) [root.text] = textsOf((await ask(read, [["JSON.GET", read.key, ROOT]]))[0]);
  return root;
}

/** A container's first parts. @param {Read} read @param {string} path @param {number} [want] @returns {Promise<Level | null>} null: there is none at the path */
export async function readLevel(read, path, want = PAGE) {
  const [found] = await measured(read, path);
  if (!found || !isContainer(found.kind)) return null;
  const { kind, size } = found;
  const hasNames = kind === "object" && Number(size) <= NAMES_MAX;
  const names = hasNames ? itemsOf(itemsOf((await ask(read, [["JSON.OBJKEYS", read.key, path]]))[0])[0]).map(textOf) : null;
  return readFurther(read, path, { kind, size: Number(size), names, parts: [], apart: [] }, want);
}

/** As many parts more. @param {Read} read @param {string} path @param {Level} level @param {number} [want] @returns {Promise<Level>} */
export async function readFurther(read, path, level, want = PAGE) {
  const from = level.parts.length;
  const most = Math.min(want, level.size - from);
  /** @type {Step[]} */
  const steps = level.kind === "array" ? Array.from({ length: most }, (_, i) => from + i) : (level.names?.slice(from, from + want) ?? []);
  return without({ ...level, parts: [...level.parts, ...(await readParts(read, path, steps))] });
}

/** With one part, wherever it stands. @param {Read} read @param {string} path @param {Level} level @param {Step} step @returns {Promise<Level>} */
export async function readApart(read, path, level, step) {
  if ([...level.parts, ...level.apart].some((part) => part.step === step)) return level;
  return { ...level, apart: [...level.apart, ...(await readParts(read, path, [step]))] };
}

/** Those apart that are among the first no more. @param {Level} level @returns {Level} */
function without(level) {
  const first = new Set(level.parts.map(({ step }) => step));
  return { ...level, apart: level.apart.filter(({ step }) => !first.has(step)) };
}

/**
 * @typedef {object} Line a line of the tree: a part, or what is said about those that are not shown
 * @property {string} id
 * @property {number} level
 * @property {boolean} expandable
 * @property {boolean} [expanded]
 * @property {number} [size]
 * @property {number} [index]
 * @property {Part} [part]
 * @property {string} [parent] the path of the container
 * @property {{path: string, text: string, whole: boolean}} [more] `whole`: no page of it can be read
 */

/** The visible lines: containers in `open` (by their paths) with what they hold. @param {Part} root @param {Map<string, Level>} levels @param {Set<string>} open @returns {Line[]} */
export function linesOf(root, levels, open) {
  /** @type {Line[]} */
  const lines = [];
  /** @param {Part} part @param {number} level @param {string | undefined} parent @param {number} size @param {number | undefined} index */
  const add = (part, level, parent, size, index) => {
    const { path } = part;
    const expandable = path !== null && isContainer(part.kind) && part.size !== 0;
    const expanded = expandable && open.has(path);
    lines.push({ id: path ?? `${parent} ${part.step}`, level, expandable, expanded, part, parent, size, index });
    const held = expanded ? levels.get(path) : undefined;
    if (!held || path === null) return;
    held.parts.forEach((one, i) => add(one, level + 1, path, held.size, i + 1));
    const text = restOf(held);
    if (text !== null) lines.push({ id: `more ${path}`, level: level + 1, expandable: false, parent: path, more: { path, text, whole: held.kind === "object" && held.names === null } });
    for (const one of held.apart) add(one, level + 1, path, held.size, typeof one.step === "number" ? one.step + 1 : undefined);
  };
  add(root, 1, undefined, 1, 1);
  return lines;
}

/** What is not shown of a level; null if nothing. @param {Level} level */
function restOf({ kind, size, names, parts }) {
  const rest = size - parts.length;
  if (rest <= 0) return null;
  const count = rest.toLocaleString("en-US");
  if (kind === "object" && names === null) return `${count} members are too many to list: find one by its path`;
  return `${count} more ${kind === "object" ? "members" : "elements"} not shown. Load more`;
}

/**
 * @typedef {object} Found what a path leads to
 * @property {boolean} legacy whether it is one of the dialect without `$`: of its matches only the first is shown
 * @property {Part[]} parts without steps and paths; without texts if they are too large together; of very many the first, and their kinds alone
 * @property {number} total
 * @property {number} bytes in the server's memory; NaN of very many
 * @property {Step[] | null} steps of a path that names one value
 */

/** The matches of a path of either dialect. @param {Read} read @param {string} text @returns {Promise<Found>} */
export async function findByPath(read, text) {
  const { key } = read;
  const [types] = await ask(read, [["JSON.TYPE", key, text]]);
  const [first] = itemsOf(types);
  if (first === null) return { legacy: true, parts: [], total: 0, bytes: 0, steps: null };
  const legacy = !Array.isArray(first);
  const part = (/** @type {string} */ kind, /** @type {number | null} */ size) => ({ step: null, path: null, kind, size, text: null });
  /** @type {Part[]} */
  let parts;
  if (legacy) {
    const kind = textOf(first);
    const command = { object: "JSON.OBJLEN", array: "JSON.ARRLEN", string: "JSON.STRLEN" }[kind];
    parts = [part(kind, command ? numberOf((await ask(read, [[command, key, text]]))[0]) : null)];
  } else if (first.length > MATCHES_MAX) {
    parts = first.slice(0, MATCHES_MAX).map((/** @type {Bulk} */ kind) => part(textOf(kind), null));
    return { legacy, parts, total: first.length, bytes: NaN, steps: null };
  } else parts = (await measured(read, text)).map(({ kind, size }) => part(kind, size));
  const total = parts.length;
  if (total === 0) return { legacy, parts, total, bytes: 0, steps: null };
  const [memory] = await ask(read, [["JSON.DEBUG", "MEMORY", key, text]]);
  const bytes = legacy ? numberOf(memory) : itemsOf(memory).reduce((sum, one) => sum + numberOf(one), 0);
  if (bytes <= WHOLE_BYTES) {
    const [reply] = await ask(read, [["JSON.GET", key, text]]);
    const texts = legacy ? [textOf(reply)] : textsOf(reply);
    if (texts.length !== total) throw new Moved();
    parts.forEach((one, i) => (one.text = texts[i]));
  }
  return { legacy, parts, total, bytes, steps: total === 1 ? stepsOf(text) : null };
}
