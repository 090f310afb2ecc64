/** Samples of time series for a chart: as many as it has room for, several series side by side. */

import { splitCommand } from "../commandline.js";
import { RespError, entriesOf, itemsOf, numberOf, textOf } from "../resp.js";

/** @typedef {import("../resp.js").Name} Bulk */
/** @typedef {import("../api.js").Cmd} Cmd */
/** @typedef {(cmds: Cmd[]) => Promise<any[]>} Ask replies in the order of the commands; errors are among them */
/** @typedef {{key: Bulk, first: number, last: number, samples: number, facts: Record<string, any>}} Series `first`, `last`: Unix milliseconds */
/** @typedef {[number, number][]} Samples Unix milliseconds and values, ascending */

/** Series of one chart: as many as colours and dashes tell apart. */
export const SERIES_MAX = 12;

/** Aggregators that keep the unit of the samples, and their number. */
export const AGGREGATORS = ["avg", "min", "max", "first", "last", "sum", "range", "count", "std.p", "twa"];

const SECOND = 1000;
const DAY = 86_400 * SECOND;
/** Widths of buckets that people read at once, in milliseconds. */
const WIDTHS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400].map((s) => s * SECOND),
];

/** The least round width of buckets of which at most so many span the time. @param {number} span milliseconds @param {number} points */
export function bucketOf(span, points) {
  const least = span / Math.max(points, 1);
  return WIDTHS.find((width) => width >= least) ?? Math.ceil(least / DAY) * DAY;
}

/** Milliseconds as the aggregations of a chart say them: "30 s", "6 h". @param {number} width */
export function widthText(width) {
  for (const [unit, name] of /** @type {[number, string][]} */ ([[DAY, "d"], [3600 * SECOND, "h"], [60 * SECOND, "min"], [SECOND, "s"]])) {
    if (width % unit === 0) return `${width / unit} ${name}`;
  }
  return `${width} ms`;
}

/** Series by name, with their facts; other than series are left out. @param {Ask} ask @param {Bulk[]} keys @returns {Promise<Series[]>} */
export async function readFacts(ask, keys) {
  const replies = await ask(keys.map((key) => /** @type {Cmd} */ (["TS.INFO", key])));
  return keys.flatMap((key, i) => {
    if (replies[i] instanceof RespError) return [];
    const facts = Object.fromEntries(entriesOf(replies[i]).map(([name, fact]) => [textOf(name), fact]));
    return [{ key, first: numberOf(facts.firstTimestamp), last: numberOf(facts.lastTimestamp), samples: numberOf(facts.totalSamples), facts }];
  });
}

/**
 * The series of which a filter of labels is true, in the order of their names, and how many there are.
 * @param {Ask} ask @param {string} filter words as TS.QUERYINDEX takes them: `area=32 type!=raw`
 */
export async function readMatching(ask, filter) {
  const [names] = await ask([["TS.QUERYINDEX", ...splitCommand(filter)]]);
  if (names instanceof RespError) throw names;
  const keys = /** @type {Bulk[]} */ (itemsOf(names));
  return { series: await readFacts(ask, keys.slice(0, SERIES_MAX)), total: keys.length };
}

/**
 * Samples between two times: all of them where no series has more than `points` there, else one for each bucket.
 * @param {Ask} ask @param {Bulk[]} keys @param {{from: number, to: number, points: number, aggregator: string}} view
 * @returns {Promise<{bucket: number | null, samples: Samples[]}>} `bucket`: null if they are all
 */
export async function readSamples(ask, keys, { from, to, points, aggregator }) {
  const [low, high] = [Math.max(0, Math.floor(from)), Math.max(0, Math.ceil(to))];
  const raw = await ask(keys.map((key) => /** @type {Cmd} */ (["TS.RANGE", key, low, high, "COUNT", points + 1])));
  const failed = raw.find((reply) => reply instanceof RespError);
  if (failed) throw failed;
  if (raw.every((reply) => itemsOf(reply).length <= points)) return { bucket: null, samples: raw.map(samplesOf) };
  const bucket = bucketOf(high - low, points);
  const grouped = await ask(keys.map((key) => /** @type {Cmd} */ (["TS.RANGE", key, low, high, "AGGREGATION", aggregator, bucket])));
  const wrong = grouped.find((reply) => reply instanceof RespError);
  if (wrong) throw wrong;
  return { bucket, samples: grouped.map(samplesOf) };
}

/** @param {any} reply of TS.RANGE @returns {Samples} */
function samplesOf(reply) {
  return itemsOf(reply).map((sample) => {
    const [time, value] = itemsOf(sample);
    return [numberOf(time), numberOf(value)];
  });
}

/**
 * All times of some series, and of each series its values at them: null where it has none, or one that is no finite number.
 * @param {Samples[]} series @returns {{times: number[], values: (number | null)[][]}}
 */
export function sideBySide(series) {
  const times = [...new Set(series.flatMap((samples) => samples.map(([time]) => time)))].sort((a, b) => a - b);
  const values = series.map((samples) => {
    const at = new Map(samples);
    return times.map((time) => {
      const value = at.get(time);
      return value !== undefined && Number.isFinite(value) ? value : null;
    });
  });
  return { times, values };
}

/** The time that some series span; null if none has a sample. @param {Series[]} series @returns {[number, number] | null} */
export function spanOf(series) {
  const filled = series.filter(({ samples }) => samples > 0);
  if (filled.length === 0) return null;
  return [filled.reduce((low, { first }) => Math.min(low, first), Infinity), filled.reduce((high, { last }) => Math.max(high, last), -Infinity)];
}

/** "area=32", "type=raw". @param {any} labels of TS.INFO, a map or pairs @returns {string[]} */
export function labelTexts(labels) {
  const pairs = Array.isArray(labels) && labels.every(Array.isArray) ? labels : entriesOf(labels);
  return pairs.map(([name, value]) => `${textOf(name)}=${textOf(value)}`);
}

/** "avg of 1 h into hourly". @param {any} rules of TS.INFO, a map or lists @returns {string[]} */
export function ruleTexts(rules) {
  const lists = Array.isArray(rules) ? rules : entriesOf(rules).map(([key, rule]) => [key, ...itemsOf(rule)]);
  return lists.map(([key, width, aggregator]) => `${textOf(aggregator).toLowerCase()} of ${widthText(numberOf(width))} into ${textOf(key)}`);
}
