/** What the browser's tests share: a server, a client of bytes, a page that notices what it must not do. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

const require = createRequire(path.join(process.env.RUSSET_CONSOLE_TESTS ?? ".", "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** RUSSET_CONSOLE_FILES=console: the page's files come from this folder, so that a change of them needs no build. */
const FILES = process.env.RUSSET_CONSOLE_FILES;
const KINDS = { ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };

/** Answers a request for a file of the page from `FILES`, with the server's own headers for the page itself. */
async function fromFolder(route, url) {
  if (url.pathname === "/") {
    const response = await route.fetch();
    const [, hash] = /a\/(\w{16})\//.exec(await response.text()) ?? [];
    return route.fulfill({ response, body: readFileSync(path.join(FILES, "index.html"), "utf8").replaceAll("a/HASH/", `a/${hash}/`) });
  }
  const [, name] = /^\/a\/\w{16}\/(.+)$/.exec(url.pathname) ?? [];
  if (name === undefined || url.pathname.endsWith("icon.svg")) return route.continue();
  return route.fulfill({ path: path.join(FILES, name), contentType: KINDS[path.extname(name)] });
}

/** A port that was free a moment ago. @returns {Promise<number>} */
export async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A russet with its console in a folder of its own. `args` as on its command line; `config`: the text of its file. */
export class Server {
  static async start(args = [], config = undefined) {
    const server = new Server();
    server.port = await freePort();
    server.consolePort = await freePort();
    server.folder = mkdtempSync(path.join(tmpdir(), "russet-console-"));
    server.url = `http://127.0.0.1:${server.consolePort}/`;
    server.output = "";
    const file = config === undefined ? [] : [path.join(server.folder, "russet.conf")];
    if (config !== undefined) writeFileSync(file[0], config);
    server.args = [...file, "--port", server.port, "--console-port", server.consolePort, "--bind", "127.0.0.1", "--dir", server.folder, "--save", "", "--appendonly", "yes", ...args].map(String);
    await server.#run();
    return server;
  }

