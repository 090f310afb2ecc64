/**
 * Clusters, groups that Sentinels watch, and replication as pictures: each node with a verdict, each group with
 * one, from what the node at hand replies. Pure.
 */

import { bytes, count, duration, plural } from "./format.js";
import { itemsOf, numberOf, objectOf, textOf } from "./resp.js";

/** @typedef {"ok" | "warn" | "bad"} Tone */
/** @typedef {{tone: Tone, text: string}} Verdict */
/** @typedef {Verdict & {name: string, role: string, facts: string[], self?: boolean}} Node `self`: the node that is asked */
/** @typedef {{title: string, note: string, verdict: Verdict, watchers: Node[], primaries: Node[], replicas: Node[], ranges: number[][]}} Group */
/** @typedef {{verdict: Verdict, groups: Group[]}} Picture */

/** Slots of a cluster. */
export const SLOTS = 16384;

/** Bytes that a replica may be after its primary without a warning: offsets come with a delay. */
const BEHIND_BYTES = 1 << 20;

/** @type {Record<Tone, number>} */
const WEIGHT = { ok: 0, warn: 1, bad: 2 };

/** @param {Tone} tone @param {string} text @returns {Verdict} */
function says(tone, text) {
  return { tone, text };
}

/** The worst of the groups' verdicts, or `well` with its text. @param {Group[]} groups @param {string} well @returns {Verdict} */
function worst(groups, well) {
  const first = [...groups].sort((a, b) => WEIGHT[b.verdict.tone] - WEIGHT[a.verdict.tone])[0];
  if (!first || first.verdict.tone === "ok") return says("ok", well);
  return says(first.verdict.tone, `${first.title}: ${first.verdict.text}`);
}

/** How far a replica is after its primary, in words. @param {number} behind bytes */
function lagText(behind) {
  return behind > 0 ? `${bytes(behind)} after its primary` : "has all of its primary";
}

/**
 * A cluster, as one of its nodes sees it.
 * @param {Record<string, string>} state of CLUSTER INFO @param {any} shards the reply of CLUSTER SHARDS
 * @param {string} nodes the text of CLUSTER NODES @returns {Picture}
 */
export function clusterPicture(state, shards, nodes) {
  const known = nodesOf(nodes);
  const groups = itemsOf(shards).map(objectOf).map((shard, i) => shardOf(shard, i + 1, known));
  const missing = SLOTS - Number(state.cluster_slots_ok ?? 0);
  if (state.cluster_state !== "ok") return { verdict: says("bad", missing > 0 ? `The cluster is down: ${plural(missing, "slot")} of ${count(SLOTS)} ${missing === 1 ? "is" : "are"} not served.` : "The cluster is down: this node does not reach most of the primaries."), groups };
  if (missing > 0) return { verdict: says("bad", `${plural(missing, "slot")} of ${count(SLOTS)} ${missing === 1 ? "is" : "are"} not served.`), groups };
  return { verdict: worst(groups, "All slots are served, and each primary has a replica that can take over."), groups };
}

/** What CLUSTER NODES says of each node, by id. @param {string} text @returns {Map<string, {flags: Set<string>, linked: boolean}>} */
function nodesOf(text) {
  const lines = text.split("\n").filter(Boolean).map((line) => line.split(" "));
  return new Map(lines.map(([id, , flags = "", , , , , link]) => [id, { flags: new Set(flags.split(",")), linked: link !== "disconnected" }]));
}

/** @param {Record<string, any>} shard @param {number} n @param {ReturnType<typeof nodesOf>} known @returns {Group} */
function shardOf(shard, n, known) {
  const slots = itemsOf(shard.slots).map(numberOf);
  const ranges = slots.flatMap((from, i) => (i % 2 === 0 ? [[from, slots[i + 1]]] : []));
  const all = itemsOf(shard.nodes).map(objectOf);
  const isPrimary = (/** @type {any} */ node) => textOf(node.role) === "master";
  const offset = Math.max(0, ...all.filter(isPrimary).map((node) => numberOf(node["replication-offset"]) || 0));
  const drawn = all.map((node) => ({ primary: isPrimary(node), ...clusterNode(node, known.get(textOf(node.id)), offset) }));
  const [primaries, replicas] = [drawn.filter(({ primary }) => primary), drawn.filter(({ primary }) => !primary)];
  return { title: `Shard ${n}`, note: rangesText(ranges), verdict: shardVerdict(ranges, primaries, replicas), watchers: [], primaries, replicas, ranges };
}

