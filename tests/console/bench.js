/**
 * What the console costs, on a machine that is otherwise at rest: node bench.js [opening tab tree monitor] (tests/console/run
 * RUSSET bench). Prints figures and judges none: they are in docs/console.md.
 *
 * - opening: from the navigation until verdict, figures and charts stand, and the bytes on the wire, with an empty cache
 *   and a full one; 1 M keys.
 * - tab: CPU of the server with a tab open on Overview, with none, and without a console-port, in turn.
 * - tree, monitor: PING p99 of another client while the page's own walk goes through 10 M keys, and while MONITOR is
 *   watched under a pipelined load (RUSSET_BENCHMARK: redis-benchmark), each beside the same time without.
 *
 * RUSSET_BENCH_AGE: seconds that the server is left alone before `opening`: 900 fill the ring of seconds.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { goOn, newWalk } from "../../console/keys/walk.js";
import * as resp from "../../console/resp.js";
import { Client, openBrowser, openPage, Server } from "./support.js";

const OPENINGS = 15;
/** Seconds of one measurement of CPU, and of one of PING. */
const [CPU_S, PING_S] = [Number(process.env.RUSSET_BENCH_CPU ?? 30), 10];
const ROUNDS = 3;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const quantile = (list, share) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))];
const middle = (list) => quantile(list, 0.5);

/** Seconds that all threads of a process have run. @param {number} pid */
function cpuSeconds(pid) {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.reduce((sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]), 0) / 1e9;
}

/** Percent of a CPU over `CPU_S` seconds. @param {Server} server */
async function share(server) {
  const [began, at] = [cpuSeconds(server.process.pid), performance.now()];
  await sleep(CPU_S * 1000);
  return (100_000 * (cpuSeconds(server.process.pid) - began)) / (performance.now() - at);
}

/** A server with so many small keys. @param {number} keys @param {string[]} args */
async function filled(keys, args = []) {
  const server = await Server.start(["--appendonly", "no", "--enable-debug-command", "yes", ...args]);
  if (keys > 0) await server.client.call("DEBUG", "POPULATE", keys, "user", 16);
  return server;
}

/** In the page: when the first view is complete, ms from the navigation. */
function watchCompletion() {
  const isComplete = () =>
    document.querySelectorAll(".chart canvas").length >= 9 && document.querySelector("section.verdict h2") && [...document.querySelectorAll(".now .stat-value")].some((value) => /[0-9]/.test(value.textContent ?? ""));
  globalThis.completed = new Promise((resolve) => {
    const look = () => {
      if (!isComplete()) return;
      watch.disconnect();
      // The frame that shows it.
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
    };
    const watch = new MutationObserver(look);
    watch.observe(document, { childList: true, subtree: true, characterData: true });
  });
}

async function opening() {
  const server = await filled(1_000_000);
  await sleep(1000 * Number(process.env.RUSSET_BENCH_AGE ?? 20));
  const browser = await openBrowser();
  /** @type {Record<string, {ms: number[], bytes: number[]}>} */
  const found = { "empty cache": { ms: [], bytes: [] }, "full cache": { ms: [], bytes: [] } };
  /** @type {Record<string, number>} */
  let parts = {};
  for (let i = 0; i <= OPENINGS; i += 1) {
    const page = await openPage(browser, server);
    // The tests' own filter of requests would take its time, and switches the cache off.
    await page.context().unroute("**/*");
    await page.addInitScript(watchCompletion);
    const wire = await page.context().newCDPSession(page);
    await wire.send("Network.enable");
    for (const [name, { ms, bytes }] of Object.entries(found)) {
      let sum = 0;
      const names = new Map();
      wire.removeAllListeners();
      parts = {};
      wire.on("Network.requestWillBeSent", ({ requestId, request }) => names.set(requestId, new URL(request.url).pathname.replace(/^\/a\/\w+/, "")));
      wire.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
        sum += encodedDataLength;
        const path = names.get(requestId);
        parts[path] = (parts[path] ?? 0) + encodedDataLength;
      });
      await page.goto(name === "empty cache" ? server.url : "about:blank");
      if (name !== "empty cache") await page.goto(server.url);
      const took = await page.evaluate(() => globalThis.completed);
      await page.waitForTimeout(100);
      if (i === 0 && name === "empty cache") console.log(`  of which: ${Object.entries(parts).map(([path, n]) => `${path} ${n}`).join(", ")}`);
      // The first browser context warms everything up.
      if (i === 0) continue;
      ms.push(took);
      bytes.push(sum);
    }
    await page.context().close();
  }
  for (const [name, { ms, bytes }] of Object.entries(found)) console.log(`opening, ${name}: median ${middle(ms).toFixed(0)} ms, worst of ${ms.length} ${Math.max(...ms).toFixed(0)} ms; ${middle(bytes)} bytes on the wire`);
  await browser.close();
  await server.stop();
}

async function tab() {
  const [server, bare] = [await filled(100_000), await filled(100_000, ["--console-port", "0"])];
  const browser = await openBrowser();
  const found = { "no console-port": [], "no page": [], "a tab on Overview": [] };
  for (let i = 0; i < ROUNDS; i += 1) {
    found["no console-port"].push(await share(bare));
    found["no page"].push(await share(server));
    const page = await openPage(browser, server);
    await page.goto(server.url);
    await page.locator(".chart canvas").first().waitFor();
    await sleep(2000);
    found["a tab on Overview"].push(await share(server));
    await page.context().close();
  }
  for (const [name, shares] of Object.entries(found)) console.log(`CPU, ${name}: ${shares.map((n) => n.toFixed(3)).join(", ")} %`);
  await browser.close();
  await Promise.all([server.stop(), bare.stop()]);
}

