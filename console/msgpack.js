/** MessagePack as JSON-like text, for reading only: integers keep all digits, bytes are shown in hex. Pure. */

const MAX_DEPTH = 100;

/** @param {Uint8Array} data @returns {string} throws if it is not one whole value */
export function toText(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  /** @param {number} n */
  const take = (n) => {
    if (at + n > data.length) throw new RangeError("cut short");
    at += n;
    return data.subarray(at - n, at);
  };
  /** @param {1 | 2 | 4} size */
  const unsigned = (size) => {
    take(size);
    return size === 1 ? view.getUint8(at - 1) : size === 2 ? view.getUint16(at - 2) : view.getUint32(at - 4);
  };
  const hex = (/** @type {Uint8Array} */ b) => `"${Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("")}"`;
  const text = (/** @type {number} */ n) => JSON.stringify(utf8.decode(take(n)));
  /** @param {number} n @param {number} depth @returns {string} */
  const list = (n, depth) => `[${Array.from({ length: bounded(n) }, () => value(depth + 1)).join(",")}]`;
  /** @param {number} n @param {number} depth @returns {string} */
  const map = (n, depth) => `{${Array.from({ length: bounded(n) }, () => {
    const key = value(depth + 1);
    return `${key.startsWith('"') ? key : JSON.stringify(key)}:${value(depth + 1)}`;
  }).join(",")}}`;
  // Each element has a byte at least: a length beyond the rest is a lie.
  const bounded = (/** @type {number} */ n) => {
    if (n > data.length - at) throw new RangeError("cut short");
    return n;
  };
  const extension = (/** @type {number} */ n) => {
    const type = view.getInt8((take(1), at - 1));
    return `{"extension":${type},"data":${hex(take(n))}}`;
  };
  /** @param {number} depth @returns {string} */
  const value = (depth) => {
    if (depth > MAX_DEPTH) throw new RangeError("nested too deep");
    const b = unsigned(1);
    if (b < 0x80) return String(b);
    if (b < 0x90) return map(b & 15, depth);
    if (b < 0xa0) return list(b & 15, depth);
    if (b < 0xc0) return text(b & 31);
    if (b >= 0xe0) return String(b - 256);
    switch (b) {
      case 0xc0: return "null";
      case 0xc2: return "false";
      case 0xc3: return "true";
      case 0xc4: return hex(take(unsigned(1)));
      case 0xc5: return hex(take(unsigned(2)));
      case 0xc6: return hex(take(unsigned(4)));
      case 0xc7: return extension(unsigned(1));
      case 0xc8: return extension(unsigned(2));
      case 0xc9: return extension(unsigned(4));
      case 0xca: return String((take(4), view.getFloat32(at - 4)));
      case 0xcb: return String((take(8), view.getFloat64(at - 8)));
      case 0xcc: return String(unsigned(1));
      case 0xcd: return String(unsigned(2));
      case 0xce: return String(unsigned(4));
      case 0xcf: return String((take(8), view.getBigUint64(at - 8)));
      case 0xd0: return String((take(1), view.getInt8(at - 1)));
      case 0xd1: return String((take(2), view.getInt16(at - 2)));
      case 0xd2: return String((take(4), view.getInt32(at - 4)));
      case 0xd3: return String((take(8), view.getBigInt64(at - 8)));
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return extension(1 << (b - 0xd4));
      case 0xd9: return text(unsigned(1));
      case 0xda: return text(unsigned(2));
      case 0xdb: return text(unsigned(4));
      case 0xdc: return list(unsigned(2), depth);
      case 0xdd: return list(unsigned(4), depth);
      case 0xde: return map(unsigned(2), depth);
      case 0xdf: return map(unsigned(4), depth);
      default: throw new RangeError("not MessagePack");
    }
  };
  const out = value(0);
  if (at !== data.length) throw new RangeError("more than one value");
  return out;
}
