/** Figures made of figures: percentiles of histograms, trends, histograms of times to live, starts of the server. Pure. */

/**
 * A percentile of a cumulative histogram as LATENCY HISTOGRAM replies it: [upper bound in us, calls up to it].
 * @param {[number, number][]} buckets ascending @param {number} share 0.99 @returns {number | null} an upper bound
 */
export function percentile(buckets, share) {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total === 0) return null;
  return buckets.find(([, calls]) => calls >= total * share)?.[0] ?? null;
}

/**
 * The line through points, by least squares.
 * @param {number[]} times @param {(number | null)[]} values @returns {{slope: number, at: (time: number) => number} | null} null below three points
 */
export function trend(times, values) {
  const known = times.map((time, i) => ({ time, value: values[i] })).filter(({ value }) => value !== null && value !== undefined);
  if (known.length < 3) return null;
  const mean = (/** @type {number[]} */ list) => list.reduce((sum, x) => sum + x, 0) / list.length;
  const middle = mean(known.map(({ time }) => time));
  const level = mean(known.map(({ value }) => Number(value)));
  let [above, below] = [0, 0];
  for (const { time, value } of known) {
    above += (time - middle) * (Number(value) - level);
    below += (time - middle) ** 2;
  }
  if (below === 0) return null;
  const slope = above / below;
  return { slope, at: (time) => level + slope * (time - middle) };
}

/**
 * When a growing value reaches its limit, in milliseconds from the last point; null if it does not grow, or not
 * within 90 days: a line through hours says nothing about seasons.
 * @param {number[]} times ms @param {(number | null)[]} values @param {number} limit
 */
export function reaches(times, values, limit) {
  const line = trend(times, values);
  const now = times.at(-1);
  if (!line || now === undefined || line.slope <= 0) return null;
  const left = (limit - line.at(now)) / line.slope;
  if (left > 90 * 86_400_000) return null;
  return Math.max(0, left);
}

/**
 * A server's rows behind those that the page has from before its start: those alone while it has none. Between them
 * stands a row of the start that knows nothing else: lines end there.
 * @param {(number | null)[][]} before @param {(number | null)[][]} rows @param {{time: number, uptime: number}} at columns
 */
export function overStart(before, rows, { time, uptime }) {
  if (rows.length === 0) return before;
  const start = Math.floor(Number(rows[0][time]) / 1000 - Number(rows[0][uptime])) * 1000;
  const old = before.filter((row) => Number(row[time]) < start);
  if (old.length === 0) return rows;
  return [...old, rows[0].map((_, i) => (i === time ? start : i === uptime ? 0 : null)), ...rows];
}

/** How far the time less the age may move while one process runs: the age is told in whole seconds. */
const BEGIN_SLACK_MS = 2000;

/**
 * When the server began, as far as rows tell: where the time less its age moves on, which a clock that is set does not
 * move; and before the first row if that is young.
 * @param {(number | null)[]} times ms @param {(number | null)[]} uptimes s @param {number} step s between rows @returns {number[]} ms
 */
export function startsOf(times, uptimes, step) {
  let last = NaN;
  return times.flatMap((time, i) => {
    const [age, before] = [Number(uptimes[i]), last];
    last = Number(time) - age * 1000;
    // The first row ends a step, and the counts before it have nothing to be compared with.
    return (i === 0 ? age < step + 4 : last > before + BEGIN_SLACK_MS) ? [last] : [];
  });
}

/** The first row of the process that runs: what grows is one line in these. @param {number[]} times @param {(number | null)[]} uptimes @param {number} step as of `startsOf` */
export function sinceStart(times, uptimes, step) {
  const start = startsOf(times, uptimes, step).at(-1) ?? -Infinity;
  return Math.max(0, times.findIndex((time) => time >= start));
}

/** Ends of the TTL calendar's bins in ms, and their names. @type {[number, string][]} */
export const TTL_BINS = [
  [60_000, "within a minute"],
  [3_600_000, "within an hour"],
  [86_400_000, "within a day"],
  [7 * 86_400_000, "within a week"],
  [30 * 86_400_000, "within 30 days"],
  [Infinity, "later"],
];

/** The bin of a TTL, or -1 for a key without one. @param {number} ms */
export function ttlBin(ms) {
  return ms < 0 ? -1 : TTL_BINS.findIndex(([end]) => ms <= end);
}

