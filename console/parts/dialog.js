/** Modal dialogs: the browser's own `<dialog>`, which keeps the focus inside and gives it back. */

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.module.js";
import { Button } from "./text.js";

/**
 * @param {{title: string, onClose: () => void, actions?: any, onSubmit?: () => void, wide?: boolean, label?: string, bare?: boolean, children?: any}} props
 *   `onSubmit`: Enter in a field, and buttons of type submit. `bare`: without head and foot.
 */
export function Dialog({ title, onClose, actions, onSubmit, wide, bare, children }) {
  const box = useRef(/** @type {any} */ (null));
  useEffect(() => {
    const dialog = box.current;
    dialog.showModal();
    dialog.querySelector(".dialog-body :is(input, textarea, select)")?.focus();
    return () => dialog.close();
  }, []);
  const submit = (/** @type {any} */ event) => {
    event.preventDefault();
    onSubmit?.();
  };
  return html`<dialog ref=${box} class=${`dialog${wide ? " wide" : ""}${bare ? " bare" : ""}`} aria-label=${title}
    onCancel=${(/** @type {any} */ event) => { event.preventDefault(); onClose(); }}
    onClick=${(/** @type {any} */ event) => event.target === box.current && onClose()}>
    <form onSubmit=${submit}>
      ${!bare && html`<header><h2>${title}</h2><${Button} kind="quiet" icon="close" label="Close" onClick=${onClose} /></header>`}
      <div class="dialog-body">${children}</div>
      ${actions && html`<footer>${actions}</footer>`}
    </form>
  </dialog>`;
}

/** A question with one way forward. @param {{question: import("../state.js").Question, answer: (yes: boolean) => void}} props */
export function Ask({ question, answer }) {
  const { title, body, confirm, danger, type } = question;
  const [typed, setTyped] = useState("");
  const ready = !type || typed === type;
  return html`<${Dialog} title=${title} onClose=${() => answer(false)} onSubmit=${() => ready && answer(true)}
    actions=${html`<${Button} onClick=${() => answer(false)}>Cancel<//><${Button} kind=${danger ? "danger" : "primary"} type="submit" disabled=${!ready}>${confirm}<//>`}>
    ${typeof body === "string" ? html`<p>${body}</p>` : body}
    ${type && html`<label class="field"><span>Type <code>${type}</code> to confirm</span><input value=${typed} autocomplete="off" spellcheck=${false} onInput=${(/** @type {any} */ e) => setTyped(e.target.value)} /></label>`}
  <//>`;
}
