/** What COMMAND DOCS and COMMAND INFO say, for completion and help; and what a command may do to a server. Pure. */

import { bytes, count } from "./format.js";
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
  const named = token && type !== "pure-token" ? `${token} ` : "";
  if (type === "oneof" && (named || !flags.includes("optional"))) text = `<${text}>`;
  const more = flags.includes("multiple") ? ` [${flags.includes("multiple_token") ? named : ""}${text} …]` : "";
  text = named + text + more;
  return flags.includes("optional") ? `[${text}]` : text;
}

/** The name in a command's first words. @param {import("./resp.js").Name[]} args @param {(name: string) => boolean} has @returns {string} */
export function commandOf(args, has) {
  const [first, second] = args.slice(0, 2).map((arg) => textOf(arg).toLowerCase());
  return second !== undefined && has(`${first} ${second}`) ? `${first} ${second}` : (first ?? "");
}

/** @typedef {{keys: number | null, bytes?: number | null}} State the keys of the database; the bytes of the command's key */

/** Commands whose effect is asked about before they run. @type {Record<string, (args: string[], state: State) => string>} */
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

/** What reads or walks all of its key, and what does the same in parts. @type {Record<string, string>} */
const WHOLE = { smembers: "SSCAN", sinter: "SSCAN", sunion: "SSCAN", sdiff: "SSCAN", hgetall: "HSCAN", hkeys: "HSCAN", hvals: "HSCAN", sort: "", sort_ro: "", lrem: "", lpos: "", linsert: "", get: "GETRANGE", dump: "", zinter: "ZSCAN", zunion: "ZSCAN", zdiff: "ZSCAN", "json.get": "JSON.GET with a path" };

/** Elements that a range may have before its key's size is asked for. */
const RANGE = 10_000;

/** Bytes of a key that a command may take at once without a question. */
const LARGE = 4 << 20;

/** The key that a command reads all or most of; null if it reads a bounded part. @param {import("./resp.js").Name[]} args @returns {import("./resp.js").Name | null} */
export function wholeKey(args) {
  const [name, , from, to, ...rest] = args.map((arg) => textOf(arg).toLowerCase());
  if (args.length < 2) return null;
  if (name === "json.get" && args.length > 2 && !/^[$.]$/.test(textOf(args.at(-1)))) return null;
  if (Object.hasOwn(WHOLE, name)) return /^[sz](inter|union|diff)$/.test(name) && name[0] === "z" ? (args[2] ?? null) : args[1];
  if (/^x(rev)?range$/.test(name)) return rest.includes("count") ? null : args[1];
  if (/^z(rev)?range(by(score|lex))?$/.test(name) && (/by/.test(name) || rest.some((word) => word.startsWith("by")))) return rest.includes("limit") ? null : args[1];
  if (!/^(l|z|zrev)range$/.test(name)) return null;
  const [first, last] = [Number(from), Number(to)];
  return first >= 0 === last >= 0 && last - first < RANGE ? null : args[1];
}

/** What a command may do that should be known before; null if nothing. @param {import("./resp.js").Name[]} args @param {State} state */
export function danger(args, state) {
  const words = args.map(textOf);
  const [first, second] = words.map((word) => word.toLowerCase());
  const name = [`${first} ${second}`, first].find((one) => Object.hasOwn(DANGERS, one));
  if (name !== undefined) return DANGERS[name](words, state);
  // A key that is not there has no size.
  if (!(Number(state.bytes) > LARGE)) return null;
  const parts = Object.hasOwn(WHOLE, first) ? WHOLE[first] : "";
  return `${first.toUpperCase()} takes a key of ${bytes(Number(state.bytes))} at once; other clients wait.${parts && ` ${parts} does not.`}`;
}

/** Whether a command holds a password and so is kept in no history and no address. @param {import("./resp.js").Name[]} args */
export function isSecret(args) {
  const line = args.map((arg) => textOf(arg).toLowerCase());
  if (line[0] === "acl" && line[1] === "setuser") return true;
  if (["config", "sentinel"].includes(line[0]) && line.includes("set")) return line.slice(2).some((word) => /pass|auth|secret|user|seed/.test(word));
  return ["auth", "hello", "migrate"].includes(line[0]);
}

/** Whether a line of a text holds one, complete or not. @param {string} text */
export function holdsSecret(text) {
  return text.split("\n").some((line) => isSecret(line.replace(/["']/g, "").trim().split(/\s+/)));
}

/** Whether a command would wait where it has nothing to reply; in the page's calls it replies at once, as in a transaction. @param {import("./resp.js").Name[]} args */
export function blocks(args) {
  const [name, ...rest] = args.map((arg) => textOf(arg).toLowerCase());
  return /^(b[lr]pop|brpoplpush|blmovem?|blmpop|bzpop(min|max)|bzmpop)$/.test(name) || (/^xread(group)?$/.test(name) && rest.includes("block"));
}
