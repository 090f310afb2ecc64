/** Links to the consoles of other servers. */

import assert from "node:assert/strict";
import test from "node:test";
import { addressOf, consoleUrl, savedServers, validUrl } from "../../../console/servers.js";

const page = { protocol: "https:", hostname: "db-1", port: "8001", hash: "#/keys/a" };

test("a node's console is on this page's port of its host, or on the port that is named", () => {
  assert.equal(consoleUrl("db-2:6379", page), "https://db-2:8001/#/keys/a");
  assert.equal(consoleUrl("db-2:6379", page, "9001"), "https://db-2:9001/#/keys/a");
  assert.equal(consoleUrl("fe80::1:6379", page), "https://[fe80::1]:8001/#/keys/a");
  assert.equal(consoleUrl("db-2:6379", { ...page, port: "" }), "https://db-2/#/keys/a");
  // This page has the port on this host.
  assert.equal(consoleUrl("db-1:6380", page), null);
  assert.equal(consoleUrl("127.0.0.1:6380", { ...page, hostname: "localhost" }), null);
  assert.equal(consoleUrl("db-1:6380", page, "8002"), "https://db-1:8002/#/keys/a");
  assert.equal(consoleUrl("?:6380", page), null);
  assert.equal(consoleUrl("bad host:1", page), null);
  assert.deepEqual(addressOf("[::1]:7"), { host: "::1", port: "7" });
});

test("only addresses of the web without a password are kept", () => {
  assert.equal(validUrl("http://a:8001"), "http://a:8001/");
  for (const text of ["javascript:alert(1)", "data:text/html,x", "http://u:p@a/", "file:///etc", "x", ""]) assert.equal(validUrl(text), null, text);
  assert.deepEqual(savedServers('[{"name":"a","url":"http://a/"},{"name":"b","url":"javascript:1"},{"url":"http://c/"},7,null]'), [{ name: "a", url: "http://a/" }]);
  for (const text of ["{", "7", "null", null]) assert.deepEqual(savedServers(text), []);
});
