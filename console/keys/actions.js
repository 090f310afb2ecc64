/** What changes keys: each asks for the lock first, and saves only over what was shown. */

import { html, useMemo, useRef, useState } from "../vendor/htm-preact.module.js";
import { bytes, count, plural, printable } from "../format.js";
import * as glob from "../glob.js";
import { partsOf } from "../api.js";
import { RespError, argument, numberOf } from "../resp.js";
import { useApp } from "../state.js";
import { Dialog } from "../parts/dialog.js";
import { Button, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";
import { ValueField } from "./formats.js";
import { typeName } from "./typename.js";
import { addVector } from "./vectors.js";
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

/** What taking back a deletion needs besides the deletion. */
const UNDO_NEEDS = ["dump", "pexpiretime", "restore"];

/** Bytes of a key up to which its deletion can be taken back: its dump crosses the wire twice, and is one command of a call. */
const UNDO_KEY_BYTES = 512 * 1024;

/** The command that brings a key back, or null: it was not read, or its dump is too long for a call. @param {Name} key @param {any} dump @param {any} until replies of DUMP and PEXPIRETIME @returns {Cmd | null} */
function restoring(key, dump, until) {
  if (dump === null || dump instanceof RespError || until instanceof RespError) return null;
  const cmd = /** @type {Cmd} */ (["RESTORE", key, Math.max(0, numberOf(until)), dump, "ABSTTL"]);
  return partsOf([cmd.map(argument)], false)[0].tooLong ? null : cmd;
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
    const undo = UNDO_NEEDS.every(can);
    const before = undo ? (await batch([["MEMORY", "USAGE", key]])).replies[0] : 0;
    const small = undo && typeof before === "number" && before <= UNDO_KEY_BYTES;
    const cmds = /** @type {Cmd[]} */ ([...(small ? [["DUMP", key], ["PEXPIRETIME", key]] : []), ["UNLINK", key]]);
    const { replies } = await batch(cmds, { atomic: true });
    const last = replies.at(-1);
    if (last instanceof RespError) throw last;
    const back = small ? restoring(key, replies[0], replies[1]) : null;
    const restore = async () => {
      const result = await batch([/** @type {Cmd} */ (back)]).then(({ replies: [reply] }) => reply, (failure) => failure);
      toast(result instanceof Error ? errorText(result) : `${printable(key, 40)} is back.`, { kind: result instanceof Error ? "bad" : "ok" });
      done();
    };
    toast(`Deleted ${printable(key, 60)}.`, back ? { action: { label: "Undo", run: restore } } : {});
    done();
  }
}

/** A form of values in a dialog; what is typed stays when the fields change. @param {{title: string, fields: {id: string, label: string, value: Name, fixed?: boolean, rows?: number, line?: boolean}[], note?: any, action?: string, onSave: (values: Record<string, Name>) => Promise<boolean>, onClose: () => void}} props */
export function EditDialog({ title, fields, note, action = "Save", onSave, onClose }) {
  const values = useRef(/** @type {Record<string, Name | null>} */ ({}));
  for (const { id, value } of fields) if (!(id in values.current)) values.current[id] = value;
  const [, again] = useState(0);
  const valid = fields.every(({ id }) => values.current[id] !== null);
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
          : html`<${ValueField} key=${id} label=${label} value=${values.current[id] ?? value} rows=${rows} onChange=${(/** @type {Name | null} */ v) => set(id, v)} />`,
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
  array: { fields: [["value", "Value", ""], ["index", "Index", "0"]], cmd: (key, v) => ["ARSET", key, v.index, v.value] },
  "ReJSON-RL": { fields: [["value", "Value, as JSON", "{}"]], cmd: (key, v) => ["JSON.SET", key, "$", v.value, "NX"] },
  vectorset: { fields: [["value", "First element", ""], ["vector", "Vector, e.g. 0.1 -2 3", ""]], cmd: (key, v) => addVector(key, v) },
};

