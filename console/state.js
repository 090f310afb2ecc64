/** What all views share: the session, running commands, loading with refresh, the one stream, the history. */

import { createContext, useCallback, useContext, useEffect, useLayoutEffect, useRef, useState } from "./vendor/htm-preact.module.js";
import * as api from "./api.js";
import { nameId } from "./resp.js";
import { overStart, startsOf } from "./stats.js";

/** @typedef {import("./resp.js").Value} Value */
/** @typedef {import("./api.js").Cmd} Cmd */
/** @typedef {import("./api.js").Topic} Topic */
/** @typedef {import("./api.js").Me} Me */
/** @typedef {{title: string, body?: any, confirm: string, danger?: boolean, type?: string}} Question `type`: a word to be typed */
/**
 * @typedef {object} App
 * @property {Me} me
 * @property {boolean} locked
 * @property {number} db
 * @property {(command: string) => boolean} can whether the user's rules permit a command ("memory|stats")
 * @property {(command: string) => boolean} runs whether it would run now: permitted, and the lock lets it pass
 * @property {(cmd: Cmd, options?: api.Options) => Promise<Value>} run one command; throws its error reply
 * @property {(cmds: Cmd[], options?: api.Options) => Promise<api.Batch>} batch several; errors are values
 * @property {(question: Question) => Promise<boolean>} ask
 * @property {(text: string, options?: {kind?: "ok" | "bad", action?: {label: string, run: () => void}}) => void} toast
 * @property {(text: string) => void} announce tells screen readers
 * @property {(locked: boolean) => Promise<void>} setLock
 * @property {() => Promise<boolean>} unlock asks; true if the lock is open afterwards
 */

/** @type {import("./vendor/htm-preact.module.js").Context<App>} */
export const AppContext = createContext(/** @type {App} */ (/** @type {unknown} */ (null)));

/** @returns {App} */
export function useApp() {
  return useContext(AppContext);
}

/** Whether a list of commands has one: itself or, for "config|get", its container. @param {Set<string>} commands @param {string} command */
export function permits(commands, command) {
  return commands.has(command) || commands.has(command.split("|", 1)[0]);
}

/**
 * Data that a view loads, and loads again every so often while the tab is visible. The old data stays while the next
 * is on its way, and beside an error.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load @param {readonly any[]} inputs load again when they change
 * @param {{every?: number}} [options] milliseconds
 * @returns {{data: T | undefined, error: any, loading: boolean, reload: () => void}}
 */
