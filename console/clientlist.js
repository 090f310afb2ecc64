/** The lines of CLIENT LIST, groups of clients, and which a filter hits. Pure. */

import { textOf } from "./resp.js";

/** @typedef {Record<string, string>} Client the fields of a line: id, addr, name, user, lib-name, age, idle, tot-mem, .. */

/**
 * @param {import("./resp.js").Value} reply @returns {Client[]} A value may hold bytes that are not UTF-8: they are for reading.
 */
export function parseClients(reply) {
  return textOf(reply).split("\n").filter((line) => line.startsWith("id=")).map((line) => {
    /** @type {Client} */
    const client = Object.create(null);
    for (const part of line.split(" ")) {
      const equals = part.indexOf("=");
      if (equals > 0) client[part.slice(0, equals)] = part.slice(equals + 1);
    }
    return client;
  });
}

/** The host of an address: "10.0.0.1:123" and "[::1]:123" without the port. @param {string} address */
export function hostOf(address) {
  const colon = address.lastIndexOf(":");
  return colon > 0 ? address.slice(0, colon) : address;
}

/** What the letters of `flags` say. @type {Record<string, string>} */
const FLAGS = { b: "blocked", x: "in MULTI", t: "tracking", S: "replica", M: "primary", O: "MONITOR", P: "subscribed", U: "Unix socket", c: "closing", A: "closing", u: "unblocked", d: "watching, dirty", T: "no touch", e: "not evicted", r: "read only", R: "tracking, redirect lost", B: "tracking, broadcast" };

/** @param {string} flags */
export function flagWords(flags) {
  return [...flags].flatMap((letter) => FLAGS[letter] ?? []).join(", ");
}

/** @param {Client} client */
export function stateWords({ flags = "", held = "no" }) {
  return [flagWords(flags), held === "no" ? "" : `held back (${held})`].filter(Boolean).join(", ");
}

/** What clients can be grouped by. @type {Record<string, (client: Client) => string>} */
export const GROUPS = {
  user: (client) => client.user ?? "",
  library: (client) => [client["lib-name"], client["lib-ver"]].filter(Boolean).join(" ") || "(unknown)",
  address: (client) => hostOf(client.addr ?? ""),
  name: (client) => client.name || "(none)",
  command: (client) => (client.cmd ?? "").replace("|", " "),
};

/**
 * The clients that a filter hits. Empty fields hit all.
 * @param {Client[]} clients @param {{user?: string, address?: string, library?: string, name?: string, idle?: number}} filter
 *   `address`: the beginning of it; `library`, `name`: a part; `idle`: seconds at least
 */
export function hits(clients, { user, address, library, name, idle }) {
  return clients.filter((client) =>
    (!user || client.user === user) && (!address || (client.addr ?? "").startsWith(address)) && (!library || (client["lib-name"] ?? "").includes(library)) &&
    (!name || (client.name ?? "").includes(name)) && (!idle || Number(client.idle) >= idle));
}

/** Sums of groups. @param {Client[]} clients @param {(client: Client) => string} by */
export function grouped(clients, by) {
  /** @type {Map<string, {name: string, clients: number, memory: number, output: number, idle: number, blocked: number}>} */
  const groups = new Map();
  for (const client of clients) {
    const name = by(client);
    const group = groups.get(name) ?? { name, clients: 0, memory: 0, output: 0, idle: 0, blocked: 0 };
    groups.set(name, group);
    group.clients += 1;
    group.memory += Number(client["tot-mem"] ?? 0);
    group.output += Number(client.omem ?? 0);
    group.idle = Math.max(group.idle, Number(client.idle ?? 0));
    group.blocked += (client.flags ?? "").includes("b") ? 1 : 0;
  }
  return [...groups.values()];
}
