/** A screen of 390 px: nothing is wider than it, names have two lines, key caps one, legends have figures. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { eventually, openBrowser, openPage, Server, visit, VIEWS, walker } from "./support.js";

const WIDTH = 390;
const LONG = "session:a-rather-long";

let server;
let browser;
let page;

before(async () => {
  server = await Server.start(["--latency-tracking", "yes"]);
  for (let i = 0; i < 30; i += 1) await server.client.call("SET", `${LONG}:${i}`, "x", "EX", 5000);
  const { client } = server;
  await client.call("BF.ADD", "bloom", "a");
  await client.call("TOPK.RESERVE", "top", 2);
  await client.call("VADD", "points", "VALUES", 2, 1, 0, "p");
  await client.call("SET", "json", `{"name":"${"y".repeat(300)}"}`);
  await client.call("XADD", "stream", "1700000000000-18446744073709551615", "a", "b");
  await client.call("FT.CREATE", "near", "ON", "HASH", "PREFIX", 1, "spot:", "SCHEMA", "title", "TEXT", "place", "VECTOR", "FLAT", 6, "TYPE", "FLOAT32", "DIM", 2, "DISTANCE_METRIC", "L2");
  browser = await openBrowser();
  page = await openPage(browser, server, { width: WIDTH, height: 900 });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);
/** Lines of text that an element has. */
const lines = (locator) => locator.evaluate((el) => Math.round(el.getBoundingClientRect().height / parseFloat(getComputedStyle(el).lineHeight)));

describe("a phone", () => {
  for (const view of [...VIEWS, `keys/${encodeURIComponent(`${LONG}:1`)}`, "settings/appendfsync", "users/default", "keys/bloom", "keys/top", "keys/points", "keys/json", "keys/stream", "search/near"]) {
    walk(`${view} is no wider than the screen`, async () => {
      await visit(page, view);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), WIDTH);
    });
  }
  walk("forms and tables of replies are no wider than the screen", async () => {
    const fits = async (part) => assert.ok(await part.evaluate((el) => el.scrollWidth <= el.clientWidth && el.getBoundingClientRect().right <= innerWidth));
    await visit(page, "search");
    await page.getByRole("button", { name: "New index" }).click();
    await page.getByRole("dialog").getByLabel("Type").selectOption("VECTOR");
    await fits(page.getByRole("dialog").locator(".dialog-body"));
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: /Go to/ }).click();
    await page.getByRole("option", { name: /^Servers/ }).click();
    await page.getByRole("dialog", { name: "Servers" }).getByLabel("Address of its console").waitFor();
    await fits(page.getByRole("dialog").locator(".dialog-body"));
    await page.keyboard.press("Escape");
    await visit(page, "workbench");
    await page.getByRole("group", { name: "Show replies as" }).getByRole("button", { name: "Table" }).click();
    await page.getByLabel("Commands, one a line").fill("XRANGE stream - +");
    await page.keyboard.press("Control+Enter");
    await page.getByRole("article", { name: "Reply of XRANGE" }).getByText("1 entry").waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), WIDTH);
    await page.getByRole("group", { name: "Show replies as" }).getByRole("button", { name: "redis-cli" }).click();
  });
  walk("long names have two lines, and are whole", async () => {
    await visit(page, "memory");
    const name = page.getByRole("region", { name: "Largest keys" }).getByRole("link", { name: LONG }).first();
    // Rows are made anew while the walk over the keys goes on.
    await eventually(async () => {
      await name.scrollIntoViewIfNeeded({ timeout: 2000 });
      const cell = name.locator("xpath=..");
      const [inner, outer] = await cell.evaluate((el) => [el.scrollHeight, el.clientHeight], undefined, { timeout: 2000 });
      assert.ok(inner <= outer + 1 && outer > 24, `${inner} of ${outer}`);
    }, 10_000);
  });
  walk("key caps have one line", async () => {
    await page.getByRole("button", { name: "Keyboard help" }).click();
    const caps = page.getByRole("dialog", { name: "Keyboard" }).locator("kbd");
    for (let i = 0; i < (await caps.count()); i += 1) assert.equal(await lines(caps.nth(i)), 1, await caps.nth(i).textContent());
    await page.keyboard.press("Escape");
  });
  walk("legends have the newest figures without a pointer", async () => {
    await visit(page, "overview");
    await eventually(async () => {
      const texts = await page.locator(".u-legend .u-series:not(:first-child) .u-value").allTextContents();
      assert.ok(texts.length > 6 && texts.filter((text) => /^\W*$/.test(text)).length <= 2, texts.join("|"));
    }, 10_000);
  });
});