export function useLoad(load, inputs, { every } = {}) {
  const [state, setState] = useState(/** @type {{data: T | undefined, error: any, loading: boolean}} */ ({ data: undefined, error: null, loading: true }));
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  // Not after the next frame, as effects are: what is asked for at once is there one frame sooner.
  useLayoutEffect(() => {
    const abort = new AbortController();
    /** @type {any} */
    let timer = 0;
    const next = async () => {
      if (!document.hidden) {
        try {
          const data = await latest.current(abort.signal);
          if (abort.signal.aborted) return;
          setState({ data, error: null, loading: false });
        } catch (error) {
          if (abort.signal.aborted) return;
          setState((old) => ({ data: old.data, error, loading: false }));
        }
      }
      if (every) timer = setTimeout(next, every);
    };
    setState((old) => ({ ...old, loading: true }));
    next();
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [...inputs, turn, every]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  // What could not be loaded from a server that was away is loaded when it is back.
  useEffect(() => {
    const changed = () => api.silentSince() === null && reload();
    addEventListener("russet-reach", changed);
    return () => removeEventListener("russet-reach", changed);
  }, []);
  return { ...state, reload };
}

/** How often the page looks whether the server is there, milliseconds; it asks only if nothing else has come. */
const LOOK_MS = 1000;

/** Since when the server does not answer, Unix milliseconds; null: it does. */
export function useSilence() {
  const [since, setSince] = useState(api.silentSince());
  useEffect(() => {
    const changed = () => setSince(api.silentSince());
    addEventListener("russet-reach", changed);
    changed();
    return () => removeEventListener("russet-reach", changed);
  }, []);
  return since;
}

/** Looks for the server as long as the page is open. */
export function useWatch() {
  useEffect(() => {
    const timer = setInterval(() => void api.lookForServer(), LOOK_MS);
    return () => clearInterval(timer);
  }, []);
}

/** The one stream of this tab: the topics of all listeners, merged; opened again when they change. */
class Hub {
  constructor() {
    /** @type {Set<{topic: Topic, db: number, on: (event: string, data: any) => void}>} */
    this.listeners = new Set();
    /** @type {AbortController | null} */
    this.open = null;
    this.timer = /** @type {any} */ (0);
    this.wait = 500;
    document.addEventListener("visibilitychange", () => this.changed());
    addEventListener("russet-reach", () => {
      if (api.silentSince() !== null) return;
      this.wait = 500;
      if (!this.open) this.changed();
    });
  }

  /** @param {{topic: Topic, db: number, on: (event: string, data: any) => void}} listener @returns {() => void} ends it */
  listen(listener) {
    this.listeners.add(listener);
    this.changed();
    return () => {
      this.listeners.delete(listener);
      this.changed();
    };
  }

  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.reopen(), 50);
  }

  async reopen() {
    this.open?.abort();
    this.open = null;
    // A tab in the background costs the server nothing.
    if (this.listeners.size === 0 || document.hidden) return;
    const abort = new AbortController();
    this.open = abort;
    const all = [...this.listeners];
    const topics = [...new Map(all.map(({ topic }) => [topicId(topic), topic])).values()];
    const db = all.at(-1)?.db ?? 0;
    try {
      await api.stream(topics, { db, signal: abort.signal, on: (event, data) => this.deliver(event, data) });
    } catch (error) {
      if (abort.signal.aborted) return;
      // A server that is paused will take it later.
      const waits = error instanceof api.ApiError && error.status === 503;
      this.deliver(waits ? "waits" : "broken", { error });
    }
    if (abort.signal.aborted) return;
    // It may have ended with the server.
    void api.lookForServer(true);
    this.timer = setTimeout(() => this.reopen(), this.wait);
    this.wait = Math.min(this.wait * 2, 15_000);
  }

  /** @param {string} event @param {any} data */
  deliver(event, data) {
    if (event !== "broken" && event !== "waits") this.wait = 500;
    for (const { topic, on } of [...this.listeners]) if (concerns(event, topic)) on(event, data);
  }
}

/** @param {string} event @param {Topic} topic */
function concerns(event, topic) {
  if (event === "stats") return topic === "stats";
  if (event === "monitor" || event === "end") return typeof topic === "object" && "monitor" in topic;
  if (event === "message") return typeof topic === "object" && !("monitor" in topic);
  return true;
}

/** @param {Topic} topic */
function topicId(topic) {
  if (typeof topic === "string") return topic;
  return JSON.stringify(topic, (_, v) => (v?.data instanceof Uint8Array ? nameId(v) : v));
}

/** @type {Hub | undefined} */
let hub;

/**
 * Listens to a topic of the stream: `on(event, data)` with stats, message, monitor, dropped, end, waits (it is
 * tried again), broken.
 * Give a topic that is made once (useMemo), or null for none.
 * @param {Topic | null} topic @param {(event: string, data: any) => void} on
 */
export function useTopic(topic, on) {
  const { db } = useApp();
  const latest = useRef(on);
  latest.current = on;
  const id = topic === null ? null : topicId(topic);
  useEffect(() => {
    if (topic === null) return;
    hub ??= new Hub();
    return hub.listen({ topic, db, on: (event, data) => latest.current(event, data) });
  }, [id, db]);
}

/** Rows kept of each tier, as the server keeps them. */
const KEPT = [900, 2160, 2880];

/** The rows of each tier as the page has last shown them: a server that was started anew has only its own. @type {(number | null)[][][]} */
const shown = [[], [], []];

/**
 * The server's history, appended from the stream each second: all tiers, or the last 15 minutes and
 * the coarser `tier` (1: 6 h, 2: 48 h): the whole may be half a megabyte. None for a user without INFO.
 * @param {number} [tier] @returns {{history: api.History | undefined, error: any, live: boolean}}
 */
