/** Files of commands: lines of redis-cli, or the protocol as `redis-cli --pipe` takes it. Pure. */

import { splitCommand } from "./commandline.js";
import { nameOf } from "./resp.js";

/** @typedef {import("./resp.js").Name} Name */
/** @typedef {{at: number, args: Name[], fault?: string}} Item `at`: its line, or of the protocol its number; `fault`: why it is no command */

const [LF, CR, STAR, DOLLAR] = [10, 13, 42, 36];

/** The commands of a file, in order; a fault of the protocol is the last one. O(bytes). @param {Uint8Array} data @returns {Generator<Item>} */
export function commandsOf(data) {
  return data[0] === STAR ? ofProtocol(data) : ofLines(data);
}

/** Lines; blank ones and those that begin with # are none. @param {Uint8Array} data @returns {Generator<Item>} */
function* ofLines(data) {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let at = 0;
  for (let line = 1; at < data.length; line += 1) {
    const found = data.indexOf(LF, at);
    const end = found < 0 ? data.length : found;
    const bytes = data.subarray(at, end > at && data[end - 1] === CR ? end - 1 : end);
    at = end + 1;
    /** @type {string} */
    let text;
    try {
      text = decoder.decode(bytes);
      if (/^\s*(#|$)/.test(text)) continue;
      yield { at: line, args: splitCommand(text) };
    } catch (error) {
      yield { at: line, args: [], fault: error instanceof SyntaxError ? error.message : "not UTF-8: bytes are written \"\\xff\"" };
    }
  }
}

/** @param {Uint8Array} data @returns {Generator<Item>} */
function* ofProtocol(data) {
  let at = 0;
  /** A number between a mark and the end of its line; NaN: there is none. @param {number} mark */
  const number = (mark) => {
    const end = data.indexOf(CR, at);
    if (data[at] !== mark || end < 0 || end - at > 12 || data[end + 1] !== LF) return NaN;
    const text = String.fromCharCode(...data.subarray(at + 1, end));
    at = end + 2;
    return /^\d+$/.test(text) ? Number(text) : NaN;
  };
  for (let n = 1; at < data.length; n += 1) {
    const count = number(STAR);
    /** @type {Name[]} */
    const args = [];
    for (let i = 0; i < count; i += 1) {
      const size = number(DOLLAR);
      if (Number.isNaN(size) || at + size + 2 > data.length) {
        args.length = 0;
        break;
      }
      args.push(nameOf(data.subarray(at, at + size)));
      at += size + 2;
    }
    if (Number.isNaN(count) || args.length !== count || count === 0) {
      yield { at: n, args: [], fault: "not the protocol, or cut off" };
      return;
    }
    yield { at: n, args };
  }
}
