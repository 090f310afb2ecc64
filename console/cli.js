/** Replies as redis-cli prints them, as a table, and as JSON. Pure. */

import { quoted } from "./format.js";
import * as json from "./json.js";
import { BigNumber, Bytes, Double, Push, RespError, RespMap, RespSet, Status, Verbatim, bytesOf, textOf } from "./resp.js";

/** @typedef {import("./resp.js").Value} Value */

/** As redis-cli -3 on a terminal. @param {Value} value @param {string} [lead] what stands before each further line @returns {string} */
export function cliText(value, lead = "") {
  if (value === null || value === undefined) return "(nil)";
  if (value === true || value === false) return `(${value})`;
  if (typeof value === "number" || typeof value === "bigint") return `(integer) ${value}`;
  if (typeof value === "string" || value instanceof Bytes) return cliString(value);
  if (value instanceof Status) return value.text;
  if (value instanceof Double) return `(double) ${value.text}`;
  if (value instanceof BigNumber) return value.text;
  if (value instanceof RespError) return `(error) ${value.text}`;
  if (value instanceof Verbatim) return textOf(value.text).replace(/\r\n/g, "\n").replace(/[\x00-\x08\x0b-\x1f\x7f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  if (value instanceof RespMap) {
    if (value.entries.length === 0) return "(empty hash)";
    return lines(value.entries, lead, "#", ([key, one], inner) => `${cliText(key, inner)} => ${cliText(one, inner)}`);
  }
  const items = Array.isArray(value) ? value : value.items;
  const mark = value instanceof RespSet ? "~" : value instanceof Push ? ">" : ")";
  if (items.length === 0) return value instanceof RespSet ? "(empty set)" : "(empty array)";
  return lines(items, lead, mark, cliText);
}

/** @template T @param {T[]} items @param {string} lead @param {string} mark @param {(item: T, lead: string) => string} print */
function lines(items, lead, mark, print) {
  const width = String(items.length).length;
  return items
    .map((item, i) => {
      const head = `${String(i + 1).padStart(width)}${mark} `;
      return (i ? lead : "") + head + print(item, lead + " ".repeat(head.length));
    })
    .join("\n");
}

/** Always in double quotes. @param {string | Bytes} value */
function cliString(value) {
  const text = quoted(value);
  return text.startsWith('"') ? text : `"${text}"`;
}

/** @typedef {{head: string[], rows: Value[][]}} Sheet */

/** A reply as rows: maps of the same fields, arrays of arrays, a map, a list; null if it is one value. @param {Value} value @returns {Sheet | null} */
export function sheet(value) {
  if (value instanceof RespMap) {
    const maps = value.entries.length > 0 && value.entries.every(([, one]) => one instanceof RespMap);
    if (!maps) return { head: ["Field", "Value"], rows: value.entries };
    const { head, rows } = fieldsOf(value.entries.map(([, one]) => one));
    return { head: ["", ...head], rows: rows.map((row, i) => [value.entries[i][0], ...row]) };
  }
  const items = Array.isArray(value) ? value : value instanceof RespSet || value instanceof Push ? value.items : null;
  if (!items) return null;
  if (items.length > 0 && items.every((item) => item instanceof RespMap)) return fieldsOf(items);
  if (items.length > 0 && items.every(Array.isArray)) {
    const width = Math.max(...items.map((item) => item.length));
    return { head: Array.from({ length: width }, (_, i) => String(i + 1)), rows: items };
  }
  return { head: ["#", "Value"], rows: items.map((item, i) => [i + 1, item]) };
}

/** @param {RespMap[]} maps @returns {Sheet} */
function fieldsOf(maps) {
  const head = [...new Set(maps.flatMap(({ entries }) => entries.map(([key]) => textOf(key))))];
  return { head, rows: maps.map((map) => head.map((field) => map.get(field))) };
}

/** A cell of a sheet on one line. @param {Value} value @returns {string} */
export function cell(value) {
  if (value === undefined) return "";
  if (typeof value === "string" || value instanceof Bytes) return typeof value === "string" ? value : cliString(value);
  if (value === null) return "(nil)";
  const one = sheet(value);
  return one ? plainJson(value, false) : textOf(value);
}

/** A sheet as CSV; a cell that a spreadsheet would take for a formula gets a quote. @param {Sheet} table */
export function csv({ head, rows }) {
  const one = (/** @type {string} */ text) => {
    const safe = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  };
  return [head, ...rows.map((row) => row.map(cell))].map((row) => row.map(one).join(",")).join("\n");
}

/**
 * A reply as JSON that programs and people expect: maps are objects, sets arrays, numbers numbers with all their digits.
 * Text in which nothing is JSON's own stays text; bytes that are no text are escaped as redis-cli does it. The texts of
 * `documents` (the replies of JSON commands) are part of the document.
 * @param {Value} value @param {boolean} [documents]
 */
export function jsonText(value, documents = false) {
  return json.pretty(json.parse(plainJson(value, documents)));
}

/** @param {Value} value @param {boolean} documents @returns {string} */
function plainJson(value, documents) {
  if (typeof value === "bigint") return String(value);
  if (value === undefined || value === null || typeof value === "number" || typeof value === "boolean") return JSON.stringify(value ?? null);
  if (typeof value === "string") return documents && json.isDocument(value) ? json.minify(json.parse(value)) : JSON.stringify(value);
  if (value instanceof Bytes) return JSON.stringify(quoted(value).slice(1, -1));
  if (value instanceof Double || value instanceof BigNumber) return /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i.test(value.text) ? value.text : JSON.stringify(value.text);
  if (value instanceof RespError) return `{"error":${JSON.stringify(value.text)}}`;
  if (value instanceof RespMap) return `{${value.entries.map(([key, one]) => `${JSON.stringify(typeof key === "string" ? key : cell(key))}:${plainJson(one, documents)}`).join(",")}}`;
  const items = Array.isArray(value) ? value : value instanceof RespSet || value instanceof Push ? value.items : null;
  return items ? `[${items.map((one) => plainJson(one, documents)).join(",")}]` : JSON.stringify(textOf(value));
}

/** How long a reply is, about. @param {Value} value @returns {number} */
export function weight(value) {
  if (typeof value === "string" || value instanceof Bytes) return bytesOf(value).length;
  if (value instanceof RespMap) return value.entries.reduce((sum, [k, v]) => sum + weight(k) + weight(v), 0);
  const items = Array.isArray(value) ? value : value instanceof RespSet || value instanceof Push ? value.items : null;
  return items ? items.reduce((sum, item) => sum + weight(item), 0) : 8;
}
