/** Keys to a file of commands and back; files that are faulty, dangerous, or fail half-way. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe } from "node:test";
import { axeFindings, openBrowser, openPage, Server, unlock, visit, walker } from "./support.js";

let server;
let browser;
let page;
/** @type {Buffer} */
let file;

before(async () => {
  server = await Server.start();
  browser = await openBrowser();
  page = await openPage(browser, server);
  await visit(page, "keys");
  await unlock(page);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);
const call = (...args) => server.client.call(...args);
const dialog = () => page.getByRole("dialog");
const button = (name) => dialog().getByRole("button", { name });

/** Keys, without a dialog that an earlier walk has left open. */
async function anew() {
  await page.reload();
  await visit(page, "keys");
}

async function openImport(name, content) {
  await anew();
  await page.getByRole("button", { name: "Import a file of commands" }).click();
  await dialog().locator("input[type=file]").setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.from(content) });
}

/** All that a database has, for a comparison. */
async function contents() {
  const keys = (await call("KEYS", "*")).map((key) => key.toString("latin1")).sort();
  const out = [];
  for (const key of keys) {
    const name = Buffer.from(key, "latin1");
    out.push([key, String(await call("TYPE", name)), String(await call("DIGEST", name).catch(async () => call("DEBUG", "DIGEST-VALUE", name).then(String, () => "?"))), (await call("PEXPIRETIME", name)) > 0]);
  }
  return out;
}

describe("an export", () => {
  walk("has keys of every type, and an import brings them back", async () => {
    await call("SET", Buffer.from([0xff, 0x0a, 0x22]), Buffer.from([0, 1, 0xfe]), "EX", 5000);
    await call("SET", "long", "x".repeat(700_000));
    await call("HSET", "hash", ...Array.from({ length: 3000 }, (_, i) => [`f${i}`, `v ${i}`]).flat());
    await call("HEXPIRE", "hash", 5000, "FIELDS", 1, "f7");
    await call("RPUSH", "list", ...Array.from({ length: 1000 }, (_, i) => `größe ${i}`));
    await call("SADD", "set", ...Array.from({ length: 1000 }, (_, i) => i));
    await call("ZADD", "zset", "-inf", "low", "1.5", "middle", "inf", "high");
    for (let i = 1; i < 300; i += 1) await call("XADD", "stream", `${i}-0`, "n", i);
    await call("XGROUP", "CREATE", "stream", "group", "7-0");
    await call("JSON.SET", "doc", "$", '{"a":[1,"x\\n"]}');
    await call("BF.ADD", "bloom", "x");
    const before = await contents();
    await anew();
    await page.getByRole("button", { name: "Export keys" }).click();
    assert.deepEqual(await axeFindings(page), []);
    const [download] = await Promise.all([page.waitForEvent("download"), button("Export").click()]);
    file = readFileSync(await download.path());
    await dialog().getByText(/^9 keys, .*The file is saved/).waitFor();
    await call("FLUSHALL");
    await call("RPUSH", "list", "another");
    await openImport("keys.txt", file);
    await button(/^Run \d+ commands/).click();
    await dialog().getByText(/(\d+) of \1 commands run\. /).waitFor({ timeout: 20_000 });
    assert.deepEqual(await contents(), before);
    assert.equal((await call("HEXPIRETIME", "hash", "FIELDS", 1, "f7"))[0] > 0, true);
    assert.equal(await call("LLEN", "list"), 1000);
    assert.equal(String((await call("XINFO", "GROUPS", "stream"))[0][7]), "7-0");
    await button("Close").last().click();
  });
  walk("keeps to the pattern", async () => {
    await anew();
    await page.getByRole("button", { name: "Export keys" }).click();
    await dialog().getByRole("textbox", { name: /^Pattern/ }).fill("do*");
    const [download] = await Promise.all([page.waitForEvent("download"), button("Export").click()]);
    assert.match(String(readFileSync(await download.path())), /^# Keys do\* of database 0, .*\nUNLINK doc\nJSON\.SET doc "\$" .*\n$/);
    await button("Close").last().click();
  });
});

describe("an import", () => {
  walk("of a faulty file runs nothing", async () => {
    await openImport("faulty.txt", 'SET imported 1\nSET b "x\n');
    await dialog().getByRole("alert").getByText(/^2: a quotation does not end/).waitFor();
    assert.equal(await button("Run").getAttribute("aria-disabled"), "true");
    assert.deepEqual(await axeFindings(page), []);
    assert.equal(await call("EXISTS", "imported"), 0);
    await button("Close").last().click();
  });
  walk("says what would do harm, and hides secrets", async () => {
    await openImport("harm.txt", "FLUSHALL\nACL SETUSER x >hush\n");
    await dialog().getByText(/FLUSHALL deletes/i).waitFor();
    assert.equal(await dialog().getByText("hush").count(), 0);
    await button("Close").last().click();
  });
  walk("stops at errors, or goes on if asked to; SELECT is obeyed, and the protocol is read", async () => {
    const wrong = `SET text x\n${Array.from({ length: 400 }, () => "INCR text").join("\n")}\nSET last x\n`;
    await openImport("wrong.txt", wrong);
    await button("Run 402 commands").click();
    await dialog().getByText("200 of 402 commands run, 199 with an error. Stopped after the call with the first error.").waitFor();
    assert.equal(await call("EXISTS", "last"), 0);
    await dialog().getByRole("checkbox", { name: "Go on after errors" }).check();
    await button("Run 402 commands").click();
    await dialog().getByText("402 of 402 commands run, 400 with an error.").waitFor();
    await button("Close").last().click();
    await openImport("raw.resp", "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$5\r\nthree\r\n$1\r\nx\r\n");
    await button("Run 2 commands").click();
    await dialog().getByText("2 of 2 commands run.").waitFor();
    await call("SELECT", 3);
    assert.equal(await call("EXISTS", "three"), 1);
    await call("SELECT", 0);
    await button("Close").last().click();
  });
});
