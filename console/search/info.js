/** FT.INFO as the page needs it: fields, figures, refusals; and what of it needs care, in sentences. Pure. */

import { count, percent, plural } from "../format.js";
import { factsOf, itemsOf, numberOf, textOf, wordOf } from "../resp.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {{count: number, reason: string, key: Name}} Refused `count` since the index was made; the last reason and key */
/** @typedef {{name: Name, path: Name, type: string, options: string[], refused: Refused}} Field `options`: SORTABLE, NOSTEM, FLOAT32 .. */
/**
 * @typedef {object} Index
 * @property {Name} name
 * @property {string} on HASH or JSON
 * @property {number} database of its keys
 * @property {Name[]} prefixes
 * @property {[string, Name][]} rules the rest of its definition: filter, language ..
 * @property {Field[]} fields
 * @property {number} documents
 * @property {number} terms words
 * @property {number} bytes memory in all
 * @property {[string, number][]} parts of the memory, bytes, the largest first
 * @property {boolean} indexing keys are being read
 * @property {number} share of the keys that were read, 0 to 1
 * @property {number} uses queries since the server's start
 * @property {number} indexingMs time spent on indexing
 * @property {Refused} refused
 */
/** @typedef {{tone: "ok" | "warn" | "info", text: string, key?: Name}} Remark `key`: the document that it is about */

const MIB = 1 << 20;

/** Parts of the memory: names in FT.INFO, and in words. */
const PARTS = [
  ["inverted_sz_mb", "Entries of words, tags and numbers"],
  ["vector_index_sz_mb", "Vectors"],
  ["doc_table_size_mb", "Documents"],
  ["key_table_size_mb", "Keys of documents"],
  ["sortable_values_size_mb", "Values of SORTABLE fields"],
  ["tag_overhead_sz_mb", "Tags"],
  ["text_overhead_sz_mb", "Words"],
  ["geoshapes_sz_mb", "Shapes"],
];

/** Facts of a definition beside its type and prefixes. */
const RULES = [
  ["filter", "Filter"],
  ["default_language", "Language"],
  ["language_field", "Language by field"],
  ["score_field", "Score by field"],
  ["payload_field", "Payload by field"],
];

/** @param {Name} name @param {any} reply of FT.INFO @returns {Index} */
export function readIndex(name, reply) {
  const of = factsOf(reply);
  const definition = factsOf(of.index_definition);
  const statistics = itemsOf(of["field statistics"]).map(factsOf);
  const parts = PARTS.map(([id, title]) => /** @type {[string, number]} */ ([title, (numberOf(of[id]) || 0) * MIB]));
  const rules = RULES.filter(([id]) => definition[id] !== undefined).map(([id, title]) => /** @type {[string, Name]} */ ([title, wordOf(definition[id])]));
  if (of.stopwords_list !== undefined) rules.push(["Stop words", itemsOf(of.stopwords_list).map(textOf).join(" ") || "none"]);
  if (definition.database !== undefined) rules.push(["Database", String(numberOf(definition.database))]);
  const options = itemsOf(of.index_options).map(textOf);
  if (options.length > 0) rules.push(["Options", options.join(" ")]);
  return {
    name,
    on: textOf(definition.key_type),
    database: definition.database === undefined ? 0 : numberOf(definition.database),
    prefixes: itemsOf(definition.prefixes).map(wordOf),
    rules,
    fields: itemsOf(of.attributes).map((one, i) => fieldOf(factsOf(one), statistics[i] ?? {})),
    documents: numberOf(of.num_docs),
    terms: numberOf(of.num_terms),
    bytes: numberOf(of.total_index_memory_sz_mb) * MIB,
    parts: parts.filter(([, size]) => size > 0).sort((a, b) => b[1] - a[1]),
    indexing: numberOf(of.indexing) === 1,
    share: numberOf(of.percent_indexed),
    uses: numberOf(of.number_of_uses),
    indexingMs: numberOf(of.total_indexing_time),
    refused: refusedOf(of["Index Errors"]),
  };
}

/** @param {Record<string, any>} of @param {Record<string, any>} statistics @returns {Field} */
function fieldOf(of, statistics) {
  const options = itemsOf(of.flags).map(textOf);
  const add = (/** @type {string} */ id, /** @type {(text: string) => string} */ words, /** @type {string} */ usual = "") => {
    if (of[id] !== undefined && textOf(of[id]) !== usual) options.push(words(textOf(of[id])));
  };
  add("WEIGHT", (text) => `WEIGHT ${text}`, "1");
  add("SEPARATOR", (text) => `SEPARATOR ${text}`, ",");
  for (const id of ["coord_system", "algorithm", "data_type"]) add(id, (text) => text);
  add("dim", (text) => `${text} dimensions`);
  add("distance_metric", (text) => text);
  return { name: wordOf(of.attribute), path: wordOf(of.identifier), type: textOf(of.type), options, refused: refusedOf(statistics["Index Errors"]) };
}

/** @param {any} errors @returns {Refused} */
function refusedOf(errors) {
  const of = factsOf(errors);
  return { count: numberOf(of["indexing failures"]) || 0, reason: textOf(of["last indexing error"]), key: wordOf(of["last indexing error key"]) };
}

/** @param {Field} field @param {string} option */
export function has(field, option) {
  return field.options.includes(option);
}

/** How an index fares, the most urgent first. @param {Index} index @returns {Remark[]} */
export function remarksOf(index) {
  /** @type {Remark[]} */
  const out = [];
  const { refused, documents, fields } = index;
  if (refused.count > 0)
    out.push({ tone: "warn", text: `The index refused documents ${times(refused.count)} since it was made: queries do not find them. The last reason: ${refused.reason}.`, key: refused.key });
  if (index.indexing) out.push({ tone: "info", text: `Keys are being read: ${percent(index.share, 0)} of them so far. Until the end queries find only documents that were read.` });
  if (!index.indexing && documents === 0)
    out.push({ tone: "info", text: `The index has no document: no ${index.on === "JSON" ? "JSON document" : "hash"} has a key with its prefixes${index.rules.some(([title]) => title === "Filter") ? ", passes its filter" : ""} and was accepted.` });
  const partial = fields.filter((field) => field.refused.count > 0 && refused.count === 0);
  for (const field of partial) out.push({ tone: "warn", text: `Values of the field ${textOf(field.name)} were refused ${times(field.refused.count)}. The last reason: ${field.refused.reason}.`, key: field.refused.key });
  if (out.length === 0) out.push({ tone: "ok", text: `All is well: ${plural(documents, "document")} indexed, none refused.` });
  return out;
}

/** @param {number} n */
function times(n) {
  return n === 1 ? "once" : `${count(n)} times`;
}
