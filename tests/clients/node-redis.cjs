// node-redis against a server, in RESP2 and RESP3: node node-redis.cjs PORT
const assert = require("node:assert/strict");
const fs = require("node:fs");
const { createClient, WatchError } = require("redis");
const { run, until } = require("./checks.cjs");

const port = Number(process.argv[2]);
const open = [];
const connect = async (options = {}) => {
  const client = createClient({ socket: { port, reconnectStrategy: false }, ...options });
  client.on("error", () => {});
  await client.connect();
  open.push(client);
  return client;
};

const has = async (command) => Boolean((await (await connect()).sendCommand(["COMMAND", "INFO", command]))[0]);

const both = (name, check, ...needs) => [2, 3].map((RESP) => [
  `${name} in RESP${RESP}`,
  async () => {
    const client = await connect({ RESP });
    await client.flushDb();
    await check(client, RESP);
  },
  ...needs,
]);

run(
  [
    ...both("connection", async (client, RESP) => {
      assert.equal(await client.ping(), "PONG");
      const other = await connect({ RESP, database: 1, name: "checks" });
      assert.equal(await other.sendCommand(["CLIENT", "GETNAME"]), "checks");
      await assert.rejects(client.sendCommand(["GET"]), /wrong number of arguments for 'get' command/);
    }),
    ...both("values", async (client) => {
      assert.equal(await client.set("k", "v", { PX: 100000, NX: true }), "OK");
      assert.equal(await client.set("k", "v", { NX: true }), null);
      assert.equal(await client.hSet("h", { a: "1", b: "2" }), 2);
      assert.deepEqual({ ...(await client.hGetAll("h")) }, { a: "1", b: "2" });
      await client.zAdd("z", [{ score: 1.5, value: "a" }, { score: Infinity, value: "b" }]);
      assert.deepEqual(await client.zRangeWithScores("z", 0, -1), [{ value: "a", score: 1.5 }, { value: "b", score: Infinity }]);
      assert.equal(await client.zScore("z", "none"), null);
      assert.deepEqual([...(await client.sMembers("none"))], []);
      const seen = [];
      for await (const keys of client.scanIterator({ COUNT: 1 })) seen.push(...[].concat(keys));
      assert.deepEqual(seen.sort(), ["h", "k", "z"]);
    }),
    ...both("documents", async (client) => {
      const order = { id: 7, lines: [{ name: "a", price: 1.5 }, { name: "b", price: 20 }], open: true, note: null };
      assert.equal(await client.json.set("o", "$", order), "OK");
      assert.equal(await client.json.set("o", "$", {}, { NX: true }), null);
      assert.deepEqual(await client.json.get("o"), order);
      assert.deepEqual(await client.json.get("o", { path: "$.lines[?(@.price>2)].name" }), ["b"]);
      assert.deepEqual(await client.json.get("o", { path: ["$.id", ".open"] }), { "$.id": [7], ".open": [true] });
      assert.equal(await client.json.get("none"), null);
      assert.deepEqual([].concat(await client.json.numIncrBy("o", "$.id", 3)), [10]);
      assert.deepEqual(await client.json.arrAppend("o", "$.lines", { name: "c" }, null), [4]);
      assert.deepEqual(await client.json.arrPop("o", { path: "$.lines" }), [null]);
      assert.deepEqual(await client.json.arrLen("o", { path: "$..lines" }), [3]);
      assert.deepEqual(await client.json.strAppend("o", "x", { path: "$.lines[0].name" }), [2]);
      assert.deepEqual((await client.json.type("o", { path: "$.note" })).flat(), ["null"]);
      assert.deepEqual(await client.json.objKeys("o", { path: "$.lines[1]" }), [["name", "price"]]);
      assert.deepEqual(await client.json.toggle("o", "$.open"), [0]);
      assert.equal(await client.json.merge("o", "$", { note: "n", open: null }), "OK");
      assert.equal(await client.json.mSet([{ key: "o", path: "$.id", value: 1 }, { key: "p", path: "$", value: [1] }]), "OK");
      assert.deepEqual(await client.json.mGet(["o", "p", "none"], "$[0]"), [[], [1], null]);
      assert.equal(await client.json.del("o", { path: "$.lines" }), 1);
      assert.deepEqual(await client.json.get("o"), { id: 1, note: "n" });
      assert.equal(await client.json.clear("o"), 1);
      assert.equal(await client.json.forget("o"), 1);
      assert.equal(await client.json.set("o", "$", { n: 6, a: [1, 2, 3, 2], s: "text", o: { x: 1.5, y: null } }), "OK");
      assert.equal(await client.json.set("o", "$.new", 1, { condition: "XX" }), null);
      assert.deepEqual(await client.json.arrIndex("o", "$.a", 2), [1]);
      assert.deepEqual(await client.json.arrIndex("o", "$.a", 2, { range: { start: 2, stop: 4 } }), [3]);
      assert.deepEqual(await client.json.arrInsert("o", "$.a", 0, "first", { k: 1 }), [6]);
      assert.deepEqual(await client.json.arrTrim("o", "$.a", 1, 2), [2]);
      assert.deepEqual(await client.json.arrPop("o", { path: "$.a", index: 0 }), [{ k: 1 }]);
      assert.equal(await client.json.arrPop("o", { path: ".a" }), 1);
      assert.equal(await client.json.arrPop("o", { path: ".a" }), null);
      assert.deepEqual([].concat(await client.json.numMultBy("o", "$.n", 7)), [42]);
      assert.deepEqual([].concat(await client.json.numIncrBy("o", ".o.x", 0.5)), [2]);
      assert.deepEqual(await client.json.objLen("o", { path: "$.o" }), [2]);
      assert.equal(await client.json.objLen("o"), 4);
      assert.deepEqual(await client.json.strLen("o", { path: "$.s" }), [4]);
      assert.deepEqual([].concat(await client.json.type("o")).flat(), ["object"]);
      assert.ok(await client.json.debugMemory("o") > 0);
      assert.equal((await client.json.debugMemory("o", { path: "$" })).length, 1);
      await assert.rejects(client.json.arrAppend("o", ".nope", 1), /does not exist/);
      await assert.rejects(client.json.numIncrBy("none", "$", 1), /doesn't exist/);
      assert.equal(await client.json.del("o"), 1);
    }),
    ...both("filters", async (client) => {
      assert.equal(await client.bf.reserve("bloom", 0.01, 100), "OK");
      assert.equal(await client.bf.add("bloom", "a"), true);
      assert.deepEqual(await client.bf.mAdd("bloom", ["a", "b"]), [false, true]);
      assert.deepEqual(await client.bf.mExists("bloom", ["a", "b", "c"]), [true, true, false]);
      assert.equal(await client.bf.card("bloom"), 2);
      assert.equal((await client.bf.info("bloom"))["Number of items inserted"], 2);
      assert.equal(await client.cf.add("cuckoo", "a"), true);
      assert.equal(await client.cf.addNX("cuckoo", "a"), false);
      assert.equal(await client.cf.count("cuckoo", "a"), 1);
      assert.deepEqual(await client.cf.insert("cuckoo", ["b", "c"]), [true, true]);
      assert.equal(await client.cf.del("cuckoo", "a"), true);
      assert.equal(await client.cf.exists("cuckoo", "a"), false);
      assert.equal((await client.cf.info("cuckoo"))["Number of items deleted"], 1);
    }),
    ...both("pipelines", async (client) => {
      const replies = await Promise.all([...Array(3000).keys()].map((n) => client.incr("n").then((reply) => [n + 1, reply])));
      replies.forEach(([expected, reply]) => assert.equal(reply, expected));
    }),
    ...both("transactions", async (client, RESP) => {
      assert.deepEqual(await client.multi().set("a", "1").incr("a").get("a").exec(), ["OK", 2, "2"]);
      const mine = await connect({ RESP });
      await mine.watch("a");
      await client.set("a", "changed");
      await assert.rejects(mine.multi().set("a", "mine").exec(), WatchError);
    }),
    ...both("blocking", async (client, RESP) => {
      const waiting = await connect({ RESP });
      const reply = waiting.blPop("queue", 10);
      await until("a blocked client", async () => /blocked_clients:[1-9]/.test(await client.info("clients")));
      await client.rPush("queue", "job");
      assert.deepEqual({ ...(await reply) }, { key: "queue", element: "job" });
    }),
    ...both("pub/sub", async (client, RESP) => {
      const listener = await connect({ RESP });
      const messages = [];
      await listener.subscribe("news", (text) => messages.push(text));
      await client.publish("news", "hi");
      await until("the message", async () => messages.length === 1);
    }, "subscribe", "pub/sub"),
    ["TLS", async () => {
      const [folder, port] = [process.env.TLS_FOLDER, Number(process.env.TLS_PORT)];
      const read = (name) => fs.readFileSync(`${folder}/${name}`);
      const shown = { ca: read("ca.crt"), cert: read("client.crt"), key: read("client.key") };
      const client = await connect({ socket: { host: "localhost", port, tls: true, reconnectStrategy: false, ...shown } });
      const big = "0123456789".repeat(200_000);
      await client.set("big", big);
      assert.equal(await client.get("big"), big);
    }],
    ["client-side caching", async () => {
      const reader = await connect({ RESP: 3, clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: "LRU" } });
      const writer = await connect({ RESP: 3 });
      await writer.set("kept", "old");
      for (let n = 0; n < 3; n += 1) assert.equal(await reader.get("kept"), "old");
      await writer.set("kept", "new");
      await until("the cache to be told", async () => (await reader.get("kept")) === "new");
    }, "subscribe", "client-side caching"],
  ],
  has,
  async () => open.forEach((client) => client.destroy()),
);
