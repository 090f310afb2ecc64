/** The rules of an ACL user in words. Pure. */

import { itemsOf, objectOf, textOf } from "./resp.js";

/** @typedef {import("./resp.js").Value} Value */
/** @typedef {{commands: string, keys: string, channels: string, databases: string}} Rules */

/** @typedef {{name: string, on: boolean, login: string, rules: Rules[], more: string}} Described `rules`: the root's, then each selector's; `more`: roles, budgets */

/** What ACL GETUSER replies, in words. @param {string} name @param {Value} reply @returns {Described} */
export function describeUser(name, reply) {
  const user = objectOf(reply);
  const flags = itemsOf(user.flags).map(textOf);
  const passwords = itemsOf(user.passwords).length;
  const login = flags.includes("nopass") ? "with any password" : passwords ? `with ${passwords === 1 ? "its password" : `one of ${passwords} passwords`}` : "never: it has no password";
  const roles = itemsOf(user.roles).map(textOf);
  const more = [...(roles.length ? [`Roles: ${roles.join(", ")}.`] : []), ...(user.budgets ? [`Budgets: ${textOf(user.budgets)}.`] : [])].join(" ");
  return { name, on: flags.includes("on"), login, rules: [describeRules(user), ...itemsOf(user.selectors).map((selector) => describeRules(objectOf(selector)))], more };
}

/** @param {Record<string, Value>} rules @returns {Rules} */
function describeRules(rules) {
  return {
    commands: commandWords(textOf(rules.commands)),
    keys: patternWords(textOf(rules.keys), "~*", "keys"),
    channels: patternWords(textOf(rules.channels), "&*", "channels"),
    databases: rules.databases === undefined ? "" : textOf(rules.databases),
  };
}

/** "-@all +@read -keys" -> "all of @read, not KEYS". @param {string} rules */
export function commandWords(rules) {
  const parts = rules.split(" ").filter(Boolean);
  const all = parts.lastIndexOf("+@all");
  const none = parts.lastIndexOf("-@all");
  const rest = parts.slice(Math.max(all, none) + 1);
  const base = all > none ? ["every command"] : [];
  const word = (/** @type {string} */ rule) => (rule.startsWith("@") ? `all of ${rule}` : rule.replace("|", " ").toUpperCase());
  const given = rest.filter((rule) => rule.startsWith("+")).map((rule) => word(rule.slice(1)));
  const taken = rest.filter((rule) => rule.startsWith("-")).map((rule) => `not ${word(rule.slice(1))}`);
  return [...base, ...given, ...taken].join(", ") || "no command";
}

/** "~a* %R~b*" -> "a*, b* (read)". @param {string} rules @param {string} every @param {string} what */
export function patternWords(rules, every, what) {
  const parts = rules.split(" ").filter(Boolean);
  if (parts.length === 0) return `no ${what}`;
  if (parts.includes(every)) return `all ${what}`;
  return parts.map((rule) => {
    const access = /^%(R|W|RW|WR)~/i.exec(rule);
    if (!access) return rule.slice(1);
    const mode = access[1].toUpperCase();
    return `${rule.slice(access[0].length)}${mode === "R" ? " (read)" : mode === "W" ? " (write)" : ""}`;
  }).join(", ");
}
