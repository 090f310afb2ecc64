/**
 * Python's pickle (protocols 0 to 5) as JSON-like text, for reading. Nothing is imported or called: what a pickle would
 * call is shown as the name and the arguments of the call. Pure.
 */

import { latinOf } from "../resp.js";

/** @typedef {{kind: "plain", text: string} | {kind: "list" | "tuple" | "set", items: Part[]} | {kind: "dict", items: Part[]} | {kind: "call", name: string, args: Part[], state: Part[]}} Part `dict`: keys and values by turns */

const MAX_DEPTH = 100;

/** Characters of the output: parts may be used again and again. */
const MAX_OUT = 2_000_000;

/** @param {Uint8Array} data @returns {string} throws if it is not one whole pickle */
export function pickleText(data) {
  return printed(readPickle(data));
}

/** @param {string} text @returns {Part} */
function plain(text) {
  return { kind: "plain", text };
}

/** @param {Uint8Array} b */
function bytesText(b) {
  return plain(JSON.stringify(`bytes ${Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("")}`));
}

/** Little endian, two's complement. @param {Uint8Array} b */
function longText(b) {
  let n = 0n;
  for (let i = b.length - 1; i >= 0; i -= 1) n = (n << 8n) | BigInt(b[i]);
  return plain(String(b.length > 0 && b[b.length - 1] & 0x80 ? n - (1n << BigInt(8 * b.length)) : n));
}

