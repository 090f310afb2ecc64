/**
 * Sketches: the facts of their INFO, and what they are for, which is to be asked about items. They keep no items, except
 * the list of a top-k.
 */

import { html, useState } from "../vendor/htm-preact.module.js";
import { UNKNOWN, count, plural } from "../format.js";
import { RespError, entriesOf, itemsOf, nameId, numberOf, textOf } from "../resp.js";
import { useApp, useLoad } from "../state.js";
import { Field } from "../parts/load.js";
import { Button, Name, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";
import { useChange } from "./actions.js";

/** @typedef {import("../resp.js").Name} Bulk */
/** @typedef {import("../api.js").Cmd} Cmd */

/** Items that are asked about at once. */
const ITEMS = 200;

/**
 * @typedef {object} Sketch
 * @property {string} info the command of its facts
 * @property {string} items what the field for items is called
 * @property {{title: string, cmd: (key: Bulk, items: string[]) => Cmd, text: (answer: any) => string}[]} asks a column each
 * @property {{label: string, done: string, cmd: (key: Bulk, items: string[]) => Cmd[]}[]} changes
 * @property {{title: string, cmd: (key: Bulk) => Cmd, head: string[]}} [list]
 */

const maybe = (/** @type {any} */ answer) => (numberOf(Number(answer)) === 1 ? "probably" : "no");
const yes = (/** @type {any} */ answer) => (numberOf(Number(answer)) === 1 ? "yes" : "no");
const figure = (/** @type {any} */ answer) => (typeof answer === "number" ? count(answer) : textOf(answer));

/** @type {Record<string, Sketch>} */
const SKETCHES = {
  "MBbloom--": {
    info: "BF.INFO", items: "Items, one a line",
    asks: [{ title: "In the filter", cmd: (key, items) => ["BF.MEXISTS", key, ...items], text: maybe }],
    changes: [{ label: "Add", done: "Added.", cmd: (key, items) => [["BF.MADD", key, ...items]] }],
  },
  MBbloomCF: {
    info: "CF.INFO", items: "Items, one a line",
    asks: [{ title: "In the filter", cmd: (key, items) => ["CF.MEXISTS", key, ...items], text: maybe }],
    changes: [
      { label: "Add", done: "Added.", cmd: (key, items) => items.map((item) => ["CF.ADD", key, item]) },
      { label: "Delete", done: "Deleted, as often as each was there.", cmd: (key, items) => items.map((item) => ["CF.DEL", key, item]) },
    ],
  },
  "CMSk-TYPE": {
    info: "CMS.INFO", items: "Items, one a line",
    asks: [{ title: "Counted, at most", cmd: (key, items) => ["CMS.QUERY", key, ...items], text: figure }],
    changes: [{ label: "Count once more", done: "Counted.", cmd: (key, items) => [["CMS.INCRBY", key, ...items.flatMap((item) => [item, 1])]] }],
  },
  "TopK-TYPE": {
    info: "TOPK.INFO", items: "Items, one a line",
    asks: [{ title: "Among the top", cmd: (key, items) => ["TOPK.QUERY", key, ...items], text: yes }],
    changes: [{ label: "Add", done: "Added.", cmd: (key, items) => [["TOPK.ADD", key, ...items]] }],
    list: { title: "The top", cmd: (key) => ["TOPK.LIST", key, "WITHCOUNT"], head: ["Item", "About"] },
  },
  "TDIS-TYPE": {
    info: "TDIGEST.INFO", items: "Values, one a line",
    asks: [
      { title: "Share up to it", cmd: (key, items) => ["TDIGEST.CDF", key, ...items], text: figure },
      { title: "Values below it", cmd: (key, items) => ["TDIGEST.RANK", key, ...items], text: figure },
    ],
    changes: [{ label: "Add", done: "Added.", cmd: (key, items) => [["TDIGEST.ADD", key, ...items]] }],
    list: { title: "Quantiles", cmd: (key) => ["TDIGEST.QUANTILE", key, ...QUANTILES], head: ["Quantile", "Value"] },
  },
};

const QUANTILES = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1];

/** The commands that a sketch's page reads with. @param {string} type */
export function sketchNeeds(type) {
  return [SKETCHES[type].info.toLowerCase()];
}

