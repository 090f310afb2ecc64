/** The verdict: one with the server's own findings, with a button against a script, and at once red when nothing answers. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, eventually, openBrowser, openPage, Server, unlock, visit } from "./support.js";

let server;
let browser;
let page;

before(async () => {
  server = await Server.start(["--appendonly", "no", "--save", "3600 1", "--busy-reply-threshold", "100"]);
  browser = await openBrowser();
  page = await openPage(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop().catch(() => {});
});

const verdict = () => page.getByRole("region", { name: "Verdict" });

/** The verdict has this text within `ms`. */
const says = (text, ms) => eventually(async () => assert.match(await verdict().textContent({ timeout: 2000 }), text), ms);

test("changes that a crash would cost stand in the verdict", async () => {
  await server.client.call("SET", "a", "b");
  await visit(page, "overview");
  await says(/a crash now loses 1 change/, 30_000);
  assert.doesNotMatch(await verdict().textContent(), /All is well/);
});

test("a loss has the same tone in every view, and a server without a snapshot has no last write", async () => {
  const tone = (part) => part.evaluate((el) => ["ok", "info", "warn", "bad"].find((one) => el.classList.contains(one)));
  assert.equal(await tone(verdict()), "info");
  const write = page.locator(".stat", { hasText: "Last durable write" });
  await write.getByText("none yet").waitFor();
  assert.match(await write.textContent(), /1 change since the start/);
  await visit(page, "durability");
  const note = page.getByRole("region", { name: "A power cut now" }).locator(".note");
  await note.getByText("1 change since the start; no snapshot has been written: a crash would lose it.").waitFor();
  assert.equal(await tone(note), "info");
  await page.getByRole("region", { name: "A power cut now" }).getByText("none yet").waitFor();
  await server.client.call("SAVE");
  await note.getByText("Nothing would be lost: the last snapshot holds everything.").waitFor();
  assert.equal(await tone(note), "ok");
  await server.client.call("SET", "a", "c");
  await visit(page, "overview");
  await write.getByText(/ago/).waitFor();
  await says(/a crash now loses 1 change/, 30_000);
});

test("a running script is the verdict, and its button ends it", async () => {
  await unlock(page);
  const busy = await Client.connect(server.port);
  const ended = busy.call("EVAL", "while true do end", 0).then(() => "", (error) => error.message);
  await says(/Script.*others get BUSY/s, 30_000);
  await verdict().getByRole("button", { name: "SCRIPT KILL" }).click();
  assert.match(await ended, /killed/i);
  busy.close();
});

test("a server that stops answering is red within seconds, and nothing is called empty", async () => {
  await visit(page, "keys");
  await page.getByRole("treeitem", { name: /a/ }).first().waitFor();
  await visit(page, "overview");
  await says(/./, 30_000);
  server.process.kill("SIGSTOP");
  await says(/The server does not answer.*Nothing has come since \d\d:\d\d:\d\d/s, 30_000);
  assert.ok(await page.locator(".shell.gone").count());
  server.process.kill("SIGCONT");
  await eventually(async () => assert.equal(await page.locator(".shell.gone").count(), 0), 30_000);
  server.process.kill("SIGKILL");
  await says(/The server does not answer/, 30_000);
  await page.getByRole("link", { name: "Keys", exact: true }).click();
  await page.getByText(/^Not known/).waitFor();
  assert.equal(await page.getByText("This database is empty.").count(), 0);
  await page.getByRole("alert").getByText(/has not answered since/).waitFor();
});
