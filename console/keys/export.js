/** A key as the commands that write it again, page by page; whatever its length, none is longer than an import may send. */

import { RespError, entriesOf, itemsOf, lengthOf, nameId, numberOf, objectOf, textOf } from "../resp.js";
import { halving } from "./collection.js";
import { onlyReply } from "./find.js";
import { rest } from "./walk.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {import("../api.js").Cmd} Cmd */
/** @typedef {import("./walk.js").BatchFn} BatchFn */

/** Elements of a page, bytes of a command's arguments, bytes of a part of a string. */
const [PAGE, COMMAND_BYTES, PART] = [200, 200_000, 200_000];

/** Bytes of memory up to which a document is one command. */
const DOCUMENT_BYTES = 400_000;

/**
 * The commands of a key. An empty list for a key that is gone.
 * @param {BatchFn} batch @param {Name} key @param {{replace: boolean, signal: AbortSignal}} options `replace`: it is deleted first
 * @returns {AsyncGenerator<Cmd[]>}
 */
export async function* commandsOfKey(batch, key, { replace, signal }) {
  const [type, until, memory] = (await batch([["TYPE", key], ["PEXPIRETIME", key], ["MEMORY", "USAGE", key]], { signal })).replies;
  const kind = textOf(type instanceof RespError ? "" : type);
  if (kind === "none") return;
  const read = async (/** @type {Cmd} */ cmd) => {
    const began = performance.now();
    const { reply, cost } = onlyReply(await batch([cmd], { signal }));
    await rest(cost, began);
    return reply;
  };
  const parts = kind === "ReJSON-RL" && numberOf(memory) > DOCUMENT_BYTES ? dumped : (PARTS[kind] ?? dumped);
  let isFirst = true;
  for await (const cmds of parts(read, key)) {
    if (cmds.length === 0) continue;
    if (isFirst && replace) yield [["UNLINK", key]];
    isFirst = false;
    yield cmds;
  }
  if (!isFirst && typeof until === "number" && until > 0) yield [["PEXPIREAT", key, until]];
}

/** @typedef {(cmd: Cmd) => Promise<any>} Read */

/** @param {Read} read @param {Name} key @returns {AsyncGenerator<Cmd[]>} */
async function* dumped(read, key) {
  const dump = await read(["DUMP", key]);
  if (dump !== null) yield [["RESTORE", key, 0, dump]];
}

/** Pages of a scan, and what they make. @param {Read} read @param {string} scan @param {Name} key @returns {AsyncGenerator<any>} */
async function* scanned(read, scan, key) {
  /** @type {Set<string>} */
  const seen = new Set();
  for (let cursor = "0"; ; ) {
    const [next, flat] = await read([scan, key, cursor, "COUNT", PAGE]);
    yield { flat, isNew: (/** @type {Name} */ name) => !seen.has(nameId(name)) && Boolean(seen.add(nameId(name))) };
    cursor = textOf(next);
    if (cursor === "0") return;
  }
}

/** Commands of one head with items of several arguments each, none too long. @param {Cmd} head @param {Cmd[]} items @returns {Cmd[]} */
function joined(head, items) {
  /** @type {Cmd[]} */
  const out = [];
  let room = 0;
  for (const item of items) {
    const size = item.reduce((/** @type {number} */ sum, arg) => sum + lengthOf(/** @type {Name} */ (typeof arg === "bigint" ? String(arg) : arg)), 0);
    if (out.length === 0 || size > room) {
      out.push([...head]);
      room = COMMAND_BYTES;
    }
    /** @type {Cmd} */ (out.at(-1)).push(...item);
    room -= size;
  }
  return out;
}

/** How each type is read in parts. @type {Record<string, (read: Read, key: Name) => AsyncGenerator<Cmd[]>>} */
const PARTS = {
  async *string(read, key) {
    for (let at = 0; ; at += PART) {
      const part = await read(["GETRANGE", key, at, at + PART - 1]);
      const size = lengthOf(part);
      if (at === 0) yield [["SET", key, part]];
      else if (size > 0) yield [["APPEND", key, part]];
      if (size < PART) return;
    }
  },
  async *hash(read, key) {
    for await (const { flat, isNew } of scanned(read, "HSCAN", key)) {
      const pairs = /** @type {[Name, Name][]} */ (entriesOf(flat).filter(([field]) => isNew(field)));
      if (pairs.length === 0) continue;
      const ends = itemsOf(await read(["HPEXPIRETIME", key, "FIELDS", pairs.length, ...pairs.map(([field]) => field)]));
      yield [...joined(["HSET", key], pairs), ...pairs.flatMap(([field], i) => (numberOf(ends[i]) > 0 ? [/** @type {Cmd} */ (["HPEXPIREAT", key, numberOf(ends[i]), "FIELDS", 1, field])] : []))];
    }
  },
  async *set(read, key) {
    for await (const { flat, isNew } of scanned(read, "SSCAN", key)) yield joined(["SADD", key], itemsOf(flat).filter(isNew).map((member) => [/** @type {Name} */ (member)]));
  },
  async *list(read, key) {
    const most = { current: PAGE };
    for (let at = 0; ; ) {
      const { reply, count } = await halving(most, (n) => read(["LRANGE", key, at, at + n - 1]));
      yield joined(["RPUSH", key], reply.map((/** @type {Name} */ value) => [value]));
      if (reply.length < count) return;
      at += count;
    }
  },
  async *zset(read, key) {
    const most = { current: PAGE };
    for (let at = 0; ; ) {
      const { reply, count } = await halving(most, (n) => read(["ZRANGE", key, at, at + n - 1, "WITHSCORES"]));
      yield joined(["ZADD", key], reply.map((/** @type {any} */ [member, score]) => [textOf(score), member]));
      if (reply.length < count) return;
      at += count;
    }
  },
  async *stream(read, key) {
    const most = { current: PAGE };
    for (let from = "-"; ; ) {
      const { reply, count } = await halving(most, (n) => read(["XRANGE", key, from, "+", "COUNT", n]));
      yield reply.map((/** @type {any} */ [id, fields]) => ["XADD", key, textOf(id), ...entriesOf(fields).flat()]);
      if (reply.length < count) break;
      from = `(${textOf(reply.at(-1)[0])}`;
    }
    const groups = itemsOf(await read(["XINFO", "GROUPS", key])).map(objectOf);
    yield groups.map((group) => ["XGROUP", "CREATE", key, group.name, textOf(group["last-delivered-id"]), "MKSTREAM"]);
  },
  async *"ReJSON-RL"(read, key) {
    const text = await read(["JSON.GET", key]);
    if (text !== null) yield [["JSON.SET", key, "$", text]];
  },
};
