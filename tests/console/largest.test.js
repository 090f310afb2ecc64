/** Memory's largest keys: of all keys where these are few, and called those of a sample where they are many. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { openBrowser, openPage, Server, visit, walker } from "./support.js";

let server;
let browser;
let page;

before(async () => {
  server = await Server.start(["--appendonly", "no"]);
  await fill("key", 5000);
  await server.client.call("SET", "largest", "x".repeat(50_000));
  browser = await openBrowser();
  page = await openPage(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Sets `n` small keys. */
async function fill(prefix, n) {
  for (let at = 0; at < n; at += 1000) await server.client.call("MSET", ...Array.from({ length: 1000 }, (_, i) => [`${prefix}:${at + i}`, "x"]).flat());
}

const walk = walker(() => page);
const tile = (name) => page.getByRole("region", { name, exact: true });

describe("the largest keys", () => {
  walk("are those of all keys, without being asked, where these are few", async () => {
    await visit(page, "memory");
    await tile("Largest keys").getByText("all 5,001 keys").waitFor({ timeout: 20_000 });
    assert.equal(await tile("Largest keys").getByRole("link").first().textContent(), "largest");
  });
  walk("are called those of the sample where keys are many, until all are walked", async () => {
    await fill("more", 120_000);
    await page.reload();
    await tile("Largest keys of the sample").getByText(/^sample of 1,\d{3} of 125,001 keys/).waitFor({ timeout: 10_000 });
    await page.getByRole("button", { name: "Walk all" }).click();
    await page.getByRole("button", { name: "Stop" }).click();
    await tile("Largest keys of the sample").waitFor();
  });
});
