/** The draft of an ACL user: its rules as fields, and the one command that makes the user so. Pure. */

import { itemsOf, objectOf, textOf } from "./resp.js";

/** @typedef {import("./resp.js").Value} Value */
/** @typedef {"keep" | "add" | "only" | "none" | "any"} Login what becomes of the passwords */
/**
 * @typedef {{on: boolean, login: Login, password: string, commands: string, keys: string, channels: string, more: string, selectors: string}} Draft
 *   rules as ACL SETUSER takes them, separated by blanks; `more`: databases, roles, budgets; `selectors`: one a line
 */

/** What ACL GETUSER replies, as a draft that changes nothing. @param {Value} reply @returns {Draft} */
export function draftOf(reply) {
  const user = objectOf(reply ?? []);
  const flags = itemsOf(user.flags ?? []).map(textOf);
  const words = (/** @type {string} */ name) => (user[name] === undefined ? "" : textOf(user[name]));
  const roles = itemsOf(user.roles ?? []).map(textOf);
  const more = [flags.includes("skip-sanitize-payload") && "skip-sanitize-payload", words("databases"), roles.length > 0 && `role=${roles.join(",")}`, words("budgets")];
  return {
    on: flags.includes("on"), login: flags.includes("nopass") ? "any" : "keep", password: "",
    commands: words("commands") || "-@all", keys: words("keys"), channels: words("channels"),
    more: more.filter(Boolean).join(" "),
    selectors: itemsOf(user.selectors ?? []).map((one) => selectorText(objectOf(one))).join("\n"),
  };
}

/** @param {Record<string, Value>} selector */
function selectorText(selector) {
  const databases = selector.databases === undefined ? "" : textOf(selector.databases);
  return `(${[textOf(selector.commands), textOf(selector.keys), textOf(selector.channels), databases === "alldbs" ? "" : databases].filter(Boolean).join(" ")})`;
}

/** Hashes of the passwords of a user. @param {Value} reply of ACL GETUSER @returns {string[]} */
export function hashesOf(reply) {
  return itemsOf(objectOf(reply ?? []).passwords ?? []).map(textOf);
}

/** Words between blanks. @param {string} text */
function wordsOf(text) {
  return text.split(/\s+/).filter(Boolean);
}

/**
 * All rules of a draft, from `reset` on: what the user was before is gone. Throws on what is no draft.
 * @param {Draft} draft @param {string[]} hashes the passwords that the user has @returns {string[]}
 */
export function rulesOf(draft, hashes) {
  if ((draft.login === "add" || draft.login === "only") && draft.password === "") throw new RangeError("The new password is empty.");
  const kept = draft.login === "keep" || draft.login === "add" ? hashes.map((hash) => `#${hash}`) : [];
  const fresh = draft.login === "any" ? ["nopass"] : draft.login === "add" || draft.login === "only" ? [`>${draft.password}`] : [];
  const selectors = draft.selectors.split("\n").map((line) => line.trim()).filter(Boolean);
  for (const line of selectors) if (!/^\([^()]*\)$/.test(line)) throw new RangeError(`A selector stands in parentheses, on a line of its own: ${line}`);
  for (const word of wordsOf(`${draft.commands} ${draft.keys} ${draft.channels} ${draft.more}`)) {
    if (/^[>#<!]|^(nopass|resetpass|reset|on|off)$/i.test(word)) throw new RangeError(`Passwords, and whether the user is on, have fields of their own: ${word.slice(0, 1)}…`);
    if (/[()]/.test(word)) throw new RangeError(`A selector stands among the selectors: ${word}`);
  }
  return ["reset", draft.on ? "on" : "off", ...kept, ...fresh, ...wordsOf(draft.keys), ...wordsOf(draft.channels), ...wordsOf(draft.commands), ...wordsOf(draft.more), ...selectors];
}

/** A draft as lines, to be compared; no password is in them. @param {Draft} draft @param {number} passwords that the user has */
export function draftLines(draft, passwords) {
  const has = { keep: passwords, add: passwords + 1, only: 1, none: 0, any: NaN }[draft.login];
  const login = draft.login === "any" ? "any password (nopass)" : `${has} password${has === 1 ? "" : "s"}${draft.login === "only" ? ", a new one" : draft.login === "add" ? ", one of them new" : ""}`;
  const lines = [draft.on ? "on" : "off", login, ...[draft.keys, draft.channels, draft.commands, draft.more].map((text) => wordsOf(text).join(" ")), ...draft.selectors.split("\n").map((line) => line.trim())];
  return lines.filter(Boolean).join("\n");
}
