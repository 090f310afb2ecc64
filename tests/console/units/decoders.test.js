/** Values that other languages have written: PHP, Java, Python; and times. What they hold is read, and nothing is run. */

import assert from "node:assert/strict";
import test from "node:test";
import { javaText } from "../../../console/decoders/javaobjects.js";
import { phpText } from "../../../console/decoders/php.js";
import { pickleText } from "../../../console/decoders/pickle.js";
import { guess, timeText } from "../../../console/keys/formats.js";
import * as json from "../../../console/json.js";
import { COLOURED, piecesOf } from "../../../console/parts/jsontext.js";
import { nameOf } from "../../../console/resp.js";

const bytes = (text, encoding = "base64") => new Uint8Array(Buffer.from(text, encoding));

/** Refused by the decoder if a part is missing, or if there is more. */
function refusesParts(decode, whole) {
  for (let n = 0; n < whole.length; n += 1) assert.throws(() => decode(whole.subarray(0, n)), Error, `${n} bytes`);
  assert.throws(() => decode(Uint8Array.from([...whole, 0x4e])));
}

/** Gives JSON or refuses, whatever the bytes are. */
function survives(decode, whole) {
  let seed = 7;
  let refused = 0;
  for (let i = 0; i < 2000; i += 1) {
    const data = whole.slice();
    for (let n = 0; n < 3; n += 1) {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      data[(seed >> 4) % data.length] = (seed >> 12) & 255;
    }
    let text;
    try {
      text = decode(data);
    } catch (error) {
      assert.ok(error instanceof SyntaxError || error instanceof RangeError || error instanceof TypeError, error);
      refused += 1;
      continue;
    }
    json.parse(text);
  }
  assert.ok(refused > 0);
}

// java.io.ObjectOutputStream of a class with a field of each kind, and of a Date.
const JAVA = "rO0ABXNyAAFQF0eg3pmtuh8CAA5KAANiaWdDAAFjRAABZEkAAW5aAAN5ZXNMAAVhZ2FpbnQAEExqYXZhL3V0aWwvTGlzdDtbAAVhcnJheXQAAltJTAAFYm94ZWR0ABNMamF2YS9sYW5nL0ludGVnZXI7TAAFY29sb3J0AAlMUCRDb2xvcjtMAARsaXN0cQB+AAFMAANtYXB0AA9MamF2YS91dGlsL01hcDtMAARuYW1ldAASTGphdmEvbGFuZy9TdHJpbmc7TAAEbm9uZXQAEkxqYXZhL2xhbmcvT2JqZWN0O0wAA3NldHQAD0xqYXZhL3V0aWwvU2V0O3hwACAAAAAAAAEAeD/4AAAAAAAA////+QFzcgATamF2YS51dGlsLkFycmF5TGlzdHiB0h2Zx2GdAwABSQAEc2l6ZXhwAAAAAncEAAAAAnQAAWF0AAFieHVyAAJbSU26YCZ26rKlAgAAeHAAAAADAAAAAQAAAAIAAAADc3IAEWphdmEubGFuZy5JbnRlZ2VyEuKgpPeBhzgCAAFJAAV2YWx1ZXhyABBqYXZhLmxhbmcuTnVtYmVyhqyVHQuU4IsCAAB4cAAAACp+cgAHUCRDb2xvcgAAAAAAAAAAEgAAeHIADmphdmEubGFuZy5FbnVtAAAAAAAAAAASAAB4cHQABEJMVUVxAH4AC3NyABdqYXZhLnV0aWwuTGlua2VkSGFzaE1hcDTATlwQbMD7AgABWgALYWNjZXNzT3JkZXJ4cgARamF2YS51dGlsLkhhc2hNYXAFB9rBwxZg0QMAAkYACmxvYWRGYWN0b3JJAAl0aHJlc2hvbGR4cD9AAAAAAAAMdwgAAAAQAAAAAXQAAWtzcQB+ABAAAAABeAB0AAXDnG7Dr3BzcgARamF2YS51dGlsLkhhc2hTZXS6RIWVlri3NAMAAHhwdwwAAAAQP0AAAAAAAAF0AAFxeA==";
const DATE = "rO0ABXNyAA5qYXZhLnV0aWwuRGF0ZWhqgQFLWXQZAwAAeHB3CAAAAYvP5WgAeA==";

