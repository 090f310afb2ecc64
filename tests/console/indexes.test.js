/** Search: an index is created by a form and dropped; documents are found by a vector. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { axeFindings, eventually, openBrowser, openPage, Server, unlock, visit, walker } from "./support.js";

let server;
let browser;
let page;

before(async () => {
  server = await Server.start();
  const { client } = server;
  for (let i = 0; i < 20; i += 1) {
    await client.call("HSET", `spot:${i}`, "title", `spot ${i}`, "kind", i % 2 ? "odd" : "even", "place", Buffer.from(new Float32Array([i, 0]).buffer));
    await client.call("JSON.SET", `doc:${i}`, "$", JSON.stringify({ n: i, v: [i, 1, 2] }));
  }
  await client.call("FT.CREATE", "docs", "ON", "JSON", "PREFIX", 1, "doc:", "SCHEMA", "$.n", "AS", "n", "NUMERIC", "$.v", "AS", "v", "VECTOR", "FLAT", 6, "TYPE", "FLOAT16", "DIM", 3, "DISTANCE_METRIC", "L2");
  browser = await openBrowser();
  page = await openPage(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);
const dialog = () => page.getByRole("dialog", { name: "New index" });
const nearest = () => page.getByRole("region", { name: "Nearest" });

/** The keys found, in their order. */
const found = (keys) => eventually(async () => assert.deepEqual((await nearest().getByRole("table", { name: "Results" }).getByRole("link").allTextContents()).slice(0, keys.length), keys));

describe("an index", () => {
  walk("is created by a form that says what is missing", async () => {
    await visit(page, "search");
    await unlock(page);
    await page.getByRole("button", { name: "New index" }).click();
    await dialog().getByText("The index needs a name.").waitFor();
    await dialog().getByLabel("Name").fill("spots");
    await dialog().getByLabel("Of keys that begin with").fill("spot:");
    await dialog().getByLabel("Field", { exact: true }).fill("title");
    await dialog().getByRole("button", { name: "Another field" }).click();
    const second = dialog().getByRole("group", { name: "Field 2" });
    await second.getByLabel("Field", { exact: true }).fill("kind");
    await second.getByLabel("Type").selectOption("TAG");
    await second.getByLabel("Sortable").check();
    await dialog().getByRole("button", { name: "Another field" }).click();
    const third = dialog().getByRole("group", { name: "Field 3" });
    await third.getByLabel("Field", { exact: true }).fill("place");
    await third.getByLabel("Type").selectOption("VECTOR");
    await dialog().getByText("The vectors of place need their number of dimensions.").waitFor();
    await third.getByLabel("Dimensions").fill("2");
    await third.getByLabel("Metric").selectOption("L2");
    await dialog().getByText("FT.CREATE spots ON HASH PREFIX 1 spot: SCHEMA title TEXT kind TAG SORTABLE place VECTOR HNSW 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2").waitFor();
    assert.deepEqual(await axeFindings(page), []);
    await dialog().getByRole("button", { name: "Create", exact: true }).click();
    await page.getByRole("row", { name: /^spots HASH spot: 3 20 / }).waitFor();
  });
});

describe("a vector field", () => {
  walk("finds documents next to a document's vector, and to numbers", async () => {
    await nearest().getByLabel("Near to").fill("spot:7");
    await nearest().getByRole("button", { name: "Find" }).click();
    await found(["spot:7"]);
    await nearest().getByLabel("Near to").fill("3.2, 0");
    await nearest().getByRole("button", { name: "Find" }).click();
    await found(["spot:3", "spot:4", "spot:2"]);
    await nearest().getByLabel("Among").fill("@kind:{odd}");
    await nearest().getByRole("button", { name: "Find" }).click();
    await found(["spot:3", "spot:5", "spot:1"]);
    assert.deepEqual(await axeFindings(page), []);
  });
  walk("says why it cannot", async () => {
    await nearest().getByLabel("Near to").fill("1 2 3");
    await nearest().getByRole("button", { name: "Find" }).click();
    await nearest().getByRole("alert").getByText("The vector has 3 numbers, the field takes 2.").waitFor();
    await nearest().getByLabel("Near to").fill("nothing");
    await nearest().getByRole("button", { name: "Find" }).click();
    await nearest().getByRole("alert").getByText("There is no document nothing with a vector.").waitFor();
  });
  walk("of a JSON document is read from it, in the field's own type", async () => {
    await visit(page, "search/docs");
    await nearest().getByLabel("Near to").fill("doc:11");
    await nearest().getByRole("button", { name: "Find" }).click();
    await found(["doc:11"]);
  });
});

describe("a drop", () => {
  walk("asks, and leaves the keys or deletes them", async () => {
    await visit(page, "search/docs");
    await page.getByRole("button", { name: "Drop", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Drop", exact: true }).click();
    await eventually(async () => assert.deepEqual((await server.client.call("FT._LIST")).map(String), ["spots"]));
    assert.equal(await server.client.call("EXISTS", "doc:1"), 1);
    await visit(page, "search/spots");
    await page.getByRole("button", { name: "Drop with documents" }).click();
    await page.getByRole("dialog").getByRole("textbox").fill("spots");
    await page.getByRole("dialog").getByRole("button", { name: "Drop and delete" }).click();
    await eventually(async () => assert.equal(await server.client.call("EXISTS", "spot:1"), 0));
    await page.getByText("There is no index.").waitFor();
  });
});
