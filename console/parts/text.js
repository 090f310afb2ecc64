/** The smallest parts: names, icons, buttons, notes, commands to copy. */

import { html, useState } from "../vendor/htm-preact.module.js";
import { commandLine, printable } from "../format.js";
import { href } from "../router.js";

/** @typedef {import("../resp.js").Name} Name */

/** A name from the data: every byte visible, isolated from the direction of its neighbours. @param {{name: Name, limit?: number}} props */
export function Name({ name, limit = 200 }) {
  const text = printable(name, limit);
  return html`<bdi class=${text === "" ? "name empty" : "name"} title=${text.length > 40 ? printable(name, 2000) : null}>${text === "" ? "(empty)" : text}</bdi>`;
}

/** Paths on a grid of 16, drawn with a line of 1.5. @type {Record<string, string>} */
const ICONS = {
  overview: "M2 9.5h3l2-6 3 9 2-5h2",
  keys: "M9.5 6.5a3 3 0 1 0-2.8 3l1.3-1.3h1.5v1.5H11v1.5h2.5V9.7L9.4 6.9M6 6h.01",
  workbench: "M2.5 4l3.5 4-3.5 4M8 12.5h5.5",
  memory: "M4.5 2.5v11M11.5 2.5v11M2.5 4.5h11v7h-11zM7 7h2v2H7z",
  activity: "M2.5 13.5v-4M6.2 13.5v-8M9.8 13.5v-5.5M13.5 13.5v-11",
  clients: "M5.5 7a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4M1.8 13.2c0-2.4 1.6-4 3.7-4s3.7 1.6 3.7 4M10.5 3a2 2 0 0 1 0 3.9M11.5 9.4c1.7.3 2.7 1.7 2.7 3.8",
  messages: "M2.5 3.5h11v7.5H7l-3 2.5V11H2.5z",
  durability: "M8 2.2l5 1.8v4c0 3-2 5-5 6-3-1-5-3-5-6V4zM5.8 8l1.6 1.6 2.9-3.2",
  settings: "M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6M10 3v3M6 10v3",
  users: "M8 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5M3 13.5c0-2.7 2.2-4.3 5-4.3s5 1.6 5 4.3",
  lock: "M4 7.5h8v6H4zM5.8 7.5V5a2.2 2.2 0 0 1 4.4 0v2.5",
  unlock: "M4 7.5h8v6H4zM5.8 7.5V5a2.2 2.2 0 0 1 4.3-.7",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9M10.3 10.3l3.2 3.2",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  download: "M8 2.5v7.5M4.8 7L8 10.2 11.2 7M2.5 11v2.5h11V11",
  upload: "M8 10V2.5M4.8 5.5L8 2.3l3.2 3.2M2.5 11v2.5h11V11",
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  refresh: "M13 8a5 5 0 1 1-1.5-3.6M13 2.5v2.7h-2.7",
  trash: "M3 4.5h10M6.5 4.5v-2h3v2M4.3 4.5l.7 9h6l.7-9",
  edit: "M3 13l.7-2.9 7-7 2.2 2.2-7 7z",
  play: "M5 3.5v9l7-4.5z",
  stop: "M4.5 4.5h7v7h-7z",
  chevron: "M6 4l4 4-4 4",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  help: "M6.2 6.2a1.9 1.9 0 1 1 2.7 1.7c-.6.3-.9.7-.9 1.3M8 11.7h.01M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4",
  ok: "M3.5 8.5l3 3 6-7",
  warn: "M8 2.5l6 10.5H2zM8 6.5v3.2M8 11.4h.01",
  bad: "M8 14a6 6 0 1 0 0-12 6 6 0 0 0 0 12M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4",
  theme: "M8 13.5a5.5 5.5 0 0 0 0-11zM8 13.5a5.5 5.5 0 0 1 0-11",
  exit: "M6.5 2.5h-4v11h4M6 8h7.5M10.5 5l3 3-3 3",
};

/** @param {{name: string}} props an icon; hidden from screen readers, so text stands beside it */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false"><path d=${ICONS[name] ?? ""} /></svg>`;
}

/**
 * A button. `why` says why it is disabled: it then stays focusable and tells.
 * @param {{icon?: string, kind?: "plain" | "primary" | "danger" | "quiet", onClick?: (event: any) => void, disabled?: boolean,
 *   why?: string | null | false, label?: string, pressed?: boolean, type?: string, children?: any, [other: string]: any}} props `label`: for icons alone
 */
export function Button({ icon, kind = "plain", onClick, disabled, why, label, pressed, type = "button", children, ...other }) {
  return html`<button type=${type} class=${`button ${kind}${children ? "" : " bare"}`} disabled=${disabled && !why} aria-disabled=${why ? "true" : null}
    aria-label=${label} title=${why || label || null} aria-pressed=${pressed === undefined ? null : String(pressed)}
    onClick=${(/** @type {any} */ event) => (why ? event.preventDefault() : onClick?.(event))} ...${other}>
    ${icon && html`<${Icon} name=${icon} />`}${children && html`<span>${children}</span>`}
  </button>`;
}

/** A remark with its tone in words and colour. @param {{tone?: "ok" | "warn" | "bad" | "info", children?: any}} props */
export function Note({ tone = "info", children }) {
  const icon = { ok: "ok", warn: "warn", bad: "bad", info: "help" }[tone];
  return html`<div class=${`note ${tone}`} role=${tone === "bad" ? "alert" : null}><${Icon} name=${icon} /><div>${children}</div></div>`;
}

/** @param {{children?: any}} props what stands where there is nothing */
export function Empty({ children }) {
  return html`<div class="empty-note">${children}</div>`;
}

/** A command that helps: to copy, or to open in the workbench. @param {{cmd: (Name | number)[]}} props */
export function Command({ cmd }) {
  const line = commandLine(cmd);
  return html`<span class="command"><code>${line}</code><${CopyButton} text=${line} label=${`Copy ${line}`} /><a class="button quiet bare" href=${href("workbench", [], { run: line })}
    aria-label=${`Open ${line} in the workbench`} title="Open in the workbench"><${Icon} name="workbench" /></a></span>`;
}

/** @param {string} text */
async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Without TLS and away from localhost browsers have only the old way.
  const area = document.createElement("textarea");
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** @param {{text: string, label?: string, children?: any}} props */
export function CopyButton({ text, label = "Copy", children }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await copyText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`<${Button} kind="quiet" icon=${done ? "ok" : "copy"} label=${done ? "Copied" : label} onClick=${copy}>${children}<//>`;
}

/** @param {{keys: string}} props "Ctrl K" */
export function Kbd({ keys }) {
  return html`<span class="keycaps">${keys.split(" ").map((key) => html`<kbd>${key}</kbd>`)}</span>`;
}
