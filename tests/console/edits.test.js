/** What edits must not do: take another one's change, claim what has not happened, show or pass on a secret. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { eventually, openBrowser, openPage, Server, unlock, visit, walker } from "./support.js";

let server;
let browser;
let page;

before(async () => {
  server = await Server.start(["--prefix-stats", "yes"], "# A remark.\nmaxmemory 100mb\nmasteruser replicator\n");
  browser = await openBrowser();
  page = await openPage(browser, server);
  await visit(page, "overview");
  await unlock(page);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);

const button = (name) => page.getByRole("button", { name });
const call = (...args) => server.client.call(...args);
const bytes = (...list) => Buffer.from(list);

/** Opens a key anew. @param {string} link */
async function open(link) {
  await visit(page, "keys");
  await visit(page, `keys/${link}`);
  await page.getByRole("article", { name: /^Key/ }).waitFor();
}

describe("names", () => {
  walk("prefixes of bytes have folders of their own", async () => {
    for (const first of [0xff, 0xfe]) await call("SET", bytes(first, 0x3a, 0x61), "x");
    await visit(page, "keys");
    const folders = ["\\xff:", "\\xfe:"].map((name) => page.getByRole("treeitem", { name }));
    for (const folder of folders) await folder.waitFor();
    await folders[0].click();
    await page.keyboard.press("ArrowRight");
    await page.getByRole("treeitem", { name: /^a string/ }).waitFor();
    assert.equal(await page.getByRole("treeitem", { name: /^a string/ }).count(), 1);
  });
});

describe("expiries", () => {
  walk("0 seconds are refused: they would delete", async () => {
    await call("SET", "lasting", "x");
    await open("lasting");
    await button("Change the expiry").click();
    await page.getByRole("textbox", { name: /Seconds/ }).fill("0");
    await button("Save").click();
    await page.getByText(/a whole number from 1 on/).waitFor();
    await button("Cancel").click();
    assert.equal(await call("EXISTS", "lasting"), 1);
  });
  walk("an expiry that another client has changed stays", async () => {
    await open("lasting");
    await button("Change the expiry").click();
    await call("EXPIRE", "lasting", 5000);
    await page.getByRole("textbox", { name: /Seconds/ }).fill("10");
    await button("Save").click();
    await page.getByText(/Not saved/).waitFor();
    assert.ok((await call("TTL", "lasting")) > 4000);
    await button("Cancel").click();
  });
  walk("an edit keeps the expiry that a field has got meanwhile", async () => {
    await call("HSET", "h", "f", "old");
    await open("h");
    await page.getByRole("row", { name: /^f old/ }).click();
    await call("HEXPIRE", "h", 5000, "FIELDS", 1, "f");
    await page.getByRole("region", { name: "Selected element" }).getByRole("button", { name: "Edit" }).click();
    await page.getByRole("textbox", { name: "Value" }).fill("new");
    await button("Save").click();
    await eventually(async () => assert.equal(String(await call("HGET", "h", "f")), "new"));
    assert.ok((await call("HTTL", "h", "FIELDS", 1, "f"))[0] > 4000);
  });
});

