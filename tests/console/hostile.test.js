/**
 * Every view with data made to break pages: names that are markup, control characters, bytes that are not UTF-8,
 * names of a megabyte, numbers at the edges. Nothing becomes markup, leaves the host, or changes its bytes.
 */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { axeFindings, Client, eventually, openBrowser, openPage, Server, unlock, visit, VIEWS } from "./support.js";

const MARKUP = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
const NAMES = [
  MARKUP,
  "javascript:alert(3)",
  "nul\0inside",
  "new\nline",
  "right\u202eto left\u2066",
  "%00%ff/../..#?&",
  "=1+1|cmd",
  "\x1b[31mred",
  "",
  "💥é漢",
  Buffer.from([0xff, 0xfe, 0x00, 0xc3, 0x28]),
  "x".repeat(1 << 20),
];

/** Of users and consumers: without blanks and control characters, they may still look like markup, or like the figures before them. */
const USERS = ["<img/src=x/onerror=alert(4)>", "a,user=b", "held=9,user=z", "right\u202eto"];
const CONSUMERS = ["<img/src=x/onerror=alert(7)>", "xlost=1,name=evil", "right\u202eto"];

let server;
let browser;
let others;

before(async () => {
  server = await Server.start(["--prefix-stats", "yes", "--maxmemory", "1gb"]);
  others = [];
  await fill(server.client);
  browser = await openBrowser();
});

after(async () => {
  for (const other of others) other.close();
  await browser?.close();
  await server?.stop();
});

/** The names in every place a view shows. @param {Client} client */
async function fill(client) {
  for (const name of NAMES) {
    await client.call("SET", name, name);
    await client.call("HSET", "hash", name, name);
    await client.call("SADD", "set", name);
    await client.call("RPUSH", "list", name);
    await client.call("XADD", "stream", "*", name, name);
    await client.call("XGROUP", "CREATE", "stream", name, "0").catch(() => {});
    await client.call("XREADGROUP", "GROUP", name, name, "COUNT", 1, "STREAMS", "stream", ">");
    await client.call("FUNCTION", "LOAD", `#!lua name=l${NAMES.indexOf(name)}\n-- ${String(name).replace(/\n/g, " ").slice(0, 100)}\nredis.register_function('f${NAMES.indexOf(name)}', function() end)`);
    await assert.rejects(client.call("AUTH", String(name).slice(0, 60) || "nobody", "wrong"));
    // In the log of slow commands, and an error with the name in it.
    await client.call("CONFIG", "SET", "commandlog-execution-slower-than", 0);
    await client.call("GET", name);
    await client.call("HGET", name, name).catch(() => {});
    await client.call("CONFIG", "SET", "commandlog-execution-slower-than", 10000);
    if (name.length < 1000) {
      const other = await Client.connect(server.port);
      others.push(other);
      other.call("SUBSCRIBE", name);
    }
  }
  for (const [i, score] of ["inf", "-inf", "-0", "9223372036854775807", "1e308"].entries()) await client.call("ZADD", "zset", score, `member ${i}`);
  await client.call("FT.CREATE", MARKUP, "ON", "HASH", "PREFIX", 1, "hash", "SCHEMA", MARKUP, "TEXT", "new\nline", "TAG", "javascript:alert(3)", "NUMERIC");
  await client.call("SET", "edge", "9223372036854775807");
  await client.call("JSON.SET", "document", "$", JSON.stringify({ ...Object.fromEntries(NAMES.filter((name) => typeof name === "string").map((name) => [name, [name]])), " blank": MARKUP }));
  await client.call("SET", "json", '{"n": 248480010225057793, "n": 1.0, "z": -0}');
  for (const user of USERS) {
    await client.call("ACL", "SETUSER", user, "on", "nopass", "+@all", "rate=1000", `~${MARKUP.replace(/ /g, "")}`);
    const gone = await Client.connect(server.port);
    await gone.call("AUTH", user, "any");
    await client.call("CLIENT", "KILL", "USER", user);
  }
  await client.call("CONFIG", "SET", "changes-retain", "1mb");
  for (const consumer of CONSUMERS) await client.call("CHANGES", "CONSUMER", "CREATE", consumer);
  const named = await Client.connect(server.port);
  others.push(named);
  await named.call("CLIENT", "SETNAME", "<img/src=x/onerror=alert(5)>");
  await named.call("CLIENT", "SETINFO", "LIB-NAME", "<b>lib</b>");
  await client.call("CONFIG", "SET", "proc-title-template", "<img src=x onerror=alert(6)> {title}");
  await client.call("HOTKEYS", "START", "METRICS", 2, "CPU", "NET", "COUNT", 20);
  for (const name of NAMES) for (let i = 0; i < 5; i += 1) await client.call("GET", name);
}

