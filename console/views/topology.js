/** The picture of a cluster, of groups that Sentinels watch, or of a primary with its replicas. */

import { html } from "../vendor/htm-preact.module.js";
import { count } from "../format.js";
import { itemsOf, objectOf, parseInfo, textOf } from "../resp.js";
import { useApp, useLoad } from "../state.js";
import { clusterPicture, replicationPicture, sentinelGroup, sentinelPicture, SLOTS } from "../topology.js";
import { Loaded } from "../parts/load.js";
import { Name, Note } from "../parts/text.js";
import { Stat, Stats } from "../parts/tile.js";

/** @typedef {import("../topology.js").Node} Node */
/** @typedef {import("../topology.js").Group} Group */
/** @typedef {import("../topology.js").Picture} Picture */

/** Groups of a Sentinel that are drawn. */
const GROUPS = 100;

/**
 * What the server at hand knows; `picture` null: it is alone. `state` of a cluster.
 * @param {import("../state.js").App} app @param {AbortSignal} signal @returns {Promise<{picture: Picture | null, state?: Record<string, string>}>}
 */
export async function readPicture(app, signal) {
  const server = parseInfo(await app.run(["INFO", "server"], { signal }));
  const here = `${location.hostname}:${server.tcp_port}`;
  if (server.redis_mode === "sentinel") return { picture: await readSentinel(app, here, signal) };
  if (server.redis_mode !== "cluster") return { picture: replicationPicture(parseInfo(await app.run(["INFO", "replication"], { signal })), here) };
  const [state, shards, nodes] = (await app.batch([["CLUSTER", "INFO"], ["CLUSTER", "SHARDS"], ["CLUSTER", "NODES"]], { signal })).replies;
  for (const reply of [state, shards]) if (reply instanceof Error) throw reply;
  const facts = parseInfo(state);
  return { picture: clusterPicture(facts, shards, nodes instanceof Error ? "" : textOf(nodes)), state: facts };
}

export function Topology() {
  const app = useApp();
  const load = useLoad((signal) => readPicture(app, signal), [], { every: 3000 });
  return html`<${Loaded} load=${load}>${(/** @type {{picture: Picture | null, state?: Record<string, string>}} */ { picture, state }) =>
    picture === null
      ? html`<p>This server is no node of a cluster, has no replicas and is no Sentinel. Whether Sentinels watch it, they know: ask one with <code>SENTINEL MASTERS</code>.</p>`
      : html`<${Note} tone=${picture.verdict.tone}><strong>${picture.verdict.text}</strong><//>
        ${state && html`<${Stats}><${Stat} label="State" value=${state.cluster_state} tone=${state.cluster_state === "ok" ? "ok" : "bad"} /><${Stat} label="Slots served" value=${count(Number(state.cluster_slots_ok))} note=${`of ${count(SLOTS)}`} /><${Stat} label="Nodes" value=${state.cluster_known_nodes} /><${Stat} label="Epoch" value=${state.cluster_current_epoch} /><//>
          <${SlotMap} groups=${picture.groups} />`}
        <div class="topology">${picture.groups.map((group, i) => html`<${Drawn} key=${`${i} ${group.title}`} group=${group} colour=${state ? (i % 6) + 1 : 0} />`)}</div>`}<//>`;
}

/** @param {import("../state.js").App} app @param {string} here @param {AbortSignal} signal @returns {Promise<Picture>} */
async function readSentinel(app, here, signal) {
  const primaries = itemsOf(await app.run(["SENTINEL", "MASTERS"], { signal })).slice(0, GROUPS);
  const { replies } = await app.batch(primaries.flatMap((row) => {
    const { name } = objectOf(row);
    return [["SENTINEL", "REPLICAS", name], ["SENTINEL", "SENTINELS", name], ["SENTINEL", "CKQUORUM", name]];
  }), { signal });
  const list = (/** @type {any} */ reply) => (reply instanceof Error ? [] : reply);
  return sentinelPicture(primaries.map((row, i) => sentinelGroup(row, list(replies[3 * i]), list(replies[3 * i + 1]), replies[3 * i + 2], here)));
}

/** Which shard serves which slots. @param {{groups: Group[]}} props */
function SlotMap({ groups }) {
  return html`<div class="slot-map" role="img" aria-label=${groups.map(({ title, note }) => `${title}: ${note}`).join("; ")}>
    ${groups.flatMap(({ ranges }, i) => ranges.map(([from, to]) => html`<div key=${from} class=${`shard c${(i % 6) + 1}`} style=${{ left: `${(from / SLOTS) * 100}%`, width: `${((to - from + 1) / SLOTS) * 100}%` }}></div>`))}
  </div>`;
}

/** @param {{group: Group, colour: number}} props `colour`: of its slots in the map; 0: none */
function Drawn({ group: { title, note, verdict, watchers, primaries, replicas }, colour }) {
  return html`<section class="topo-group" aria-label=${title}>
    <header>${colour > 0 && html`<span class=${`topo-key shard c${colour}`}></span>`}<h3><${Name} name=${title} /></h3><span class="soft">${note}</span></header>
    <p class=${`topo-verdict ${verdict.tone}`}>${verdict.text}</p>
    <div class="topo">
      ${watchers.length > 0 && html`<${Level} label="Sentinels" kind="watch" nodes=${watchers} />`}
      <${Level} label="Primary" kind="" nodes=${primaries} />
      ${replicas.length > 0 && html`<${Level} label="Replicas" kind="below" nodes=${replicas} />`}
    </div>
  </section>`;
}

/** Nodes side by side. @param {{label: string, kind: string, nodes: Node[]}} props */
function Level({ label, kind, nodes }) {
  return html`<ul class=${`topo-level ${kind}`} aria-label=${label}>${nodes.map(({ name, role, tone, text, facts, self }) => html`<li key=${name} class=${`topo-node ${tone}`}>
    <strong><${Name} name=${name} /></strong><span class="soft">${role}${self ? ", asked here" : ""}</span><span class="topo-says">${text}</span>${facts.map((fact) => html`<small>${fact}</small>`)}</li>`)}</ul>`;
}
