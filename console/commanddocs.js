/** What COMMAND DOCS and COMMAND INFO say, for completion and help; and what a command may do to a server. Pure. */

import { count } from "./format.js";
import { entriesOf, itemsOf, textOf } from "./resp.js";

/** @typedef {{name: string, summary: string, syntax: string, complexity: string, since: string, group: string}} Doc `name`: "config get" */

/** The reply of COMMAND DOCS, subcommands beside their containers. @param {any} reply @returns {Map<string, Doc>} */
export function readDocs(reply) {
  /** @type {Map<string, Doc>} */
  const out = new Map();
  const add = (/** @type {any} */ key, /** @type {any} */ value) => {
    const name = textOf(key).toLowerCase().replace("|", " ");
    const fields = Object.fromEntries(entriesOf(value).map(([k, v]) => [textOf(k), v]));
    out.set(name, {
      name,
      summary: textOf(fields.summary),
      syntax: `${name.toUpperCase()}${itemsOf(fields.arguments).map((arg) => ` ${syntax(arg)}`).join("")}`,
      complexity: textOf(fields.complexity),
      since: textOf(fields.since),
      group: textOf(fields.group),
    });
    for (const [sub, inner] of entriesOf(fields.subcommands)) add(sub, inner);
  };
  for (const [key, value] of entriesOf(reply)) add(key, value);
  return out;
}

/** @param {any} arg @returns {string} */
function syntax(arg) {
  const fields = Object.fromEntries(entriesOf(arg).map(([k, v]) => [textOf(k), v]));
  const flags = itemsOf(fields.flags).map(textOf);
  const inner = itemsOf(fields.arguments).map(syntax);
  const type = textOf(fields.type);
  const token = fields.token === undefined ? "" : textOf(fields.token);
  let text = type === "pure-token" ? token : type === "oneof" ? inner.join(" | ") : type === "block" ? inner.join(" ") : textOf(fields.display_text ?? fields.name);
  if (token && type !== "pure-token") text = `${token} ${type === "oneof" ? `<${text}>` : text}`;
  else if (type === "oneof" && !flags.includes("optional")) text = `<${text}>`;
  if (flags.includes("multiple")) text += flags.includes("multiple_token") ? ` [${text} …]` : ` [${text} …]`;
  return flags.includes("optional") ? `[${text}]` : text;
}

/** The name in a command's first words. @param {import("./resp.js").Name[]} args @param {(name: string) => boolean} has @returns {string} */
export function commandOf(args, has) {
  const [first, second] = args.slice(0, 2).map((arg) => textOf(arg).toLowerCase());
  return second !== undefined && has(`${first} ${second}`) ? `${first} ${second}` : (first ?? "");
}

/** Commands whose effect is asked about before they run. @type {Record<string, (args: string[], state: {keys: number | null}) => string>} */
const DANGERS = {
  flushall: (_, { keys }) => `FLUSHALL deletes all keys of all databases${keys === null ? "" : ` (${count(keys)} in this one)`}.`,
  flushdb: (_, { keys }) => `FLUSHDB deletes ${keys === null ? "all" : `all ${count(keys)}`} keys of this database.`,
  shutdown: () => "SHUTDOWN ends the server, and this console with it.",
  keys: (_, { keys }) => `KEYS looks at ${keys === null ? "every key" : `all ${count(keys)} keys`} at once; other clients wait. SCAN does not.`,
  swapdb: () => "SWAPDB exchanges two databases for all clients.",
  failover: () => "FAILOVER makes a replica the primary.",
  replicaof: (args) => (args[1]?.toLowerCase() === "no" ? "REPLICAOF NO ONE makes this server a primary." : "REPLICAOF replaces all data of this server by another's."),
  slaveof: (args, state) => DANGERS.replicaof(args, state),
  "cluster reset": () => "CLUSTER RESET takes this node out of its cluster.",
  "cluster flushslots": () => "CLUSTER FLUSHSLOTS leaves this node without slots.",
  "script flush": () => "SCRIPT FLUSH forgets all cached scripts.",
  "function flush": () => "FUNCTION FLUSH deletes all functions.",
  "function delete": () => "FUNCTION DELETE deletes a library.",
  "acl deluser": () => "ACL DELUSER deletes users and closes their connections.",
  "client kill": () => "CLIENT KILL closes connections.",
  "client pause": () => "CLIENT PAUSE stops commands of all clients for a while.",
  "config set": (args) => `CONFIG SET changes ${args.slice(2).filter((_, i) => i % 2 === 0).join(", ")} at once.`,
  "debug": () => "DEBUG may stop, crash or change the server.",
  eval: () => "A script runs alone: other clients wait until it ends.",
};

/** What a command may do that should be known before; null if nothing. @param {string} name @param {import("./resp.js").Name[]} args @param {{keys: number | null}} state */
export function danger(name, args, state) {
  return DANGERS[name]?.(args.map(textOf), state) ?? DANGERS[name.split(" ")[0]]?.(args.map(textOf), state) ?? null;
}

/** Whether a line holds a password and so is kept in no history. @param {import("./resp.js").Name[]} args */
export function isSecret(args) {
  const line = args.map((arg) => textOf(arg).toLowerCase());
  if (line[0] === "acl" && line[1] === "setuser") return true;
  if (line[0] === "config" && line[1] === "set") return line.slice(2).some((word) => /pass|auth|secret/.test(word));
  return ["auth", "hello", "migrate"].includes(line[0]);
}
