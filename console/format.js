/** Numbers, bytes, times and names as people read them. Pure. */

import { bytesOf } from "./resp.js";

/** @typedef {import("./resp.js").Name} Name */

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });

/** What stands for an unknown figure. */
export const UNKNOWN = "–";

/** 1234567 -> "1,234,567". @param {number | bigint | null | undefined} n */
export function count(n) {
  return known(n) ? grouped.format(n) : UNKNOWN;
}

/** 1234567 -> "1.23M"; at most three digits. @param {number | null | undefined} n */
export function compact(n) {
  if (!known(n)) return UNKNOWN;
  return scaled(n, 1000, ["", "k", "M", "G", "T", "P"], "");
}

/** 1536 -> "1.5 KiB". @param {number | null | undefined} n */
export function bytes(n) {
  if (!known(n)) return UNKNOWN;
  return scaled(n, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], " ");
}

/** 0.934 -> "93.4 %". @param {number | null | undefined} share @param {number} [digits] */
export function percent(share, digits = 1) {
  return known(share) ? `${(share * 100).toFixed(digits)} %` : UNKNOWN;
}

/** Milliseconds -> "350 ms", "12.5 s", "3 min 20 s", "2 h 5 min", "4 d 3 h". @param {number | null | undefined} ms */
export function duration(ms) {
  if (!known(ms)) return UNKNOWN;
  const sign = ms < 0 ? "-" : "";
  ms = Math.abs(ms);
  if (ms < 1000) return `${sign}${round(ms)} ms`;
  if (ms < 60_000) return `${sign}${round(ms / 1000)} s`;
  const s = Math.floor(ms / 1000);
  for (const [big, bigName, small, smallName] of /** @type {[number, string, number, string][]} */ ([
    [86400, "d", 3600, "h"],
    [3600, "h", 60, "min"],
    [60, "min", 1, "s"],
  ])) {
    if (s < big) continue;
    const rest = Math.floor((s % big) / small);
    return `${sign}${Math.floor(s / big)} ${bigName}${rest ? ` ${rest} ${smallName}` : ""}`;
  }
  return "";
}

/** Milliseconds -> "3 min", in one unit. @param {number | null | undefined} ms */
export function brief(ms) {
  return duration(ms).split(" ", 2).join(" ");
}

/** Milliseconds -> "3 min ago", in one unit. @param {number | null | undefined} ms */
export function ago(ms) {
  return known(ms) ? `${brief(Math.max(0, ms))} ago` : UNKNOWN;
}

/** Microseconds -> "42 µs", "1.2 ms". @param {number | null | undefined} us */
export function micros(us) {
  if (!known(us)) return UNKNOWN;
  return us < 1000 ? `${round(us)} µs` : duration(us / 1000);
}

/** A TTL in milliseconds as TTL commands reply it: -1 "no expiry", -2 "gone". @param {number | null | undefined} ms */
export function ttl(ms) {
  if (!known(ms)) return UNKNOWN;
  return ms === -1 ? "no expiry" : ms === -2 ? "gone" : duration(ms);
}

