/** Completion in queries, FT.EXPLAIN and FT.PROFILE as trees, FT.INFO and replies as rows, and what is slow in words. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Bytes, decode, RespMap, Status } from "../../../console/resp.js";
import { adviceOf } from "../../../console/search/advice.js";
import { completeQuery, escaped, quoteAt } from "../../../console/search/complete.js";
import { allOf, linesOf, parseExplain, readProfile } from "../../../console/search/explain.js";
import { readIndex, remarksOf } from "../../../console/search/info.js";
import { explainCommand, profileCommand, readFound, searchCommand, typedCommand } from "../../../console/search/request.js";

/** A map as FT.* replies it: its keys are statuses. */
const map = (of) => new RespMap(Object.entries(of).map(([key, value]) => [new Status(key), value]));
const none = { count: 0, reason: "N/A", key: "N/A" };
const field = (name, type, ...options) => ({ name, path: name, type, options, refused: none });
const FIELDS = [field("title", "TEXT"), field("body", "TEXT"), field("genre", "TAG"), field("year", "NUMERIC", "SORTABLE"), field("pages", "NUMERIC"), field("place", "GEO"), field("vec", "VECTOR", "HNSW"), field("a b-c", "TAG"), field("hidden", "TEXT", "NOINDEX")];
const index = (more = {}) => ({ name: "books", on: "HASH", database: 0, prefixes: ["book:"], rules: [], fields: FIELDS, documents: 10_000, terms: 5, bytes: 1, parts: [], indexing: false, share: 1, uses: 0, indexingMs: 0, refused: none, ...more });
/** Completion where the bar is. */
const at = (text) => completeQuery(text.replace("|", ""), text.indexOf("|"), { index: "my books", fields: FIELDS });
const texts = (text) => (at(text)?.items ?? []).map((item) => item.text);
/** The text after the first suggestion is taken, with what is selected in angle brackets. */
const taken = (text, which = 0) => {
  const { from, items } = at(text);
  const { text: put, select = [put.length, put.length] } = items[which];
  const caret = text.indexOf("|");
  return `${text.slice(0, from)}${put.slice(0, select[0])}<${put.slice(...select)}>${put.slice(select[1])}${text.slice(caret + 1)}`;
};

test("after @ fields are offered with the form of their type, those that begin so first", () => {
  assert.deepEqual(texts("@|"), ["@title:", "@body:", "@genre:{tag}", "@year:[from to]", "@pages:[from to]", "@place:[longitude latitude 10 km]", "@vec:[VECTOR_RANGE 0.5 $vector]", "@a\\ b\\-c:{tag}"]);
  assert.deepEqual(texts("red @E|"), ["@title:", "@genre:{tag}", "@year:[from to]", "@pages:[from to]", "@place:[longitude latitude 10 km]", "@vec:[VECTOR_RANGE 0.5 $vector]"]);
  assert.deepEqual(texts("@p|"), ["@pages:[from to]", "@place:[longitude latitude 10 km]"]);
  assert.equal(taken("red @ge| blue"), "red @genre:{<tag>} blue");
  assert.equal(taken("@year|"), "@year:[<from to>]");
  assert.equal(taken("@ti|:x"), "@title<>:x", "a colon that is there stays");
  assert.deepEqual(texts("@nothing|"), []);
  assert.equal(at("red|"), null);
});

test("after a field's colon the forms of its type are offered", () => {
  assert.deepEqual(texts("@year:|"), ["[from to]", "[(from to]", "[from +inf]", "[-inf to]"]);
  assert.deepEqual(texts("@genre:|"), ["{tag}", "{one|another}", "{start*}"]);
  assert.equal(taken("@title:|", 1), '@title:"<two words>"');
  assert.deepEqual(texts("@a\\ b\\-c:|"), ["{tag}", "{one|another}", "{start*}"]);
  assert.equal(at("@unknown:|"), null);
});

