/** Replies as JSON that programs expect, and as the tables that their commands give. */

import assert from "node:assert/strict";
import test from "node:test";
import { cell, jsonText } from "../../../console/cli.js";
import { shapedReply } from "../../../console/replies.js";
import { decode } from "../../../console/resp.js";

/** A map of RESP3 as the daemon sends it. */
const map = (...flat) => ({ m: flat });
const flatJson = (reply, documents) => jsonText(decode(reply), documents).replace(/\n\s*/g, "");

test("JSON has objects, arrays, numbers and words, and no form of the console's own", () => {
  assert.equal(flatJson(map("n", 1, "big", { i: "9223372036854775807" }, "d", { d: "1.50" }, "inf", { d: "inf" }, "s", { s: "OK" }, "set", { t: ["a"] }, "none", null, "yes", true)), '{"n": 1,"big": 9223372036854775807,"d": 1.50,"inf": "inf","s": "OK","set": ["a"],"none": null,"yes": true}');
  assert.equal(flatJson({ b: "AP8=" }), String.raw`"\\x00\\xff"`);
  assert.equal(flatJson({ e: "ERR no" }), '{"error": "ERR no"}');
  assert.equal(flatJson({ v: "a\nb", f: "txt" }), '"a\\nb"');
  assert.equal(flatJson(map({ b: "/w==" }, 1)), '{"\\"\\\\xff\\"": 1}');
  assert.equal(cell(decode(map("a", [1, { b: "/w==" }]))), String.raw`{"a":[1,"\\xff"]}`);
});

test("text that looks like a document is one only in replies of JSON commands", () => {
  assert.equal(flatJson('{"a":1.0}'), '"{\\"a\\":1.0}"');
  assert.equal(flatJson('{"a":1.0}', true), '{"a": 1.0}');
  assert.equal(flatJson(['{"a":1}', null, "text"], true), '[{"a": 1},null,"text"]');
});

const table = (line, reply) => {
  const shaped = shapedReply(line.split(" "), decode(reply));
  return shaped && { head: shaped.table.head, rows: shaped.table.rows.map((row) => shaped.table.head.map((_, i) => cell(row[i]))), notes: shaped.notes, drawing: shaped.drawing };
};

test("found documents are rows with their fields as columns", () => {
  const row = (id, score, ...fields) => map("id", id, "score", { d: score }, "extra_attributes", map(...fields), "values", []);
  const reply = map("attributes", [], "warning", ["slow"], "total_results", 7, "format", "STRING", "results", [row("d:1", "1.5", "title", "x", "n", "1"), row("d:2", "1", "n", "2")]);
  assert.deepEqual(table("FT.SEARCH i * WITHSCORES", reply), { head: ["Key", "Score", "title", "n"], rows: [["d:1", "1.5", "x", "1"], ["d:2", "1", "", "2"]], notes: ["2 rows, 7 found", "slow"], drawing: undefined });
  const grouped = map("attributes", [], "warning", [], "total_results", 1, "format", "STRING", "results", [map("extra_attributes", map("city", "Rome", "count", "3"), "values", [])]);
  const { head, rows, notes } = table("FT.AGGREGATE i *", [grouped, 12]);
  assert.deepEqual([head, rows, notes], [["city", "count"], [["Rome", "3"]], ["1 row, 1 found", "Cursor 12 has more"]]);
});

test("samples are rows with their time, and lines", () => {
  const one = table("TS.RANGE t - +", [[1000, { d: "1" }], [2000, { d: "2.5" }]]);
  assert.deepEqual([one.head, one.rows.map((row) => row.slice(1)), one.drawing], [["Time", "Timestamp", "Value"], [["1000", "1"], ["2000", "2.5"]], { times: [1000, 2000], lines: [{ label: "Value", values: [1, 2.5] }] }]);
  const many = table("ts.mrange - + FILTER a=b", map("t:1", [map(), map("aggregators", []), [[1000, { d: "1" }]]], "t:2", [map(), map("aggregators", []), [[2000, { d: "nan" }]]]));
  assert.deepEqual([many.head, many.rows.map(([key, , ms, value]) => [key, ms, value]), many.notes], [["Series", "Time", "Timestamp", "Value"], [["t:1", "1000", "1"], ["t:2", "2000", "nan"]], ["2 series, 2 samples"]]);
  assert.deepEqual(many.drawing, { times: [1000, 2000], lines: [{ label: "t:1", values: [1, null] }, { label: "t:2", values: [null, null] }] });
  assert.deepEqual(table("TS.MGET FILTER a=b", map("t:1", [map(), []], "t:2", [map(), [5, { d: "3" }]])).rows.map(([key, , , value]) => [key, value]), [["t:2", "3"]]);
  assert.deepEqual(table("TS.RANGE t - +", []).drawing, undefined);
  assert.equal(table("TS.RANGE t - +", { e: "ERR" }), null);
});

test("entries of streams are rows with the fields of all as columns", () => {
  const reply = [["1-0", ["a", "1", "b", "2"]], ["1700000000000-3", ["b", "x", "b", "y"]]];
  const { head, rows, notes } = table("XRANGE s - +", reply);
  assert.deepEqual([head, notes], [["ID", "Time", "a", "b"], ["2 entries"]]);
  assert.deepEqual(rows[0], ["1-0", "–", "1", "2"]);
  assert.deepEqual([rows[1][0], rows[1][2], rows[1][3]], ["1700000000000-3", "", "x, y"]);
  assert.match(rows[1][1], /^2023-11-1[45] /);
  assert.deepEqual(table("XREAD STREAMS s 0", map("s", reply)).rows.map(([stream, id]) => [stream, id]), [["s", "1-0"], ["s", "1700000000000-3"]]);
});

test("a reply without a form of its own is the table that it is", () => {
  assert.deepEqual(table("ZRANGE z 0 -1 WITHSCORES", [["m", { d: "1" }]]).head, ["Member", "Score"]);
  assert.deepEqual(table("HGETALL h", map("a", "1")).head, ["Field", "Value"]);
  assert.equal(table("GET k", "x"), null);
  // One that has another shape than its command gives.
  assert.deepEqual(table("FT.SEARCH i *", [0]).head, ["#", "Value"]);
});
