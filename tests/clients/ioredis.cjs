// ioredis against a server: node ioredis.cjs PORT
const assert = require("node:assert/strict");
const fs = require("node:fs");
const Redis = require("ioredis");
const { run, until } = require("./checks.cjs");

const port = Number(process.argv[2]);
const connect = (options = {}) => new Redis({ port, maxRetriesPerRequest: 1, ...options });
const redis = connect();
const open = [redis];
const another = (options) => {
  const client = connect(options);
  open.push(client);
  return client;
};
const has = async (command) => Boolean((await redis.call("COMMAND", "INFO", command))[0]);

run(
  [
    ["connection", async () => {
      assert.equal(await redis.ping(), "PONG");
      const other = another({ db: 2, connectionName: "checks" });
      assert.equal(await other.client("GETNAME"), "checks");
      await other.set("only in two", "x");
      assert.equal(await redis.get("only in two"), null);
      const bytes = Buffer.from([...Array(256).keys()]);
      await redis.set("bytes", bytes);
      assert.deepEqual(await redis.getBuffer("bytes"), bytes);
      await assert.rejects(redis.call("NOSUCH"), /ERR unknown command 'NOSUCH'/);
    }],
    ["values", async () => {
      await redis.flushdb();
      assert.equal(await redis.set("k", "v", "EX", 100, "NX"), "OK");
      assert.equal(await redis.set("k", "v", "EX", 100, "NX"), null);
      assert.equal(await redis.hset("h", { a: 1, b: 2 }), 2);
      assert.deepEqual(await redis.hgetall("h"), { a: "1", b: "2" });
      assert.equal(await redis.zadd("z", 1, "a", 2, "b"), 2);
      assert.deepEqual(await redis.zrange("z", 0, -1, "WITHSCORES"), ["a", "1", "b", "2"]);
      const seen = [];
      for await (const keys of redis.scanStream({ count: 1 })) seen.push(...keys);
      assert.deepEqual([...new Set(seen)].sort(), ["h", "k", "z"]);
      await assert.rejects(redis.incr("h"), /WRONGTYPE/);
    }],
    ["pipelines", async () => {
      const pipeline = redis.pipeline();
      for (let n = 0; n < 3000; n += 1) pipeline.set(`p${n}`, n).get(`p${n}`);
      const replies = await pipeline.exec();
      assert.equal(replies.length, 6000);
      replies.forEach(([error, reply], at) => {
        assert.equal(error, null);
        assert.equal(reply, at % 2 ? String((at - 1) / 2) : "OK");
      });
      const automatic = another({ enableAutoPipelining: true });
      const all = await Promise.all([...Array(500).keys()].map((n) => automatic.get(`p${n}`)));
      assert.deepEqual(all, [...Array(500).keys()].map(String));
    }],
    ["transactions", async () => {
      await redis.del("n");
      assert.deepEqual(await redis.multi().incr("n").incr("n").get("n").exec(), [[null, 1], [null, 2], [null, "2"]]);
      const mine = another();
      await mine.watch("n");
      await redis.set("n", "changed");
      assert.equal(await mine.multi().set("n", "mine").exec(), null);
      assert.equal(await redis.get("n"), "changed");
    }],
    ["blocking", async () => {
      await redis.del("queue");
      const waiting = another();
      const reply = waiting.blpop("queue", 10);
      await until("a blocked client", async () => /blocked_clients:[1-9]/.test(await redis.info("clients")));
      await redis.rpush("queue", "job");
      assert.deepEqual(await reply, ["queue", "job"]);
      assert.equal(await waiting.blpop("queue", 0.05), null);
    }],
    ["pub/sub", async () => {
      const listener = another();
      const messages = [];
      listener.on("message", (channel, text) => messages.push([channel, text]));
      assert.equal(await listener.subscribe("news"), 1);
      assert.equal(await redis.publish("news", "hi"), 1);
      await until("the message", async () => messages.length === 1);
      assert.deepEqual(messages, [["news", "hi"]]);
    }, "subscribe", "pub/sub"],
    ["a cache that is told by another connection", async () => {
      const listener = another();
      const told = [];
      const id = await listener.client("ID");
      await listener.subscribe("__redis__:invalidate");
      listener.on("message", (_, keys) => told.push(String(keys)));
      const reader = another();
      assert.equal(await reader.call("CLIENT", "TRACKING", "ON", "REDIRECT", id), "OK");
      await redis.set("kept", "1");
      assert.equal(await reader.get("kept"), "1");
      await redis.set("kept", "2");
      await until("the word of it", async () => told.length === 1);
      assert.equal(told[0], "kept");
    }, "subscribe", "client-side caching"],
    ["TLS", async () => {
      const [folder, port] = [process.env.TLS_FOLDER, Number(process.env.TLS_PORT)];
      const read = (name) => fs.readFileSync(`${folder}/${name}`);
      const ca = read("ca.crt");
      const client = another({ host: "localhost", port, tls: { ca, cert: read("client.crt"), key: read("client.key") } });
      const big = Buffer.alloc(2_000_000, "0123456789");
      await client.set("big", big);
      assert.deepEqual(await client.getBuffer("big"), big);
      const replies = await Promise.all([...Array(3000).keys()].map((n) => client.incrby("sum", n)));
      assert.equal(replies.at(-1), (2999 * 3000) / 2);
      const stranger = another({ host: "localhost", port, tls: { ca }, retryStrategy: null });
      stranger.on("error", () => {});
      await assert.rejects(stranger.ping());
    }],
    ["scripts", async () => {
      redis.defineCommand("release", {
        numberOfKeys: 1,
        lua: "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end",
      });
      await redis.set("lock", "me", "PX", 10000, "NX");
      assert.equal(await redis.release("lock", "you"), 0);
      assert.equal(await redis.release("lock", "me"), 1);
      // Unknown to the server again: the library sends the text.
      await redis.script("FLUSH");
      assert.equal(await redis.release("lock", "me"), 0);
      const both = await redis.pipeline().set("lock", "me").release("lock", "me").get("lock").exec();
      assert.deepEqual(both, [[null, "OK"], [null, 1], [null, null]]);
      const three = await redis.multi().set("lock", "me").release("lock", "you").release("lock", "me").exec();
      assert.deepEqual(three.map(([, reply]) => reply), ["OK", 0, 1]);
      const reader = another({ readOnly: false, scripts: { sum: { numberOfKeys: 0, readOnly: true,
        lua: "local n = 0 for _, v in ipairs(ARGV) do n = n + v end return tostring(n)" } } });
      assert.equal(await reader.sum(1, 2.5, 3), "6.5");
      await redis.call("FUNCTION", "LOAD", "REPLACE",
        "#!lua name=app\nredis.register_function('answer', function() return 42 end)");
      assert.equal(await redis.call("FCALL", "answer", 0), 42);
    }, "evalsha", "scripting"],
    ["newest", async () => {
      await redis.flushdb();
      await redis.set("k", "v");
      assert.equal(await redis.call("SET", "k", "w", "IFEQ", "v"), "OK");
      assert.equal(await redis.call("DELEX", "k", "IFNE", "w"), 0);
      assert.match(await redis.call("DIGEST", "k"), /^[0-9a-f]{16}$/);
      assert.deepEqual(await redis.call("INCREX", "n", "BYINT", "5", "UBOUND", "7"), [5, 5]);
      assert.equal(await redis.call("MSETEX", "2", "a", "1", "b", "2", "EX", "100"), 1);
      await redis.rpush("l", "1", "2", "3");
      assert.deepEqual(await redis.call("LMOVEM", "l", "m", "LEFT", "RIGHT", "COUNT", "2", "BULK"), ["1", "2"]);
      await redis.sadd("s", "1", "2");
      assert.equal(await redis.call("SUNIONCARD", "2", "s", "none"), 2);
      const id = await redis.xadd("x", "*", "f", "1");
      await redis.xgroup("CREATE", "x", "g", "0");
      await redis.xreadgroup("GROUP", "g", "c", "STREAMS", "x", ">");
      assert.deepEqual(await redis.call("XACKDEL", "x", "g", "DELREF", "IDS", "1", id), [1]);
      assert.equal(await redis.call("ARSET", "arr", "3", "x"), 1);
      assert.deepEqual(await redis.call("ARMGET", "arr", "2", "3"), [null, "x"]);
      assert.equal(await redis.call("HIMPORT", "PREPARE", "set", "name", "age"), "OK");
      await redis.call("HIMPORT", "SET", "h", "set", "Bob", "30");
      assert.deepEqual(await redis.hgetall("h"), { name: "Bob", age: "30" });
    }, "arset", "the words of Redis 8.10"],
  ],
  has,
  async () => open.forEach((client) => client.disconnect()),
);