/** The page of a type. @param {string} type */
export function sketchPage(type) {
  const { info, items: label, asks, changes, list } = SKETCHES[type];
  /** @param {import("./types.js").PageProps} props */
  return function SketchPage({ name, turn, onChange }) {
    const { batch, can } = useApp();
    const change = useChange();
    const [text, setText] = useState("");
    // What was asked, and how often: after a change the same is asked again.
    const [asked, setAsked] = useState({ items: /** @type {string[]} */ ([]), n: 0 });
    const permitted = asks.filter(({ cmd }) => can(String(cmd("", [])[0]).toLowerCase()));
    const facts = useLoad(async (signal) => {
      const { replies: [reply, listed] } = await batch([[info, name], ...(list ? [list.cmd(name)] : [])], { signal });
      if (reply instanceof RespError) throw reply;
      return { facts: entriesOf(reply), listed };
    }, [nameId(name), turn, asked.n]);
    const answers = useLoad(async (signal) => {
      const { items } = asked;
      if (items.length === 0) return null;
      const { replies } = await batch(permitted.map(({ cmd }) => cmd(name, items)), { signal });
      for (const reply of replies) if (reply instanceof RespError) throw reply;
      return items.map((item, i) => ({ item, answers: replies.map((reply) => itemsOf(reply)[i]) }));
    }, [nameId(name), turn, asked]);
    const items = [...new Set(text.split("\n").filter((line) => line !== ""))];
    const why = items.length === 0 ? "Name an item first." : items.length > ITEMS ? `At most ${ITEMS} items at once.` : null;
    const ask = () => setAsked((old) => ({ items, n: old.n + 1 }));
    const alter = async (/** @type {Sketch["changes"][0]} */ { done, cmd }) => {
      if ((await change({ what: done, cmds: cmd(name, items) })) === null) return;
      ask();
      onChange();
    };
    if (facts.error) return html`<p class="lack">${errorText(facts.error)}</p>`;
    return html`<div class="fields"><dl class="key-facts">${(facts.data?.facts ?? []).map(([key, value]) => html`<div key=${textOf(key)}><dt>${textOf(key)}</dt><dd>${value === null ? UNKNOWN : textOf(value)}</dd></div>`)}</dl>
      <section class="fields" aria-label="Ask about items">
        <${Field} label=${label}><textarea rows="3" spellcheck=${false} value=${text} onInput=${(/** @type {any} */ e) => setText(e.target.value)}></textarea><//>
        <div class="toolbar"><${Button} kind="primary" why=${why} onClick=${ask}>Ask<//>
          ${changes.map((one) => can(String(one.cmd("", ["", ""])[0][0]).toLowerCase()) && html`<${Button} why=${why} onClick=${() => alter(one)}>${one.label}<//>`)}</div>
        ${answers.error && html`<${Note} tone="bad">${errorText(answers.error)}<//>`}
        ${answers.data && html`<table class="plain"><caption class="unseen">Answers</caption><thead><tr><th scope="col">Item</th>${permitted.map(({ title }) => html`<th scope="col" class="right">${title}</th>`)}</tr></thead>
          <tbody>${answers.data.map(({ item, answers: row }) => html`<tr key=${item}><th scope="row"><${Name} name=${item} /></th>${row.map((answer, i) => html`<td class="right">${permitted[i].text(answer)}</td>`)}</tr>`)}</tbody></table>`}
      </section>
      ${list && facts.data && !(facts.data.listed instanceof RespError) && html`<${Listed} list=${list} reply=${facts.data.listed} />`}</div>`;
  };
}

/** @param {{list: {title: string, head: string[]}, reply: any}} props */
function Listed({ list: { title, head }, reply }) {
  const values = itemsOf(reply);
  /** @type {[Bulk, any][]} */
  const rows = title === "Quantiles" ? values.map((value, i) => [String(QUANTILES[i]), value]) : values.flatMap((item, i) => (i % 2 ? [] : [[item, values[i + 1]]]));
  return html`<section aria-label=${title}><h3>${title}</h3>${rows.length === 0 ? html`<p class="soft">${plural(0, "item")}</p>` : html`<table class="plain"><thead><tr><th scope="col">${head[0]}</th><th scope="col" class="right">${head[1]}</th></tr></thead>
    <tbody>${rows.map(([item, value]) => html`<tr key=${nameId(item)}><td><${Name} name=${item} /></td><td class="right">${figure(value)}</td></tr>`)}</tbody></table>`}</section>`;
}