test("names are escaped, vectors are offered alone after KNN, fields that are not indexed never", () => {
  assert.equal(escaped("$.a_b[0] é"), "\\$\\.a_b\\[0\\]\\ é");
  assert.equal(taken("@a\\ b|"), "@a\\ b\\-c:{<tag>}");
  assert.equal(taken("*=>[KNN 10 @|"), "*=>[KNN 10 @vec $<vector>]");
  assert.deepEqual(texts("@hid|"), []);
  assert.deepEqual(completeQuery("@", 1, { index: "i", fields: [field(new Bytes(Uint8Array.of(0xff)), "TAG")] }).items, []);
});

test("a command in full: names, its words, and queries within quotes", () => {
  assert.equal(taken("ft.s|"), 'FT.SEARCH "my books" "<*>"');
  assert.deepEqual(texts('FT.AGGREGATE i "*" GR|'), ["GROUPBY"]);
  assert.deepEqual(texts('FT.AGGREGATE i "*" GROUPBY 1 @ye|'), ["@year"]);
  assert.deepEqual(texts('FT.AGGREGATE i "*" GROUPBY 1 @a|').slice(0, 1), ['"@a b-c"']);
  assert.equal(taken('FT.SEARCH i "@a\\\\ b|"'), 'FT.SEARCH i "@a\\\\ b\\\\-c:{<tag>}"');
  assert.deepEqual(['a "b', "a 'b\" c", 'a "b\\" c', 'a "b" c'].map(quoteAt), ['"', "'", '"', null]);
});

const EXPLAINED = `INTERSECT {
  @title:UNION {
    @title:red
    @title:+red(expanded)
  }
  NOT{
    TAG:@genre {
      crime
      SUFFIX{*el}
    }
  }
  NUMERIC {-inf <= @year <= inf}
  UNION {
    a
    b
  } => { $weight: 2; }
}
`;

test("FT.EXPLAIN's text is a tree", () => {
  const [root, ...others] = parseExplain(EXPLAINED);
  assert.equal(others.length, 0);
  assert.deepEqual([root.text, root.kind], ["INTERSECT", "all"]);
  assert.deepEqual(root.children.map(({ text, kind }) => [text, kind]), [["@title:UNION", "any"], ["NOT", "not"], ["NUMERIC {-inf <= @year <= inf}", "numbers"], ["UNION => { $weight: 2; }", "any"]]);
  assert.deepEqual(root.children[0].children.map(({ text, kind, fields }) => [text, kind, fields]), [["@title:red", "word", ["title"]], ["@title:+red(expanded)", "expanded", ["title"]]]);
  const [tag] = root.children[1].children;
  assert.deepEqual([tag.kind, tag.fields, tag.children.map(({ kind }) => kind)], ["tag", ["genre"], ["value", "suffix"]]);
  assert.deepEqual(root.children[2].fields, ["year"]);
  assert.equal(root.children[1].children[0].children[1].id, "0.1.0.1");
  assert.equal(allOf([root]).length, 12);
});

test("an explanation of any bytes loses nothing and breaks nothing", () => {
  assert.deepEqual(parseExplain("<WILDCARD>\n").map(({ kind }) => kind), ["everything"]);
  assert.deepEqual(parseExplain("VECTOR {\n  @t:x\n} => {K=3 nearest vectors to `$v` in vector index associated with field @vec}\n")[0].text, "VECTOR => {K=3 nearest vectors to `$v` in vector index associated with field @vec}");
  const hostile = parseExplain("TAG:@t {\n  <img src=x>\n\u202eodd\n    }\n  \\{\n}\n");
  assert.deepEqual(allOf(hostile).map(({ text }) => text), ["TAG:@t", "<img src=x>", "\\u202eodd", "}", "\\{"]);
  assert.deepEqual(parseExplain(new Bytes(Uint8Array.of(0xff, 10, 0x61))).map(({ text }) => text), ["\\xff", "a"]);
  for (const text of ["", "}", "}}}\n  }", "{\n{\n{", "UNION {", "@:", "@a|b:", "NUMERIC {", "\n\n  x\n"]) parseExplain(text);
});

