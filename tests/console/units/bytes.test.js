/** Names and values as bytes: resp, router, format, glob, commandline, sse. */

import assert from "node:assert/strict";
import test from "node:test";
import { splitCommand } from "../../../console/commandline.js";
import { bytes, commandLine, compact, duration, printable, quoted, ttl } from "../../../console/format.js";
import * as glob from "../../../console/glob.js";
import { matches } from "./glob.js";
import { argument, Bytes, bytesOf, compareNames, decode, Double, encode, fromBase64, lengthOf, nameId, nameOf, numberOf, parseInfo, RespError, RespMap, toBase64 } from "../../../console/resp.js";
import { href, routeOf } from "../../../console/router.js";
import { FrameReader } from "../../../console/sse.js";

/** Reproducible random bytes. */
function generator(seed) {
  return () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
}

/** 500 names: short, of few bytes, of all bytes. */
function names() {
  const random = generator(7);
  const letters = [0, 10, 34, 39, 92, 37, 42, 47, 63, 91, 93, 94, 45, 97, 0xc3, 0xa9, 0xff, 0xf0, 0x9f, 0x92, 0xa5];
  return Array.from({ length: 500 }, () => {
    const length = Math.floor(random() * 12);
    const any = random() < 0.3;
    return nameOf(Uint8Array.from({ length }, () => (any ? Math.floor(random() * 256) : letters[Math.floor(random() * letters.length)])));
  });
}

test("every kind of reply survives the way there and back", () => {
  const kinds = ["text", { b: "AP8=" }, { s: "OK" }, 12, { i: "9223372036854775807" }, { d: "-0" }, { d: "inf" }, { d: "nan" }, { n: "123456789012345678901234567890" }, { e: "ERR x" }, [1, [null, true]], { m: ["k", 1, { b: "/w==" }, []] }, { t: ["a"] }, { p: ["x", 2] }, { v: "a\nb", f: "txt" }, null, true, false];
  for (const json of [...kinds, kinds]) assert.deepEqual(encode(decode(json)), json);
});

test("an integer beyond 2^53 keeps its digits", () => {
  assert.equal(decode({ i: "9223372036854775807" }), 9223372036854775807n);
  assert.deepEqual(encode(-9223372036854775808n), { i: "-9223372036854775808" });
});

test("doubles have their text and a number", () => {
  assert.equal(new Double("-inf").number, -Infinity);
  assert.ok(Object.is(new Double("-0").number, -0));
  assert.ok(Number.isNaN(numberOf("")));
});

test("an object that is no reply is refused", () => {
  assert.throws(() => decode({ z: 1 }), /not a reply/);
});

test("base64 holds all bytes", () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  assert.deepEqual(fromBase64(toBase64(all)), all);
});

test("bytes that are UTF-8 are text, others stay bytes, and arguments send the same bytes", () => {
  for (const name of names()) {
    const sent = argument(name);
    const back = typeof sent === "string" ? bytesOf(sent) : fromBase64(sent.b);
    assert.deepEqual(back, bytesOf(name));
    assert.equal(lengthOf(name), bytesOf(name).length);
  }
});

test("names are equal exactly if their ids are", () => {
  assert.equal(nameId(new Bytes(Uint8Array.of(255))), nameId(new Bytes(Uint8Array.of(255))));
  assert.notEqual(nameId(new Bytes(Uint8Array.of(255))), nameId("ÿ"));
  assert.equal(compareNames("a", new Bytes(Uint8Array.of(255))), -1);
});

test("a link leads back to exactly its name", () => {
  for (const name of names()) {
    const { view, path, query } = routeOf(href("keys", [name, name], { match: name, db: 3 }));
    assert.equal(view, "keys");
    assert.deepEqual(path.map(nameId), [nameId(name), nameId(name)]);
    assert.equal(nameId(query.match), nameId(name));
    assert.equal(query.db, "3");
  }
});