/** @param {number[][]} ranges */
export function rangesText(ranges) {
  return ranges.length === 0 ? "no slots" : `${ranges.length === 1 && ranges[0][0] === ranges[0][1] ? "slot" : "slots"} ${ranges.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join(" ")}`;
}

/** @param {Record<string, any>} node of CLUSTER SHARDS @param {{flags: Set<string>, linked: boolean} | undefined} seen @param {number} offset the primary's @returns {Node} */
function clusterNode(node, seen, offset) {
  const primary = textOf(node.role) === "master";
  const health = textOf(node.health);
  const behind = offset - (numberOf(node["replication-offset"]) || 0);
  const port = textOf(node.port ?? node["tls-port"]);
  const self = Boolean(seen?.flags.has("myself"));
  const host = textOf(node.endpoint) || textOf(node.ip);
  const own = { name: `${host || "?"}:${port}`, role: primary ? "primary" : "replica", facts: [`id ${textOf(node.id).slice(0, 8)}`], self };
  if (seen?.flags.has("fail") || health === "fail" || health === "failed") return { ...own, tone: "bad", text: "down: most primaries agree" };
  if (seen?.flags.has("fail?")) return { ...own, tone: "warn", text: "suspected: this node does not hear it" };
  if (seen?.flags.has("handshake")) return { ...own, tone: "warn", text: "is being met" };
  if (seen?.flags.has("noaddr")) return { ...own, tone: "bad", text: "its address is not known" };
  if (seen && !seen.linked && !self) return { ...own, tone: "warn", text: "no link from this node" };
  if (health === "loading") return { ...own, tone: "warn", text: primary ? "loads its data" : "has not synchronised yet" };
  if (primary) return { ...own, tone: "ok", text: "serves" };
  return { ...own, tone: behind > BEHIND_BYTES ? "warn" : "ok", text: lagText(behind) };
}

/** @param {number[][]} ranges @param {Node[]} primaries @param {Node[]} replicas @returns {Verdict} */
function shardVerdict(ranges, primaries, replicas) {
  const ready = replicas.filter(({ tone }) => tone === "ok").length;
  if (ranges.length === 0) return says("ok", "serves no slots");
  if (!primaries.some(({ tone }) => tone !== "bad")) return says("bad", ready > 0 ? "no primary; a replica should take over within seconds" : "no primary, and no replica that could take over");
  if (replicas.length === 0) return says("warn", "no replica: its slots end with its primary");
  if (ready === 0) return says("warn", "no replica is ready to take over");
  if (ready < replicas.length) return says("warn", `${ready} of ${plural(replicas.length, "replica")} could take over`);
  return primaries.every(({ tone }) => tone === "ok") ? says("ok", `${plural(ready, "replica")} can take over`) : says("warn", "its primary is not well");
}

/**
 * A group as one of its Sentinels sees it.
 * @param {any} primary a row of SENTINEL MASTERS @param {any} replicas of SENTINEL REPLICAS @param {any} others of SENTINEL SENTINELS
 * @param {any} quorum the reply of SENTINEL CKQUORUM, or its error @param {string} here this Sentinel's address @returns {Group}
 */
export function sentinelGroup(primary, replicas, others, quorum, here) {
  const top = objectOf(primary);
  const rows = itemsOf(replicas).map(objectOf);
  const most = Math.max(0, ...rows.map((row) => numberOf(row["slave-repl-offset"]) || 0));
  const own = watchedNode(top, "primary", says("ok", "serves"));
  const below = rows.map((row) => watchedNode(row, "replica", replicaVerdict(row, most)));
  const self = { name: here, role: "Sentinel", tone: /** @type {Tone} */ ("ok"), text: "answers", facts: [], self: true };
  const watchers = [self, ...itemsOf(others).map(objectOf).map((row) => watchedNode(row, "Sentinel", says("ok", "answers")))];
  const refused = quorum instanceof Error;
  const ready = below.filter(({ tone }) => tone === "ok").length;
  const verdict = refused
    ? says("bad", `no failover is possible: ${quorum.message}`)
    : own.tone === "bad"
      ? says("bad", ready > 0 ? "its primary is down; the Sentinels choose a replica" : "its primary is down, and no replica is ready")
      : own.tone === "warn"
        ? says("warn", `its primary: ${own.text}`)
        : ready === 0
          ? says("warn", "no replica is ready to take over")
          : watchers.length < 3
            ? says("warn", `${plural(watchers.length, "Sentinel")}: three or more outlive the loss of one`)
            : ready < below.length || watchers.some(({ tone }) => tone !== "ok")
              ? says("warn", "not all of its nodes are well")
              : says("ok", `${plural(ready, "replica")} can take over`);
  return { title: textOf(top.name), note: `quorum ${textOf(top.quorum)} of ${plural(watchers.length, "Sentinel")}`, verdict, watchers, primaries: [own], replicas: below, ranges: [] };
}

