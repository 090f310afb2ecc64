/** Paths into JSON documents, and what the page asks for of a document. */

import assert from "node:assert/strict";
import test from "node:test";
import { jsonOf } from "../../../console/keys/document.js";
import { Moved, findByPath, linesOf, readApart, readFurther, readLevel, readRoot, steady } from "../../../console/keys/levels.js";
import { pathOf, stepsOf, unionOf, unionsOf } from "../../../console/keys/paths.js";
import { RespError } from "../../../console/resp.js";

test("a path names one part, whatever its name is", () => {
  assert.equal(pathOf("$", "name"), "$.name");
  assert.equal(pathOf("$.a", 3), "$.a[3]");
  assert.equal(pathOf("$", ""), '$[""]');
  assert.equal(pathOf("$", 'a"b\\c'), '$["a\\"b\\\\c"]');
  assert.equal(pathOf("$", "1st"), '$["1st"]');
  assert.equal(pathOf("$", " name"), null);
  assert.equal(pathOf("$", "n".repeat(1 << 16)), null);
  assert.equal(unionOf("$", ["a", "b"]), '$["a","b"]');
  assert.equal(unionOf("$", [0, 7]), "$[0,7]");
});

test("steps are those of the server, in both dialects", () => {
  for (const text of ["a.b[0]", ".a.b[0]", "$.a.b[0]", "$['a'].b[ 0 ]", '$["a"]["b"][0]', "$ .a .b [0]", ".a['b'][0]"]) assert.deepEqual(stepsOf(text), ["a", "b", 0], text);
  for (const text of ["$", "."]) assert.deepEqual(stepsOf(text), [], text);
  assert.deepEqual(stepsOf('$["say \\"hi\\"","x"]'), null);
  assert.deepEqual(stepsOf('$["say \\"hi\\" \\\\"]'), ['say "hi" \\']);
  assert.deepEqual(stepsOf('$["  a"]'), ["a"]);
  for (const text of ["$..a", "$.*", "$[*]", "$[-1]", "$[0:2]", "$[0,1]", "$[?@.a]", "$.a.length()", "$a", "a b", "$.", "$[", "$.a + 1"]) assert.equal(stepsOf(text), null, text);
  for (const step of ["plain", "", 'a"b\\c', "it's", "é", "new\nline", 12]) assert.deepEqual(stepsOf(pathOf("$.x", step)), ["x", step]);
});

test("what is asked for at once is short", () => {
  assert.deepEqual(unionsOf("$", []), []);
  assert.deepEqual(unionsOf("$", Array.from({ length: 250 }, (_, i) => i)).map((group) => group.length), [100, 100, 50]);
  const deep = `$.${"d".repeat(40_000)}`;
  const groups = unionsOf(deep, Array.from({ length: 30 }, () => 'é"'.repeat(3000)));
  assert.ok(groups.every((group) => Buffer.byteLength(unionOf(deep, group)) <= 65_536), `${groups.length}`);
  assert.equal(groups.flat().length, 30);
});

/** A server that has one document and knows the paths that the page makes. `between` is called before each call. */
function server(document, between = () => {}) {
  const asked = [];
  const at = (path) => {
    const union = /^(.*)\[([^[\]]*,[^[\]]*)\]$/.exec(path);
    if (union) return JSON.parse(`[${union[2]}]`).flatMap((step) => at(pathOf(union[1], step)));
    let found = [document];
    for (const step of stepsOf(path)) found = found.flatMap((value) => (value !== null && typeof value === "object" && Object.hasOwn(value, step) ? [value[step]] : []));
    return found;
  };
  const kind = (value) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value === "number" ? (Number.isInteger(value) ? "integer" : "number") : typeof value);
  const reply = ([name, , path, last]) => {
    if (name === "JSON.TYPE") return [at(path).map(kind)];
    if (name === "JSON.OBJLEN") return at(path).map((value) => (kind(value) === "object" ? Object.keys(value).length : null));
    if (name === "JSON.OBJKEYS") return at(path).map((value) => Object.keys(value));
    if (name === "JSON.ARRLEN") return at(path).map((value) => (Array.isArray(value) ? value.length : null));
    if (name === "JSON.STRLEN") return at(path).map((value) => (typeof value === "string" ? Buffer.byteLength(value) : null));
    if (name === "JSON.GET") return JSON.stringify(at(path));
    if (name === "JSON.DEBUG") return at(last).map((value) => JSON.stringify(value).length);
    throw new Error(name);
  };
  const batch = async (cmds, { conditions = [] }) => {
    between(document, asked.length);
    asked.push(...cmds.map((cmd) => cmd.join(" ")));
    const changed = conditions.findIndex(([cmd, seen]) => JSON.stringify(reply(cmd)) !== JSON.stringify(seen));
    return changed < 0 ? { replies: cmds.map(reply) } : { changed, replies: [] };
  };
  return { read: { batch, key: "k" }, asked, document };
}