test("lines of a tree: those in parts that are closed are left out", () => {
  const roots = parseExplain(EXPLAINED);
  assert.equal(linesOf(roots, new Set()).length, 12);
  const lines = linesOf(roots, new Set(["0.0", "0.1"]));
  assert.deepEqual(lines.map(({ level, expandable, expanded, size, index: i }) => [level, expandable, expanded, size, i]), [[1, true, true, 1, 1], [2, true, false, 4, 1], [2, true, false, 4, 2], [2, false, false, 4, 3], [2, true, true, 4, 4], [3, false, false, 2, 1], [3, false, false, 2, 2]]);
  assert.equal(linesOf(roots, new Set(["0"])).length, 1);
});

const errors = (n, reason = "N/A", key = "N/A") => map({ "indexing failures": n, "last indexing error": new Status(reason), "last indexing error key": key });
const info = (more = {}) =>
  map({
    index_definition: map({ key_type: new Status("HASH"), prefixes: [new Status("book:")], filter: new Status("@a>1") }),
    attributes: [map({ identifier: new Status("y"), attribute: new Status("year"), type: new Status("NUMERIC"), flags: [new Status("SORTABLE")] }), map({ identifier: new Status("g"), attribute: new Status("genre"), type: new Status("TAG"), SEPARATOR: new Status(";"), flags: [] })],
    num_docs: 3, num_terms: 9, total_index_memory_sz_mb: 2, inverted_sz_mb: 0.5, doc_table_size_mb: 1, indexing: 0, percent_indexed: 1, number_of_uses: 4, total_indexing_time: 12.5,
    "Index Errors": errors(0),
    "field statistics": [map({ "Index Errors": errors(0) }), map({ "Index Errors": errors(0) })],
    ...more,
  });

test("FT.INFO is read with its fields, sizes and refusals", () => {
  const read = readIndex("books", info({ "Index Errors": errors(2, "no number", "book:2"), "field statistics": [map({ "Index Errors": errors(2, "no number", "book:2") })] }));
  assert.deepEqual(read.fields.map(({ name, path, type, options }) => [name, path, type, options]), [["year", "y", "NUMERIC", ["SORTABLE"]], ["genre", "g", "TAG", ["SEPARATOR ;"]]]);
  assert.deepEqual([read.on, read.prefixes, read.documents, read.bytes, read.rules], ["HASH", ["book:"], 3, 2 << 20, [["Filter", "@a>1"]]]);
  assert.deepEqual(read.parts.map(([title]) => title), ["Documents", "Entries of words, tags and numbers"]);
  assert.deepEqual([read.refused, read.fields[0].refused.count], [{ count: 2, reason: "no number", key: "book:2" }, 2]);
  assert.deepEqual(remarksOf(read).map(({ tone, key }) => [tone, key]), [["warn", "book:2"]]);
});

test("remarks: all is well, keys are being read, there is no document", () => {
  const remarks = (more) => remarksOf(readIndex("books", info(more))).map(({ text }) => text);
  assert.deepEqual(remarks({}), ["All is well: 3 documents indexed, none refused."]);
  assert.match(remarks({ indexing: 1, percent_indexed: 0.25 })[0], /^Keys are being read: 25 %/);
  assert.match(remarks({ num_docs: 0 })[0], /no hash has a key with its prefixes, passes its filter/);
  assert.doesNotThrow(() => remarksOf(readIndex("x", new RespMap([]))));
});

test("names that are not UTF-8 stay what they are in statuses", () => {
  const name = decode({ s: { b: "/w==" } });
  assert.deepEqual([name.text, name.name.data[0]], ["\ufffd", 0xff]);
});

const form = { query: "red", sort: null, down: false, fields: "", rows: 10, from: 0, dialect: "" };
test("a form is a command, and a command in full is itself", () => {
  assert.deepEqual(searchCommand("i", form, false), ["FT.SEARCH", "i", "red", "WITHSCORES", "LIMIT", 0, 10]);
  assert.deepEqual(searchCommand("i", { ...form, query: " ", sort: "year", down: true, fields: "a, b", from: 20, dialect: "4" }, true), ["FT.SEARCH", "i", "*", "SORTBY", "year", "DESC", "RETURN", 2, "a", "b", "LIMIT", 20, 10, "WITHCOUNT", "DIALECT", "4"]);
  assert.equal(typedCommand("red @year:[1 2]"), null);
  assert.deepEqual(typedCommand(' ft.aggregate i "@t:(a b)" LIMIT 0 1'), ["FT.AGGREGATE", "i", "@t:(a b)", "LIMIT", "0", "1"]);
  assert.throws(() => typedCommand("FT.DROPINDEX i DD"), /workbench/);
  assert.throws(() => typedCommand('FT.SEARCH i "open'), /quotation/);
  assert.throws(() => typedCommand("FT.SEARCH i"), /needs an index and a query/);
});

