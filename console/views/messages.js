/** Messages: channels and what they carry; the groups of all streams, what waits in them, claim and ack. */

import { html, useEffect, useMemo, useState } from "../vendor/htm-preact.module.js";
import { brief, bytes, clock, count, duration, plural } from "../format.js";
import { compareNames, entriesOf, itemsOf, nameId, numberOf, objectOf, parseInfo, textOf } from "../resp.js";
import { go } from "../router.js";
import { useApp, useLoad, useTopic } from "../state.js";
import { rest } from "../keys/walk.js";
import { useAct, useWhyNot } from "../parts/act.js";
import { Loaded, Page, Select, TextField } from "../parts/load.js";
import { link } from "../parts/link.js";
import { Table, figureColumn, nameColumn } from "../parts/table.js";
import { Button, Name } from "../parts/text.js";
import { errorText, Tile } from "../parts/tile.js";

/** @typedef {import("../resp.js").Name} KeyName */
/** @typedef {{stream: KeyName, name: KeyName, consumers: number, pending: number, last: string, lag: number | null, oldest: number | null}} Group `oldest`: ms */

/** Messages kept in the page. */
const MESSAGES_KEPT = 500;

/** Streams looked at: each costs XINFO GROUPS and one XPENDING a group. */
const STREAMS = 500;

/** @param {{route: import("../router.js").Route}} props */
export default function Messages({ route }) {
  return html`<${Page} title="Messages">
    <${Tile} title="Live" needs=${["subscribe"]} wide>${() => html`<${Live} key=${textOf(route.query.channel ?? "")} first=${textOf(route.query.channel ?? "")} />`}<//>
    <${Tile} title="Channels" needs=${["pubsub|channels", "pubsub|numsub"]} flush>${() => html`<${Channels} />`}<//>
    <${Tile} title="Publish" wide="full"><${Publish} /><//>
    <${Groups} route=${route} />
    <${Tile} title="Change stream" needs=${["info"]}>${() => html`<${Changes} />`}<//>
  <//>`;
}

function Channels() {
  const app = useApp();
  const load = useLoad(async () => {
    const [plain, shard, patterns] = (await app.batch([["PUBSUB", "CHANNELS"], ["PUBSUB", "SHARDCHANNELS"], ["PUBSUB", "NUMPAT"]])).replies;
    if (plain instanceof Error) throw plain;
    const names = itemsOf(plain).slice(0, 2000);
    const shards = itemsOf(shard).slice(0, 2000);
    const sums = (await app.batch([["PUBSUB", "NUMSUB", ...names], ["PUBSUB", "SHARDNUMSUB", ...shards]])).replies.map(entriesOf);
    const rows = sums.flatMap((list, i) => list.map(([name, n]) => ({ name, kind: i ? "shard" : "", subscribers: numberOf(n) })));
    return { rows, patterns: numberOf(patterns) };
  }, [], { every: 3000 });
  return html`<${Loaded} load=${load}>${(/** @type {any} */ { rows, patterns }) => html`
    <${Table} label="Channels" rows=${rows} rowKey=${(/** @type {any} */ r) => r.kind + nameId(r.name)} sort=${{ id: "subscribers", down: true }} maxRows=${8} empty="No client is subscribed to a channel." columns=${[
      { id: "name", title: "Channel", width: "minmax(8rem, 3fr)", value: (/** @type {any} */ r) => r.name, render: (/** @type {any} */ r) => html`${typeof r.name === "string" && !r.kind ? html`<a href=${link("messages", [], { channel: r.name })}><${Name} name=${r.name} /></a>` : html`<${Name} name=${r.name} />`}${r.kind && html` <small>shard</small>`}` },
      figureColumn("subscribers", "Subscribers", count, "9rem"),
    ]} />
    <p class="pad soft">${plural(patterns, "pattern")} subscribed to beside them.</p>`}<//>`;
}

