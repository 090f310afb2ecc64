/** FT.EXPLAIN's text and FT.PROFILE's reply as trees, and trees as the lines that are in sight. Pure. */

import { printable } from "../format.js";
import { Bytes, factsOf, itemsOf, nameOf, numberOf, RespMap, textOf } from "../resp.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {{id: string, text: string, kind: string, fields: string[] | null, isOfTag: boolean, children: Part[]}} Part of a query; `fields`: null is all text fields; `isOfTag`: a value, or what stands for values; `id`: "0.2.1" */
/** @typedef {{id: string, kind: string, query: string, term: string | null, ms: number, reads: number, estimate: number | null, mode: string, expansions: number | null, children: Read[]}} Read what a part of a query read; `expansions`: words that it stands for */
/** @typedef {{name: string, ms: number, rows: number}} Step */
/** @typedef {{total: number, parsing: number, creating: number, warnings: string[], root: Read, steps: Step[]}} Profile times in milliseconds */

/** Characters of a line. */
const MAX_LINE = 1000;

/** What the parts of a query mean, by how they begin after their fields. @type {[RegExp, string, string][]} */
const KINDS = [
  [/^<WILDCARD>$/, "everything", "every document"],
  [/^<empty>$/, "nothing", "no document"],
  [/^INTERSECT \{/, "all", "all of these"],
  [/^EXACT \{/, "phrase", "these words side by side"],
  [/^UNION \{/, "any", "any of these"],
  [/^NOT\{/, "not", "documents without this"],
  [/^OPTIONAL\{/, "optional", "better with this, also without"],
  [/^TAG:@/, "tag", "values of a tag"],
  [/^NUMERIC \{/, "numbers", "numbers in a range"],
  [/^GEO /, "places", "places in a circle"],
  [/^GEOSHAPE\{/, "shapes", "shapes so to another"],
  [/^VECTOR \{/, "vectors", "near vectors"],
  [/^ISMISSING\{/, "missing", "documents without the field"],
  [/^PREFIX\{/, "prefix", "words that begin so"],
  [/^SUFFIX\{/, "suffix", "words that end so"],
  [/^INFIX\{/, "infix", "words with this in them"],
  [/^WILDCARD\{/, "pattern", "words of this pattern"],
  [/^FUZZY\{/, "fuzzy", "words like this"],
  [/\(expanded\)$/, "expanded", "words of the same stem or meaning"],
];

/** Fields before a part: `@title|body:`, whose names may have colons. */
const FIELDS = /^@(.*?):(?=[^:]|$)/s;

/** A kind in words. @param {string} kind */
export function meaningOf(kind) {
  return KINDS.find(([, id]) => id === kind)?.[2] ?? `a ${kind}`;
}

/** The lines of a text of any bytes, each as it is shown. @param {Name} text */
function shownLines(text) {
  if (!(text instanceof Bytes)) return text.split("\n").map((line) => printable(line, MAX_LINE));
  /** @type {string[]} */
  const lines = [];
  for (let at = 0; at <= text.data.length; ) {
    const end = text.data.indexOf(10, at);
    const stop = end < 0 ? text.data.length : end;
    lines.push(printable(nameOf(text.data.subarray(at, stop)), MAX_LINE));
    at = stop + 1;
  }
  return lines;
}

/**
 * The parts of a query: a line each, two blanks a level; `}` at the level of a part ends it, and what is after that belongs
 * to it. Lines that do not fit are kept where they are. O(text). @param {Name} text @returns {Part[]}
 */
export function parseExplain(text) {
  /** @type {Part} */
  const root = { id: "", text: "", kind: "", fields: null, isOfTag: false, children: [] };
  /** Parts that are open, with their levels. @type {{part: Part, level: number}[]} */
  const open = [{ part: root, level: -1 }];
  for (const line of shownLines(text)) {
    const shown = line.trimStart();
    if (shown === "") continue;
    const level = Math.floor((line.length - shown.length) / 2);
    const top = open[open.length - 1];
    if (shown[0] === "}" && top.level === level) {
      top.part.text += shown.slice(1);
      open.pop();
      continue;
    }
    const opens = shown.endsWith("{") && !shown.endsWith("\\{");
    const part = partOf(opens ? shown.replace(/\s*\{$/, "") : shown, shown, top.part);
    top.part.children.push(part);
    if (opens) open.push({ part, level });
  }
  return root.children;
}

/** @param {string} text as shown @param {string} line as it came @param {Part} above @returns {Part} */
function partOf(text, line, above) {
  const id = `${above.id}${above.id && "."}${above.children.length}`;
  const isOfTag = above.kind === "tag" || above.isOfTag;
  const named = isOfTag ? null : FIELDS.exec(line);
  const rest = named ? line.slice(named[0].length) : line;
  const kind = KINDS.find(([begin]) => begin.test(rest))?.[1] ?? (isOfTag ? "value" : "word");
  const own = kind === "tag" ? [rest.slice(5).replace(/\s*\{$/, "")] : kind === "numbers" ? [/@(.*) <=? \S+$/s.exec(rest.slice(0, -1))?.[1] ?? ""] : kind === "places" ? [rest.slice(4).split(":", 1)[0]] : null;
  return { id, text, kind, fields: own ?? (isOfTag ? above.fields : named ? named[1].split("|") : null), isOfTag, children: [] };
}

/** @param {any} reply of FT.PROFILE @returns {Profile | null} null: it has another form */
export function readProfile(reply) {
  const profile = factsOf(reply instanceof RespMap ? factsOf(reply).Profile : itemsOf(reply)[1]);
  const [shard] = itemsOf(profile.Shards).map(factsOf);
  if (!shard) return null;
  return {
    total: numberOf(shard["Total profile time"]),
    parsing: numberOf(shard["Parsing time"]),
    creating: numberOf(shard["Pipeline creation time"]),
    warnings: itemsOf(shard.Warning).map(textOf).filter((text) => text !== "None" && text !== ""),
    root: readOf(shard["Iterators profile"], "0"),
    steps: itemsOf(shard["Result processors profile"]).map(factsOf).map((of) => ({ name: textOf(of.Type), ms: numberOf(of.Time), rows: numberOf(of["Results processed"]) })),
  };
}

/** @param {any} reply @param {string} id @returns {Read} */
function readOf(reply, id) {
  const of = factsOf(reply);
  const many = of["Child iterators"];
  const parts = many === undefined ? (of["Child iterator"] === undefined ? [] : [of["Child iterator"]]) : itemsOf(many);
  const number = /(\d+)$/.exec(itemsOf(many).length > 0 ? "" : textOf(many));
  const query = textOf(of["Query type"]);
  return {
    id,
    kind: textOf(of.Type),
    query,
    term: of.Term === undefined ? null : textOf(of.Term),
    ms: numberOf(of.Time),
    reads: numberOf(of["Number of reading operations"]),
    estimate: of["Estimated number of matches"] === undefined ? null : numberOf(of["Estimated number of matches"]),
    mode: textOf(of["Vector search mode"]),
    expansions: number ? Number(number[1]) : query !== "" && query !== "UNION" ? parts.length : null,
    children: parts.map((/** @type {any} */ part, /** @type {number} */ i) => readOf(part, `${id}.${i}`)),
  };
}

/** All parts of a tree, each before those in it. @template {{children: N[]}} N @param {N[]} roots @returns {N[]} */
export function allOf(roots) {
  return roots.flatMap((one) => [one, ...allOf(one.children)]);
}

/**
 * The lines of a tree that are in sight. `closed`: the ids of parts whose own are not.
 * @template {{id: string, children: N[]}} N
 * @param {N[]} roots @param {Set<string>} closed @param {number} [level]
 * @returns {{id: string, level: number, expandable: boolean, expanded: boolean, size: number, index: number, part: N}[]}
 */
export function linesOf(roots, closed, level = 1) {
  return roots.flatMap((part, i) => {
    const expanded = part.children.length > 0 && !closed.has(part.id);
    const line = { id: part.id, level, expandable: part.children.length > 0, expanded, size: roots.length, index: i + 1, part };
    return [line, ...(expanded ? linesOf(part.children, closed, level + 1) : [])];
  });
}
