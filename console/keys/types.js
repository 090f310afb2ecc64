/** The page of each type: how its elements are read in pages, shown and changed. */

import { html, useRef, useState } from "../vendor/htm-preact.module.js";
import { bytes, count, duration, plural, printable, ttl } from "../format.js";
import * as glob from "../glob.js";
import { BigNumber, Double, RespError, bytesOf, entriesOf, itemsOf, lengthOf, nameId, nameOf, numberOf, objectOf, textOf } from "../resp.js";
import { useApp, useLoad } from "../state.js";
import { Button, CopyButton, Name, Note } from "../parts/text.js";
import { nameColumn } from "../parts/table.js";
import { errorText } from "../parts/tile.js";
import { seconds, useChange } from "./actions.js";
import { Collection, halving } from "./collection.js";
import { DocumentPage } from "./document.js";
import { STEP, holds, idOf, idTime, indexOf, isWithin, onlyReply, scoreOf, useFind, walkOn } from "./find.js";
import { Formatted, HEAD, ValueField, fromHex, toHex } from "./formats.js";
import { SeriesPage } from "./series.js";
import { addVector, vectorOf } from "./vectors.js";
import { sketchNeeds, sketchPage } from "./sketches.js";

/** @typedef {import("../resp.js").Name} Bulk */
/** @typedef {import("../api.js").Cmd} Cmd */
/** @typedef {{name: Bulk, size: number | null, onChange: () => void, turn: number}} PageProps `size`: elements or bytes; `turn` counts reloads */

const PAGE = 100;

/** A command whose error is an exception. */
function useRead() {
  const { run } = useApp();
  return (/** @type {Cmd} */ cmd, /** @type {AbortSignal} */ signal) => run(cmd, { signal });
}

/** Pages whose length fits: of large elements as many as the server replies at once. @returns {(cmd: (count: number) => Cmd, signal: AbortSignal) => Promise<{reply: any, count: number}>} */
function usePaged() {
  const read = useRead();
  const most = useRef(PAGE);
  return (cmd, signal) => halving(most, (count) => read(cmd(count), signal));
}

/** Steps of a walk through a hash, set or sorted set by HSCAN and its like. @returns {<R>(cmd: (cursor: string) => Cmd, match: string, rowsOf: (flat: any) => R[], signal: AbortSignal) => (cursor: string) => Promise<import("./find.js").Step<R>>} */
function useScan() {
  const { batch } = useApp();
  return (cmd, match, rowsOf, signal) => async (cursor) => {
    const { reply: [next, flat], cost } = onlyReply(await batch([[...cmd(cursor), "MATCH", glob.fromFilter(match), "COUNT", STEP]], { signal }));
    return { rows: rowsOf(flat), next: textOf(next) === "0" ? null : textOf(next), cost, seen: STEP };
  };
}

/** That a removal has removed nothing. @param {any[]} replies */
function gone([removed]) {
  return (removed === 0 || removed === false) && "Nothing was removed: it was gone already.";
}