export function useHistory(tier) {
  const { can } = useApp();
  const may = can("info");
  const [turn, setTurn] = useState(0);
  const { data, error } = useLoad(async (signal) => (may ? api.readHistory(tier === undefined ? api.STEPS : [...new Set([1, api.STEPS[tier]])], signal) : undefined), [turn, tier, may], { every: 600_000 });
  const [rows, setRows] = useState(/** @type {(number | null)[][]} */ ([]));
  const [live, setLive] = useState(true);
  useTopic(may ? "stats" : null, (event, row) => {
    if (event === "broken" || event === "waits") {
      setLive(false);
      return;
    }
    if (event !== "stats") return;
    // After a gap the server knows what was missed.
    if (!live) setTurn((n) => n + 1);
    setLive(true);
    setRows((old) => [...old, row].slice(-KEPT[0]));
  });
  return { history: data && withRows(data, rows), error, live };
}

/** A history with the rows that the stream has brought since. @param {api.History} history @param {(number | null)[][]} rows @returns {api.History} */
export function withRows(history, rows) {
  const time = history.fields.indexOf("time");
  const tiers = history.tiers.map(({ step, rows: old, absent }, i) => {
    const last = old.at(-1)?.[time] ?? 0;
    const fresh = rows.filter((row) => (row[time] ?? 0) >= last + step * 1000 * (i === 0 ? 0.5 : 1));
    if (absent) return { step, rows: old };
    // Coarser tiers take the first second of each step: their means come with the next load.
    let edge = last;
    const taken = i === 0 ? fresh : fresh.filter((row) => (row[time] ?? 0) >= edge + step * 1000 && ((edge = row[time] ?? 0), true));
    return { step, rows: [...old, ...taken].slice(-KEPT[i]) };
  });
  return { ...history, tiers: tiers.map(behindStart(history.fields, tiers[0].rows.at(-1)?.[time] ?? history.now)) };
}

/** Puts the rows from before a start before those of it; none is older than its tier's span. @param {string[]} fields @param {number} now */
function behindStart(fields, now) {
  const at = { time: fields.indexOf("time"), uptime: fields.indexOf("uptime") };
  return (/** @type {api.History["tiers"][0]} */ { step, rows: own }, /** @type {number} */ i) => {
    const isKept = (/** @type {(number | null)[]} */ row) => Number(row[at.time]) > now - KEPT[i] * step * 1000;
    const rows = overStart(shown[i].filter(isKept), own.filter(isKept), at).slice(-KEPT[i]);
    if (rows.length > 0) shown[i] = rows;
    return { step, rows };
  };
}

/**
 * Since when a tier has figures, while its span is longer: Unix milliseconds, and whether the server began then (or
 * got its port for the console later). @param {api.History} history @param {number} tier
 * @returns {{at: number, isStart: boolean} | null}
 */
export function beginOf(history, tier) {
  const { step, rows } = history.tiers[tier];
  if (rows.length === 0) return null;
  const [at, uptime] = ["time", "uptime"].map((field) => rows[0][history.fields.indexOf(field)] ?? NaN);
  const last = rows.at(-1)?.[history.fields.indexOf("time")] ?? NaN;
  // Rows come a little late: those of a span are some fewer than its steps.
  if (rows.length >= KEPT[tier] || last - at > 0.99 * KEPT[tier] * step * 1000) return null;
  return { at, isStart: startsOf([at], [uptime], step).length > 0 };
}

/** One column of a tier, null where unknown. @param {api.History} history @param {number} tier @param {string} field @returns {(number | null)[]} */
export function column(history, tier, field) {
  const at = history.fields.indexOf(field);
  return history.tiers[tier].rows.map((row) => (at < 0 ? null : (row[at] ?? null)));
}

/** A value that follows `value` after it was still for `ms`. @template T @param {T} value @param {number} ms @returns {T} */
export function useSettled(value, ms) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

/** Keeps a choice of this browser; never data of the server. @param {string} key @param {string} initial @returns {[string, (value: string) => void]} */
export function useChoice(key, initial) {
  const [value, setValue] = useState(() => localStorage.getItem(`russet.${key}`) ?? initial);
  return [
    value,
    (next) => {
      localStorage.setItem(`russet.${key}`, next);
      setValue(next);
    },
  ];
}
