/** The picture of a cluster, of a group that Sentinels watch, and of a primary with a replica. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { axeFindings, eventually, freePort, openBrowser, openPage, Server, unlock, visit, walker } from "./support.js";

let browser;
let page;
/** @type {Server[]} */
let servers = [];

before(async () => {
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  for (const server of servers) await server.stop();
});

/** The port of a node's bus. @param {Server} server */
const busOf = (server) => server.args[server.args.indexOf("--cluster-port") + 1];

const walk = walker(() => page);
const group = (name) => page.getByRole("region", { name: "Topology" }).getByRole("region", { name });
const nodes = (name, level) => group(name).getByRole("list", { name: level }).getByRole("listitem");

describe("a cluster", () => {
  before(async () => {
    for (let i = 0; i < 3; i += 1) servers.push(await Server.start(["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", await freePort()]));
    const [a, b, c] = servers;
    await a.client.call("CLUSTER", "ADDSLOTSRANGE", 0, 8191);
    await b.client.call("CLUSTER", "ADDSLOTSRANGE", 8192, 16383);
    for (const other of [b, c]) await a.client.call("CLUSTER", "MEET", "127.0.0.1", other.port, busOf(other));
    const id = String(await a.client.call("CLUSTER", "MYID"));
    await eventually(async () => assert.ok(String(await c.client.call("CLUSTER", "NODES")).includes(id)), 15_000);
    await c.client.call("CLUSTER", "REPLICATE", id);
    page = await openPage(browser, a);
  });

  walk("has a group for each shard, and says which one lacks a replica", async () => {
    await visit(page, "durability");
    await group("Shard 1").getByText("1 replica can take over").or(group("Shard 2").getByText("1 replica can take over")).waitFor({ timeout: 20_000 });
    await page.getByText(/Shard \d: no replica: its slots end with its primary/).waitFor();
    await page.getByRole("img", { name: /slots 0-8191/ }).waitFor();
    await page.getByRole("listitem").getByText(`127.0.0.1:${servers[2].port}`).waitFor();
    await page.getByText("primary, asked here").waitFor();
    assert.deepEqual(await axeFindings(page), []);
  });
  walk("a replica that ends is down within seconds", async () => {
    await servers[2].stop();
    servers.splice(2, 1);
    await page.getByText("down: most primaries agree").waitFor({ timeout: 20_000 });
    await page.getByText(/no replica is ready to take over/).first().waitFor();
  });
});

describe("a primary with a replica", () => {
  let replica;
  before(async () => {
    for (const server of servers) await server.stop();
    const primary = await Server.start();
    replica = await Server.start(["--replicaof", `127.0.0.1 ${primary.port}`]);
    servers = [primary, replica];
    page = await openPage(browser, primary);
  });
  walk("is drawn from the primary's end", async () => {
    await visit(page, "durability");
    await page.getByText("1 replica could take over, by hand or by Sentinels.").waitFor({ timeout: 20_000 });
    assert.equal(await nodes("Replication", "Primary").count(), 1);
    assert.equal(await nodes("Replication", "Replicas").count(), 1);
  });
});

describe("a Sentinel", () => {
  before(async () => {
    const sentinel = await Server.start(["--sentinel"], `sentinel monitor shop 127.0.0.1 ${servers[0].port} 1\nsentinel down-after-milliseconds shop 1000\n`);
    servers.push(sentinel);
    page = await openPage(browser, sentinel);
  });
  walk("draws each group with its Sentinels, primary and replicas", async () => {
    await visit(page, "durability");
    await unlock(page);
    await nodes("shop", "Replicas").first().getByText("follows").waitFor({ timeout: 30_000 });
    await group("shop").getByText("1 Sentinel: three or more outlive the loss of one").waitFor();
    assert.equal(await nodes("shop", "Sentinels").count(), 1);
    assert.deepEqual(await axeFindings(page), []);
  });
  walk("a primary that ends is down, and its replica in its place", async () => {
    const [primary, replica] = servers.splice(0, 1).concat(servers);
    await primary.stop();
    await nodes("shop", "Replicas").getByText("down, as this Sentinel sees it").waitFor({ timeout: 30_000 });
    await nodes("shop", "Primary").getByText(`127.0.0.1:${replica.port}`).waitFor();
    await group("shop").getByText("no replica is ready to take over").waitFor();
  });
});
