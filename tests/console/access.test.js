/** Users with few rights: each tile stands alone, names the command that is missing, and nothing else breaks. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually, openBrowser, openPage, Server, visit, VIEWS } from "./support.js";

let server;
let browser;

before(async () => {
  server = await Server.start();
  const { client } = server;
  await client.call("SET", "user:1", "x");
  await client.call("ACL", "SETUSER", "poor", "on", ">secret", "~user:*", "+get", "+ping");
  await client.call("ACL", "SETUSER", "default", "resetpass", ">other");
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** @param {import("playwright-core").Page} page @param {string} user @param {string} password */
async function logIn(page, user, password) {
  await page.goto(page.server.url);
  await page.getByRole("textbox", { name: "User" }).fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

describe("a user with GET and PING", () => {
  let page;
  before(async () => {
    page = await openPage(browser, server);
  });

  test("a wrong password is refused in words", async () => {
    await logIn(page, "poor", "wrong");
    await page.getByRole("alert").getByText("The server knows no such user and password.").waitFor();
  });
  test("the right one opens the page", async () => {
    await logIn(page, "poor", "secret");
    await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
  });
  for (const view of VIEWS.filter((name) => name !== "workbench")) {
    test(`${view} stands, and says what is missing`, async () => {
      await visit(page, view);
      await page.getByText(/needs .*(which|that) (the user poor|this user) may not run/).first().waitFor();
      assert.equal(await page.getByText("This view failed").count(), 0);
      assert.deepEqual((await page.wrongs()).filter((wrong) => !wrong.includes("401")), []);
    });
  }
  test("the session ends with the user's rights", async () => {
    await visit(page, "memory");
    await server.client.call("AUTH", "other");
    await server.client.call("ACL", "DELUSER", "poor");
    await visit(page, "overview");
    await page.reload();
    await page.getByRole("button", { name: "Log in" }).waitFor();
  });
});

describe("the lock", () => {
  test("is the server's: a command that changes data is refused while it is closed", async () => {
    const page = await openPage(browser, server);
    await logIn(page, "default", "other");
    await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
    const call = (path, body) => page.evaluate(async ([url, json]) => (await fetch(url, { method: "POST", headers: { "Content-Type": "application/json", "X-Russet": "1" }, body: json })).json(), [`api/${path}`, JSON.stringify(body)]);
    const refused = await call("command", { cmds: [["SET", "user:1", "changed"]] });
    assert.match(refused.r[0].e, /^NOPERM/);
    assert.deepEqual((await call("command", { cmds: [["GET", "user:1"]] })).r, ["x"]);
    await call("lock", { locked: false });
    assert.deepEqual((await call("command", { cmds: [["SET", "user:1", "changed"]] })).r, [{ s: "OK" }]);
    await eventually(async () => assert.equal(String(await server.client.call("GET", "user:1")), "changed"));
    await page.context().close();
  });

  test("CLIENT KILL ends the session", async () => {
    const page = await openPage(browser, server);
    await logIn(page, "default", "other");
    await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
    const list = String(await server.client.call("CLIENT", "LIST"));
    const ids = list.split("\n").filter((line) => line.includes("lib-name=russet-console")).map((line) => /id=(\d+)/.exec(line)[1]);
    assert.ok(ids.length > 0);
    for (const id of ids) await server.client.call("CLIENT", "KILL", "ID", id);
    await page.getByRole("button", { name: "Log in" }).waitFor({ timeout: 15_000 });
    await page.context().close();
  });
});
