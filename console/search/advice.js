/** What makes a query slow, or its rows incomplete, in sentences: from the command, the index, FT.EXPLAIN and FT.PROFILE. Pure. */

import { count, micros, percent, plural, printable } from "../format.js";
import { nameId, textOf } from "../resp.js";
import { allOf } from "./explain.js";
import { has } from "./info.js";
import { placeOf } from "./request.js";

/** @typedef {import("./request.js").Cmd} Cmd */
/** @typedef {import("./info.js").Index} Index */
/** @typedef {import("./info.js").Field} Field */
/** @typedef {import("./explain.js").Part} Part */
/** @typedef {import("./explain.js").Profile} Profile */
/** @typedef {{tone: "warn" | "info" | "ok", text: string}} Advice */

/** Documents from which on it counts how many are read. */
const MANY = 1000;

/** Rows skipped by LIMIT that are worth a word. */
const FAR = 1000;

/** Words that a part stands for, which are many. */
const WIDE = 50;

/** A share of the time, and the least time, milliseconds, that single a stage out. */
const [SHARE, LEAST_MS] = [0.5, 1];

/**
 * The advice, what costs most first; one line that all is well if there is none.
 * @param {{cmd: Cmd, index: Index | null, parts: Part[], profile: Profile | null}} of `parts`: of FT.EXPLAIN @returns {Advice[]}
 */
export function adviceOf({ cmd, index, parts, profile }) {
  const all = allOf(parts);
  const found = [
    ...completeness(index, profile),
    ...unsorted(cmd, index, profile),
    ...patterns(all, index),
    ...expansions(profile),
    ...breadth(all, parts, index, profile),
    ...far(cmd),
    ...stages(profile),
    ...unnamed(all, index),
    ...wholeExclusions(cmd, all),
  ];
  const seen = new Set();
  const once = found.filter(({ text }) => !seen.has(text) && seen.add(text));
  const out = [...once.filter(({ tone }) => tone === "warn"), ...once.filter(({ tone }) => tone !== "warn")];
  return out.length > 0 ? out : [{ tone: "ok", text: "Neither the query nor its figures show anything that could be faster." }];
}

/** @param {string} text @returns {Advice} */
function warn(text) {
  return { tone: "warn", text };
}

/** @param {string} text @returns {Advice} */
function info(text) {
  return { tone: "info", text };
}

/** @param {string | null} text */
function word(text) {
  return `“${printable(text, 60)}”`;
}

/** @param {Index | null} index @param {Profile | null} profile @returns {Advice[]} */
function completeness(index, profile) {
  const out = (profile?.warnings ?? []).map((text) => warn(`The rows may be incomplete. The server warns: ${printable(text, 200)}.`));
  if (index?.indexing) out.push(warn(`The index has read ${percent(index.share, 0)} of the keys so far: matches among the others are missing.`));
  return out;
}

/**
 * Fields that a stage takes from the documents, as they are not SORTABLE.
 * @param {Cmd} cmd @param {Index | null} index @param {Profile | null} profile @returns {Advice[]}
 */
function unsorted(cmd, index, profile) {
  if (!index) return [];
  const rest = cmd.slice(3);
  const rows = profile?.steps[0]?.rows ?? null;
  const from = rows === null ? "each document that matches" : `each of the ${plural(rows, "document")} that match`;
  if (cmd[0] === "FT.SEARCH") {
    const at = placeOf(rest, "SORTBY");
    const field = at < 0 ? undefined : index.fields.find(({ name }) => nameId(name) === nameId(plainName(rest[at + 1])));
    if (!field || has(field, "SORTABLE")) return [];
    return [warn(`Sorting by ${word(textOf(field.name))} reads the field from ${from}, because it is not SORTABLE: an index that has it as SORTABLE keeps its values in memory, in order.`)];
  }
  if (cmd[0] !== "FT.AGGREGATE") return [];
  const names = new Set(rest.flatMap((arg) => [...textOf(arg).matchAll(/@([\w\u0080-\uffff]+)/g)].map(([, name]) => name)));
  const loaded = index.fields.filter(({ name, path }) => names.has(textOf(name)) || rest.some((arg) => textOf(arg) === `@${textOf(path)}`)).filter((field) => !has(field, "SORTABLE") && !/VECTOR|GEOSHAPE/.test(field.type));
  if (loaded.length === 0) return [];
  const list = loaded.map(({ name }) => word(textOf(name))).join(", ");
  return [warn(`The stages read ${list} from ${from}, because ${loaded.length === 1 ? "it is" : "they are"} not SORTABLE: values of SORTABLE fields are in memory.`)];
}

/** A field as SORTBY may have it. @param {Cmd[0] | undefined} arg */
function plainName(arg) {
  return typeof arg === "string" ? arg.replace(/^@/, "") : textOf(arg);
}