/** Consumers as INFO tells of them: CHANGES CONSUMER LIST needs the right to change them. */
function Changes() {
  const app = useApp();
  const load = useLoad(async () => parseInfo(await app.run(["INFO", "changes"])), [], { every: 3000 });
  return html`<${Loaded} load=${load}>${(/** @type {Record<string, string>} */ info) => {
    const rows = Object.entries(info).flatMap(([id, text]) => {
      const found = /^offset=\d+,lag=(\d+),lost=(\d),name=(.*)$/s.exec(text);
      return found ? [{ id, lag: Number(found[1]), lost: found[2] === "1", name: found[3] }] : [];
    });
    return html`<${Table} label="Consumers of changes" rows=${rows} rowKey=${(/** @type {any} */ r) => r.id} maxRows=${6} empty=${info.changes_noted === "1" ? "No consumer holds a place." : "It is off: changes-retain."} columns=${[
      nameColumn("name", "Consumer", "minmax(8rem, 2fr)"),
      { id: "lag", title: "Behind", align: "right", value: (/** @type {any} */ r) => r.lag, render: (/** @type {any} */ r) => (r.lost ? html`<strong class="bad">lost</strong>` : bytes(r.lag)) },
    ]} />`;
  }}<//>`;
}

function Publish() {
  const act = useAct();
  const app = useApp();
  const [channel, setChannel] = useState("");
  const [message, setMessage] = useState("");
  const send = async (/** @type {any} */ event) => {
    event.preventDefault();
    const reached = await act(["PUBLISH", channel, message]);
    if (reached !== undefined) app.toast(`Received by ${plural(numberOf(reached), "client")}.`);
  };
  const why = useWhyNot("publish");
  return html`<form class="toolbar grow" onSubmit=${(/** @type {any} */ event) => (why ? event.preventDefault() : send(event))}>
    <${TextField} label="Channel" value=${channel} onInput=${setChannel} required />
    <${TextField} label="Message" value=${message} onInput=${setMessage} />
    <${Button} type="submit" kind="primary" why=${why}>Publish<//>
  </form>`;
}

