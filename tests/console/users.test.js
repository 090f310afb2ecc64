/** The editor of users: a draft, its dry run, what is applied, and what is refused. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { axeFindings, openBrowser, openPage, Server, unlock, visit, walker } from "./support.js";

let server;
let browser;
let page;

before(async () => {
  server = await Server.start();
  await server.client.call("ACL", "SETUSER", "anna", "on", ">secret", "~user:*", "&news", "+@read", "(+set ~own:*)");
  browser = await openBrowser();
  page = await openPage(browser, server);
  await visit(page, "users");
  await unlock(page);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);
const call = (...args) => server.client.call(...args);
const dialog = () => page.getByRole("dialog");
const button = (name) => dialog().getByRole("button", { name });
const field = (name) => dialog().getByRole("textbox", { name });
const ruleOf = async (name) => (await call("ACL", "LIST")).map(String).find((line) => line.startsWith(`user ${name} `));

async function edit(name) {
  await visit(page, `users/${name}`);
  await page.getByRole("region", { name: "Users" }).getByRole("button", { name: "Edit" }).click();
  await dialog().waitFor();
}

describe("a user", () => {
  walk("is applied only after a dry run, which leaves nothing, and can be taken back", async () => {
    await edit("anna");
    assert.equal(await button("Apply").getAttribute("aria-disabled"), "true");
    await field(/^Commands, e.g/).fill("-@all +@read +del");
    await field(/^Commands to try/).fill("GET user:1\nDEL other");
    const before = (await call("ACL", "LIST")).map(String);
    await button("Dry run").click();
    await dialog().getByText("The server takes these rules.").waitFor();
    await dialog().getByRole("row", { name: /GET user:1 yes/ }).waitFor();
    await dialog().getByRole("row", { name: /DEL other no/ }).waitFor();
    assert.deepEqual((await call("ACL", "LIST")).map(String), before);
    assert.deepEqual(await axeFindings(page), []);
    await button("Apply").click();
    await page.getByText(/^anna is changed/).waitFor();
    assert.match(await ruleOf("anna"), /#[0-9a-f]{64} ~user:\* resetchannels &news -@all \+@read \+del \(~own:\* resetchannels -@all \+set\)/);
    // Undo.
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("Taken back.").waitFor();
    assert.match(await ruleOf("anna"), /-@all \+@read \(/);
  });
  walk("rules that the server refuses are refused by the dry run, in its words", async () => {
    await edit("anna");
    await field(/^Commands, e.g/).fill("+nosuch");
    await button("Dry run").click();
    await dialog().getByRole("alert").getByText(/\+nosuch/).waitFor();
    assert.equal(await button("Apply").getAttribute("aria-disabled"), "true");
    await button("Cancel").click();
  });
  walk("a change that another client has made meanwhile stays", async () => {
    await edit("anna");
    await field(/^Keys/).fill("~mine:*");
    await button("Dry run").click();
    await dialog().getByText("The server takes these rules.").waitFor();
    await call("ACL", "SETUSER", "anna", "+ping");
    await button("Apply").click();
    await dialog().getByText(/the user has changed since it was shown/).waitFor();
    assert.match(await ruleOf("anna"), /~user:\*/);
    await button("Cancel").click();
  });
  walk("a new one gets its password, and can be deleted", async () => {
    await page.getByRole("button", { name: "New user" }).click();
    await field("Name").fill("ben");
    await field("New password").fill("hush");
    await field(/^Keys/).fill("~*");
    await field(/^Commands, e.g/).fill("+get");
    await button("Dry run").click();
    await dialog().getByText("The server takes these rules.").waitFor();
    await button("Apply").click();
    await page.getByText(/^ben is changed/).waitFor();
    assert.match(await ruleOf("ben"), / on .*#[0-9a-f]{64} ~\* resetchannels -@all \+get/);
    await page.getByRole("region", { name: "Users" }).getByRole("button", { name: "Delete" }).click();
    await field(/^Type ben/).fill("ben");
    await button("Delete").click();
    await page.getByText("The user is gone.").waitFor();
    assert.equal(await ruleOf("ben"), undefined);
  });
  walk("a user who would shut himself out is warned", async () => {
    await edit("default");
    await field(/^Commands, e.g/).fill("+@all -acl");
    await button("Dry run").click();
    await dialog().getByText(/it could not change users any more/).waitFor();
    await button("Cancel").click();
  });
});