/** @param {PageProps} props */
function StringPage({ name, size, onChange, turn }) {
  const { run, batch, can } = useApp();
  const change = useChange();
  const [whole, setWhole] = useState(false);
  const [draft, setDraft] = useState(/** @type {{from: Bulk, seen: [Cmd, any][], now: Bulk | null} | null} */ (null));
  const long = (size ?? 0) > HEAD && !whole;
  const { data, error, reload } = useLoad(async (signal) => /** @type {Bulk} */ (await run(long ? ["GETRANGE", name, 0, HEAD - 1] : ["GET", name], { signal })), [nameId(name), whole, turn]);
  const hll = useLoad(async (signal) => (data && textOf(data).startsWith("HYLL") && can("pfcount") ? (await batch([["PFCOUNT", name]], { signal })).replies[0] : null), [data]);
  if (error) return html`<${Note} tone="bad">${errorText(error)}<//>`;
  if (data === undefined || data === null) return html`<p class="soft" aria-busy="true">Loading…</p>`;
  // A long value is compared by its digest: it would cross the wire twice.
  const edit = async () => {
    if (lengthOf(data) <= HEAD || !can("digest")) return setDraft({ from: data, seen: [[["GET", name], data]], now: data });
    const [now, digest] = (await batch([["GET", name], ["DIGEST", name]], { atomic: true })).replies;
    if (now instanceof RespError || digest instanceof RespError) return reload();
    setDraft({ from: now, seen: [[["STRLEN", name], lengthOf(now)], [["DIGEST", name], digest]], now });
  };
  const save = async () => {
    if (!draft || draft.now === null) return;
    const done = await change({ what: "Saved.", cmds: [["SET", name, draft.now, "KEEPTTL"]], conditions: draft.seen });
    if (done) setDraft(null);
    reload();
    onChange();
  };
  if (draft)
    return html`<div class="fields"><${ValueField} label="Value" value=${draft.from} rows=${14} onChange=${(/** @type {Bulk | null} */ now) => setDraft({ ...draft, now })} />
      <div class="bar-line"><span class="soft">Saved only if the value is still what was shown; the expiry stays.</span><div class="end"><${Button} onClick=${() => setDraft(null)}>Cancel<//><${Button} kind="primary" onClick=${save} disabled=${draft.now === null}>Save<//></div></div></div>`;
  return html`<div class="fields">
    ${typeof hll.data === "number" && html`<${Note}>HyperLogLog: about ${plural(hll.data, "distinct element")}.<//>`}
    ${long && html`<${Note}>The first ${bytes(HEAD)} of ${bytes(size)}. <button type="button" class="link" onClick=${() => setWhole(true)}>Load all ${bytes(size)}</button><//>`}
    <div class="bar-line"><span class="soft">${bytes(size)}</span><div class="end">${!long && typeof data === "string" && html`<${CopyButton} text=${data} label="Copy the value" />`}
      <${Button} icon="edit" why=${long ? "Load the whole value first" : null} onClick=${edit}>Edit<//></div></div>
    <${Formatted} value=${data} label="Value" />
  </div>`;
}

/** @param {PageProps} props */
function HashPage({ name, size, onChange, turn }) {
  const { batch, can } = useApp();
  const paged = usePaged();
  const scan = useScan();
  const { find, id, bar } = useFind([{ id: "match", label: "Fields", placeholder: "a part, or a pattern with *" }]);
  const rowsOf = (/** @type {any} */ flat) => entriesOf(flat).map(([field, value]) => ({ field, value, ttl: -1, until: /** @type {number | null} */ (null) }));
  const load = async (/** @type {string} */ cursor, /** @type {AbortSignal} */ signal, /** @type {import("./collection.js").Walker<Row>} */ walk) => {
    if (find.match) return walkOn(async (at) => {
      const step = await scan((from) => ["HSCAN", name, from], find.match, rowsOf, signal)(at);
      await expiries(step.rows, signal);
      return step;
    }, cursor, walk);
    const [next, flat] = (await paged((n) => ["HSCAN", name, cursor, "COUNT", n], signal)).reply;
    const rows = rowsOf(flat);
    await expiries(rows, signal);
    return { rows, next: textOf(next) === "0" ? null : textOf(next) };
  };
  const expiries = async (/** @type {Row[]} */ rows, /** @type {AbortSignal} */ signal) => {
    if (rows.length && can("hpttl")) {
      const fields = ["FIELDS", rows.length, ...rows.map(({ field }) => field)];
      const [left, until] = (await batch([["HPTTL", name, ...fields], ["HPEXPIRETIME", name, ...fields]], { signal })).replies;
      itemsOf(left).forEach((ms, i) => (rows[i].ttl = ms));
      itemsOf(until).forEach((ms, i) => (rows[i].until = ms));
    }
  };
  /** @typedef {{field: Bulk, value: Bulk, ttl: number, until: number | null}} Row */
  return html`<${Collection} label="Fields" total=${size} find=${bar} load=${load} inputs=${[nameId(name), id, turn]} onChange=${onChange} rowKey=${(/** @type {Row} */ r) => nameId(r.field)} valueOf=${(/** @type {Row} */ r) => r.value} nameOf=${(/** @type {Row} */ r) => r.field}
    columns=${[
      { id: "field", title: "Field", width: "minmax(9rem, 1fr)", value: (/** @type {Row} */ r) => r.field, render: (/** @type {Row} */ r) => html`<${Name} name=${r.field} />` },
      { id: "value", title: "Value", width: "minmax(10rem, 2fr)", value: (/** @type {Row} */ r) => r.value, render: (/** @type {Row} */ r) => html`<${Name} name=${r.value} />` },
      { id: "ttl", title: "Expires in", width: "7rem", align: "right", value: (/** @type {Row} */ r) => (r.ttl < 0 ? Infinity : r.ttl), render: (/** @type {Row} */ r) => (r.ttl < 0 ? "–" : ttl(r.ttl)) },
    ]}
    add=${{ label: "Add field", title: "Add a field", fields: [{ id: "field", label: "Field", value: "", rows: 1 }, { id: "value", label: "Value", value: "" }], save: (/** @type {any} */ v) => ({ what: "Added.", cmds: [["HSET", name, v.field, v.value]], conditions: [[["HEXISTS", name, v.field], 0]] }) }}
    forms=${(/** @type {Row} */ r) => [
      { label: "Edit", title: "Edit a field", fields: [{ id: "field", label: "Field", value: r.field, fixed: true }, { id: "value", label: "Value", value: r.value, rows: 8 }],
        save: (/** @type {any} */ v) => ({ what: "Saved.", cmds: [["HSETEX", name, "KEEPTTL", "FIELDS", 1, r.field, v.value]], conditions: [[["HGET", name, r.field], r.value]] }) },
      { label: "Expiry", title: "When the field expires", fields: [{ id: "field", label: "Field", value: r.field, fixed: true }, { id: "seconds", label: "Seconds from now; empty: never", value: r.ttl < 0 ? "" : String(Math.ceil(r.ttl / 1000)), line: true }],
        save: (/** @type {any} */ v) => ({ what: "Saved.", cmds: [v.seconds === "" ? ["HPERSIST", name, "FIELDS", 1, r.field] : ["HEXPIRE", name, seconds(v.seconds), "FIELDS", 1, r.field]],
          conditions: r.until === null ? undefined : [[["HPEXPIRETIME", name, "FIELDS", 1, r.field], [r.until]]],
          nothing: (/** @type {any[]} */ [reply]) => v.seconds !== "" && numberOf(itemsOf(reply)[0]) !== 1 && "Not saved: the field is gone." }) },
    ]}
    remove=${(/** @type {Row} */ r) => ({ what: "Removed.", cmds: [["HDEL", name, r.field]], conditions: [[["HGET", name, r.field], r.value]] })} />`;
}

/** @param {PageProps} props */
function ListPage({ name, size, onChange, turn }) {
  const { batch } = useApp();
  const paged = usePaged();
  const wide = useRef(STEP);
  const { find, id, bar } = useFind([{ id: "from", label: "From index", placeholder: "0; -100: the last 100" }, { id: "to", label: "To index", placeholder: "-1" }, { id: "part", label: "Elements that hold" }]);
  const load = async (/** @type {string} */ cursor, /** @type {AbortSignal} */ signal, /** @type {import("./collection.js").Walker<Row>} */ walk) => {
    const [first, to] = [indexOf(find.from, size ?? 0, 0), indexOf(find.to, size ?? 0, Infinity)];
    const ends = (/** @type {number} */ from, /** @type {number} */ n) => [from, Math.min(to, from + n - 1)];
    const rowsOf = (/** @type {any[]} */ reply, /** @type {number} */ from) => reply.map((value, i) => ({ index: from + i, value }));
    const nextOf = (/** @type {number} */ from, /** @type {number} */ asked, /** @type {number} */ got) => (got < asked || from + asked > to ? null : `+${from + asked}`);
    const start = cursor === "0" ? first : Number(cursor);
    if (start > to) return { rows: [], next: null };
    if (find.part) return walkOn(async (at) => {
      const from = at === "0" ? first : Number(at);
      const { reply: { reply, cost }, count: asked } = await halving(wide, async (n) => onlyReply(await batch([["LRANGE", name, ...ends(from, n)]], { signal })));
      return { rows: rowsOf(reply, from).filter(({ value }) => holds(value, find.part)), next: nextOf(from, asked, reply.length), cost, seen: reply.length };
    }, cursor, walk);
    const { reply, count: asked } = await paged((n) => ["LRANGE", name, ...ends(start, n)], signal);
    return { rows: rowsOf(reply, start), next: nextOf(start, asked, reply.length) };
  };
  /** @typedef {{index: number, value: Bulk}} Row */
  // A list has no removal by index: the element becomes a value that nothing else has, and that is removed.
  const removal = (/** @type {Row} */ r) => {
    const mark = `russet-console-removed-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
    return { what: "Removed.", cmds: [["LSET", name, r.index, mark], ["LREM", name, 1, mark]], conditions: [[["LINDEX", name, r.index], r.value]] };
  };
  return html`<${Collection} label="Elements" total=${size} find=${bar} load=${load} inputs=${[nameId(name), id, turn]} onChange=${onChange} rowKey=${(/** @type {Row} */ r) => String(r.index)} valueOf=${(/** @type {Row} */ r) => r.value} nameOf=${(/** @type {Row} */ r) => `Index ${r.index}`}
    columns=${[{ id: "index", title: "Index", width: "6rem", align: "right", render: (/** @type {Row} */ r) => count(r.index) }, { id: "value", title: "Value", render: (/** @type {Row} */ r) => html`<${Name} name=${r.value} />` }]}
    add=${{ label: "Push", title: "Push an element", fields: [{ id: "value", label: "Value", value: "" }], note: "At the right end (RPUSH).", save: (/** @type {any} */ v) => ({ what: "Pushed.", cmds: [["RPUSH", name, v.value]] }) }}
    forms=${(/** @type {Row} */ r) => [{ label: "Edit", title: `Edit the element at ${r.index}`, fields: [{ id: "value", label: "Value", value: r.value, rows: 8 }], save: (/** @type {any} */ v) => ({ what: "Saved.", cmds: [["LSET", name, r.index, v.value]], conditions: [[["LINDEX", name, r.index], r.value]] }) }]}
    remove=${removal} />`;
}

