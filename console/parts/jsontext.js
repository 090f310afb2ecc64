/** JSON in colours, for reading and under an editor: words, numbers, names and text differ; all characters stay. */

import { html, useRef } from "../vendor/htm-preact.module.js";

/** A name with its colon, a text, a number, a word. */
const PIECE = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;

/** Characters up to which text has colours: each piece is an element of the page. */
export const COLOURED = 40_000;

/** @typedef {{kind: "" | "name" | "text" | "number" | "word", text: string}} Piece */

/** The pieces of a text, which are the text again; one piece if it is long. O(text). @param {string} text @returns {Piece[]} */
export function piecesOf(text) {
  if (text.length > COLOURED) return [{ kind: "", text }];
  /** @type {Piece[]} */
  const out = [];
  let at = 0;
  const plain = (/** @type {number} */ to) => to > at && out.push({ kind: "", text: text.slice(at, to) });
  for (const found of text.matchAll(PIECE)) {
    plain(found.index);
    const [whole, string, colon = "", number] = found;
    if (string === undefined) out.push({ kind: number === undefined ? "word" : "number", text: whole });
    else {
      out.push({ kind: colon ? "name" : "text", text: string });
      if (colon) out.push({ kind: "", text: colon });
    }
    at = found.index + whole.length;
  }
  plain(text.length);
  return out;
}

/** @param {{text: string}} props */
export function JsonText({ text }) {
  return piecesOf(text).map(({ kind, text: part }) => (kind ? html`<span class=${`json-${kind}`}>${part}</span>` : part));
}

/** A text area whose text has colours: they are under it, and scroll with it. @param {{text: string, [other: string]: any}} props of the text area */
export function JsonArea({ text, ...area }) {
  const under = useRef(/** @type {any} */ (null));
  const follow = (/** @type {any} */ event) => {
    under.current.scrollTop = event.target.scrollTop;
    under.current.scrollLeft = event.target.scrollLeft;
  };
  return html`<div class="json-area"><pre aria-hidden="true" ref=${under}><${JsonText} text=${text} />${"\n"}</pre><textarea ...${area} value=${text} onScroll=${follow}></textarea></div>`;
}
