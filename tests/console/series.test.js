/** Time series in the Keys view: their facts, a line by the chart's width, zoom, other series by their labels. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { axeFindings, openBrowser, openPage, Server, visit, walker } from "./support.js";

/** 2026-01-01, and a sample every ten seconds for 14 hours. */
const BEGIN = 1_767_225_600_000;
const STEP = 10_000;
const SAMPLES = 5000;

let server;
let browser;
let page;

before(async () => {
  server = await Server.start();
  for (const [key, room] of [["heat:1", "1"], ["heat:2", "2"], ["heat:empty", "3"]]) await call("TS.CREATE", key, "LABELS", "kind", "heat", "room", room);
  await call("TS.CREATE", "heat:1:hourly");
  await call("TS.CREATERULE", "heat:1", "heat:1:hourly", "AGGREGATION", "avg", "3600000");
  for (let i = 0; i < SAMPLES; i += 1000) {
    const triples = (/** @type {string} */ key) => Array.from({ length: 1000 }, (_, n) => [key, String(BEGIN + (i + n) * STEP), String(20 + ((i + n) % 100) / 10)]).flat();
    await call("TS.MADD", ...triples("heat:1"));
    await call("TS.MADD", ...triples("heat:2"));
  }
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
const chart = (name) => page.getByRole("img", { name });
const part = () => page.getByRole("group", { name: "What is drawn" }).getByRole("status").textContent();

/** @param {string} link */
async function open(link) {
  await visit(page, "keys");
  await visit(page, `keys/${link}`);
  await page.getByRole("article", { name: /^Key/ }).waitFor();
}

describe("a time series", () => {
  walk("says what it is, and is a line of averages", async () => {
    await open("heat%3A1");
    await page.getByText("kind=heat, room=1").waitFor();
    await page.getByText("avg of 1 h into heat:1:hourly").waitFor();
    await page.getByText("5,000", { exact: true }).waitFor();
    await chart(/^avg of each (2|5|10) min: heat:1 .*at last/).waitFor();
    assert.deepEqual(await axeFindings(page), []);
  });
  walk("is zoomed by buttons until all samples are shown", async () => {
    const whole = await part();
    for (let i = 0; i < 4; i += 1) await button("Zoom in").click();
    await chart(/^All samples: heat:1/).waitFor();
    await button("Earlier").click();
    assert.notEqual(await part(), whole);
    await button("Everything").click();
    await chart(/^avg of each/).waitFor();
    assert.equal(await part(), whole);
    assert.ok(await button("Everything").isDisabled());
  });
  walk("is zoomed by dragging over the chart", async () => {
    const box = await chart(/^avg of each/).boundingBox();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.52, box.y + 60, { steps: 4 });
    await page.mouse.up();
    await chart(/^All samples: heat:1/).waitFor();
    await button("Everything").click();
  });
  walk("is drawn with another aggregator", async () => {
    await page.getByRole("combobox", { name: "Of each bucket" }).selectOption("max");
    await chart(/^max of each (2|5|10) min: heat:1/).waitFor();
  });
  walk("stands beside others that have its labels", async () => {
    await page.getByRole("textbox", { name: "Series by labels" }).fill("kind=heat");
    await page.keyboard.press("Enter");
    await chart(/: heat:1 .*; heat:2 .*; heat:empty: no data yet/).waitFor();
    await page.getByRole("button", { name: /as a table/ }).click();
    await page.getByRole("columnheader", { name: "heat:2" }).waitFor();
    await page.getByRole("textbox", { name: "Series by labels" }).fill("kind");
    await page.keyboard.press("Enter");
    await page.getByText(/failed parsing labels|at least one matcher/).waitFor();
    await button("This key alone").click();
    await page.getByRole("columnheader", { name: "heat:2" }).waitFor({ state: "detached" });
  });
  walk("without samples says so", async () => {
    await open("heat%3Aempty");
    await page.getByText("There is no sample.").waitFor();
  });
});
