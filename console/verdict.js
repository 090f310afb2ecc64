/** Is all well? What INFO and the history say, in order of weight, each with the command that helps. Pure. */

import { bytes, compact, count, duration, percent, plural, printable } from "./format.js";

/** Slots of a cluster. */
export const SLOTS = 16384;

/** @typedef {{tone: "bad" | "warn", what: string, why: string, cmd?: string[]}} Finding */

/**
 * @param {Record<string, string>} info fields of INFO, and of CLUSTER INFO at a node @param {Record<string, number>} recent the last minutes: sums of
 *   evicted, rejected; means of busy_permille; the last disk_free @returns {Finding[]}
 */
export function findings(info, recent) {
  /** @type {Finding[]} */
  const out = [];
  const number = (/** @type {string} */ field) => Number(info[field] ?? 0);
  /** @param {boolean} is @param {Finding} finding */
  const when = (is, finding) => is && out.push(finding);
  const [used, max, rss] = [number("used_memory"), number("maxmemory"), number("used_memory_rss")];

  when(number("loading") === 1, { tone: "bad", what: "The server is loading its data", why: "Until it ends, most commands are refused.", cmd: ["INFO", "persistence"] });
  when(info.aof_last_write_status === "err", { tone: "bad", what: "Writing the append only file fails", why: "Writes are refused, and what was acknowledged may not be on disk. See the log; is the disk full?", cmd: ["INFO", "persistence"] });
  when(info.rdb_last_bgsave_status === "err", { tone: "bad", what: "The last snapshot failed", why: "Writes are refused while stop-writes-on-bgsave-error is yes. See the log for the cause, then save again.", cmd: ["BGSAVE"] });
  when(info.aof_last_bgrewrite_status === "err", { tone: "warn", what: "The last rewrite of the append only file failed", why: "The file keeps growing until a rewrite succeeds.", cmd: ["BGREWRITEAOF"] });
  when(info.role === "slave" && info.master_link_status === "down", { tone: "bad", what: "The link to the primary is down", why: `This replica's data ages: no contact for ${duration(number("master_link_down_since_seconds") * 1000)}.`, cmd: ["INFO", "replication"] });
  const unloaded = matching(info, /^sync_failing\d+$/, /^(ip=.*?,port=\d+),/s);
  when(unloaded.length > 0, { tone: "bad", what: `Sent whole copies, acknowledged none: ${someOf(unloaded)}`, why: "A replica that cannot load the data has none of it. The log names what it cannot read, as far as that is known; so does russet check-rdb --for.", cmd: ["INFO", "replication"] });
  const [served, failing] = ["ok", "pfail"].map((state) => number(`cluster_slots_${state}`));
  when(info.cluster_state === "fail", { tone: "bad", what: "The cluster is down", why: served < SLOTS ? `${plural(SLOTS - served, "slot is", "slots are")} served by no node, as this one sees it.` : "This node does not see the majority of primaries.", cmd: ["CLUSTER", "INFO"] });
  when(info.cluster_state === "ok" && failing > 0, { tone: "warn", what: `A node that serves ${plural(failing, "slot")} does not answer`, why: "If the others agree, a replica takes its place.", cmd: ["CLUSTER", "NODES"] });
  const lostSight = matching(info, /^master\d+$/, /^name=(.*),status=(?!ok,)/s);
  when(lostSight.length > 0, { tone: "bad", what: `Not as it should be, as this Sentinel sees it: ${someOf(lostSight)}`, why: "A primary that is down is replaced if enough Sentinels agree.", cmd: ["SENTINEL", "MASTERS"] });
  when(info.sentinel_tilt === "1", { tone: "bad", what: "This Sentinel is in TILT mode", why: "Its clock jumped or it stood still: it watches, and decides nothing until that is over.", cmd: ["INFO", "sentinel"] });
  when(recent.rejected > 0, { tone: "bad", what: `${compact(recent.rejected)} connections were refused in the last 15 minutes`, why: `maxclients is ${info.maxclients}; ${info.connected_clients} are connected.`, cmd: ["CLIENT", "LIST"] });
  when(max > 0 && used / max > 0.9 && info.maxmemory_policy === "noeviction", { tone: used / max > 0.98 ? "bad" : "warn", what: `Memory is ${percent(used / max, 0)} full`, why: `At ${bytes(max)} writes are refused: maxmemory-policy is noeviction.`, cmd: ["MEMORY", "DOCTOR"] });
  when(recent.evicted > 0, { tone: "warn", what: `${compact(recent.evicted)} keys were evicted in the last 15 minutes`, why: `Memory is at maxmemory (${bytes(max)}); the policy is ${info.maxmemory_policy}. A cache works so; other data is being lost.`, cmd: ["MEMORY", "DOCTOR"] });
  when(rss > 1.5 * used && rss - used > 256 << 20, { tone: "warn", what: `${bytes(rss - used)} of memory is held but not used`, why: `Resident memory is ${(rss / used).toFixed(1)} times what the data needs.`, cmd: ["CONFIG", "SET", "activedefrag", "yes"] });
  when(recent.busy_permille > 900, { tone: "warn", what: `The loop is busy ${percent(recent.busy_permille / 1000, 0)} of the time`, why: "Latency rises from here on. Which commands take the time?", cmd: ["LATENCY", "HISTOGRAM"] });
  const logs = info.aof_enabled === "1";
  when(recent.disk_free < 1 << 30, {
    tone: logs && recent.disk_free < 100 << 20 ? "bad" : "warn",
    what: `The disk has ${bytes(recent.disk_free)} left`,
    why: logs ? "The append only file, snapshots and backups need room; without any, writes are refused." : "Snapshots and backups, if any are made, need room.",
    cmd: ["BACKUP", "LIST"],
  });
  const lost = matching(info, /^changes_consumer_/, /^offset=\d+,lag=\d+,lost=1,name=(.*)$/s);
  when(lost.length > 0, { tone: "bad", what: `Lost its place in the change stream: ${someOf(lost)}`, why: "What follows it is kept no longer (changes-retain). Its reader has to begin anew.", cmd: ["CHANGES", "CONSUMER", "LIST"] });
  when(number("audit_lines_dropped") > 0, { tone: "warn", what: `${compact(number("audit_lines_dropped"))} lines of the audit log are lost`, why: "The disk did not take them; with audit-on-full block the commands would have been refused.", cmd: ["CONFIG", "GET", "audit-*"] });
  const held = matching(info, /^user_budget_/, /^clients=\d+,held=[1-9]\d*,.*?,user=(.*)$/s);
  when(held.length > 0, { tone: "warn", what: `Held back by its budget: ${someOf(held)}`, why: "Connections of this user wait until what it may have a second is free again.", cmd: ["INFO", "budgets"] });
  when(number("rdb_changes_since_last_save") > 0 && info.aof_enabled === "0" && Date.now() / 1000 - number("rdb_last_save_time") > 86_400, {
    tone: "warn",
    what: `A crash now loses ${compact(number("rdb_changes_since_last_save"))} changes`,
    why: "There is no append only file, and the last snapshot is over a day old (or there is none since the start).",
    cmd: ["BGSAVE"],
  });
  return out.sort((a, b) => (a.tone === b.tone ? 0 : a.tone === "bad" ? -1 : 1));
}

/** Some names, and how many more. @param {string[]} names */
function someOf(names) {
  const more = names.length - 3;
  return names.slice(0, 3).map((name) => printable(name, 40)).join(", ") + (more > 0 ? ` and ${count(more)} more` : "");
}

/** The names in lines of INFO. @param {Record<string, string>} info @param {RegExp} field @param {RegExp} name its first group */
function matching(info, field, name) {
  return Object.entries(info).flatMap(([id, text]) => (field.test(id) && name.exec(text)?.[1]) || []);
}