test("a command's explanation and profile", () => {
  assert.deepEqual(profileCommand(["FT.SEARCH", "i", "q", "LIMIT", 0, 10]), ["FT.PROFILE", "i", "SEARCH", "LIMITED", "QUERY", "q", "LIMIT", 0, 10]);
  assert.deepEqual(explainCommand(["FT.AGGREGATE", "i", "q", "GROUPBY", "1", "@a", "params", "2", "v", "x", "DIALECT", "2"]), ["FT.EXPLAIN", "i", "q", "PARAMS", "2", "v", "x", "DIALECT", "2"]);
  assert.deepEqual([profileCommand(["FT.HYBRID", "i", "q"]), explainCommand(["FT.HYBRID", "i", "q"])], [null, null]);
});

test("replies are rows, with the columns that any of them has", () => {
  const row = (id, score, of) => map({ id, score: decode({ d: score }), extra_attributes: new RespMap(Object.entries(of)), values: [] });
  const found = readFound(map({ attributes: [], total_results: 7, results: [row("a", "1.5", { x: "1" }), row("b", "1", { y: "2", x: "3" })], warning: [] }));
  assert.deepEqual([found.total, found.columns.map(({ name }) => name), found.rows.map(({ key, score }) => [key, score])], [7, ["x", "y"], [["a", 1.5], ["b", 1]]]);
  const cursor = readFound([map({ total_results: 1, results: [map({ extra_attributes: new RespMap([["n", "1"]]) })], warning: [new Status("late")] }), 42]);
  assert.deepEqual([cursor.cursor, cursor.warnings, cursor.rows[0].key], ["42", ["late"], null]);
  const hybrid = readFound(map({ total_results: 1, results: [new RespMap([["__key", "k"], ["__score", "0.1"]])], warnings: [], execution_time: 1 }));
  assert.equal(hybrid.rows[0].key, "k");
  assert.equal(readFound("OK"), null);
});

const part = (kind, more = {}) => map({ Type: new Status(kind), Time: decode({ d: "0.5" }), "Number of reading operations": 8, ...more });
const profiled = (root, steps = [["Index", 0.1, 900]], more = {}) =>
  map({
    Results: map({}),
    Profile: map({
      Shards: [map({ "Total profile time": decode({ d: "4" }), "Parsing time": decode({ d: "0.01" }), "Pipeline creation time": decode({ d: "0.02" }), Warning: [new Status("None")], "Iterators profile": root, "Result processors profile": steps.map(([name, ms, rows]) => map({ Type: new Status(name), Time: decode({ d: String(ms) }), "Results processed": rows })), ...more })],
      Coordinator: map({}),
    }),
  });

test("FT.PROFILE is read with its parts and stages", () => {
  const read = readProfile(profiled(part("UNION", { "Query type": new Status("PREFIX - a"), "Child iterators": new Status("The number of iterators in the union is 77") })));
  assert.deepEqual([read.total, read.warnings, read.root.expansions, read.root.reads, read.steps[0].rows], [4, [], 77, 8, 900]);
  const both = readProfile(profiled(part("INTERSECT", { "Child iterators": [part("TEXT", { Term: new Status("a"), "Estimated number of matches": 5 }), part("NOT", { "Child iterator": part("TAG", { Term: new Status("x") }) })] })));
  assert.deepEqual(allOf([both.root]).map(({ id, kind, term, estimate }) => [id, kind, term, estimate]), [["0", "INTERSECT", null, null], ["0.0", "TEXT", "a", 5], ["0.1", "NOT", null, null], ["0.1.0", "TAG", "x", null]]);
  assert.equal(readProfile("x"), null);
});

