/** A line of redis-cli taken apart into arguments. Pure. */

import { bytesOf, nameOf } from "./resp.js";

/** @typedef {import("./resp.js").Name} Name */

/** @type {Record<string, number>} */
const ESCAPES = { n: 10, r: 13, t: 9, b: 8, a: 7 };

/**
 * The arguments of a line: words; "quoted" with \n, \xNN and the like; 'quoted' with \' alone.
 * Throws SyntaxError where a quotation does not end. @param {string} line @returns {Name[]}
 */
export function splitCommand(line) {
  /** @type {Name[]} */
  const args = [];
  let at = 0;
  while (at < line.length) {
    if (/\s/.test(line[at])) {
      at += 1;
      continue;
    }
    /** @type {number[]} */
    const out = [];
    while (at < line.length && !/\s/.test(line[at])) {
      const mark = line[at];
      if (mark === '"' || mark === "'") at = quotation(line, at + 1, mark, out);
      else {
        const char = String.fromCodePoint(line.codePointAt(at) ?? 0);
        out.push(...bytesOf(char));
        at += char.length;
      }
    }
    args.push(nameOf(Uint8Array.from(out)));
  }
  return args;
}

/** Appends what is quoted from `at` on; the place after its end. @param {string} line @param {number} at @param {string} mark @param {number[]} out */
function quotation(line, at, mark, out) {
  while (at < line.length && line[at] !== mark) {
    const code = mark === '"' ? /^\\x([\da-fA-F]{2})/.exec(line.slice(at, at + 4)) : null;
    if (code) {
      out.push(parseInt(code[1], 16));
      at += 4;
    } else if (line[at] === "\\" && at + 1 < line.length && (mark === '"' || line[at + 1] === "'")) {
      out.push(...(ESCAPES[line[at + 1]] !== undefined ? [ESCAPES[line[at + 1]]] : bytesOf(line[at + 1])));
      at += 2;
    } else {
      const char = String.fromCodePoint(line.codePointAt(at) ?? 0);
      out.push(...bytesOf(char));
      at += char.length;
    }
  }
  if (at >= line.length) throw new SyntaxError("a quotation does not end");
  return at + 1;
}
