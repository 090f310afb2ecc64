/** JSON documents in the Keys view: read as they are opened, changed at a path, found by paths of both dialects. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { axeFindings, eventually, openBrowser, openPage, Server, unlock, visit, walker } from "./support.js";

const ORDER = { id: 7, paid: true, note: "by hand", customer: { name: "Anna", tags: ["a", "b"] }, items: [{ sku: "x1", price: 9.5 }, { sku: "y2", price: 120 }], none: null, empty: {} };

let server;
let browser;
let page;

before(async () => {
  server = await Server.start();
  await call("JSON.SET", "order", "$", JSON.stringify(ORDER));
  browser = await openBrowser();
  page = await openPage(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);

const call = (...args) => server.client.call(...args);
const button = (name) => page.getByRole("button", { name, exact: true });
const line = (name) => page.getByRole("tree", { name: "Document" }).getByRole("treeitem", { name });
const chosen = () => page.getByRole("region", { name: "Chosen value" });
const matches = () => page.getByRole("region", { name: "Matches" });
const at = async (key, path) => JSON.parse(String(await call("JSON.GET", key, path)));

/** Opens a key anew. @param {string} link */
async function open(link) {
  await visit(page, "keys");
  await visit(page, `keys/${link}`);
  await page.getByRole("article", { name: /^Key/ }).waitFor();
}

/** Asks for a path. @param {string} path */
async function find(path) {
  await page.getByRole("searchbox", { name: "Find by a path of either dialect" }).fill(path);
  await page.keyboard.press("Enter");
}

describe("a document", () => {
  walk("is a tree whose containers open by keyboard and by mouse", async () => {
    await open("order");
    await line(/^\$ .*7 members object/).waitFor();
    await line(/^paid: true boolean/).waitFor();
    await line(/^note: "by hand" string/).waitFor();
    assert.equal(await line(/^name/).count(), 0);
    await line(/^customer/).click();
    await line(/^name: "Anna"/).waitFor();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    assert.equal(await line(/^tags/).getAttribute("aria-selected"), "true");
    await page.keyboard.press("ArrowRight");
    await line(/^1: "b" string/).waitFor();
    await page.keyboard.press("ArrowLeft");
    await line(/^1: "b"/).waitFor({ state: "detached" });
    assert.equal(await line(/^empty/).getAttribute("aria-expanded"), null);
  });
  walk("shows the chosen value whole, and its path", async () => {
    await line(/^items/).click();
    await line(/^1 .*2 members/).click();
    await chosen().getByText("$.items[1]", { exact: true }).waitFor();
    await chosen().getByText(/"price": 120/).waitFor();
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await chosen().getByRole("button", { name: "Copy the path" }).click();
    await chosen().getByRole("button", { name: "Copied" }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "$.items[1]");
  });
  walk("can be looked at with the lock closed, and changed only when it is opened", async () => {
    await page.getByRole("switch", { name: "Allow changes", checked: false }).waitFor();
    await line(/^id/).click();
    await chosen().getByRole("button", { name: "Edit" }).click();
    await page.getByRole("textbox", { name: "Value, as JSON" }).fill("8");
    await button("Save").click();
    const question = page.getByRole("dialog").filter({ has: page.getByRole("button", { name: "Open the lock" }) });
    await question.getByRole("button", { name: "Cancel" }).click();
    await button("Cancel").click();
    assert.deepEqual(await at("order", "$.id"), [7]);
    await unlock(page);
  });
  walk("is edited at the path, and keeps its expiry and the rest", async () => {
    await call("EXPIRE", "order", 5000);
    await line(/^id/).click();
    await chosen().getByRole("button", { name: "Edit" }).click();
    const field = page.getByRole("textbox", { name: "Value, as JSON" });
    await field.fill("[1,}");
    await button("Save").click();
    await page.getByRole("alert").getByText(/not JSON at offset/).waitFor();
    await field.fill('{"a": 9007199254740993}');
    await button("Save").click();
    await page.getByText("Saved.").waitFor();
    await line(/^id .*1 member object/).waitFor();
    assert.equal(String(await call("JSON.GET", "order", "$.id")), '[{"a":9007199254740993}]');
    assert.deepEqual((await at("order", "$"))[0].customer, ORDER.customer);
    assert.ok((await call("TTL", "order")) > 4000);
  });
  walk("is not edited over what another client has written", async () => {
    await line(/^note/).click();
    await chosen().getByRole("button", { name: "Edit" }).click();
    await call("JSON.SET", "order", "$.note", '"theirs"');
    await page.getByRole("textbox", { name: "Value, as JSON" }).fill('"mine"');
    await button("Save").click();
    await page.getByText(/^Not saved/).waitFor();
    await button("Cancel").click();
    await line(/^note: "theirs"/).waitFor();
    assert.deepEqual(await at("order", "$.note"), ["theirs"]);
  });
  walk("gets a member, but not over one of that name", async () => {
    await line(/^customer/).click();
    const add = async (name, value) => {
      await chosen().getByRole("button", { name: "Add member" }).click();
      await page.getByRole("textbox", { name: "Name" }).fill(name);
      await page.getByRole("textbox", { name: "Value, as JSON" }).fill(value);
      await button("Save").click();
    };
    await add('e-mail "work"', '"a@b"');
    await page.getByText("Added.").waitFor();
    assert.equal((await at("order", "$.customer"))[0]['e-mail "work"'], "a@b");
    await add("name", "1");
    await page.getByText("Not added: there is a member of that name.").waitFor();
    await button("Cancel").click();
    assert.deepEqual(await at("order", "$.customer.name"), ["Anna"]);
  });
  walk("gets elements at the end and before an index, and loses one", async () => {
    await find(".customer.tags");
    await chosen().getByText("$.customer.tags", { exact: true }).waitFor();
    const add = async (value, index) => {
      await chosen().getByRole("button", { name: "Add element" }).click();
      await page.getByRole("textbox", { name: "Value, as JSON" }).fill(value);
      await page.getByRole("textbox", { name: /^Before the index/ }).fill(index);
      await button("Save").click();
      await page.getByRole("dialog").waitFor({ state: "detached" });
    };
    await add('"c"', "");
    await eventually(async () => assert.deepEqual(await at("order", "$.customer.tags[*]"), ["a", "b", "c"]));
    await chosen().getByText("array, 3 elements").waitFor();
    await add('"first"', "0");
    await eventually(async () => assert.deepEqual(await at("order", "$.customer.tags[*]"), ["first", "a", "b", "c"]));
    await find("$.customer.tags[1]");
    await chosen().getByText("$.customer.tags[1]", { exact: true }).waitFor();
    await chosen().getByRole("button", { name: "Remove" }).click();
    await page.getByText("Removed.").waitFor();
    assert.deepEqual(await at("order", "$.customer.tags[*]"), ["first", "b", "c"]);
    await line(/^tags.*3 elements/).waitFor();
  });
  walk("asks before a container goes", async () => {
    await line(/^items/).click();
    await chosen().getByRole("button", { name: "Remove" }).click();
    const dialog = page.getByRole("dialog", { name: "Remove from the document" });
    await dialog.getByText("$.items and its 2 elements go.").waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    assert.equal((await at("order", "$.items"))[0].length, 2);
  });
  walk("becomes a command, and a command makes one", async () => {
    await button("As command").click();
    await page.getByLabel("Commands").getByText(/^JSON\.SET order "\$" .*PEXPIREAT order/s).waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
    await button("New key").click();
    await page.getByRole("textbox", { name: "Key" }).fill("fresh");
    await page.getByRole("combobox", { name: "Type" }).last().selectOption({ label: "JSON" });
    await page.getByRole("textbox", { name: "Value, as JSON" }).fill('{"a":[1]}');
    await button("Create").click();
    await page.getByRole("article", { name: "Key fresh" }).waitFor();
    await line(/^a .*1 element array/).waitFor();
    assert.equal(String(await call("TYPE", "fresh")), "ReJSON-RL");
  });
  walk("axe finds nothing", async () => {
    await open("order");
    await line(/^note/).click();
    await find("$..price");
    await matches().getByRole("row", { name: /120/ }).waitFor();
    assert.deepEqual(await axeFindings(page), []);
  });
});

