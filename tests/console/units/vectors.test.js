/** Vectors as they are typed and as indexes take them. */

import assert from "node:assert/strict";
import test from "node:test";
import { addVector, vectorBytes, vectorOf } from "../../../console/keys/vectors.js";

const hex = (type, ...numbers) => Buffer.from(vectorBytes(type, numbers)).toString("hex");

test("a list of numbers is a vector, and other text is a name", () => {
  assert.deepEqual(vectorOf("0.1 -2 3e-4"), ["0.1", "-2", "3e-4"]);
  assert.deepEqual(vectorOf("[1,2, .5]"), ["1", "2", ".5"]);
  for (const text of ["", "7", "user:1", "1 apple", "1-2 3"]) assert.equal(vectorOf(text), null, text);
  assert.deepEqual(addVector("k", { value: "e", vector: "1, 2" }), ["VADD", "k", "VALUES", 2, "1", "2", "e"]);
});

test("bytes are little endian and rounded to even", () => {
  assert.equal(hex("FLOAT32", 1, -2), "0000803f000000c0");
  assert.equal(hex("FLOAT64", 1), "000000000000f03f");
  assert.equal(hex("BFLOAT16", 1, 1.00390625, 1.01171875), "803f803f823f");
  // 1, -2, the largest, one over it, the smallest, half of that, halves between two numbers.
  assert.equal(hex("FLOAT16", 1, -2, 65504, 65520, 2 ** -24, 2 ** -25, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 0, Infinity), "003c00c0ff7b007c01000000003c023c0000007c");
  assert.equal(hex("INT8", -1, 127), "ff7f");
  assert.throws(() => hex("WORDS", 1), RangeError);
});
