/** Protocol buffers without their schema, as `protoc --decode_raw` has them; for reading only. Pure. */

const DEEPEST = 50;

/** @param {Uint8Array} data @returns {string} throws if it is not one whole message */
export function decodeRaw(data) {
  if (data.length === 0) throw new RangeError("empty");
  return fieldLines(data, 0).join("\n");
}

/** @param {Uint8Array} data @param {number} depth @returns {string[]} */
function fieldLines(data, depth) {
  if (depth > DEEPEST) throw new RangeError(`nested deeper than ${DEEPEST}`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  const take = (/** @type {number} */ n) => {
    if (n > data.length - at) throw new RangeError("cut short");
    at += n;
    return at - n;
  };
  const varint = () => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = data[take(1)];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
      shift += 7n;
      if (shift > 63n) throw new RangeError("a number is too long");
    }
  };
  /** @type {string[]} */
  const out = [];
  while (at < data.length) {
    const tag = varint();
    const [field, kind] = [tag >> 3n, Number(tag & 7n)];
    if (field === 0n || field > 536_870_911n) throw new RangeError("no field has this number");
    if (kind === 0) out.push(`${field}: ${varint()}`);
    else if (kind === 1) out.push(`${field}: 0x${view.getBigUint64(take(8), true).toString(16).padStart(16, "0")}`);
    else if (kind === 5) out.push(`${field}: 0x${view.getUint32(take(4), true).toString(16).padStart(8, "0")}`);
    else if (kind === 2) {
      const size = Number(varint());
      const from = take(size);
      out.push(...lengthLines(String(field), data.subarray(from, from + size), depth));
    } else throw new RangeError(`no field is of kind ${kind}`);
  }
  return out;
}

/** Text, a message, or bytes: what they seem to be. @param {string} field @param {Uint8Array} data @param {number} depth @returns {string[]} */
function lengthLines(field, data, depth) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
    if (!/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text)) return [`${field}: ${JSON.stringify(text)}`];
  } catch {
    // It is no text.
  }
  try {
    return [`${field} {`, ...fieldLines(data, depth + 1).map((line) => `  ${line}`), "}"];
  } catch {
    return [`${field}: bytes ${Array.from(data, (b) => b.toString(16).padStart(2, "0")).join("")}`];
  }
}
