/** Every view walked by role and name, as a person or a screen reader goes through it. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe } from "node:test";
import { axeFindings, Client, eventually, openBrowser, openPage, Server, unlock, visit, VIEWS, walker } from "./support.js";

let server;
let browser;
let page;

before(async () => {
  server = await Server.start(["--maxmemory", "256mb"]);
  const { client } = server;
  for (let i = 0; i < 300; i += 1) await client.call("SET", `user:${i}`, `value ${i}`, "EX", 60 + i * 400);
  for (let i = 0; i < 40; i += 1) await client.call("HSET", `order:${i}`, "state", "paid", "sum", i);
  await client.call("SET", "big", "x".repeat(100_000));
  for (let i = 0; i < 5; i += 1) await client.call("XADD", "events", `${i + 1}-0`, "n", i);
  await client.call("XGROUP", "CREATE", "events", "workers", 0);
  await client.call("XREADGROUP", "GROUP", "workers", "anna", "COUNT", 3, "STREAMS", "events", ">");
  await client.call("XGROUP", "CREATECONSUMER", "events", "workers", "ben");
  await client.call("ACL", "SETUSER", "reader", "on", ">secret", "~user:*", "+@read", "+ping");
  await client.call("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('twice', function(keys, args) return 2 * args[1] end)");
  browser = await openBrowser();
  page = await openPage(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);

const tile = (name) => page.getByRole("region", { name });
const button = (name) => page.getByRole("button", { name });

describe("the frame", () => {
  // Scripts are joined: such a name would be another module's in place of the browser's.
  walk("no name at the top of a module is one of the browser's", async () => {
    const folder = new URL("../../console/", import.meta.url);
    const files = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".js") && !file.startsWith("vendor"));
    const text = files.map((file) => readFileSync(new URL(file, folder), "utf8")).join("\n");
    const names = [...text.matchAll(/^(?:export )?(?:default )?(?:async )?(?:function\*?|class|const|let) +(\w+)/gm)].map(([, name]) => name);
    assert.ok(names.length > 300, `${names.length}`);
    assert.deepEqual(await page.evaluate((all) => all.filter((name) => name in window), names), []);
  });
  walk("the page opens without a form for a default user without a password", async () => {
    await visit(page, "overview");
    assert.equal(await page.title(), `Overview – russet 127.0.0.1:${server.consolePort}`);
  });
  walk("each view has a link in the navigation, a heading and a title", async () => {
    const links = page.getByRole("navigation", { name: "Views" }).getByRole("link");
    assert.equal(await links.count(), VIEWS.length);
    for (let i = 0; i < VIEWS.length; i += 1) {
      const name = await links.nth(i).textContent();
      await links.nth(i).click();
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      await page.waitForFunction((title) => document.title.startsWith(title), name);
      assert.equal(await page.getByRole("link", { name, exact: true }).getAttribute("aria-current"), "page");
    }
  });
  walk("g and a letter go to a view", async () => {
    await visit(page, "overview");
    await page.keyboard.press("g");
    await page.keyboard.press("c");
    await page.getByRole("heading", { name: "Clients", level: 1 }).waitFor();
  });
  walk("the palette finds a view", async () => {
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Go to a view or a key" }).fill("durab");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Durability", level: 1 }).waitFor();
  });
  walk("? lists the keys, Escape closes the list", async () => {
    await page.keyboard.press("?");
    const help = page.getByRole("dialog", { name: "Keyboard" });
    await help.waitFor();
    await page.keyboard.press("Escape");
    await help.waitFor({ state: "detached" });
  });
  walk("the colours change and stay", async () => {
    await button(/^Auto/).click();
    await button(/^Light/).click();
    await page.locator("html[data-theme=dark]").waitFor({ state: "attached" });
    await page.reload();
    await button(/^Dark/).click();
    await page.locator("html[data-theme=system]").waitFor({ state: "attached" });
  });
  walk("the lock opens after a question, and closes", async () => {
    await unlock(page);
    const lock = page.getByRole("switch", { name: "Allow changes" });
    await lock.click();
    await page.getByRole("switch", { name: "Allow changes", checked: false }).waitFor();
  });
  walk("another database stays chosen from view to view", async () => {
    await visit(page, "memory");
    await page.getByRole("combobox", { name: "db" }).selectOption("3");
    await page.getByRole("link", { name: "Clients", exact: true }).click();
    await page.getByRole("heading", { name: "Clients", level: 1 }).waitFor();
    assert.match(page.url(), /db=3/);
    await visit(page, "memory");
  });
});

describe("Overview", () => {
  walk("one verdict stands first, and figures of now", async () => {
    await visit(page, "overview");
    await page.getByText(/^\d[\d,]* keys?$|Keys/).first().waitFor();
  });
  walk("figures begin with the server's start", async () => {
    await page.getByText(/^Figures since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, the server's start$/).waitFor();
  });
  walk("charts have their text and a table", async () => {
    await button("Table").first().click();
    await page.getByRole("table").first().waitFor();
  });
});

describe("Keys", () => {
  walk("the tree has prefixes and keys", async () => {
    await visit(page, "keys");
    await page.getByRole("treeitem", { name: /user:/ }).first().waitFor();
    await page.getByRole("treeitem", { name: /big/ }).first().waitFor();
  });
  walk("arrow keys move through it, the key shows at right", async () => {
    await page.getByRole("treeitem", { name: /big/ }).first().click();
    await page.getByRole("article", { name: "Key big" }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.getByRole("article", { name: "Key events" }).waitFor();
  });
  walk("a filter finds a key; a click opens its folder, and the key tells its bytes", async () => {
    await page.getByRole("searchbox", { name: /Filter/ }).fill("user:17");
    await page.getByRole("treeitem", { name: /user:.*11/ }).first().click();
    await page.getByRole("treeitem", { name: /17.* B/ }).first().waitFor();
  });
  walk("a hash shows its fields", async () => {
    await visit(page, "keys/order:7");
    await page.getByRole("row", { name: /state.*paid/ }).waitFor();
  });
  walk("a long value shows its head", async () => {
    await visit(page, "keys/big");
    await page.getByText(/The first 64 KiB of 97\.7 KiB/).waitFor();
    await button(/^Load all/).click();
    await page.getByText(/The first 64 KiB/).waitFor({ state: "detached" });
  });
  walk("an edit is saved, byte for byte", async () => {
    await server.client.call("SET", "note", "a\nb \u00e9");
    await visit(page, "keys/note");
    await page.getByRole("article", { name: "Key note" }).waitFor();
    await unlock(page);
    await button("Edit").click();
    const field = page.getByRole("textbox", { name: "Value" });
    await field.fill(`${await field.inputValue()}!`);
    await button("Save").click();
    await eventually(async () => assert.equal(String(await server.client.call("GET", "note")), "a\nb \u00e9!"));
  });
  walk("an edit of bytes that are not UTF-8 leaves them as they were", async () => {
    const value = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x0a, 0x80]);
    await server.client.call("SET", Buffer.from([0xfe, 0x01]), value);
    await visit(page, "keys/%FE%01");
    await page.getByRole("article", { name: "Key \\xfe\\x01" }).waitFor();
    await unlock(page);
    await button("Edit").click();
    await button("Save").click();
    await page.getByText("Saved.").first().waitFor();
    assert.deepEqual(await server.client.call("GET", Buffer.from([0xfe, 0x01])), value);
  });
  walk("an edit is refused if another client wrote meanwhile", async () => {
    await server.client.call("SET", "note", "one");
    await visit(page, "keys/note");
    await page.getByRole("article", { name: "Key note" }).waitFor();
    await button("Load again").last().click();
    await unlock(page);
    await button("Edit").click();
    await server.client.call("SET", "note", "two");
    await page.getByRole("textbox", { name: "Value" }).fill("three");
    await button("Save").click();
    await page.getByText(/changed/i).first().waitFor();
    assert.equal(String(await server.client.call("GET", "note")), "two");
  });
  walk("a bulk delete counts first and deletes what was counted", async () => {
    for (let i = 0; i < 20; i += 1) await server.client.call("SET", `old:${i}`, i);
    await visit(page, "keys");
    await unlock(page);
    await button("Delete by pattern").click();
    const dialog = page.getByRole("dialog", { name: "Delete keys by pattern" });
    await dialog.getByRole("textbox").fill("old:*");
    await dialog.getByRole("button", { name: "Count what would be deleted" }).click();
    await dialog.getByRole("button", { name: "Delete 20 keys" }).click();
    await dialog.getByText("20 of 20").waitFor();
    assert.equal(await server.client.call("EXISTS", "old:0", "old:19"), 0);
    await dialog.getByRole("button", { name: "Undo" }).click();
    await page.getByText("20 keys brought back.").waitFor();
    assert.equal(String(await server.client.call("GET", "old:19")), "19");
    await dialog.getByRole("button", { name: "Close" }).first().click();
  });
});

describe("Workbench", () => {
  walk("commands run, each with its reply and time", async () => {
    await visit(page, "workbench");
    await page.getByLabel("Commands, one a line").fill("GET user:5\nHGETALL order:7");
    await page.keyboard.press("Control+Enter");
    await page.getByRole("article", { name: "Reply of GET user:5" }).getByText("value 5").waitFor();
    await page.getByRole("article", { name: "Reply of HGETALL order:7" }).getByText("paid").waitFor();
  });
  walk("a command that would wait replies nil, and the page says why", async () => {
    await page.getByLabel("Commands, one a line").fill("BLPOP no-such-list 0");
    await page.keyboard.press("Control+Enter");
    await page.getByRole("article", { name: "Reply of BLPOP no-such-list 0" }).getByText(/In the console commands do not wait/).waitFor();
  });
  walk("replies are shown as JSON", async () => {
    await page.getByRole("group", { name: "Show replies as" }).getByRole("button", { name: "JSON" }).click();
    await page.getByRole("article", { name: "Reply of HGETALL order:7" }).getByText(/"paid"/).waitFor();
    await page.getByRole("group", { name: "Show replies as" }).getByRole("button", { name: "redis-cli" }).click();
  });
  walk("completion knows this server's commands", async () => {
    await page.getByLabel("Commands, one a line").fill("");
    await page.getByLabel("Commands, one a line").pressSequentially("hgeta");
    await page.getByRole("option", { name: /HGETALL/i }).first().waitFor();
    await page.keyboard.press("Escape");
  });
  walk("a 64-bit integer keeps its digits", async () => {
    await server.client.call("SET", "edge", "9223372036854775806");
    await unlock(page);
    await page.getByLabel("Commands, one a line").fill("INCR edge");
    await page.keyboard.press("Control+Enter");
    await page.getByRole("article", { name: "Reply of INCR edge" }).getByText("9223372036854775807").waitFor();
  });
  walk("an error is shown in the server's words", async () => {
    await page.getByLabel("Commands, one a line").fill("HGET user:5 field");
    await page.keyboard.press("Control+Enter");
    await page.getByRole("article", { name: "Reply of HGET user:5 field" }).getByText(/WRONGTYPE/).waitFor();
    await visit(page, "overview");
    await page.getByRole("switch", { name: "Allow changes" }).click();
  });
});

describe("Memory", () => {
  walk("lines add up to the used memory", async () => {
    await visit(page, "memory");
    const rows = tile("Where it goes").getByRole("table").getByRole("row");
    await rows.nth(3).waitFor();
    const titles = await tile("Where it goes").locator("td[title$=bytes]").evaluateAll((cells) => cells.map((cell) => Number(cell.title.replace(/[^\d-]/g, ""))));
    assert.equal(titles.slice(0, -1).reduce((sum, n) => sum + n, 0), titles.at(-1));
  });
  walk("the fill names the limit", async () => {
    await tile("How full").getByText("256 MiB", { exact: true }).waitFor();
  });
  walk("the sample knows the types", async () => {
    for (const type of ["string", "hash", "stream"]) await tile("Types").getByRole("cell", { name: type, exact: true }).waitFor();
  });
  walk("namespaces are drawn by bytes or keys, and add up", async () => {
    const part = tile("Namespaces");
    await part.getByRole("row", { name: /^user: 300 / }).waitFor();
    const first = () => part.locator("tbody tr").first().textContent();
    await eventually(async () => {
      const counts = await part.locator("tbody td:nth-of-type(1)").allTextContents();
      assert.equal(counts.reduce((sum, text) => sum + Number(text.replace(",", "")), 0), await server.client.call("DBSIZE"));
    });
    assert.match(await first(), /^without one/);
    await part.getByRole("button", { name: "Keys" }).click();
    await eventually(async () => assert.match(await first(), /^user:300/));
    assert.deepEqual(await axeFindings(page), []);
  });
  walk("the calendar counts every key", async () => {
    const cells = tile("What expires when").locator("tbody td:nth-of-type(1)");
    await eventually(async () => {
      const counts = await cells.allTextContents();
      assert.equal(counts.reduce((sum, text) => sum + Number(text.replace(",", "")), 0), await server.client.call("DBSIZE"));
    });
  });
  walk("the largest key comes first and leads to it", async () => {
    const first = tile("Largest keys").getByRole("link").first();
    assert.equal(await first.textContent(), "big");
    assert.match(await first.getAttribute("href"), /^#\/keys\/big/);
  });
  walk("prefixes are switched on once the lock is open", async () => {
    assert.equal(await button("Count by prefix").getAttribute("aria-disabled"), "true");
    await unlock(page);
    await button("Count by prefix").click();
    const row = tile("Prefixes").getByRole("row", { name: /^user:/ });
    await row.waitFor();
    await eventually(async () => assert.match(await row.textContent(), /^user:300/));
  });
  walk("packing is estimated by prefix, and what is packed has columns", async () => {
    const { client } = server;
    const names = Array.from({ length: 300 }, (_, n) => `cold:${n}`);
    await client.call("MSET", ...names.flatMap((name, n) => [name, `{"user":"user.${n}","plan":"basic","seats":${n % 31},"city":"Berlin"}`.repeat(9)]));
    await tile("Packing").getByText("No value is packed.").waitFor();
    await button("Estimate by prefix").click();
    await tile("Packing").getByRole("row", { name: /^cold: 300 / }).waitFor();
    assert.match(await tile("Packing").textContent(), /would take .+ instead of /);
    assert.equal(await tile("Prefixes").getByRole("columnheader", { name: "Packed keys" }).count(), 0);
    await client.call("CONFIG", "SET", "compress-values", "yes", "compress-idle-seconds", 0);
    await eventually(async () => assert.match(await tile("Packing").textContent(), /\d values are packed, which saves/), 30_000);
    await tile("Prefixes").getByRole("columnheader", { name: "Packed keys" }).waitFor();
    assert.deepEqual(await axeFindings(page), []);
    await client.call("CONFIG", "SET", "compress-values", "no");
    await client.call("MEMORY", "UNPACK");
    await client.call("DEL", ...names);
  });
  walk("with them, a folder tells its reads and misses to the keyboard", async () => {
    await visit(page, "keys");
    const folder = page.getByRole("treeitem", { name: /^user:/ });
    await folder.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: "Browse" }).getByRole("status").getByText(/^\d+ reads, \d+ misses$/).waitFor();
  });
});

describe("Activity", () => {
  walk("a slow command is in the log", async () => {
    await server.client.call("CONFIG", "SET", "commandlog-execution-slower-than", 0);
    await server.client.call("GET", "user:7");
    await server.client.call("CONFIG", "SET", "commandlog-execution-slower-than", 10000);
    await visit(page, "activity");
    await tile("Slow and large").getByRole("row", { name: /GET user:7/ }).waitFor();
  });
  walk("the log is chosen by a link", async () => {
    await page.getByRole("combobox", { name: "Log" }).selectOption("large-reply");
    await page.waitForURL(/log=large-reply/);
  });
  walk("the log is emptied after a question", async () => {
    await visit(page, "activity");
    await unlock(page);
    await tile("Slow and large").getByRole("button", { name: "Empty" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Empty" }).click();
    await page.getByText("The log is empty.").first().waitFor();
    assert.deepEqual(await server.client.call("COMMANDLOG", "GET", 10, "slow"), []);
  });
  walk("latency has a row for each command", async () => {
    await tile("Latency by command").getByRole("row", { name: /^SET / }).waitFor();
  });
  walk("errors are counted by kind", async () => {
    await assert.rejects(server.client.call("HGET", "big", "field"), /WRONGTYPE/);
    await tile("Errors by kind").getByRole("row", { name: /WRONGTYPE/ }).waitFor();
  });
  walk("a run of HOTKEYS names the key that costs", async () => {
    await button("Find hot keys").click();
    await tile("Hot keys").getByRole("button", { name: "Stop" }).waitFor();
    for (let i = 0; i < 200; i += 1) await server.client.call("GET", "big");
    await tile("Hot keys").getByRole("link", { name: "big" }).first().waitFor();
    await tile("Hot keys").getByRole("button", { name: "Stop" }).click();
    await button("Find hot keys").waitFor();
  });
  walk("MONITOR shows what the filter lets pass", async () => {
    const watch = tile("Watch commands");
    await watch.getByRole("textbox", { name: "Key pattern" }).fill("user:1*");
    await watch.getByRole("button", { name: "Watch for a minute" }).click();
    await watch.getByText("Watching").waitFor();
    await eventually(async () => {
      await server.client.call("GET", "user:2");
      await server.client.call("GET", "user:11");
      assert.ok((await watch.getByRole("row", { name: /GET user:11/ }).count()) > 0);
    });
    assert.equal(await watch.getByRole("row", { name: /GET user:2 / }).count(), 0);
    await watch.getByRole("button", { name: "Stop" }).click();
  });
});

describe("Clients", () => {
  walk("the table has the console itself", async () => {
    await visit(page, "clients");
    await page.getByRole("row", { name: /russet-console/ }).first().waitFor();
  });
  walk("groups by user lead to their clients", async () => {
    await page.getByRole("combobox", { name: "By" }).selectOption("user");
    await page.getByRole("link", { name: "default" }).click();
    await page.waitForURL(/is=default/);
    await page.getByRole("link", { name: "All groups" }).click();
    await page.getByRole("table", { name: "Clients by user" }).waitFor();
  });
  walk("a filter shows who is hit before they are cut off", async () => {
    const victim = await Client.connect(server.port);
    await victim.call("CLIENT", "SETNAME", "victim");
    const closed = new Promise((resolve) => victim.socket.once("close", resolve));
    await visit(page, "clients");
    await unlock(page);
    await button("End clients…").click();
    const dialog = page.getByRole("dialog", { name: "End clients" });
    await dialog.getByText("Fill in one field at least.").waitFor();
    await dialog.getByRole("textbox", { name: "Name contains" }).fill("victim");
    await dialog.getByText("1 connection would be cut.").waitFor();
    await dialog.getByRole("button", { name: "End 1 client" }).click();
    await page.getByText("1 client ended.").waitFor();
    await closed;
    await tile("Ended lately").getByRole("row", { name: /killed/ }).first().waitFor();
  });
});

describe("Messages", () => {
  walk("a channel is in the list with its subscribers", async () => {
    const listener = await Client.connect(server.port);
    await listener.call("SUBSCRIBE", "news");
    await visit(page, "messages");
    await tile("Channels").getByRole("row", { name: "news 1" }).waitFor();
    listener.close();
  });
  walk("a message that is published arrives in the live view", async () => {
    await visit(page, "messages?channel=news");
    await tile("Live").getByText("listening").waitFor();
    await unlock(page);
    await tile("Publish").getByRole("textbox", { name: "Channel" }).fill("news");
    await tile("Publish").getByRole("textbox", { name: "Message" }).fill("good morning");
    await eventually(async () => {
      await tile("Publish").getByRole("button", { name: "Publish" }).click();
      assert.ok((await tile("Live").getByRole("row", { name: /good morning/ }).count()) > 0);
    });
    await tile("Live").getByRole("button", { name: "Stop" }).click();
  });
  walk("each stream's groups have lag and pending entries", async () => {
    await visit(page, "messages");
    await page.getByRole("row", { name: /^events workers 2 3 / }).waitFor();
  });
  walk("a group opens with its consumers and pending entries", async () => {
    await page.getByRole("row", { name: /^events workers/ }).click();
    await tile("Consumers").getByRole("row", { name: /^anna 3/ }).waitFor();
    assert.equal(await page.getByRole("grid", { name: "Pending entries" }).getByRole("row").count(), 4);
  });
  walk("an entry is claimed for another consumer", async () => {
    await page.getByRole("grid", { name: "Pending entries" }).getByRole("row", { name: /^1-0/ }).click();
    await page.getByRole("combobox", { name: "Claim for" }).selectOption({ label: "ben" });
    await button("Claim").click();
    await page.getByRole("row", { name: /^1-0 ben/ }).waitFor();
  });
  walk("an entry is acknowledged after a question", async () => {
    await page.getByRole("grid", { name: "Pending entries" }).getByRole("row", { name: /^2-0/ }).click();
    await button("Acknowledge").click();
    await page.getByRole("dialog").getByRole("button", { name: "Acknowledge" }).click();
    await page.getByText("2-0 is acknowledged.").waitFor();
    const [pending] = await server.client.call("XPENDING", "events", "workers");
    assert.equal(pending, 2);
  });
});

describe("Changes and budgets", () => {
  walk("consumers of the change stream are listed with what they lack", async () => {
    await server.client.call("CONFIG", "SET", "changes-retain", "1mb");
    await server.client.call("CHANGES", "CONSUMER", "CREATE", "mirror");
    await visit(page, "messages");
    await tile("Change stream").getByRole("row", { name: /^mirror/ }).waitFor();
    await server.client.call("CHANGES", "CONSUMER", "DROP", "mirror");
    await server.client.call("CONFIG", "SET", "changes-retain", "0");
  });
  walk("budgets of users are listed, and the audit log", async () => {
    await server.client.call("ACL", "SETUSER", "reader", "rate=1000");
    await visit(page, "users/reader");
    await tile("Budgets").getByRole("row", { name: /^reader 0 0 0/ }).waitFor();
    await page.getByText("Budgets: rate=1000.").waitFor();
    await tile("Audit log").getByText(/^Off/).waitFor();
    await server.client.call("ACL", "SETUSER", "reader", "resetbudgets");
  });
});

describe("Durability", () => {
  walk("the page says what a power cut would cost", async () => {
    await visit(page, "durability");
    await tile("A power cut now").getByText(/would be lost/).waitFor();
  });
  walk("a backup is created, listed and dropped", async () => {
    await unlock(page);
    await page.getByRole("textbox", { name: "Name" }).fill("nightly");
    await button("Create a backup").click();
    await page.getByRole("row", { name: /^nightly aof/ }).waitFor({ timeout: 15_000 });
    await button("Drop nightly").click();
    await page.getByRole("dialog").getByRole("button", { name: "Drop" }).click();
    await page.getByText("No backup here yet.").waitFor();
    assert.deepEqual(await server.client.call("BACKUP", "LIST"), []);
  });
  walk("a snapshot is saved", async () => {
    await button("Save a snapshot").click();
    await page.getByText("The snapshot is being written.").waitFor();
  });
  walk("the commands that restore a moment have it and the server's folder", async () => {
    await page.getByRole("textbox", { name: "Until (UTC)" }).fill("2026-01-31T12:00:00Z");
    const steps = await tile("Restore to a moment").locator("pre").textContent();
    assert.match(steps, /--until 2026-01-31T12:00:00Z/);
    assert.ok(steps.includes(server.folder));
  });
  walk("a flush is undone", async () => {
    const other = await Server.start(["--flush-grace", "60"]);
    const tab = await openPage(browser, other);
    try {
      await other.client.call("SET", "kept", "1");
      await visit(tab, "workbench");
      await unlock(tab);
      await tab.getByLabel("Commands, one a line").fill("FLUSHALL");
      await tab.keyboard.press("Control+Enter");
      await tab.getByRole("dialog").getByRole("button", { name: "Run" }).click();
      await tab.getByText(/^1 key can be brought back for/).waitFor();
      await visit(tab, "durability");
      const flushes = tab.getByRole("region", { name: "Flushes to be undone" });
      await flushes.getByRole("button", { name: "Undo the last one" }).click();
      await tab.getByRole("dialog").getByText(/^It brings back 1 key, about .*, of database 0\.$/).waitFor();
      await tab.getByRole("dialog").getByRole("button", { name: "Bring them back" }).click();
      await tab.getByText("1 key brought back.").waitFor();
      await flushes.getByText(/^None\./).waitFor();
      assert.equal(String(await other.client.call("GET", "kept")), "1");
    } finally {
      await tab.context().close();
      await other.stop();
    }
  });
  walk("a replica is listed with what it lacks", async () => {
    const replica = await Server.start(["--replicaof", "127.0.0.1", String(server.port)]);
    try {
      await page.getByRole("table", { name: "Replicas" }).getByRole("row", { name: new RegExp(`127.0.0.1:${replica.port} online`) }).waitFor({ timeout: 15_000 });
    } finally {
      await replica.stop();
    }
  });
});

describe("A restart", () => {
  walk("is marked in the charts, behind the figures from before it", async () => {
    const other = await Server.start();
    const tab = await openPage(browser, other);
    try {
      await visit(tab, "overview");
      await tab.getByText(/the server's start$/).waitFor();
      await tab.waitForTimeout(3500);
      await other.restart();
      // Its sessions have ended with it; the default user needs no form.
      await tab.getByText(/^Started anew \d{4}-/).waitFor({ timeout: 20_000 });
    } finally {
      await tab.context().close();
      await other.stop();
    }
  });
});

describe("Settings", () => {
  walk("every directive is there", async () => {
    await visit(page, "settings");
    const directives = await server.client.call("CONFIG", "GET", "*");
    await page.getByText(`${directives.length / 2} of ${directives.length / 2} directives`).waitFor();
  });
  walk("the filter finds by name and is in the link", async () => {
    await page.getByRole("searchbox", { name: "Filter" }).fill("maxmemory-policy");
    await page.getByRole("row", { name: /^maxmemory-policy noeviction/ }).waitFor();
    assert.match(page.url(), /q=maxmemory-policy/);
  });
  walk("a directive is set, and the old value is one button away", async () => {
    await page.getByRole("row", { name: /^maxmemory-policy/ }).click();
    await unlock(page);
    await page.getByRole("combobox", { name: "New value of maxmemory-policy" }).selectOption("allkeys-lru");
    await page.getByRole("button", { name: "Set", exact: true }).click();
    await page.getByText("maxmemory-policy is set.").waitFor();
    assert.equal(String((await server.client.call("CONFIG", "GET", "maxmemory-policy"))[1]), "allkeys-lru");
    await button("Undo").click();
    await eventually(async () => assert.equal(String((await server.client.call("CONFIG", "GET", "maxmemory-policy"))[1]), "noeviction"));
  });
  walk("what is yes or no is a choice of the two", async () => {
    await visit(page, "settings/lazyfree-lazy-expire");
    const choice = page.getByRole("group", { name: "New value of lazyfree-lazy-expire" });
    const before = String((await server.client.call("CONFIG", "GET", "lazyfree-lazy-expire"))[1]);
    const other = before === "yes" ? "no" : "yes";
    assert.equal(await choice.getByRole("button", { name: before }).getAttribute("aria-pressed"), "true");
    await choice.getByRole("button", { name: other }).click();
    await page.getByRole("button", { name: "Set", exact: true }).click();
    await page.getByText("lazyfree-lazy-expire is set.").waitFor();
    assert.equal(String((await server.client.call("CONFIG", "GET", "lazyfree-lazy-expire"))[1]), other);
  });
  walk("a refused value is reported in the server's words", async () => {
    await visit(page, "settings/maxclients");
    await page.getByRole("textbox", { name: "New value of maxclients" }).fill("none-such");
    await page.getByRole("button", { name: "Set", exact: true }).click();
    await page.getByText(/CONFIG SET failed/).waitFor();
  });
});

describe("Users and code", () => {
  walk("users are described in words", async () => {
    await visit(page, "users");
    await page.getByRole("row", { name: /^reader with its password all of @read, PING user:\*/ }).waitFor();
    await page.getByRole("row", { name: /^reader/ }).click();
    await page.getByText("Logs in with its password.").waitFor();
  });
  walk("ACL DRYRUN answers yes and no", async () => {
    await page.getByRole("combobox", { name: "User" }).selectOption({ label: "reader" });
    await button("May they?").click();
    await page.getByText("Yes: reader may run this.").waitFor();
    await page.getByRole("textbox", { name: "Command" }).fill("SET user:1 x");
    await button("May they?").click();
    await page.getByText(/^No: .*permission/).waitFor();
  });
  walk("a refused login is in the log, which can be emptied", async () => {
    await assert.rejects(server.client.call("AUTH", "reader", "wrong"), /WRONGPASS/);
    await visit(page, "users");
    await tile("Refused").getByRole("row", { name: /reader auth/ }).waitFor();
    await unlock(page);
    await tile("Refused").getByRole("button", { name: "Empty" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Empty" }).click();
    await tile("Refused").getByText("No login or command was refused.").waitFor();
  });
  walk("a library shows its functions and its code", async () => {
    await page.getByRole("row", { name: /^lib LUA twice/ }).click();
    await page.getByText("redis.register_function").waitFor();
  });
  walk("a script that runs is named and can be ended", async () => {
    const busy = await Client.connect(server.port);
    await server.client.call("CONFIG", "SET", "busy-reply-threshold", 100);
    const script = busy.call("EVAL", "while true do end", 0).catch((error) => error.message);
    await button("End the script").click({ timeout: 10_000 });
    assert.match(await script, /killed/i);
    busy.close();
  });
});
