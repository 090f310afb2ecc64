/** Keys as a list with type, expiry and size; the delimiter of the tree. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { axeFindings, eventually, openBrowser, openPage, Server, visit, walker } from "./support.js";

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

describe("a walk of very many keys", () => {
  walk("shows all that it has found while it goes on, with its progress, stops, and goes on to the end", async () => {
    const many = await Server.start(["--appendonly", "no"]);
    const other = await openPage(browser, many);
    try {
      const rows = 300_000;
      for (let i = 0; i < rows; i += 5000) await Promise.all(Array.from({ length: 5000 }, (_, j) => many.client.call("SET", `k:${i + j}:${(i + j) % 151 === 0 ? "rare" : "x"}`, "x")));
      await visit(other, "keys");
      const status = other.getByRole("region", { name: "Browse" }).getByRole("status");
      await other.getByRole("button", { name: "List", exact: true }).click();
      await other.getByRole("searchbox", { name: /^Filter/ }).fill("*rare");
      await other.waitForURL(/match=/);
      const grid = other.getByRole("grid", { name: "Keys" });
      // What the head says is what the table has, while the walk goes on.
      await eventually(async () => {
        const [, found] = /^([\d,]+) found, \d+ % of 300k walked$/.exec(await status.textContent()) ?? [];
        const n = Number(found?.replace(",", ""));
        assert.ok(n >= 20 && n < 1900);
        assert.ok(Number(await grid.getAttribute("aria-rowcount")) >= 21);
      });
      await other.getByRole("progressbar", { name: "Walked" }).waitFor();
      await other.getByRole("button", { name: "Stop walking" }).click();
      await other.getByRole("button", { name: "Walk on to the end" }).waitFor();
      const before = Number(await grid.getAttribute("aria-rowcount"));
      assert.ok(before > 1 && before < 1900);
      assert.deepEqual(await axeFindings(other), []);
      await other.getByRole("button", { name: "Walk on to the end" }).click();
      await other.getByText("1,987 of 300,000 keys match").waitFor({ timeout: 60_000 });
      await other.getByRole("progressbar", { name: "Walked" }).waitFor({ state: "detached" });
      await grid.locator('[data-row="0"]').focus();
      await other.keyboard.press("End");
      await grid.locator('[data-row="1986"]').waitFor();
      assert.deepEqual(await other.wrongs(), []);
    } finally {
      await other.context().close();
      await many.stop();
    }
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
