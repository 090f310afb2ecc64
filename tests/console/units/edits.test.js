/** What the page asks for: walks and their rest, the tree of prefixes, pages that fit, edits. */

import assert from "node:assert/strict";
import test from "node:test";
import { batch, callMark, partsOf, restAfter } from "../../../console/api.js";
import { blocks, danger, holdsSecret, isSecret, wholeKey } from "../../../console/commanddocs.js";
import { seconds } from "../../../console/keys/actions.js";
import { halving } from "../../../console/keys/collection.js";
import { whyHex } from "../../../console/keys/formats.js";
import { addToSpaces, largestSpaces, namespaceOf } from "../../../console/keys/namespaces.js";
import { exactFolders, exactOf, goOn, insideOf, newWalk, nodesOf, scopeOf, tail } from "../../../console/keys/walk.js";
import { Bytes, bytesOf, nameId, nameOf, RespMap } from "../../../console/resp.js";
import { directiveOf } from "../../../console/views/settings.js";

const bytes = (...list) => nameOf(Uint8Array.from(list));
const line = (prefix, keys) => new RespMap([["prefix", prefix], ["keys", keys], ["bytes", 10 * keys]]);

test("prefixes of bytes are told apart", () => {
  const [ff, fe] = [bytes(0xff, 0x3a), bytes(0xfe, 0x3a)];
  const exact = exactOf([line(ff, 2), line(fe, 1), line("(none)", 1)], {});
  assert.deepEqual([exact.delimiter, exact.depth], [":", 1]);
  const folders = exactFolders(exact, new Set());
  assert.equal(new Set(folders.map(({ id }) => id)).size, 3);
  assert.deepEqual(folders.map(({ prefix }) => nameId(prefix)), [ff, fe, "(none)"].map(nameId));
  const { match, keep } = scopeOf(exact, ff);
  assert.equal(nameId(match), nameId(bytes(0xff, 0x3a, 0x2a)));
  const key = bytes(0xff, 0x3a, 0x61);
  assert.ok(keep(key) && !keep(bytes(0xfe, 0x3a, 0x61)));
  const nodes = insideOf(exact, ff, { ...newWalk(), keys: [{ name: key, type: "string" }] }, new Set());
  assert.deepEqual(nodes.map(tail), ["a"]);
  assert.ok(scopeOf(exact, "(none)").keep(bytes(0xff, 0x61)));
});

test("another delimiter and depth, as the server says or its lines show", () => {
  const lines = [line("a/", 1), line("a/b/", 2), line("(none)", 1), line("(other)", 3)];
  for (const config of [{}, { "prefix-stats-delimiter": "/", "prefix-stats-depth": "2" }]) {
    const exact = exactOf(lines, config);
    assert.deepEqual([exact.delimiter, exact.depth], ["/", 2]);
    const all = ["a/x", "a/b/x", "a/b/c/d", "x:y", "z/1"];
    const of = (prefix) => all.filter(scopeOf(exact, prefix).keep);
    assert.deepEqual([of("a/"), of("a/b/"), of("(none)"), of("(other)")], [["a/x"], ["a/b/x", "a/b/c/d"], ["x:y"], ["z/1"]]);
  }
});

test("folders are cut by the delimiter, and keys keep their whole names", () => {
  const found = ["a:1", "a:b:2", "é:3", "plain"].map((name) => ({ name, type: "string" }));
  found.push({ name: bytes(0xff, 0x3a, 0xfe), type: "hash" });
  const shown = (open) => nodesOf(found, "", ":", 1, new Set(open), false);
  assert.deepEqual(shown([]).map(({ label, key }) => label ?? key), ["a:", "é:", bytes(0xff, 0x3a), "plain"]);
  const opened = shown([shown([])[0].id]);
  assert.deepEqual(opened.slice(0, 3).map(({ label, key }) => label ?? key), ["a:", "b:", "a:1"]);
  assert.deepEqual(opened.filter(({ key }) => key).map(tail), ["1", "plain"]);
});

