/** Documents, differences and figures: json, diff, msgpack, stats, clientlist, aclwords, verdict. */

import assert from "node:assert/strict";
import test from "node:test";
import { commandWords, describeUser, patternWords } from "../../../console/aclwords.js";
import { flagWords, grouped, hits, hostOf, parseClients } from "../../../console/clientlist.js";
import { diff } from "../../../console/diff.js";
import * as json from "../../../console/json.js";
import { toText } from "../../../console/msgpack.js";
import { memoryLines, percentile, reaches, trend, ttlBin } from "../../../console/stats.js";
import { findings } from "../../../console/verdict.js";

test("JSON keeps digits, duplicate keys, escapes and order", () => {
  for (const text of ['{"n":248480010225057793,"n":1.0,"z":-0,"e":1e400,"s":"\\u0041\\/"}', "[[],{},[1,[2]]]", '"x"', "00014".slice(3), '{"a":{"b":[{"c":null}]}}'])
    assert.equal(json.minify(json.parse(json.print(json.parse(text)))), text);
});

test("what is not JSON is refused with its place", () => {
  for (const text of ["", "{", "[1,]", '{"a"}', '{"a":1,}', "00014", "[1] 2", '"\n"', "nul", "'a'"]) assert.throws(() => json.parse(text), SyntaxError, text);
  assert.throws(() => json.parse("[".repeat(10_000)), SyntaxError);
  assert.equal(json.isDocument("00014"), false);
  assert.equal(json.isDocument('{"a":1}'), true);
});

test("a difference is the shortest edit", () => {
  const lines = diff("a\nb\nc", "a\nc\nd").map(({ mark, text }) => `${mark} ${text}`);
  assert.deepEqual(lines, ["same a", "old b", "same c", "new d"]);
  assert.ok(diff("x", "x").every(({ mark }) => mark === "same"));
});

test("MessagePack keeps 64-bit integers and refuses a value cut short", () => {
  assert.match(toText(Uint8Array.of(0xcf, 255, 255, 255, 255, 255, 255, 255, 255)), /18446744073709551615/);
  assert.match(toText(Uint8Array.of(0x81, 0xa1, 0x61, 0x93, 1, 0xc0, 0xff)), /a/);
  for (const data of [[0xcf, 1], [0x92, 1], [1, 1], [], [0xc1], new Array(500).fill(0x91)]) assert.throws(() => toText(Uint8Array.from(data)));
});

test("percentiles of a cumulative histogram", () => {
  /** @type {[number, number][]} */
  const buckets = [[1, 50], [2, 90], [4, 99], [8, 100]];
  assert.deepEqual([0.5, 0.51, 0.99, 0.999].map((share) => percentile(buckets, share)), [1, 2, 4, 8]);
  assert.equal(percentile([], 0.5), null);
});

test("a value that grows reaches its limit, others do not", () => {
  const times = [0, 1000, 2000, 3000];
  assert.equal(reaches(times, [100, 200, 300, 400], 1000), 6000);
  assert.equal(reaches(times, [400, 300, 200, 100], 1000), null);
  assert.equal(reaches(times, [100, 100, 100, 100], 1000), null);
  assert.equal(reaches(times, [100, null, 300, 400], 300), 0);
  assert.equal(trend([1, 2], [1, 2]), null);
  assert.equal(reaches(times, [100, 100, 100, 100.0000001], 1e15), null);
});

test("keys fall into the calendar's bins by their TTL", () => {
  assert.deepEqual([-1, 0, 60_000, 60_001, 86_400_000, 1e15].map(ttlBin), [-1, 0, 0, 1, 2, 5]);
});

test("lines of memory add up, databases counted once", () => {
  const stats = { "total.allocated": 1000, "startup.allocated": 300, "clients.normal": 100, "db.0": { "overhead.hashtable.main": 50, "other": 7 }, "dataset.bytes": 500 };
  const { lines, total } = memoryLines(stats);
  assert.equal(lines.reduce((sum, { bytes }) => sum + bytes, 0), total);
  assert.equal(lines.find(({ id }) => id === "db.0")?.bytes, 50);
  assert.equal(lines.find(({ id }) => id === "other")?.bytes, 50);
  assert.equal(memoryLines({ ...stats, "db.tables": 100 }).lines.some(({ id }) => id === "db.0"), false);
});

const LIST = "id=3 addr=10.0.0.1:5 name=web flags=b user=app lib-name=redis-py lib-ver=6 idle=10 tot-mem=100 omem=5 cmd=blpop\nid=4 addr=[::1]:6 name= flags=N user=default lib-name= idle=0 tot-mem=50 omem=0 cmd=client|list\n";

test("lines of CLIENT LIST, grouped and filtered", () => {
  const clients = parseClients(LIST);
  assert.deepEqual(clients.map(({ id, name }) => [id, name]), [["3", "web"], ["4", ""]]);
  assert.deepEqual(["10.0.0.1:5", "[::1]:6", "/tmp/s"].map(hostOf), ["10.0.0.1", "[::1]", "/tmp/s"]);
  assert.equal(flagWords("bx"), "blocked, in MULTI");
  assert.deepEqual(grouped(clients, ({ user }) => user).map(({ name, memory, blocked }) => [name, memory, blocked]), [["app", 100, 1], ["default", 50, 0]]);
  const ids = (filter) => hits(clients, filter).map(({ id }) => id).join();
  assert.deepEqual([ids({}), ids({ user: "app" }), ids({ idle: 5 }), ids({ address: "[::1]" }), ids({ library: "py", name: "other" })], ["3,4", "3", "3", "4", ""]);
});

test("rules of users in words", () => {
  assert.equal(commandWords("+@all -flushall"), "every command, not FLUSHALL");
  assert.equal(commandWords("-@all +@read -keys +config|get"), "all of @read, CONFIG GET, not KEYS");
  assert.equal(commandWords("-@all"), "no command");
  assert.equal(patternWords("~a* %R~b* %W~c %RW~d", "~*", "keys"), "a*, b* (read), c (write), d");
  assert.equal(patternWords("", "~*", "keys"), "no keys");
  const user = describeUser("u", ["flags", ["on"], "passwords", ["x", "y"], "commands", "-@all", "keys", "", "channels", "&*", "selectors", [["commands", "+get", "keys", "~k", "channels", ""]]]);
  assert.deepEqual([user.on, user.login, user.rules.length, user.rules[1].commands], [true, "with one of 2 passwords", 2, "GET"]);
});

test("a server that writes nowhere is the first finding, a well one has none", () => {
  assert.deepEqual(findings({ maxmemory: "1000", used_memory: "10", used_memory_rss: "10", rdb_last_bgsave_status: "ok", aof_enabled: "1", aof_last_write_status: "ok", aof_last_bgrewrite_status: "ok" }, { evicted: 0, rejected: 0, busy_permille: 0 }).filter(({ tone }) => tone === "bad"), []);
  const [first] = findings({ aof_enabled: "1", aof_last_write_status: "err" }, { evicted: 0, rejected: 0, busy_permille: 0 });
  assert.equal(first.tone, "bad");
});
