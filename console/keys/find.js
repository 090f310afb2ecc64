/** What narrows a collection down: fields above its table, and walks that go on until a page of matches is found. */

import { html, useState } from "../vendor/htm-preact.module.js";
import { UNKNOWN, date } from "../format.js";
import { RespError, bytesOf, latinOf, textOf } from "../resp.js";
import { useSettled } from "../state.js";
import { TextField } from "../parts/load.js";
import { rest } from "./walk.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {{id: string, label: string, placeholder?: string}} FindField */

/** Elements that a step of a walk looks at. */
export const STEP = 1000;

/** Matches after which a walk rests until more are asked for. */
const ENOUGH = 100;

/**
 * Fields that narrow down. `find`: what they have, after it was still for a moment; `id`: the same as one string.
 * @param {FindField[]} fields @returns {{find: Record<string, string>, id: string, bar: any}}
 */
export function useFind(fields) {
  const [draft, setDraft] = useState(/** @type {Record<string, string>} */ ({}));
  const find = useSettled(draft, 300);
  const bar = html`<div class="find" role="group" aria-label="Narrow down">${fields.map(({ id, label, placeholder }) => html`<${TextField} key=${id} type="search" label=${label} placeholder=${placeholder} value=${draft[id] ?? ""} onInput=${(/** @type {string} */ text) => setDraft({ ...draft, [id]: text })} />`)}</div>`;
  return { find, id: fields.map(({ id }) => find[id] ?? "").join("\n"), bar };
}

/** @template R @typedef {{rows: R[], next: string | null, cost: number, seen: number}} Step `cost`: us of the server; `seen`: elements looked at */
/** @template R @typedef {{rows: R[], next: string | null, walked?: number}} Page `walked`: elements looked at, of a walk */

/**
 * Steps until a page of matches is found, the end, or `walk.stopped`; the server rests in between.
 * @template R @param {(cursor: string) => Promise<Step<R>>} step @param {string} cursor
 * @param {import("./collection.js").Walker<R>} walk @returns {Promise<Page<R>>}
 */
export async function walkOn(step, cursor, walk) {
  /** @type {R[]} */
  const rows = [];
  let walked = 0;
  for (;;) {
    const began = performance.now();
    const { rows: found, next, cost, seen } = await step(cursor);
    for (const row of found) rows.push(row);
    walked += seen;
    const page = { rows: [...rows], next, walked };
    if (next === null || rows.length >= ENOUGH || walk.stopped()) return page;
    walk.onPart(page);
    cursor = next;
    await rest(cost, began);
  }
}

/** A reply whose error is an exception, and what it cost. @param {import("../api.js").Batch} batch */
export function onlyReply({ replies, cost }) {
  if (replies[0] instanceof RespError) throw replies[0];
  return { reply: /** @type {any} */ (replies[0]), cost };
}

/** Whether bytes hold a part, as it is written. @param {Name} value @param {string} part */
export function holds(value, part) {
  return latinOf(bytesOf(value)).includes(latinOf(bytesOf(part)));
}

/** A place in a list of `size`: from its end if it is negative; throws on anything but a whole number. @param {string | undefined} text @param {number} size @param {number} otherwise if there is no text */
export function indexOf(text, size, otherwise) {
  if (!text?.trim()) return otherwise;
  if (!/^\s*-?\d{1,15}\s*$/.test(text)) throw new RangeError("An index is a whole number; -1 is the last element.");
  const at = Number(text);
  return at < 0 ? Math.max(0, size + at) : at;
}

/** An end of a range of a stream: an ID, or a time of this browser. @param {string | undefined} text @param {string} otherwise @returns {string} */
export function idOf(text, otherwise) {
  const word = text?.trim() ?? "";
  if (word === "") return otherwise;
  if (/^[-+]$|^\(?\d+(-\d+)?$/.test(word)) return word;
  const time = Date.parse(word.replace(/^(\d{4}-\d\d-\d\d) /, "$1T"));
  if (Number.isNaN(time)) throw new RangeError("An end of the range is an ID (1700000000000-0) or a time (2026-11-28 13:00).");
  return String(Math.max(0, time));
}

/** The time in the ID of an entry; none of an ID that was chosen and is no time of these decades. @param {any} id */
export function idTime(id) {
  const ms = Number(textOf(id).split("-")[0]);
  return ms >= 1e12 && ms < 1e13 ? date(ms) : UNKNOWN;
}

/** An end of a range of scores, as ZRANGE takes it. @param {string | undefined} text @param {string} otherwise */
export function scoreOf(text, otherwise) {
  return text?.trim() || otherwise;
}

/** Whether a score is within ends as ZRANGE BYSCORE takes them. @param {number} score @param {string | undefined} min @param {string | undefined} max */
export function isWithin(score, min, max) {
  const [low, high] = [scoreOf(min, "-inf"), scoreOf(max, "+inf")];
  const at = (/** @type {string} */ end) => Number(end.replace(/^\(/, "").replace(/inf$/i, "Infinity"));
  return (low.startsWith("(") ? score > at(low) : score >= at(low)) && (high.startsWith("(") ? score < at(high) : score <= at(high));
}