/** @param {{first: string}} props a channel to listen to from the start */
function Live({ first }) {
  const [pattern, setPattern] = useState(first || "*");
  const [listening, setListening] = useState(/** @type {string | null} */ (first || null));
  const [rows, setRows] = useState(/** @type {any[]} */ ([]));
  const [dropped, setDropped] = useState(0);
  const [error, setError] = useState(/** @type {any} */ (null));
  const topic = useMemo(() => {
    if (listening === null) return null;
    return /[*?[]/.test(listening) ? { psubscribe: [listening] } : { subscribe: [listening] };
  }, [listening]);
  useTopic(topic, (event, data) => {
    if (event === "message") setError(null);
    if (event === "message") setRows((old) => [...old, { ...data, id: (old.at(-1)?.id ?? 0) + 1, time: Date.now() }].slice(-MESSAGES_KEPT));
    else if (event === "dropped") setDropped((n) => n + data.dropped);
    else if (event === "waits") setError(data.error);
    else if (event === "broken") {
      setError(data.error);
      setListening(null);
    }
  });
  const toggle = (/** @type {any} */ event) => {
    event.preventDefault();
    setError(null);
    setListening(listening === null ? pattern : null);
  };
  return html`<form class="toolbar" onSubmit=${toggle}>
      <${TextField} label="Channel or pattern" value=${pattern} onInput=${setPattern} disabled=${listening !== null} required />
      <${Button} type="submit" kind=${listening === null ? "primary" : "plain"} icon=${listening === null ? "play" : "stop"}>${listening === null ? "Listen" : "Stop"}<//>
    </form>
    <p class="soft" role="status">${error ? errorText(error) : `${plural(rows.length, "message")}${dropped ? `, ${count(dropped)} more left out` : ""}${listening === null ? "" : ", listening"}.`}</p>
    <${Table} label="Messages" rows=${rows} rowKey=${(/** @type {any} */ r) => String(r.id)} maxRows=${10} empty="No message yet." columns=${[
      { id: "time", title: "When", width: "7rem", render: (/** @type {any} */ r) => clock(r.time) },
      nameColumn("channel", "Channel"),
      { id: "message", title: "Message", width: "minmax(10rem, 4fr)", render: (/** @type {any} */ r) => html`<${Name} name=${r.message} limit=${500} />${r.bytes && html` <small>(the beginning of ${bytes(r.bytes)})</small>`}` },
    ]} />`;
}

/** @param {{route: import("../router.js").Route}} props */
function Groups({ route }) {
  const app = useApp();
  const needs = ["scan", "xinfo|groups"];
  const may = needs.every(app.runs);
  const [state, setState] = useState({ groups: /** @type {Group[]} */ ([]), streams: 0, done: false, error: /** @type {any} */ (null) });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!may) return;
    let ended = false;
    walkGroups(app, () => ended, (found) => setState({ ...found, error: null })).catch((error) => setState((old) => ({ ...old, error })));
    return () => {
      ended = true;
    };
  }, [turn, may, app.db]);
  const [stream, group] = route.path;
  const open = (/** @type {Group} */ row) => go(link("messages", [row.stream, row.name]), { replace: true });
  const note = `${plural(state.groups.length, "group")} of ${plural(state.streams, "stream")}${state.done ? "" : " so far"}`;
  return html`<${Tile} title="Groups of streams" needs=${needs} error=${state.error} note=${note} wide="full" flush actions=${html`<${Button} icon="refresh" onClick=${() => setTurn((n) => n + 1)}>Look again<//>`}>
      <${Table} label="Groups of streams" rows=${state.groups} rowKey=${(/** @type {Group} */ g) => nameId(g.stream) + "\n" + nameId(g.name)} selected=${stream !== undefined && group !== undefined ? nameId(stream) + "\n" + nameId(group) : null}
        onOpen=${open} sort=${{ id: "lag", down: true }} maxRows=${10} empty=${state.done ? "No stream has a group." : "Looking…"} columns=${[
          nameColumn("stream", "Stream", "minmax(8rem, 2fr)"),
          { id: "group", title: "Group", width: "minmax(7rem, 1fr)", value: (/** @type {Group} */ g) => g.name, render: (/** @type {Group} */ g) => html`<${Name} name=${g.name} />` },
          figureColumn("lag", "Lag", count, "6rem"),
          figureColumn("pending", "Pending", count, "7rem"),
          figureColumn("oldest", "Oldest pending", duration, "10rem"),
          figureColumn("consumers", "Consumers", count, "8rem"),
        ]} />
    <//>
    ${stream !== undefined && group !== undefined && html`<${GroupOf} key=${nameId(stream) + nameId(group)} stream=${stream} group=${group} onChange=${() => setTurn((n) => n + 1)} />`}`;
}

/**
 * All groups of the streams that SCAN finds, STREAMS at most, in steps with a pause.
 * @param {import("../state.js").App} app @param {() => boolean} ended @param {(found: {groups: Group[], streams: number, done: boolean}) => void} show
 */
async function walkGroups(app, ended, show) {
  /** @type {Group[]} */
  const groups = [];
  let streams = 0;
  let cursor = "0";
  do {
    const began = performance.now();
    const found = await app.batch([["SCAN", cursor, "TYPE", "stream", "COUNT", 500]]);
    if (found.replies[0] instanceof Error) throw found.replies[0];
    const [next, names] = found.replies[0];
    cursor = textOf(next);
    streams += names.length;
    const asked = await app.batch(names.map((/** @type {KeyName} */ name) => ["XINFO", "GROUPS", name]));
    const infos = asked.replies;
    const fresh = infos.flatMap((info, i) => itemsOf(info).map((item) => groupOf(names[i], objectOf(item))));
    const waiting = fresh.filter(({ pending }) => pending > 0);
    const oldest = await app.batch(waiting.map(({ stream, name }) => ["XPENDING", stream, name, "-", "+", 1]));
    waiting.forEach((group, i) => (group.oldest = numberOf(itemsOf(itemsOf(oldest.replies[i])[0])[2])));
    groups.push(...fresh);
    if (ended()) return;
    show({ groups: [...groups], streams, done: cursor === "0" || streams >= STREAMS });
    await rest(found.cost + asked.cost + oldest.cost, began);
  } while (cursor !== "0" && streams < STREAMS && !ended());
}

/** @param {KeyName} stream @param {Record<string, any>} info @returns {Group} */
function groupOf(stream, info) {
  return { stream, name: info.name, consumers: numberOf(info.consumers), pending: numberOf(info.pending), last: textOf(info["last-delivered-id"]), lag: info.lag === null ? null : numberOf(info.lag), oldest: null };
}

/** Entries shown of a group's pending ones. */
const PAGE = 100;

/** @param {{stream: KeyName, group: KeyName, onChange: () => void}} props */
function GroupOf({ stream, group, onChange }) {
  const app = useApp();
  const act = useAct();
  const [to, setTo] = useState("");
  const [chosen, setChosen] = useState(/** @type {string | null} */ (null));
  const load = useLoad(async () => {
    const [consumers, pending] = (await app.batch([["XINFO", "CONSUMERS", stream, group], ["XPENDING", stream, group, "-", "+", PAGE]])).replies;
    if (pending instanceof Error) throw pending;
    return {
      consumers: itemsOf(consumers).map(objectOf).sort((a, b) => compareNames(a.name, b.name)),
      pending: itemsOf(pending).map(([id, consumer, idle, deliveries]) => ({ id: textOf(id), consumer, idle: numberOf(idle), deliveries: numberOf(deliveries) })),
    };
  }, [], { every: 3000 });
  const after = () => {
    setChosen(null);
    load.reload();
    onChange();
  };
  const noAck = useWhyNot("xack");
  const noClaim = useWhyNot("xclaim");
  const names = load.data?.consumers.map(({ name }) => name) ?? [];
  const target = names.find((name) => nameId(name) === to) ?? names[0];
  const row = load.data?.pending.find(({ id }) => id === chosen);
  return html`
    <${Tile} title="Consumers" note=${html`of <${Name} name=${group} />`} needs=${["xinfo|consumers"]} flush>${() => html`<${Loaded} load=${load}>${(/** @type {any} */ { consumers }) => html`
      <${Table} label="Consumers" rows=${consumers} rowKey=${(/** @type {any} */ r) => nameId(r.name)} sort=${{ id: "pending", down: true }} maxRows=${8} empty="No consumer." columns=${[
        nameColumn("name", "Consumer", "minmax(7rem, 2fr)"),
        { id: "pending", title: "Pending", align: "right", value: (/** @type {any} */ r) => numberOf(r.pending), render: (/** @type {any} */ r) => count(numberOf(r.pending)) },
        { id: "idle", title: "Last asked", width: "6.6rem", align: "right", value: (/** @type {any} */ r) => numberOf(r.idle), render: (/** @type {any} */ r) => brief(numberOf(r.idle)) },
        { id: "inactive", title: "Last got", width: "6rem", align: "right", value: (/** @type {any} */ r) => numberOf(r.inactive), render: (/** @type {any} */ r) => (numberOf(r.inactive) < 0 ? "never" : brief(numberOf(r.inactive))) },
      ]} />`}<//>`}<//>
    <${Tile} title="Pending entries" note=${html`of <${Name} name=${stream} />, oldest ids first`} needs=${["xpending"]} wide flush>${() => html`<${Loaded} load=${load}>${(/** @type {any} */ { pending }) => html`
      <div class="toolbar pad">
        <${Button} why=${noAck || (!row && "Choose an entry first.")} onClick=${() => act(["XACK", stream, group, row?.id ?? ""], { done: `${row?.id} is acknowledged.`, after, nothing: (n) => n === 0 && `${row?.id} was acknowledged already.`, question: { title: "Acknowledge this entry?", body: `The group will not see ${row?.id} again; it stays in the stream.`, confirm: "Acknowledge" } })}>Acknowledge<//>
        <${Select} label="Claim for" value=${target === undefined ? "" : nameId(target)} options=${names.map((name) => [nameId(name), textOf(name)])} onChange=${setTo} />
        <${Button} why=${noClaim || (!row && "Choose an entry first.")} onClick=${() => act(["XCLAIM", stream, group, target ?? "", row?.idle ?? 0, row?.id ?? "", "JUSTID"], { done: `${row?.id} is claimed.`, after, nothing: (ids) => itemsOf(ids).length === 0 && `${row?.id} was acknowledged or claimed since it was shown.` })}>Claim<//>
      </div>
      <${Table} label="Pending entries" rows=${pending} rowKey=${(/** @type {any} */ r) => r.id} selected=${chosen} onSelect=${(/** @type {any} */ r) => setChosen(r.id)} maxRows=${10} empty="Nothing is pending." columns=${[
        { id: "id", title: "Entry", width: `minmax(${Math.max(10, ...pending.map((/** @type {any} */ r) => Math.ceil(r.id.length * 0.58) + 2))}rem, 1fr)`, value: (/** @type {any} */ r) => r.id },
        nameColumn("consumer", "Consumer"),
        figureColumn("idle", "Waits", duration),
        figureColumn("deliveries", "Deliveries", count),
      ]} />`}<//>`}<//>`;
}
