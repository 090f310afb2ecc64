/** The page when its server is started anew: no form where none is needed, a form where one is. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openBrowser, openPage, Server, unlock, visit } from "./support.js";

let server;
let browser;
let page;

before(async () => {
  server = await Server.start();
  browser = await openBrowser();
  page = await openPage(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("a restart", () => {
  test("needs no login of a default user without a password, and closes the lock", async () => {
    await visit(page, "overview");
    await unlock(page);
    await server.restart();
    await page.getByRole("switch", { name: "Allow changes", checked: false }).waitFor({ timeout: 20_000 });
    assert.equal(await page.getByRole("button", { name: "Log in" }).count(), 0);
    await page.getByText(/has not answered/).waitFor({ state: "detached" });
    await page.getByText("Live", { exact: true }).first().waitFor({ timeout: 20_000 });
  });
  test("is seen by Keys, which loads again by itself", async () => {
    await visit(page, "keys");
    await page.getByRole("region", { name: "Browse" }).getByText("0 keys").waitFor();
    await server.restart();
    await server.client.call("SET", "fresh", "x");
    await page.getByRole("treeitem", { name: /^fresh/ }).waitFor({ timeout: 20_000 });
    assert.equal(await page.getByRole("button", { name: "Log in" }).count(), 0);
  });
  test("asks for a login once there is a password", async () => {
    server.args.push("--requirepass", "secret");
    await server.restart();
    await page.getByRole("button", { name: "Log in" }).waitFor({ timeout: 20_000 });
    await page.getByLabel("Password").fill("secret");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { level: 1 }).first().waitFor();
  });
});