/** @param {Record<string, any>} row of a Sentinel's list @param {string} role @param {Verdict} well its verdict if it answers @returns {Node} */
function watchedNode(row, role, well) {
  const flags = new Set(textOf(row.flags).split(","));
  const heard = numberOf(row["last-ok-ping-reply"]);
  const own = { name: `${textOf(row.ip)}:${textOf(row.port)}`, role, facts: heard >= 0 ? [`answered ${duration(heard)} ago`] : [] };
  if (flags.has("failover_in_progress")) return { ...own, tone: "warn", text: "is being replaced" };
  if (flags.has("o_down")) return { ...own, tone: "bad", text: "down: the Sentinels agree" };
  if (flags.has("s_down")) return { ...own, tone: "bad", text: "down, as this Sentinel sees it" };
  if (flags.has("disconnected")) return { ...own, tone: "warn", text: "no link from this Sentinel" };
  return { ...own, ...well };
}

/** @param {Record<string, any>} row of SENTINEL REPLICAS @param {number} most the offset of the replica that has most @returns {Verdict} */
function replicaVerdict(row, most) {
  if (textOf(row["master-link-status"]) !== "ok") return says("warn", "its link to the primary is down");
  if (textOf(row["slave-priority"]) === "0") return says("warn", "never becomes the primary (priority 0)");
  const behind = most - (numberOf(row["slave-repl-offset"]) || 0);
  return says(behind > BEHIND_BYTES ? "warn" : "ok", behind > 0 ? `${bytes(behind)} after the first replica` : "follows");
}

/** Several groups. @param {Group[]} groups @returns {Picture} */
export function sentinelPicture(groups) {
  if (groups.length === 0) return { verdict: says("warn", "This Sentinel watches no group."), groups };
  return { verdict: worst(groups, "Each group has a primary, a replica that can take over, and the Sentinels for it."), groups };
}

/** The lines of INFO with a name and a number, each as an object. @param {Record<string, string>} info @param {RegExp} name @returns {Record<string, string>[]} */
function rowsOf(info, name) {
  const lines = Object.entries(info).filter(([id]) => name.test(id)).map(([, text]) => text);
  return lines.map((text) => Object.fromEntries(text.split(",").map((part) => part.split("="))));
}

/** What a group whose failovers lose no acknowledged write is doing, and why its writes wait. @type {Record<string, [Tone, string]>} */
const GROUP_STATES = {
  ok: ["ok", "leads"],
  forming: ["bad", "writes wait for members"],
  lost: ["bad", "writes are refused: too few members acknowledge"],
  recovering: ["bad", "has started, and waits for promises"],
  deposed: ["bad", "was replaced, and knows no leader"],
  member: ["ok", "follows"],
  outsider: ["warn", "follows, and is no member"],
  unclean: ["warn", "is not whole yet: its promise does not count"],
  sealed: ["bad", "has promised a server that does not lead yet"],
  "taking-over": ["bad", "asks the members for their promises"],
};

/** A group of sync-quorum, as one of its servers sees it; null: it is in none. @param {Record<string, string>} info of INFO replication @param {string} here this server's address @returns {Picture | null} */
export function quorumPicture(info, here) {
  if (!info.sync_group) return null;
  const [tone, text] = GROUP_STATES[info.sync_state] ?? ["warn", info.sync_state];
  const leads = info.role === "master";
  const members = rowsOf(info, /^sync_member\d+$/);
  const needed = Number(info.sync_acknowledgements);
  const own = { name: here, self: true, role: leads ? "leader" : "member", facts: [`ballot ${(info.sync_ballot || info.sync_promised || "").split(":")[0]}`], tone, text };
  const others = members.filter((row) => row.state !== "self").map((row) => memberNode(row, leads, Number(info.master_repl_offset)));
  const outsiders = rowsOf(info, /^slave\d+$/).filter((row) => row.sync === "outsider").map((row) => ({ name: `${row.ip}:${row.port}`, role: "no member", facts: [], ...says("warn", "counts for no write, and may not lead") }));
  const linked = members.filter((row) => row.state === "linked").length;
  const note = `${plural(members.length, "member")}, each write at ${needed + 1}`;
  return { verdict: quorumVerdict(info, own, linked, members.length), groups: [{ title: "Group", note, verdict: says(tone, text), watchers: [], primaries: leads ? [own] : [], replicas: [...(leads ? [] : [own]), ...others, ...outsiders], ranges: [] }] };
}

