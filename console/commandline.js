/** A line of redis-cli taken apart into arguments. Pure. */

import { bytesOf, nameOf } from "./resp.js";

/** @typedef {import("./resp.js").Name} Name */

/** @type {Record<string, number>} */
const ESCAPES = { n: 10, r: 13, t: 9, b: 8, a: 7 };

/**
 * The arguments of a line: words; "quoted" with \n, \xNN and the like; 'quoted' with \' alone.
 * Throws SyntaxError where a quotation does not end. O(line). @param {string} line @returns {Name[]}
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
    /** @type {Uint8Array[]} */
    const parts = [];
    while (at < line.length && !/\s/.test(line[at])) {
      const mark = line[at];
      if (mark === '"' || mark === "'") at = quotation(line, at + 1, mark, parts);
      else at = plain(line, at, PLAIN, parts);
    }
    args.push(nameOf(joined(parts)));
  }
  return args;
}

/** What stands for itself outside of quotation marks, and between them. */
const PLAIN = /[^\s"']+/y;
/** @type {Record<string, RegExp>} */
const QUOTED = { '"': /[^"\\]+/y, "'": /[^'\\]+/y };

/** Appends a run of a pattern; the place after it. @param {string} line @param {number} at @param {RegExp} run @param {Uint8Array[]} parts */
function plain(line, at, run, parts) {
  run.lastIndex = at;
  const [text] = run.exec(line) ?? [line[at]];
  parts.push(bytesOf(text));
  return at + text.length;
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  if (parts.length === 1) return parts[0];
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Appends what is quoted from `at` on; the place after its end. @param {string} line @param {number} at @param {string} mark @param {Uint8Array[]} parts */
function quotation(line, at, mark, parts) {
  while (at < line.length && line[at] !== mark) {
    const code = mark === '"' && line[at] === "\\" ? /^\\x([\da-fA-F]{2})/.exec(line.slice(at, at + 4)) : null;
    if (code) {
      parts.push(Uint8Array.of(parseInt(code[1], 16)));
      at += 4;
    } else if (line[at] === "\\" && at + 1 < line.length && (mark === '"' || line[at + 1] === "'")) {
      const char = String.fromCodePoint(line.codePointAt(at + 1) ?? 0);
      parts.push(ESCAPES[char] !== undefined ? Uint8Array.of(ESCAPES[char]) : bytesOf(char));
      at += 1 + char.length;
    } else if (line[at] === "\\") {
      parts.push(bytesOf("\\"));
      at += 1;
    } else at = plain(line, at, QUOTED[mark], parts);
  }
  if (at >= line.length) throw new SyntaxError("a quotation does not end");
  return at + 1;
}
