/** A text area with completion: suggestions at the caret, taken with Tab or Enter, left with Escape. */

import { html, useLayoutEffect, useRef, useState } from "../vendor/htm-preact.module.js";

let ids = 0;

/**
 * @typedef {{text: string, detail?: string, select?: [number, number]}} Offered `select`: the part of the text that is then selected, to be typed over
 * @typedef {{from: number, items: Offered[]}} Completion `from`: where the word to be replaced begins
 */

/**
 * @param {{label: string, value: string, onChange: (value: string) => void, complete?: (text: string, caret: number) => Completion | null, onRun?: () => void,
 *   onCaret?: (caret: number) => void, onHistory?: (step: number) => boolean, rows?: number, placeholder?: string, readonly?: boolean, wrap?: boolean, autofocus?: boolean, enterRuns?: boolean}} props
 *   `onRun`: Ctrl-Enter, with `enterRuns` Enter, too (Shift-Enter is a line's end then); `onHistory`: Alt-Up (-1), Alt-Down (1)
 */
export function Editor({ label, value, onChange, complete, onRun, onCaret, onHistory, rows = 6, placeholder, readonly, wrap, autofocus, enterRuns }) {
  const area = useRef(/** @type {any} */ (null));
  const caretNext = useRef(/** @type {[number, number] | null} */ (null));
  const [offer, setOffer] = useState(/** @type {Completion | null} */ (null));
  const [at, setAt] = useState(0);
  const [id] = useState(() => `offer-${(ids += 1)}`);
  useLayoutEffect(() => {
    if (caretNext.current === null) return;
    area.current.setSelectionRange(...caretNext.current);
    caretNext.current = null;
  });
  useLayoutEffect(() => {
    if (autofocus) area.current.focus();
  }, []);

  const look = () => {
    const { value: text, selectionStart, selectionEnd } = area.current;
    onCaret?.(selectionStart);
    const found = selectionStart === selectionEnd ? (complete?.(text, selectionStart) ?? null) : null;
    setOffer(found?.items.length ? found : null);
    setAt(0);
  };
  /** @param {Offered} item */
  const take = (item) => {
    if (!offer) return;
    const caret = area.current.selectionStart;
    const [start, end] = item.select ?? [item.text.length, item.text.length];
    caretNext.current = [offer.from + start, offer.from + end];
    onChange(value.slice(0, offer.from) + item.text + value.slice(caret));
    setOffer(null);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    // Enter takes a suggestion that was gone to, and runs otherwise.
    if (event.key === "Enter" && enterRuns && offer && at > 0) take(offer.items[at]);
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey || (enterRuns && !event.shiftKey && !event.isComposing))) {
      setOffer(null);
      onRun?.();
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown") && onHistory?.(event.key === "ArrowUp" ? -1 : 1)) setOffer(null);
    else if (!offer) return;
    else if (event.key === "ArrowDown") setAt((at + 1) % offer.items.length);
    else if (event.key === "ArrowUp") setAt((at + offer.items.length - 1) % offer.items.length);
    else if (event.key === "Tab" && !event.shiftKey) take(offer.items[at]);
    else if (event.key === "Escape") setOffer(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="editor">
    <textarea ref=${area} value=${value} rows=${rows} aria-label=${label} placeholder=${placeholder} readonly=${readonly} class=${wrap ? "wrap" : ""}
      spellcheck=${false} autocomplete="off" autocapitalize="off" aria-autocomplete=${complete ? "list" : null}
      aria-haspopup=${complete ? "listbox" : null} aria-controls=${complete ? id : null} aria-activedescendant=${offer ? `${id}-${at}` : null}
      onInput=${(/** @type {any} */ e) => { onChange(e.target.value); look(); }} onClick=${look} onKeyUp=${(/** @type {any} */ e) => e.key.startsWith("Arrow") && !offer && onCaret?.(area.current.selectionStart)}
      onBlur=${() => setOffer(null)} onKeyDown=${onKeyDown}></textarea>
    <ul id=${id} class="offer" role="listbox" aria-label="Suggestions" hidden=${!offer}>
      ${offer?.items.map((item, i) => html`<li key=${item.text} id=${`${id}-${i}`} role="option" aria-selected=${String(i === at)} onMouseDown=${(/** @type {Event} */ e) => { e.preventDefault(); take(item); }}>
        <span>${item.text}</span>${item.detail && html`<small>${item.detail}</small>`}</li>`)}
    </ul>
  </div>`;
}