/** Elements that only data could have made. @param {import("playwright-core").Page} page */
async function injected(page) {
  return page.evaluate(() => [...document.querySelectorAll("img, iframe, object, embed, script:not([src]), [onerror], a[href^='javascript' i]")].map((element) => element.outerHTML.slice(0, 200)));
}

const LINKS = [...VIEWS, `keys/${encodeURIComponent(MARKUP)}`, "keys/%FF%FE%00%C3%28", "keys/nul%00inside", "keys/hash", "keys/set", "keys/list", "keys/zset", "keys/stream", "keys/json", "keys/document", "keys/edge",
  `messages/stream/${encodeURIComponent(MARKUP)}`, `clients?by=name`, "clients?by=library", "settings/proc-title-template", `users/${encodeURIComponent("<img/src=x/onerror=alert(4)>")}`, "activity?log=large-request",
  `search/${encodeURIComponent(MARKUP)}?q=*`, `search/${encodeURIComponent(MARKUP)}?q=${encodeURIComponent(MARKUP)}`,
  `${encodeURIComponent(MARKUP)}`, `memory?db=${encodeURIComponent(MARKUP)}`, `clients?by=${encodeURIComponent(MARKUP)}&is=${encodeURIComponent(MARKUP)}`];

describe("no data becomes markup or leaves the host", () => {
  let page;
  before(async () => {
    page = await openPage(browser, server);
  });
  after(() => page.context().close());

  for (const link of LINKS) {
    test(`#/${link.slice(0, 60)}`, async () => {
      await visit(page, link);
      await page.waitForTimeout(250);
      assert.deepEqual(await injected(page), []);
      assert.deepEqual(await page.wrongs(), []);
    });
  }

  test("names show their hidden characters", async () => {
    await visit(page, "messages");
    const channels = page.getByRole("region", { name: "Channels" });
    for (const text of ["nul\\x00inside", "new\\nline", "right\\u202eto left\\u2066", "\\xff\\xfe\\x00\\xc3("]) await channels.getByText(text, { exact: true }).waitFor();
  });

  test("names that look like figures stay names", async () => {
    const shown = (/** @type {string} */ name) => name.replace("\u202e", "\\u202e");
    const wait = async (/** @type {string} */ tile, /** @type {string[]} */ names) => {
      for (const name of names) await page.getByRole("region", { name: tile }).getByText(shown(name), { exact: true }).first().waitFor();
    };
    await visit(page, "messages");
    await wait("Change stream", CONSUMERS);
    await visit(page, "users");
    await wait("Budgets", USERS);
    assert.equal(await page.getByRole("table", { name: "Budgets" }).getByRole("row").count(), 1 + USERS.length);
    await visit(page, "clients");
    await wait("Ended lately", USERS);
    await visit(page, "overview");
    await page.getByRole("region", { name: "Verdict" }).getByRole("heading").waitFor();
    assert.equal(await page.getByText(/Lost its place|Held back/).count(), 0);
    assert.deepEqual(await page.wrongs(), []);
  });

  test("messages and commands of the stream", async () => {
    await visit(page, "messages?channel=h");
    await page.getByText("listening").waitFor();
    // The stream opens a moment after the page says that it listens.
    await eventually(async () => {
      for (const name of NAMES) await server.client.call("PUBLISH", "h", name);
      assert.ok((await page.getByRole("table", { name: "Messages" }).getByText("nul\\x00inside").count()) > 0);
    });
    assert.deepEqual(await injected(page), []);
    await unlock(page);
    await visit(page, "activity");
    await page.getByRole("button", { name: "Watch for a minute" }).click();
    await page.getByText("Watching").waitFor();
    await eventually(async () => {
      for (const name of NAMES) await server.client.call("GET", name);
      assert.ok((await page.getByRole("table", { name: "Commands" }).getByRole("row", { name: /GET.*nul/ }).count()) > 0);
    });
    assert.deepEqual(await injected(page), []);
    assert.deepEqual(await page.wrongs(), []);
  });
});

describe("axe finds nothing", () => {
  for (const options of [{ scheme: "light" }, { scheme: "dark" }, { scheme: "light", width: 320, height: 640 }]) {
    describe(options.width ? "at 320 pixels" : options.scheme, () => {
      let page;
      before(async () => {
        page = await openPage(browser, server, options);
      });
      after(() => page.context().close());

      for (const view of [...VIEWS, "keys/document", "messages/stream/javascript%3Aalert(3)", "settings/maxmemory"]) {
      test(view, async () => {
        await visit(page, view);
        await page.waitForTimeout(250);
        assert.deepEqual(await axeFindings(page), []);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(wide, 0, "the page scrolls sideways");
      });
    }
    });
  }
});