// pickle.dumps of one dictionary by each protocol, of a list that holds itself, and of Decimal("1.5").
const PICKLES = [
  "KGRwMApWYQpwMQoobHAyCkkxCmFJLTIKYUwxMTgwNTkxNjIwNzE3NDExMzAzNDI0TAphSTAxCmFOYUYxLjUKYWNfY29kZWNzCmVuY29kZQpwMwooVlx1MDAwMP8KcDQKVmxhdGluMQpwNQp0cDYKUnA3CmFzVnQKcDgKKEkxCkkyCnRwOQpzVnMKcDEwCmNfX2J1aWx0aW5fXwpzZXQKcDExCigobHAxMgpJMwphdHAxMwpScDE0CnNWZApwMTUKY2RhdGV0aW1lCmRhdGUKcDE2CihnMwooVgfqCx4KcDE3Cmc1CnRwMTgKUnAxOQp0cDIwClJwMjEKc1ZvCnAyMgpjY29sbGVjdGlvbnMKT3JkZXJlZERpY3QKcDIzCih0UnAyNApWawpwMjUKSTEKc3NWYWdhaW4KcDI2CihscDI3CihscDI4CmcxMAphYWcyOAphc0kxCkkyCnMu",
  "fXEAKFgBAAAAYXEBXXECKEsBSv7///9MMTE4MDU5MTYyMDcxNzQxMTMwMzQyNEwKSTAxCk5HP/gAAAAAAABjX2NvZGVjcwplbmNvZGUKcQMoWAMAAAAAw79xBFgGAAAAbGF0aW4xcQV0cQZScQdlWAEAAAB0cQgoSwFLAnRxCVgBAAAAc3EKY19fYnVpbHRpbl9fCnNldApxCyhdcQxLA2F0cQ1ScQ5YAQAAAGRxD2NkYXRldGltZQpkYXRlCnEQKGgDKFgFAAAAB8OqCx5xEWgFdHESUnETdHEUUnEVWAEAAABvcRZjY29sbGVjdGlvbnMKT3JkZXJlZERpY3QKcRcpUnEYWAEAAABrcRlLAXNYBQAAAGFnYWlucRpdcRsoXXEcaAphaBxlSwFLAnUu",
  "gAJ9cQAoWAEAAABhcQFdcQIoSwFK/v///4oJAAAAAAAAAABAiE5HP/gAAAAAAABjX2NvZGVjcwplbmNvZGUKcQNYAwAAAADDv3EEWAYAAABsYXRpbjFxBYZxBlJxB2VYAQAAAHRxCEsBSwKGcQlYAQAAAHNxCmNfX2J1aWx0aW5fXwpzZXQKcQtdcQxLA2GFcQ1ScQ5YAQAAAGRxD2NkYXRldGltZQpkYXRlCnEQaANYBQAAAAfDqgsecRFoBYZxElJxE4VxFFJxFVgBAAAAb3EWY2NvbGxlY3Rpb25zCk9yZGVyZWREaWN0CnEXKVJxGFgBAAAAa3EZSwFzWAUAAABhZ2FpbnEaXXEbKF1xHGgKYWgcZUsBSwJ1Lg==",
  "gAN9cQAoWAEAAABhcQFdcQIoSwFK/v///4oJAAAAAAAAAABAiE5HP/gAAAAAAABDAgD/cQNlWAEAAAB0cQRLAUsChnEFWAEAAABzcQZjYnVpbHRpbnMKc2V0CnEHXXEISwNhhXEJUnEKWAEAAABkcQtjZGF0ZXRpbWUKZGF0ZQpxDEMEB+oLHnENhXEOUnEPWAEAAABvcRBjY29sbGVjdGlvbnMKT3JkZXJlZERpY3QKcREpUnESWAEAAABrcRNLAXNYBQAAAGFnYWlucRRdcRUoXXEWaAZhaBZlSwFLAnUu",
  "gASVqQAAAAAAAAB9lCiMAWGUXZQoSwFK/v///4oJAAAAAAAAAABAiE5HP/gAAAAAAABDAgD/lGWMAXSUSwFLAoaUjAFzlI+UKEsDkIwBZJSMCGRhdGV0aW1llIwEZGF0ZZSTlEMEB+oLHpSFlFKUjAFvlIwLY29sbGVjdGlvbnOUjAtPcmRlcmVkRGljdJSTlClSlIwBa5RLAXOMBWFnYWlulF2UKF2UaAZhaBdlSwFLAnUu",
  "gAWVqQAAAAAAAAB9lCiMAWGUXZQoSwFK/v///4oJAAAAAAAAAABAiE5HP/gAAAAAAABDAgD/lGWMAXSUSwFLAoaUjAFzlI+UKEsDkIwBZJSMCGRhdGV0aW1llIwEZGF0ZZSTlEMEB+oLHpSFlFKUjAFvlIwLY29sbGVjdGlvbnOUjAtPcmRlcmVkRGljdJSTlClSlIwBa5RLAXOMBWFnYWlulF2UKF2UaAZhaBdlSwFLAnUu",
];
const LOOP = "gASVBgAAAAAAAABdlGgAYS4=";
const DECIMAL = "gAJjZGVjaW1hbApEZWNpbWFsCnEAWAMAAAAxLjVxAYVxAlJxAy4=";

