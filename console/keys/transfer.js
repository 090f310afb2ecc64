/** Keys to a file of commands, and a file of commands to the server. */

import { html, useRef, useState } from "../vendor/htm-preact.module.js";
import { commandsOf } from "../commandfile.js";
import { danger, isSecret } from "../commanddocs.js";
import { bytes, commandLine, count, plural, printable } from "../format.js";
import * as glob from "../glob.js";
import { RespError, lengthOf, textOf } from "../resp.js";
import { useApp } from "../state.js";
import { Dialog } from "../parts/dialog.js";
import { saveFile } from "../parts/file.js";
import { TextField } from "../parts/load.js";
import { Button, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";
import { commandsOfKey } from "./export.js";
import { typeName } from "./typename.js";
import { goOn, newWalk, rest } from "./walk.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {import("../commandfile.js").Item} Item */

/** Bytes of a file that the page keeps. */
const FILE_BYTES = 128 << 20;

/** Commands, and bytes of them, of a call of an import. */
const [CALL, CALL_BYTES] = [200, 500_000];

/** Milliseconds for which the check of a file may hold the page up. */
const BLOCK_MS = 30;

/** Faults and errors that are shown. */
const SHOWN = 20;

/** @param {{match: Name, type: string, onClose: () => void}} props */
export function ExportKeys({ match, type, onClose }) {
  const { batch, db, announce } = useApp();
  const [pattern, setPattern] = useState(match);
  const [replace, setReplace] = useState(true);
  const [state, setState] = useState({ stage: /** @type {"ask" | "busy" | "done"} */ ("ask"), keys: 0, bytes: 0, error: "", cut: "" });
  const stop = useRef(/** @type {AbortController | null} */ (null));
  const close = () => {
    stop.current?.abort();
    onClose();
  };
  const write = async () => {
    if (state.stage === "busy") return;
    const { signal } = (stop.current = new AbortController());
    /** @type {string[]} */
    const parts = [`# Keys ${commandLine([glob.fromFilter(pattern)])} of database ${db}, ${new Date().toISOString()}\n`];
    let [keys, size, cut, error] = [0, 0, "", ""];
    const put = (/** @type {"busy" | "done"} */ stage) => setState({ stage, keys, bytes: size, error, cut });
    put("busy");
    try {
      let walk = newWalk();
      let written = 0;
      while (!walk.done || written < walk.keys.length) {
        if (written === walk.keys.length) walk = await goOn(walk, { batch, match: glob.fromFilter(pattern), type: type || undefined, want: 500, ms: 1000, signal });
        if (signal.aborted) break;
        for (; written < walk.keys.length && !signal.aborted; written += 1) {
          for await (const cmds of commandsOfKey(batch, walk.keys[written].name, { replace, signal })) {
            const text = cmds.map((cmd) => `${commandLine(/** @type {Name[]} */ (cmd))}\n`).join("");
            parts.push(text);
            size += lengthOf(text);
          }
          keys += 1;
          if (size > FILE_BYTES) break;
          if (keys % 20 === 0) put("busy");
        }
        if (size > FILE_BYTES) {
          cut = `The file has ${bytes(size)}, as much as the page keeps: there may be more keys. A pattern of fewer keys, or redis-cli --rdb, has them.`;
          break;
        }
      }
    } catch (failure) {
      if (!signal.aborted) error = errorText(failure);
    }
    if (signal.aborted) cut = "Stopped before the end: there may be more keys.";
    put("done");
    // Nothing is saved that looks whole and is not.
    if (!error && !signal.aborted) saveFile(parts, `russet-db${db}-${printable(pattern, 40).replace(/[^\w.-]+/g, "_") || "keys"}.txt`);
    announce(`Exported ${plural(keys, "key")}.`);
  };
  const { stage } = state;
  return html`<${Dialog} title="Export keys" onClose=${close} onSubmit=${write} actions=${stage === "busy" ? html`<${Button} icon="stop" onClick=${() => stop.current?.abort()}>Stop<//>` : html`<${Button} onClick=${close}>Close<//><${Button} kind="primary" type="submit">Export<//>`}>
    <${TextField} label=${`Pattern, in database ${db}${type ? `, keys of type ${typeName(type)}` : ""}`} value=${typeof pattern === "string" ? pattern : printable(pattern)} disabled=${stage === "busy"} onInput=${setPattern} />
    <label class="check"><input type="checkbox" checked=${replace} disabled=${stage === "busy"} onChange=${(/** @type {any} */ e) => setReplace(e.target.checked)} /> Each key begins with UNLINK, so that an import replaces it</label>
    <p class="soft">A file of commands that write the keys again, as redis-cli and the import here take them: with expiries, also of fields; streams with their groups, without what waits in them; types without commands of parts as DUMP. Keys are read one after the other: what changes meanwhile may be in it or not.</p>
    ${stage !== "ask" && html`<p role="status">${plural(state.keys, "key")}, ${bytes(state.bytes)}${stage === "done" ? (state.error || state.cut.startsWith("Stopped") ? "; no file was saved." : ". The file is saved.") : " so far"}</p>`}
    ${stage === "busy" && html`<progress aria-label="Progress"></progress>`}
    ${state.cut && html`<${Note} tone="warn">${state.cut}<//>`}
    ${state.error && html`<${Note} tone="bad">${state.error}<//>`}
  <//>`;
}

/** @typedef {{name: string, data: Uint8Array, n: number, faults: Item[], dangers: string[], head: string[]}} Checked */

/** @param {{onClose: () => void, onDone: () => void}} props */
export function ImportCommands({ onClose, onDone }) {
  const { batch, db, unlock, announce } = useApp();
  const [file, setFile] = useState(/** @type {Checked | null} */ (null));
  const [wrong, setWrong] = useState("");
  const [goes, setGoes] = useState(false);
  const [state, setState] = useState({ stage: /** @type {"ask" | "busy" | "done"} */ ("ask"), ran: 0, failed: 0, errors: /** @type {string[]} */ ([]), end: "" });
  const stop = useRef(/** @type {AbortController | null} */ (null));
  const close = () => {
    stop.current?.abort();
    onClose();
  };
  const choose = async (/** @type {any} */ event) => {
    const chosen = event.target.files[0];
    setFile(null);
    setWrong("");
    setState({ stage: "ask", ran: 0, failed: 0, errors: [], end: "" });
    if (!chosen) return;
    if (chosen.size > FILE_BYTES) return setWrong(`The file has ${bytes(chosen.size)}, more than the page reads (${bytes(FILE_BYTES)}): use redis-cli --pipe.`);
    try {
      setFile(await check(chosen.name, new Uint8Array(await chosen.arrayBuffer())));
    } catch (failure) {
      setWrong(errorText(failure));
    }
  };
  const execute = async () => {
    if (!file || file.n === 0 || file.faults.length > 0 || state.stage === "busy" || !(await unlock())) return;
    const { signal } = (stop.current = new AbortController());
    let [ran, failed, end, at] = [0, 0, "", db];
    /** @type {string[]} */
    const errors = [];
    const put = (/** @type {"busy" | "done"} */ stage) => setState({ stage, ran, failed, errors: errors.slice(0, SHOWN), end });
    /** @param {Item[]} items */
    const send = async (items) => {
      const began = performance.now();
      const { replies, cost } = await batch(items.map(({ args }) => args), { db: at, signal });
      replies.forEach((reply, i) => {
        ran += 1;
        if (!(reply instanceof RespError)) return;
        failed += 1;
        errors.push(`${items[i].at}: ${textOf(items[i].args[0])}: ${reply.message}`);
      });
      put("busy");
      await rest(cost, began);
    };
    put("busy");
    try {
      /** @type {Item[]} */
      let group = [];
      let size = 0;
      const flush = async () => {
        if (group.length > 0) await send(group);
        group = [];
        size = 0;
        return (failed === 0 || goes) && !signal.aborted;
      };
      let isWhole = true;
      for (const item of commandsOf(file.data)) {
        const [first, second] = item.args.map((arg) => textOf(arg).toLowerCase());
        const own = item.args.reduce((sum, arg) => sum + lengthOf(arg), 0);
        const isSelect = first === "select" && /^\d+$/.test(second ?? "");
        if ((group.length === CALL || size + own > CALL_BYTES || isSelect) && !(isWhole = await flush())) break;
        if (isSelect) {
          at = Number(second);
          ran += 1;
          continue;
        }
        group.push(item);
        size += own;
      }
      if (isWhole) await flush();
      end = signal.aborted ? "Stopped." : failed > 0 && !goes && ran < file.n ? "Stopped after the call with the first error." : "";
    } catch (failure) {
      end = signal.aborted ? "Stopped." : errorText(failure);
    }
    put("done");
    announce(`${plural(ran, "command")} run, ${count(failed)} with an error.`);
    onDone();
  };
  const { stage } = state;
  const why = !file ? "Choose a file first." : file.faults.length > 0 ? "The file has faults: nothing of it is run." : file.n === 0 ? "The file has no command." : null;
  return html`<${Dialog} title="Import a file of commands" onClose=${close} onSubmit=${() => why === null && execute()}
    actions=${stage === "busy" ? html`<${Button} icon="stop" onClick=${() => stop.current?.abort()}>Stop<//>` : html`<${Button} onClick=${close}>Close<//><${Button} kind=${file?.dangers.length ? "danger" : "primary"} type="submit" why=${why}>${file ? `Run ${plural(file.n, "command")}` : "Run"}<//>`}>
    <label class="field"><span>File: one command a line as in redis-cli, or the protocol</span><input type="file" disabled=${stage === "busy"} onChange=${choose} /></label>
    <label class="check"><input type="checkbox" checked=${goes} disabled=${stage === "busy"} onChange=${(/** @type {any} */ e) => setGoes(e.target.checked)} /> Go on after errors</label>
    <p class="soft">The file is checked before any of it runs. Commands run in database ${db}, or as the file selects, ${CALL} at a time with rests, with the rights of your user; they are no transaction.</p>
    ${wrong && html`<${Note} tone="bad">${wrong}<//>`}
    ${file && html`<p role="status">${printable(file.name, 80)}: ${plural(file.n, "command")}, ${bytes(file.data.length)}</p><pre class="value" tabindex="0" aria-label="How it begins">${file.head.join("\n")}</pre>`}
    ${file && file.faults.length > 0 && html`<${Note} tone="bad">${file.faults.slice(0, SHOWN).map(({ at, fault }) => html`<div>${at}: ${fault}</div>`)}<//>`}
    ${file && file.dangers.length > 0 && html`<${Note} tone="warn">${file.dangers.map((one) => html`<div>${one}</div>`)}<//>`}
    ${stage !== "ask" && html`<p role="status">${count(state.ran)} of ${plural(file?.n ?? 0, "command")} run${state.failed ? `, ${count(state.failed)} with an error` : ""}. ${state.end}</p>`}
    ${stage === "busy" && html`<progress aria-label="Progress" max=${file?.n ?? 1} value=${state.ran}></progress>`}
    ${state.errors.length > 0 && html`<${Note} tone="bad">${state.errors.map((one) => html`<div>${printable(one, 300)}</div>`)}<//>`}
  <//>`;
}

/** What a file has, before any of it is run. @param {string} name @param {Uint8Array} data @returns {Promise<Checked>} */
async function check(name, data) {
  /** @type {Item[]} */
  const faults = [];
  /** @type {Set<string>} */
  const dangers = new Set();
  /** @type {string[]} */
  const head = [];
  let n = 0;
  let began = performance.now();
  for (const item of commandsOf(data)) {
    if (item.fault) faults.push(item);
    else n += 1;
    // The page stays alive.
    if (performance.now() - began > BLOCK_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      began = performance.now();
    }
    if (item.fault) continue;
    const what = danger(item.args, { keys: null });
    if (what && dangers.size < SHOWN) dangers.add(what);
    if (head.length < 5) head.push(isSecret(item.args) ? `${printable(item.args[0], 20)} (redacted)` : printable(commandLine(item.args.map((arg) => printable(arg, 100))), 200));
  }
  return { name, data, n, faults, dangers: [...dangers], head };
}
