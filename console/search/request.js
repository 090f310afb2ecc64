/** What the form of a query asks, as commands; and replies of FT.SEARCH, FT.AGGREGATE and FT.HYBRID as rows. Pure. */

import { splitCommand } from "../commandline.js";
import { entriesOf, factsOf, itemsOf, nameId, numberOf, RespMap, textOf } from "../resp.js";
import { COMMANDS, isCommandLine } from "./complete.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {(Name | number)[]} Cmd */
/** @typedef {{query: string, sort: Name | null, down: boolean, fields: string, rows: number, from: number, dialect: string}} Form `fields`: of RETURN; `dialect`: "" is the server's */
/** @typedef {{key: Name | null, score: number | null, cells: Map<string, any>}} Row `cells`: by the nameId of their columns */
/** @typedef {{total: number, rows: Row[], columns: {id: string, name: Name}[], warnings: string[], cursor: string | null}} Found */

/** Rows of a page, as the form has them. */
export const ROWS = [10, 20, 50, 100];

/** The command of a form. `counts`: all matches are counted in dialect 4, too. @param {Name} index @param {Form} form @param {boolean} counts @returns {Cmd} */
export function searchCommand(index, { query, sort, down, fields, rows, from, dialect }, counts) {
  const words = fields.split(/[\s,]+/).filter(Boolean);
  return [
    "FT.SEARCH", index, query.trim() === "" ? "*" : query,
    ...(sort === null ? ["WITHSCORES"] : ["SORTBY", sort, down ? "DESC" : "ASC"]),
    ...(words.length > 0 ? ["RETURN", words.length, ...words] : []),
    "LIMIT", from, rows,
    ...(counts ? ["WITHCOUNT"] : []),
    ...(dialect === "" ? [] : ["DIALECT", dialect]),
  ];
}

/**
 * A command typed in full; null: the text is a query. Throws SyntaxError, and RangeError for commands that are not run here.
 * @param {string} text @returns {Name[] | null}
 */
export function typedCommand(text) {
  if (!isCommandLine(text)) return null;
  const args = splitCommand(text);
  const name = textOf(args[0]).toUpperCase();
  if (!(name in COMMANDS)) throw new RangeError(`${Object.keys(COMMANDS).join(", ")} are run here; the workbench runs all commands.`);
  if (args.length < 3) throw new RangeError(`${name} needs an index and a query.`);
  return [name, ...args.slice(1)];
}

/** The same query as FT.PROFILE runs it; null: it knows none such. @param {Cmd} cmd @returns {Cmd | null} */
export function profileCommand([name, index, query, ...rest]) {
  if (name !== "FT.SEARCH" && name !== "FT.AGGREGATE") return null;
  // LIMITED: of a prefix's words their number, as there may be many.
  return ["FT.PROFILE", index, String(name).slice(3), "LIMITED", "QUERY", query, ...rest];
}

/** The command that explains a query; null: none does. @param {Cmd} cmd @returns {Cmd | null} */
export function explainCommand([name, index, query, ...rest]) {
  if (name === "FT.SEARCH") return ["FT.EXPLAIN", index, query, ...rest];
  if (name !== "FT.AGGREGATE") return null;
  /** @type {Cmd} */
  const kept = [];
  for (const option of ["PARAMS", "DIALECT"]) {
    const at = placeOf(rest, option);
    if (at >= 0) kept.push(option, ...rest.slice(at + 1, at + 2 + (option === "PARAMS" ? Number(textOf(rest[at + 1])) || 0 : 0)));
  }
  return ["FT.EXPLAIN", index, query, ...kept];
}

/** Where an option's name stands in arguments; -1: nowhere. @param {Cmd} args @param {string} option */
export function placeOf(args, option) {
  return args.findIndex((arg) => typeof arg === "string" && arg.toUpperCase() === option);
}

/** A reply as rows; null: it is none of the three commands'. @param {any} reply @returns {Found | null} */
export function readFound(reply) {
  const withCursor = Array.isArray(reply) && reply.length === 2 && reply[0] instanceof RespMap;
  const of = factsOf(withCursor ? reply[0] : reply);
  if (of.total_results === undefined || of.results === undefined) return null;
  /** @type {Map<string, Name>} */
  const columns = new Map();
  const rows = itemsOf(of.results).map((/** @type {any} */ one) => {
    const row = factsOf(one);
    const isRow = row.extra_attributes !== undefined || row.id !== undefined;
    const entries = entriesOf(isRow ? row.extra_attributes : one);
    /** @type {Map<string, any>} */
    const cells = new Map();
    for (const [name, value] of entries) {
      cells.set(nameId(name), value);
      columns.set(nameId(name), name);
    }
    const score = itemsOf(row.score)[0] ?? row.score;
    return { key: row.id ?? row.__key ?? null, score: score === undefined ? null : numberOf(score), cells };
  });
  const warnings = [...itemsOf(of.warning), ...itemsOf(of.warnings)].map(textOf);
  const cursor = withCursor && numberOf(reply[1]) !== 0 ? String(reply[1]) : null;
  return { total: numberOf(of.total_results), rows, columns: [...columns].map(([id, name]) => ({ id, name })), warnings, cursor };
}
