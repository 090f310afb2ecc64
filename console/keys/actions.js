/** What changes keys: each asks for the lock first, and saves only over what was shown. */

import { html, useMemo, useRef, useState } from "../vendor/htm-preact.module.js";
import { bytes, count, plural, printable } from "../format.js";
import * as glob from "../glob.js";
import { RespError, numberOf } from "../resp.js";
import { useApp } from "../state.js";
import { Dialog } from "../parts/dialog.js";
import { Button, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";
import { ValueField } from "./formats.js";
import { goOn, newWalk, rest } from "./walk.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {import("../api.js").Cmd} Cmd */

/** @typedef {{what: string, cmds: Cmd[], conditions?: [Cmd, any][], nothing?: (replies: any[]) => string | false | undefined}} Change `nothing`: why the replies say that nothing was done */

/** Runs a change: opens the lock, checks what was shown, says what happened. @returns {(change: Change) => Promise<any[] | null>} null: not done */
export function useChange() {
  const { batch, unlock, toast } = useApp();
  return async ({ what, cmds, conditions, nothing }) => {
    if (!(await unlock())) return null;
    try {
      const { replies, changed } = await batch(cmds, { atomic: cmds.length > 1 || Boolean(conditions), conditions });
      if (changed !== undefined) {
        toast("Not saved: the value has changed since it was shown. It is shown anew.", { kind: "bad" });
        return null;
      }
      const error = replies.find((reply) => reply instanceof RespError);
      if (error) throw error;
      const why = nothing?.(replies);
      if (why) {
        toast(why, { kind: "bad" });
        return null;
      }
      toast(what);
      return replies;
    } catch (error) {
      toast(errorText(error), { kind: "bad" });
      return null;
    }
  };
}

/** A time to live as it was typed: 0 and less would delete at once. Throws on anything else. @param {Name} text */
export function seconds(text) {
  if (typeof text !== "string" || !/^\s*[1-9]\d*\s*$/.test(text)) throw new RangeError("Seconds are a whole number from 1 on; empty: it never expires.");
  return text.trim();
}

/** Deletes a key; it can be taken back while the message stands. @returns {(key: Name, done: () => void) => Promise<void>} */
export function useDelete() {
  const { batch, unlock, toast, can } = useApp();
  return async (key, done) => {
    if (!(await unlock())) return;
    try {
      await removal(key, done);
    } catch (error) {
      toast(errorText(error), { kind: "bad" });
    }
  };
  /** @param {Name} key @param {() => void} done */
  async function removal(key, done) {
    const undo = can("dump") && can("restore");
    const before = undo ? (await batch([["MEMORY", "USAGE", key]])).replies[0] : 0;
    // A dump of a large value would cross the wire twice.
    const small = typeof before === "number" && before < 512 * 1024;
    const cmds = /** @type {Cmd[]} */ ([...(undo && small ? [["DUMP", key], ["PEXPIRETIME", key]] : []), ["UNLINK", key]]);
    const { replies } = await batch(cmds, { atomic: true });
    const last = replies.at(-1);
    if (last instanceof RespError) throw last;
    const [dump, until] = replies;
    const restore = async () => {
      const expiry = /** @type {Cmd} */ (until > 0 ? [until, dump, "ABSTTL"] : [0, dump]);
      const result = (await batch([["RESTORE", key, ...expiry]])).replies[0];
      toast(result instanceof RespError ? result.text : `${printable(key, 40)} is back.`, { kind: result instanceof RespError ? "bad" : "ok" });
      done();
    };
    toast(`Deleted ${printable(key, 60)}.`, undo && small && dump !== null ? { action: { label: "Undo", run: restore } } : {});
    done();
  }
}

/** A form of values in a dialog. @param {{title: string, fields: {id: string, label: string, value: Name, fixed?: boolean, rows?: number, line?: boolean}[], note?: any, action?: string, onSave: (values: Record<string, Name>) => Promise<boolean>, onClose: () => void}} props */
export function EditDialog({ title, fields, note, action = "Save", onSave, onClose }) {
  const values = useRef(/** @type {Record<string, Name | null>} */ (Object.fromEntries(fields.map(({ id, value }) => [id, value]))));
  const [, again] = useState(0);
  const valid = Object.values(values.current).every((value) => value !== null);
  /** @param {string} id @param {Name | null} value */
  const set = (id, value) => {
    values.current[id] = value;
    again((n) => n + 1);
  };
  const [wrong, setWrong] = useState("");
  const save = async () => {
    try {
      setWrong("");
      if (valid && (await onSave(/** @type {Record<string, Name>} */ (values.current)))) onClose();
    } catch (error) {
      setWrong(/** @type {Error} */ (error).message);
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose} onSubmit=${save} actions=${html`<${Button} onClick=${onClose}>Cancel<//><${Button} kind="primary" type="submit" disabled=${!valid}>${action}<//>`}>
    ${fields.map(({ id, label, value, fixed, rows, line }) =>
      fixed
        ? html`<div class="field" key=${id}><span>${label}</span><code>${printable(value)}</code></div>`
        : line
          ? html`<label class="field" key=${id}><span>${label}</span><input value=${String(values.current[id] ?? "")} spellcheck=${false} autocomplete="off" onInput=${(/** @type {any} */ e) => set(id, e.target.value)} /></label>`
          : html`<${ValueField} key=${id} label=${label} value=${value} rows=${rows} onChange=${(/** @type {Name | null} */ v) => set(id, v)} />`,
    )}
    ${note && html`<p class="soft">${note}</p>`}
    ${wrong && html`<${Note} tone="bad">${wrong}<//>`}
  <//>`;
}

/** The first element of each type that can be added. @type {Record<string, {fields: [string, string, string][], cmd: (key: Name, v: Record<string, Name>) => Cmd}>} */
const NEW = {
  string: { fields: [["value", "Value", ""]], cmd: (key, v) => ["SET", key, v.value, "NX"] },
  hash: { fields: [["field", "Field", ""], ["value", "Value", ""]], cmd: (key, v) => ["HSET", key, v.field, v.value] },
  list: { fields: [["value", "First element", ""]], cmd: (key, v) => ["RPUSH", key, v.value] },
  set: { fields: [["value", "First member", ""]], cmd: (key, v) => ["SADD", key, v.value] },
  zset: { fields: [["value", "First member", ""], ["score", "Score", "0"]], cmd: (key, v) => ["ZADD", key, v.score, v.value] },
  stream: { fields: [["field", "Field", ""], ["value", "Value", ""]], cmd: (key, v) => ["XADD", key, "*", v.field, v.value] },
};

/** @param {{start: string, onClose: () => void, onDone: (key: Name) => void}} props */
export function NewKey({ start, onClose, onDone }) {
  const [type, setType] = useState("string");
  const [seconds, setSeconds] = useState("");
  const change = useChange();
  const { fields } = NEW[type];
  const save = async (/** @type {Record<string, Name>} */ v) => {
    const cmds = /** @type {Cmd[]} */ ([NEW[type].cmd(v.key, v), ...(seconds ? [["EXPIRE", v.key, seconds]] : [])]);
    const done = await change({ what: `Created ${printable(v.key, 60)}.`, cmds, conditions: [[["EXISTS", v.key], 0]] });
    if (done) onDone(v.key);
    return done !== null;
  };
  return html`<${EditDialog} key=${type} title="New key" action="Create" onClose=${onClose} onSave=${save}
    fields=${[{ id: "key", label: "Key", value: start, rows: 1 }, ...fields.map(([id, label, value]) => ({ id, label, value, rows: id === "value" ? 4 : 1, line: id === "score" }))]}
    note=${html`<span class="inline-fields"><label class="field"><span>Type</span><select value=${type} onChange=${(/** @type {any} */ e) => setType(e.target.value)}>${Object.keys(NEW).map((one) => html`<option value=${one}>${one}</option>`)}</select></label>
      <label class="field"><span>Expires after (seconds, empty: never)</span><input inputmode="numeric" value=${seconds} onInput=${(/** @type {any} */ e) => setSeconds(e.target.value.replace(/\D/g, ""))} /></label></span>`} />`;
}

const MAX_NAMES = 200_000;
const UNLINK_BATCH = 200;

/** Bulk delete: first a walk that counts, then exactly those keys. @param {{match: Name, type: string, onClose: () => void, onDone: () => void}} props */
export function BulkDelete({ match, type, onClose, onDone }) {
  const { batch, unlock, announce, db } = useApp();
  const [pattern, setPattern] = useState(match);
  const [state, setState] = useState(/** @type {{stage: "ask" | "counting" | "counted" | "deleting" | "done", keys: Name[], bytes: number, seen: number, gone: number, whole: boolean, error?: string}} */ ({ stage: "ask", keys: [], bytes: 0, seen: 0, gone: 0, whole: true }));
  const stop = useRef(/** @type {AbortController | null} */ (null));
  const target = useMemo(() => glob.fromFilter(pattern), [pattern]);
  const put = (/** @type {any} */ part) => setState((old) => ({ ...old, ...part }));

  const dryRun = async () => {
    const { signal } = (stop.current = new AbortController());
    put({ stage: "counting", keys: [], bytes: 0, seen: 0, error: undefined });
    let walk = newWalk();
    let [total, measured] = [0, 0];
    try {
      while (!walk.done && !signal.aborted && walk.keys.length < MAX_NAMES) {
        walk = await goOn(walk, { batch, match: target, type: type || undefined, want: 2000, ms: 500, signal });
        const began = performance.now();
        const fresh = walk.keys.slice(measured);
        const { replies, cost } = await batch(fresh.map(({ name }) => ["MEMORY", "USAGE", name]), { signal });
        await rest(cost, began);
        total += replies.reduce((sum, reply) => sum + (numberOf(reply) || 0), 0);
        measured = walk.keys.length;
        put({ keys: walk.keys.map(({ name }) => name), bytes: total, seen: walk.seen });
      }
    } catch (error) {
      if (!signal.aborted) put({ error: errorText(error) });
    }
    put({ stage: "counted", whole: walk.done });
    announce(`Counted ${plural(walk.keys.length, "key")}, ${bytes(total)}.`);
  };
  const remove = async () => {
    if (!(await unlock())) return;
    const { signal } = (stop.current = new AbortController());
    put({ stage: "deleting", gone: 0 });
    let gone = 0;
    for (let at = 0; at < state.keys.length && !signal.aborted; at += UNLINK_BATCH) {
      try {
        // One key each: keys of a node of a cluster are in different slots.
        const began = performance.now();
        const { replies, cost } = await batch(state.keys.slice(at, at + UNLINK_BATCH).map((key) => ["UNLINK", key]));
        gone += replies.reduce((sum, reply) => sum + (numberOf(reply) || 0), 0);
        const error = replies.find((reply) => reply instanceof RespError);
        if (error) throw error;
        put({ gone });
        await rest(cost, began);
      } catch (error) {
        put({ error: errorText(error) });
        break;
      }
    }
    put({ stage: "done", gone });
    announce(`Deleted ${plural(gone, "key")}.`);
    onDone();
  };
  const { stage, keys } = state;
  const busy = stage === "counting" || stage === "deleting";
  const close = () => {
    stop.current?.abort();
    onClose();
  };
  const actions = busy
    ? html`<${Button} icon="stop" onClick=${() => stop.current?.abort()}>Stop<//>`
    : html`<${Button} onClick=${close}>Close<//>
      ${stage !== "done" && html`<${Button} onClick=${dryRun}>${stage === "ask" ? "Count what would be deleted" : "Count again"}<//>`}
      ${stage === "counted" && keys.length > 0 && html`<${Button} kind="danger" onClick=${remove}>Delete ${plural(keys.length, "key")}<//>`}`;
  return html`<${Dialog} title="Delete keys by pattern" onClose=${close} actions=${actions}>
    <label class="field"><span>Pattern, in database ${db}${type ? `, keys of type ${type}` : ""}</span><input value=${typeof pattern === "string" ? pattern : printable(pattern)} disabled=${busy} spellcheck=${false}
      onInput=${(/** @type {any} */ e) => { setPattern(e.target.value); put({ stage: "ask", keys: [] }); }} /></label>
    <p class="soft">First a dry run counts; then exactly the keys that were counted are deleted by UNLINK, ${UNLINK_BATCH} at a time. It can be stopped at any time.</p>
    ${stage !== "ask" && html`<dl class="facts">
      <dt>Found</dt><dd>${plural(keys.length, "key")}, ${bytes(state.bytes)}${stage === "counting" ? html` <span class="soft">(${count(state.seen)} looked at)</span>` : ""}</dd>
      ${keys.length > 0 && html`<dt>For example</dt><dd><code>${keys.slice(0, 5).map((key) => printable(key, 40)).join("  ")}</code></dd>`}
      ${(stage === "deleting" || stage === "done") && html`<dt>Deleted</dt><dd>${count(state.gone)} of ${count(keys.length)}</dd>`}</dl>`}
    ${busy && html`<progress aria-label="Progress" max=${keys.length || 1} value=${stage === "deleting" ? state.gone : undefined}></progress>`}
    ${stage === "counted" && !state.whole && html`<${Note} tone="warn">The count was stopped before its end: there may be more.<//>`}
    ${state.error && html`<${Note} tone="bad">${state.error}<//>`}
  <//>`;
}