const advice = (cmd, explained, { more = {}, profile = null } = {}) => adviceOf({ cmd, index: index(more), parts: parseExplain(explained), profile: profile && readProfile(profile) }).map(({ text }) => text);
const search = (...rest) => ["FT.SEARCH", "books", "q", ...rest];
test("each thing that is slow is named in a sentence, and all is well without any", () => {
  assert.deepEqual(advice(search("SORTBY", "year", "ASC"), "@title:red\n"), ["Neither the query nor its figures show anything that could be faster."]);
  assert.match(advice(search("SORTBY", "pages"), "@title:red\n", { profile: profiled(part("TEXT")) })[0], /^Sorting by “pages” reads the field from each of the 900 documents that match, because it is not SORTABLE/);
  assert.match(advice(["FT.AGGREGATE", "books", "q", "GROUPBY", "1", "@genre", "SORTBY", "2", "@year", "ASC"], "@title:red\n")[0], /^The stages read “genre” from/);
  assert.match(advice(search(), "@title:SUFFIX{*llo}\n")[0], /“\*llo” is compared with every word of the index, because “title” has no WITHSUFFIXTRIE/);
  assert.match(advice(search(), "INFIX{*ell*}\n")[0], /“title”, “body”/);
  assert.match(advice(search(), "TAG:@genre {\n  SUFFIX{*me}\n}\n")[0], /every value of the index, because “genre”/);
  const fast = { more: { fields: [field("title", "TEXT", "WITHSUFFIXTRIE")] } };
  assert.match(advice(search(), "@title:SUFFIX{*llo}\n", fast)[0], /^Neither/);
  assert.match(advice(search(), "@title:WILDCARD{he*}\n")[0], /^Neither/);
  assert.match(advice(search(), "@title:PREFIX{a*}\n", { profile: profiled(part("UNION", { "Query type": new Status("PREFIX - a"), "Child iterators": new Status("The number of iterators in the union is 200") })) })[0], /“a” \(prefix\) stands for 200 words/);
  assert.match(advice(search(), "NUMERIC {-inf <= @year <= inf}\n")[0], /^The range of “year” goes from -inf to \+inf/);
  assert.match(advice(search(), "NUMERIC {1.000000 <= @year <= 9.000000}\n", { profile: profiled(part("NUMERIC", { Term: new Status("1 - 9"), "Estimated number of matches": 9500 })) })[0], /^The range 1 - 9 has 9,500 of 10,000 documents/);
  assert.match(advice(search(), "red\n")[0], /^No field is named for “red”: documents match with it in any of the 2 text fields\. @title:red/);
  const excluded = "INTERSECT {\n  @title:red\n  NOT{\n    INTERSECT {\n      @title:a\n      @title:b\n    }\n  }\n}\n";
  assert.match(advice(search(), excluded)[0], /^- excludes only documents that fit all that follows it/);
  assert.match(advice(["FT.SEARCH", "books", "red -(a b)"], excluded)[0], /^Neither/);
  assert.match(advice(search("LIMIT", 5000, 10), "@title:red\n")[0], /^LIMIT skips 5,000 rows/);
  assert.match(advice(search(), "<WILDCARD>\n")[0], /matches all 10,000 documents/);
  assert.match(advice(search(), "NOT{\n  @title:red\n}\n")[0], /^The query only excludes/);
  assert.match(advice(search(), "@title:red\n", { more: { indexing: true, share: 0.5 } })[0], /has read 50 % of the keys so far/);
  assert.match(advice(search(), "@title:red\n", { profile: profiled(part("TEXT"), [["Index", 0.5, 10], ["Scorer", 3, 10]]) })[0], /^Scores of 10 documents take 3 ms of 4 ms/);
  assert.match(advice(search(), "@title:red\n", { profile: profiled(part("TEXT"), [], { Warning: [new Status("Timeout limit was reached")] }) })[0], /may be incomplete. The server warns: Timeout/);
});
