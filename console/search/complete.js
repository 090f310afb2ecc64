/**
 * Completion in a query: fields after `@`, and the forms that a field's type has. In a whole command (`FT.SEARCH index
 * "query" ..`) also its words. Pure.
 */

import { quoted } from "../format.js";
import { textOf } from "../resp.js";
import { has } from "./info.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {import("./info.js").Field} Field */
/** @typedef {import("../parts/editor.js").Offered} Offered */
/** @typedef {import("../parts/editor.js").Completion} Completion */

/** Suggestions shown at most. */
const MAX_ITEMS = 50;

/**
 * Forms by type: the text, in which «» is around what is to be typed over, and its meaning.
 * @type {Record<string, [string, string][]>}
 */
const FORMS = {
  TEXT: [
    ["«word»", "documents with the word, or one of its stem"],
    ['"«two words»"', "words side by side"],
    ["(«one|another»)", "any of them"],
    ["«start»*", "words that begin so"],
    ["%«word»%", "words that differ by a letter"],
  ],
  TAG: [
    ["{«tag»}", "the whole value"],
    ["{«one|another»}", "any of them"],
    ["{«start»*}", "values that begin so"],
  ],
  NUMERIC: [
    ["[«from to»]", "numbers from … to …, with both ends"],
    ["[(«from to»]", "without the first end"],
    ["[«from» +inf]", "from … on"],
    ["[-inf «to»]", "up to …"],
  ],
  GEO: [["[«longitude latitude 10 km»]", "places within a distance (m, km, mi, ft)"]],
  GEOSHAPE: [
    ["[WITHIN $«shape»]", "shapes within one that PARAMS names"],
    ["[CONTAINS $«shape»]", "shapes around it"],
    ["[INTERSECTS $«shape»]", "shapes that touch it"],
    ["[DISJOINT $«shape»]", "shapes apart from it"],
  ],
  VECTOR: [["[VECTOR_RANGE «0.5» $vector]", "vectors within a distance of one that PARAMS names"]],
};

/** Words of the commands that may be typed in full. @type {Record<string, [string, string][]>} */
export const COMMANDS = {
  "FT.SEARCH": [
    ["LIMIT", "rows to skip, rows to show"],
    ["SORTBY", "a field, then ASC or DESC"],
    ["RETURN", "how many fields, then their names"],
    ["NOCONTENT", "keys alone"],
    ["WITHSCORES", "the score of each document"],
    ["HIGHLIGHT", "marks the words that match"],
    ["SUMMARIZE", "the parts of texts that match"],
    ["SLOP", "words between those of the query"],
    ["LANGUAGE", "of the query's words"],
    ["PARAMS", "how many words, then names and values"],
    ["TIMEOUT", "milliseconds"],
    ["DIALECT", "1 to 4"],
  ],
  "FT.AGGREGATE": [
    ["GROUPBY", "how many fields, then @names"],
    ["REDUCE", "a function, how many arguments, the arguments, AS a name"],
    ["SORTBY", "how many words, then @names with ASC or DESC"],
    ["APPLY", "an expression, AS a name"],
    ["FILTER", "an expression"],
    ["LOAD", "how many fields, then @names"],
    ["LIMIT", "rows to skip, rows to show"],
    ["PARAMS", "how many words, then names and values"],
    ["TIMEOUT", "milliseconds"],
    ["DIALECT", "1 to 4"],
  ],
  "FT.HYBRID": [
    ["SEARCH", "a query of words"],
    ["VSIM", "a vector's field, and $parameter"],
    ["COMBINE", "RRF or LINEAR"],
    ["LIMIT", "rows to skip, rows to show"],
    ["PARAMS", "how many words, then names and values"],
  ],
};

/** Whether a text is a command in full, not a query. @param {string} text */
export function isCommandLine(text) {
  return /^\s*_?ft\./i.test(text);
}

/** A name as queries take it: marks and blanks after backslashes. @param {string} name */
export function escaped(name) {
  return name.replace(/[\x21-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7e\s]/g, "\\$&");
}

