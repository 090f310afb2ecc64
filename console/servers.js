/**
 * Consoles of other servers: the nodes that this one knows, and those that the user has named. Each server has a console
 * of its own with a login of its own; this page only leads there, and asks no other server anything. Pure.
 */

/** @typedef {{name: string, url: string}} Saved */

/** The host and the port of a node's name: "[::1]:6379" or "::1:6379" too. @param {string} name @returns {{host: string, port: string}} */
export function addressOf(name) {
  const [, host = name, port = ""] = /^(.*):(\d+)$/.exec(name) ?? [];
  return { host: host.replace(/^\[|\]$/g, ""), port };
}

/**
 * The address of a node's console: on the same port as this page's, unless another is known. Null: it cannot be told, as
 * the node is on the host of this page, where its port is taken.
 * @param {string} name of the node @param {{protocol: string, hostname: string, port: string, hash: string}} page @param {string} [port] of its console @returns {string | null}
 */
export function consoleUrl(name, page, port = "") {
  const { host } = addressOf(name);
  if (host === "" || host === "?") return null;
  const isHere = host === page.hostname || (isLoopback(host) && isLoopback(page.hostname));
  if (port === "" && isHere) return null;
  const chosen = port || page.port;
  return validUrl(`${page.protocol}//${host.includes(":") ? `[${host}]` : host}${chosen ? `:${chosen}` : ""}/${page.hash}`);
}

/** @param {string} host */
function isLoopback(host) {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/.test(host);
}

/** An address of the web, written out; null: it is none. @param {string} text @returns {string | null} */
export function validUrl(text) {
  try {
    const url = new URL(text);
    return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" ? url.href : null;
  } catch {
    return null;
  }
}

/** The list as the browser keeps it; entries of another form are left out. @param {string | null} text @returns {Saved[]} */
export function savedServers(text) {
  try {
    const list = JSON.parse(text ?? "[]");
    return Array.isArray(list) ? list.flatMap((one) => (typeof one?.name === "string" && typeof one.url === "string" && validUrl(one.url) ? [{ name: one.name, url: one.url }] : [])).slice(0, 100) : [];
  } catch {
    return [];
  }
}
