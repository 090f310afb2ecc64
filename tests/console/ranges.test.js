/** Collections narrowed down: a filter that walks on by itself, ranges of indexes, scores, IDs and times. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { axeFindings, openBrowser, openPage, Server, visit, walker } from "./support.js";

let server;
let browser;
let page;

before(async () => {
  server = await Server.start();
  const { client } = server;
  const many = Array.from({ length: 30_000 }, (_, i) => i);
  for (let at = 0; at < many.length; at += 5000) {
    const part = many.slice(at, at + 5000);
    await client.call("HSET", "hash", ...part.flatMap((i) => [`field:${i}`, `v${i}`]));
    await client.call("SADD", "set", ...part.map((i) => `member:${i}`));
    await client.call("ZADD", "zset", ...part.flatMap((i) => [i, `member:${i}`]));
    await client.call("RPUSH", "list", ...part.map((i) => `element ${i}`));
  }
  for (let i = 0; i < 3000; i += 1) client.call("XADD", "stream", `${Date.UTC(2026, 0, 1) + i * 60_000}-0`, "n", i);
  await client.call("PING");
  browser = await openBrowser();
  page = await openPage(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);
const fill = (name, text) => page.getByRole("searchbox", { name }).fill(text);
const status = (text) => page.locator(".collection").getByRole("status").getByText(text).waitFor();
const row = (name) => page.getByRole("row", { name }).first().waitFor();

async function open(key) {
  await visit(page, "keys");
  // Not before the page has let go of the key that was open.
  await page.getByText(/^Choose a key/).waitFor();
  await visit(page, `keys/${key}`);
  await page.getByRole("article", { name: /^Key/ }).waitFor();
  await status(/ of .* shown/);
}

describe("a filter", () => {
  walk("finds one field of a large hash, and one member of a set", async () => {
    await open("hash");
    await fill("Fields", "d:29999");
    await status("1 found, all walked");
    await row(/^field:29999 v29999/);
    await fill("Fields", "nowhere");
    await status("0 found, all walked");
    await page.getByText("Nothing found.").waitFor();
    assert.deepEqual(await axeFindings(page), []);
    await open("set");
    await fill("Members", "member:2999?");
    await status("10 found, all walked");
  });
  walk("rests after a page of matches, and walks on when asked", async () => {
    await open("set");
    await fill("Members", "member");
    await page.getByRole("button", { name: "Walk on" }).waitFor();
    await page.getByRole("button", { name: "Walk on" }).click();
    await status(/^[2-9],\d{3} found|^\d{2},\d{3} found|^[1-9]\d{3} found/);
  });
  walk("finds elements of a list and entries of a stream by what they hold", async () => {
    await open("list");
    await fill("Elements that hold", "nt 2999");
    await status("11 found, all walked");
    await row(/^29,999 element 29999/);
    await open("stream");
    await fill("Entries that hold", "2999");
    await status("1 found, all walked");
  });
});

describe("a range", () => {
  walk("of a list is by index, from either end", async () => {
    await open("list");
    await fill("From index", "-3");
    await status("3 of 30,000 shown");
    await row(/^29,997 element 29997/);
    await fill("To index", "-2");
    await status("2 of 30,000 shown");
    await fill("From index", "x");
    await page.getByText("An index is a whole number").waitFor();
  });
  walk("of a sorted set is by score, with ranks", async () => {
    await open("zset");
    await fill("From score", "(100");
    await fill("To score", "103");
    await status("3 of 30,000 shown");
    await row(/^101 101 member:101/);
    await page.getByRole("button", { name: "Highest first" }).click();
    await row(/^29,896 103 member:103/);
    await fill("Members", "3");
    await status("1 found, all walked");
    await fill("From score", "high");
    await fill("Members", "");
    await page.getByText(/not a float/).waitFor();
  });
  walk("of a stream is by time or ID", async () => {
    await open("stream");
    await fill("From ID or time", "2026-01-01 00:10");
    await fill("To ID or time", "2026-01-01 00:12");
    await status("3 of 3,000 shown");
    await fill("To ID or time", String(Date.UTC(2026, 0, 1) + 10 * 60_000));
    await status("1 of 3,000 shown");
  });
});
