/** Files of commands taken apart; keys as the commands that write them. */

import assert from "node:assert/strict";
import test from "node:test";
import { commandsOf } from "../../../console/commandfile.js";
import { splitCommand } from "../../../console/commandline.js";
import { commandLine } from "../../../console/format.js";
import { commandsOfKey } from "../../../console/keys/export.js";
import { Bytes, lengthOf, RespMap, textOf } from "../../../console/resp.js";

const bytes = (text) => Buffer.from(text, "latin1");
const all = (text) => [...commandsOf(bytes(text))];

test("lines are commands but blank ones and remarks, whatever ends them", () => {
  assert.deepEqual(all('SET a "b c"\r\n\n# x\n  \nGET a'), [{ at: 1, args: ["SET", "a", "b c"] }, { at: 5, args: ["GET", "a"] }]);
  assert.deepEqual(all('SET a "b\nGET a\n\xff').map(({ at, fault }) => [at, typeof fault]), [[1, "string"], [2, "undefined"], [3, "string"]]);
  assert.deepEqual(all(""), []);
});

test("the protocol is taken byte by byte, and a cut one is a fault", () => {
  const whole = "*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n*1\r\n$4\r\nPING\r\n";
  assert.deepEqual(all(whole), [{ at: 1, args: ["GET", "\r\n"] }, { at: 2, args: ["PING"] }]);
  for (const text of [whole.slice(0, -1), "*2\r\n$3\r\nGET\r\n", "*x\r\n", "*0\r\n", `${whole}junk`, "*1\r\n$99999999999999\r\n"]) assert.equal(typeof all(text).at(-1).fault, "string", JSON.stringify(text));
  assert.ok([...commandsOf(bytes("*1\r\n$1\r\n\xff\r\n"))][0].args[0] instanceof Bytes);
});

test("a line that was written is read again, of any bytes", () => {
  for (const args of [["SET", "a b", 'q"\\'], ["SET", "größe", "\n\t\x00"], ["SET", new Bytes(Uint8Array.of(0xff, 0, 0x22)), ""]]) assert.deepEqual(splitCommand(commandLine(args)), args);
});

/** A server of canned replies, by the first two words. */
const served = (replies) => async (cmds) => ({ replies: cmds.map(([name, , third]) => (typeof replies[name] === "function" ? replies[name](third) : (replies[name] ?? null))), us: [], cost: 0 });
const exported = async (replies, replace = false) => {
  const out = [];
  for await (const cmds of commandsOfKey(served(replies), "k", { replace, signal: new AbortController().signal })) out.push(...cmds.map((cmd) => commandLine(cmd)));
  return out;
};

test("each type is the commands that write it", async () => {
  assert.deepEqual(await exported({ TYPE: "none" }, true), []);
  assert.deepEqual(await exported({ TYPE: "string", PEXPIRETIME: 99, GETRANGE: "v" }, true), ["UNLINK k", "SET k v", "PEXPIREAT k 99"]);
  assert.deepEqual(await exported({ TYPE: "hash", PEXPIRETIME: -1, HSCAN: ["0", ["f", "v", "g", "w"]], HPEXPIRETIME: [-1, 7] }), ["HSET k f v g w", "HPEXPIREAT k 7 FIELDS 1 g"]);
  assert.deepEqual(await exported({ TYPE: "zset", ZRANGE: [["m", 1.5]] }), ["ZADD k 1.5 m"]);
  assert.deepEqual(await exported({ TYPE: "stream", XRANGE: [["1-0", ["f", "v"]]], XINFO: [new RespMap([["name", "g"], ["last-delivered-id", "1-0"]])] }), ["XADD k 1-0 f v", "XGROUP CREATE k g 1-0 MKSTREAM"]);
  assert.deepEqual(await exported({ TYPE: "MBbloom--", DUMP: "d" }), ["RESTORE k 0 d"]);
});

test("long values are several commands, and members that a scan meets twice are one", async () => {
  const long = "x".repeat(450_000);
  const lines = await exported({ TYPE: "string", GETRANGE: (from) => long.slice(from, from + 200_000) });
  assert.deepEqual(lines.map((line) => line.split(" ")[0]), ["SET", "APPEND", "APPEND"]);
  assert.equal(lines.map((line) => splitCommand(line)[2]).join(""), long);
  let page = 0;
  const members = await exported({ TYPE: "set", SSCAN: () => [["1", ["a", "b"]], ["0", ["b", "c"]]][page++] });
  assert.deepEqual(members, ["SADD k a b", "SADD k c"]);
  const pieces = await exported({ TYPE: "list", LRANGE: Array.from({ length: 5 }, () => "y".repeat(90_000)) });
  assert.ok(pieces.length === 3 && pieces.every((line) => lengthOf(line) < 300_000), textOf(String(pieces.length)));
});