/** @param {{start: string, onClose: () => void, onDone: (key: Name) => void}} props */
export function NewKey({ start, onClose, onDone }) {
  const [type, setType] = useState("string");
  const [seconds, setSeconds] = useState("");
  const change = useChange();
  const { fields } = NEW[type];
  const own = (/** @type {string} */ id) => `${type} ${id}`;
  const save = async (/** @type {Record<string, Name>} */ v) => {
    const first = Object.fromEntries(fields.map(([id]) => [id, v[own(id)]]));
    const cmds = /** @type {Cmd[]} */ ([NEW[type].cmd(v.key, first), ...(seconds ? [["EXPIRE", v.key, seconds]] : [])]);
    const done = await change({ what: `Created ${printable(v.key, 60)}.`, cmds, conditions: [[["EXISTS", v.key], 0]] });
    if (done) onDone(v.key);
    return done !== null;
  };
  return html`<${EditDialog} title="New key" action="Create" onClose=${onClose} onSave=${save}
    fields=${[{ id: "key", label: "Key", value: start, rows: 1 }, ...fields.map(([id, label, value]) => ({ id: own(id), label, value, rows: id === "value" ? 4 : 1, line: /^(score|index|vector)$/.test(id) }))]}
    note=${html`<span class="inline-fields"><label class="field"><span>Type</span><select value=${type} onChange=${(/** @type {any} */ e) => setType(e.target.value)}>${Object.keys(NEW).map((one) => html`<option value=${one}>${typeName(one)}</option>`)}</select></label>
      <label class="field"><span>Expires after (seconds, empty: never)</span><input inputmode="numeric" value=${seconds} onInput=${(/** @type {any} */ e) => setSeconds(e.target.value.replace(/\D/g, ""))} /></label></span>`} />`;
}

const MAX_NAMES = 200_000;
/** Keys of a call that deletes: with what takes it back three commands each, of the 512 that a call may have. */
const UNLINK_BATCH = 170;
/** Bytes of keys whose deletion can be taken back: the page keeps their dumps while the dialog stands. */
const UNDO_BYTES = 4 << 20;

