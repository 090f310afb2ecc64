/** Workbench: several commands, their replies and times, help from the server's own documentation. */

import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.module.js";
import { cell, cliText, csv, jsonText, weight } from "../cli.js";
import { blocks, commandOf, danger, holdsSecret, isSecret, readDocs, wholeKey } from "../commanddocs.js";
import { splitCommand } from "../commandline.js";
import { diff } from "../diff.js";
import { UNKNOWN, bytes, clock, commandLine, duration, escapeControls, micros, plural, printable } from "../format.js";
import { shapedReply } from "../replies.js";
import { RespError, itemsOf, numberOf, objectOf, textOf } from "../resp.js";
import { permits, useApp, useChoice, useLoad } from "../state.js";
import { FLUSH_UNDONE, useAct } from "../parts/act.js";
import { Chart } from "../parts/chart.js";
import { Editor } from "../parts/editor.js";
import { usePast } from "../parts/past.js";
import { Button, CopyButton, Empty, Kbd, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {{id: number, line: string, args: Name[], reply: any, us: number | null, at: number, db: number}} Entry */

const FORMATS = ["redis-cli", "Table", "JSON"];
const MAX_ENTRIES = 200;
const MAX_SHOWN = 200_000;

/** @param {{route: import("../router.js").Route}} props */
export default function Workbench({ route }) {
  const { batch, run, db, can, runs, unlock, ask, announce, toast, me } = useApp();
  const act = useAct();
  const [text, setText] = useState(() => textOf(route.query.run ?? "") || sessionStorage.getItem("russet.draft") || "");
  const [caret, setCaret] = useState(0);
  const [entries, setEntries] = useState(/** @type {Entry[]} */ ([]));
  const [marked, setMarked] = useState(/** @type {number[]} */ ([]));
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const [atomic, setAtomic] = useState(false);
  const [format, setFormat] = useChoice("reply", FORMATS[0]);
  const next = useRef(0);
  const past = usePast("russet.history");
  const docs = useLoad(async (signal) => (can("command|docs") ? readDocs(await run(["COMMAND", "DOCS"], { signal })) : new Map()), []);
  const known = useMemo(() => {
    const all = new Set(me.commands.map((name) => name.toLowerCase()));
    return new Map([...(docs.data ?? new Map())].filter(([name]) => permits(all, name.replace(" ", "|"))));
  }, [docs.data, me]);

  useEffect(() => {
    const given = textOf(route.query.run ?? "");
    if (given) setText(given);
  }, [route.query.run]);
  useEffect(() => sessionStorage.setItem("russet.draft", holdsSecret(text) ? "" : text), [text]);

  const complete = (/** @type {string} */ all, /** @type {number} */ at) => {
    const from = all.lastIndexOf("\n", at - 1) + 1;
    const start = all.slice(from, at).replace(/^\s+/, "");
    if (start === "" || /^[#"']/.test(start) || all.slice(at).split("\n", 1)[0] !== "") return null;
    const low = start.toLowerCase();
    const items = [...known.values()].filter(({ name }) => name.startsWith(low) && name !== low).slice(0, 50);
    return { from: at - start.length, items: items.map(({ name, summary }) => ({ text: name.toUpperCase(), detail: summary })) };
  };
  const runAll = async () => {
    if (busy) return;
    /** @type {{line: string, args: Name[]}[]} */
    let commands = [];
    try {
      commands = text.split("\n").filter((line) => /\S/.test(line) && !/^\s*#/.test(line)).map((line) => ({ line: line.trim(), args: splitCommand(line) }));
      setError("");
    } catch (failure) {
      setError(/** @type {Error} */ (failure).message);
      return;
    }
    if (commands.length === 0) return;
    const names = commands.map(({ args }) => commandOf(args, (name) => known.has(name)));
    if (names.some((name) => can(name.replace(" ", "|")) && !runs(name.replace(" ", "|"))) && !(await unlock())) return;
    const dangers = await dangersOf(commands.map(({ args }) => args));
    if (dangers.length > 0) {
      const yes = await ask({ title: "Run this?", body: html`<ul class="dangers">${dangers.map((one) => html`<li>${one}</li>`)}</ul>`, confirm: "Run", danger: true });
      if (!yes) return;
    }
    setBusy(true);
    try {
      const { replies, us } = await batch(commands.map(({ args }) => args), { atomic });
      const at = Date.now();
      const fresh = commands.map(({ line, args }, i) => ({ id: (next.current += 1), line: isSecret(args) ? `${line.split(/\s+/, 2).join(" ")} (redacted)` : line, args, reply: replies[i], us: us[i] ?? null, at, db }));
      setEntries((old) => [...fresh.reverse(), ...old].slice(0, MAX_ENTRIES));
      announce(`${plural(commands.length, "reply", "replies")}${replies.some((reply) => reply instanceof RespError) ? ", with errors" : ""}`);
      past.add(commands.filter(({ args }) => !isSecret(args)).map(({ line }) => line));
      if (names.some((name, i) => /^flush(all|db)$/.test(name) && !(replies[i] instanceof RespError)) && can("flush|pending") && can("flush|undo")) await offerUndo();
    } catch (failure) {
      setError(errorText(failure));
    }
    setBusy(false);
  };
  /** What a flush has set aside (flush-grace) can be taken back. */
  const offerUndo = async () => {
    // Without an answer nothing is offered: the flush itself has succeeded.
    const [flush] = itemsOf(await run(["FLUSH", "PENDING"]).catch(() => [])).map(objectOf);
    if (flush) toast(`${plural(flush.keys, "key")} can be brought back for ${duration(flush["seconds-left"] * 1000)}.`, { action: { label: "Undo", run: () => act(["FLUSH", "UNDO"], FLUSH_UNDONE) } });
  };
  /** @param {Name[][]} all */
  const dangersOf = async (all) => {
    const wholes = all.map(wholeKey);
    const asked = [["DBSIZE"], ...wholes.filter((key) => key !== null).map((key) => ["MEMORY", "USAGE", key])];
    const needed = asked.length > 1 || all.some((args) => danger(args, { keys: null }) !== null);
    const [size, ...sizes] = needed ? (await batch(/** @type {any} */ (asked)).catch(() => ({ replies: [] }))).replies.map(numberOf) : [];
    const keys = size === undefined || Number.isNaN(size) ? null : size;
    return all.map((args, i) => danger(args, { keys, bytes: wholes[i] === null ? null : sizes.shift() })).filter((one) => one !== null);
  };
  const onHistory = (/** @type {number} */ step) => {
    setText(past.step(step));
    return true;
  };
  const line = text.slice(text.lastIndexOf("\n", caret - 1) + 1).split("\n", 1)[0];
  const mark = (/** @type {number} */ id) => setMarked((old) => (old.includes(id) ? old.filter((one) => one !== id) : [...old.slice(-1), id]));
  const [older, newer] = marked.length === 2 ? [...marked].sort((a, b) => a - b).map((id) => entries.find((entry) => entry.id === id)) : [];
  return html`<div class="workbench">
    <section class="bench" aria-label="Commands">
      <div class="page-head"><h1>Workbench</h1><span class="soft">database ${db}</span>
        <div class="end"><label class="check"><input type="checkbox" checked=${atomic} onChange=${(/** @type {any} */ e) => setAtomic(e.target.checked)} /> As one transaction</label>
          <${Button} kind="primary" icon="play" onClick=${runAll} disabled=${busy}>Run<//><${Kbd} keys="Ctrl Enter" /></div></div>
      <${Editor} label="Commands, one a line" value=${text} onChange=${setText} complete=${complete} onRun=${runAll} onCaret=${setCaret} onHistory=${onHistory} rows=${6} autofocus=${true} placeholder=${"One command a line, as in redis-cli; # begins a remark\nHGETALL user:1:profile"} />
      ${error && html`<${Note} tone="bad">${error}<//>`}
      <${Help} line=${line} known=${known} all=${docs.data} />
    </section>
    <section class="replies" aria-label="Replies">
      <div class="bar-line"><div class="segments" role="group" aria-label="Show replies as">${FORMATS.map((one) => html`<button type="button" aria-pressed=${String(one === format)} onClick=${() => setFormat(one)}>${one}</button>`)}</div>
        <span class="soft">${marked.length === 1 ? "Mark one more to compare" : ""}</span>
        <div class="end">${entries.length > 0 && html`<${Button} kind="quiet" icon="trash" onClick=${() => { setEntries([]); setMarked([]); }}>Clear<//>`}</div></div>
      ${older && newer && html`<${Compare} older=${older} newer=${newer} onClose=${() => setMarked([])} />`}
      ${entries.length === 0 && html`<${Empty}>Replies appear here, the newest first. Alt ↑ brings back earlier commands.<//>`}
      ${entries.map((entry) => html`<${Reply} key=${entry.id} entry=${entry} format=${format} marked=${marked.includes(entry.id)} onMark=${() => mark(entry.id)} onAgain=${() => setText(commandLine(entry.args))} />`)}
    </section>
  </div>`;
}

/** The documentation of the command on the caret's line. @param {{line: string, known: Map<string, any>, all?: Map<string, any>}} props */
function Help({ line, known, all }) {
  let name = "";
  try {
    name = commandOf(splitCommand(line), (one) => all?.has(one) ?? false);
  } catch {
    name = line.trim().split(/\s+/, 1)[0].toLowerCase();
  }
  const doc = known.get(name);
  if (!doc) {
    if (name && all?.has(name)) return html`<div class="bench-help"><span class="lack">This user may not run ${name.toUpperCase()}.</span></div>`;
    return html`<div class="bench-help"><span class="soft">${name && all?.size ? "No such command yet." : "Help for the command on the caret's line appears here."}</span></div>`;
  }
  const warning = danger(name.split(" "), { keys: null });
  return html`<div class="bench-help" role="note"><code class="syntax">${doc.syntax}</code><span>${doc.summary}</span><span class="soft">${doc.complexity}${doc.since ? ` · since ${doc.since}` : ""}</span>
    ${warning && html`<span class="warn-text">${warning}</span>`}</div>`;
}

/** @param {{entry: Entry, format: string, marked: boolean, onMark: () => void, onAgain: () => void}} props */
function Reply({ entry, format, marked, onMark, onAgain }) {
  const { line, args, reply, us, at, db } = entry;
  const shown = useMemo(() => shownOf(args, reply, format), [reply, format]);
  const shaped = useMemo(() => (format === "Table" ? shapedReply(args, reply) : null), [reply, format]);
  return html`<article class=${`reply${reply instanceof RespError ? " failed" : ""}${marked ? " marked" : ""}`} aria-label=${`Reply of ${line.slice(0, 100)}`}>
    <header><code>${printable(line, 300)}</code><span class="soft num">${us === null ? "" : micros(us)} · ${clock(at)}${db ? ` · db ${db}` : ""}</span>
      <div class="end"><${Button} kind="quiet" pressed=${marked} onClick=${onMark}>Compare<//><${Button} kind="quiet" icon="edit" label="Back into the editor" onClick=${onAgain} /><${CopyButton} text=${shaped ? csv(shaped.table) : shown} label=${shaped ? "Copy as CSV" : "Copy the reply"} /></div></header>
    ${shaped ? html`<${Sheet} shaped=${shaped} title=${line.split(/\s/, 1)[0].toUpperCase()} />` : html`<pre tabindex="0" aria-label="Reply">${shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}\n… ${bytes(shown.length)} in all; copying takes the whole` : shown}</pre>`}
    ${reply === null && blocks(args) && html`<p class="soft reply-note">There was nothing to reply. In the console commands do not wait: those that block return nil at once, as in a transaction.</p>`}
  </article>`;
}

/** @param {Name[]} args @param {any} reply @param {string} format */
function shownOf(args, reply, format) {
  if (weight(reply) > 8 << 20) return `(${bytes(weight(reply))})`;
  return escapeControls(format === "JSON" ? jsonText(reply, /^json\./i.test(textOf(args[0]))) : cliText(reply), true);
}

/** Six digits. @param {number | null} n */
function valueText(n) {
  return n === null ? UNKNOWN : String(Number(n.toPrecision(6)));
}

/** @param {{shaped: import("../replies.js").Shaped, title: string}} props */
function Sheet({ shaped: { table, notes, drawing }, title }) {
  const rows = table.rows.slice(0, 500);
  return html`${drawing && html`<${Chart} title=${title} times=${drawing.times} series=${drawing.lines.map(({ label, values }, i) => ({ label: printable(label, 60), values, color: `--c${(i % 4) + 1}` }))} format=${valueText} height=${200} irregular=${true} />`}
    ${notes.length > 0 && html`<p class="soft reply-note">${notes.map((note) => printable(note, 400)).join(" · ")}</p>`}
    <div class="sheet" tabindex="0" role="group" aria-label="Reply as a table"><table class="plain"><thead><tr>${table.head.map((head) => html`<th scope="col">${printable(head)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${table.head.map((_, i) => html`<td><bdi class="name">${printable(cell(row[i]), 500)}</bdi></td>`)}</tr>`)}</tbody></table>
    ${table.rows.length > rows.length && html`<p class="soft">The first ${rows.length} of ${table.rows.length}.</p>`}</div>`;
}

/** @param {{older: Entry, newer: Entry, onClose: () => void}} props */
function Compare({ older, newer, onClose }) {
  const lines = useMemo(() => diff(cliText(older.reply), cliText(newer.reply)), [older, newer]);
  const changed = lines.filter(({ mark }) => mark !== "same").length;
  return html`<article class="reply" aria-label="Comparison"><header><strong>${changed ? `${plural(changed, "line differs", "lines differ")}` : "The replies are equal"}</strong><span class="soft">− ${printable(older.line, 60)} · + ${printable(newer.line, 60)}</span>
    <div class="end"><${Button} kind="quiet" icon="close" label="Close the comparison" onClick=${onClose} /></div></header>
    <pre tabindex="0" class="diff" aria-label="Differences">${lines.slice(0, 5000).map(({ mark, text }) => html`<span class=${mark}>${mark === "same" ? "  " : mark === "old" ? "− " : "+ "}${escapeControls(text)}</span>`)}</pre></article>`;
}
