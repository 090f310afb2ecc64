// A program that uses a cluster by ioredis or node-redis: cluster.cjs NAME PORT ...; driven by cluster.py.
// Says `checked` once its checks have passed, then writes on; after `killed` on its standard input it must
// write every key again, and says `over` with the longest time without a write.
const assert = require("node:assert");
const readline = require("node:readline");

const [name, ...ports] = process.argv.slice(2);
const nodes = ports.map((port) => ({ host: "127.0.0.1", port: Number(port) }));
const KEYS = 100;
const DEADLINE_MS = 60000;

async function withIoredis() {
  const { Cluster } = require("ioredis");
  const options = { retryDelayOnFailover: 100, maxRedirections: 100, shardedSubscribers: true };
  const cluster = new Cluster(nodes, options);
  cluster.on("error", () => {});
  await cluster.set("io:1", "a");
  assert.equal(await cluster.get("io:1"), "a");
  await Promise.all([...Array(100).keys()].map((n) => cluster.set(`io:${n}`, n)));
  const read = await Promise.all([...Array(100).keys()].map((n) => cluster.get(`io:${n}`)));
  assert.deepEqual(read.map(Number), [...Array(100).keys()]);
  const piped = await cluster.pipeline().set("{io}1", 1).incr("{io}1").exec();
  assert.deepEqual(piped, [[null, "OK"], [null, 2]]);
  const multi = await cluster.multi().set("{io}2", 1).incr("{io}2").exec();
  assert.deepEqual(multi, [[null, "OK"], [null, 2]]);
  await assert.rejects(cluster.mget("io:1", "io:2"), /slot/);
  cluster.defineCommand("addtwo", { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], 2)" });
  assert.equal(await cluster.addtwo("{io}1"), 4);
  assert.equal(cluster.nodes("master").length, 3);
  const heard = new Promise((resolve) => cluster.once("smessage", (channel, text) => resolve([channel, text])));
  await cluster.ssubscribe("io:room");
  await cluster.spublish("io:room", "hello");
  assert.deepEqual(await heard, ["io:room", "hello"]);
  await cluster.sunsubscribe("io:room");
  return { incr: (key) => cluster.incr(key), close: () => cluster.disconnect() };
}

async function withNodeRedis() {
  const { createCluster } = require("redis");
  const rootNodes = nodes.map(({ host, port }) => ({ url: `redis://${host}:${port}` }));
  const cluster = createCluster({ rootNodes, maxCommandRedirections: 100, useReplicas: true });
  cluster.on("error", () => {});
  await cluster.connect();
  await Promise.all([...Array(100).keys()].map((n) => cluster.set(`nr:${n}`, String(n))));
  const multi = await cluster.multi().set("{nr}2", "1").incr("{nr}2").exec();
  assert.deepEqual(multi, ["OK", 2]);
  await assert.rejects(cluster.mGet(["nr:1", "nr:2"]), /slot/i);
  assert.equal(await cluster.eval("return redis.call('INCRBY', KEYS[1], 2)", { keys: ["{nr}2"] }), 4);
  assert.equal(cluster.masters.length, 3);
  let heard;
  const message = new Promise((resolve) => (heard = resolve));
  await cluster.sSubscribe("nr:room", (text, channel) => heard([channel, text]));
  await cluster.sPublish("nr:room", "hello");
  assert.deepEqual(await message, ["nr:room", "hello"]);
  await cluster.sUnsubscribe("nr:room");
  return { incr: (key) => cluster.incr(key), close: () => cluster.destroy() };
}

async function main() {
  const client = await (name === "ioredis" ? withIoredis() : withNodeRedis());
  console.log("checked");
  let killed = false;
  const after = new Set();
  readline.createInterface({ input: process.stdin }).on("line", () => (killed = true));
  let [longest, last, n] = [0, Date.now(), 0];
  const end = Date.now() + 2 * DEADLINE_MS;
  while (after.size < KEYS && Date.now() < end) {
    const key = `${name}:w:${n++ % KEYS}`;
    const wasKilled = killed;
    const limit = new Promise((_, reject) => setTimeout(() => reject(new Error("slow")), 3000).unref());
    try {
      await Promise.race([client.incr(key), limit]);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
      continue;
    }
    const now = Date.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (wasKilled) after.add(key);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  console.log(after.size === KEYS ? `over ${(longest / 1000).toFixed(2)} s without a write` : "stuck");
  client.close();
  process.exit(0);
}

main().catch((error) => {
  console.log(`failed ${error.stack}`);
  process.exit(1);
});