test("a Java object has its class and its fields, boxed numbers, lists, maps and enums", () => {
  assert.equal(javaText(bytes(JAVA)), '{"(class)":"P","big":9007199254740993,"c":"x","d":1.5,"n":-7,"yes":true,"again":["a","b"],"array":[1,2,3],"boxed":42,"color":"BLUE","list":["a","b"],"map":{"k":1},"name":"Ünï","none":null,"set":["q"]}');
  assert.equal(javaText(bytes(DATE)), '{"(class)":"java.util.Date","(data)":["0000018bcfe56800"]}');
  refusesParts(javaText, bytes(JAVA));
  survives(javaText, bytes(JAVA));
  assert.equal(guess(nameOf(bytes(JAVA))), "Java");
});

test("a pickle of each protocol is the same dictionary, and calls are shown, not made", () => {
  const texts = PICKLES.map((one) => pickleText(bytes(one)));
  for (const text of texts) {
    assert.match(text, /^\{"a":\[1,-2,1180591620717411303424,true,null,1\.5,/);
    assert.match(text, /"t":\[1,2\]/);
    assert.match(text, /"d":\{"\(call\)":"datetime\.date"/);
    assert.match(text, /"o":\{"\(call\)":"collections\.OrderedDict","state":\["k",1\]\}/);
    assert.match(text, /"again":\[\["s"\],\["s"\]\],"1":2\}$/);
  }
  assert.match(texts[4], /"bytes 00ff".*"s":\[3\]/);
  assert.equal(pickleText(bytes(LOOP)), '["(itself)"]');
  assert.equal(pickleText(bytes(DECIMAL)), '{"(call)":"decimal.Decimal","arguments":["1.5"]}');
  assert.equal(pickleText(bytes("cos\nsystem\n(S'rm'\ntR.", "latin1")), '{"(call)":"os.system","arguments":["rm"]}');
  for (const one of PICKLES) survives(pickleText, bytes(one));
  refusesParts(pickleText, bytes(PICKLES[4]));
  assert.equal(guess(nameOf(bytes(PICKLES[4]))), "pickle");
});

test("a pickle that doubles itself ends", () => {
  // Each tuple has the one before twice.
  const bomb = bytes(`\x80\x04K\x01${"2\x86".repeat(60)}.`, "latin1");
  assert.throws(() => pickleText(bomb), /2 MB/);
});

test("PHP's lengths are of bytes, and members have their class in their name", () => {
  const whole = bytes('a:4:{i:0;s:6:"中文";i:1;d:0.5;i:2;O:3:"Foo":2:{s:6:"\0Foo\0x";b:1;s:4:"\0*\0y";N;}s:1:"k";E:7:"Suit:Up";}', "utf8");
  assert.equal(phpText(whole), '{"0":"中文","1":0.5,"2":{"(class)":"Foo","x (private)":true,"y (protected)":null},"k":"Suit::Up"}');
  assert.equal(phpText(bytes("a:2:{i:0;i:-5;i:1;a:0:{}}", "utf8")), "[-5,[]]");
  refusesParts(phpText, whole);
  survives(phpText, whole);
  assert.equal(guess('a:1:{i:0;s:1:"x";}'), "PHP");
  assert.equal(guess("a:1:b"), "Text");
  assert.throws(() => phpText(bytes("a:999999999:{}", "utf8")), SyntaxError);
});

test("a time has the unit that its digits say", () => {
  for (const [digits, unit] of [["1700000000", "seconds"], ["1700000000000", "milliseconds"], ["1700000000000000", "microseconds"], ["1700000000000000000", "nanoseconds"]]) {
    assert.match(timeText(digits), /^2023-11-14T22:13:20\.000Z\n/);
    assert.match(timeText(digits), new RegExp(`\\(${unit} since 1970\\)$`));
  }
  for (const text of ["12", "x", "", "17000000000000000000"]) assert.throws(() => timeText(text), SyntaxError);
});

test("the pieces of coloured JSON are the text again", () => {
  for (const text of ['{"a" : [1, -2.5e+3, true, null, "x\\"y:"], "b":{}}', '{"cut', '"', "", 'no "json" at 7 all: true', "x".repeat(COLOURED + 1)]) assert.equal(piecesOf(text).map((piece) => piece.text).join(""), text);
  assert.deepEqual(piecesOf('{"a" :"b"}').filter(({ kind }) => kind), [{ kind: "name", text: '"a"' }, { kind: "text", text: '"b"' }]);
  assert.equal(piecesOf("[".repeat(COLOURED + 1)).length, 1);
});