describe("a path", () => {
  walk("of names and indexes leads to the value in the tree", async () => {
    await open("order");
    for (const path of ["items[1].price", ".items[1].price", "$.items[1]['price']", '$["items"][1].price']) {
      await find(path);
      await matches().getByText(`Chosen in the tree: ${path}`).waitFor();
      await chosen().getByText("$.items[1].price", { exact: true }).waitFor();
      assert.equal(await line(/^price: 120/).getAttribute("aria-selected"), "true");
      await line(/^note/).click();
    }
  });
  walk("with several matches shows each with its value", async () => {
    await find("$..price");
    await matches().getByText("2 matches of $..price").waitFor();
    await matches().getByRole("row", { name: /^1 number – ?9\.5|^1 number .*9\.5/ }).waitFor();
    await matches().getByRole("row", { name: /120/ }).click();
    await matches().getByLabel("Value of the match").getByText("120").waitFor();
    await find("$.items[?@.price>100].sku");
    await matches().getByText(/^1 match of/).waitFor();
    await matches().getByRole("row", { name: /"y2"/ }).waitFor();
  });
  walk("of the dialect without $ has its first match", async () => {
    await find("..price");
    await matches().getByText(/The first match .* of \.\.price/).waitFor();
    await matches().getByRole("row", { name: /9\.5/ }).waitFor();
    await find(".items[*]");
    await matches().getByRole("row", { name: /2 members.*x1/ }).waitFor();
  });
  walk("without a match, or that is none, says so", async () => {
    for (const path of ["$.nothing", ".nothing", "$..nothing"]) {
      await find(path);
      await matches().getByText(`No match of ${path}`).waitFor();
    }
    await find("$..[");
    await matches().getByRole("alert").getByText(/position/).waitFor();
    await button("Close the matches").click();
    await matches().waitFor({ state: "detached" });
  });
});