/** @param {PageProps} props */
function SetPage({ name, size, onChange, turn }) {
  const paged = usePaged();
  const scan = useScan();
  const { find, id, bar } = useFind([{ id: "match", label: "Members", placeholder: "a part, or a pattern with *" }]);
  const load = async (/** @type {string} */ cursor, /** @type {AbortSignal} */ signal, /** @type {import("./collection.js").Walker<Bulk>} */ walk) => {
    if (find.match) return walkOn(scan((from) => ["SSCAN", name, from], find.match, (flat) => /** @type {Bulk[]} */ (itemsOf(flat)), signal), cursor, walk);
    const [next, members] = (await paged((n) => ["SSCAN", name, cursor, "COUNT", n], signal)).reply;
    return { rows: itemsOf(members), next: textOf(next) === "0" ? null : textOf(next) };
  };
  return html`<${Collection} label="Members" total=${size} find=${bar} load=${load} inputs=${[nameId(name), id, turn]} onChange=${onChange} rowKey=${nameId} valueOf=${(/** @type {Bulk} */ m) => m} nameOf=${() => "Member"}
    columns=${[{ id: "member", title: "Member", value: (/** @type {Bulk} */ m) => m, render: (/** @type {Bulk} */ m) => html`<${Name} name=${m} />` }, { id: "bytes", title: "Bytes", width: "6rem", align: "right", value: lengthOf }]}
    add=${{ label: "Add", title: "Add a member", fields: [{ id: "member", label: "Member", value: "" }], save: (/** @type {any} */ v) => ({ what: "Added.", cmds: [["SADD", name, v.member]], nothing: (/** @type {any[]} */ [added]) => added === 0 && "Not added: it is a member already." }) }}
    remove=${(/** @type {Bulk} */ m) => ({ what: "Removed.", cmds: [["SREM", name, m]], nothing: gone })} />`;
}