/** A field before the caret, with its colon or without: word characters, and any after a backslash, which is double in double quotes. */
const FIELD = { plain: /@((?:\\.|[\w\u0080-\uffff])*)(:?)$/s, doubled: /@((?:\\\\.|[\w\u0080-\uffff])*)(:?)$/s };
const NEAREST = /=>\s*\[\s*KNN\s+\S+\s+$/i;

/**
 * What may stand at the caret; null: nothing is known of it. O(text + fields).
 * @param {string} text @param {number} caret @param {{index: Name, fields: Field[]}} of @returns {Completion | null}
 */
export function completeQuery(text, caret, { index, fields }) {
  const before = text.slice(0, caret);
  const inCommand = isCommandLine(text) || /^\s*_?f?t?$/i.test(before);
  const quote = inCommand ? quoteAt(before) : null;
  // Of a command only what is quoted is a query, and backslashes are doubled in double quotes.
  const isQuery = !inCommand || quote !== null;
  const shield = (/** @type {string} */ one) => (quote === '"' ? one.replace(/["\\]/g, "\\$&") : quote === "'" ? one.replace(/'/g, "\\'") : one);
  const typed = FIELD[quote === '"' ? "doubled" : "plain"].exec(before);
  const name = typed?.[1].replace(quote === '"' ? /\\\\(.)/gs : /\\(.)/gs, "$1") ?? "";
  if (typed && typed[2] === "") {
    const nearest = NEAREST.test(before.slice(0, typed.index));
    const rest = text.slice(caret);
    const items = matching(fields, name).flatMap((field) => offerField(field, { isQuery, nearest, rest, shield }));
    return { from: typed.index, items: items.slice(0, MAX_ITEMS) };
  }
  const field = typed && isQuery ? fields.find((one) => textOf(one.name) === name) : undefined;
  if (field) return { from: caret, items: (FORMS[field.type] ?? []).map(([form, detail]) => offered("", form, detail, shield)) };
  return inCommand && quote === null ? wordsAt(before, index) : null;
}

/** Fields whose names begin with a text, then those that have it. @param {Field[]} fields @param {string} part */
function matching(fields, part) {
  const low = part.toLowerCase();
  const places = fields.map((field) => ({ field, at: textOf(field.name).toLowerCase().indexOf(low) }));
  return places.filter(({ at }) => at >= 0).sort((a, b) => Math.min(a.at, 1) - Math.min(b.at, 1)).map(({ field }) => field);
}

/**
 * @param {Field} field @param {{isQuery: boolean, nearest: boolean, rest: string, shield: (text: string) => string}} at `rest`: the text after the caret
 * @returns {Offered[]}
 */
function offerField(field, { isQuery, nearest, rest, shield }) {
  // Bytes that are not UTF-8 cannot be typed here.
  if (typeof field.name !== "string") return [];
  const detail = [field.type, ...field.options].join(" ");
  if (!isQuery) return [{ text: quotedField(field.name), detail }];
  const name = `@${escaped(field.name)}`;
  if (nearest) return field.type === "VECTOR" ? [offered(`${name} `, "$«vector»]", detail, shield)] : [];
  if (has(field, "NOINDEX")) return [];
  if (/^\s*[:|]/.test(rest)) return [offered(name, "", detail, shield)];
  // A word needs no brackets: its forms are offered after the colon.
  return [offered(`${name}:`, field.type === "TEXT" ? "" : (FORMS[field.type]?.[0][0] ?? ""), detail, shield)];
}

/** @param {string} name */
function quotedField(name) {
  return quoted(`@${name}`);
}

/** @param {string} lead @param {string} form with « and » @param {string} detail @param {(text: string) => string} shield @returns {Offered} */
function offered(lead, form, detail, shield) {
  const [start, middle, end] = /^([^«]*)«?([^»]*)»?(.*)$/s.exec(form)?.slice(1) ?? ["", "", ""];
  if (middle === "") return { text: shield(lead + form), detail };
  const head = shield(lead + start);
  return { text: head + shield(middle) + shield(end), detail, select: [head.length, head.length + shield(middle).length] };
}

/** The mark of the quotation that a text ends in; null: none. @param {string} text */
export function quoteAt(text) {
  /** @type {string | null} */
  let quote = null;
  for (let i = 0; i < text.length; i += 1) {
    if (quote === null) quote = text[i] === '"' || text[i] === "'" ? text[i] : null;
    else if (text[i] === "\\") i += 1;
    else if (text[i] === quote) quote = null;
  }
  return quote;
}

/** Words of a command. @param {string} before @param {Name} index @returns {Completion | null} */
function wordsAt(before, index) {
  const [, lead, word] = /^(.*?)([^\s"']*)$/s.exec(before) ?? ["", "", ""];
  if (word === "") return null;
  const low = word.toUpperCase();
  if (lead.trim() === "") {
    const query = ' "«*»"';
    const items = Object.keys(COMMANDS).filter((name) => name.startsWith(low)).map((name) => offered(`${name} ${quoted(index)}`, name === "FT.HYBRID" ? " " : query, "a command in full: the fields below do not count", (text) => text));
    return { from: lead.length, items };
  }
  const words = COMMANDS[before.trim().split(/\s+/, 1)[0].toUpperCase()] ?? [];
  return { from: lead.length, items: words.filter(([name]) => name.startsWith(low) && name !== low).map(([text, detail]) => ({ text, detail })) };
}