describe("values", () => {
  walk("elements that are large are read in shorter pages", async () => {
    for (let i = 0; i < 100; i += 1) await call("RPUSH", "large", `${i} ${"x".repeat(100_000)}`);
    await open("large");
    await page.getByRole("row", { name: /^0 0 x/ }).waitFor();
    await page.getByText(/^50 of 100 shown/).waitFor();
  });
  walk("a carriage return stays in hex", async () => {
    await call("SET", "lines", "a\r\nb");
    await open("lines");
    await button("Edit").click();
    await button("Value as text").click();
    await page.getByText(/would be lost as text/).waitFor();
    await button("Save").click();
    await page.getByText("Saved.").waitFor();
    assert.equal(String(await call("GET", "lines")), "a\r\nb");
  });
  walk("a value of 600 KB is saved, over what was shown alone", async () => {
    await call("SET", "long", "y".repeat(600_000));
    await open("long");
    await button(/^Load all/).click();
    await button("Edit").click();
    await page.getByRole("textbox", { name: "Value" }).fill("z".repeat(600_001));
    await button("Save").click();
    await page.getByText("Saved.").waitFor({ timeout: 20_000 });
    assert.equal(await call("STRLEN", "long"), 600_001);
  });
  walk("what a member was already is not called added", async () => {
    await call("SADD", "members", "one");
    await open("members");
    await button("Add").click();
    await page.getByRole("textbox", { name: "Member" }).fill("one");
    await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
    await page.getByText("it is a member already").waitFor();
    await button("Cancel").click();
  });
  walk("a DUMP is downloaded, byte for byte", async () => {
    await open("members");
    await button("As command").click();
    const [download] = await Promise.all([page.waitForEvent("download"), button("Download its DUMP").click()]);
    assert.equal(download.suggestedFilename(), "members.dump");
    assert.deepEqual(readFileSync(await download.path()), await call("DUMP", "members"));
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  });
});

describe("groups", () => {
  walk("an entry that was acknowledged meanwhile is not called claimed", async () => {
    await call("XADD", "jobs", "1-0", "n", 1);
    await call("XGROUP", "CREATE", "jobs", "g", 0);
    await call("XREADGROUP", "GROUP", "g", "anna", "STREAMS", "jobs", ">");
    await visit(page, "messages/jobs/g");
    const row = page.getByRole("grid", { name: "Pending entries" }).getByRole("row", { name: /^1-0/ });
    await row.click();
    await call("XACK", "jobs", "g", "1-0");
    await button("Claim").click();
    await page.getByText(/acknowledged or claimed since it was shown/).waitFor();
  });
});

