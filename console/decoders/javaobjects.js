/**
 * What Java's ObjectOutputStream writes, as JSON-like text for reading: objects with their classes and fields, boxed
 * numbers as numbers, lists and maps of java.util as lists and objects. No class is loaded. Pure.
 */

/** @typedef {{name: string, flags: number, fields: {type: string, name: string}[], above: Described | null}} Described */

const MAX_DEPTH = 100;
const BASE_HANDLE = 0x7e0000;

/** Types whose one field is all that they are. */
const BOXED = /^java\.lang\.(Integer|Long|Short|Byte|Double|Float|Boolean|Character)$/;

/** @param {Uint8Array} data @returns {string} throws if it is not one whole object */
export function javaText(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  let at = 0;
  /** What has a handle: JSON text, or a description of a class. @type {(string | Described)[]} */
  const handles = [];
  const take = (/** @type {number} */ n) => {
    if (!(n >= 0) || at + n > data.length) throw new RangeError("cut short");
    at += n;
    return at - n;
  };
  const u1 = () => data[take(1)];
  const u2 = () => view.getUint16(take(2));
  const i4 = () => view.getInt32(take(4));
  const text = (/** @type {number} */ n) => {
    const from = take(n);
    // Java's own UTF-8 has NUL as two bytes.
    return utf8.decode(data.subarray(from, from + n)).replaceAll("\ufffd\ufffd", "\\0");
  };
  const named = () => text(u2());
  const floating = (/** @type {number} */ n) => (Number.isFinite(n) ? String(n) : `"${n}"`);
  /** @param {string} type @param {number} depth @returns {string} */
  const field = (type, depth) => {
    switch (type[0]) {
      case "B": return String(view.getInt8(take(1)));
      case "C": return JSON.stringify(String.fromCharCode(u2()));
      case "D": return floating(view.getFloat64(take(8)));
      case "F": return floating(view.getFloat32(take(4)));
      case "I": return String(i4());
      case "J": return String(view.getBigInt64(take(8)));
      case "S": return String(view.getInt16(take(2)));
      case "Z": return u1() ? "true" : "false";
      default: return content(depth + 1);
    }
  };
  /** @returns {Described | null} */
  const described = () => {
    const mark = u1();
    if (mark === 0x70) return null;
    if (mark === 0x71) {
      const known = handles[i4() - BASE_HANDLE];
      if (known === undefined || typeof known === "string") throw new SyntaxError("an unknown class");
      return known;
    }
    /** @type {Described} */
    const made = { name: "proxy", flags: 2, fields: [], above: null };
    if (mark === 0x7d) {
      handles.push(made);
      const n = i4();
      if (n < 0 || n > data.length - at) throw new RangeError("cut short");
      made.name = `proxy of ${Array.from({ length: n }, named).join(", ")}`;
    } else if (mark === 0x72) {
      made.name = named();
      take(8);
      handles.push(made);
      made.flags = u1();
      for (let n = u2(); n > 0; n -= 1) {
        const type = String.fromCharCode(u1());
        const name = named();
        made.fields.push({ type, name });
        // The class of a field is a string of its own.
        if (type === "L" || type === "[") content(1);
      }
    } else throw new SyntaxError(`not a class at byte ${at - 1}`);
    annotations(1);
    made.above = described();
    return made;
  };
  /** What a class has written by itself, up to its end. @param {number} depth @returns {{items: string[], blocks: string[]}} */
  const annotations = (depth) => {
    /** @type {{items: string[], blocks: string[]}} */
    const out = { items: [], blocks: [] };
    for (;;) {
      const mark = data[at];
      if (mark === 0x78) {
        at += 1;
        return out;
      }
      if (mark === 0x77 || mark === 0x7a) {
        at += 1;
        const n = mark === 0x77 ? u1() : i4();
        const from = take(n);
        out.blocks.push(JSON.stringify(Array.from(data.subarray(from, from + n), (b) => b.toString(16).padStart(2, "0")).join("")));
      } else out.items.push(content(depth + 1));
    }
  };
  /** @param {number} depth @returns {string} */
  const object = (depth) => {
    const type = described();
    const handle = handles.push('"(itself)"') - 1;
    const name = type?.name ?? "null";
    /** @type {Described[]} */
    const line = [];
    for (let one = type; one; one = one.above) line.unshift(one);
    /** @type {string[]} */
    const members = [];
    let last = "null";
    /** @type {string[]} */
    const items = [];
    for (const { flags, fields } of line) {
      if (flags & 2) for (const one of fields) {
        last = field(one.type, depth);
        members.push(`${JSON.stringify(one.name)}:${last}`);
      };
      if (flags & 1 || (flags & 12) === 12) {
        const own = annotations(depth);
        // Lists and maps write their size before their elements.
        items.push(...(own.items.length || /^java\.util\.\w*(List|Set|Map|Deque|Queue)$/.test(name) ? own.items : own.blocks));
      } else if (flags & 4) throw new SyntaxError(`${name} writes a form of its own`);
    }
    let out;
    if (BOXED.test(name)) out = last;
    else if (/^java\.util\.\w*Map$/.test(name) && items.length % 2 === 0) out = `{${items.flatMap((key, i) => (i % 2 ? [] : [`${key.startsWith('"') ? key : JSON.stringify(key)}:${items[i + 1]}`])).join(",")}}`;
    else if (/^java\.util\.\w*(List|Set|Deque|Queue)$/.test(name)) out = `[${items.join(",")}]`;
    else out = `{${[`"(class)":${JSON.stringify(name)}`, ...members, ...(items.length ? [`"(data)":[${items.join(",")}]`] : [])].join(",")}}`;
    handles[handle] = out.length > 2000 ? `"(${name} again)"` : out;
    return out;
  };
  /** @param {number} depth @returns {string} */
  const content = (depth) => {
    if (depth > MAX_DEPTH) throw new SyntaxError(`nested deeper than ${MAX_DEPTH}`);
    const mark = u1();
    if (mark === 0x70) return "null";
    if (mark === 0x71) {
      const known = handles[i4() - BASE_HANDLE];
      if (known === undefined) throw new SyntaxError("an unknown reference");
      return typeof known === "string" ? known : JSON.stringify(`class ${known.name}`);
    }
    if (mark === 0x73) return object(depth);
    if (mark === 0x74 || mark === 0x7c) {
      const n = mark === 0x74 ? u2() : Number(view.getBigUint64(take(8)));
      const out = JSON.stringify(text(n));
      handles.push(out);
      return out;
    }
    if (mark === 0x75) {
      const type = described()?.name ?? "[L";
      const handle = handles.push('"(itself)"') - 1;
      const n = i4();
      if (n < 0 || n > data.length - at) throw new RangeError("cut short");
      const out = `[${Array.from({ length: n }, () => field(type[1] ?? "L", depth)).join(",")}]`;
      handles[handle] = out.length > 2000 ? '"(array again)"' : out;
      return out;
    }
    if (mark === 0x76) {
      const type = described();
      const out = JSON.stringify(`class ${type?.name}`);
      handles.push(out);
      return out;
    }
    if (mark === 0x7e) {
      described();
      const handle = handles.push('""') - 1;
      return (handles[handle] = content(depth + 1));
    }
    throw new SyntaxError(`not a Java object at byte ${at - 1}`);
  };
  if (u2() !== 0xaced || u2() !== 5) throw new SyntaxError("not a stream of Java objects");
  const out = content(0);
  if (at !== data.length) throw new SyntaxError("more than one object");
  return out;
}
