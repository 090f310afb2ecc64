/** Keys of each type: names as people say them, whole IDs, items of sketches, nearest elements, formats of values. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { axeFindings, eventually, openBrowser, openPage, Server, unlock, visit, walker } from "./support.js";

let server;
let browser;
let page;

const LONG = "1700000000000-18446744073709551615";

before(async () => {
  server = await Server.start();
  const { client } = server;
  await client.call("ZADD", "rank", 1, "a");
  await client.call("JSON.SET", "doc", "$", "{}");
  await client.call("XADD", "log", LONG, "level", "warn");
  await client.call("XADD", "plain", "1-1", "n", 1);
  await client.call("BF.ADD", "seen", "a");
  await client.call("CF.ADD", "cuckoo", "a");
  await client.call("CMS.INITBYDIM", "counted", 1000, 5);
  await client.call("CMS.INCRBY", "counted", "a", 7);
  await client.call("TOPK.RESERVE", "best", 2);
  await client.call("TOPK.ADD", "best", "a", "a", "b");
  await client.call("TDIGEST.CREATE", "times");
  await client.call("TDIGEST.ADD", "times", 1, 2, 3, 4);
  for (let i = 0; i < 20; i += 1) {
    await client.call("VADD", "points", "VALUES", 2, Math.cos(i / 10), Math.sin(i / 10), `p${i}`);
    await client.call("VSETATTR", "points", `p${i}`, `{"even":${i % 2 === 0 ? 1 : 0}}`);
  }
  await client.call("SET", "php", 'a:1:{s:4:"name";s:6:"中文";}');
  await client.call("SET", "json", '{"name":"x","n":[1.50,true],"long":"' + "y".repeat(300) + '"}');
  await client.call("SET", "when", "1700000000000");
  await client.call("SET", "packed", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x01, 0x09, 0, 0, 0x41]));
  browser = await openBrowser();
  page = await openPage(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);
const open = async (key) => {
  await visit(page, `keys/${key}`);
  await page.getByRole("article", { name: `Key ${key}`, exact: true }).waitFor();
};

describe("types", () => {
  walk("have the names that people say", async () => {
    await open("rank");
    await page.locator(".key-facts .badge").getByText("sorted set").waitFor();
    await page.getByRole("treeitem", { name: /^doc/ }).getByText("JSON", { exact: true }).waitFor();
    const options = await page.getByRole("combobox", { name: "Type", exact: true }).getByRole("option").allTextContents();
    assert.ok(options.includes("Bloom filter") && options.includes("vector set"));
    assert.ok(!options.some((one) => /ReJSON|TYPE|MB|zset/.test(one)));
  });
});

describe("IDs of a stream", () => {
  walk("are shown whole, with a time only if they have one", async () => {
    await open("log");
    const cell = page.getByRole("grid", { name: "Entries, newest first" }).locator('[data-row="0"] .mono');
    assert.equal(await cell.textContent(), LONG);
    await eventually(async () => assert.ok(await cell.evaluate((el) => el.getBoundingClientRect().right <= el.parentElement.getBoundingClientRect().right && el.parentElement.scrollWidth <= el.parentElement.clientWidth)));
    await page.getByText("2023-11-14 22:13:20").waitFor();
    await open("plain");
    await page.getByRole("grid", { name: "Entries, newest first" }).getByText("1-1").waitFor();
    assert.equal(await page.getByText(/1970-01-01/).count(), 0);
    assert.deepEqual(await axeFindings(page), []);
  });
});

describe("a sketch", () => {
  const ask = (lines) => page.getByRole("region", { name: "Ask about items" }).getByRole("textbox").fill(lines);
  const press = (name) => page.getByRole("region", { name: "Ask about items" }).getByRole("button", { name, exact: true }).click();
  const answers = (rows) => eventually(async () => assert.deepEqual(await page.getByRole("table", { name: "Answers" }).locator("tbody tr").evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent))), rows));

  walk("of each kind answers about items", async () => {
    for (const key of ["seen", "cuckoo"]) {
      await open(key);
      await ask("a\nz");
      await press("Ask");
      await answers([["a", "probably"], ["z", "no"]]);
    }
    await open("counted");
    await ask("a\nz");
    await press("Ask");
    await answers([["a", "7"], ["z", "0"]]);
    await open("best");
    await page.getByRole("region", { name: "The top" }).getByRole("row", { name: /^a\s*2$/ }).waitFor();
    await ask("a\nz");
    await press("Ask");
    await answers([["a", "yes"], ["z", "no"]]);
    await open("times");
    await page.getByRole("region", { name: "Quantiles" }).getByRole("row", { name: /^1\s*4$/ }).waitFor();
    await ask("2");
    await press("Ask");
    await answers([["2", "0.375", "1"]]);
    assert.deepEqual(await axeFindings(page), []);
  });
  walk("takes items, and forgets those that it can", async () => {
    await unlock(page);
    await open("cuckoo");
    await ask("z");
    await press("Add");
    await answers([["z", "probably"]]);
    await press("Delete");
    await answers([["z", "no"]]);
    await open("seen");
    await ask("new\nnewer");
    await press("Add");
    await answers([["new", "probably"], ["newer", "probably"]]);
    assert.equal(await server.client.call("BF.CARD", "seen"), 3);
    await page.getByRole("switch", { name: "Allow changes" }).click();
  });
  walk("says what it does not take", async () => {
    await open("times");
    await ask("word");
    await press("Ask");
    await page.getByRole("alert").waitFor();
  });
});

describe("a vector set", () => {
  const find = (label, text) => page.getByRole("searchbox", { name: label }).fill(text);
  const first = (n) => eventually(async () => assert.deepEqual(await page.getByRole("grid", { name: "Elements" }).locator("[data-row] [role=gridcell]:first-child").evaluateAll((cells, most) => cells.slice(0, most).map((cell) => cell.textContent), n.length), n));

  walk("is queried by an element, a vector and a filter", async () => {
    await open("points");
    await find("Similar to", "p4");
    await first(["p4"]);
    await find("Whose attributes", ".even == 0");
    await eventually(async () => assert.match(await page.getByRole("grid", { name: "Elements" }).locator("[data-row] [role=gridcell]:first-child").first().textContent(), /^p[35]$/));
    await find("Similar to", "0.9950 0.0998");
    await first(["p1", "p3", "p5"]);
    await find("Similar to", "");
    await page.getByRole("alert").getByText(/A filter of attributes goes with/).waitFor();
    await find("Whose attributes", "");
    await page.getByText("20 of 20 shown").waitFor();
    await page.getByRole("grid", { name: "Elements" }).locator('[data-row="3"]').getByRole("button", { name: "Similar" }).click();
    await page.getByRole("button", { name: /^Similar to p/ }).waitFor();
    assert.deepEqual(await axeFindings(page), []);
  });
});

describe("a value", () => {
  const shown = () => page.getByLabel("Value", { exact: true });
  walk("that another language has written is read, and a time has its date", async () => {
    await open("php");
    await eventually(async () => assert.equal(await shown().textContent(), '{\n  "name": "中文"\n}'));
    assert.equal(await page.getByLabel("Further formats of Value").inputValue(), "PHP");
    await open("when");
    await page.getByLabel("Further formats of Value").selectOption("Time");
    await eventually(async () => assert.match(await shown().textContent(), /^2023-11-14T22:13:20\.000Z/));
    await page.getByLabel("Further formats of Value").selectOption("pickle");
    await page.getByText(/^As pickle: /).waitFor();
    assert.deepEqual(await axeFindings(page), []);
  });
  walk("that the browser cannot unpack says so", async () => {
    await open("packed");
    await page.getByText("As Zstd: this browser does not know Zstd.").waitFor();
  });
});

describe("JSON", () => {
  const colours = (part) => part.locator("span").evaluateAll((all) => Object.fromEntries(all.map((el) => [el.textContent.slice(0, 6), el.className])));
  const expected = { '"name"': "json-name", '"x"': "json-text", '"n"': "json-name", "1.50": "json-number", true: "json-word" };

  walk("has colours where it is read and where it is edited, and stays what it was", async () => {
    await open("json");
    const { '"long"': _, ...rest } = await colours(page.getByLabel("Value", { exact: true }));
    assert.deepEqual(Object.fromEntries(Object.entries(rest).filter(([text]) => text in expected)), expected);
    await unlock(page);
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    const area = page.getByRole("textbox", { name: "Value" });
    const under = page.locator(".json-area pre");
    // What is seen is what is edited: same text, at the same places.
    assert.equal(await under.textContent(), `${await area.inputValue()}\n`);
    const [above, below] = [await area.boundingBox(), await under.boundingBox()];
    assert.deepEqual([below.x, below.y, below.width], [above.x, above.y, above.width]);
    assert.equal(await area.evaluate((el) => el.scrollHeight), await under.evaluate((el) => el.scrollHeight));
    assert.deepEqual(await axeFindings(page), []);
    await area.fill('{"name":');
    await page.getByText(/^Not JSON: /).waitFor();
    await area.fill('{"name":2}');
    assert.deepEqual(await colours(under), { '"name"': "json-name", 2: "json-number" });
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await eventually(async () => assert.equal(String(await server.client.call("GET", "json")), '{"name":2}'));
    await page.getByRole("switch", { name: "Allow changes" }).click();
  });
});
