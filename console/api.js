/** The daemon's API (docs/console.md): one POST a call, JSON both ways, URLs relative to the page. */

import { argument, decode, encode, lengthOf, RespError } from "./resp.js";
import { FrameReader } from "./sse.js";

/** @typedef {import("./resp.js").Name} Name */
/** @typedef {import("./resp.js").Value} Value */
/** @typedef {(Name | number | bigint)[]} Cmd */
/** @typedef {{db?: number, atomic?: boolean, conditions?: [Cmd, Value][], signal?: AbortSignal}} Options */
/** @typedef {{replies: Value[], us: number[], cost: number, changed?: number, now?: Value}} Batch `cost`: microseconds of the daemon, of all calls */
/**
 * @typedef {{user: string, locked: boolean, version: string, redis_version: string, dialect: string, databases: number,
 *   time: number, started: number, commands: string[], locked_commands?: string[]}} Me
 */
/** @typedef {{now: number, fields: string[], tiers: {step: number, rows: (number | null)[][], absent?: boolean}[]}} History `absent`: the tier was not asked for */
/** @typedef {"stats" | {subscribe: Name[]} | {psubscribe: Name[]} | {ssubscribe: Name[]} | {monitor: Record<string, Name | number>}} Topic */

/** Commands of one call; the daemon takes 512. */
const MAX_COMMANDS = 512;

/** Bytes of one call's commands as JSON; the daemon takes 1 MiB in all. */
const MAX_BYTES = 1_000_000;

/** Without a hand on the page for so long, its calls are its own: they do not keep the session alive. */
const ACTIVE_MS = 60_000;
let acted = Date.now();
for (const type of ["pointerdown", "pointermove", "keydown", "wheel"]) globalThis.addEventListener?.(type, () => (acted = Date.now()), { capture: true, passive: true });

/** The value of X-Russet. @param {number} now */
export function callMark(now) {
  return now - acted > ACTIVE_MS ? "auto" : "1";
}

/** An answer of HTTP that is not 200. */
export class ApiError extends Error {
  /** @param {number} status 0: no answer at all @param {string} text @param {any} [body] */
  constructor(status, text, body = {}) {
    super(text);
    this.name = "ApiError";
    this.status = status;
    this.body = body;
  }
}

/** When the server last sent anything: an answer, or an event of the stream. */
let heard = Date.now();

/** Since when nothing comes from it, Unix milliseconds; null: it answers. @type {number | null} */
let silent = null;

/** @returns {number | null} since when the server does not answer; null: it does. The event `russet-reach` reports changes */
export function silentSince() {
  return silent;
}

/** @param {boolean} answers */
function note(answers) {
  const before = silent;
  if (answers) heard = Date.now();
  silent = answers ? null : (silent ?? heard);
  if (silent !== before) globalThis.dispatchEvent?.(new Event("russet-reach"));
}

/** A server that has sent nothing for so long is asked whether it is there, and how long it may take, milliseconds. */
const [ASK_MS, ANSWER_MS] = [3000, 2500];
let asking = false;