/**
 * The lines of MEMORY STATS that add up to `total.allocated`: what the server has besides its data, and the data.
 * @param {Record<string, any>} stats numbers, and maps of numbers for databases (as objects)
 *   Templates of hashes are counted among the data, and have a line as well.
 * @returns {{lines: {id: string, bytes: number}[], total: number}} largest first; `other` is what no line names
 */
export function memoryLines(stats) {
  const total = Number(stats["total.allocated"] ?? 0);
  /** @type {{id: string, bytes: number}[]} */
  const lines = [{ id: "dataset.bytes", bytes: Number(stats["dataset.bytes"] ?? 0) - Number(stats["hash.templates"] ?? 0) }];
  for (const [id, value] of Object.entries(stats)) {
    if (id === "dataset.bytes") continue;
    // One line for all databases where the server has it.
    if (/^db\.\d+$/.test(id)) {
      if ("db.tables" in stats) continue;
      const inner = Object.entries(value).filter(([name]) => name.startsWith("overhead."));
      lines.push({ id, bytes: inner.reduce((sum, [, n]) => sum + Number(n), 0) });
    } else if (MEMORY_PARTS.has(id)) lines.push({ id, bytes: Number(value) });
  }
  const other = total - lines.reduce((sum, { bytes }) => sum + bytes, 0);
  if (other !== 0) lines.push({ id: "other", bytes: other });
  return { lines: lines.filter(({ bytes }) => bytes !== 0).sort((a, b) => b.bytes - a.bytes), total };
}

/** Parts of `overhead.total`, in words. */
export const MEMORY_PARTS = new Map([
  ["dataset.bytes", "Keys and values"],
  ["startup.allocated", "The server itself, at its start"],
  ["replication.backlog", "Replication backlog"],
  ["replica.fullsync.buffer", "Buffers of full syncs"],
  ["clients.slaves", "Replicas' buffers"],
  ["clients.normal", "Clients' buffers"],
  ["cluster.links", "Links of the cluster"],
  ["aof.buffer", "Append only file, not yet written"],
  ["lua.caches", "Cached scripts"],
  ["functions.caches", "Functions"],
  ["script.VMs", "Interpreters of scripts"],
  ["hash.templates", "Templates of hashes"],
  ["db.tables", "Tables of databases"],
  ["field.expiries", "Expiries of fields"],
  ["pubsub", "Channels and subscriptions"],
  ["tracking", "Client-side caching"],
  ["users", "ACL users"],
  ["watched.keys", "Watched keys"],
  ["command.logs", "Logs of commands"],
  ["latency.histograms", "Latency histograms"],
  ["hotkeys", "HOTKEYS"],
  ["prefix.stats", "Statistics by prefix"],
  ["snapshot.early", "Snapshot: early copies"],
  ["snapshot.cow", "Snapshot: copies on write"],
  ["other", "Not named by MEMORY STATS"],
]);

/** Findings about data that a crash would lose. */
const OF_LOSS = new Set(["snapshot", "append only file", "rewrite"]);

/** @typedef {"bad" | "warn" | "info" | "ok"} LossTone */
/** The tone of each weight of a finding. @type {Record<string, LossTone>} */
const LOSS_TONES = { critical: "bad", warning: "warn", notice: "info" };

/** How grave a loss is that a crash would be, by the server's own findings: every view has the same tone for it. @param {import("./api.js").Finding[]} findings @returns {LossTone} */
export function lossTone(findings) {
  const [worst] = ["critical", "warning", "notice"].filter((weight) => findings.some((its) => its.weight === weight && OF_LOSS.has(its.code)));
  return LOSS_TONES[worst] ?? "ok";
}

/** Seconds between the start and the time of the last save that is none: a server without a save says when it began. */
const AT_START_S = 3;

/**
 * When the last snapshot was written, Unix milliseconds; null: none since the server's start.
 * @param {Record<string, string>} info of INFO server and persistence
 */
export function lastSnapshot(info) {
  const saved = Number(info.rdb_last_save_time);
  const began = Number(info.server_time_usec) / 1e6 - Number(info.uptime_in_seconds);
  const none = info.rdb_saves === "0" && info.rdb_last_bgsave_time_sec === "-1" && saved <= began + AT_START_S;
  return none || !(saved > 0) ? null : saved * 1000;
}
