// Every method of node-redis's packages for documents, sketches and time series, called as their
// own tests call it, in RESP2 and RESP3: node node-stack.cjs PORT. A Redis Stack passes it, too.
const assert = require("node:assert/strict");
const { createClient, RESP_TYPES } = require("redis");
const { run } = require("./checks.cjs");

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

const both = (name, check) => [2, 3].map((RESP) => [
  `${name} in RESP${RESP}`,
  async () => {
    const client = await connect({ RESP });
    await client.flushDb();
    await check(client, RESP);
  },
]);

// The last reply of calls that are sent together.
const last = async (...calls) => (await Promise.all(calls)).at(-1);
const flat = (reply) => [].concat(reply).flat();
// Objects of the package have no prototype.
const plain = (reply) => JSON.parse(JSON.stringify(reply));
const samples = (...pairs) => pairs.map(([timestamp, value]) => ({ timestamp, value }));
const fields = (reply, ...names) => names.forEach((name) => assert.equal(typeof reply[name], "number", name));

run(
  [
    ...both("arrays of documents", async ({ json }) => {
      assert.deepEqual(await last(json.set("key", "$", []), json.arrAppend("key", "$", "value")), [1]);
      assert.deepEqual(await json.arrAppend("key", "$", 2, null, { a: 1 }), [4]);
      assert.deepEqual(await last(json.set("key", "$", []), json.arrIndex("key", "$", "json")), [-1]);
      assert.deepEqual(await last(json.set("key", "$", ["a", "json"]), json.arrIndex("key", "$", "json", { range: { start: 1 } })), [1]);
      assert.deepEqual(await json.arrIndex("key", "$", "json", { range: { start: 0, stop: 1 } }), [-1]);
      assert.deepEqual(await last(json.set("key", "$", []), json.arrInsert("key", "$", 0, "value")), [1]);
      assert.equal(await last(json.set("key", "$", []), json.arrLen("key")), 0);
      assert.deepEqual(await json.arrLen("key", { path: "$" }), [0]);
      assert.equal(await last(json.set("key", "$", []), json.arrPop("key")), null);
      assert.equal(await last(json.set("key", ".", ["value"]), json.arrPop("key", { path: "." })), "value");
      assert.deepEqual(await last(json.set("key", "$", ["value"]), json.arrPop("key", { path: "$" })), ["value"]);
      assert.deepEqual(await last(json.set("key", "$", []), json.arrTrim("key", "$", 0, 1)), [0]);
    }),
    ...both("objects, texts, numbers of documents", async ({ json }) => {
      assert.equal(await last(json.set("key", "$", null), json.clear("key")), 0);
      assert.equal(await last(json.set("key", "$", { a: 1, b: [1] }), json.clear("key", { path: "$.*" })), 2);
      assert.deepEqual(flat(await last(json.set("key", "$", { a: 1 }), json.debugMemory("key", { path: "$" }))).length, 1);
      assert.ok(await json.debugMemory("key") > 0);
      assert.equal(await json.del("none"), 0);
      assert.equal(await json.forget("none"), 0);
      assert.equal(await json.get("none"), null);
      assert.equal(await json.get("none", { path: ["$.a", "$.b"] }), null);
      assert.equal(await json.merge("merged", "$", "json"), "OK");
      assert.equal(await last(json.set("merged", "$", { a: 1, b: 2 }), json.merge("merged", "$", { a: null, c: 3 })), "OK");
      assert.deepEqual(await json.get("merged"), { b: 2, c: 3 });
      assert.deepEqual(await json.mGet(["none", "nor"], "$"), [null, null]);
      assert.equal(await json.mSet([{ key: "{k}1", path: "$", value: {} }, { key: "{k}2", path: "$", value: "two" }]), "OK");
      assert.deepEqual(await json.mGet(["{k}1", "{k}2"], "$"), [[{}], ["two"]]);
      assert.deepEqual(flat(await last(json.set("key", "$", 0), json.numIncrBy("key", "$", 1))), [1]);
      assert.deepEqual(flat(await last(json.set("key", "$", { a: "b", c: 1 }), json.numIncrBy("key", "$..*", 1))), [null, 2]);
      assert.deepEqual(flat(await last(json.set("key", "$", 1), json.numMultBy("key", "$", 2))), [2]);
      assert.deepEqual(await last(json.set("key", "$", {}), json.objKeys("key")), []);
      assert.deepEqual(await json.objKeys("key", { path: "$" }), [[]]);
      assert.equal(await last(json.set("key", "$", {}), json.objLen("key")), 0);
      assert.equal(await json.objLen("none"), null);
      assert.equal(await json.set("key", "$", "json"), "OK");
      assert.equal(await json.set("key", "$", "json", { NX: true }), null);
      assert.equal(await json.set("none", "$", "json", { condition: "XX" }), null);
      assert.equal(await last(json.set("key", "$", ""), json.strAppend("key", "append")), 6);
      assert.deepEqual(await json.strAppend("key", "more", { path: "$" }), [10]);
      assert.equal(await last(json.set("key", "$", ""), json.strLen("key")), 0);
      assert.deepEqual(await json.strLen("key", { path: "$" }), [0]);
      assert.deepEqual(await last(json.set("key", "$", true), json.toggle("key", "$")), [0]);
      assert.deepEqual(flat(await json.type("none")), [null]);
      assert.deepEqual(flat(await json.type("key", { path: "$" })), ["boolean"]);
      assert.deepEqual(await json.get("key"), false);
    }),
    ...both("Bloom filters", async ({ bf }, RESP) => {
      const client = await connect({ RESP });
      assert.equal(await bf.add("key", "item"), true);
      assert.equal(await bf.card("key"), 1);
      assert.equal(await bf.card("none"), 0);
      assert.equal(await bf.exists("none", "item"), false);
      assert.equal(await bf.reserve("reserved", 0.01, 100), "OK");
      assert.equal(await bf.reserve("fast", 0.01, 100, { EXPANSION: 4 }), "OK");
      assert.equal(await bf.reserve("fixed", 0.01, 100, { NONSCALING: true }), "OK");
      const info = await bf.info("reserved");
      fields(info, "Capacity", "Size", "Number of filters", "Number of items inserted", "Expansion rate");
      assert.equal(info.Capacity, 100);
      assert.equal((await bf.info("fixed"))["Expansion rate"], null);
      const options = { CAPACITY: 1, ERROR: 0.01, EXPANSION: 1, NONSCALING: true };
      assert.deepEqual(await bf.insert("inserted", "item", options), [true]);
      await assert.rejects(bf.insert("none", "item", { NOCREATE: true }), /not found/);
      assert.deepEqual(await bf.mAdd("key", ["item", "other"]), [false, true]);
      assert.deepEqual(await bf.mExists("key", ["item", "other", "none"]), [true, true, false]);
      const mapped = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      for (let iterator = 0, chunk; ;) {
        ({ iterator, chunk } = await mapped.bf.scanDump("key", iterator));
        if (iterator === 0) break;
        assert.equal(await mapped.bf.loadChunk("loaded", iterator, chunk), "OK");
      }
      assert.deepEqual(await bf.mExists("loaded", ["item", "other", "none"]), [true, true, false]);
    }),
    ...both("cuckoo filters", async ({ cf }, RESP) => {
      const client = await connect({ RESP });
      assert.equal(await cf.add("key", "item"), true);
      assert.equal(await cf.addNX("key", "item"), false);
      assert.equal(await cf.count("none", "item"), 0);
      assert.equal(await cf.count("key", "item"), 1);
      assert.equal(await last(cf.reserve("reserved", 4, { BUCKETSIZE: 2, MAXITERATIONS: 1, EXPANSION: 1 }), cf.del("reserved", "item")), false);
      assert.equal(await cf.exists("none", "item"), false);
      fields(await cf.info("reserved"), "Size", "Number of buckets", "Number of filters", "Number of items inserted",
        "Number of items deleted", "Bucket size", "Expansion rate", "Max iterations");
      assert.deepEqual(await cf.insert("inserted", "item", { CAPACITY: 100 }), [true]);
      // Integers, also in RESP3, as there is a -1.
      const isNew = await cf.insertNX("inserted", "item", { NOCREATE: true });
      assert.deepEqual(isNew.map(Boolean), [false]);
      const empty = await cf.scanDump("reserved", 0);
      assert.deepEqual({ ...empty }, { iterator: 0, chunk: null });
      const mapped = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      for (let iterator = 0, chunk; ;) {
        ({ iterator, chunk } = await mapped.cf.scanDump("key", iterator));
        if (iterator === 0) break;
        assert.equal(await mapped.cf.loadChunk("loaded", iterator, chunk), "OK");
      }
      assert.equal(await cf.exists("loaded", "item"), true);
      assert.equal(await cf.del("loaded", "item"), true);
    }),
    ...both("count-min sketches", async ({ cms }) => {
      assert.equal(await cms.initByDim("key", 1000, 5), "OK");
      assert.equal(await cms.initByProb("other", 0.001, 0.01), "OK");
      assert.deepEqual(await cms.incrBy("key", { item: "item", incrementBy: 1 }), [1]);
      assert.deepEqual(await cms.incrBy("key", [{ item: "item", incrementBy: 2 }, { item: "b", incrementBy: 5 }]), [3, 5]);
      // Redis 8.12 has a fourth pair, which this library passes on.
      const { cell_size: cellSize, ...info } = await cms.info("key");
      assert.deepEqual({ ...info, cellSize }, { width: 1000, depth: 5, count: 8, cellSize: 4 });
      assert.deepEqual(await cms.query("key", "none"), [0]);
      assert.deepEqual(await cms.query("key", ["item", "b"]), [3, 5]);
      assert.equal(await last(cms.initByDim("source", 1000, 5), cms.initByDim("destination", 1000, 5), cms.merge("destination", ["source"])), "OK");
      assert.equal(await cms.merge("destination", [{ name: "key", weight: 2 }, { name: "source", weight: 1 }]), "OK");
      assert.deepEqual(await cms.query("destination", "item"), [6]);
    }),
    ...both("top-k lists", async ({ topK }) => {
      assert.equal(await topK.reserve("key", 3), "OK");
      assert.equal(await topK.reserve("shaped", 3, { width: 8, depth: 7, decay: 0.9 }), "OK");
      assert.deepEqual(await topK.add("key", "item"), [null]);
      assert.deepEqual(await topK.listWithCount("key"), [{ item: "item", count: 1 }]);
      assert.deepEqual(await topK.count("key", "item"), [1]);
      assert.deepEqual(await topK.incrBy("key", { item: "item", incrementBy: 5 }), [null]);
      assert.deepEqual(await topK.incrBy("key", [{ item: "b", incrementBy: 2 }, { item: "item", incrementBy: 1 }]), [null, null]);
      const { decay, ...info } = await topK.info("shaped");
      assert.deepEqual(info, { k: 3, width: 8, depth: 7 });
      assert.ok(Math.abs(decay - 0.9) < 1e-9);
      assert.deepEqual(await topK.list("key"), ["item", "b"]);
      assert.deepEqual(await topK.query("key", ["item", "none"]), [true, false]);
    }),
    ...both("t-digests", async ({ tDigest }) => {
      assert.equal(await tDigest.create("key"), "OK");
      assert.equal(await tDigest.create("fine", { COMPRESSION: 1000 }), "OK");
      for (const ask of ["byRank", "byRevRank", "cdf", "quantile"]) assert.deepEqual(await tDigest[ask]("key", [1]), [NaN], ask);
      for (const ask of ["rank", "revRank"]) assert.deepEqual(await tDigest[ask]("key", [1]), [-2], ask);
      for (const ask of ["min", "max"]) assert.deepEqual(await tDigest[ask]("key"), NaN, ask);
      assert.deepEqual(await tDigest.trimmedMean("key", 0, 1), NaN);
      fields(await tDigest.info("key"), "Compression", "Capacity", "Merged nodes", "Unmerged nodes", "Merged weight",
        "Unmerged weight", "Observations", "Total compressions", "Memory usage");
      assert.equal(await tDigest.add("key", [1, 2, 3, 4, 5]), "OK");
      assert.deepEqual(await tDigest.quantile("key", [0, 0.5, 1]), [1, 3, 5]);
      assert.deepEqual(await tDigest.rank("key", [0, 1, 5, 9]), [-1, 0, 4, 5]);
      assert.deepEqual(await tDigest.revRank("key", [0, 5]), [5, 0]);
      assert.deepEqual(await tDigest.byRank("key", [0, 9]), [1, Infinity]);
      assert.deepEqual(await tDigest.byRevRank("key", [0, 9]), [5, -Infinity]);
      assert.deepEqual([await tDigest.min("key"), await tDigest.max("key")], [1, 5]);
      assert.equal(await tDigest.merge("merged", ["key", "fine"], { COMPRESSION: 100, OVERRIDE: true }), "OK");
      assert.deepEqual(await tDigest.cdf("merged", [0, 9]), [0, 1]);
      assert.deepEqual(await tDigest.trimmedMean("merged", 0, 1), 3);
      assert.equal(await tDigest.reset("merged"), "OK");
      assert.deepEqual(await tDigest.max("merged"), NaN);
    }),
    ...both("samples of time series", async ({ ts }) => {
      const options = { RETENTION: 0, ENCODING: "UNCOMPRESSED", CHUNK_SIZE: 4096, LABELS: { label: "value" } };
      assert.equal(await ts.create("key", { ...options, DUPLICATE_POLICY: "BLOCK" }), "OK");
      assert.equal(await ts.alter("key", { RETENTION: 1000000000000, CHUNK_SIZE: 4096, DUPLICATE_POLICY: "LAST", LABELS: { a: "b" } }), "OK");
      assert.equal(await ts.add("key", 0, 1), 0);
      assert.equal(await ts.add("added", "1000", 1.5, { ...options, ON_DUPLICATE: "SUM" }), 1000);
      assert.equal(await ts.add("added", new Date(1000), 2, { ON_DUPLICATE: "SUM" }), 1000);
      assert.deepEqual({ ...(await ts.get("added")) }, { timestamp: 1000, value: 3.5 });
      assert.ok(await ts.add("now", "*", 1) > 1e12);
      assert.equal(await ts.create("empty", { IGNORE: { maxTimeDiff: 10, maxValDiff: 0.5 } }), "OK");
      assert.equal(await ts.get("empty"), null);
      assert.deepEqual(await ts.mAdd([{ key: "key", timestamp: 0, value: 2 }, { key: "key", timestamp: 10, value: 3 }]), [0, 10]);
      assert.equal(await ts.incrBy("key", 1, { TIMESTAMP: 10 }), 10);
      assert.equal(await ts.decrBy("key", 0.5, { TIMESTAMP: 20 }), 20);
      const made = { TIMESTAMP: 5, RETENTION: 10, UNCOMPRESSED: true, CHUNK_SIZE: 128, LABELS: { a: "b" }, IGNORE: { maxTimeDiff: 1, maxValDiff: 1 } };
      assert.equal(await ts.incrBy("counter", 4, made), 5);
      assert.deepEqual(plain(await ts.range("key", "-", "+")), samples([0, 2], [10, 4], [20, 3.5]));
      assert.deepEqual(plain(await ts.revRange("key", 0, 20, { COUNT: 1 })), samples([20, 3.5]));
      const sums = { type: "SUM", timeBucket: 15, BUCKETTIMESTAMP: "+", EMPTY: true };
      assert.deepEqual(plain(await ts.range("key", "-", "+", { AGGREGATION: sums })), samples([15, 6], [30, 3.5]));
      const chosen = { FILTER_BY_TS: [0, new Date(10)], FILTER_BY_VALUE: { min: 1, max: 3 }, ALIGN: 5, AGGREGATION: { type: "MAX", timeBucket: 10 } };
      assert.deepEqual(plain(await ts.range("key", "-", "+", chosen)), samples([0, 2]));
      assert.equal(await ts.del("key", 5, 10), 1);
      await assert.rejects(ts.get("none"), /does not exist/);
    }),
    ...both("rules and facts of time series", async (_, RESP) => {
      const { ts } = await connect({ RESP, unstableResp3: true });
      // The package writes IGNORE after LABELS, whose words go on to the end.
      await ts.create("source", { DUPLICATE_POLICY: "LAST", IGNORE: { maxTimeDiff: 5, maxValDiff: 0.5 } });
      assert.equal(await ts.alter("source", { LABELS: { id: "1", name: "source" } }), "OK");
      await ts.create("hours");
      assert.equal(await ts.createRule("source", "hours", "AVG", 10, 0), "OK");
      await ts.mAdd([{ key: "source", timestamp: 1, value: 2 }, { key: "source", timestamp: 9, value: 4 }, { key: "source", timestamp: 11, value: 8 }]);
      assert.deepEqual({ ...(await ts.get("hours")) }, { timestamp: 0, value: 3 });
      assert.deepEqual({ ...(await ts.get("hours", { LATEST: true })) }, { timestamp: 10, value: 8 });
      const info = await ts.info("source");
      fields(info, "totalSamples", "memoryUsage", "firstTimestamp", "lastTimestamp", "retentionTime", "chunkCount", "chunkSize", "ignoreMaxTimeDiff", "ignoreMaxValDiff");
      const { totalSamples, chunkType, duplicatePolicy, sourceKey, ignoreMaxTimeDiff, ignoreMaxValDiff } = info;
      assert.deepEqual([totalSamples, chunkType, duplicatePolicy, sourceKey, ignoreMaxTimeDiff, ignoreMaxValDiff], [3, "compressed", "last", null, 5, 0.5]);
      const labels = RESP === 2 ? [{ name: "id", value: "1" }, { name: "name", value: "source" }] : { id: "1", name: "source" };
      const rules = RESP === 2 ? [{ key: "hours", timeBucket: 10, aggregationType: "AVG" }] : { hours: [10, "AVG", 0] };
      assert.deepEqual(plain([info.labels, info.rules]), [labels, rules]);
      const debug = await ts.infoDebug("hours");
      assert.deepEqual([debug.sourceKey, debug.keySelfName], ["source", "hours"]);
      const [chunk] = RESP === 2 ? debug.chunks : debug.Chunks;
      fields(chunk, "startTimestamp", "endTimestamp", "samples", "size");
      assert.equal(await ts.deleteRule("source", "hours"), "OK");
      assert.deepEqual(plain((await ts.info("source")).rules), RESP === 2 ? [] : {});
    }),
    ...both("time series by their labels", async ({ ts }, RESP) => {
      for (const [key, room, value] of [["a", "hall", 1], ["b", "bath", 2], ["c", "hall", 5]]) {
        await ts.add(key, 0, value, { LABELS: { kind: "heat", room } });
      }
      const by = "kind=heat";
      const values = (all) => Object.fromEntries(Object.entries(plain(all)).map(([key, one]) => [key, (one.samples ?? [one.sample ?? one]).flat().map(({ value }) => value)]));
      assert.deepEqual([...(await ts.queryIndex(by))], ["a", "b", "c"]);
      assert.deepEqual([...(await ts.queryIndex([by, "room!=hall"]))], ["b"]);
      assert.deepEqual(values(await ts.mGet(by, { LATEST: true })), { a: [1], b: [2], c: [5] });
      const shown = await ts.mGetWithLabels([by, "room=(hall)"]);
      assert.deepEqual(plain(shown.c), { labels: { kind: "heat", room: "hall" }, sample: { timestamp: 0, value: 5 } });
      const selected = await ts.mGetSelectedLabels(by, ["room", "none"]);
      assert.deepEqual(plain(selected.b.labels), { room: "bath", none: null });
      const group = { label: "room", REDUCE: "SUM" };
      const groups = { "room=bath": [2], "room=hall": [6] };
      const options = { LATEST: true, COUNT: 1, AGGREGATION: { type: "AVG", timeBucket: 10 } };
      for (const [plainly, range] of [["mRange", "Range"], ["mRevRange", "RevRange"]]) {
        assert.deepEqual(values(await ts[plainly]("-", "+", by, options)), { a: [1], b: [2], c: [5] }, range);
        const labelled = await ts[`m${range}WithLabels`]("-", "+", by);
        assert.deepEqual(plain(labelled.a), { labels: { kind: "heat", room: "hall" }, samples: samples([0, 1]) });
        // In RESP3 the package takes the aggregators for the labels.
        const some = await ts[`m${range}SelectedLabels`]("-", "+", ["room"], by);
        assert.deepEqual(plain(some.a.samples), samples([0, 1]));
        if (RESP === 2) assert.deepEqual(plain(some.a.labels), { room: "hall" });
        const grouped = await ts[`m${range}GroupBy`]("-", "+", by, group, options);
        assert.deepEqual(values(grouped), groups, range);
        if (RESP === 3) assert.deepEqual(plain(grouped["room=hall"].sources), ["a", "c"]);
        const all = await ts[`m${range}WithLabelsGroupBy`]("-", "+", by, group);
        assert.deepEqual(values(all), groups, range);
        assert.deepEqual(plain(all["room=hall"].sources), ["a", "c"]);
        assert.deepEqual(plain(all["room=hall"].labels), { room: "hall" });
        assert.deepEqual(values(await ts[`m${range}SelectedLabelsGroupBy`]("-", "+", ["room"], by, group)), groups, range);
      }
    }),
  ],
  has,
  async () => open.forEach((client) => client.destroy()),
);
