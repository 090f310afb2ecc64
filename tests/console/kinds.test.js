/** Keys of each type: names as people say them, whole IDs, items of sketches, nearest elements, formats of values. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { axeFindings, eventually, openBrowser, openPage, Server, unlock, visit, walker } from "./support.js";

let server;
let browser;
let page;

const LONG = "1700000000000-18446744073709551615";

before(async () => {
  server = await Server.start();
  const { client } = server;
  await client.call("ZADD", "rank", 1, "a");
  await client.call("JSON.SET", "doc", "$", "{}");
  await client.call("XADD", "log", LONG, "level", "warn");
  await client.call("XADD", "plain", "1-1", "n", 1);
  browser = await openBrowser();
  page = await openPage(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);
const open = async (key) => {
  await visit(page, `keys/${key}`);
  await page.getByRole("article", { name: `Key ${key}`, exact: true }).waitFor();
};

describe("types", () => {
  walk("have the names that people say", async () => {
    await open("rank");
    await page.locator(".key-facts .badge").getByText("sorted set").waitFor();
    await page.getByRole("treeitem", { name: /^doc/ }).getByText("JSON", { exact: true }).waitFor();
    const options = await page.getByRole("combobox", { name: "Type", exact: true }).getByRole("option").allTextContents();
    assert.ok(options.includes("Bloom filter") && options.includes("vector set"));
    assert.ok(!options.some((one) => /ReJSON|TYPE|MB|zset/.test(one)));
  });
});

describe("IDs of a stream", () => {
  walk("are shown whole, with a time only if they have one", async () => {
    await open("log");
    const cell = page.getByRole("grid", { name: "Entries, newest first" }).locator('[data-row="0"] .mono');
    assert.equal(await cell.textContent(), LONG);
    await eventually(async () => assert.ok(await cell.evaluate((el) => el.getBoundingClientRect().right <= el.parentElement.getBoundingClientRect().right && el.parentElement.scrollWidth <= el.parentElement.clientWidth)));
    await page.getByText("2023-11-14 22:13:20").waitFor();
    await open("plain");
    await page.getByRole("grid", { name: "Entries, newest first" }).getByText("1-1").waitFor();
    assert.equal(await page.getByText(/1970-01-01/).count(), 0);
    assert.deepEqual(await axeFindings(page), []);
  });
});
