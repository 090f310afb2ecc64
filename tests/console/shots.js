/** Screenshots of the documentation: node shots.js FOLDER (tests/console/run calls it). Data of a small shop. */

import path from "node:path";
import { openBrowser, openPage, Server, visit } from "./support.js";

const folder = process.argv[2];
const server = await Server.start(["--maxmemory", "64mb", "--prefix-stats", "yes"]);
const { client } = server;
await Promise.all(Array.from({ length: 4000 }, (_, i) => client.call("SET", `session:${i}`, `{"user":${i},"cart":[${i % 7}]}`, "EX", 60 + i * 20)));
await Promise.all(Array.from({ length: 800 }, (_, i) => client.call("HSET", `order:${i}`, "state", i % 3 ? "paid" : "open", "sum", i * 3, "customer", `customer:${i % 90}`)));
for (let i = 0; i < 200; i += 1) await client.call("ZADD", "bestsellers", i * 7, `article:${i}`);
for (let i = 0; i < 500; i += 1) await client.call("XADD", "events", "*", "order", i, "kind", "paid");
await client.call("XGROUP", "CREATE", "events", "mail", 0);
await client.call("XREADGROUP", "GROUP", "mail", "worker-1", "COUNT", 120, "STREAMS", "events", ">");
await client.call("FT.CREATE", "orders", "ON", "HASH", "PREFIX", 1, "order:", "SCHEMA", "state", "TAG", "sum", "NUMERIC", "SORTABLE", "customer", "TAG");
await client.call("ACL", "SETUSER", "shop", "on", ">secret", "~session:*", "~order:*", "+@read", "+@write");
// Traffic, so that the charts have something to show.
const busy = (async () => {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    await Promise.all(Array.from({ length: 60 + Math.random() * 60 }, (_, i) => client.call(i % 5 ? "GET" : "SET", `session:${Math.floor(Math.random() * 4200)}`, ...(i % 5 ? [] : [`{"user":${i}}`, "EX", 900]))));
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
})();
await new Promise((resolve) => setTimeout(resolve, 14_000));
const browser = await openBrowser();
for (const [name, route, scheme] of [["overview", "overview", "light"], ["keys", "keys/order:7", "light"], ["memory", "memory", "dark"], ["messages", "messages/events/mail", "light"], ["search", `search/orders?q=${encodeURIComponent("@state:{open} @sum:[100 900]")}&sort=sum&down`, "light"]]) {
  const page = await openPage(browser, server, { scheme, width: 1180, height: 740 });
  await visit(page, route);
  if (name === "keys") await page.getByRole("treeitem", { name: /^order:/ }).click();
  await page.waitForTimeout(1200);
  await page.screenshot({ path: path.join(folder, `console-${name}.png`) });
  await page.context().close();
}
await busy;
await browser.close();
await server.stop();
