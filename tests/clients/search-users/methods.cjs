// Every method of node-redis's package for indexes, called as applications do, in RESP2 and RESP3, and what redis-om sends
// through them: node methods.cjs PORT. A Redis Stack passes it, too, but for FT.HYBRID.
const assert = require("node:assert/strict");
const { createClient } = require("redis");
const METHODS = require("@redis/search").default;
const { run } = require("../checks.cjs");

const port = Number(process.argv[2]);
const open = [];
const called = new Set();
const connect = async (options = {}) => {
  const client = createClient({ socket: { port, reconnectStrategy: false }, ...options });
  client.on("error", () => {});
  await client.connect();
  open.push(client);
  return client;
};
// Whether it says that it is a Redis 8, which has them all.
const has = async () => Number(/redis_version:(\d+)/.exec(await (await connect()).info("server"))[1]) >= 8;
// Its `ft`, which notes what is called.
const noting = (client) => Object.create(client, {
  ft: { value: new Proxy(client.ft, { get: (ft, name) => (called.add(name), ft[name].bind(ft)) }) },
});

const both = (name, check, ...needs) => [2, 3].map((RESP) => [
  `${name} in RESP${RESP}`,
  async () => {
    const client = await connect({ RESP, unstableResp3: true });
    await client.flushAll();
    await check(noting(client), RESP);
  },
  ...needs,
]);

const plain = (reply) => JSON.parse(JSON.stringify(reply));
const blob = (...numbers) => Buffer.from(new Float32Array(numbers).buffer);
// Keys of rows; RESP3's rows are the server's own.
const keys = (reply, RESP) => (RESP === 2 || reply.documents ? reply.documents.map(({ id }) => id) : reply.results.map(({ id }) => id));
const total = (reply) => reply.total ?? reply.total_results;

const books = async (client) => {
  await client.ft.create("books", {
    title: { type: "TEXT", SORTABLE: true },
    genre: { type: "TAG", SEPARATOR: ";" },
    year: { type: "NUMERIC", SORTABLE: true },
    place: "GEO",
    near: { type: "VECTOR", ALGORITHM: "FLAT", TYPE: "FLOAT32", DIM: 2, DISTANCE_METRIC: "L2" },
  }, { ON: "HASH", PREFIX: "book:" });
  const rows = [
    ["The red house", "novel;crime", 1922, "5,52", [0, 0]],
    ["Blue houses", "novel", 1930, "4,51", [1, 0]],
    ["A red town", "history", 1981, "23,42", [0, 2]],
  ];
  for (const [at, [title, genre, year, place, near]] of rows.entries()) {
    await client.hSet(`book:${at}`, { title, genre, year: String(year), place, near: blob(...near) });
  }
};

