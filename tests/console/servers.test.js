/** The list of servers: nodes that this one knows, with links to their consoles, and a list of one's own. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { axeFindings, eventually, openBrowser, openPage, Server, visit, walker } from "./support.js";

let browser;
let page;
let primary;
let replica;

before(async () => {
  primary = await Server.start();
  replica = await Server.start(["--replicaof", `127.0.0.1 ${primary.port}`]);
  await eventually(async () => assert.match(String(await primary.client.call("INFO", "replication")), /state=online/), 20_000);
  await primary.client.call("SET", "shared", "x");
  browser = await openBrowser();
  page = await openPage(browser, primary);
});

after(async () => {
  await browser?.close();
  await replica?.stop();
  await primary?.stop();
});

const walk = walker(() => page);
const dialog = () => page.getByRole("dialog", { name: "Servers" });
const openList = () => page.getByRole("button", { name: /^Servers, now / }).click();

describe("servers", () => {
  walk("that this one knows have links to their consoles, at the same view", async () => {
    await visit(page, "keys/shared");
    await openList();
    const name = `127.0.0.1:${replica.port}`;
    await dialog().getByRole("row", { name: new RegExp(`^${name} replica`) }).getByText("on this host: name its port").waitFor();
    await dialog().getByRole("row", { name: new RegExp(`^127.0.0.1:${primary.port} primary.*this page`) }).waitFor();
    await dialog().getByLabel(`Port of the console of ${name}`).fill(String(replica.consolePort));
    const link = dialog().getByRole("link", { name: `Open the console at 127.0.0.1:${replica.consolePort}` });
    await link.waitFor();
    assert.deepEqual(await axeFindings(page), []);
    // The way itself: the other console shows the same key.
    const other = await openPage(browser, replica);
    await other.goto(await link.getAttribute("href"));
    await other.getByRole("article", { name: "Key shared" }).waitFor();
    assert.deepEqual(await other.wrongs(), []);
    await other.context().close();
  });
  walk("of one's own are kept in the browser, and nothing is asked of them", async () => {
    await dialog().getByLabel("Name").fill("<b>staging</b>");
    await dialog().getByLabel("Address of its console").fill("javascript:alert(1)");
    await dialog().getByRole("button", { name: "Add", disabled: true }).waitFor();
    await page.keyboard.press("Enter");
    assert.equal(await dialog().getByRole("link", { name: /staging/ }).count(), 0);
    await dialog().getByLabel("Address of its console").fill("https://db-2.example:8001");
    await dialog().getByRole("button", { name: "Add" }).click();
    await dialog().getByRole("link", { name: "<b>staging</b>" }).waitFor();
    await page.reload();
    await page.getByRole("article", { name: "Key shared" }).waitFor();
    await openList();
    assert.equal(await dialog().getByRole("link", { name: "<b>staging</b>" }).getAttribute("href"), "https://db-2.example:8001/#/keys/shared");
    await dialog().getByRole("button", { name: "Forget <b>staging</b>" }).click();
    await dialog().getByRole("link", { name: /staging/ }).waitFor({ state: "detached" });
    assert.deepEqual(await axeFindings(page), []);
    await dialog().getByRole("button", { name: "Close" }).first().click();
  });
});