/** Asks, if nothing has come for a while. A page in the background asks nothing. @param {boolean} [atOnce] */
export async function lookForServer(atOnce) {
  if (asking || document.hidden || (!atOnce && Date.now() - heard < ASK_MS)) return;
  asking = true;
  try {
    // A small file, which needs no session and keeps none alive; beside this module, so that it is there.
    await fetch(new URL("icon.svg", import.meta.url), { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    note(true);
  } catch {
    note(false);
  }
  asking = false;
}

/** @param {string} path @param {any} body @param {AbortSignal} [signal] @returns {Promise<Response>} */
async function post(path, body, signal) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(`api/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Russet": callMark(Date.now()) },
      credentials: "same-origin",
      body: JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    note(false);
    throw new ApiError(0, "The server does not answer.");
  }
  note(true);
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  if (response.status === 401 && path !== "login" && path !== "me") dispatchEvent(new Event("russet-logged-out"));
  throw new ApiError(response.status, answer.error ?? `HTTP ${response.status}`, answer);
}

/** @param {string} user @param {string} password */
export async function login(user, password) {
  await post("login", { user, password });
}

export async function logout() {
  await post("logout", {});
}

/** Who is logged in. ApiError 401 with `body.nopass` if there is no session. @returns {Promise<Me>} */
export async function me() {
  return (await post("me", {})).json();
}

/** Locks the session to reading, or opens it. @param {boolean} locked @returns {Promise<boolean>} the state now */
export async function lock(locked) {
  return (await (await post("lock", { locked })).json()).locked;
}

/**
 * Runs commands in one pipeline (`atomic`: as one transaction). Error replies are values here.
 * With `conditions`, nothing runs unless each command replies the value given; else `changed` is its index.
 * What is too much for one call is sent in several: the error of one that fails has `replies`, those before it.
 * @param {Cmd[]} cmds @param {Options} [options] @returns {Promise<Batch>}
 */
export async function batch(cmds, options = {}) {
  const { db = 0, atomic = false, conditions, signal } = options;
  /** @type {Batch} */
  const out = { replies: [], us: [], cost: 0 };
  const more = conditions && { if: conditions.map(([cmd, reply]) => [cmd.map(argument), encode(reply)]) };
  for (const part of partsOf(cmds.map((cmd) => cmd.map(argument)), atomic || Boolean(more), more)) {
    if (part.tooLong) {
      out.replies.push(...part.cmds.map(() => new RespError("CONSOLE this is longer than a request of the page may be (1 MiB): use redis-cli")));
      out.us.push(...part.cmds.map(() => 0));
      continue;
    }
    const answer = await post("command", { db, atomic, cmds: part.cmds, ...more }, signal).then((response) => response.json()).catch((error) => {
      throw Object.assign(error, { replies: out.replies });
    });
    if ("changed" in answer) return { ...out, changed: answer.changed, now: decode(answer.now) };
    out.replies.push(...answer.r.map(decode));
    out.us.push(...answer.us);
    out.cost += answer.cost ?? answer.us.reduce((/** @type {number} */ sum, /** @type {number} */ us) => sum + us, 0);
  }
  return out;
}

/**
 * Milliseconds to rest after a step of this cost, so that the page takes 50 ms of a second; HTTP itself is some 100 us.
 * @param {number} cost us of the daemon @param {number} passed ms since the step began
 */
export function restAfter(cost, passed) {
  return Math.max(0, (20 * (cost + 100)) / 1000 - passed);
}

/**
 * The calls that commands need: each within the daemon's limits of number and bytes; a transaction is one call.
 * @param {(string | {b: string})[][]} cmds @param {boolean} whole @param {object} [more] what the body has besides @returns {{cmds: (string | {b: string})[][], tooLong?: boolean}[]}
 */
export function partsOf(cmds, whole, more = {}) {
  if (whole) return [{ cmds, tooLong: lengthOf(JSON.stringify({ cmds, ...more })) > MAX_BYTES }];
  /** @type {{cmds: (string | {b: string})[][], tooLong?: boolean}[]} */
  const parts = [];
  let room = 0;
  for (const cmd of cmds) {
    const size = lengthOf(JSON.stringify(cmd)) + 1;
    const last = parts.at(-1);
    if (size > MAX_BYTES) parts.push({ cmds: [cmd], tooLong: true });
    else if (!last || last.tooLong || last.cmds.length === MAX_COMMANDS || size > room) {
      parts.push({ cmds: [cmd] });
      room = MAX_BYTES - size;
    } else {
      last.cmds.push(cmd);
      room -= size;
    }
  }
  return parts;
}

/**
 * The server's history. `steps` (1, 10, 60 seconds) names the tiers wanted; the others come without rows.
 * @param {number[]} steps @param {AbortSignal} [signal] @returns {Promise<History>}
 */
export async function readHistory(steps, signal) {
  const answer = /** @type {History} */ (await (await post("history", { tiers: steps }, signal)).json());
  return { ...answer, tiers: STEPS.map((step) => answer.tiers.find((tier) => tier.step === step) ?? { step, rows: [], absent: true }) };
}

/** @typedef {{weight: "notice" | "warning" | "critical", code: string, text: string, remedy?: string}} Finding `remedy`: a command, or in words */

/** What the server finds about itself, the worst first. @param {AbortSignal} [signal] @returns {Promise<Finding[]>} */
export async function readFindings(signal) {
  // No tier has this step: the answer is without rows.
  return (await (await post("history", { tiers: [0] }, signal)).json()).findings;
}

/** Seconds between the rows of each tier. */
export const STEPS = [1, 10, 60];

/**
 * Reads the stream until it ends or `signal` aborts. One at a time in a tab (browsers allow few connections).
 * @param {Topic[]} topics @param {{db: number, signal: AbortSignal, on: (event: string, data: any) => void}} options
 */
export async function stream(topics, { db, signal, on }) {
  const response = await post("stream", { topics: topics.map(topicJson), db }, signal);
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const frames = new FrameReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    note(true);
    for (const { event, data } of frames.push(value)) on(event, eventValue(event, JSON.parse(data)));
  }
}

/** @param {Topic} topic */
function topicJson(topic) {
  if (typeof topic === "string") return topic;
  if ("monitor" in topic) {
    const entries = Object.entries(topic.monitor).map(([k, v]) => [k, typeof v === "number" ? v : argument(v)]);
    return { monitor: Object.fromEntries(entries) };
  }
  return Object.fromEntries(Object.entries(topic).map(([kind, names]) => [kind, names.map(argument)]));
}

/** @param {string} event @param {any} data */
function eventValue(event, data) {
  if (event === "message") return { ...data, channel: decode(data.channel), pattern: decode(data.pattern ?? null), message: decode(data.message) };
  if (event === "monitor") return { ...data, user: decode(data.user), cmd: data.cmd.map(decode) };
  return data;
}
