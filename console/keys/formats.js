/** Ways to look at the bytes of a value. They only show: what is saved is what was stored or typed. */

import { html, useEffect, useMemo, useState } from "../vendor/htm-preact.module.js";
import { javaText } from "../decoders/javaobjects.js";
import { phpText } from "../decoders/php.js";
import { pickleText } from "../decoders/pickle.js";
import { date, duration, escapeControls, printable } from "../format.js";
import * as json from "../json.js";
import { toText } from "../msgpack.js";
import { decodeRaw } from "../protobuf.js";
import { COLOURED, JsonArea, JsonText } from "../parts/jsontext.js";
import { bytesOf, latinOf, nameOf, textOf } from "../resp.js";

/** @typedef {import("../resp.js").Name} Name */

/** The head of a long value that is shown at first. */
export const HEAD = 65_536;
const MAX_INFLATED = 1 << 20;

export const FORMATS = ["Text", "JSON", "Hex", "MessagePack", "Protobuf", "gzip"];

/** Those that few values have. */
const FURTHER = ["PHP", "Java", "pickle", "Time", "Brotli", "Zstd"];

/** What holds another value: the names that browsers have for it. @type {Record<string, string>} */
const PACKED = { gzip: "", Brotli: "brotli", Zstd: "zstd" };

/** Those that are shown as JSON. */
const AS_JSON = new Set(["JSON", "MessagePack", "PHP", "Java", "pickle"]);

/** The format that shows a value at best; text unless another is certain. @param {Name} value @returns {string} */
export function guess(value) {
  if (typeof value === "string") return json.isDocument(value) ? "JSON" : /^[aO]:\d+:/.test(value) && fits(() => phpText(bytesOf(value))) ? "PHP" : "Text";
  const data = value.data;
  if (data[0] === 0xac && data[1] === 0xed && data[2] === 0 && data[3] === 5) return "Java";
  if (data[0] === 0x28 && data[1] === 0xb5 && data[2] === 0x2f && data[3] === 0xfd) return "Zstd";
  if (data[0] === 0x80 && data[1] > 1 && data[1] < 6 && fits(() => pickleText(data))) return "pickle";
  // A private member of PHP has bytes of its own in its name, and a text may be cut.
  if (/^[aO]:\d+:/.test(latinOf(data.subarray(0, 14))) && fits(() => phpText(data))) return "PHP";
  // 18 bytes: the least that gzip has.
  if (data[0] === 0x1f && data[1] === 0x8b && data.length >= 18) return "gzip";
  return data[0] >= 0x80 && fits(() => toText(data)) ? "MessagePack" : "Hex";
}

/** Whether a decoder takes a value. @param {() => unknown} decode */
function fits(decode) {
  try {
    decode();
    return true;
  } catch {
    return false;
  }
}

/** A Unix time in seconds, milliseconds, microseconds or nanoseconds, by its number of digits. @param {string} text */
export function timeText(text) {
  const [, digits] = /^\s*(\d{9,19})(?:\.\d+)?\s*$/.exec(text) ?? [];
  if (digits === undefined) throw new SyntaxError("not a Unix time of 9 to 19 digits");
  const [unit, scale] = digits.length < 12 ? ["seconds", 1000] : digits.length < 15 ? ["milliseconds", 1] : digits.length < 18 ? ["microseconds", 1e-3] : ["nanoseconds", 1e-6];
  const ms = Number(digits) * scale;
  return `${new Date(ms).toISOString()}\n${date(ms)} here\n${ms > Date.now() ? `in ${duration(ms - Date.now())}` : `${duration(Date.now() - ms)} ago`}\n(${unit} since 1970)`;
}

