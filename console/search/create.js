/** An index is created by a form, and dropped with or without its documents. */

import { html, useState } from "../vendor/htm-preact.module.js";
import { count, printable } from "../format.js";
import { textOf } from "../resp.js";
import { useApp } from "../state.js";
import { Dialog } from "../parts/dialog.js";
import { Select, TextField } from "../parts/load.js";
import { Button, Command, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {import("./request.js").Cmd} Cmd */
/** @typedef {{path: string, alias: string, type: string, sortable: boolean, algorithm: string, precision: string, dimensions: string, metric: string}} Draft a field that is typed */

const TYPES = ["TEXT", "TAG", "NUMERIC", "GEO", "GEOSHAPE", "VECTOR"];
const CHOICES = { algorithm: ["HNSW", "FLAT"], precision: ["FLOAT32", "FLOAT64", "FLOAT16", "BFLOAT16"], metric: ["COSINE", "L2", "IP"] };

/** @type {Draft} */
const BLANK = { path: "", alias: "", type: TYPES[0], sortable: false, algorithm: "HNSW", precision: "FLOAT32", dimensions: "", metric: "COSINE" };

/**
 * FT.CREATE for a form; throws RangeError with what is missing.
 * @param {{name: string, on: string, prefixes: string, fields: Draft[]}} form @returns {Cmd}
 */
export function createCommand({ name, on, prefixes, fields }) {
  if (name === "") throw new RangeError("The index needs a name.");
  const starts = prefixes.split(/[\s,]+/).filter(Boolean);
  const named = fields.filter(({ path }) => path.trim() !== "");
  if (named.length === 0) throw new RangeError("The index needs a field.");
  const schema = named.flatMap(({ path, alias, type, sortable, algorithm, precision, dimensions, metric }) => {
    const start = [path.trim(), ...(alias.trim() ? ["AS", alias.trim()] : []), type];
    if (type !== "VECTOR") return [...start, ...(sortable && type !== "GEOSHAPE" ? ["SORTABLE"] : [])];
    if (!/^[1-9]\d{0,5}$/.test(dimensions)) throw new RangeError(`The vectors of ${path.trim()} need their number of dimensions.`);
    return [...start, algorithm, 6, "TYPE", precision, "DIM", dimensions, "DISTANCE_METRIC", metric];
  });
  return ["FT.CREATE", name, "ON", on, ...(starts.length ? ["PREFIX", starts.length, ...starts] : []), "SCHEMA", ...schema];
}

/** @param {{onClose: () => void, onDone: (name: Name) => void}} props */
export function CreateIndex({ onClose, onDone }) {
  const { run, unlock, toast } = useApp();
  const [form, setForm] = useState({ name: "", on: "HASH", prefixes: "" });
  const [fields, setFields] = useState([{ ...BLANK }]);
  const [error, setError] = useState("");
  const set = (/** @type {number} */ at, /** @type {Partial<Draft>} */ part) => setFields(fields.map((one, i) => (i === at ? { ...one, ...part } : one)));
  /** @type {Cmd | null} */
  let cmd = null;
  let lack = "";
  try {
    cmd = createCommand({ ...form, fields });
  } catch (failure) {
    lack = errorText(failure);
  }
  const save = async () => {
    if (cmd === null || !(await unlock())) return;
    try {
      await run(cmd, { db: 0 });
      toast("The index is created; it reads the keys that are there.");
      onDone(form.name);
    } catch (failure) {
      setError(errorText(failure));
    }
  };
  const json = form.on === "JSON";
  return html`<${Dialog} title="New index" wide=${true} onClose=${onClose} onSubmit=${save} actions=${html`<${Button} onClick=${onClose}>Cancel<//><${Button} kind="primary" type="submit" why=${lack || null}>Create<//>`}>
    <div class="toolbar grow"><${TextField} label="Name" value=${form.name} onInput=${(/** @type {string} */ name) => setForm({ ...form, name })} />
      <${Select} label="Over" value=${form.on} options=${[["HASH", "hashes"], ["JSON", "JSON documents"]]} onChange=${(/** @type {string} */ on) => setForm({ ...form, on })} />
      <${TextField} label="Of keys that begin with" value=${form.prefixes} onInput=${(/** @type {string} */ prefixes) => setForm({ ...form, prefixes })} placeholder="book: (empty: all keys)" /></div>
    ${fields.map((field, i) => html`<fieldset class="toolbar grow" key=${i}><legend class="unseen">Field ${i + 1}</legend>
      <${TextField} label=${json ? "Path" : "Field"} value=${field.path} onInput=${(/** @type {string} */ path) => set(i, { path })} placeholder=${json ? "$.title" : "title"} />
      <${TextField} label="Called" value=${field.alias} onInput=${(/** @type {string} */ alias) => set(i, { alias })} placeholder=${json ? "title" : "as the field"} />
      <${Select} label="Type" value=${field.type} options=${TYPES.map((one) => [one, one])} onChange=${(/** @type {string} */ type) => set(i, { type })} />
      ${field.type === "VECTOR"
        ? html`<${TextField} label="Dimensions" value=${field.dimensions} inputmode="numeric" onInput=${(/** @type {string} */ dimensions) => set(i, { dimensions })} />
          ${/** @type {("algorithm" | "precision" | "metric")[]} */ (["algorithm", "precision", "metric"]).map((id) => html`<${Select} key=${id} label=${id[0].toUpperCase() + id.slice(1)} value=${field[id]} options=${CHOICES[id].map((one) => [one, one])} onChange=${(/** @type {string} */ value) => set(i, { [id]: value })} />`)}`
        : field.type !== "GEOSHAPE" && html`<label class="check"><input type="checkbox" checked=${field.sortable} onChange=${(/** @type {any} */ e) => set(i, { sortable: e.target.checked })} /> Sortable</label>`}
      ${fields.length > 1 && html`<${Button} kind="quiet" icon="close" label=${`Remove field ${i + 1}`} onClick=${() => setFields(fields.filter((_, at) => at !== i))} />`}</fieldset>`)}
    <div><${Button} icon="plus" onClick=${() => setFields([...fields, { ...BLANK }])}>Another field<//></div>
    ${cmd ? html`<div><${Command} cmd=${cmd} /></div>` : html`<p class="soft" role="status">${lack}</p>`}
    ${error && html`<${Note} tone="bad">${printable(error, 300)}<//>`}
  <//>`;
}

/** @param {{name: Name, documents: number | null, onDone: () => void}} props */
export function DropIndex({ name, documents, onDone }) {
  const { run, unlock, ask, toast, can } = useApp();
  if (!can("ft.dropindex")) return null;
  const drop = async (/** @type {boolean} */ whole) => {
    if (!(await unlock())) return;
    const yes = await ask(
      whole
        ? { title: "Drop the index and delete its documents?", body: `The keys of ${documents === null ? "all" : count(documents)} documents are deleted, and cannot be brought back.`, confirm: "Drop and delete", danger: true, type: textOf(name) }
        : { title: "Drop this index?", body: "Its keys stay; queries of the index fail from now on.", confirm: "Drop", danger: true },
    );
    if (!yes) return;
    try {
      await run(["FT.DROPINDEX", name, ...(whole ? ["DD"] : [])], { db: 0 });
      toast(whole ? "The index and its documents are gone." : "The index is gone; its keys are still there.");
      onDone();
    } catch (failure) {
      toast(errorText(failure), { kind: "bad" });
    }
  };
  return html`<${Button} kind="quiet" icon="trash" onClick=${() => drop(false)}>Drop<//><${Button} kind="quiet" onClick=${() => drop(true)}>Drop with documents<//>`;
}