test("a damaged link is a route all the same", () => {
  for (const hash of ["", "#", "#/", "#/keys/%", "#/keys/%zz?&&=&%=", "#/%FF?%FF=1"]) assert.equal(typeof routeOf(hash).view, "string");
});

test("a command line is split into what it was made of", () => {
  for (const name of names()) assert.equal(nameId(splitCommand(commandLine(["SET", name]))[1]), nameId(name), commandLine([name]));
});

test("quotations as redis-cli takes them", () => {
  assert.deepEqual(splitCommand(`SET "a\\x41\\n" 'it\\'s' b""`), ["SET", "aA\n", "it's", "b"]);
  assert.throws(() => splitCommand('GET "open'), SyntaxError);
  assert.equal(quoted("plain:1"), "plain:1");
  assert.equal(quoted(""), '""');
});

test("what is printed hides nothing and turns nothing around", () => {
  assert.equal(printable("a\0\n\x1b\u202e\u2066b"), "a\\x00\\n\\x1b\\u202e\\u2066b");
  assert.equal(printable(new Bytes(Uint8Array.of(0xc3, 0x28, 0xe9))), "\\xc3(\\xe9");
  assert.equal(printable("x".repeat(2000), 10), "xxxxxxxxxx…");
  for (const name of names()) assert.doesNotMatch(printable(name), /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
});

test("figures have three digits and a unit", () => {
  assert.deepEqual([0, 1000, 1024, 1536, 1 << 20, 5e15, NaN, null].map(bytes), ["0 B", "1000 B", "1 KiB", "1.5 KiB", "1 MiB", "4.44 PiB", "–", "–"]);
  assert.deepEqual([0, 999, 1000, 1234567].map(compact), ["0", "999", "1k", "1.23M"]);
  assert.deepEqual([0, 999, 1500, 61_000, 3_600_000, 90_000_000].map(duration), ["0 ms", "999 ms", "1.5 s", "1 min 1 s", "1 h", "1 d 1 h"]);
  assert.deepEqual([-1, -2].map(ttl), ["no expiry", "gone"]);
});

test("patterns: a literal matches its name alone", () => {
  const all = names();
  for (const name of all.slice(0, 100)) {
    assert.ok(matches(glob.literal(name), name));
    assert.ok(matches(glob.startsWith(name), name));
    for (const other of all.slice(0, 50)) assert.equal(matches(glob.literal(name), other), nameId(name) === nameId(other));
  }
});

test("patterns: as the server has them", () => {
  for (const [pattern, name, is] of [["h?llo", "hello", true], ["h*o", "ho", true], ["h[^e]llo", "hello", false], ["h[a-b]llo", "hbllo", true], ["h[b-a]llo", "hallo", true], ["\\*", "*", true], ["\\*", "a", false], ["*a*b*c", "xxaxxbxxc", true], ["", "", true]])
    assert.equal(matches(pattern, name), is, `${pattern} ${name}`);
  assert.deepEqual(["", "user", "user:*"].map(glob.fromFilter), ["*", "*user*", "user:*"]);
});

test("a star pattern takes no exponential time", () => {
  assert.equal(matches("*a".repeat(30) + "b", "a".repeat(3000)), false);
});

test("frames of a stream in any pieces", () => {
  const text = 'id: 1\nevent: stats\ndata: [1]\n\n: heartbeat\n\nevent: message\ndata: "a\\nb"\n\n';
  const whole = new FrameReader().push(text);
  assert.deepEqual(whole, [{ event: "stats", data: "[1]" }, { event: "message", data: '"a\\nb"' }]);
  const reader = new FrameReader();
  assert.deepEqual([...text].flatMap((piece) => reader.push(piece)), whole);
});

test("INFO's fields, whatever is in their values", () => {
  assert.deepEqual({ ...parseInfo("# Server\r\na:1\r\nb:x:y\r\n\r\n") }, { a: "1", b: "x:y" });
  assert.equal(new RespError("WRONGTYPE no").code, "WRONGTYPE");
  assert.equal(new RespMap([["a", 1]]).get("b"), undefined);
});
