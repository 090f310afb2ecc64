// The programs that people write first: an Express application whose sessions are kept by
// connect-redis, behind a middleware that caches answers with a TTL: node express.cjs PORT
const assert = require("node:assert/strict");
const express = require("express");
const session = require("express-session");
const { RedisStore } = require("connect-redis");
const { createClient } = require("redis");
const { run, until } = require("./checks.cjs");

const port = Number(process.argv[2]);
const client = createClient({ socket: { port, reconnectStrategy: false } });
client.on("error", () => {});
const connected = client.connect();
const has = async (command) => Boolean((await client.sendCommand(["COMMAND", "INFO", command]))[0]);

// Answers of the handlers behind it, by their address, for so many milliseconds.
const cached = (ttl) => async (request, response, next) => {
  if (request.method !== "GET") return next();
  const key = `cache:${request.originalUrl}`;
  const kept = await client.get(key);
  if (kept !== null) return response.set("x-cache", "hit").json(JSON.parse(kept));
  const send = response.json.bind(response);
  response.json = (body) => {
    client.set(key, JSON.stringify(body), { expiration: { type: "PX", value: ttl } }).then(() => send(body), next);
  };
  response.set("x-cache", "miss");
  next();
};

const store = new RedisStore({ client, prefix: "sess:", ttl: 60 });
const app = express();
let made = 0;
app.use("/article", cached(60000));
app.use("/news", cached(200));
app.get(["/article/:name", "/news"], (request, response) => response.json({ name: request.params.name, made: ++made }));
app.delete("/article/:name", async (request, response) => response.json({ deleted: await client.del(`cache:/article/${request.params.name}`) }));
app.use(session({ store, secret: "only for this check", resave: false, saveUninitialized: false, cookie: { maxAge: 60000 } }));
app.post("/login/:user", (request, response) => {
  request.session.user = request.params.user;
  response.json({ user: request.session.user });
});
app.get("/visits", (request, response) => {
  request.session.visits = (request.session.visits ?? 0) + 1;
  response.json({ user: request.session.user ?? null, visits: request.session.visits });
});
app.post("/logout", (request, response, next) => request.session.destroy((error) => (error ? next(error) : response.json({}))));

let server;
const listening = new Promise((resolve) => { server = app.listen(0, "127.0.0.1", resolve); });

// A browser: keeps the one cookie it is given.
const browser = () => {
  let cookie;
  return async (method, path) => {
    const headers = cookie ? { cookie } : {};
    const answer = await fetch(`http://127.0.0.1:${server.address().port}${path}`, { method, headers });
    assert.equal(answer.status, 200, `${method} ${path}`);
    cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? cookie;
    return { body: await answer.json(), cache: answer.headers.get("x-cache") };
  };
};

run(
  [
    ["a cached answer is made once", async () => {
      await Promise.all([connected, listening]);
      await client.flushDb();
      const go = browser();
      const first = await go("GET", "/article/one");
      assert.equal(first.cache, "miss");
      const answers = await Promise.all([...Array(50)].map(() => go("GET", "/article/one")));
      for (const answer of answers) assert.deepEqual(answer, { body: first.body, cache: "hit" });
      const ttl = await client.pTTL("cache:/article/one");
      assert.ok(ttl > 50000 && ttl <= 60000, `ttl ${ttl}`);
    }],
    ["an answer that is deleted or too old is made again", async () => {
      const go = browser();
      const { body } = await go("GET", "/article/two");
      assert.deepEqual((await go("DELETE", "/article/two")).body, { deleted: 1 });
      assert.deepEqual(await go("GET", "/article/two"), { body: { name: "two", made: body.made + 1 }, cache: "miss" });
      const news = await go("GET", "/news");
      await until("the news to be too old", async () => (await client.exists("cache:/news")) === 0);
      assert.deepEqual(await go("GET", "/news"), { body: { made: news.body.made + 1 }, cache: "miss" });
    }],
    ["each browser has its own session", async () => {
      const [alice, bob, nobody] = [browser(), browser(), browser()];
      await alice("POST", "/login/alice");
      await bob("POST", "/login/bob");
      for (const visits of [1, 2, 3]) assert.deepEqual((await alice("GET", "/visits")).body, { user: "alice", visits });
      assert.deepEqual((await bob("GET", "/visits")).body, { user: "bob", visits: 1 });
      assert.deepEqual((await nobody("GET", "/visits")).body, { user: null, visits: 1 });
      assert.equal((await client.keys("sess:*")).length, 3);
    }],
    ["sessions are counted, listed, prolonged, and end", async () => {
      await client.flushDb();
      const go = browser();
      await go("POST", "/login/carol");
      assert.equal(await store.length(), 1);
      const [id] = await store.ids();
      assert.equal((await store.all())[0].user, "carol");
      await client.expire(`sess:${id}`, 5);
      await go("GET", "/visits");
      assert.ok((await client.ttl(`sess:${id}`)) > 50);
      await store.set("short", { user: "dave", cookie: { expires: new Date(Date.now() + 500) } });
      assert.equal(await store.length(), 2);
      await until("the short session to end", async () => (await store.get("short")) === null);
      await go("POST", "/logout");
      assert.equal(await store.length(), 0);
      assert.deepEqual((await go("GET", "/visits")).body, { user: null, visits: 1 });
      await store.clear();
      assert.deepEqual(await client.keys("*"), []);
    }],
  ],
  has,
  async () => {
    server.closeAllConnections();
    server.close();
    client.destroy();
  },
);
