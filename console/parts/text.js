/** The smallest parts: names, icons, buttons, notes, commands to copy. */

import { html, useState } from "../vendor/htm-preact.module.js";
import { commandLine, printable } from "../format.js";
import { href } from "../router.js";

/** @typedef {import("../resp.js").Name} Name */

/** A name from the data: every byte visible, isolated from the direction of its neighbours. @param {{name: Name, limit?: number}} props */
export function NameText({ name, limit = 200 }) {
  const text = printable(name, limit);
  return html`<bdi class=${text === "" ? "name empty" : "name"} title=${text.length > 40 ? printable(name, 2000) : null}>${text === "" ? "(empty)" : text}</bdi>`;
}
export { NameText as Name };

/** Paths on a grid of 16, drawn with a line of 1.5. @type {Record<string, string>} */
const ICONS = {
  overview: "M2 9.5h3l2-6 3 9 2-5h2",
  keys: "M9.5 6.5a3 3 0 1 0-2.8 3l1.3-1.3h1.5v1.5H11v1.5h2.5V9.7L9.4 6.9M6 6h.01",
  workbench: "M2.5 4l3.5 4-3.5 4M8 12.5h5.5",
  memory: "M4.5 2.5v11M11.5 2.5v11M2.5 4.5h11v7h-11zM7 7h2v2H7z",
  activity: "M2.5 13.5v-4M6.2 13.5v-8M9.8 13.5v-5.500M13.500 13.500v-11",
  clients: "M5.500 7a2.200 2.200 0 1 0 0-4.400 2.200 2.200 0 0 0 0 4.400M1.800 13.200c0-2.400 1.600-4 3.700-4s3.700 1.600 3.700 4M10.500 3a2 2 0 0 1 0 3.900M11.500 9.400c1.700.3 2.700 1.700 2.700 3.800",
  messages: "M2.500 3.500h11v7.500H7l-3 2.500V11H2.500z",
  durability: "M8 2.200l5 1.800v4c0 3-2 5-5 6-3-1-5-3-5-6V4zM5.800 8l1.600 1.600 2.900-3.200",
  settings: "M2.500 4.500h6M11.500 4.500h2M2.500 11.500h2M7.500 11.500h6M10 3v3M6 10v3",
  users: "M8 7.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5M3 13.500c0-2.700 2.200-4.300 5-4.300s5 1.600 5 4.300",
  lock: "M4 7.500h8v6H4zM5.800 7.500V5a2.200 2.200 0 0 1 4.400 0v2.500",
  unlock: "M4 7.500h8v6H4zM5.800 7.500V5a2.200 2.200 0 0 1 4.300-.7",
  search: "M7 11.500a4.500 4.500 0 1 0 0-9 4.500 4.500 0 0 0 0 9M10.300 10.300l3.200 3.200",
  copy: "M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3",
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  refresh: "M13 8a5 5 0 1 1-1.500-3.600M13 2.500v2.700h-2.700",
  trash: "M3 4.500h10M6.500 4.500v-2h3v2M4.300 4.500l.7 9h6l.7-9",
  edit: "M3 13l.7-2.900 7-7 2.200 2.200-7 7z",
  play: "M5 3.500v9l7-4.500z",
  stop: "M4.500 4.500h7v7h-7z",
  chevron: "M6 4l4 4-4 4",
  menu: "M2.500 4.500h11M2.500 8h11M2.500 11.500h11",
  help: "M6.200 6.200a1.900 1.900 0 1 1 2.700 1.700c-.6.3-.9.700-.9 1.300M8 11.700h.01M8 14.200A6.200 6.200 0 1 0 8 1.800a6.200 6.200 0 0 0 0 12.400",
  ok: "M3.500 8.500l3 3 6-7",
  warn: "M8 2.500l6 10.500H2zM8 6.500v3.200M8 11.400h.01",
  bad: "M8 14a6 6 0 1 0 0-12 6 6 0 0 0 0 12M5.800 5.800l4.400 4.400M10.200 5.800l-4.400 4.400",
  theme: "M8 13.500a5.500 5.500 0 0 0 0-11zM8 13.500a5.500 5.500 0 0 1 0-11",
  exit: "M6.500 2.500h-4v11h4M6 8h7.500M10.500 5l3 3-3 3",
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