/** Parts within words, over fields without WITHSUFFIXTRIE. @param {Part[]} all @param {Index | null} index @returns {Advice[]} */
function patterns(all, index) {
  if (!index) return [];
  return all.flatMap((part) => {
    const text = /^[A-Z]+\{(.*)\}/s.exec(part.text.replace(/^@.*?:(?=[A-Z]+\{)/s, ""))?.[1] ?? "";
    if (!["suffix", "infix", "pattern"].includes(part.kind) || (part.kind === "pattern" && !/^[*?]/.test(text))) return [];
    const type = part.isOfTag ? "TAG" : "TEXT";
    const fields = index.fields.filter((field) => field.type === type && (part.fields === null || part.fields.includes(textOf(field.name))));
    const lacking = fields.filter((field) => !has(field, "WITHSUFFIXTRIE"));
    if (lacking.length === 0) return [];
    const list = lacking.slice(0, 3).map(({ name }) => word(textOf(name))).join(", ");
    return [warn(`${word(text)} is compared with every ${type === "TAG" ? "value" : "word"} of the index, because ${list} ${lacking.length === 1 ? "has" : "have"} no WITHSUFFIXTRIE; with it only those are looked at that share its letters.`)];
  });
}

/** Parts that stand for many words. @param {Profile | null} profile @returns {Advice[]} */
function expansions(profile) {
  return allOf(profile ? [profile.root] : []).flatMap(({ expansions: n, query }) => {
    if (n === null || n < WIDE) return [];
    const [, kind, text] = /^(\w+) - (.*)$/s.exec(query) ?? ["", query, ""];
    const what = kind === "FUZZY" ? "similar words" : "words or values";
    return [warn(`${text ? word(text) : "A part of the query"} (${kind.toLowerCase()}) stands for ${count(n)} ${what}, and all of their documents are merged: a longer beginning is quicker. search-max-prefix-expansions limits how many are taken.`)];
  });
}

/** Parts that leave little out. @param {Part[]} all @param {Part[]} roots @param {Index | null} index @param {Profile | null} profile @returns {Advice[]} */
function breadth(all, roots, index, profile) {
  const documents = index?.documents ?? 0;
  /** @type {Advice[]} */
  const out = [];
  for (const { kind, text, fields } of all)
    if (kind === "numbers" && /\{-inf <=? @.* <=? inf\}/s.test(text)) out.push(warn(`The range of ${word(fields?.[0] ?? "")} goes from -inf to +inf: it collects every number of the field. Without it the query finds the same, unless documents lack the field.`));
  if (documents >= MANY)
    for (const { kind, term, estimate } of allOf(profile ? [profile.root] : [])) {
      if (estimate === null || term === null || estimate < SHARE * documents) continue;
      const share = `${count(estimate)} of ${count(documents)} documents`;
      if (kind === "NUMERIC" && estimate >= 0.9 * documents && !/^-inf - inf$/.test(term)) out.push(warn(`The range ${term} has ${share}: it is collected, and leaves little out.`));
      else if (kind === "TEXT") out.push(info(`The word ${word(term)} is in ${share}: it narrows little. As a stop word it would cost nothing.`));
      else if (kind === "TAG") out.push(info(`The tag ${word(term)} is on ${share}: it narrows little.`));
    }
  if (documents >= MANY && roots.length === 1 && roots[0].kind === "everything") out.push(info(`* matches all ${count(documents)} documents. A condition, or SORTBY a SORTABLE field, is quicker than their scores.`));
  const top = roots.length === 1 && roots[0].kind === "all" ? roots[0].children : roots;
  if (documents >= MANY && top.length > 0 && top.every(({ kind }) => kind === "not" || kind === "optional"))
    out.push(warn("The query only excludes: it goes through all documents. One condition that documents must meet makes it quicker."));
  return out;
}

/** A LIMIT far from the beginning. @param {Cmd} cmd @returns {Advice[]} */
function far(cmd) {
  const at = placeOf(cmd.slice(3), "LIMIT");
  const skipped = at < 0 ? 0 : Number(textOf(cmd[at + 4]));
  if (!(skipped >= FAR)) return [];
  const instead = cmd[0] === "FT.AGGREGATE" ? "WITHCURSOR reads on where the last reply ended" : "a range over the field that rows are sorted by, from the last row shown, begins there at once";
  return [warn(`LIMIT skips ${plural(skipped, "row")}, which are found and put in order all the same: ${instead}.`)];
}

/** A stage that takes most of the time. @param {Profile | null} profile @returns {Advice[]} */
function stages(profile) {
  if (!profile || profile.total < LEAST_MS) return [];
  return profile.steps.flatMap(({ name, ms, rows }) => {
    if (ms < SHARE * profile.total || ms < LEAST_MS) return [];
    const share = `${micros(ms * 1000)} of ${micros(profile.total * 1000)}`;
    if (name === "Scorer") return [info(`Scores of ${plural(rows, "document")} take ${share}: SORTBY a SORTABLE field needs none.`)];
    if (name === "Loader") return [info(`Reading ${plural(rows, "document")} takes ${share}.`)];
    if (name === "Grouper") return [info(`Grouping takes ${share}: a condition before it leaves fewer rows.`)];
    return [];
  });
}

/** Words that are looked for in all text fields. @param {Part[]} all @param {Index | null} index @returns {Advice[]} */
function unnamed(all, index) {
  const texts = (index?.fields ?? []).filter((field) => field.type === "TEXT" && !has(field, "NOINDEX"));
  if (texts.length < 2) return [];
  const free = all.filter((part) => part.kind === "word" && part.fields === null);
  if (free.length === 0) return [];
  const [first] = free;
  return [info(`No field is named for ${word(first.text)}${free.length > 1 ? ` and ${plural(free.length - 1, "other word")}` : ""}: documents match with it in any of the ${texts.length} text fields. @${textOf(texts[0].name)}:${printable(first.text, 60)} matches fewer.`)];
}

/** In dialect 1 `-` takes all that follows. @param {Cmd} cmd @param {Part[]} all @returns {Advice[]} */
function wholeExclusions(cmd, all) {
  const isMeant = /-\s*\(/.test(textOf(cmd[2]));
  if (isMeant || !all.some(({ kind, children }) => kind === "not" && children[0]?.kind === "all")) return [];
  return [info("- excludes only documents that fit all that follows it, as dialect 1 reads it. In dialect 2 it takes the next part alone; parentheses say it in each.")];
}