test("a walk takes a twentieth of the time", async () => {
  assert.deepEqual([restAfter(900, 0), restAfter(900, 5), restAfter(900, 30)], [20, 15, 0]);
  let calls = 0;
  const batch = async (cmds) => {
    calls += 1;
    return { replies: cmds.map(([name]) => (name === "SCAN" ? [calls > 4 ? "0" : "7", [`k${calls}`]] : "string")), us: [], cost: 1000 };
  };
  const began = performance.now();
  const walk = await goOn(newWalk(), { batch, match: "*" });
  assert.ok(walk.done && walk.keys.length === 3);
  // Two steps of two calls each before the last one.
  assert.ok(performance.now() - began > 2 * 20 * 2);
});

test("pages shrink until their reply fits, and stay so", async () => {
  const most = { current: 100 };
  const asked = [];
  const read = async (count) => {
    asked.push(count);
    if (count > 20) throw new Error("CONSOLE reply is larger than 8 MiB: ask for a part of it");
    return count;
  };
  assert.deepEqual(await halving(most, read), { reply: 13, count: 13 });
  await halving(most, read);
  assert.deepEqual(asked, [100, 50, 25, 13, 13]);
  await assert.rejects(halving({ current: 2 }, async () => { throw new Error("CONSOLE reply is larger than 8 MiB"); }), /larger/);
  await assert.rejects(halving({ current: 2 }, async () => { throw new Error("WRONGTYPE"); }), /WRONGTYPE/);
});

test("a transaction that is too long is not sent, with its conditions", () => {
  const value = "x".repeat(600_000);
  assert.equal(partsOf([["SET", "k", value]], true)[0].tooLong, false);
  assert.equal(partsOf([["SET", "k", value]], true, { if: [[["GET", "k"], value]] })[0].tooLong, true);
});

test("a call that fails leaves the replies of those before it", async () => {
  const answers = [{ r: Array.from({ length: 512 }, (_, i) => i), us: [], cost: 1 }, null];
  const before = globalThis.fetch;
  globalThis.fetch = /** @type {any} */ (async () => {
    const answer = answers.shift();
    if (!answer) throw new TypeError("it is cut");
    return { ok: true, json: async () => answer };
  });
  try {
    await assert.rejects(batch(Array.from({ length: 600 }, () => ["PING"])), (/** @type {any} */ error) => error.status === 0 && error.replies.length === 512 && error.replies[511] === 511);
  } finally {
    globalThis.fetch = before;
  }
});

test("calls without a hand on the page are marked", () => {
  assert.equal(callMark(Date.now()), "1");
  assert.equal(callMark(Date.now() + 61_000), "auto");
});

test("a value with a carriage return is edited in hex", () => {
  assert.deepEqual(["a\nb", "a\r\nb", bytes(255)].map((value) => whyHex(value) === null), [true, false, false]);
});

test("a time to live of 0 is refused", () => {
  assert.equal(seconds(" 60 "), "60");
  for (const text of ["0", "-1", "1.5", "1e3", "", new Bytes(Uint8Array.of(255))]) assert.throws(() => seconds(text), RangeError);
});

test("secrets are what the server says, or what their names say", () => {
  const doc = (sensitive) => new RespMap([["sensitive", sensitive]]);
  assert.equal(directiveOf("anything", "x", doc(true)).secret, true);
  assert.equal(directiveOf("requirepass", "x", doc(false)).secret, false);
  for (const name of ["requirepass", "masterauth", "primaryauth", "masteruser", "primaryuser", "cluster-meet-secret", "hash-seed", "tls-key-file-pass"]) assert.equal(directiveOf(name, "x", undefined).secret, true, name);
  for (const name of ["maxmemory", "auth-failures-per-second", "latency-tracking"]) assert.equal(directiveOf(name, "x", undefined).secret, false, name);
});

