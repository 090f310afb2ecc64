/** The nearest documents by a vector field: by another document's vector or by numbers, among those of a query. */

import { html, useState } from "../vendor/htm-preact.module.js";
import { plural, printable } from "../format.js";
import { parse } from "../json.js";
import { RespError, bytesOf, nameId, nameOf, textOf } from "../resp.js";
import { useApp } from "../state.js";
import { vectorBytes, vectorOf } from "../keys/vectors.js";
import { Select, TextField } from "../parts/load.js";
import { Button, Note } from "../parts/text.js";
import { errorText, Tile } from "../parts/tile.js";
import { escaped } from "./complete.js";

/** @typedef {import("../resp.js").Name} Name */
/** @typedef {import("./info.js").Index} Index */
/** @typedef {import("./info.js").Field} Field */
/** @typedef {import("./request.js").Cmd} Cmd */

/** Documents that are asked for. */
const WANTED = ["10", "20", "50", "100"];

/** The column of distances. */
const DISTANCE = "distance";

/** The type and the dimensions of a vector field. @param {Field} field */
export function vectorShape({ options }) {
  const type = options.find((one) => /^(B?FLOAT|U?INT)\d+$/.test(one)) ?? "FLOAT32";
  const dimensions = Number(/^(\d+) dimensions$/.exec(options.find((one) => one.endsWith(" dimensions")) ?? "")?.[1] ?? NaN);
  return { type, dimensions };
}

/** The command. @param {Index} index @param {Field} field @param {Name} vector bytes as the field has them @param {string} among a query @param {number} wanted @returns {Cmd} */
export function nearestCommand(index, field, vector, among, wanted) {
  const filter = among.trim() === "" ? "*" : `(${among})`;
  // Vectors are no text, and are long.
  const shown = index.fields.filter(({ type }) => type !== "VECTOR").map(({ name }) => name);
  return ["FT.SEARCH", index.name, `${filter}=>[KNN ${wanted} @${escaped(textOf(field.name))} $vector AS ${DISTANCE}]`, "PARAMS", 2, "vector", vector, "SORTBY", DISTANCE, "RETURN", shown.length + 1, DISTANCE, ...shown, "LIMIT", 0, wanted, "DIALECT", 2];
}

/** @param {{index: Index, render: (cmd: Cmd, turn: number) => any}} props `render`: the rows of a command */
export function Nearest({ index, render }) {
  const app = useApp();
  const fields = index.fields.filter(({ type }) => type === "VECTOR");
  const [chosen, setChosen] = useState(nameId(fields[0].name));
  const [like, setLike] = useState("");
  const [among, setAmong] = useState("");
  const [wanted, setWanted] = useState(WANTED[0]);
  const [asked, setAsked] = useState(/** @type {{cmd: Cmd | null, turn: number, error: string}} */ ({ cmd: null, turn: 0, error: "" }));
  const field = fields.find(({ name }) => nameId(name) === chosen) ?? fields[0];
  const { type, dimensions } = vectorShape(field);
  /** The vector of a document, as the field's type has it. @param {string} key @returns {Promise<Name>} */
  const stored = async (key) => {
    const json = index.on === "JSON";
    const [reply] = (await app.batch([json ? ["JSON.GET", key, field.path] : ["HGET", key, field.path]], { db: index.database })).replies;
    if (reply instanceof RespError) throw reply;
    if (reply === null) throw new RangeError(`There is no document ${printable(key, 60)} with a vector.`);
    if (!json) return reply;
    const node = parse(textOf(reply));
    const list = "items" in node && node.items[0] && "items" in node.items[0] ? node.items[0] : node;
    return nameOf(vectorBytes(type, "items" in list ? list.items.map((one) => ("text" in one ? Number(one.text) : NaN)) : []));
  };
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      const numbers = vectorOf(like);
      const vector = numbers ? nameOf(vectorBytes(type, numbers.map(Number))) : await stored(like.trim());
      const size = vectorBytes(type, [0]).length;
      const got = bytesOf(vector).length / size;
      if (dimensions > 0 && got !== dimensions) throw new RangeError(`The vector has ${plural(got, "number")}, the field takes ${dimensions}.`);
      setAsked(({ turn }) => ({ cmd: nearestCommand(index, field, vector, among, Number(wanted)), turn: turn + 1, error: "" }));
    } catch (failure) {
      setAsked(({ turn }) => ({ cmd: null, turn, error: errorText(failure) }));
    }
  };
  return html`<${Tile} title="Nearest" needs=${["ft.search"]} note="by a vector field" wide="full" flush>${() => html`<form class="toolbar grow pad" aria-label="Nearest documents" onSubmit=${submit}>
      ${fields.length > 1 && html`<${Select} label="Field" value=${chosen} options=${fields.map(({ name }) => [nameId(name), printable(name, 40)])} onChange=${setChosen} />`}
      <${TextField} label="Near to" value=${like} onInput=${setLike} placeholder=${`a key, or ${dimensions || "its"} numbers: 0.1 -2 3`} required />
      <${TextField} label="Among" value=${among} onInput=${setAmong} placeholder="a query; empty: all documents" />
      <${Select} label="Documents" value=${wanted} options=${WANTED.map((n) => [n, n])} onChange=${setWanted} />
      <${Button} type="submit" kind="primary" icon="play">Find<//></form>
    ${asked.error && html`<div class="pad"><${Note} tone="bad">${printable(asked.error, 300)}<//></div>`}
    ${asked.cmd && render(asked.cmd, asked.turn)}`}<//>`;
}
