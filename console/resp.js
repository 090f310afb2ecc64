/**
 * RESP3 values and their JSON form (see docs/console.md): JSON from the daemon <-> JavaScript values.
 *
 * | RESP3           | JSON                | JavaScript        |
 * |-----------------|---------------------|-------------------|
 * | bulk, UTF-8     | "text"              | string            |
 * | bulk, other     | {"b": base64}       | Bytes             |
 * | status          | {"s": "OK"}         | Status            |
 * | integer         | 12, {"i": "2^63-1"} | number, bigint    |
 * | double          | {"d": "1.5"}        | Double            |
 * | big number      | {"n": "12"}         | BigNumber         |
 * | error           | {"e": "ERR x"}      | RespError         |
 * | array           | [..]                | Array             |
 * | map             | {"m": [k, v, ..]}   | RespMap           |
 * | set, push       | {"t": []}, {"p": []}| RespSet, Push     |
 * | verbatim        | {"v": .., "f": ..}  | Verbatim          |
 * | null, boolean   | null, true, false   | the same          |
 *
 * Nothing is lost in either direction. A `Name` (a key, a field, a value: any bulk) is a string if it is
 * UTF-8 and `Bytes` otherwise, so two names are equal exactly if `nameId` is.
 */

/** @typedef {string | Bytes} Name */
/** @typedef {any} Value a decoded reply; see the table above */

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** A bulk string that is not UTF-8. Immutable. */
export class Bytes {
  /** @param {Uint8Array} data */
  constructor(data) {
    this.data = data;
  }
  get length() {
    return this.data.length;
  }
  /** Latin-1, one character a byte: only for comparing and for map keys. */
  get latin() {
    return latinOf(this.data);
  }
}

export class Status {
  /** @param {string} text @param {Name} [name] its bytes, where they may be other than UTF-8 */
  constructor(text, name = text) {
    this.text = text;
    this.name = name;
  }
}

/** A double as the server printed it; `number` is its nearest JavaScript number. */
export class Double {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
  get number() {
    if (/^[+-]?inf/i.test(this.text)) return this.text.startsWith("-") ? -Infinity : Infinity;
    return Number(this.text);
  }
}