describe("a large document", () => {
  walk("is read in pages, and says what it does not show", async () => {
    const rows = Array.from({ length: 1000 }, (_, i) => ({ i, text: "x".repeat(100) }));
    await call("JSON.SET", "rows", "$", JSON.stringify({ rows, wide: Object.fromEntries(rows.map(({ i }) => [`m${i}`, i])), long: "y".repeat(200_000) }));
    await open("rows");
    await chosen().getByText(/too large to be shown whole/).waitFor();
    await line(/^rows/).click();
    await line(/^0 .*2 members/).waitFor();
    await page.keyboard.press("End");
    await line(/^long .*195 KiB string/).waitFor();
    await chosen().getByText(/^It takes .* JSON\.GET reads it/).waitFor();
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowUp");
    // The line about the rest has been chosen, which reads on.
    await line(/^100 .*2 members/).waitFor();
    await page.keyboard.press("End");
    await line(/^800 more elements not shown/).waitFor();
  });
  walk("shows what a path names beyond its pages", async () => {
    await find("$.rows[777].i");
    await chosen().getByText("$.rows[777].i", { exact: true }).waitFor();
    await line(/^i: 777/).waitFor();
    await find("$.wide.m999");
    await line(/^m999: 999/).waitFor();
    await unlock(page);
    await chosen().getByRole("button", { name: "Edit" }).click();
    await page.getByRole("textbox", { name: "Value, as JSON" }).fill("-1");
    await button("Save").click();
    await page.getByText("Saved.").waitFor();
    assert.deepEqual(await at("rows", "$.wide.m999"), [-1]);
  });
  walk("does not send matches that are too large together", async () => {
    await find("$.rows[*].text");
    await matches().getByText(/^1,000 matches; their values take .* and are not shown of/).waitFor();
  });
  walk("of more members than are listed is reached by path", async () => {
    await call("JSON.SET", "many", "$", JSON.stringify(Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`m${i}`, i]))));
    await open("many");
    await line(/^30,000 members are too many to list/).waitFor();
    await find("m29999");
    await line(/^m29999: 29999/).waitFor();
  });
});

describe("names of members", () => {
  walk("of any text are shown and reached, but for those that no path can name", async () => {
    const names = ['say "hi"', "back\\slash", "a.b[0]", "", "nul\u0000", "new\nline", "<img src=x onerror=alert(1)>", "é漢💥", "right\u202eto", "in", "it's"];
    await call("JSON.SET", "names", "$", JSON.stringify({ ...Object.fromEntries(names.map((name, i) => [name, { i }])), " blank": 1, blank: 2, ["l".repeat(1 << 17)]: 3 }));
    await open("names");
    await line(/^it's/).waitFor();
    const lines = page.getByRole("tree", { name: "Document" }).getByRole("treeitem");
    assert.equal(await lines.count(), 15);
    for (let i = 0; i < names.length; i += 1) {
      await lines.nth(1 + i).click();
      await chosen().getByText(new RegExp(`"i": ${i}\\b`)).waitFor();
      await page.keyboard.press("ArrowLeft");
    }
    await line(/^blank: 2/).waitFor();
    for (const unnamed of [12, 14]) {
      await line(/^blank: 2/).click();
      await lines.nth(unnamed).click();
      await chosen().getByText(/No path names this member/).waitFor();
    }
    assert.equal(await page.locator("img").count(), 0);
  });
});

describe("documents of one scalar", () => {
  for (const [text, shown] of [['"a text"', /^\$: "a text" string/], ["12", /^\$: 12 integer/], ["null", /^\$: null/], ["[]", /^\$ .*0 elements array/]]) {
    walk(text, async () => {
      await call("JSON.SET", `one:${text}`, "$", text);
      await open(encodeURIComponent(`one:${text}`));
      await line(shown).waitFor();
    });
  }
});

describe("rights", () => {
  test("a user without JSON.OBJKEYS reads why there is no tree", async () => {
    await call("ACL", "SETUSER", "few", "on", ">secret", "+@all", "-json.objkeys", "~*", "&*");
    const own = await openPage(browser, server);
    try {
      await own.addInitScript(() => sessionStorage.setItem("russet.left", "1"));
      await own.goto(server.url);
      await own.getByRole("textbox", { name: "User" }).fill("few");
      await own.getByLabel("Password").fill("secret");
      await own.getByRole("button", { name: "Log in" }).click();
      await own.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
      await visit(own, "keys/order");
      await own.getByText("This needs JSON.OBJKEYS, which the user few may not run.").waitFor();
      assert.deepEqual(await own.wrongs(), []);
    } finally {
      await own.context().close();
      await call("ACL", "DELUSER", "few");
    }
  });
});
