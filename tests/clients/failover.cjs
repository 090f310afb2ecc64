// Writes through a failover, for failover.py: node failover.cjs CLIENT NAME COUNT PORT ...
// Prints "writing", is told "killed", writes COUNT times more, prints the longest time without a write.
const [client, name, count, ...ports] = process.argv.slice(2);
const addresses = ports.map((port) => ({ host: "127.0.0.1", port: Number(port) }));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function ioredis() {
  const Redis = require("ioredis");
  const redis = new Redis({ sentinels: addresses, name, maxRetriesPerRequest: null });
  redis.on("error", () => {});
  return () => redis.incr("n:ioredis");
}

async function nodeRedis() {
  const { createSentinel } = require("redis");
  const sentinel = createSentinel({ name, sentinelRootNodes: addresses });
  sentinel.on("error", () => {});
  await sentinel.connect();
  return () => sentinel.incr("n:node-redis");
}

async function main() {
  let killed = false;
  process.stdin.on("data", () => { killed = true; });
  const write = await (client === "ioredis" ? ioredis() : nodeRedis());
  let [written, after, gap, last] = [0, 0, 0, performance.now()];
  while (after < Number(count)) {
    const isAfter = killed;
    try {
      await write();
    } catch {
      await pause(10);
      continue;
    }
    const now = performance.now();
    [gap, last] = [Math.max(gap, now - last), now];
    written += 1;
    if (isAfter) after += 1;
    if (written === 50) console.log("writing");
    await pause(2);
  }
  console.log((gap / 1000).toFixed(3));
  process.exit(0);
}

main();
