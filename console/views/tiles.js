/** The views of tiles, in one file for the browser: they are much alike, and compress a fifth better together. */

import { Activity } from "./activity.js";
import { Clients } from "./clients.js";
import { Durability } from "./durability.js";
import { Memory } from "./memory.js";
import { Messages } from "./messages.js";
import { Settings } from "./settings.js";
import { Users } from "./users.js";

/** By their ids. @type {Record<string, any>} */
export const TILE_VIEWS = { activity: Activity, clients: Clients, durability: Durability, memory: Memory, messages: Messages, settings: Settings, users: Users };
