/** Patterns as KEYS and SCAN MATCH have them. Pure; on names, byte by byte. */

import { Bytes, bytesOf, nameOf } from "./resp.js";

/** @typedef {import("./resp.js").Name} Name */

/** The pattern that matches exactly this name. @param {Name} name @returns {Name} */
export function literal(name) {
  /** @type {number[]} */
  const out = [];
  for (const b of bytesOf(name)) {
    if (SPECIAL.has(b)) out.push(BACKSLASH);
    out.push(b);
  }
  return nameOf(Uint8Array.from(out));
}

/** The pattern of all names that begin with `prefix`. @param {Name} prefix @returns {Name} */
export function startsWith(prefix) {
  const own = bytesOf(literal(prefix));
  const out = new Uint8Array(own.length + 1);
  out.set(own);
  out[own.length] = STAR;
  return nameOf(out);
}

/** What a person types into a filter: a pattern if it has `*`, `?` or `[`, else "contains". @param {Name} text @returns {Name} */
export function fromFilter(text) {
  if (text instanceof Bytes || /[*?[\\]/.test(text)) return text;
  return text === "" ? "*" : `*${text}*`;
}

const [STAR, QUESTION, OPEN, CLOSE, BACKSLASH] = bytesOf("*?[]\\");
const SPECIAL = new Set([STAR, QUESTION, OPEN, CLOSE, BACKSLASH]);