  async #run() {
    this.process = spawn(process.env.RUSSET, this.args);
    this.process.stdout.on("data", (piece) => (this.output += piece));
    this.process.stderr.on("data", (piece) => (this.output += piece));
    this.client = await Client.connect(this.port);
    // PING is refused while data loads, and later where a password is asked.
    await eventually(async () => {
      const refusal = await this.client.call("PING").then(() => "", (error) => error.message);
      assert.doesNotMatch(refusal, /^LOADING/);
    }, 20_000);
  }

  async #kill() {
    this.client.close();
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
  }

  async restart() {
    await this.#kill();
    await this.#run();
  }

  async stop() {
    await this.#kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A client of RESP2 whose replies are Buffers, numbers, null, Errors and arrays of them. */
export class Client {
  /** @param {number} port */
  static async connect(port) {
    for (let tries = 0; ; tries += 1) {
      const socket = net.connect(port, "127.0.0.1");
      try {
        await once(socket, "connect");
        const client = new Client();
        client.socket = socket;
        client.rest = Buffer.alloc(0);
        client.waiting = [];
        socket.on("data", (piece) => client.#take(piece));
        return client;
      } catch (error) {
        if (tries > 200) throw error;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    }
  }

  /** @param {...(string | number | Buffer)} args @returns {Promise<any>} an error reply rejects */
  call(...args) {
    const parts = args.map((arg) => (Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg))));
    this.socket.write(Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n")])]));
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  close() {
    this.socket.destroy();
  }

  #take(piece) {
    this.rest = Buffer.concat([this.rest, piece]);
    for (;;) {
      const found = parseReply(this.rest, 0);
      if (!found) return;
      this.rest = this.rest.subarray(found.end);
      const { resolve, reject } = this.waiting.shift() ?? { resolve() {}, reject() {} };
      if (found.value instanceof Error) reject(found.value);
      else resolve(found.value);
    }
  }
}

/** @param {Buffer} data @param {number} at @returns {{value: any, end: number} | null} null if it is not complete */
function parseReply(data, at) {
  const line = data.indexOf("\r\n", at);
  if (line < 0) return null;
  const text = data.toString("latin1", at + 1, line);
  const end = line + 2;
  const kind = String.fromCharCode(data[at]);
  if (kind === "+") return { value: text, end };
  if (kind === "-") return { value: new Error(text), end };
  if (kind === ":") return { value: Number(text), end };
  const size = Number(text);
  if (size < 0) return { value: null, end };
  if (kind === "$") return data.length < end + size + 2 ? null : { value: Buffer.from(data.subarray(end, end + size)), end: end + size + 2 };
  const items = [];
  let next = end;
  for (let i = 0; i < size; i += 1) {
    const found = parseReply(data, next);
    if (!found) return null;
    items.push(found.value);
    next = found.end;
  }
  return { value: items, end: next };
}

export async function openBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
}

/**
 * A page that records what must not happen: a request to another host, a report of the content security policy,
 * an exception, a dialog that data opened. `page.wrongs()` takes the list of them.
 */
export async function openPage(browser, server, { scheme = "light", width = 1280, height = 800 } = {}) {
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height }, reducedMotion: "reduce", timezoneId: "UTC", locale: "en-US" });
  // A machine with other work is slow, not wrong.
  context.setDefaultTimeout(Number(process.env.RUSSET_CONSOLE_WAIT ?? 60_000));
  /** @type {string[]} */
  const wrongs = [];
  await context.route("**/*", (route) => {
    const url = new URL(route.request().url());
    if (url.host === new URL(server.url).host) return FILES === undefined ? route.continue() : fromFolder(route, url);
    wrongs.push(`a request to ${url.host}`);
    return route.abort();
  });
  await context.addInitScript(() => {
    globalThis.cspReports = [];
    addEventListener("securitypolicyviolation", (event) => globalThis.cspReports.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => wrongs.push(`an exception: ${error.message}`));
  page.on("dialog", (dialog) => {
    wrongs.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("console", (message) => {
    // The first question, before anybody is logged in, is answered by 401.
    if (message.type() === "error" && !message.text().includes("401")) wrongs.push(`an error in the console: ${message.text()}`);
  });
  /** What went wrong since the last call. @returns {Promise<string[]>} */
  page.wrongs = async () => [...wrongs.splice(0), ...(await page.evaluate(() => globalThis.cspReports.splice(0))).map((report) => `a CSP report: ${report}`)];
  page.server = server;
  return page;
}

/** Opens a view by its link and waits for its heading. @param {string} route "memory", "keys/user%3A1" */
export async function visit(page, route) {
  await page.goto(`${page.server.url}#/${route}`);
  await page.getByRole("main").getByRole("heading", { level: 1 }).first().waitFor();
}

/** Opens the lock of the session. */
export async function unlock(page) {
  const lock = page.getByRole("switch", { name: "Allow changes" });
  if ((await lock.getAttribute("aria-checked")) === "true") return;
  await lock.click();
  await page.getByRole("dialog").getByRole("button", { name: "Open the lock" }).click();
  await page.getByRole("switch", { name: "Allow changes", checked: true }).waitFor();
}

/** What axe finds in the page as it is, one line each. @returns {Promise<string[]>} */
export async function axeFindings(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary.split("\n").slice(1).join(" ")}`));
}

/** Tries until an assertion holds; its last failure otherwise. @param {() => Promise<void>} attempt */
export async function eventually(attempt, ms = 60_000) {
  for (const end = Date.now() + ms; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/**
 * Returns a form of `test` whose walks begin without messages that lie over the page, and end with nothing wrong.
 * @param {() => any} page the page that walks share
 */
export function walker(page) {
  /** @param {string} name @param {() => Promise<void>} steps */
  return (name, steps) =>
    test(name, async () => {
      const messages = page().getByRole("button", { name: "Dismiss" });
      while (await messages.count()) await messages.first().click();
      await steps();
      assert.deepEqual(await page().wrongs(), []);
    });
}

export const VIEWS = ["overview", "keys", "search", "workbench", "memory", "activity", "clients", "messages", "durability", "settings", "users"];
