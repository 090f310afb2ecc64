// LangChain's vector stores for Node (@langchain/redis), by vectors of the test's own; their client is node-redis 4:
// node langchain.cjs PORT. A Redis Stack passes it, too.
const assert = require("node:assert/strict");
const { createClient } = require("redis");
const { Document } = require("@langchain/core/documents");
const { FluentRedisVectorStore, RedisVectorStore, Tag, Num, Text, Geo, Timestamp } = require("@langchain/redis");
const { run } = require("../checks.cjs");

const port = Number(process.argv[2]);
const client = createClient({ socket: { port, reconnectStrategy: false } });
client.on("error", () => {});
// It guesses a schema from the documents, and warns that its guess is another.
console.warn = () => {};

const WORDS = ["red", "blue", "house", "boat", "sea", "town", "cats", "dogs"];
// Which of the words a text has, as a vector.
const embedding = (text) => WORDS.map((word) => (text.includes(word) ? 1 : 0.01));
const EMBEDDINGS = { embedDocuments: async (texts) => texts.map(embedding), embedQuery: async (text) => embedding(text) };
const DAY = 24 * 60 * 60 * 1000;
const TEXTS = ["a red house by the sea", "a blue house in the town", "the red boat on the sea", "cats and dogs"];
const METADATA = TEXTS.map((text, at) => ({
  kind: at === 3 ? "animal" : "place, thing", year: 2000 + at, note: `note of ${text}`, where: [at, 50], made: new Date(at * DAY),
}));
const documents = () => TEXTS.map((pageContent, at) => new Document({ pageContent, metadata: METADATA[at] }));
const numbers = (found) => found.map(([{ pageContent }]) => TEXTS.indexOf(pageContent));

const open = async () => {
  if (!client.isOpen) await client.connect();
  await client.flushAll();
};

const fluent = async (ALGORITHM) => {
  await open();
  const store = new FluentRedisVectorStore(EMBEDDINGS, {
    redisClient: client,
    indexName: "fluent",
    indexOptions: { ALGORITHM, DISTANCE_METRIC: "COSINE" },
    customSchema: [
      { name: "kind", type: "tag", options: { separator: "|" } },
      { name: "year", type: "numeric", options: { sortable: true } },
      { name: "note", type: "text" },
      { name: "where", type: "geo" },
      { name: "made", type: "numeric" },
    ],
  });
  await store.addDocuments(documents(), { keys: TEXTS.map((_, at) => `doc:fluent:${at}`) });
  return store;
};

run(
  [
    ...["HNSW", "FLAT"].map((algorithm) => [`LangChain, filters (${algorithm})`, async () => {
      const store = await fluent(algorithm);
      const find = async (filter) => numbers(await store.similaritySearchWithScore("a red house", 4, filter));
      assert.deepEqual((await find()).slice(0, 1), [0]);
      for (const [filter, expected] of [
        [Tag("kind").eq("animal"), [3]],
        [Tag("kind").eq("place, thing"), [0, 1, 2]],
        [Tag("kind").ne("animal"), [0, 1, 2]],
        [Tag("kind").eq(["animal", "none"]), [3]],
        [Num("year").between(2001, 2002), [1, 2]],
        [Num("year").ne(2001), [0, 2, 3]],
        [Num("year").gt(2000).and(Num("year").lte(2002)), [1, 2]],
        [Num("year").lt(2001).or(Tag("kind").eq("animal")), [0, 3]],
        [Text("note").match("house"), [0, 1]],
        [Text("note").eq("red house"), [0]],
        [Text("note").ne("red house"), [1, 2, 3]],
        [Text("note").wildcard("bo*"), [2]],
        [Text("note").fuzzy("boatt"), [2]],
        [Geo("where").within(0, 50, 100, "km"), [0, 1]],
        [Geo("where").outside(0, 50, 100, "km"), [2, 3]],
        [Timestamp("made").gte(new Date(2 * DAY)), [2, 3]],
        [Timestamp("made").ne(new Date(0)), [1, 2, 3]],
      ]) {
        assert.deepEqual((await find(filter)).sort(), expected, filter.toString());
      }
      const [[{ metadata }, score]] = await store.similaritySearchWithScore("cats and dogs", 1);
      assert.deepEqual([metadata.kind, metadata.year, metadata.where], ["animal", 2003, METADATA[3].where]);
      assert.ok(score < 0.001);
      await store.delete({ ids: ["0"] });
      assert.deepEqual((await find()).sort(), [1, 2, 3]);
      await store.delete({ deleteAll: true });
      assert.deepEqual(await client.keys("*"), []);
    }]),
    // Its filters by fields, `@metadata.kind:..`, are no query of Redis, either; those by words in the metadata are.
    ["LangChain, words of the metadata", async () => {
      await open();
      const store = new RedisVectorStore(EMBEDDINGS, { redisClient: client, indexName: "plain" });
      await store.addDocuments(documents());
      const find = async (limit, filter) => numbers(await store.similaritySearchWithScore("a red house", limit, filter)).sort();
      assert.deepEqual(await find(1), [0]);
      assert.deepEqual(await find(4, ["boat"]), [2]);
      assert.deepEqual(await find(4, ["house", "cats"]), [0, 1, 3]);
      assert.equal(await store.checkIndexExists(), true);
      assert.equal(await store.dropIndex(), true);
      assert.equal(await store.checkIndexExists(), false);
      assert.equal(await client.exists("doc:plain:0"), 1);
    }],
  ],
  async () => true,
  async () => client.disconnect(),
);
