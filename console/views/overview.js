import { html } from "../vendor/htm-preact.module.js";

export default function Overview() {
  return html`<div class="page"><h1>Overview</h1></div>`;
}