/** @param {Record<string, string>} row of a member @param {boolean} leads whether this server leads @param {number} offset its own @returns {Node} */
function memberNode(row, leads, offset) {
  const own = { name: `${row.ip}:${row.port}`, role: "member", facts: Number(row.lag_ms) >= 0 ? [`acknowledged ${duration(Number(row.lag_ms))} ago`] : [] };
  if (!leads) return { ...own, ...says("ok", "its leader knows more") };
  if (row.state !== "linked") return { ...own, ...says("warn", row.missing_ms ? `away for ${duration(Number(row.missing_ms))}` : "away") };
  const behind = Math.max(0, offset - Number(row.offset));
  return { ...own, ...says(behind > BEHIND_BYTES ? "warn" : "ok", lagText(behind)) };
}

/** @param {Record<string, string>} info @param {Node} own @param {number} linked members @param {number} members @returns {Verdict} */
function quorumVerdict(info, own, linked, members) {
  if (own.tone !== "ok") return says(own.tone, `This server: ${own.text}.${info.sync_obstacle ? ` ${info.sync_obstacle}` : ""}`);
  if (info.role !== "master") return says("ok", "This member follows its leader.");
  const [waiting, needed] = [Number(info.sync_unsafe_bytes), Number(info.sync_acknowledgements)];
  if (linked < needed) return says("bad", `Writes wait: ${linked} of ${plural(needed, "member")} that must acknowledge ${linked === 1 ? "is" : "are"} connected.`);
  if (waiting > 0 && Number(info.sync_unsafe_ms) > 1000) return says("warn", `${bytes(waiting)} wait for an acknowledgement, the oldest for ${duration(Number(info.sync_unsafe_ms))}.`);
  if (linked < members - 1) return says("warn", `${linked} of ${plural(members - 1, "other member")} ${linked === 1 ? "is" : "are"} connected.`);
  if (linked === needed) return says("warn", "The loss of one member stops writes.");
  return says("ok", "No failover loses an acknowledged write, and one member may be lost without a stop.");
}

/** A primary and its replicas without a cluster; null: there is only one server. @param {Record<string, string>} info of INFO replication @param {string} here this server's address @returns {Picture | null} */
export function replicationPicture(info, here) {
  const group = quorumPicture(info, here);
  if (group) return group;
  const self = { name: here, facts: [], self: true };
  if (info.role === "slave") {
    const up = info.master_link_status === "up";
    const syncing = info.master_sync_in_progress === "1";
    const heard = Number(info.master_last_io_seconds_ago);
    const primary = { name: `${info.master_host}:${info.master_port}`, role: "primary", facts: heard >= 0 ? [`heard ${heard} s ago`] : [], tone: /** @type {Tone} */ (up ? "ok" : "bad"), text: up ? "serves" : "not reached from here" };
    const own = up ? says("ok", "follows") : syncing ? says("warn", "takes a copy of its primary") : says("bad", "its link to the primary is down");
    return { verdict: up ? says("ok", "This replica follows its primary.") : says(own.tone, `This replica: ${own.text}.`), groups: [{ title: "Replication", note: "as this replica sees it", verdict: own, watchers: [], primaries: [primary], replicas: [{ ...self, role: "replica", ...own }], ranges: [] }] };
  }
  const offset = Number(info.master_repl_offset);
  const rows = rowsOf(info, /^slave\d+$/);
  if (rows.length === 0) return null;
  const replicas = rows.map((row) => {
    const behind = Math.max(0, offset - Number(row.offset));
    const verdict = row.state !== "online" ? says("warn", "takes a copy of its primary") : says(behind > BEHIND_BYTES ? "warn" : "ok", lagText(behind));
    return { name: `${row.ip}:${row.port}`, role: "replica", facts: [`heard ${row.lag} s ago`], ...verdict };
  });
  const ready = replicas.filter(({ tone }) => tone === "ok").length;
  const verdict = ready === replicas.length ? says("ok", `${plural(ready, "replica")} could take over`) : says("warn", `${ready} of ${plural(replicas.length, "replica")} could take over`);
  return { verdict: says(verdict.tone, `${verdict.text}, by hand or by Sentinels.`), groups: [{ title: "Replication", note: "", verdict, watchers: [], primaries: [{ ...self, role: "primary", tone: "ok", text: "serves" }], replicas, ranges: [] }] };
}
