/** Vectors as they are typed, and as the bytes that indexes take. Pure. */

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {import("../api.js").Cmd} Cmd */

/** Numbers with commas or blanks between them, in brackets or without; null: the text is no list of at least two. @param {string} text @returns {string[] | null} */
export function vectorOf(text) {
  const words = text.replace(/^\s*\[|\]\s*$/g, "").match(/[^\s,]+/g) ?? [];
  return words.length > 1 && words.every((word) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word)) ? words : null;
}

/** @param {Name} key @param {Record<string, Name>} v `vector`: numbers @returns {Cmd} */
export function addVector(key, { value, vector }) {
  const numbers = String(vector).match(/[^\s,]+/g) ?? [];
  return ["VADD", key, "VALUES", numbers.length, ...numbers, value];
}

/** The bits of the nearest number of half precision. @param {number} value */
function halfBits(value) {
  const [bits] = new Uint32Array(new Float32Array([value]).buffer);
  const [sign, exponent, fraction] = [(bits >>> 16) & 0x8000, ((bits >>> 23) & 0xff) - 112, bits & 0x7fffff];
  if (exponent >= 31) return sign | 0x7c00 | (Number.isNaN(value) ? 0x200 : 0);
  // A number too small for an exponent: its fraction moves.
  const shift = exponent > 0 ? 13 : 14 - exponent;
  if (shift > 24) return sign;
  const whole = exponent > 0 ? (exponent << 23) | fraction : fraction | 0x800000;
  const [half, rest] = [whole >>> shift, whole & ((1 << shift) - 1)];
  return sign | (half + (rest > 1 << (shift - 1) || (rest === 1 << (shift - 1) && half & 1) ? 1 : 0));
}

/** Little endian, as a vector field of this type takes it. @param {string} type FLOAT32, FLOAT64, FLOAT16, BFLOAT16, INT8, UINT8 @param {number[]} numbers @returns {Uint8Array} */
export function vectorBytes(type, numbers) {
  const size = { FLOAT64: 8, FLOAT32: 4, FLOAT16: 2, BFLOAT16: 2, INT8: 1, UINT8: 1 }[type];
  if (size === undefined) throw new RangeError(`Vectors of the type ${type} are not known here.`);
  const view = new DataView(new ArrayBuffer(size * numbers.length));
  numbers.forEach((value, i) => {
    if (type === "FLOAT64") view.setFloat64(8 * i, value, true);
    else if (type === "FLOAT32") view.setFloat32(4 * i, value, true);
    else if (type === "FLOAT16") view.setUint16(2 * i, halfBits(value), true);
    else if (type === "BFLOAT16") {
      const [bits] = new Uint32Array(new Float32Array([value]).buffer);
      view.setUint16(2 * i, (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16, true);
    } else if (type === "INT8") view.setInt8(i, value);
    else view.setUint8(i, value);
  });
  return new Uint8Array(view.buffer);
}