test("what takes a whole key is asked about if the key is large", () => {
  const key = (line) => wholeKey(line.split(" "));
  for (const line of ["SMEMBERS k", "hgetall k", "LRANGE k 0 -1", "ZRANGE k 0 20000 REV", "SORT k", "XRANGE k - +", "ZRANGE k 0 9 BYSCORE", "GET k", "ZUNION 2 k l", "JSON.GET k", "json.get k INDENT x $"]) assert.equal(key(line), "k", line);
  for (const line of ["LRANGE k 0 99", "LRANGE k -10 -1", "ZRANGE k 0 99", "XRANGE k - + COUNT 9", "ZRANGEBYSCORE k 0 9 LIMIT 0 9", "HGET k f", "PING", "constructor k", "JSON.GET k $.a"]) assert.equal(key(line), null, line);
  assert.equal(danger(["HGETALL", "k"], { keys: 1, bytes: 1 << 20 }), null);
  assert.match(danger(["HGETALL", "k"], { keys: 1, bytes: 48 << 20 }), /48 MiB at once.*HSCAN does not/);
});

test("dangers need no documentation of the server", () => {
  assert.match(danger(["config", "SET", "maxmemory", "1gb"], { keys: null }), /changes maxmemory at once/);
  assert.match(danger(["CLIENT", "KILL", "ID", "1"], { keys: null }), /closes connections/);
  assert.equal(danger(["GET", "missing"], { keys: 1, bytes: NaN }), null);
  assert.equal(danger(["CONFIG", "GET", "*"], { keys: null }), null);
  assert.equal(danger(["constructor"], { keys: null }), null);
});

test("lines with secrets are known, whole or begun", () => {
  for (const line of ["AUTH u secret", "acl setuser a >x", "CONFIG SET requirepass x", "config set cluster-meet-secret x", "SENTINEL SET mymaster auth-pass x", "HELLO 3 AUTH a b", "GET k\nAUTH x", 'AUTH "open']) assert.ok(holdsSecret(line), line);
  for (const line of ["GET auth", "CONFIG GET requirepass", "ACL LIST", "SENTINEL MASTERS", ""]) assert.ok(!holdsSecret(line), line);
  assert.ok(isSecret(["SENTINEL", "CONFIG", "SET", "sentinel-pass", "x"]));
});

test("a directive of a few values names them", () => {
  const doc = (type, values) => new RespMap([["type", type], ...(values ? [["values", values]] : [])]);
  assert.deepEqual(directiveOf("appendonly", "no", doc("bool")).choices, ["yes", "no"]);
  assert.deepEqual(directiveOf("appendfsync", "no", doc("choice", ["always", "no"])).choices, ["always", "no"]);
  assert.deepEqual([directiveOf("maxclients", "9", doc("number")).choices, directiveOf("dir", "/", undefined).choices], [[], []]);
});

test("commands that would wait are known", () => {
  for (const line of ["BLPOP k 0", "brpop k 0", "BRPOPLPUSH a b 0", "BLMOVE a b LEFT LEFT 0", "BLMPOP 0 1 k LEFT", "BZPOPMIN k 0", "BZMPOP 0 1 k MIN", "XREAD BLOCK 0 STREAMS s $", "XREADGROUP GROUP g c BLOCK 0 STREAMS s >"]) assert.equal(blocks(line.split(" ")), true, line);
  for (const line of ["LPOP k", "XREAD STREAMS s 0", "GET block", "BITPOS k 1"]) assert.equal(blocks(line.split(" ")), false, line);
});

test("namespaces are bytes, are bounded, and keep the sum", () => {
  assert.equal(namespaceOf("user:1:x", ":"), "user:");
  assert.equal(namespaceOf("plain", ":"), null);
  assert.equal(namespaceOf("user:1", ""), null);
  assert.deepEqual(bytesOf(namespaceOf(nameOf(Uint8Array.of(0xff, 0x3a, 0x61)), ":")), Uint8Array.of(0xff, 0x3a));
  const spaces = new Map();
  for (let i = 0; i < 5000; i += 1) addToSpaces(spaces, `n${i}:key`, ":", 10);
  for (let i = 0; i < 50; i += 1) addToSpaces(spaces, `n7:${i}`, ":", 1);
  addToSpaces(spaces, "plain", ":", 3);
  assert.ok(spaces.size <= 2001);
  const { drawn, rest } = largestSpaces(spaces, "keys");
  assert.deepEqual([drawn[0].name, drawn[0].keys, drawn[0].bytes], ["n7:", 51, 60]);
  assert.equal(drawn.reduce((sum, one) => sum + one.keys, rest.keys), 5051);
});
