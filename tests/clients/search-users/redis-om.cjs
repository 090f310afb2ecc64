// redis-om's repositories over JSON documents and hashes: what is saved is fetched and found. Its client is the
// node-redis 4 that it depends on: node redis-om.cjs PORT. A Redis Stack passes it, too.
//
// redis-om 0.4.7 drops an index before it makes it, and knows a missing one only by the words of Redis Stack: with
// Redis 8 (redis-om-node's pull request 267), so with russet, `createIndex` of a new index fails. `Albums` takes the
// words of both, as applications do; the last check is redis-om's own class with `search-error-codes no`.
const assert = require("node:assert/strict");
const { createClient } = require("redis");
const { EntityId, EntityKeyName, Repository, Schema } = require("redis-om");
const { run } = require("../checks.cjs");

const port = Number(process.argv[2]);
const client = createClient({ socket: { port, reconnectStrategy: false } });
client.on("error", () => {});

class Albums extends Repository {
  async dropIndex() {
    try {
      await super.dropIndex();
    } catch (error) {
      if (!/^SEARCH_INDEX_NOT_FOUND/.test(error.message)) throw error;
    }
  }
}

const ALBUMS = {
  one: { artist: "Mushroomhead", title: "The Righteous & The Butterfly", year: 2014, genres: ["metal", "nu-metal"],
    out: true, released: new Date("2014-05-13T00:00:00Z"), studio: { longitude: 5, latitude: 52 } },
  two: { artist: "The House Band", title: "Stonetown songs of the sea", year: 1991, genres: ["folk"],
    out: false, released: new Date("1991-03-01T00:00:00Z"), studio: { longitude: 4, latitude: 51 } },
  three: { artist: "Mushroomhead", title: "A wonderful sea", year: 2020, genres: ["metal", "folk"],
    out: false, released: new Date("2020-06-19T00:00:00Z"), studio: { longitude: 23, latitude: 42 } },
};

const open = async (dataStructure) => {
  if (!client.isOpen) await client.connect();
  await client.flushAll();
  const schema = new Schema("album", {
    artist: { type: "string" },
    title: { type: "text", sortable: true },
    year: { type: "number", sortable: true },
    genres: { type: "string[]" },
    out: { type: "boolean" },
    released: { type: "date", sortable: true },
    studio: { type: "point" },
    ...(dataStructure === "JSON" && { seconds: { type: "number[]" } }),
  }, { dataStructure });
  const albums = new Albums(schema, client);
  await albums.createIndex();
  for (const [id, album] of Object.entries(ALBUMS)) {
    await albums.save(id, dataStructure === "JSON" ? { ...album, seconds: [album.year, 200] } : album);
  }
  return albums;
};

const both = (name, check) => ["JSON", "HASH"].map((kind) => [
  `redis-om, ${name} (${kind})`,
  async () => check(await open(kind), kind),
]);
const ids = (entities) => entities.map((entity) => entity[EntityId]);
const sorted = async (search) => ids(await search.return.all()).sort();

