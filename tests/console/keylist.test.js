/** Keys as a list with type, expiry and size; the delimiter of the tree. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { axeFindings, openBrowser, openPage, Server, visit, walker } from "./support.js";

let server;
let browser;
let page;

before(async () => {
  server = await Server.start(["--prefix-stats", "yes"]);
  const { client } = server;
  for (let i = 0; i < 2000; i += 1) client.call("SET", `user:${i}`, "x");
  await client.call("SET", "soon", "x", "EX", 500);
  await client.call("SET", "big", "x".repeat(100_000));
  await client.call("HSET", "shop/order/1", "a", "b");
  browser = await openBrowser();
  page = await openPage(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);
const button = (name) => page.getByRole("button", { name, exact: true });
const first = () => page.getByRole("grid", { name: "Keys" }).locator('[data-row="0"]');

describe("a list", () => {
  walk("has type, expiry and size of every key, and is sorted by each", async () => {
    await visit(page, "keys");
    await button("List").click();
    await page.getByRole("region", { name: "Browse" }).getByText("2,003 keys").waitFor();
    await page.getByText(/^Figures of/).waitFor({ state: "detached", timeout: 15_000 });
    await button("Size").click();
    await first().getByText("big").waitFor();
    assert.match(await first().textContent(), /^bigstring–(9[78]|1\d\d)(\.\d)? KiB$/);
    await button("Expires in").click();
    await page.getByRole("columnheader", { name: /Expires in/ }).getByRole("button").click();
    await first().getByText("soon").waitFor();
    assert.match(await first().textContent(), /^soonstring8 min/);
    await button("Type").click();
    await first().getByText("shop/order/1").waitFor();
    assert.deepEqual(await axeFindings(page), []);
  });
  walk("opens a key beside it, filters, and stays after a reload", async () => {
    await first().click();
    await page.getByRole("article", { name: "Key shop/order/1" }).waitFor();
    await page.getByRole("searchbox", { name: /^Filter/ }).fill("user:19");
    await page.getByText("111 of 2,003 keys match").waitFor();
    await page.reload();
    await page.getByRole("grid", { name: "Keys" }).waitFor();
  });
});

describe("the delimiter of the tree", () => {
  walk("is the server's, or the one that is chosen", async () => {
    await visit(page, "keys");
    await button("Tree").click();
    await page.getByRole("treeitem", { name: /^user: .*2,000/ }).waitFor();
    await page.getByRole("textbox", { name: "Delimiter" }).fill("/");
    await page.getByRole("treeitem", { name: /^shop\// }).click();
    await page.getByRole("treeitem", { name: /^order\// }).waitFor();
    assert.equal(await page.getByRole("treeitem", { name: /^user:\s/ }).count(), 0);
    await page.getByRole("textbox", { name: "Delimiter" }).fill("");
    await page.getByRole("treeitem", { name: /^user: .*2,000/ }).waitFor();
  });
});
