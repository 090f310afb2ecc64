/** Search: indexes and how they fare, completion, rows and pages, explanations, profiles, users with few rights, hostile names. */

import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { axeFindings, eventually, openBrowser, openPage, Server, visit, walker } from "./support.js";

const MARKUP = '<img src=x onerror="alert(1)">';
const BYTES = Buffer.from([0xff, 0x22, 0x41]);

let server;
let browser;
let page;

before(async () => {
  server = await Server.start();
  const { client } = server;
  await client.call("FT.CREATE", "books", "ON", "HASH", "PREFIX", 1, "book:", "SCHEMA", "title", "TEXT", "body", "TEXT", "genre", "TAG", "year", "NUMERIC", "SORTABLE", "pages", "NUMERIC", "a b-c", "TAG");
  const words = ["red", "house", "river", "stone", "night"];
  await Promise.all(Array.from({ length: 1500 }, (_, i) => client.call("HSET", `book:${i}`, "title", `${words[i % 5]} ${words[(i >> 2) % 5]} w${i}`, "body", "the same text", "genre", i % 3 ? "novel" : "crime", "year", 1900 + (i % 100), "pages", i, "a b-c", "x")));
  await client.call("HSET", "book:odd", "title", "odd", "year", "no number");
  await client.call("FT.CREATE", "docs", "ON", "JSON", "PREFIX", 1, "doc:", "SCHEMA", "$.name", "AS", "name", "TEXT", "$.n", "AS", "n", "NUMERIC");
  await client.call("JSON.SET", "doc:1", "$", '{"name":"first","n":248480010225057793}');
  await client.call("FT.CREATE", MARKUP, "PREFIX", 1, "evil:", "SCHEMA", `${MARKUP}\n`, "TAG", BYTES, "TEXT", "quo'te\"", "NUMERIC");
  await client.call("FT.CREATE", BYTES, "PREFIX", 1, "evil:", "SCHEMA", "t", "TEXT");
  for (const key of [MARKUP, "new\nline", "right\u202eto left", "nul\0", BYTES]) await client.call("HSET", Buffer.concat([Buffer.from("evil:"), Buffer.from(key)]), `${MARKUP}\n`, key, BYTES, key, "t", key);
  await client.call("HSET", Buffer.concat([Buffer.from("evil:bad"), BYTES]), "quo'te\"", MARKUP);
  await client.call("ACL", "SETUSER", "reader", "on", ">secret", "~book:*", "+@read");
  await client.call("ACL", "SETUSER", "elsewhere", "on", ">secret", "~other:*", "+@search", "+@read");
  await client.call("ACL", "SETUSER", "poor", "on", ">secret", "~*", "+get");
  browser = await openBrowser();
  page = await openPage(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const walk = walker(() => page);
const tile = (name) => page.getByRole("region", { name });
const query = () => page.getByRole("textbox", { name: "Query" });
const results = () => page.getByRole("table", { name: "Results" });
const status = () => tile("Results").getByRole("status");
const show = (name) => tile("Results").getByRole("group", { name: "Show" }).getByRole("button", { name }).click();

/** Types over the query and runs it by Enter. @param {string} text */
async function run(text) {
  await query().fill(text);
  await query().press("Enter");
}

/** Elements that only data could have made. */
async function injected() {
  return page.evaluate(() => [...document.querySelectorAll("img, iframe, script:not([src]), [onerror]")].map((element) => element.outerHTML.slice(0, 200)));
}

describe("indexes", () => {
  walk("are listed with documents and refusals, while the page only reads", async () => {
    await visit(page, "search");
    await page.getByRole("row", { name: /^books HASH book: 6 1,500 .* 100 % 1$/ }).waitFor();
    await page.getByRole("row", { name: /^docs JSON doc: 2 1 / }).waitFor();
  });
  walk("show their fields, and which document was refused, and why", async () => {
    await page.getByRole("row", { name: /^books/ }).click();
    assert.match(page.url(), /#\/search\/books$/);
    const fields = page.getByRole("table", { name: "Fields" });
    await fields.getByRole("row", { name: /^year year NUMERIC SORTABLE, UNF 1 / }).waitFor();
    await fields.getByRole("row", { name: /^genre genre TAG/ }).waitFor();
    const health = tile("Health");
    await health.getByText(/The index refused documents once since it was made: .* The last reason: .*no number/i).waitFor();
    await health.getByRole("link", { name: "book:odd" }).click();
    await page.getByRole("heading", { name: "book:odd" }).waitFor();
    await page.goBack();
    await tile("Health").waitFor();
  });
  walk("without one the page says how one is made", async () => {
    const other = await Server.start();
    const tab = await openPage(browser, other);
    try {
      await visit(tab, "search");
      await tab.getByText(/^There is no index/).waitFor();
      await tab.getByText("FT.CREATE books ON HASH PREFIX 1 book: SCHEMA").waitFor();
    } finally {
      await tab.context().close();
      await other.stop();
    }
  });
});

describe("a query", () => {
  walk("is completed by the fields, with what is to be typed over selected", async () => {
    await visit(page, "search/books");
    await query().click();
    await page.keyboard.type("house @ge");
    const offers = page.getByRole("listbox", { name: "Suggestions" });
    await offers.getByRole("option", { name: /^@genre:\{tag\}/ }).waitFor();
    await page.keyboard.press("Tab");
    assert.equal(await query().inputValue(), "house @genre:{tag}");
    await page.keyboard.type("novel");
    assert.equal(await query().inputValue(), "house @genre:{novel}");
    await page.keyboard.press("End");
    await page.keyboard.type(" @year:");
    await offers.getByRole("option", { name: /^\[from to\]/ }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.type("1900 1950");
    await page.keyboard.press("Enter");
    await status().getByText(/^\d+ documents, 1 to 10 shown · /).waitFor();
    assert.equal(await query().inputValue(), "house @genre:{novel} @year:[1900 1950]");
    const total = Number((await server.client.call("FT.SEARCH", "books", "house @genre:{novel} @year:[1900 1950]", "LIMIT", 0, 0))[0]);
    assert.match(await status().textContent(), new RegExp(`^${total} documents`));
  });
  walk("names with blanks and marks are escaped", async () => {
    await query().fill("");
    await page.keyboard.type("@a");
    await page.getByRole("option", { name: "@a\\ b\\-c:{tag}" }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.type("x");
    await page.keyboard.press("Enter");
    await status().getByText(/^1,500 documents/).waitFor();
  });
  walk("has pages, which are in the link", async () => {
    await page.getByRole("button", { name: "Next" }).click();
    await status().getByText(/^1,500 documents, 11 to 20 shown/).waitFor();
    assert.match(page.url(), /from=10/);
    await page.goBack();
    await status().getByText(/^1,500 documents, 1 to 10 shown/).waitFor();
  });
  walk("is ordered by a field, and returns the fields chosen", async () => {
    await page.getByRole("combobox", { name: "Order" }).selectOption({ label: "year" });
    await page.getByRole("combobox", { name: "Direction" }).selectOption("down");
    await page.getByRole("textbox", { name: "Return" }).fill("year, pages");
    await page.getByRole("combobox", { name: "Rows" }).selectOption("20");
    await run("*");
    await status().getByText(/^1,500 documents, 1 to 20 shown/).waitFor();
    await results().getByRole("row", { name: /^book:\d+ 1999 \d+$/ }).first().waitFor();
    assert.deepEqual(await results().getByRole("columnheader").allTextContents(), ["Key", "year", "pages"]);
  });
  walk("keys lead to their pages", async () => {
    const key = await results().getByRole("link").first().textContent();
    await results().getByRole("link").first().click();
    await page.getByRole("heading", { name: key }).waitFor();
    await page.goBack();
    await status().getByText(/^1,500 documents, 1 to 20 shown/).waitFor();
    assert.equal(await page.getByRole("combobox", { name: "Direction" }).inputValue(), "down");
  });
  walk("comes back by Alt ↑", async () => {
    await query().press("Alt+ArrowUp");
    assert.equal(await query().inputValue(), "*");
    await query().press("Alt+ArrowUp");
    assert.equal(await query().inputValue(), "@a\\ b\\-c:{x}");
  });
  walk("that the server refuses says why", async () => {
    await run("@year:[1 2");
    await tile("Results").getByRole("alert").getByText(/syntax error/i).waitFor();
    await run("@title:none-such-word");
    await results().getByText("Nothing matches.").waitFor();
  });
  walk("may be a command in full", async () => {
    await run('FT.AGGREGATE books "*" GROUPBY 1 @genre REDUCE COUNT 0 AS n SORTBY 2 @n DESC');
    await results().getByRole("row", { name: "novel 1000" }).waitFor();
    assert.deepEqual(await results().getByRole("columnheader").allTextContents(), ["genre", "n"]);
    await page.getByText("A command in full: its own words count").waitFor();
    await run('FT.AGGREGATE books "*" LOAD 1 @pages WITHCURSOR COUNT 5');
    await tile("Results").getByText(/FT\.CURSOR READ books \d+/).waitFor();
    await run("FT.DROPINDEX books");
    await page.getByRole("alert").getByText(/the workbench runs all commands/).waitFor();
    await server.client.call("FT.INFO", "books");
  });
  walk("of JSON documents keeps their digits", async () => {
    await visit(page, "search/docs?q=first");
    await results().getByText("248480010225057793").waitFor();
    await run("FT.SEARCH docs * FORMAT EXPAND DIALECT 3 RETURN 2 name n");
    await results().getByText("248480010225057793").waitFor();
  });
});

describe("what a query means and costs", () => {
  const tree = (name) => page.getByRole("tree", { name });
  walk("its explanation is a tree that closes and opens", async () => {
    await visit(page, "search/books?q=red%20-%40genre%3A%7Bcrime%7D");
    await status().waitFor();
    await show("Explanation");
    await tree("Explanation").getByRole("treeitem", { name: /^INTERSECT/ }).waitFor();
    await tree("Explanation").getByRole("treeitem", { name: /^TAG:@genre/ }).waitFor();
    const items = await tree("Explanation").getByRole("treeitem").count();
    await tree("Explanation").getByRole("treeitem", { name: /^INTERSECT/ }).focus();
    await page.keyboard.press("ArrowLeft");
    assert.equal(await tree("Explanation").getByRole("treeitem").count(), 1);
    await page.keyboard.press("ArrowRight");
    assert.equal(await tree("Explanation").getByRole("treeitem").count(), items);
    assert.deepEqual(await axeFindings(page), []);
  });
  walk("its profile has figures of parts and stages, and advice", async () => {
    await show("Profile");
    const advice = tile("Advice");
    await advice.getByText(/No field is named for “red”/).waitFor();
    await tree("Parts of the query").getByRole("treeitem", { name: /^INTERSECT/ }).waitFor();
    await tile("Results").getByRole("row", { name: /^Scorer/ }).waitFor();
    assert.deepEqual(await axeFindings(page), []);
  });
  walk("what is slow is named", async () => {
    for (const [text, words] of [
      ["search/books?q=%40title%3Ared&sort=pages", /Sorting by “pages” reads the field from each of the \d+ documents/],
      ["search/books?q=%40title%3A*ouse", /“\*ouse” is compared with every word of the index, because “title” has no WITHSUFFIXTRIE/],
      ["search/books?q=%40title%3Aw1*", /“w1” \(prefix\) stands for 200 words/],
      ["search/books?q=%40year%3A%5B-inf%20%2Binf%5D", /The range of “year” goes from -inf to \+inf/],
      ["search/books?q=*&from=1200", /LIMIT skips 1,200 rows/],
      ["search/books?q=*", /matches all 1,500 documents/],
    ]) {
      await visit(page, text);
      await status().waitFor();
      await show("Profile");
      await tile("Advice").getByText(words).waitFor();
    }
  });
});

describe("hostile names", () => {
  walk("are shown and change nothing", async () => {
    for (const link of [`search/${encodeURIComponent(MARKUP)}?q=*`, "search/%FF%22A?q=*"]) {
      await visit(page, link);
      await status().waitFor();
      assert.deepEqual(await injected(), []);
      for (const name of ["Explanation", "Profile", "Rows"]) await show(name);
      await status().waitFor();
    }
    // A query that is no query is refused with its own text in the words.
    await visit(page, `search/%FF%22A?q=${encodeURIComponent(MARKUP)}`);
    await tile("Results").getByRole("alert").waitFor();
    assert.deepEqual(await injected(), []);
    await visit(page, `search/${encodeURIComponent(MARKUP)}?q=*`);
    for (const text of ["evil:new\\nline", "evil:right\\u202eto left", "evil:nul\\x00", 'evil:\\xff"A', `evil:${MARKUP}`]) await results().getByRole("link", { name: text, exact: true }).waitFor();
    await tile("Health").getByRole("link", { name: 'evil:bad\\xff"A' }).click();
    await page.getByRole("heading", { name: 'evil:bad\\xff"A' }).waitFor();
    assert.deepEqual(await injected(), []);
  });
  walk("an index that is gone says so, and the others stay", async () => {
    await visit(page, "search/none-such?q=*");
    await page.getByText(/^none-such: .*Index not found/).waitFor();
    await page.getByRole("row", { name: /^books/ }).waitFor();
  });
});

describe("users with few rights", () => {
  /** A page of a user. @param {string} user @param {string} route @param {(tab: import("playwright-core").Page) => Promise<void>} steps */
  const as = async (user, route, steps) => {
    const tab = await openPage(browser, server);
    try {
      // As after logging out: the default user does not log in by itself, and needs no form.
      await tab.addInitScript(() => sessionStorage.setItem("russet.left", "1"));
      await tab.goto(`${server.url}#/${route}`);
      await tab.getByRole("textbox", { name: "User" }).fill(user);
      await tab.getByLabel("Password").fill("secret");
      await tab.getByRole("button", { name: "Log in" }).click();
      await tab.getByRole("heading", { name: "Search", level: 1 }).waitFor({ timeout: 20_000 });
      await steps(tab);
      assert.deepEqual((await tab.wrongs()).filter((wrong) => !wrong.includes("401")), []);
    } finally {
      await tab.context().close();
    }
  };
  walk("one who only reads opens an index by its name, and searches", async () => {
    await as("reader", "search", async (tab) => {
      await tab.getByText("This needs FT._LIST, which the user reader may not run.").waitFor();
      await tab.getByRole("textbox", { name: "Index" }).fill("books");
      await tab.getByRole("button", { name: "Open" }).click();
      await tab.getByRole("textbox", { name: "Query" }).fill("river");
      await tab.keyboard.press("Enter");
      await tab.getByText(/documents, 1 to 10 shown/).waitFor();
      await tab.getByRole("button", { name: "Explanation" }).click();
      await tab.getByText("This needs FT.EXPLAIN, which the user reader may not run.").waitFor();
      await tab.getByRole("button", { name: "Profile" }).click();
      await tab.getByRole("tree", { name: "Parts of the query" }).waitFor();
    });
  });
  walk("one without the keys of an index is refused in words", async () => {
    await as("elsewhere", "search/books?q=*", async (tab) => {
      await tab.getByRole("row", { name: /^books This user may not read all keys with the prefixes of the index/ }).waitFor();
      await tab.getByText(/^books: This user may not read all keys/).waitFor();
    });
  });
  walk("one without @search reads which commands are missing", async () => {
    await as("poor", "search", async (tab) => {
      await tab.getByText("This view needs FT._LIST, FT.INFO, FT.SEARCH (the category @search), which this user may not run.").waitFor();
    });
  });
});

describe("a phone", () => {
  walk("nothing is wider than it, and axe finds nothing", async () => {
    for (const options of [{ width: 390, height: 900 }, { width: 320, height: 640, scheme: "dark" }]) {
      const tab = await openPage(browser, server, options);
      try {
        for (const route of ["search", "search/books?q=house", "search/docs?q=first&sort=n", `search/${encodeURIComponent(MARKUP)}?q=*`]) {
          await visit(tab, route);
          if (route.includes("?")) await tab.getByRole("region", { name: "Results" }).getByRole("status").waitFor();
          await eventually(async () => assert.equal(await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, route));
          assert.deepEqual(await axeFindings(tab), [], route);
        }
        await tab.getByRole("button", { name: "Profile" }).click();
        await tab.getByRole("region", { name: "Advice" }).waitFor();
        assert.equal(await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
        assert.deepEqual(await tab.wrongs(), []);
      } finally {
        await tab.context().close();
      }
    }
  });
});
