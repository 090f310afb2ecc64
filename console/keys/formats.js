/** Ways to look at the bytes of a value. They only show: what is saved is what was stored or typed. */

import { html, useEffect, useMemo, useState } from "../vendor/htm-preact.module.js";
import { escapeControls, printable } from "../format.js";
import * as json from "../json.js";
import { toText } from "../msgpack.js";
import { decodeRaw } from "../protobuf.js";
import { bytesOf, nameOf } from "../resp.js";

/** @typedef {import("../resp.js").Name} Name */

/** The head of a long value that is shown at first. */
export const HEAD = 65_536;
const MAX_INFLATED = 1 << 20;

export const FORMATS = ["Text", "JSON", "Hex", "MessagePack", "Protobuf", "gzip"];

/** The format that shows a value at best; text unless another is certain. @param {Name} value @returns {string} */
export function guess(value) {
  if (typeof value === "string") return json.isDocument(value) ? "JSON" : "Text";
  const data = value.data;
  // 18 bytes: the least that gzip has.
  if (data[0] === 0x1f && data[1] === 0x8b && data.length >= 18) return "gzip";
  try {
    if (data[0] >= 0x80 && toText(data)) return "MessagePack";
  } catch {
    // Only a guess.
  }
  return "Hex";
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
  if (format === "Protobuf") return escapeControls(decodeRaw(bytesOf(value)), true);
  return typeof value === "string" ? escapeControls(value, true) : printable(value, HEAD);
}

/** gzip, zlib or raw deflate -> what is inside. @param {Uint8Array} data @returns {Promise<Name>} */
export async function inflate(data) {
  const kind = data[0] === 0x1f && data[1] === 0x8b ? "gzip" : (data[0] & 15) === 8 && ((data[0] << 8) | data[1]) % 31 === 0 ? "deflate" : "deflate-raw";
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
    if (format !== "gzip") return;
    let current = true;
    setInside({});
    inflate(bytesOf(value)).then(
      (found) => current && setInside({ value: found }),
      () => current && setInside({ error: "not gzip or deflate" }),
    );
    return () => {
      current = false;
    };
  }, [value, format]);
  const shown = useMemo(() => {
    try {
      if (format !== "gzip") return { text: show(value, format) };
      if (inside.value === undefined) return { text: "", error: inside.error };
      return { text: show(inside.value, guess(inside.value) === "JSON" ? "JSON" : "Text") };
    } catch (error) {
      return { text: show(value, typeof value === "string" ? "Text" : "Hex"), error: /** @type {Error} */ (error).message };
    }
  }, [value, format, inside]);
  const pick = onChoice ?? setOwn;
  return html`<div class="formatted">
    <div class="segments" role="group" aria-label=${`Format of ${label}`}>${FORMATS.map((one) => html`<button type="button" aria-pressed=${String(one === format)} onClick=${() => pick(one)}>${one}</button>`)}</div>
    ${shown.error && html`<p class="soft" role="status">As ${format}: ${shown.error}.</p>`}
    <pre class="value" tabindex="0" aria-label=${label}>${shown.text}</pre>
  </div>`;
}

/** Why a value is edited in hex; null if it can be as text. @param {Name} value */
export function whyHex(value) {
  if (typeof value !== "string") return "These bytes are not UTF-8: they stay in hex.";
  // A text area has \n alone as the end of a line.
  return value.includes("\r") ? "A carriage return would be lost as text: it stays in hex." : null;
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
  const print = (/** @type {(node: json.Node) => string} */ how) => change(how(json.parse(text)), mode);
  return html`<div class="field"><div class="field-head"><label for=${id}>${label}</label>
    ${document && html`<span class="end"><button type="button" class="link" onClick=${() => print(json.pretty)}>indent</button> <button type="button" class="link" onClick=${() => print(json.minify)}>compact</button></span>`}<button type="button" class="link" aria-label=${`${label} ${mode === "hex" ? "as text" : "as hex"}`} onClick=${turn}>${mode === "hex" ? "as text" : "as hex"}</button></div>
    <textarea id=${id} rows=${rows} spellcheck=${false} value=${text} aria-invalid=${error ? "true" : null} aria-describedby=${error ? `${id}-error` : null} onInput=${(/** @type {any} */ e) => change(e.target.value, mode)}></textarea>
    ${error && html`<small id=${`${id}-error`} role="alert">${error}</small>`}</div>`;
}