/** Round trips of PING for `PING_S` seconds, one a millisecond, in a process of its own. @param {number} port @returns {Promise<{p50: number, p99: number, worst: number}>} us */
async function pings(port) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "ping", String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (piece) => (text += piece));
  await once(child, "close");
  return JSON.parse(text);
}

async function ping(port) {
  const client = await Client.connect(port);
  const took = [];
  for (const end = performance.now() + PING_S * 1000; performance.now() < end; ) {
    const began = performance.now();
    await client.call("PING");
    took.push(1000 * (performance.now() - began));
    await sleep(1);
  }
  client.close();
  console.log(JSON.stringify({ p50: middle(took), p99: quantile(took, 0.99), worst: Math.max(...took) }));
}

/** A session without a browser. @param {Server} server @returns {Promise<(path: string, body: any, signal?: AbortSignal) => Promise<Response>>} */
async function session(server) {
  const headers = { "Content-Type": "application/json", "X-Russet": "1" };
  const login = await fetch(`${server.url}api/login`, { method: "POST", headers, body: '{"user":"default","password":""}' });
  headers.Cookie = login.headers.get("set-cookie").split(";")[0];
  return (path, body, signal) => fetch(`${server.url}api/${path}`, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** PING without and with something, in turn. @param {string} title @param {number} port @param {() => Promise<() => Promise<string>>} begin returns what ends it and tells of it */
async function beside(title, port, begin) {
  for (let i = 0; i < ROUNDS; i += 1) {
    const line = ({ p50, p99, worst }) => `p50 ${p50.toFixed(0)}, p99 ${p99.toFixed(0)}, worst ${worst.toFixed(0)} us`;
    const without = await pings(port);
    const end = await begin();
    const during = await pings(port);
    console.log(`PING without ${title}: ${line(without)}; with: ${line(during)}; ${await end()}`);
  }
}

async function tree() {
  const server = await filled(10_000_000);
  const post = await session(server);
  const batch = async (cmds, { signal } = {}) => {
    const out = { replies: [], us: [], cost: 0 };
    for (let at = 0; at < cmds.length; at += 512) {
      const answer = await (await post("command", { db: 0, cmds: cmds.slice(at, at + 512).map((cmd) => cmd.map(resp.argument)) }, signal)).json();
      out.replies.push(...answer.r.map(resp.decode));
      out.cost += answer.cost;
    }
    return out;
  };
  await beside("the walk of a tree of 10 M keys", server.port, async () => {
    const stop = new AbortController();
    let walk = newWalk();
    const [began, cpu] = [performance.now(), cpuSeconds(server.process.pid)];
    const walking = (async () => {
      while (!stop.signal.aborted && !walk.done) walk = await goOn({ ...walk, keys: [] }, { batch, match: "*", want: 5000, signal: stop.signal });
    })().catch(() => {});
    return async () => {
      stop.abort();
      await walking;
      const s = (performance.now() - began) / 1000;
      return `${(walk.seen / s).toFixed(0)} keys a second, ${((100 * (cpuSeconds(server.process.pid) - cpu)) / s).toFixed(1)} % of a CPU`;
    };
  });
  await server.stop();
}

async function monitor() {
  const server = await filled(100_000);
  const post = await session(server);
  // A rate that the machine can keep, where the tool can limit itself (valkey-benchmark --rps).
  const [tool, ...args] = (process.env.RUSSET_BENCHMARK ?? "redis-benchmark -c 20 -P 32").split(" ");
  const load = spawn(tool, [...args, "-p", String(server.port), "-n", "1000000000", "-r", "100000", "-t", "set", "-d", "16"], { stdio: "ignore" });
  await sleep(2000);
  const commands = async () => Number(/total_commands_processed:(\d+)/.exec(String(await server.client.call("INFO", "stats")))[1]);
  await beside("MONITOR", server.port, async () => {
    const stop = new AbortController();
    const [began, before, cpu] = [performance.now(), await commands(), cpuSeconds(server.process.pid)];
    const response = await post("stream", { topics: ["stats", { monitor: { rate: 500, for: 60 } }] }, stop.signal);
    let bytes = 0;
    const reading = (async () => {
      for await (const piece of response.body) bytes += piece.length;
    })().catch(() => {});
    return async () => {
      const s = (performance.now() - began) / 1000;
      const rate = ((await commands()) - before) / s;
      stop.abort();
      await reading;
      return `${(rate / 1000).toFixed(0)} k commands a second, ${(bytes / s / 1024).toFixed(0)} KiB/s of events, ${((100 * (cpuSeconds(server.process.pid) - cpu)) / s).toFixed(0)} % of a CPU`;
    };
  });
  load.kill();
  await server.stop();
}

const [what, port] = process.argv.slice(2);
if (what === "ping") await ping(Number(port));
else {
  const all = { opening, tab, tree, monitor };
  for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(all)) await all[name]();
}