run(
  [
    ...both("queries of hashes", async (client, RESP) => {
      await books(client);
      const find = async (query, options) => keys(await client.ft.search("books", query, options), RESP);
      assert.deepEqual(await find("red", { SORTBY: "year" }), ["book:0", "book:2"]);
      assert.deepEqual(await find("house", { SORTBY: { BY: "year", DIRECTION: "DESC" } }), ["book:1", "book:0"]);
      assert.deepEqual(await find("@genre:{crime}"), ["book:0"]);
      assert.deepEqual(await find("@year:[1930 +inf]", { SORTBY: "year", LIMIT: { from: 1, size: 1 } }), ["book:2"]);
      assert.deepEqual(await find("@place:[5 52 10 km]"), ["book:0"]);
      const nearest = { PARAMS: { v: blob(0, 1.5) }, SORTBY: "__near_score", DIALECT: 2, RETURN: ["__near_score"] };
      assert.deepEqual(await find("*=>[KNN 2 @near $v]", nearest), ["book:2", "book:0"]);
      assert.deepEqual(await find("(@genre:{novel})=>[KNN 2 @near $v]", nearest), ["book:0", "book:1"]);
      assert.equal(total(await client.ft.search("books", "*", { LIMIT: { from: 0, size: 0 } })), 3);
      if (RESP === 2) {
        const { documents } = await client.ft.search("books", "town", { RETURN: ["title", "year"] });
        assert.deepEqual(plain(documents), [{ id: "book:2", value: { title: "A red town", year: "1981" } }]);
        const none = await client.ft.searchNoContent("books", "red");
        assert.deepEqual([none.total, none.documents.sort()], [2, ["book:0", "book:2"]]);
      }
    }),
    ...both("definitions", async (client, RESP) => {
      await books(client);
      await client.ft.alter("books", { pages: "NUMERIC" });
      assert.deepEqual([...(await client.ft._list())], ["books"]);
      assert.equal(Number((await client.ft.info("books")).num_docs), 3);
      assert.deepEqual([...(await client.ft.tagVals("books", "genre"))].sort(), ["crime", "history", "novel"]);
      assert.equal(await client.ft.aliasAdd("b", "books"), "OK");
      assert.equal(total(await client.ft.search("b", "red")), 2);
      assert.equal(await client.ft.aliasUpdate("b", "books"), "OK");
      assert.equal(await client.ft.aliasDel("b"), "OK");
      assert.equal(await client.ft.dictAdd("d", ["x", "y"]), 2);
      assert.deepEqual([...(await client.ft.dictDump("d"))], ["x", "y"]);
      assert.equal(await client.ft.dictDel("d", "x"), 1);
      assert.equal(await client.ft.synUpdate("books", "g", ["red", "scarlet"]), "OK");
      assert.deepEqual(plain(await client.ft.synDump("books")), { red: ["g"], scarlet: ["g"] });
      assert.equal(await client.ft.explain("books", "@year:[1 2]"), "NUMERIC {1.000000 <= @year <= 2.000000}\n");
      assert.equal(await client.ft.dropIndex("books", { DD: true }), "OK");
      assert.deepEqual(await client.keys("*"), []);
      await assert.rejects(client.ft.info("books"));
    }),
    ...both("aggregations and cursors", async (client, RESP) => {
      await books(client);
      const steps = [
        { type: "GROUPBY", properties: "@genre", REDUCE: [{ type: "COUNT", AS: "n" }, { type: "MAX", property: "@year", AS: "last" }] },
        { type: "SORTBY", BY: "@last" },
      ];
      const grouped = await client.ft.aggregate("books", "*", { STEPS: steps });
      if (RESP === 2) {
        assert.deepEqual(plain(grouped.results).map(({ genre, n, last }) => [genre, n, last]),
          [["novel;crime", "1", "1922"], ["novel", "1", "1930"], ["history", "1", "1981"]]);
        const first = await client.ft.aggregateWithCursor("books", "*", { LOAD: "@year", COUNT: 2 });
        assert.equal(first.results.length, 2);
        const rest = await client.ft.cursorRead("books", first.cursor);
        assert.deepEqual([rest.results.length, Number(rest.cursor)], [1, 0]);
        const left = await client.ft.aggregateWithCursor("books", "*", { LOAD: "@year", COUNT: 1 });
        assert.equal(await client.ft.cursorDel("books", left.cursor), "OK");
      }
    }),
    ...both("suggestions and spelling", async (client) => {
      assert.equal(await client.ft.sugAdd("titles", "The red house", 2, { PAYLOAD: "book:0" }), 1);
      assert.equal(await client.ft.sugAdd("titles", "The red town", 1, { INCR: true }), 2);
      assert.equal(await client.ft.sugLen("titles"), 2);
      assert.deepEqual([...(await client.ft.sugGet("titles", "the red"))].sort(), ["The red house", "The red town"]);
      assert.deepEqual(await client.ft.sugGet("titles", "the rad h", { FUZZY: true, MAX: 1 }), ["The red house"]);
      assert.equal((await client.ft.sugGet("titles", "x"))?.length ?? 0, 0);
      const [{ suggestion, score }] = await client.ft.sugGetWithScores("titles", "the red h");
      assert.deepEqual([suggestion, typeof score, score > 0], ["The red house", "number", true]);
      assert.deepEqual(plain(await client.ft.sugGetWithPayloads("titles", "the red h")), [{ suggestion: "The red house", payload: "book:0" }]);
      const [all] = await client.ft.sugGetWithScoresWithPayloads("titles", "the red h");
      assert.deepEqual([all.suggestion, all.score, all.payload], ["The red house", score, "book:0"]);
      assert.equal(await client.ft.sugDel("titles", "The red town"), 1);

      await books(client);
      await client.ft.dictAdd("known", "tawn");
      const spelled = async (options) => JSON.stringify(await client.ft.spellCheck("books", "tawn", options));
      assert.match(await spelled(), /tawn.*town/);
      assert.doesNotMatch(await spelled({ TERMS: { mode: "EXCLUDE", dictionary: "known" } }), /town/);
      assert.match(await spelled({ DISTANCE: 2, TERMS: [{ mode: "INCLUDE", dictionary: "known" }] }), /town/);
    }),
    ...both("profiles and settings", async (client, RESP) => {
      await books(client);
      const profiled = await client.ft.profileSearch("books", "@year:[1920 1930]", { LIMIT: { from: 0, size: 1 } });
      assert.match(JSON.stringify(profiled), /book:0/);
      assert.match(JSON.stringify(profiled), /NUMERIC/);
      const grouped = await client.ft.profileAggregate("books", "red", { STEPS: [{ type: "SORTBY", BY: "@year" }] });
      assert.match(JSON.stringify(grouped), /Sorter/);
      if (RESP === 2) assert.deepEqual([profiled.results.total, grouped.results.results.length], [2, 2]);
      const lines = await client.ft.explainCli("books", "red|blue");
      assert.equal(lines.map((line) => line.trim())[0], "UNION {");
      // In RESP3 the package does not read the map of FT.CONFIG GET.
      if (RESP === 3) return;
      const before = (await client.ft.configGet("TIMEOUT")).TIMEOUT;
      assert.equal(await client.ft.configSet("TIMEOUT", "777"), "OK");
      assert.deepEqual(plain(await client.ft.configGet("TIMEOUT")), { TIMEOUT: "777" });
      assert.equal(await client.ft.configSet("TIMEOUT", before), "OK");
    }),
    ...both("hybrid queries", async (client) => {
      await books(client);
      const ask = (options) => client.ft.hybrid("books", { SEARCH: { query: "red" }, PARAMS: { v: blob(1, 0) }, ...options });
      const near = { field: "@near", vector: "$v", method: { type: "KNN", K: 2 } };
      const rows = (reply) => plain(reply.results);
      const combined = { method: { type: "RRF", CONSTANT: 60 }, YIELD_SCORE_AS: "both" };
      const loaded = await ask({ VSIM: near, LOAD: ["@title"], COMBINE: combined });
      assert.deepEqual(rows(loaded).map(({ title }) => title), ["The red house", "Blue houses", "A red town"]);
      assert.equal(Number(rows(loaded)[0].both).toFixed(4), (1 / 61 + 1 / 62).toFixed(4));
      const filtered = await ask({
        VSIM: { ...near, FILTER: "@genre:{novel}" },
        LOAD: ["@year"],
        SORTBY: { fields: [{ field: "@year", direction: "DESC" }] },
        LIMIT: { offset: 0, count: 2 },
      });
      assert.deepEqual(rows(filtered).map(({ year }) => year), ["1981", "1930"]);
    }, "FT.HYBRID", "FT.HYBRID"),
    // redis-om names no dialect: quoted texts, places and lists are those of dialect 1.
    ...both("what redis-om sends", async (client, RESP) => {
      const schema = { "$.artist": { type: "TEXT", AS: "artist" }, "$.year": { type: "NUMERIC", AS: "year", SORTABLE: true },
        "$.genres[*]": { type: "TAG", AS: "genres" }, "$.place": { type: "GEO", AS: "place" }, "$.out": { type: "TAG", AS: "out" } };
      await client.ft.create("album:index", schema, { ON: "JSON", PREFIX: "album:" });
      await client.json.set("album:1", "$", { artist: "Mushroomhead of Cleveland", year: 2014, genres: ["metal", "rock"], place: "5,52", out: true });
      await client.json.set("album:2", "$", { artist: "The House Band", year: 1999, genres: ["folk"], place: "4,51", out: false });
      for (const [query, expected] of [
        ["(@out:{true})", ["album:1"]],
        ["(@year:[2000 +inf])", ["album:1"]],
        ["(@genres:{metal})", ["album:1"]],
        ["(@artist:'house band')", ["album:2"]],
        ['(@artist:"House Band")', ["album:2"]],
        ["(@artist:%%mushroomhed%%)", ["album:1"]],
        ["(@place:[5 52 10 km])", ["album:1"]],
        ["( ( (@year:[1999 1999]) ) | ( (@genres:{rock}) ) )", ["album:1", "album:2"]],
        ["( (@year:[-inf 2000]) (-(@genres:{rock})) )", ["album:2"]],
      ]) {
        const found = await client.ft.search("album:index", query, { LIMIT: { from: 0, size: 10 }, DIALECT: 1 });
        assert.deepEqual(keys(found, RESP).sort(), expected, query);
      }
    }),
    ["no method is left out", async () => {
      const names = Object.keys(METHODS).filter((name) => name[0] === "_" ? name === "_list" : /^[a-z]/.test(name));
      assert.deepEqual(names.filter((name) => !called.has(name)), []);
    }, "FT.HYBRID", "FT.HYBRID"],
  ],
  has,
  async () => open.forEach((client) => client.destroy()),
);