/** Bulk delete: first a walk that counts, then exactly those keys. @param {{match: Name, type: string, onClose: () => void, onDone: () => void}} props */
export function BulkDelete({ match, type, onClose, onDone }) {
  const { batch, unlock, announce, toast, db, can } = useApp();
  const dumps = useRef(/** @type {Cmd[]} */ ([]));
  const [pattern, setPattern] = useState(match);
  /** `bytes`, `largest`: NaN if one key's is unknown; `lost`: keys deleted that cannot be brought back though others can. */
  const [state, setState] = useState(/** @type {{stage: "ask" | "counting" | "counted" | "deleting" | "done", keys: Name[], bytes: number, largest: number, seen: number, gone: number, lost: number, whole: boolean, error?: string}} */ ({ stage: "ask", keys: [], bytes: 0, largest: 0, seen: 0, gone: 0, lost: 0, whole: true }));
  const stop = useRef(/** @type {AbortController | null} */ (null));
  const target = useMemo(() => glob.fromFilter(pattern), [pattern]);
  const put = (/** @type {any} */ part) => setState((old) => ({ ...old, ...part }));

  const dryRun = async () => {
    const { signal } = (stop.current = new AbortController());
    put({ stage: "counting", keys: [], bytes: 0, largest: 0, seen: 0, error: undefined });
    let walk = newWalk();
    let [total, largest, measured] = [0, 0, 0];
    try {
      while (!walk.done && !signal.aborted && walk.keys.length < MAX_NAMES) {
        walk = await goOn(walk, { batch, match: target, type: type || undefined, want: 2000, ms: 500, signal });
        const began = performance.now();
        const fresh = walk.keys.slice(measured);
        const { replies, cost } = await batch(fresh.map(({ name }) => ["MEMORY", "USAGE", name]), { signal });
        await rest(cost, began);
        for (const reply of replies) {
          // null: it went away meanwhile.
          const size = reply === null ? 0 : numberOf(reply);
          total += size;
          largest = Math.max(largest, size);
        }
        measured = walk.keys.length;
        put({ keys: walk.keys.map(({ name }) => name), bytes: total, largest, seen: walk.seen });
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
    put({ stage: "deleting", gone: 0, error: undefined });
    let gone = 0;
    const undo = state.bytes <= UNDO_BYTES && state.largest <= UNDO_KEY_BYTES && UNDO_NEEDS.every(can);
    // What is done to each key, the last of it its removal.
    const removal = (/** @type {Name} */ key) => /** @type {Cmd[]} */ ([...(undo ? [["DUMP", key], ["PEXPIRETIME", key]] : []), ["UNLINK", key]]);
    const step = removal("").length;
    dumps.current = [];
    for (let at = 0; at < state.keys.length && !signal.aborted; at += UNLINK_BATCH) {
      // One key each: keys of a node of a cluster are in different slots.
      const began = performance.now();
      const keys = state.keys.slice(at, at + UNLINK_BATCH);
      const { replies, cost, failure } = await asFarAsItGoes(keys.flatMap(removal));
      const removed = keys.map((_, i) => replies[(i + 1) * step - 1]);
      removed.forEach((reply, i) => {
        if (reply !== 1) return;
        gone += 1;
        const back = undo && restoring(keys[i], replies[i * step], replies[i * step + 1]);
        if (back) dumps.current.push(back);
      });
      put({ gone });
      const error = failure ?? removed.find((reply) => reply instanceof RespError);
      if (error) {
        put({ error: errorText(error) });
        break;
      }
      await rest(cost, began);
    }
    put({ stage: "done", gone, lost: undo ? gone - dumps.current.length : 0 });
    announce(`Deleted ${plural(gone, "key")}.`);
    onDone();
  };
  const restore = async () => {
    const cmds = dumps.current;
    if (cmds.length === 0 || !(await unlock())) return;
    dumps.current = [];
    const { replies, failure } = await asFarAsItGoes(cmds);
    const error = failure ?? replies.find((reply) => reply instanceof RespError);
    // A name that another client has given anew stays its own; whatever else failed can be tried again.
    dumps.current = cmds.filter((_, i) => i >= replies.length || (replies[i] instanceof RespError && !/^BUSYKEY/.test(replies[i].message)));
    const back = replies.filter((reply) => !(reply instanceof RespError)).length;
    put(dumps.current.length > 0 ? { error: errorText(error) } : { stage: "ask", keys: [], error: error && errorText(error) });
    toast(`${plural(back, "key")} brought back${back < cmds.length ? `, ${count(cmds.length - back)} not` : ""}.`, { kind: error ? "bad" : "ok" });
    onDone();
  };
  /** Runs commands; of a call that fails the replies before it. @param {Cmd[]} cmds @returns {Promise<{replies: any[], cost: number, failure?: any}>} */
  const asFarAsItGoes = (cmds) => batch(cmds).catch((failure) => ({ replies: failure.replies ?? [], cost: 0, failure }));
  const { stage, keys } = state;
  const busy = stage === "counting" || stage === "deleting";
  const close = () => {
    stop.current?.abort();
    onClose();
  };
  const actions = busy
    ? html`<${Button} icon="stop" onClick=${() => stop.current?.abort()}>Stop<//>`
    : html`<${Button} onClick=${close}>Close<//>
      ${stage === "done" && dumps.current.length > 0 && html`<${Button} onClick=${restore}>${state.lost ? `Undo for ${plural(dumps.current.length, "key")}` : "Undo"}<//>`}
      ${stage !== "done" && html`<${Button} onClick=${dryRun}>${stage === "ask" ? "Count what would be deleted" : "Count again"}<//>`}
      ${stage === "counted" && keys.length > 0 && html`<${Button} kind="danger" onClick=${remove}>Delete ${plural(keys.length, "key")}<//>`}`;
  return html`<${Dialog} title="Delete keys by pattern" onClose=${close} actions=${actions}>
    <label class="field"><span>Pattern, in database ${db}${type ? `, keys of type ${typeName(type)}` : ""}</span><input value=${typeof pattern === "string" ? pattern : printable(pattern)} disabled=${busy} spellcheck=${false}
      onInput=${(/** @type {any} */ e) => { setPattern(e.target.value); put({ stage: "ask", keys: [] }); }} /></label>
    <p class="soft">First a dry run counts; then exactly the keys that were counted are deleted by UNLINK, ${UNLINK_BATCH} at a time. It can be stopped at any time.</p>
    ${stage !== "ask" && html`<dl class="facts">
      <dt>Found</dt><dd>${plural(keys.length, "key")}, ${bytes(state.bytes)}${stage === "counting" ? html` <span class="soft">(${count(state.seen)} looked at)</span>` : ""}</dd>
      ${keys.length > 0 && html`<dt>For example</dt><dd><code>${keys.slice(0, 5).map((key) => printable(key, 40)).join("  ")}</code></dd>`}
      ${(stage === "deleting" || stage === "done") && html`<dt>Deleted</dt><dd>${count(state.gone)} of ${count(keys.length)}</dd>`}</dl>`}
    ${busy && html`<progress aria-label="Progress" max=${keys.length || 1} value=${stage === "deleting" ? state.gone : undefined}></progress>`}
    ${stage === "counted" && !state.whole && html`<${Note} tone="warn">The count was stopped before its end: there may be more.<//>`}
    ${stage === "done" && state.lost > 0 && html`<${Note} tone="warn">${plural(state.lost, "key")} cannot be brought back: too large, or not to be read.<//>`}
    ${state.error && html`<${Note} tone="bad">${state.error}<//>`}
  <//>`;
}