/** Sixteen bytes a line: offset, hex, ASCII. @param {Uint8Array} data */
export function hexDump(data) {
  const lines = [];
  for (let at = 0; at < data.length; at += 16) {
    const row = [...data.subarray(at, at + 16)];
    const hex = row.map((b, i) => `${b.toString(16).padStart(2, "0")}${i === 7 ? " " : ""}`).join(" ");
    const text = row.map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : ".")).join("");
    lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(49)}  ${text}`);
  }
  return lines.join("\n");
}

/** Hex digits of an editor -> bytes; throws on anything else. @param {string} text */
export function fromHex(text) {
  const digits = text.replace(/\s+/g, "");
  if (digits.length % 2 || /[^\da-f]/i.test(digits)) throw new SyntaxError("Hex digits come in pairs of 0-9 and a-f.");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** @param {Uint8Array} data */
export function toHex(data) {
  return Array.from(data, (b) => b.toString(16).padStart(2, "0")).join(" ");
}

/** @param {Name} value @param {string} format @returns {string} throws if the value is not of that format */
function show(value, format) {
  if (format === "Hex") return hexDump(bytesOf(value));
  if (format === "JSON") {
    if (typeof value !== "string") throw new SyntaxError("not JSON: the bytes are not UTF-8");
    return escapeControls(json.pretty(json.parse(value)), true);
  }
  if (format === "MessagePack") return escapeControls(json.pretty(json.parse(toText(bytesOf(value)))), true);
  const decode = { PHP: phpText, Java: javaText, pickle: pickleText }[format];
  if (decode) return escapeControls(json.pretty(json.parse(decode(bytesOf(value)))), true);
  if (format === "Time") return timeText(textOf(value));
  if (format === "Protobuf") return escapeControls(decodeRaw(bytesOf(value)), true);
  return typeof value === "string" ? escapeControls(value, true) : printable(value, HEAD);
}

/** gzip, zlib or raw deflate, or what the browser calls `named` -> what is inside. @param {Uint8Array} data @param {string} [named] @returns {Promise<Name>} */
export async function inflate(data, named = "") {
  const kind = named ? named : data[0] === 0x1f && data[1] === 0x8b ? "gzip" : (data[0] & 15) === 8 && ((data[0] << 8) | data[1]) % 31 === 0 ? "deflate" : "deflate-raw";
  const reader = new Blob([/** @type {any} */ (data)]).stream().pipeThrough(new DecompressionStream(/** @type {any} */ (kind))).getReader();
  /** @type {number[]} */
  const out = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return nameOf(Uint8Array.from(out));
    // A small value may hold a very large one.
    if (out.length + value.length > MAX_INFLATED) {
      reader.cancel();
      throw new RangeError("more than 1 MiB inside");
    }
    for (const b of value) out.push(b);
  }
}

/** A value with the choice of its format. @param {{value: Name, label: string, choice?: string, onChoice?: (format: string) => void}} props */
export function Formatted({ value, label, choice, onChoice }) {
  const [own, setOwn] = useState(/** @type {string | undefined} */ (undefined));
  const format = choice ?? own ?? guess(value);
  const [inside, setInside] = useState(/** @type {{value?: Name, error?: string}} */ ({}));
  useEffect(() => {
    const packed = PACKED[format];
    if (packed === undefined) return;
    let current = true;
    setInside({});
    inflate(bytesOf(value), packed).then(
      (found) => current && setInside({ value: found }),
      () => current && setInside({ error: packed && !fits(() => new DecompressionStream(/** @type {any} */ (packed))) ? `this browser does not know ${format}` : `not ${format}${packed ? "" : " or deflate"}` }),
    );
    return () => {
      current = false;
    };
  }, [value, format]);
  const shown = useMemo(() => {
    try {
      if (PACKED[format] === undefined) return { text: show(value, format), coloured: AS_JSON.has(format) };
      if (inside.value === undefined) return { text: "", error: inside.error };
      const inner = guess(inside.value);
      return { text: show(inside.value, PACKED[inner] === undefined && inner !== "Hex" ? inner : "Text"), coloured: AS_JSON.has(inner) };
    } catch (error) {
      return { text: show(value, typeof value === "string" ? "Text" : "Hex"), error: /** @type {Error} */ (error).message };
    }
  }, [value, format, inside]);
  const pick = onChoice ?? setOwn;
  return html`<div class="formatted">
    <div class="segments" role="group" aria-label=${`Format of ${label}`}>${FORMATS.map((one) => html`<button type="button" aria-pressed=${String(one === format)} onClick=${() => pick(one)}>${one}</button>`)}</div>
    <select class="further" aria-label=${`Further formats of ${label}`} value=${FURTHER.includes(format) ? format : ""} onChange=${(/** @type {any} */ e) => e.target.value && pick(e.target.value)}><option value="">More…</option>${FURTHER.map((one) => html`<option value=${one} selected=${one === format}>${one}</option>`)}</select>
    ${shown.error && html`<p class="soft" role="status">As ${format}: ${shown.error}.</p>`}
    <pre class="value" tabindex="0" aria-label=${label}>${shown.coloured ? html`<${JsonText} text=${shown.text} />` : shown.text}</pre>
  </div>`;
}

/** Why a value is edited in hex; null if it can be as text. @param {Name} value */
export function whyHex(value) {
  if (typeof value !== "string") return "These bytes are not UTF-8: they stay in hex.";
  // A text area has \n alone as the end of a line.
  return value.includes("\r") ? "A carriage return would be lost as text: it stays in hex." : null;
}

/** Why a text is no document of JSON, in words. @param {string} text */
function whyNot(text) {
  try {
    json.parse(text);
    return "";
  } catch (error) {
    return `Not JSON: ${/** @type {Error} */ (error).message}.`;
  }
}

let fields = 0;

/** A field for a value that may be bytes: as text if it is UTF-8, in hex otherwise. @param {{label: string, value: Name, onChange: (value: Name | null) => void, rows?: number}} props `null`: not valid now */
export function ValueField({ label, value, onChange, rows = 3 }) {
  const [mode, setMode] = useState(whyHex(value) ? "hex" : "text");
  const [text, setText] = useState(() => (whyHex(value) ? toHex(bytesOf(value)) : /** @type {string} */ (value)));
  const [error, setError] = useState("");
  const [id] = useState(() => `value-${(fields += 1)}`);
  /** @param {string} next @param {string} as */
  const change = (next, as) => {
    setText(next);
    try {
      onChange(as === "hex" ? nameOf(fromHex(next)) : next);
      setError("");
    } catch (failure) {
      setError(/** @type {Error} */ (failure).message);
      onChange(null);
    }
  };
  const turn = () => {
    if (error) return;
    const now = mode === "hex" ? nameOf(fromHex(text)) : text;
    const why = mode === "hex" && whyHex(now);
    if (why) setError(why);
    else {
      setMode(mode === "hex" ? "text" : "hex");
      setText(mode === "hex" ? /** @type {string} */ (now) : toHex(bytesOf(now)));
    }
  };
  const document = useMemo(() => mode === "text" && text.length <= HEAD && json.isDocument(text), [mode, text]);
  // One that is being typed is not whole yet; a text area that becomes another one would lose the caret.
  const [began] = useState(() => /^\s*[{[]/.test(text));
  const isJson = mode === "text" && began && text.length <= COLOURED;
  const area = { id, rows, spellcheck: false, "aria-invalid": error ? "true" : null, "aria-describedby": error ? `${id}-error` : null, onInput: (/** @type {any} */ e) => change(e.target.value, mode) };
  const print = (/** @type {(node: json.Node) => string} */ how) => change(how(json.parse(text)), mode);
  return html`<div class="field"><div class="field-head"><label for=${id}>${label}</label>
    ${document && html`<span class="end"><button type="button" class="link" onClick=${() => print(json.pretty)}>indent</button> <button type="button" class="link" onClick=${() => print(json.minify)}>compact</button></span>`}<button type="button" class="link" aria-label=${`${label} ${mode === "hex" ? "as text" : "as hex"}`} onClick=${turn}>${mode === "hex" ? "as text" : "as hex"}</button></div>
    ${isJson ? html`<${JsonArea} text=${text} ...${area} />` : html`<textarea ...${area} value=${text}></textarea>`}
    ${isJson && !document && text.length <= HEAD && html`<small class="soft" role="status">${whyNot(text)}</small>`}
    ${error && html`<small id=${`${id}-error`} role="alert">${error}</small>`}</div>`;
}
