/**
 * Tables of replies whose shape a command gives: found documents, entries of streams, samples of series, members with
 * scores; and the samples as lines. Other replies are the tables that their own shape gives (cli.js). Pure.
 */

import { cell, sheet } from "./cli.js";
import { count, date, plural } from "./format.js";
import { RespMap, entriesOf, itemsOf, nameId, numberOf, textOf } from "./resp.js";
import { idTime } from "./keys/find.js";
import { sideBySide } from "./keys/samples.js";
import { readFound } from "./search/request.js";

/** @typedef {import("./resp.js").Name} Name */
/** @typedef {import("./cli.js").Sheet} Sheet */
/** @typedef {{times: number[], lines: {label: string, values: (number | null)[]}[]}} Drawing `times` in Unix milliseconds */
/** @typedef {{table: Sheet, notes: string[], drawing?: Drawing}} Shaped */

/** Series that are drawn. */
const LINES = 12;

/** A reply as a table; null: it is one value. @param {Name[]} args of the command @param {any} reply @returns {Shaped | null} */
export function shapedReply(args, reply) {
  if (reply instanceof Error) return null;
  const words = args.map((arg) => textOf(arg).toUpperCase());
  const own = shapedBy(words, reply);
  if (own) return own;
  const table = sheet(reply);
  return table && { table, notes: [] };
}

/** @param {string[]} words @param {any} reply @returns {Shaped | null} */
function shapedBy([command, ...rest], reply) {
  if (/^FT\.(SEARCH|AGGREGATE|HYBRID|CURSOR)$/.test(command)) return foundDocuments(reply);
  if (/^TS\.(REV)?RANGE$/.test(command)) return samplesOfOne(reply);
  if (/^TS\.M(REV)?RANGE$/.test(command)) return samplesOfMany(entriesOf(reply), (value) => itemsOf(value.at(-1)));
  if (command === "TS.MGET") return samplesOfMany(entriesOf(reply), (value) => (itemsOf(value.at(-1)).length ? [value.at(-1)] : []));
  if (command === "TS.GET" && itemsOf(reply).length === 2) return samplesOfOne([reply]);
  if (/^X(REV)?RANGE$|^XCLAIM$/.test(command)) return streamEntries([[null, reply]]);
  if (command === "XAUTOCLAIM") return streamEntries([[null, itemsOf(reply)[1]]]);
  if (/^XREAD(GROUP)?$/.test(command)) return streamEntries(/** @type {[Name, any][]} */ (reply instanceof RespMap ? reply.entries : itemsOf(reply)));
  if (/^Z/.test(command) && rest.includes("WITHSCORES") && itemsOf(reply).every((one) => Array.isArray(one) && one.length === 2)) return { table: { head: ["Member", "Score"], rows: itemsOf(reply) }, notes: [] };
  return null;
}

/** @param {any} reply @returns {Shaped | null} */
function foundDocuments(reply) {
  const found = readFound(reply);
  if (!found) return null;
  const { rows, columns, total, warnings, cursor } = found;
  const [keys, scores] = [rows.some(({ key }) => key !== null), rows.some(({ score }) => score !== null)];
  const head = [...(keys ? ["Key"] : []), ...(scores ? ["Score"] : []), ...columns.map(({ name }) => textOf(name))];
  const cells = rows.map((row) => [...(keys ? [row.key] : []), ...(scores ? [row.score] : []), ...columns.map(({ id }) => row.cells.get(id))]);
  return { table: { head, rows: cells }, notes: [`${plural(rows.length, "row")}, ${count(total)} found`, ...warnings, ...(cursor ? [`Cursor ${cursor} has more`] : [])] };
}

/** The values of a sample: several, if there are several aggregators. @param {any} sample @returns {number[]} */
function valuesOf(sample) {
  return itemsOf(sample).slice(1).flat().map(numberOf);
}

/** @param {any} reply samples @returns {Shaped | null} */
function samplesOfOne(reply) {
  const samples = itemsOf(reply);
  if (!samples.every((one) => itemsOf(one).length > 1)) return null;
  const most = Math.max(1, ...samples.map((one) => valuesOf(one).length));
  const names = most === 1 ? ["Value"] : Array.from({ length: most }, (_, i) => `Value ${i + 1}`);
  const rows = samples.map((one) => [date(numberOf(one[0])), one[0], ...one.slice(1).flat()]);
  return { table: { head: ["Time", "Timestamp", ...names], rows }, notes: [plural(samples.length, "sample")], drawing: drawn(names.map((label, i) => ({ label, samples: pairsOf(samples, i) }))) };
}

/** @param {[any, any][]} series by key @param {(value: any[]) => any[]} samplesIn what a series has in the reply @returns {Shaped | null} */
function samplesOfMany(series, samplesIn) {
  if (series.length > 0 && !series.every(([, value]) => itemsOf(value).length > 1)) return null;
  const all = series.map(([key, value]) => ({ key, samples: samplesIn(itemsOf(value)) }));
  const rows = all.flatMap(({ key, samples }) => samples.map((one) => [key, date(numberOf(one[0])), one[0], ...one.slice(1).flat()]));
  const most = Math.max(1, ...rows.map((row) => row.length - 3));
  const head = ["Series", "Time", "Timestamp", ...(most === 1 ? ["Value"] : Array.from({ length: most }, (_, i) => `Value ${i + 1}`))];
  const notes = [`${count(series.length)} series, ${plural(rows.length, "sample")}`, ...(series.length > LINES ? [`The first ${LINES} are drawn`] : [])];
  return { table: { head, rows }, notes, drawing: drawn(all.slice(0, LINES).map(({ key, samples }) => ({ label: textOf(key), samples: pairsOf(samples, 0) }))) };
}

/** @param {any[]} samples @param {number} at which of their values @returns {[number, number][]} */
function pairsOf(samples, at) {
  return samples.map((one) => [numberOf(one[0]), valuesOf(one)[at] ?? NaN]);
}

/** Lines of at least two times; undefined: there is no line. @param {{label: string, samples: [number, number][]}[]} series @returns {Drawing | undefined} */
function drawn(series) {
  const { times, values } = sideBySide(series.map(({ samples }) => samples));
  return times.length < 2 ? undefined : { times, lines: series.map(({ label }, i) => ({ label, values: values[i] })) };
}

/** @param {[Name | null, any][]} streams @returns {Shaped | null} */
function streamEntries(streams) {
  const entries = streams.flatMap(([stream, reply]) => itemsOf(reply).map((one) => ({ stream, id: itemsOf(one)[0], fields: itemsOf(one)[1] })));
  // XCLAIM JUSTID and the like reply IDs alone.
  if (!entries.every(({ id }) => id !== undefined)) return null;
  const named = streams.some(([stream]) => stream !== null);
  /** @type {Map<string, string>} */
  const columns = new Map();
  const maps = entries.map(({ fields }) => {
    const map = new Map();
    for (const [field, value] of entriesOf(fields)) {
      const id = nameId(field);
      columns.set(id, textOf(field));
      // A field may stand more than once in an entry.
      map.set(id, map.has(id) ? `${cell(map.get(id))}, ${cell(value)}` : value);
    }
    return map;
  });
  const head = [...(named ? ["Stream"] : []), "ID", "Time", ...columns.values()];
  const rows = entries.map(({ stream, id }, i) => [...(named ? [stream] : []), id, idTime(id), ...[...columns.keys()].map((column) => maps[i].get(column))]);
  return { table: { head, rows }, notes: [plural(rows.length, "entry", "entries")] };
}
