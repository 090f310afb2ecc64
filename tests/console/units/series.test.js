/** What the page of a time series asks for, and how several series stand side by side. */

import assert from "node:assert/strict";
import test from "node:test";
import { SERIES_MAX, bucketOf, labelTexts, readMatching, readSamples, ruleTexts, sideBySide, spanOf, widthText } from "../../../console/keys/samples.js";
import { Double, RespError, RespMap, Status } from "../../../console/resp.js";

test("buckets have round widths, and at most so many span the time", () => {
  assert.equal(bucketOf(0, 100), 1);
  assert.equal(bucketOf(100, 100), 1);
  assert.equal(bucketOf(101, 100), 2);
  assert.equal(bucketOf(3_600_000, 300), 15_000);
  assert.equal(bucketOf(86_400_000 * 365, 300), 86_400_000 * 2);
  for (const span of [1, 999, 123_456, 9_876_543_210, 1e13]) for (const points of [1, 7, 300]) assert.ok(span / bucketOf(span, points) <= points, `${span} of ${points}`);
  assert.deepEqual([1, 1500, 30_000, 3_600_000, 172_800_000].map(widthText), ["1 ms", "1500 ms", "30 s", "1 h", "2 d"]);
});

test("series of different times share an axis; what is no number is a gap", () => {
  const { times, values } = sideBySide([[[1, 10], [3, 30]], [[2, 5], [3, NaN]], []]);
  assert.deepEqual(times, [1, 2, 3]);
  assert.deepEqual(values, [[10, null, 30], [null, 5, null], [null, null, null]]);
  assert.deepEqual(sideBySide([]), { times: [], values: [] });
});

test("the span is that of the series with samples", () => {
  const one = (/** @type {number} */ first, /** @type {number} */ last, samples = 1) => ({ key: "k", first, last, samples, facts: {} });
  assert.deepEqual(spanOf([one(5, 9), one(2, 3), one(0, 0, 0)]), [2, 9]);
  assert.equal(spanOf([one(0, 0, 0)]), null);
  assert.equal(spanOf([]), null);
});

test("few samples are read as they are, many in buckets", async () => {
  /** @type {any[]} */
  const asked = [];
  const ask = (/** @type {number} */ kept) => async (/** @type {any[]} */ cmds) => {
    asked.push(...cmds);
    return cmds.map((cmd) => Array.from({ length: cmd.includes("COUNT") ? Math.min(kept, cmd.at(-1)) : 2 }, (_, i) => [i, new Double(String(i))]));
  };
  const few = await readSamples(ask(3), ["a", "b"], { from: 0.5, to: 99.2, points: 10, aggregator: "max" });
  assert.deepEqual(few, { bucket: null, samples: [[[0, 0], [1, 1], [2, 2]], [[0, 0], [1, 1], [2, 2]]] });
  assert.deepEqual(asked, [["TS.RANGE", "a", 0, 100, "COUNT", 11], ["TS.RANGE", "b", 0, 100, "COUNT", 11]]);
  asked.length = 0;
  const many = await readSamples(ask(50), ["a"], { from: 0, to: 100, points: 10, aggregator: "max" });
  assert.equal(many.bucket, 10);
  assert.deepEqual(asked[1], ["TS.RANGE", "a", 0, 100, "AGGREGATION", "max", 10]);
  await assert.rejects(readSamples(async () => [new RespError("WRONGTYPE")], ["a"], { from: 0, to: 1, points: 10, aggregator: "avg" }), /WRONGTYPE/);
});

test("a filter names more series than a chart has room for", async () => {
  const names = Array.from({ length: SERIES_MAX + 5 }, (_, i) => `s${i}`);
  const info = new RespMap([[new Status("totalSamples"), 1], [new Status("firstTimestamp"), 3], [new Status("lastTimestamp"), 4]]);
  /** @type {any[]} */
  const asked = [];
  const found = await readMatching(async (cmds) => {
    asked.push(...cmds);
    return cmds[0][0] === "TS.QUERYINDEX" ? [names] : cmds.map((_, i) => (i === 1 ? new RespError("gone") : info));
  }, 'area=32 "type=a b"');
  assert.equal(found.total, SERIES_MAX + 5);
  assert.equal(found.series.length, SERIES_MAX - 1);
  assert.deepEqual(asked[0], ["TS.QUERYINDEX", "area=32", "type=a b"]);
  assert.deepEqual([found.series[0].first, found.series[0].last], [3, 4]);
});

test("labels and rules are words in both protocols", () => {
  assert.deepEqual(labelTexts(new RespMap([["area", "32"]])), ["area=32"]);
  assert.deepEqual(labelTexts([["area", "32"]]), ["area=32"]);
  assert.deepEqual(ruleTexts(new RespMap([["hourly", [3_600_000, new Status("AVG"), 0]]])), ["avg of 1 h into hourly"]);
  assert.deepEqual(ruleTexts([["hourly", 3_600_000, new Status("AVG"), 0]]), ["avg of 1 h into hourly"]);
});
