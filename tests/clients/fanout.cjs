// A chat behind two servers: browsers hold a WebSocket to either, and what one of them says
// goes over one channel to the browsers of both: node fanout.cjs PORT
const assert = require("node:assert/strict");
const http = require("node:http");
const { createClient } = require("redis");
const { WebSocket, WebSocketServer } = require("ws");
const { run, until } = require("./checks.cjs");

const port = Number(process.argv[2]);
const clients = [];
const connect = async () => {
  const client = createClient({ socket: { port, reconnectStrategy: false } });
  client.on("error", () => {});
  clients.push(client);
  await client.connect();
  return client;
};
const asks = connect();
const has = async (command) => Boolean((await (await asks).sendCommand(["COMMAND", "INFO", command]))[0]);

// One server: its browsers, a connection to publish, one to listen, and who is there as a set.
class Server {
  async start() {
    [this.publisher, this.listener] = [await connect(), await connect()];
    this.http = http.createServer();
    this.sockets = new WebSocketServer({ server: this.http });
    this.sockets.on("connection", (socket, request) => {
      const name = request.url.slice(1);
      this.publisher.sAdd("present", name);
      socket.on("message", (text) => this.publisher.publish("room", JSON.stringify({ from: name, text: String(text) })));
      socket.on("close", () => this.publisher.isOpen && this.publisher.sRem("present", name));
    });
    await this.listener.subscribe("room", (message) => {
      for (const socket of this.sockets.clients) socket.send(message);
    });
    await new Promise((resolve) => this.http.listen(0, "127.0.0.1", resolve));
    return this;
  }

  async browser(name) {
    const socket = new WebSocket(`ws://127.0.0.1:${this.http.address().port}/${name}`);
    const heard = [];
    socket.on("message", (message) => heard.push(JSON.parse(message)));
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    return { name, heard, say: (text) => socket.send(text), leave: () => socket.close() };
  }

  stop() {
    for (const socket of this.sockets.clients) socket.terminate();
    this.http.close();
  }
}

let servers = [];
const texts = (browser, from) => browser.heard.filter((one) => one.from === from).map((one) => one.text);

run(
  [
    ["what one says, all hear, whichever server they are at", async () => {
      servers = [await new Server().start(), await new Server().start()];
      const names = ["ann", "bob", "cid", "dora", "eve", "finn"];
      const browsers = [];
      for (const [at, name] of names.entries()) browsers.push(await servers[at % 2].browser(name));
      const client = await asks;
      await until("all to be present", async () => (await client.sCard("present")) === names.length);
      assert.deepEqual(await client.sendCommand(["PUBSUB", "NUMSUB", "room"]), ["room", 2]);
      const said = [...Array(200)].map((_, n) => `message ${n} ${"x".repeat(n * 10)}`);
      for (const text of said) for (const browser of browsers) browser.say(`${browser.name} ${text}`);
      await until("everything to be heard", async () => browsers.every((one) => one.heard.length === said.length * names.length));
      // Each one's words in their order, and the same whole order at every browser of a server.
      for (const browser of browsers) {
        for (const name of names) assert.deepEqual(texts(browser, name), said.map((text) => `${name} ${text}`));
        assert.deepEqual(browser.heard, browsers[0].heard);
      }
      browsers[0].leave();
      await until("one to be gone", async () => (await client.sCard("present")) === names.length - 1);
    }, "subscribe", "pub/sub"],
    ["a server that leaves is not waited for", async () => {
      const client = await asks;
      await servers[1].listener.unsubscribe("room");
      assert.equal(await client.publish("room", JSON.stringify({ from: "all", text: "bye" })), 1);
      await servers[0].listener.unsubscribe("room");
      assert.deepEqual(await client.sendCommand(["PUBSUB", "CHANNELS"]), []);
    }, "subscribe", "pub/sub"],
  ],
  has,
  async () => {
    for (const server of servers) server.stop();
    for (const client of clients) client.destroy();
  },
);