run(
  [
    ...both("entities", async (albums, kind) => {
      const { [EntityId]: id, [EntityKeyName]: key, ...found } = await albums.fetch("one");
      assert.deepEqual([id, key], ["one", "album:one"]);
      assert.deepEqual(found, kind === "JSON" ? { ...ALBUMS.one, seconds: [2014, 200] } : ALBUMS.one);
      const many = await albums.fetch("two", "three");
      assert.deepEqual(many.map(({ year }) => year), [1991, 2020]);
      const fresh = await albums.save({ artist: "Nobody", year: 1 });
      assert.deepEqual(await sorted(albums.search().where("artist").equals("Nobody")), [fresh[EntityId]]);
      await albums.expire(fresh[EntityId], 100);
      assert.ok((await client.ttl(`album:${fresh[EntityId]}`)) > 50);
      await albums.save({ ...fresh, year: 2 });
      assert.equal(await albums.search().where("year").equals(2).return.count(), 1);
      await albums.remove(fresh[EntityId]);
      assert.equal(await albums.search().return.count(), 3);
    }),
    ...both("searches", async (albums) => {
      const where = (field) => albums.search().where(field);
      assert.deepEqual(await sorted(where("artist").equals("Mushroomhead")), ["one", "three"]);
      assert.deepEqual(await sorted(where("artist").equals("The House Band")), ["two"]);
      assert.deepEqual(await sorted(where("artist").not.equals("Mushroomhead")), ["two"]);
      assert.deepEqual(await sorted(where("artist").equals("Mush*")), ["one", "three"]);
      assert.deepEqual(await sorted(where("genres").contains("nu-metal")), ["one"]);
      assert.deepEqual(await sorted(where("genres").containsOneOf("nu-metal", "folk")), ["one", "three", "two"]);
      assert.deepEqual(await sorted(where("out").true()), ["one"]);
      assert.deepEqual(await sorted(where("out").false()), ["three", "two"]);
      assert.deepEqual(await sorted(where("year").is.greaterThan(2000).and("genres").contain("folk")), ["three"]);
      assert.deepEqual(await sorted(where("year").between(1990, 2014)), ["one", "two"]);
      assert.deepEqual(await sorted(where("year").lt(1992).or("year").gte(2020)), ["three", "two"]);
      assert.deepEqual(await sorted(where("released").after(new Date("2014-01-01T00:00:00Z"))), ["one", "three"]);
      assert.deepEqual(await sorted(where("released").on("1991-03-01T00:00:00.000Z")), ["two"]);
      const nested = albums.search().where((search) => search.where("out").true().or("year").eq(1991)).and("artist").not.eq("x");
      assert.deepEqual(await sorted(nested), ["one", "two"]);
    }),
    ...both("words", async (albums) => {
      const title = () => albums.search().where("title");
      assert.deepEqual(await sorted(title().matches("sea")), ["three", "two"]);
      assert.deepEqual(await sorted(title().matches("song")), ["two"]);
      assert.deepEqual(await sorted(title().matches("butterf*")), ["one"]);
      assert.deepEqual(await sorted(title().matchesExactly("wonderful sea")), ["three"]);
      assert.deepEqual(await sorted(title().matches("wondrful", { fuzzyMatching: true, levenshteinDistance: 2 })), ["three"]);
      assert.deepEqual(await sorted(title().does.not.match("sea")), ["one"]);
    }),
    ...both("places", async (albums) => {
      const near = (circle) => albums.search().where("studio").inRadius(circle);
      const at = (longitude, latitude) => (circle) => circle.longitude(longitude).latitude(latitude);
      assert.deepEqual(await sorted(near((circle) => at(5, 52)(circle).radius(10).kilometers)), ["one"]);
      assert.deepEqual(await sorted(near((circle) => at(5, 52)(circle).radius(200).miles)), ["one", "two"]);
    }),
    ...both("orders and pages", async (albums) => {
      const by = (...order) => albums.search().sortBy(...order);
      assert.deepEqual(ids(await by("year").return.all()), ["two", "one", "three"]);
      assert.deepEqual(ids(await by("year", "DESC").return.page(1, 1)), ["one"]);
      assert.equal((await by("released", "ASC").return.first())[EntityId], "two");
      assert.equal(await albums.search().return.minId("year"), "two");
      assert.equal((await albums.search().return.max("year"))[EntityId], "three");
      assert.deepEqual(await albums.search().sortAscending("year").return.allKeys(), ["album:two", "album:one", "album:three"]);
      assert.deepEqual(ids(await by("year").return.all({ pageSize: 2 })), ["two", "one", "three"]);
      assert.deepEqual(ids(await albums.searchRaw("@year:[2014 +inf] @out:{true|1}").return.all()), ["one"]);
    }),
    ["redis-om, lists of numbers (JSON)", async () => {
      const albums = await open("JSON");
      assert.deepEqual(await sorted(albums.search().where("seconds").equals(1991)), ["two"]);
      assert.deepEqual(await sorted(albums.search().where("seconds").is.greaterThan(2000)), ["one", "three"]);
    }],
    ["redis-om, an index that is made again and dropped", async () => {
      const albums = await open("JSON");
      const hash = await client.get("album:index:hash");
      await albums.createIndex();
      assert.equal(await client.get("album:index:hash"), hash);
      const wider = new Albums(new Schema("album", { year: { type: "number" }, more: { type: "string" } }), client);
      await wider.createIndex();
      assert.notEqual(await client.get("album:index:hash"), hash);
      const deadline = Date.now() + 5000;
      while ((await wider.search().where("year").gt(2000).return.count()) !== 2) assert.ok(Date.now() < deadline);
      await wider.dropIndex();
      await assert.rejects(wider.search().return.count(), /SEARCH_INDEX_NOT_FOUND|no such index/);
      assert.equal(await client.exists("album:one"), 1);
    }],
    ["redis-om, unchanged, with the words of Redis Stack", async () => {
      const isChosen = await client.configSet("search-error-codes", "no").then(() => true, () => false);
      try {
        const plain = new Repository(new Schema("plain", { year: { type: "number" } }), client);
        await plain.createIndex();
        await plain.dropIndex();
        await plain.dropIndex();
      } finally {
        if (isChosen) await client.configSet("search-error-codes", "yes");
      }
    }],
  ],
  async () => true,
  async () => client.disconnect(),
);