/** Unix milliseconds -> local "2026-11-23 11:31:05". @param {number | null | undefined} ms */
export function date(ms) {
  if (!known(ms)) return UNKNOWN;
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(ms)}`;
}

/** Unix milliseconds -> local "11:31:05". @param {number | null | undefined} ms */
export function clock(ms) {
  if (!known(ms)) return UNKNOWN;
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** "1 key", "2,000 keys". @param {number} n @param {string} one @param {string} [many] */
export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/**
 * A name as one line of text that shows every byte: controls, invisible and bidirectional marks and bytes that
 * are not UTF-8 appear as `\n`, `\x1b`, `\u202e`. For reading: a name with a backslash is ambiguous.
 * @param {Name | null | undefined} name @param {number} [limit] of characters; the rest is "…"
 */
export function printable(name, limit = 1000) {
  if (name === null || name === undefined) return "";
  let text = typeof name === "string" ? name : mixed(name.data.subarray(0, limit * 4));
  const cut = text.length > limit;
  if (cut) text = text.slice(0, limit).replace(/[\ud800-\udbff]$/, "");
  if (typeof name === "string") text = escapeControls(text);
  return cut ? `${text}…` : text;
}

/** Text with invisible characters escaped; `\n` and `\t` too unless `lines`. @param {string} text @param {boolean} [lines] */
export function escapeControls(text, lines = false) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/gu, (c) => {
    if (lines && (c === "\n" || c === "\t")) return c;
    // A joiner belongs to emoji and to several scripts.
    if (c === "\u200d" || c === "\u200c") return c;
    return NAMED[c] ?? escapeCode(c.codePointAt(0) ?? 0);
  });
}

/** A name as redis-cli takes it on its line: bare if it is plain, in double quotes otherwise. @param {Name | number} name */
export function quoted(name) {
  if (typeof name === "number") return String(name);
  if (typeof name === "string" && /^[\w\-.:@/+*{}[\]()<>=,%&|~^!?]+$/.test(name)) return name;
  let out = '"';
  for (const b of bytesOf(name)) {
    const c = String.fromCharCode(b);
    if (c === '"' || c === "\\") out += `\\${c}`;
    else if (b >= 0x20 && b < 0x7f) out += c;
    else out += NAMED[c] ?? `\\x${hex(b)}`;
  }
  // Text of other scripts stays readable: redis-cli and the workbench take it as it is.
  if (typeof name === "string" && /[^\x00-\x7f]/.test(name))
    out = `"${name.replace(/["\\]/g, "\\$&").replace(/[\x00-\x1f\x7f]/g, (c) => NAMED[c] ?? `\\x${hex(c.charCodeAt(0))}`)}`;
  return `${out}"`;
}

/** A command as one line of redis-cli. @param {(Name | number)[]} cmd */
export function commandLine(cmd) {
  return cmd.map(quoted).join(" ");
}

/** Whether a remedy is a command to run, not words: "CONFIG SET maxmemory auto". @param {string} remedy */
export function isCommand(remedy) {
  return /^[A-Z]{3,}( [\w.*:@/-]*[\w*])*$/.test(remedy);
}

/** @type {Record<string, string>} */
const NAMED = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x07": "\\a", "\b": "\\b" };

/** @param {number} code */
function escapeCode(code) {
  if (code < 0x100) return `\\x${hex(code)}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\u{${code.toString(16)}}`;
}

/** Bytes as text where they are UTF-8, `\xNN` where not. @param {Uint8Array} data */
function mixed(data) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let out = "";
  for (let i = 0; i < data.length; ) {
    const b = data[i];
    const size = b < 0x80 ? 1 : b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : b >= 0xc0 ? 2 : 1;
    try {
      out += escapeControls(decoder.decode(data.subarray(i, i + size)));
      i += size;
    } catch {
      out += `\\x${hex(b)}`;
      i += 1;
    }
  }
  return out;
}

/** @param {number | bigint | null | undefined} n @returns {n is number} */
function known(n) {
  return n !== null && n !== undefined && !Number.isNaN(n);
}

/** @param {number} n @param {number} base @param {string[]} units @param {string} gap */
function scaled(n, base, units, gap) {
  if (!Number.isFinite(n)) return n < 0 ? "-∞" : "∞";
  let at = 0;
  // 999.95 would be printed with four digits.
  while (Math.abs(n) >= base * 0.9995 && at < units.length - 1) {
    n /= base;
    at += 1;
  }
  return `${round(n)}${units[at] ? gap + units[at] : ""}`;
}

/** Three significant digits below 1,000. @param {number} n */
function round(n) {
  const digits = Math.abs(n) >= 99.95 ? 0 : Math.abs(n) >= 9.995 ? 1 : 2;
  return String(Number(n.toFixed(digits)));
}

/** @param {number} b */
function hex(b) {
  return b.toString(16).padStart(2, "0");
}

/** @param {number} n */
function two(n) {
  return String(n).padStart(2, "0");
}