describe("settings", () => {
  walk("secrets are hidden, by whatever name", async () => {
    await call("CONFIG", "SET", "masterauth", "hunter2", "cluster-meet-secret", "hunter2");
    for (const name of ["masterauth", "primaryauth", "masteruser", "primaryuser", "cluster-meet-secret"]) {
      await visit(page, `settings?q=${name}`);
      await page.getByRole("row", { name: new RegExp(`^${name} \\(hidden\\)`) }).waitFor();
    }
    assert.ok(!(await page.content()).includes("hunter2"));
  });
  walk("a rewrite shows what it changes before", async () => {
    await call("CONFIG", "SET", "maxmemory", "200mb");
    await visit(page, "overview");
    await visit(page, "settings");
    await button("Rewrite the file").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("− maxmemory 104857600").waitFor();
    await dialog.getByText("+ maxmemory 209715200").waitFor();
    await dialog.getByRole("button", { name: "Rewrite the file" }).click();
    await page.getByText("The configuration file is rewritten.").waitFor();
    assert.match(readFileSync(`${server.folder}/russet.conf`, "utf8"), /# A remark\.\nmaxmemory 200mb/);
  });
});

describe("commands", () => {
  walk("what takes a large key whole is asked about", async () => {
    await visit(page, "workbench");
    await page.getByLabel("Commands, one a line").fill("LRANGE large 0 -1");
    await page.keyboard.press("Control+Enter");
    await page.getByRole("dialog").getByText(/LRANGE takes a key of .* MiB at once/).waitFor();
    await button("Cancel").click();
    await page.getByLabel("Commands, one a line").fill("LRANGE large 0 0");
    await page.keyboard.press("Control+Enter");
    await page.getByRole("article", { name: "Reply of LRANGE large 0 0" }).waitFor();
  });
  walk("a password in the palette does not get into the address", async () => {
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Go to a view or a key" }).fill("acl setuser anna >hunter2");
    await page.getByRole("option", { name: /^Run acl setuser/ }).click();
    await page.waitForURL(/run=acl/);
    assert.ok(!page.url().includes("hunter2"));
  });
});

describe("undoing a bulk delete", () => {
  /** Counts, and returns the dialog. */
  const counted = async (tab, pattern) => {
    await visit(tab, "overview");
    await visit(tab, "keys");
    await tab.getByRole("button", { name: "Delete by pattern" }).click();
    const dialog = tab.getByRole("dialog", { name: "Delete keys by pattern" });
    await dialog.getByRole("textbox").fill(pattern);
    await dialog.getByRole("button", { name: "Count what would be deleted" }).click();
    await dialog.getByRole("button", { name: /^Delete \d/ }).waitFor();
    return dialog;
  };
  /** Deletes what was counted. */
  const removed = async (dialog, keys) => {
    await dialog.getByRole("button", { name: /^Delete \d/ }).click();
    await dialog.getByText(`${keys} of ${keys}`).waitFor();
    await dialog.getByRole("button", { name: "Count again" }).waitFor({ state: "detached" });
    await dialog.getByRole("button", { name: "Stop" }).waitFor({ state: "detached" });
  };
  const close = (dialog) => dialog.getByRole("button", { name: "Close" }).first().click();
  const undo = (dialog) => dialog.getByRole("button", { name: /^Undo/ });

  walk("more keys than fit into a call come back, with their expiries", async () => {
    for (let i = 0; i < 400; i += 1) await call("SET", `many:${i}`, i, ...(i % 2 ? ["EX", 5000] : []));
    const dialog = await counted(page, "many:*");
    await removed(dialog, 400);
    assert.equal(await call("EXISTS", "many:0", "many:399"), 0);
    await undo(dialog).click();
    await page.getByText("400 keys brought back.").waitFor();
    assert.equal(String(await call("GET", "many:398")), "398");
    assert.equal(await call("TTL", "many:398"), -1);
    assert.ok((await call("TTL", "many:399")) > 4000);
    await close(dialog);
  });
  walk("beside a value of over 1 MB it is not offered", async () => {
    await call("SET", "huge:1", randomBytes(1_100_000));
    await call("SET", "huge:2", "small");
    const dialog = await counted(page, "huge:*");
    await removed(dialog, 2);
    assert.equal(await undo(dialog).count(), 0);
    await close(dialog);
  });
  walk("a value that has grown since it was counted stays away, and is told", async () => {
    await call("MSET", "grown:1", "small", "grown:2", "small");
    const dialog = await counted(page, "grown:*");
    await call("SET", "grown:1", randomBytes(1_100_000));
    await removed(dialog, 2);
    await dialog.getByText(/^1 key cannot be brought back/).waitFor();
    await undo(dialog).click();
    await page.getByText("1 key brought back.").waitFor();
    assert.deepEqual([await call("EXISTS", "grown:1"), await call("EXISTS", "grown:2")], [0, 1]);
    await close(dialog);
  });
  walk("what RESTORE has refused can be tried again, and names given anew stay", async () => {
    await call("MSET", "again:1", "a", "again:2", "b");
    const dialog = await counted(page, "again:*");
    await removed(dialog, 2);
    await call("SET", "again:2", "anew");
    await call("ACL", "SETUSER", "default", "-restore");
    await undo(dialog).click();
    await page.getByText("0 keys brought back, 2 not.").waitFor();
    await dialog.getByText(/NOPERM/).waitFor();
    await call("ACL", "SETUSER", "default", "+restore");
    await undo(dialog).click();
    await page.getByText("1 key brought back, 1 not.").waitFor();
    await dialog.getByText(/BUSYKEY/).waitFor();
    assert.equal(await undo(dialog).count(), 0);
    assert.deepEqual((await call("MGET", "again:1", "again:2")).map(String), ["a", "anew"]);
    await close(dialog);
  });
  for (const lacks of ["pexpiretime", "memory|usage"]) {
    test(`a user without ${lacks} deletes all the same, without it`, async () => {
      for (let i = 0; i < 300; i += 1) await call("SET", `left:${i}`, i);
      await call("ACL", "SETUSER", "few", "on", ">secret", "+@all", `-${lacks}`, "~*", "&*");
      const own = await openPage(browser, server);
      try {
        // Not by the default user, who has no password.
        await own.addInitScript(() => sessionStorage.setItem("russet.left", "1"));
        await own.goto(server.url);
        await own.getByRole("textbox", { name: "User" }).fill("few");
        await own.getByLabel("Password").fill("secret");
        await own.getByRole("button", { name: "Log in" }).click();
        await own.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
        await unlock(own);
        const dialog = await counted(own, "left:*");
        await removed(dialog, 300);
        assert.equal(await undo(dialog).count(), 0);
        assert.equal(await dialog.getByRole("alert").count(), 0);
        assert.equal(await call("EXISTS", "left:0", "left:299"), 0);
        assert.deepEqual(await own.wrongs(), []);
      } finally {
        await own.context().close();
        await call("ACL", "DELUSER", "few");
      }
    });
  }
});

describe("a node of a cluster", () => {
  test("keys of different slots are deleted by pattern, and a name of another slot is refused in words", async () => {
    const node = await Server.start(["--cluster-enabled", "yes"]);
    const own = await openPage(browser, node);
    try {
      await node.client.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383);
      // A node that was alone for two seconds waits for five more.
      await eventually(async () => assert.match(String(await node.client.call("CLUSTER", "INFO")), /cluster_state:ok/), 15_000);
      for (let i = 0; i < 20; i += 1) await node.client.call("SET", `old:${i}`, i);
      await visit(own, "keys");
      await unlock(own);
      await own.getByRole("button", { name: "Delete by pattern" }).click();
      const dialog = own.getByRole("dialog", { name: "Delete keys by pattern" });
      await dialog.getByRole("textbox").fill("old:1?");
      await dialog.getByRole("button", { name: "Count what would be deleted" }).click();
      await dialog.getByRole("button", { name: "Delete 10 keys" }).click();
      await dialog.getByText("10 of 10").waitFor();
      await dialog.getByRole("button", { name: "Close" }).first().click();
      assert.equal(await node.client.call("DBSIZE"), 10);
      await visit(own, "keys/old:1");
      for (const [name, told] of [["new:1", /CROSSSLOT|same slot/i], ["{old:1}x", "Renamed."]]) {
        await own.getByRole("button", { name: "Rename" }).click();
        await own.getByRole("textbox", { name: "New name" }).fill(name);
        await own.getByRole("dialog").getByRole("button", { name: "Rename" }).click();
        await own.getByText(told).waitFor();
        const cancel = own.getByRole("button", { name: "Cancel" });
        if (await cancel.count()) await cancel.click();
      }
      assert.deepEqual(await own.wrongs(), []);
    } finally {
      await own.context().close();
      await node.stop();
    }
  });
});

describe("sessions", () => {
  test("one that ends does not become another user's", async () => {
    await call("ACL", "SETUSER", "anna", "on", ">secret", "+@all", "~*", "&*");
    const own = await openPage(browser, server);
    await own.addInitScript(() => sessionStorage.setItem("russet.left", "1"));
    await own.goto(server.url);
    await own.getByRole("textbox", { name: "User" }).fill("anna");
    await own.getByLabel("Password").fill("secret");
    await own.getByRole("button", { name: "Log in" }).click();
    await own.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
    // Logging in has removed the mark: only the page itself is not to log in again.
    assert.equal(await own.evaluate(() => sessionStorage.getItem("russet.left")), null);
    await call("ACL", "DELUSER", "anna");
    await own.getByRole("button", { name: "Log in" }).waitFor({ timeout: 15_000 });
    await own.context().close();
  });
});
