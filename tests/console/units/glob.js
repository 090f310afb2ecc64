/** Patterns as the server matches them: the tests' own, to check what the page makes of names. */

import { bytesOf } from "../../../console/resp.js";

/** Whether `name` matches `pattern`. O(pattern x name). @param {Name} pattern @param {Name} name */
export function matches(pattern, name) {
  return match(bytesOf(pattern), 0, bytesOf(name), 0);
}

const [STAR, QUESTION, OPEN, CLOSE, BACKSLASH, CARET, DASH] = bytesOf("*?[]\\^-");

/** @param {Uint8Array} p @param {number} i @param {Uint8Array} s @param {number} j @returns {boolean} */
function match(p, i, s, j) {
  // The last star and where it was tried: one step back suffices.
  let [star, tried] = [-1, 0];
  for (;;) {
    if (i < p.length && p[i] === STAR) {
      star = i;
      tried = j;
      i += 1;
      continue;
    }
    if (j === s.length) return i === p.length;
    const next = i < p.length ? one(p, i, s[j]) : -1;
    if (next >= 0) {
      i = next;
      j += 1;
    } else if (star >= 0) {
      tried += 1;
      j = tried;
      i = star + 1;
    } else return false;
  }
}

/** The place after the element at `i` if it matches the byte, else -1. @param {Uint8Array} p @param {number} i @param {number} byte */
function one(p, i, byte) {
  if (p[i] === QUESTION) return i + 1;
  if (p[i] === BACKSLASH && i + 1 < p.length) return p[i + 1] === byte ? i + 2 : -1;
  if (p[i] !== OPEN) return p[i] === byte ? i + 1 : -1;
  i += 1;
  const not = p[i] === CARET;
  if (not) i += 1;
  let found = false;
  while (i < p.length && p[i] !== CLOSE) {
    if (p[i] === BACKSLASH && i + 1 < p.length) {
      i += 1;
      if (p[i] === byte) found = true;
    } else if (i + 2 < p.length && p[i + 1] === DASH) {
      const [low, high] = p[i] <= p[i + 2] ? [p[i], p[i + 2]] : [p[i + 2], p[i]];
      if (byte >= low && byte <= high) found = true;
      i += 2;
    } else if (p[i] === byte) found = true;
    i += 1;
  }
  return found !== not ? Math.min(i + 1, p.length) : -1;
}
