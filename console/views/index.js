/** The views, in the order of the navigation. `letter`: after g. `needs`: commands without which a view has nothing to show. */

/** @typedef {{id: string, letter: string, title: string, about: string, needs: string[], load: () => Promise<any>}} View */

/** @type {View[]} */
export const VIEWS = [
  { id: "overview", letter: "o", title: "Overview", about: "Is all well? Figures and history", needs: [], load: () => import("./overview.js") },
  { id: "keys", letter: "k", title: "Keys", about: "Browse, edit and delete keys", needs: ["scan"], load: () => import("./keys.js") },
  { id: "search", letter: "f", title: "Search", about: "Indexes of FT.*: fields, health, queries", needs: [], load: () => import("./search.js") },
  { id: "workbench", letter: "w", title: "Workbench", about: "Run commands", needs: [], load: () => import("./workbench.js") },
  { id: "memory", letter: "m", title: "Memory", about: "Where memory goes", needs: [], load: () => import("./memory.js") },
  { id: "activity", letter: "a", title: "Activity", about: "Slow commands, latency, errors, MONITOR", needs: [], load: () => import("./activity.js") },
  { id: "clients", letter: "c", title: "Clients", about: "Who is connected, and what they hold", needs: [], load: () => import("./clients.js") },
  { id: "messages", letter: "s", title: "Messages", about: "Channels, and groups of streams", needs: [], load: () => import("./messages.js") },
  { id: "durability", letter: "d", title: "Durability", about: "Persistence, backups, replicas", needs: [], load: () => import("./durability.js") },
  { id: "settings", letter: "t", title: "Settings", about: "Every directive", needs: ["config|get"], load: () => import("./settings.js") },
  { id: "users", letter: "u", title: "Users and code", about: "ACL users, functions, scripts", needs: [], load: () => import("./users.js") },
];

/** @param {string} id @returns {View | undefined} */
export function viewOf(id) {
  return VIEWS.find((view) => view.id === id);
}