export class BigNumber {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

/** An error reply, as a value in a reply and as an exception of `api.run`. */
export class RespError extends Error {
  /** @param {string} text the line after `-` */
  constructor(text) {
    super(text);
    this.name = "RespError";
  }
  get text() {
    return this.message;
  }
  /** The first word: ERR, NOPERM, WRONGTYPE. */
  get code() {
    return this.message.split(" ", 1)[0];
  }
}

export class RespMap {
  /** @param {[Value, Value][]} entries in the order of the reply */
  constructor(entries) {
    this.entries = entries;
  }
  /** The value of a text key. @param {string} key @returns {Value} undefined if absent */
  get(key) {
    return this.entries.find(([k]) => k === key)?.[1];
  }
  /** @returns {Record<string, Value>} entries whose key is text, the last one wins */
  object() {
    /** @type {Record<string, Value>} */
    const out = Object.create(null);
    for (const [k, v] of this.entries) if (typeof k === "string") out[k] = v;
    return out;
  }
}

export class RespSet {
  /** @param {Value[]} items */
  constructor(items) {
    this.items = items;
  }
}

export class Push {
  /** @param {Value[]} items */
  constructor(items) {
    this.items = items;
  }
}

export class Verbatim {
  /** @param {Name} text @param {string} format three letters: txt, mkd */
  constructor(text, format) {
    this.text = text;
    this.format = format;
  }
}

/** JSON of the daemon -> value. @param {any} json @returns {Value} */
export function decode(json) {
  if (json === null || typeof json !== "object") return json;
  if (Array.isArray(json)) return json.map(decode);
  if ("b" in json) return new Bytes(fromBase64(json.b));
  if ("s" in json) return statusOf(decode(json.s));
  if ("i" in json) return BigInt(json.i);
  if ("d" in json) return new Double(json.d);
  if ("n" in json) return new BigNumber(json.n);
  if ("e" in json) return new RespError(textOf(decode(json.e)));
  if ("t" in json) return new RespSet(json.t.map(decode));
  if ("p" in json) return new Push(json.p.map(decode));
  if ("v" in json) return new Verbatim(decode(json.v), json.f);
  if ("m" in json) return new RespMap(pairs(json.m).map(([k, v]) => [decode(k), decode(v)]));
  throw new Error(`not a reply: ${JSON.stringify(json).slice(0, 80)}`);
}

/** @param {Name} name */
function statusOf(name) {
  return new Status(textOf(name), name);
}

/** Value -> JSON of the daemon, the inverse of `decode`. @param {Value} value @returns {any} */
export function encode(value) {
  if (typeof value === "bigint") {
    const small = value >= -(2n ** 53n - 1n) && value <= 2n ** 53n - 1n;
    return small ? Number(value) : { i: value.toString() };
  }
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(encode);
  if (value instanceof Bytes) return { b: toBase64(value.data) };
  if (value instanceof Status) return { s: encode(value.name) };
  if (value instanceof Double) return { d: value.text };
  if (value instanceof BigNumber) return { n: value.text };
  if (value instanceof RespError) return { e: value.message };
  if (value instanceof RespSet) return { t: value.items.map(encode) };
  if (value instanceof Push) return { p: value.items.map(encode) };
  if (value instanceof Verbatim) return { v: encode(value.text), f: value.format };
  if (value instanceof RespMap) return { m: value.entries.flatMap(([k, v]) => [encode(k), encode(v)]) };
  throw new Error("not a reply");
}

/** An argument of a command -> its JSON. @param {Name | number | bigint} arg @returns {string | {b: string}} */
export function argument(arg) {
  if (arg instanceof Bytes) return { b: toBase64(arg.data) };
  return String(arg);
}

/** Bytes -> the Name that means them: text if they are UTF-8. @param {Uint8Array} data @returns {Name} */
export function nameOf(data) {
  try {
    return strict.decode(data);
  } catch {
    return new Bytes(data);
  }
}

/** @param {Name | number | bigint} name @returns {Uint8Array} */
export function bytesOf(name) {
  return name instanceof Bytes ? name.data : encoder.encode(String(name));
}

/** The length in bytes. @param {Name} name */
export function lengthOf(name) {
  if (name instanceof Bytes) return name.length;
  return /^[\x00-\x7f]*$/.test(name) ? name.length : encoder.encode(name).length;
}

/** A string that is equal for equal names only: a key of Map and of Preact. @param {Name} name */
export function nameId(name) {
  return typeof name === "string" ? `t${name}` : `b${name.latin}`;
}

/** The order of bytes (for UTF-8 text: of code points). @param {Name} a @param {Name} b */
export function compareNames(a, b) {
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  const [x, y] = [latinOf(bytesOf(a)), latinOf(bytesOf(b))];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Text for reading; bytes that are not UTF-8 become U+FFFD. Never for sending back. @param {Value} value */
export function textOf(value) {
  if (typeof value === "string") return value;
  if (value instanceof Bytes) return lenient.decode(value.data);
  if (value instanceof Verbatim) return textOf(value.text);
  if (value instanceof Status || value instanceof Double || value instanceof BigNumber) return value.text;
  if (value instanceof RespError) return value.message;
  return value === null || value === undefined ? "" : String(value);
}

/** The name that a bulk or a status is. @param {Value} value @returns {Name} */
export function wordOf(value) {
  return value instanceof Status ? value.name : typeof value === "string" || value instanceof Bytes ? value : textOf(value);
}

/** The number in an integer, a double or a bulk that holds one; NaN otherwise. @param {Value} value @returns {number} */
export function numberOf(value) {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Double) return value.number;
  if (typeof value === "string" && value.trim() !== "") return Number(value);
  return NaN;
}

/**
 * The entries of a reply that is a map in RESP3 and a flat array for older commands.
 * @param {Value} value @returns {[Value, Value][]}
 */
export function entriesOf(value) {
  if (value instanceof RespMap) return value.entries;
  return Array.isArray(value) ? pairs(value) : [];
}

/** As an object, for maps whose keys are text. @param {Value} value @returns {Record<string, Value>} */
export function objectOf(value) {
  return new RespMap(entriesOf(value)).object();
}

/** As `objectOf`, for maps whose keys may be statuses. @param {Value} value @returns {Record<string, Value>} */
export function factsOf(value) {
  return Object.fromEntries(entriesOf(value).map(([key, one]) => [textOf(key), one]));
}

/** The items of an array, a set or a push. @param {Value} value @returns {Value[]} */
export function itemsOf(value) {
  if (Array.isArray(value)) return value;
  return value instanceof RespSet || value instanceof Push ? value.items : [];
}

/** The sections of INFO: field -> text. @param {Value} reply @returns {Record<string, string>} */
export function parseInfo(reply) {
  /** @type {Record<string, string>} */
  const out = Object.create(null);
  for (const line of textOf(reply).split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0 && line[0] !== "#") out[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return out;
}

/** @param {Uint8Array} data */
export function toBase64(data) {
  return btoa(latinOf(data));
}

/** @param {string} text @returns {Uint8Array} */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/** One character a byte. @param {Uint8Array} data */
export function latinOf(data) {
  let out = "";
  for (let i = 0; i < data.length; i += 0x2000) out += String.fromCharCode(...data.subarray(i, i + 0x2000));
  return out;
}

/** @template T @param {T[]} flat @returns {[T, T][]} */
function pairs(flat) {
  /** @type {[T, T][]} */
  const out = [];
  for (let i = 0; i + 1 < flat.length; i += 2) out.push([flat[i], flat[i + 1]]);
  return out;
}