/** @param {any} score */
function scoreText(score) {
  return score instanceof Double || score instanceof BigNumber ? score.text : textOf(score);
}

/** @param {PageProps} props */
function ZsetPage({ name, size, onChange, turn }) {
  const { batch, can } = useApp();
  const paged = usePaged();
  const [down, setDown] = useState(false);
  const [geo, setGeo] = useState(false);
  const scan = useScan();
  const { find, id, bar } = useFind([{ id: "match", label: "Members", placeholder: "a part, or a pattern with *" }, { id: "min", label: "From score", placeholder: "-inf; (5: over 5" }, { id: "max", label: "To score", placeholder: "+inf" }]);
  // Of a range of scores the first rank is asked for; ranks are not known of what a pattern finds.
  const load = async (/** @type {string} */ cursor, /** @type {AbortSignal} */ signal, /** @type {import("./collection.js").Walker<any>} */ walk) => {
    if (find.match) return walkOn(async (at) => {
      const step = await scan((place) => ["ZSCAN", name, place], find.match, (flat) => entriesOf(flat).map(([member, score]) => ({ rank: null, member, score })), signal)(at);
      const rows = await withScores(step.rows, signal);
      return { ...step, rows };
    }, cursor, walk);
    const from = Number(cursor);
    const [min, max] = [scoreOf(find.min, "-inf"), scoreOf(find.max, "+inf")];
    const isWhole = min === "-inf" && max === "+inf";
    const { reply, count: asked } = await paged((n) => (isWhole ? ["ZRANGE", name, from, from + n - 1, ...(down ? ["REV"] : []), "WITHSCORES"] : ["ZRANGE", name, ...(down ? [max, min] : [min, max]), "BYSCORE", ...(down ? ["REV"] : []), "LIMIT", from, n, "WITHSCORES"]), signal);
    const first = isWhole || reply.length === 0 ? from : (await batch([[down ? "ZREVRANK" : "ZRANK", name, reply[0][0]]], { signal })).replies[0];
    /** @type {any[]} */
    const rows = reply.map((/** @type {any} */ pair, /** @type {number} */ i) => ({ rank: typeof first === "number" ? first + i : null, member: pair[0], score: pair[1] }));
    await places(rows, signal);
    return { rows, next: rows.length < asked ? null : String(from + asked) };
  };
  // A range beside a pattern: of its matches those within; scores come as replies have them, to be compared when they change.
  const withScores = async (/** @type {any[]} */ rows, /** @type {AbortSignal} */ signal) => {
    if (rows.length === 0) return rows;
    const scores = onlyReply(await batch([["ZMSCORE", name, ...rows.map(({ member }) => member)]], { signal })).reply;
    const inside = rows.map((row, i) => ({ ...row, score: scores[i] })).filter(({ score }) => score !== null && isWithin(numberOf(score), find.min, find.max));
    await places(inside, signal);
    return inside;
  };
  const places = async (/** @type {any[]} */ rows, /** @type {AbortSignal} */ signal) => {
    if (geo && rows.length) {
      const cmds = [["GEOPOS", name, ...rows.map(({ member }) => member)], ...rows.map(({ member }) => ["GEODIST", name, rows[0].member, member, "km"])];
      const { replies } = await batch(cmds, { signal });
      rows.forEach((row, i) => Object.assign(row, { position: itemsOf(replies[0])[i], distance: replies[i + 1] }));
    }
  };
  const coordinate = (/** @type {any} */ r, /** @type {number} */ i) => (r.position ? Number(numberOf(r.position[i])).toFixed(6) : "–");
  const columns = [
    { id: "rank", title: "Rank", width: "5rem", align: "right", render: (/** @type {any} */ r) => (r.rank === null ? "–" : count(r.rank)) },
    { id: "score", title: "Score", width: "13rem", align: "right", value: (/** @type {any} */ r) => numberOf(r.score), render: (/** @type {any} */ r) => scoreText(r.score) },
    nameColumn("member", "Member"),
    ...(geo
      ? [
          { id: "lon", title: "Longitude", width: "7rem", align: "right", render: (/** @type {any} */ r) => coordinate(r, 0) },
          { id: "lat", title: "Latitude", width: "7rem", align: "right", render: (/** @type {any} */ r) => coordinate(r, 1) },
          { id: "km", title: "km from the first", width: "8rem", align: "right", render: (/** @type {any} */ r) => textOf(r.distance) || "–" },
        ]
      : []),
  ];
  return html`<${Collection} label="Members" total=${size} find=${bar} load=${load} inputs=${[nameId(name), id, down, geo, turn]} onChange=${onChange} rowKey=${(/** @type {any} */ r) => nameId(r.member)} valueOf=${(/** @type {any} */ r) => r.member} nameOf=${(/** @type {any} */ r) => `Score ${scoreText(r.score)}`}
    columns=${columns} tools=${html`<${Button} kind="quiet" pressed=${down} onClick=${() => setDown(!down)}>Highest first<//>${can("geopos") && html`<${Button} kind="quiet" pressed=${geo} onClick=${() => setGeo(!geo)}>Geo<//>`}`}
    add=${{ label: "Add", title: "Add a member", fields: [{ id: "member", label: "Member", value: "" }, { id: "score", label: "Score", value: "0", line: true }], save: (/** @type {any} */ v) => ({ what: "Added.", cmds: [["ZADD", name, "NX", v.score, v.member]], nothing: (/** @type {any[]} */ [added]) => added === 0 && "Not added: it is a member already; change its score." }) }}
    forms=${(/** @type {any} */ r) => [{ label: "Score", title: "Change the score", fields: [{ id: "m", label: "Member", value: r.member, fixed: true }, { id: "score", label: "Score", value: scoreText(r.score), line: true }], save: (/** @type {any} */ v) => ({ what: "Saved.", cmds: [["ZADD", name, "XX", v.score, r.member]], conditions: [[["ZSCORE", name, r.member], r.score]] }) }]}
    remove=${(/** @type {any} */ r) => ({ what: "Removed.", cmds: [["ZREM", name, r.member]], conditions: [[["ZSCORE", name, r.member], r.score]] })} />`;
}

/** @param {PageProps} props */
function StreamPage({ name, size, onChange, turn }) {
  const { batch } = useApp();
  const paged = usePaged();
  const wide = useRef(STEP);
  // Characters of the longest ID: all of it is shown.
  const [longest, setLongest] = useState(0);
  const { find, id: found, bar } = useFind([{ id: "from", label: "From ID or time", placeholder: "2026-11-28 13:00" }, { id: "to", label: "To ID or time", placeholder: "now" }, { id: "part", label: "Entries that hold" }]);
  const load = async (/** @type {string} */ cursor, /** @type {AbortSignal} */ signal, /** @type {import("./collection.js").Walker<Row>} */ walk) => {
    const [from, to] = [idOf(find.from, "-"), idOf(find.to, "+")];
    const cmd = (/** @type {string} */ at, /** @type {number} */ n) => /** @type {Cmd} */ (["XREVRANGE", name, at === "0" ? to : `(${at}`, from, "COUNT", n]);
    const rowsOf = (/** @type {any} */ reply) => {
      const rows = itemsOf(reply).map(([id, fields]) => ({ id: textOf(id), fields: entriesOf(fields) }));
      setLongest((old) => Math.max(old, ...rows.map(({ id }) => id.length)));
      return rows;
    };
    const nextOf = (/** @type {Row[]} */ rows, /** @type {number} */ asked) => (rows.length < asked ? null : (rows.at(-1)?.id ?? null));
    if (find.part) return walkOn(async (at) => {
      const { reply: { reply, cost }, count: asked } = await halving(wide, async (n) => onlyReply(await batch([cmd(at, n)], { signal })));
      const rows = rowsOf(reply);
      return { rows: rows.filter(({ fields }) => fields.flat().some((one) => holds(one, find.part))), next: nextOf(rows, asked), cost, seen: rows.length };
    }, cursor, walk);
    const { reply, count: asked } = await paged((n) => cmd(cursor, n), signal);
    const rows = rowsOf(reply);
    return { rows, next: nextOf(rows, asked) };
  };
  /** @typedef {{id: string, fields: [Bulk, Bulk][]}} Row */
  const line = (/** @type {Row} */ r) => r.fields.map(([f, v]) => `${printable(f, 60)}=${printable(v, 60)}`).join("  ");
  const whole = (/** @type {Row} */ r) => nameOf(bytesOf(r.fields.map(([f, v]) => `${printable(f)}: ${printable(v, HEAD)}`).join("\n")));
  return html`<div class="fields"><${Collection} label="Entries, newest first" total=${size} find=${bar} load=${load} inputs=${[nameId(name), found, turn]} onChange=${onChange} rowKey=${(/** @type {Row} */ r) => r.id} valueOf=${whole} nameOf=${(/** @type {Row} */ r) => r.id}
    columns=${[{ id: "id", title: "ID", width: `${Math.max(9, Math.ceil(longest * 0.58) + 2)}rem`, render: (/** @type {Row} */ r) => html`<span class="mono">${r.id}</span>` }, { id: "time", title: "Time", width: "13rem", render: (/** @type {Row} */ r) => idTime(r.id) }, { id: "fields", title: "Fields", width: "minmax(10rem, 2fr)", render: (/** @type {Row} */ r) => html`<span class="name">${line(r)}</span>` }]}
    add=${{ label: "Add entry", title: "Add an entry", fields: [{ id: "field", label: "Field", value: "", rows: 1 }, { id: "value", label: "Value", value: "" }], save: (/** @type {any} */ v) => ({ what: "Added.", cmds: [["XADD", name, "*", v.field, v.value]] }) }}
    remove=${(/** @type {Row} */ r) => ({ what: "Removed.", cmds: [["XDEL", name, r.id]], nothing: gone })} />
    <${Groups} name=${name} turn=${turn} /></div>`;
}

/** Groups with their consumers and the oldest pending entries. @param {{name: Bulk, turn: number}} props */
function Groups({ name, turn }) {
  const { batch, can } = useApp();
  const { data, error } = useLoad(
    async (signal) => {
      const { replies } = await batch([["XINFO", "GROUPS", name]], { signal });
      if (replies[0] instanceof RespError) throw replies[0];
      const groups = itemsOf(replies[0]).map(objectOf);
      const more = (await batch(groups.flatMap((g) => [["XINFO", "CONSUMERS", name, g.name], ["XPENDING", name, g.name, "-", "+", 20]]), { signal })).replies;
      return groups.map((g, i) => ({ ...g, list: itemsOf(more[2 * i]).map(objectOf), oldest: itemsOf(more[2 * i + 1]) }));
    },
    [nameId(name), turn],
    { every: 5000 },
  );
  if (!can("xinfo|groups")) return html`<p class="lack">Groups need XINFO GROUPS, which this user may not run.</p>`;
  if (error) return html`<${Note} tone="bad">${errorText(error)}<//>`;
  return html`<section aria-label="Groups"><h3>Groups</h3>${data?.length === 0 && html`<p class="soft">No groups read this stream.</p>`}
    ${data?.map((/** @type {any} */ g) => html`<details class="group" key=${nameId(g.name)}><summary><${Name} name=${g.name} /> <span class="soft">lag ${count(g.lag)}, ${plural(g.pending, "pending entry", "pending entries")}, ${plural(g.list.length, "consumer")}, at ${textOf(g["last-delivered-id"])}</span></summary>
      <table class="plain"><thead><tr><th scope="col">Consumer</th><th scope="col" class="right">Pending</th><th scope="col" class="right">Idle</th><th scope="col" class="right">Last success</th></tr></thead>
        <tbody>${g.list.map((/** @type {any} */ c) => html`<tr><td><${Name} name=${c.name} /></td><td class="right">${count(c.pending)}</td><td class="right">${duration(c.idle)}</td><td class="right">${c.inactive < 0 ? "never" : `${duration(c.inactive)} ago`}</td></tr>`)}</tbody></table>
      ${g.oldest.length > 0 && html`<table class="plain"><thead><tr><th scope="col">Oldest pending</th><th scope="col">Consumer</th><th scope="col" class="right">Waits since</th><th scope="col" class="right">Deliveries</th></tr></thead>
        <tbody>${g.oldest.map((/** @type {any} */ [id, consumer, idle, times]) => html`<tr><td class="mono">${textOf(id)}</td><td><${Name} name=${consumer} /></td><td class="right">${duration(idle)}</td><td class="right">${count(times)}</td></tr>`)}</tbody></table>`}
    </details>`)}</section>`;
}

/** Where VRANGE goes on. @param {string} cursor the last element in hex @returns {Bulk} */
function behind(cursor) {
  return nameOf(Uint8Array.from([0x28, ...fromHex(cursor)]));
}

/** @param {PageProps} props */
function VectorPage({ name, size, onChange, turn }) {
  const { batch } = useApp();
  const read = useRead();
  // An element that is no text cannot be typed.
  const [chosen, setChosen] = useState(/** @type {Bulk | null} */ (null));
  const { find, id: found, bar } = useFind([{ id: "near", label: "Similar to", placeholder: "an element, or a vector: 0.1 -2 3" }, { id: "filter", label: "Whose attributes", placeholder: ".year > 2000 and .kind == \"x\"" }]);
  const near = chosen ?? (find.near?.trim() ? find.near.trim() : null);
  const info = useLoad(async (signal) => entriesOf(await read(["VINFO", name], signal)), [nameId(name), turn]);
  const load = async (/** @type {string} */ cursor, /** @type {AbortSignal} */ signal) => {
    /** @type {any[]} */
    let rows;
    if (near === null && find.filter?.trim()) throw new RangeError("A filter of attributes goes with an element or a vector that the found are similar to.");
    if (near !== null) rows = entriesOf(await read(["VSIM", name, ...(await like(near, signal)), "WITHSCORES", "COUNT", PAGE, ...(find.filter?.trim() ? ["FILTER", find.filter.trim()] : [])], signal)).map(([element, score]) => ({ element, score }));
    else rows = itemsOf(await read(["VRANGE", name, cursor === "0" ? "-" : behind(cursor), "+", PAGE], signal)).map((element) => ({ element, score: null }));
    const { replies } = rows.length ? await batch(rows.map(({ element }) => ["VGETATTR", name, element]), { signal }) : { replies: [] };
    rows.forEach((row, i) => (row.attributes = replies[i] instanceof RespError ? null : replies[i]));
    // A cursor is text: an element may be bytes.
    return { rows, next: near !== null || rows.length < PAGE ? null : toHex(bytesOf(rows.at(-1).element)) };
  };
  // Numbers are a vector, unless an element has that name.
  const like = async (/** @type {Bulk} */ what, /** @type {AbortSignal} */ signal) => {
    const numbers = typeof what === "string" ? vectorOf(what) : null;
    const isVector = numbers !== null && chosen === null && !(await read(["VISMEMBER", name, what], signal));
    return isVector ? ["VALUES", numbers.length, ...numbers] : ["ELE", what];
  };
  const facts = info.data?.filter(([key]) => ["vector-dim", "quant-type", "hnsw-m", "size"].includes(textOf(key))) ?? [];
  return html`<div class="fields"><p class="soft">${facts.map(([key, value]) => `${textOf(key)} ${textOf(value)}`).join(", ")}</p>
    <${Collection} label="Elements" total=${size} load=${load} find=${bar} inputs=${[nameId(name), near === null ? "" : nameId(near), found, turn]} onChange=${onChange} rowKey=${(/** @type {any} */ r) => nameId(r.element)} valueOf=${(/** @type {any} */ r) => r.attributes ?? ""} nameOf=${(/** @type {any} */ r) => r.element}
      columns=${[{ id: "element", title: "Element", render: (/** @type {any} */ r) => html`<${Name} name=${r.element} />` }, ...(near === null ? [] : [{ id: "score", title: "Similarity", width: "8rem", align: "right", value: (/** @type {any} */ r) => numberOf(r.score), render: (/** @type {any} */ r) => scoreText(r.score) }]), { id: "attributes", title: "Attributes", width: "minmax(8rem, 2fr)", render: (/** @type {any} */ r) => (r.attributes === null ? "–" : html`<${Name} name=${r.attributes} />`) },
        { id: "near", title: "Find", width: "6rem", render: (/** @type {any} */ r) => html`<button type="button" class="link" onClick=${(/** @type {Event} */ e) => { e.stopPropagation(); setChosen(r.element); }}>Similar</button>` }]}
      tools=${chosen !== null && html`<${Button} kind="quiet" icon="close" onClick=${() => setChosen(null)}>Similar to ${printable(chosen, 30)}<//>`}
      add=${{ label: "Add", title: "Add an element", fields: [{ id: "value", label: "Element", value: "" }, { id: "vector", label: "Vector, e.g. 0.1 -2 3", value: "", line: true }], save: (/** @type {any} */ v) => ({ what: "Added.", cmds: [addVector(name, v)], conditions: [[["VISMEMBER", name, v.value], false]] }) }}
      forms=${(/** @type {any} */ r) => [{ label: "Attributes", title: "Attributes (JSON; empty: none)", fields: [{ id: "value", label: "Attributes", value: r.attributes ?? "", rows: 6 }], save: (/** @type {any} */ v) => ({ what: "Saved.", cmds: [["VSETATTR", name, r.element, v.value]], conditions: [[["VGETATTR", name, r.element], r.attributes]] }) }]}
      remove=${(/** @type {any} */ r) => ({ what: "Removed.", cmds: [["VREM", name, r.element]], nothing: gone })} /></div>`;
}

/** @param {PageProps} props */
function ArrayPage({ name, size, onChange, turn }) {
  const paged = usePaged();
  const load = async (/** @type {string} */ cursor, /** @type {AbortSignal} */ signal) => {
    const { reply, count: asked } = await paged((n) => ["ARSCAN", name, cursor, "18446744073709551614", "LIMIT", n], signal);
    const rows = (itemsOf(reply).every(Array.isArray) ? itemsOf(reply) : entriesOf(reply)).map(([index, value]) => ({ index: textOf(index), value }));
    const last = rows.at(-1);
    return { rows, next: !last || rows.length < asked ? null : String(BigInt(last.index) + 1n) };
  };
  /** @typedef {{index: string, value: Bulk}} Row */
  return html`<${Collection} label="Values" total=${size} load=${load} inputs=${[nameId(name), turn]} onChange=${onChange} rowKey=${(/** @type {Row} */ r) => r.index} valueOf=${(/** @type {Row} */ r) => r.value} nameOf=${(/** @type {Row} */ r) => `Index ${r.index}`}
    columns=${[{ id: "index", title: "Index", width: "9rem", align: "right", render: (/** @type {Row} */ r) => r.index }, { id: "value", title: "Value", render: (/** @type {Row} */ r) => html`<${Name} name=${r.value} />` }]}
    add=${{ label: "Set", title: "Set a position", fields: [{ id: "index", label: "Index", value: "0", line: true }, { id: "value", label: "Value", value: "" }], save: (/** @type {any} */ v) => ({ what: "Set.", cmds: [["ARSET", name, v.index, v.value]], conditions: [[["ARGET", name, v.index], null]] }) }}
    forms=${(/** @type {Row} */ r) => [{ label: "Edit", title: `Edit the value at ${r.index}`, fields: [{ id: "value", label: "Value", value: r.value, rows: 8 }], save: (/** @type {any} */ v) => ({ what: "Saved.", cmds: [["ARSET", name, r.index, v.value]], conditions: [[["ARGET", name, r.index], r.value]] }) }]}
    remove=${(/** @type {Row} */ r) => ({ what: "Removed.", cmds: [["ARDEL", name, r.index]], conditions: [[["ARGET", name, r.index], r.value]] })} />`;
}

/**
 * Of each type: its page, what counts its elements (a document has no one size), and the commands that the page
 * reads with.
 * @type {Record<string, {page: any, size?: string, unit: string, needs: string[]}>}
 */
export const TYPES = {
  string: { page: StringPage, size: "STRLEN", unit: "bytes", needs: ["get"] },
  hash: { page: HashPage, size: "HLEN", unit: "fields", needs: ["hlen", "hscan"] },
  list: { page: ListPage, size: "LLEN", unit: "elements", needs: ["llen", "lrange"] },
  set: { page: SetPage, size: "SCARD", unit: "members", needs: ["scard", "sscan"] },
  zset: { page: ZsetPage, size: "ZCARD", unit: "members", needs: ["zcard", "zrange"] },
  stream: { page: StreamPage, size: "XLEN", unit: "entries", needs: ["xlen", "xrevrange"] },
  vectorset: { page: VectorPage, size: "VCARD", unit: "elements", needs: ["vcard", "vrange", "vinfo"] },
  array: { page: ArrayPage, size: "ARCOUNT", unit: "values", needs: ["arcount", "arscan"] },
  "ReJSON-RL": { page: DocumentPage, unit: "", needs: ["json.type", "json.get", "json.objlen", "json.objkeys", "json.arrlen", "json.strlen", "json.debug"] },
  "MBbloom--": { page: sketchPage("MBbloom--"), size: "BF.CARD", unit: "items", needs: sketchNeeds("MBbloom--") },
  MBbloomCF: { page: sketchPage("MBbloomCF"), unit: "", needs: sketchNeeds("MBbloomCF") },
  "CMSk-TYPE": { page: sketchPage("CMSk-TYPE"), unit: "", needs: sketchNeeds("CMSk-TYPE") },
  "TopK-TYPE": { page: sketchPage("TopK-TYPE"), unit: "", needs: sketchNeeds("TopK-TYPE") },
  "TSDB-TYPE": { page: SeriesPage, unit: "", needs: ["ts.info", "ts.range"] },
  "TDIS-TYPE": { page: sketchPage("TDIS-TYPE"), unit: "", needs: sketchNeeds("TDIS-TYPE") },
};
