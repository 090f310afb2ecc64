/**
 * Paths into JSON documents, as the server takes them: those that the page makes name one value, or
 * several of one container. Pure.
 */

import { lengthOf } from "../resp.js";

/** @typedef {string | number} Step a member's name, or an element's index */

/** The whole document. */
export const ROOT = "$";

/** Bytes of a path; the server takes 64 KiB. */
const PATH_BYTES = 65_000;
/** Values that are named in one path. */
const UNION_LEN = 100;

/** The path of a part of the value at a path; null if none can name it. @param {string} path @param {Step} step @returns {string | null} */
export function pathOf(path, step) {
  const plain = typeof step === "string" && /^[A-Za-z_]\w*$/.test(step);
  const whole = plain ? `${path}.${step}` : unionOf(path, [step]);
  // The server skips blanks after the quote: this would name another member.
  return lengthOf(whole) > PATH_BYTES || (typeof step === "string" && step.startsWith(" ")) ? null : whole;
}

/** One path of several parts, all of them members or all elements. @param {string} path @param {Step[]} steps */
export function unionOf(path, steps) {
  return `${path}[${steps.map(stepText).join(",")}]`;
}

/** @param {Step} step */
function stepText(step) {
  return typeof step === "number" ? String(step) : `"${step.replace(/["\\]/g, "\\$&")}"`;
}

/** Parts of the container at a path in groups, each short enough for one path. @param {string} path @param {Step[]} steps @returns {Step[][]} */
export function unionsOf(path, steps) {
  /** @type {Step[][]} */
  const groups = [];
  let room = 0;
  for (const step of steps) {
    const size = lengthOf(stepText(step)) + 1;
    const last = groups.at(-1);
    if (last && last.length < UNION_LEN && size <= room) last.push(step);
    else {
      groups.push([step]);
      room = PATH_BYTES - lengthOf(path);
    }
    room -= size;
  }
  return groups;
}

const STEP = / *(?:\. *([\w+#%$^/:`-]+)|(?:\. *)?\[ *(?:(\d{1,15})|"((?:[^"\\]|\\["\\])*)"|'((?:[^'\\]|\\['\\])*)') *\])/y;

/**
 * The steps of a path of either dialect that names one value by names and indexes alone; null of any other.
 * @param {string} text @returns {Step[] | null}
 */
export function stepsOf(text) {
  const path = text.trim();
  if (/^\$[^ .[]/.test(path)) return null;
  const rest = path[0] === "$" ? path.slice(1) : path === "." ? "" : /^[.[]/.test(path) ? path : `.${path}`;
  /** @type {Step[]} */
  const steps = [];
  for (let at = 0; at < rest.length; at = STEP.lastIndex) {
    STEP.lastIndex = at;
    const found = STEP.exec(rest);
    if (!found) return null;
    const [, name, index, double, single] = found;
    if (index !== undefined) steps.push(Number(index));
    else steps.push(name ?? (double ?? single).replace(/^ +/, "").replace(/\\(.)/g, "$1"));
  }
  return steps;
}
