/** One key: what it is, how long it lives, what it holds. */

import { html, useState } from "../vendor/htm-preact.module.js";
import { bytes, commandLine, count, date, printable, ttl } from "../format.js";
import { RespError, bytesOf, entriesOf, itemsOf, nameId, numberOf, textOf } from "../resp.js";
import { useApp, useLoad } from "../state.js";
import { Dialog } from "../parts/dialog.js";
import { saveFile } from "../parts/file.js";
import { Button, CopyButton, Empty, Name, Note } from "../parts/text.js";
import { errorText, useLack } from "../parts/tile.js";
import { EditDialog, seconds, useChange, useDelete } from "./actions.js";
import { HEAD } from "./formats.js";
import { typeName } from "./typename.js";
import { TYPES } from "./types.js";

/** @typedef {import("../resp.js").Name} Bulk */
/** @typedef {import("../api.js").Cmd} Cmd */

/** @param {{name: Bulk, onRenamed: (name: Bulk) => void, onGone: () => void}} props */
export function KeyPage({ name, onRenamed, onGone }) {
  const { batch, can, locked } = useApp();
  const change = useChange();
  const remove = useDelete();
  const [turn, setTurn] = useState(0);
  const [dialog, setDialog] = useState(/** @type {"ttl" | "rename" | "command" | null} */ (null));
  const again = () => setTurn((n) => n + 1);
  const { data, error } = useLoad(
    async (signal) => {
      const { replies } = await batch([["TYPE", name], ["PTTL", name], ["OBJECT", "ENCODING", name], ["MEMORY", "USAGE", name], ["PEXPIRETIME", name]], { signal });
      const [type, pttl, encoding, memory, until] = replies;
      if (type instanceof RespError) throw type;
      const known = TYPES[textOf(type)];
      const size = known?.size ? (await batch([[known.size, name]], { signal })).replies[0] : null;
      const ok = (/** @type {any} */ v) => (v instanceof RespError ? null : v);
      return { type: textOf(type), pttl: ok(pttl), until: ok(until), at: Date.now(), encoding: ok(encoding), memory: ok(memory), size: size === null || size instanceof RespError ? null : numberOf(size) };
    },
    [nameId(name), turn, locked],
  );
  if (error) return html`<div class="key-page"><${Note} tone="bad">${errorText(error)}<//></div>`;
  if (!data) return html`<div class="key-page" aria-busy="true"></div>`;
  if (data.type === "none") return html`<div class="key-page"><${Empty}>There is no key <${Name} name=${name} /> in this database. It may have expired or been deleted.<//></div>`;
  const known = TYPES[data.type];
  const expires = data.pttl >= 0;
  const saveTtl = async (/** @type {Record<string, Bulk>} */ v) => {
    const done = await change({
      what: "Saved.", cmds: [v.seconds === "" ? ["PERSIST", name] : ["EXPIRE", name, seconds(v.seconds)]],
      conditions: data.until === null ? undefined : [[["PEXPIRETIME", name], data.until]],
      nothing: ([set]) => set === 0 && v.seconds !== "" && "Not saved: the key is gone.",
    });
    again();
    return done !== null;
  };
  const rename = async (/** @type {Record<string, Bulk>} */ v) => {
    const done = await change({ what: "Renamed.", cmds: [["RENAMENX", name, v.name]], nothing: ([renamed]) => renamed === 0 && "Not renamed: there is a key of that name." });
    if (done) onRenamed(v.name);
    return done !== null;
  };
  return html`<article class="key-page" aria-label=${`Key ${printable(name, 100)}`}>
    <header><h2><${Name} name=${name} limit=${400} /></h2><${CopyButton} text=${commandLine([name])} label="Copy the name" />
      <div class="end"><${Button} icon="refresh" kind="quiet" label="Load again" onClick=${again} /><${Button} onClick=${() => setDialog("command")}>As command<//>
        ${can("renamenx") && html`<${Button} onClick=${() => setDialog("rename")}>Rename<//>`}${can("unlink") && html`<${Button} icon="trash" onClick=${() => remove(name, () => { again(); onGone(); })}>Delete<//>`}</div></header>
    <dl class="key-facts">
      <div><dt>Type</dt><dd><span class=${`badge type ${data.type}`}>${typeName(data.type)}</span></dd></div>
      ${data.encoding !== null && html`<div><dt>Encoding</dt><dd>${textOf(data.encoding)}</dd></div>`}
      ${known && data.size !== null && html`<div><dt>${known.unit[0].toUpperCase() + known.unit.slice(1)}</dt><dd>${count(data.size)}</dd></div>`}
      ${data.memory !== null && html`<div><dt>Memory</dt><dd>${bytes(numberOf(data.memory))}</dd></div>`}
      ${data.pttl !== null && html`<div><dt>Expires</dt><dd title=${expires ? date(data.at + data.pttl) : null}>${expires ? `in ${ttl(data.pttl)}` : "never"} ${can("expire") && html`<button type="button" class="link" aria-label="Change the expiry" onClick=${() => setDialog("ttl")}>Change</button>`}</dd></div>`}
    </dl>
    ${known ? html`<${TypePage} key=${nameId(name) + data.type} known=${known} name=${name} size=${data.size} turn=${turn} onChange=${again} />` : html`<${Note}>The console has no page for the type ${data.type}; the workbench runs its commands.<//>`}
    ${dialog === "ttl" && html`<${EditDialog} title="When the key expires" fields=${[{ id: "seconds", label: "Seconds from now; empty: never", value: expires ? String(Math.ceil(data.pttl / 1000)) : "", line: true }]} onSave=${saveTtl} onClose=${() => setDialog(null)} />`}
    ${dialog === "rename" && html`<${EditDialog} title="Rename the key" action="Rename" fields=${[{ id: "name", label: "New name", value: name, rows: 2 }]} note="An existing key is never overwritten." onSave=${rename} onClose=${() => setDialog(null)} />`}
    ${dialog === "command" && html`<${AsCommand} name=${name} type=${data.type} memory=${data.memory === null ? NaN : numberOf(data.memory)} onClose=${() => setDialog(null)} />`}
  </article>`;
}

/** @param {{known: any, name: Bulk, size: number | null, turn: number, onChange: () => void}} props */
function TypePage({ known, ...props }) {
  const lack = useLack(known.needs);
  return lack ? html`<p class="lack">${lack}</p>` : html`<${known.page} ...${props} />`;
}

/** How the first elements of each type are read, and written again; `most`: bytes of a key that is read whole. @type {Record<string, {read: (key: Bulk) => Cmd, write: (key: Bulk, reply: any) => Cmd[], most?: number}>} */
const AS_COMMAND = {
  string: { read: (key) => ["GETRANGE", key, 0, 65_535], write: (key, reply) => [["SET", key, reply]] },
  hash: { read: (key) => ["HSCAN", key, 0, "COUNT", 100], write: (key, reply) => [["HSET", key, ...itemsOf(reply[1])]] },
  list: { read: (key) => ["LRANGE", key, 0, 99], write: (key, reply) => [["RPUSH", key, ...reply]] },
  set: { read: (key) => ["SSCAN", key, 0, "COUNT", 100], write: (key, reply) => [["SADD", key, ...itemsOf(reply[1])]] },
  zset: { read: (key) => ["ZRANGE", key, 0, 99, "WITHSCORES"], write: (key, reply) => [["ZADD", key, ...reply.flatMap((/** @type {any} */ [member, score]) => [textOf(score), member])]] },
  stream: { read: (key) => ["XRANGE", key, "-", "+", "COUNT", 100], write: (key, reply) => reply.map((/** @type {any} */ [id, fields]) => ["XADD", key, textOf(id), ...entriesOf(fields).flat()]) },
  "ReJSON-RL": { read: (key) => ["JSON.GET", key], write: (key, reply) => [["JSON.SET", key, "$", reply]], most: HEAD },
};

/** The commands that write this key again. @param {{name: Bulk, type: string, memory: number, onClose: () => void}} props */
function AsCommand({ name, type, memory, onClose }) {
  const { run, batch, can, toast } = useApp();
  const how = AS_COMMAND[type] ?? { read: (/** @type {Bulk} */ key) => ["DUMP", key], write: (/** @type {Bulk} */ key, /** @type {any} */ reply) => [["RESTORE", key, 0, reply]] };
  const { data, error } = useLoad(async (signal) => {
    if (how.most !== undefined && !(memory <= how.most)) throw new RangeError(`The key takes ${bytes(memory)}: too much for one command.`);
    const reply = await run(how.read(name), { signal });
    const expiry = (await batch([["PEXPIRETIME", name]], { signal })).replies[0];
    return [...how.write(name, reply), ...(expiry > 0 ? [["PEXPIREAT", name, expiry]] : [])].map((cmd) => commandLine(/** @type {Cmd & any} */ (cmd))).join("\n");
  }, []);
  const download = async () => {
    try {
      saveFile([bytesOf(/** @type {Bulk} */ (await run(["DUMP", name])))], `${printable(name, 60).replace(/[^\w.-]+/g, "_")}.dump`);
    } catch (failure) {
      toast(errorText(failure), { kind: "bad" });
    }
  };
  return html`<${Dialog} title="As command" wide=${true} onClose=${onClose} actions=${html`${can("dump") && html`<${Button} onClick=${download}>Download its DUMP<//>`}<${CopyButton} text=${data ?? ""} label="Copy">Copy<//><${Button} onClick=${onClose}>Close<//>`}>
    ${error && html`<${Note} tone="bad">${errorText(error)}<//>`}
    <p class="soft">What writes this key again, as redis-cli and the workbench take it; of long values the first 100 elements or 64 KiB. The DUMP is whole: <code>redis-cli -x RESTORE key 0 ${"<"} file</code> writes it again.</p>
    <pre class="value" tabindex="0" aria-label="Commands">${data ?? "…"}</pre>
  <//>`;
}