test("a level has kinds, sizes and short scalars, and asks for no long value", async () => {
  const { read, asked } = server({ a: 1, deep: { large: "x".repeat(100_000) }, list: [1, 2], long: "y".repeat(5000), none: null, short: 'a "b"', " blank": 1 });
  const level = await readLevel(read, "$");
  assert.deepEqual(level.parts.map(({ kind, size, text }) => [kind, size, text]), [
    ["integer", null, "1"], ["object", 1, null], ["array", 2, null], ["string", 5000, null], ["null", null, "null"], ["string", 5, '"a \\"b\\""'], ["", null, null],
  ]);
  assert.deepEqual(asked.filter((line) => line.startsWith("JSON.GET")), ['JSON.GET k $["a","none","short"]']);
  assert.equal(await readLevel(read, "$.a"), null);
  assert.equal(await readLevel(read, "$.missing"), null);
});

test("an array is read in pages, and one element beyond them by itself", async () => {
  const { read, document } = server({ list: Array.from({ length: 250 }, (_, i) => i) });
  let level = await readLevel(read, "$.list");
  assert.deepEqual([level.size, level.parts.length, level.parts[99].text], [250, 100, "99"]);
  level = await readApart(read, "$.list", level, 150);
  level = await readApart(read, "$.list", level, 240);
  assert.deepEqual(level.apart.map(({ path, text }) => [path, text]), [["$.list[150]", "150"], ["$.list[240]", "240"]]);
  const lines = linesOf(await readRoot(read), new Map([["$", await readLevel(read, "$")], ["$.list", level]]), new Set(["$", "$.list"]));
  assert.deepEqual(lines.slice(-3).map(({ more, part }) => more?.text ?? part.path), ["150 more elements not shown. Load more", "$.list[150]", "$.list[240]"]);
  level = await readFurther(read, "$.list", level);
  assert.deepEqual([level.parts.length, level.apart.map(({ step }) => step)], [200, [240]]);
  document.list.length = 220;
  await assert.rejects(readFurther(read, "$.list", level), Moved);
});

test("names of very many members are not asked for", async () => {
  const { read, asked } = server(Object.fromEntries(Array.from({ length: 20_001 }, (_, i) => [`m${i}`, i])));
  const level = await readLevel(read, "$");
  assert.deepEqual([level.parts.length, level.names, asked.some((line) => line.includes("OBJKEYS"))], [0, null, false]);
  const lines = linesOf(await readRoot(read), new Map([["$", await readApart(read, "$", level, "m5")]]), new Set(["$"]));
  assert.match(lines[1].more.text, /^20,001 members are too many/);
  assert.equal(lines[2].part.text, "5");
});

test("a value that grows between two calls is not read", async () => {
  const grown = server({ a: "short" }, (document, calls) => calls > 5 && (document.a = "x".repeat(100_000)));
  await assert.rejects(readLevel(grown.read, "$"), Moved);
  let tries = 0;
  const once = () => ((tries += 1) < 3 ? Promise.reject(new Moved()) : Promise.resolve("read"));
  assert.equal(await steady(once), "read");
  await assert.rejects(steady(() => Promise.reject(new Moved())), Moved);
});

test("matches have their values if these are small together", async () => {
  const small = await findByPath(server({ a: { b: 1 } }).read, "$.a.b");
  assert.deepEqual(small, { legacy: false, parts: [{ step: null, path: null, kind: "integer", size: null, text: "1" }], total: 1, bytes: 1, steps: ["a", "b"] });
  const large = server({ a: "x".repeat(100_000) });
  assert.equal((await findByPath(large.read, "$.a")).parts[0].text, null);
  assert.ok(!large.asked.some((line) => line.startsWith("JSON.GET")));
  assert.deepEqual((await findByPath(server({}).read, "$.a")).parts, []);
  const many = await findByPath({ key: "k", batch: async ([[name]]) => ({ replies: [name === "JSON.TYPE" ? [Array(10_001).fill("null")] : assert.fail(name)] }) }, "$..a");
  assert.deepEqual([many.total, many.parts.length, many.parts[0].kind], [10_001, 10_000, "null"]);
  const refused = { batch: async () => ({ replies: [new RespError("ERR no path")] }), key: "k" };
  await assert.rejects(findByPath(refused, "$..["), /no path/);
  const legacy = { ...refused, batch: async ([[name]]) => ({ replies: [{ "JSON.TYPE": ["array"], "JSON.ARRLEN": 2, "JSON.DEBUG": 9, "JSON.GET": "[1,2]" }[name]] }) };
  assert.deepEqual(await findByPath(legacy, ".a"), { legacy: true, parts: [{ step: null, path: null, kind: "array", size: 2, text: "[1,2]" }], total: 1, bytes: 9, steps: ["a"] });
  assert.deepEqual((await findByPath({ ...refused, batch: async () => ({ replies: [[null]] }) }, ".a")).parts, []);
});

test("what is typed must be JSON", () => {
  for (const text of ['{"a": [1, "b"]}', "12", "null", `${"[".repeat(500)}${"]".repeat(500)}`]) assert.equal(jsonOf(text), text);
  for (const text of ["", "{", "a", "[1,]", "01"]) assert.throws(() => jsonOf(text), SyntaxError);
});
