/** Ends of ranges, and walks that stop where they should. */

import assert from "node:assert/strict";
import test from "node:test";
import { holds, idOf, indexOf, isWithin, walkOn } from "../../../console/keys/find.js";
import { Bytes } from "../../../console/resp.js";

test("indexes count from either end, and nothing else is one", () => {
  assert.deepEqual([indexOf("", 9, 5), indexOf(undefined, 9, 5), indexOf(" 3 ", 9, 0), indexOf("-1", 9, 0), indexOf("-99", 9, 0)], [5, 5, 3, 8, 0]);
  for (const text of ["1.5", "x", "1e3", "--1"]) assert.throws(() => indexOf(text, 9, 0), RangeError, text);
});

test("ends of a stream are IDs or times", () => {
  assert.deepEqual(["", "5", "5-1", "(5-1", "+"].map((text) => idOf(text, "-")), ["-", "5", "5-1", "(5-1", "+"]);
  assert.equal(idOf("2026-11-28T13:00:00Z", "-"), String(Date.UTC(2026, 10, 28, 13)));
  assert.equal(idOf("2026-11-28 13:00:00Z", "-"), String(Date.UTC(2026, 10, 28, 13)));
  assert.throws(() => idOf("yesterday", "-"), RangeError);
});

test("scores are within ends that count or do not", () => {
  assert.deepEqual([isWithin(5, "5", ""), isWithin(5, "(5", ""), isWithin(5, "", "5"), isWithin(5, "", "(5"), isWithin(-Infinity, "-inf", "+inf")], [true, false, true, false, true]);
});

test("a part is found byte by byte", () => {
  assert.ok(holds("größe", "öß"));
  assert.ok(holds(new Bytes(Uint8Array.of(0xff, 0x61, 0x62)), "ab"));
  assert.ok(!holds("abc", "ac"));
});

test("a walk goes on over steps that find nothing, to a page of matches, the end, or a stop", async () => {
  const steps = (found) => async (cursor) => ({ rows: Array.from({ length: found }, (_, i) => `${cursor}.${i}`), next: Number(cursor) < 4 ? String(Number(cursor) + 1) : null, cost: 0, seen: 1000 });
  const parts = [];
  const walk = { onPart: ({ rows, walked }) => parts.push([rows.length, walked]), stopped: () => false };
  assert.deepEqual(await walkOn(steps(0), "0", walk), { rows: [], next: null, walked: 5000 });
  assert.deepEqual(parts.splice(0), [[0, 1000], [0, 2000], [0, 3000], [0, 4000]]);
  const { rows, next } = await walkOn(steps(60), "0", walk);
  assert.deepEqual([rows.length, next], [120, "2"]);
  assert.deepEqual((await walkOn(steps(1), "0", { ...walk, stopped: () => true })).next, "1");
});
