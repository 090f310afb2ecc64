/** Documents, differences and figures: json, diff, msgpack, stats, clientlist, aclwords. */

import assert from "node:assert/strict";
import test from "node:test";
import { commandWords, describeUser, patternWords } from "../../../console/aclwords.js";
import { flagWords, grouped, hits, hostOf, parseClients, stateWords } from "../../../console/clientlist.js";
import { diff } from "../../../console/diff.js";
import { isCommand } from "../../../console/format.js";
import * as json from "../../../console/json.js";
import { toText } from "../../../console/msgpack.js";
import { decodeRaw } from "../../../console/protobuf.js";
import { beginOf, withRows } from "../../../console/state.js";
import { memoryLines, overStart, percentile, reaches, sinceStart, startsOf, trend, ttlBin } from "../../../console/stats.js";

test("JSON keeps digits, duplicate keys, escapes and order", () => {
  for (const text of ['{"n":248480010225057793,"n":1.0,"z":-0,"e":1e400,"s":"\\u0041\\/"}', "[[],{},[1,[2]]]", '"x"', "00014".slice(3), '{"a":{"b":[{"c":null}]}}'])
    assert.equal(json.minify(json.parse(json.pretty(json.parse(text)))), text);
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

test("protocol buffers are shown without their schema", () => {
  const bytes = (/** @type {string} */ hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  assert.equal(decodeRaw(bytes("089601120774657374696e671a03089601")), '1: 150\n2: "testing"\n3 {\n  1: 150\n}');
  assert.equal(decodeRaw(bytes("08ffffffffffffffffff0115010000001902000000000000002202ff00")), "1: 18446744073709551615\n2: 0x00000001\n3: 0x0000000000000002\n4: bytes ff00");
  for (const hex of ["", "08", "0f00", "0000", "0a05aa", "08ffffffffffffffffffff01"]) assert.throws(() => decodeRaw(bytes(hex)), RangeError, hex);
});

test("a history tells since when it has figures, until its span is full", () => {
  const rows = (count, uptime) => Array.from({ length: count }, (_, i) => [uptime + i, 1000 * (100 + i)]);
  const history = (...tiers) => ({ fields: ["uptime", "time"], tiers: tiers.map((its, i) => ({ step: [1, 10, 60][i], rows: its })) });
  assert.deepEqual(beginOf(history(rows(3, 2)), 0), { at: 100_000, isStart: true });
  assert.deepEqual(beginOf(history([], rows(2, 11)), 1), { at: 100_000, isStart: true });
  // The console got its port later.
  assert.deepEqual(beginOf(history(rows(3, 500)), 0), { at: 100_000, isStart: false });
  assert.equal(beginOf(history(rows(900, 2)), 0), null);
  assert.equal(beginOf(history(rows(898, 2)), 0), null, "some rows came late");
  assert.equal(beginOf(history([]), 0), null);
});

test("rows from before a restart stay, and lines end at it", () => {
  const at = { time: 0, uptime: 1 };
  const before = [[7000, 90, 5], [8000, 91, 6], [9000, 92, 7]];
  const own = [[12_300, 3, 1], [13_300, 4, 2]];
  const joined = [...before.slice(0, 2), [9000, 0, null], ...own];
  assert.deepEqual(overStart(before, own, at), joined);
  assert.deepEqual(overStart(joined, own, at), joined, "again, with the same result");
  assert.deepEqual(overStart(own.slice(0, 1), own, at), own);
  assert.deepEqual(overStart(before, [], at), before, "until it has rows of its own");
});

test("a page's rows are no older than their tier's span, and a coarse tier begins with the stream", () => {
  const MINUTE = 60_000;
  const now = 1000 * MINUTE;
  const history = (own, coarse, more = {}) => ({ now, fields: ["time", "uptime", "n"], tiers: [{ step: 1, rows: own }, { step: 10, rows: [], absent: true }, { step: 60, rows: coarse, ...more }] });
  const old = [[now - 16 * MINUTE, 5000, 1], [now - 12 * MINUTE, 5240, 2]];
  const hours = [[now - 49 * 60 * MINUTE, 60, 1], [now - MINUTE, 5900, 2]];
  const [fine, , coarse] = withRows(history([...old, [now, 5960, 3]], hours), []).tiers;
  assert.deepEqual([fine.rows.map(([, , n]) => n), coarse.rows], [[2, 3], hours.slice(1)]);
  // The server starts anew at `now` + 10 s: it has rows of seconds, and none of a minute.
  const rows = Array.from({ length: 100 }, (_, i) => [now + 11_000 + i * 1000, 1 + i, 10 + i]);
  const late = withRows(history(rows.slice(0, 1), []), rows.slice(1));
  assert.deepEqual(late.tiers[2].rows, [hours[1], [now + 10_000, 0, null], rows[1], rows[61]]);
  assert.deepEqual(late.tiers[0].rows.slice(0, 3).map(([, , n]) => n), [2, 3, null]);
  assert.deepEqual(startsOf(...[0, 1].map((at) => late.tiers[2].rows.map((row) => row[at])), 60), [now + 10_000]);
  assert.deepEqual(withRows(history(rows.slice(0, 1), [], { absent: true }), rows.slice(1)).tiers[2].rows.length, 4, "what was shown stays until the tier is there");
});

test("starts are where the age falls, and before a young first row", () => {
  assert.deepEqual(startsOf([12_000, 13_000, 14_000], [2, 3, 4], 1), [10_000]);
  assert.deepEqual(startsOf([12_000, 13_000, 20_000, 21_000], [50, 51, 0, 1], 1), [20_000]);
  assert.deepEqual(startsOf([12_000, 13_000], [50, 51], 1), []);
  assert.deepEqual(startsOf([70_000], [61], 60), [9000]);
  assert.deepEqual(startsOf([], [], 1), []);
});

test("a clock that is set is no start", () => {
  assert.deepEqual(startsOf([5_012_000, 5_013_000, 1_413_900, 1_414_900], [50, 51, -3549, -3548], 1), []);
  assert.deepEqual(startsOf([12_000, 13_000, 3_613_000], [50, 51, 3651], 1), []);
});

test("growth is told by the rows of the process that runs", () => {
  assert.equal(sinceStart([12_000, 13_000, 20_000, 21_000], [50, 51, 0, 1], 1), 2);
  assert.equal(sinceStart([12_000, 13_000], [2, 3], 1), 0);
  assert.equal(sinceStart([12_000, 13_000], [50, 51], 1), 0);
  assert.equal(sinceStart([], [], 1), 0);
});

test("roles and budgets of a user, and a client that is held back", () => {
  const reply = ["flags", ["on"], "passwords", [], "commands", "+@all", "keys", "~*", "channels", "&*", "selectors", [], "roles", ["ops"], "budgets", "rate=100"];
  assert.equal(describeUser("u", reply).more, "Roles: ops. Budgets: rate=100.");
  assert.equal(stateWords({ flags: "P", held: "rate" }), "subscribed, held back (rate)");
  assert.equal(stateWords({ flags: "N" }), "");
});

test("a remedy is a command to run, or words", () => {
  for (const text of ["BGSAVE", "CONFIG SET maxmemory auto", "CONFIG GET audit-*", "SCRIPT KILL", "REPLICAOF 10.0.0.1 6379"]) assert.ok(isCommand(text), text);
  for (const text of ["MEMORY PURGE, or a restart in a quiet hour", "make room, BGREWRITEAOF", "CONFIG SET maxmemory auto: it leaves room for both", "see the log"]) assert.ok(!isCommand(text), text);
});