/** @param {Uint8Array} data @returns {Part} */
function readPickle(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  let at = 0;
  /** @type {Part[]} */
  let stack = [];
  /** @type {Part[][]} */
  const marks = [];
  /** @type {Map<number, Part>} */
  const memo = new Map();
  const take = (/** @type {number} */ n) => {
    if (!(n >= 0) || at + n > data.length) throw new RangeError("cut short");
    return data.subarray(at, (at += n));
  };
  const u = (/** @type {number} */ size) => {
    let n = 0;
    take(size).forEach((b, i) => (n += b * 256 ** i));
    return n;
  };
  const lineBytes = () => {
    const end = data.indexOf(10, at);
    if (end < 0) throw new RangeError("cut short");
    const from = at;
    at = end + 1;
    return data.subarray(from, end);
  };
  const line = () => utf8.decode(lineBytes());
  const latinLine = () => latinOf(lineBytes());
  // The stack may become another one while the part is made.
  const push = (/** @type {Part} */ part) => stack.push(part);
  const pop = () => {
    const part = stack.pop();
    if (!part) throw new SyntaxError("an empty stack");
    return part;
  };
  const top = () => {
    if (stack.length === 0) throw new SyntaxError("an empty stack");
    return stack[stack.length - 1];
  };
  const sinceMark = () => {
    const items = stack;
    const before = marks.pop();
    if (!before) throw new SyntaxError("no mark");
    stack = before;
    return items;
  };
  const textPart = (/** @type {Uint8Array | string} */ b) => plain(JSON.stringify(typeof b === "string" ? b : utf8.decode(b)));
  const wordOf = (/** @type {Part} */ part) => (part.kind === "plain" ? part.text.replace(/^"|"$/g, "") : part.kind === "call" ? part.name : part.kind);
  const get = (/** @type {number} */ id) => {
    const part = memo.get(id);
    if (!part) throw new SyntaxError("an unknown reference");
    return part;
  };
  /** @param {Part} onto @param {Part[]} items */
  const extend = (onto, items) => {
    if (onto.kind === "plain") throw new SyntaxError("no collection");
    if (onto.kind === "call") onto.state.push(...items);
    else for (const item of items) onto.items.push(item);
  };
  /** @param {Part} name @param {Part} args @returns {Part} */
  const call = (name, args) => ({ kind: "call", name: wordOf(name), args: "items" in args ? [...args.items] : [args], state: [] });
  const global = (/** @type {string} */ module, /** @type {string} */ name) => push({ kind: "call", name: `${module}.${name}`, args: [], state: [] });
  const number = (/** @type {number} */ n) => plain(Number.isFinite(n) ? String(n) : `"${n}"`);
  /** @type {Record<string, () => void>} */
  const steps = {
    "(": () => { marks.push(stack); stack = []; },
    ")": () => push({ kind: "tuple", items: [] }),
    0: () => { if (stack.length) stack.pop(); else sinceMark(); },
    1: () => { sinceMark(); },
    2: () => push(top()),
    F: () => push(number(Number(line()))),
    G: () => { take(8); push(number(view.getFloat64(at - 8))); },
    I: () => { const text = line(); push(plain(text === "01" ? "true" : text === "00" ? "false" : String(BigInt(text)))); },
    J: () => { take(4); push(plain(String(view.getInt32(at - 4, true)))); },
    K: () => push(plain(String(u(1)))),
    L: () => push(plain(String(BigInt(line().replace(/L$/, ""))))),
    M: () => push(plain(String(u(2)))),
    N: () => push(plain("null")),
    P: () => push(textPart(`persistent ${line()}`)),
    Q: () => push(textPart(`persistent ${wordOf(pop())}`)),
    R: () => { const args = pop(); push(call(pop(), args)); },
    S: () => push(textPart(line().replace(/^(['"])([^]*)\1$/, "$2"))),
    T: () => push(textPart(take(u(4)))),
    U: () => push(textPart(take(u(1)))),
    V: () => push(textPart(latinLine().replace(/\\u([\da-f]{4})/gi, (_, code) => String.fromCharCode(parseInt(code, 16))))),
    X: () => push(textPart(take(u(4)))),
    B: () => push(bytesText(take(u(4)))),
    C: () => push(bytesText(take(u(1)))),
    a: () => { const item = pop(); extend(top(), [item]); },
    e: () => { const items = sinceMark(); extend(top(), items); },
    s: () => { const value = pop(); const key = pop(); extend(top(), [key, value]); },
    u: () => { const items = sinceMark(); extend(top(), items); },
    b: () => { const state = pop(); const onto = top(); if (onto.kind === "call") onto.state.push(plain('"(state)"'), state); },
    c: () => global(line(), line()),
    i: () => { const name = `${line()}.${line()}`; push({ kind: "call", name, args: sinceMark(), state: [] }); },
    o: () => { const [name, ...args] = sinceMark(); push({ kind: "call", name: name ? wordOf(name) : "", args, state: [] }); },
    d: () => push({ kind: "dict", items: sinceMark() }),
    l: () => push({ kind: "list", items: sinceMark() }),
    t: () => push({ kind: "tuple", items: sinceMark() }),
    "}": () => push({ kind: "dict", items: [] }),
    "]": () => push({ kind: "list", items: [] }),
    g: () => push(get(Number(line()))),
    h: () => push(get(u(1))),
    j: () => push(get(u(4))),
    p: () => memo.set(Number(line()), top()),
    q: () => memo.set(u(1), top()),
    r: () => memo.set(u(4), top()),
    "\x80": () => { if (u(1) > 5) throw new SyntaxError("a later protocol than 5"); },
    "\x81": () => { const args = pop(); push(call(pop(), args)); },
    "\x82": () => push(textPart(`extension ${u(1)}`)),
    "\x83": () => push(textPart(`extension ${u(2)}`)),
    "\x84": () => push(textPart(`extension ${u(4)}`)),
    "\x85": () => { const a = pop(); push({ kind: "tuple", items: [a] }); },
    "\x86": () => { const b = pop(); const a = pop(); push({ kind: "tuple", items: [a, b] }); },
    "\x87": () => { const c = pop(); const b = pop(); const a = pop(); push({ kind: "tuple", items: [a, b, c] }); },
    "\x88": () => push(plain("true")),
    "\x89": () => push(plain("false")),
    "\x8a": () => push(longText(take(u(1)))),
    "\x8b": () => push(longText(take(Math.min(u(4), 4096)))),
    "\x8c": () => push(textPart(take(u(1)))),
    "\x8d": () => push(textPart(take(u(8)))),
    "\x8e": () => push(bytesText(take(u(8)))),
    "\x8f": () => push({ kind: "set", items: [] }),
    "\x90": () => { const items = sinceMark(); extend(top(), items); },
    "\x91": () => push({ kind: "set", items: sinceMark() }),
    "\x92": () => { const named = pop(); const args = pop(); const made = call(pop(), args); extend(made, [named]); push(made); },
    "\x93": () => { const name = wordOf(pop()); global(wordOf(pop()), name); },
    "\x94": () => memo.set(memo.size, top()),
    "\x95": () => void u(8),
    "\x96": () => push(bytesText(take(u(8)))),
    "\x97": () => push(textPart("a buffer outside of the pickle")),
    "\x98": () => {},
  };
  for (;;) {
    const code = String.fromCharCode(take(1)[0]);
    if (code === ".") {
      if (at !== data.length) throw new SyntaxError("more than one value");
      return pop();
    }
    const step = Object.hasOwn(steps, code) ? steps[code] : undefined;
    if (!step) throw new SyntaxError(`not pickle at byte ${at - 1}`);
    step();
  }
}

/** @param {Part} root */
function printed(root) {
  let length = 0;
  const open = new Set();
  /** @param {Part} part @param {number} depth @returns {string} */
  const print = (part, depth) => {
    if (part.kind === "plain") {
      length += part.text.length;
      if (length > MAX_OUT) throw new RangeError("more than 2 MB as text");
      return part.text;
    }
    if (open.has(part)) return '"(itself)"';
    if (depth > MAX_DEPTH) throw new SyntaxError(`nested deeper than ${MAX_DEPTH}`);
    length += 2;
    open.add(part);
    const list = (/** @type {Part[]} */ items) => `[${items.map((item) => print(item, depth + 1)).join(",")}]`;
    let out;
    if (part.kind === "dict") {
      out = `{${part.items.flatMap((key, i) => {
        if (i % 2) return [];
        const name = print(key, depth + 1);
        return [`${name.startsWith('"') ? name : JSON.stringify(name)}:${part.items[i + 1] ? print(part.items[i + 1], depth + 1) : "null"}`];
      }).join(",")}}`;
    } else if (part.kind === "call") {
      const states = part.state.filter(({ kind, ...own }) => !(kind === "plain" && "text" in own && own.text === '"(state)"'));
      out = `{"(call)":${JSON.stringify(part.name)}${part.args.length ? `,"arguments":${list(part.args)}` : ""}${states.length ? `,"state":${states.length === 1 ? print(states[0], depth + 1) : list(states)}` : ""}}`;
    } else out = list(part.items);
    open.delete(part);
    return out;
  };
  return print(root, 0);
}
