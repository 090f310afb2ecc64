/** The workbench: replies as tables that fit their commands, as lines, and as plain JSON. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { axeFindings, eventually, openBrowser, openPage, Server, visit, walker } from "./support.js";

let server;
let browser;
let page;

before(async () => {
  server = await Server.start();
  const { client } = server;
  await client.call("FT.CREATE", "books", "ON", "HASH", "PREFIX", 1, "book:", "SCHEMA", "title", "TEXT", "year", "NUMERIC");
  for (let i = 0; i < 5; i += 1) await client.call("HSET", `book:${i}`, "title", `volume ${i}`, "year", 2000 + i);
  for (let i = 0; i < 20; i += 1) await client.call("TS.ADD", `t:${i % 2}`, 1_700_000_000_000 + i * 60_000, i, "LABELS", "area", 7);
  await client.call("XADD", "log", "1700000000000-12", "level", "warn", "text", "<img src=x>");
  await client.call("JSON.SET", "doc", "$", '{"deep":[{"n":1.0}]}');
  browser = await openBrowser();
  page = await openPage(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);
const show = (name) => page.getByRole("group", { name: "Show replies as" }).getByRole("button", { name, exact: true }).click();
const reply = (line) => page.getByRole("article", { name: `Reply of ${line}` });

async function run(...lines) {
  await page.getByLabel("Commands, one a line").fill(lines.join("\n"));
  await page.keyboard.press("Control+Enter");
  await reply(lines.at(-1)).waitFor();
}

describe("a table", () => {
  walk("of found documents has their fields as columns", async () => {
    await visit(page, "workbench");
    await show("Table");
    await run("FT.SEARCH books @year:[2001,2002]", "FT.AGGREGATE books * GROUPBY 1 @year");
    const found = reply("FT.SEARCH books @year:[2001,2002]");
    await eventually(async () => assert.deepEqual(await found.getByRole("columnheader").allTextContents(), ["Key", "title", "year"]));
    assert.deepEqual(await found.getByRole("row").nth(1).getByRole("cell").allTextContents(), ["book:1", "volume 1", "2001"]);
    await found.getByText("2 rows, 2 found").waitFor();
    assert.deepEqual(await reply("FT.AGGREGATE").getByRole("columnheader").allTextContents(), ["year"]);
  });
  walk("of samples is a chart, too", async () => {
    await run("TS.RANGE t:0 - +", "TS.MRANGE - + FILTER area=7");
    await reply("TS.RANGE").getByRole("img", { name: /^TS\.RANGE: Value 18 at last, 0 to 18/ }).waitFor();
    await reply("TS.MRANGE").getByRole("img", { name: /t:0 18 at last.*t:1 19 at last/ }).waitFor();
    await reply("TS.MRANGE").getByText("2 series, 20 samples").waitFor();
  });
  walk("of entries has whole IDs and their times", async () => {
    await run("XRANGE log - +");
    assert.deepEqual(await reply("XRANGE").getByRole("row").nth(1).getByRole("cell").allTextContents(), ["1700000000000-12", "2023-11-14 22:13:20", "warn", "<img src=x>"]);
    assert.deepEqual(await axeFindings(page), []);
  });
});

describe("JSON", () => {
  walk("is what a program would print, and a document is part of it", async () => {
    await show("JSON");
    await run("JSON.GET doc", "HGETALL book:1", "ECHO {}");
    assert.equal(await reply("JSON.GET").locator("pre").textContent(), '{\n  "deep": [\n    {\n      "n": 1.0\n    }\n  ]\n}');
    assert.equal(await reply("HGETALL").locator("pre").textContent(), '{\n  "title": "volume 1",\n  "year": "2001"\n}');
    assert.equal(await reply("ECHO").locator("pre").textContent(), '"{}"');
    await show("redis-cli");
  });
});
