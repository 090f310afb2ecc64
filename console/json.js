/**
 * JSON that loses nothing: the tokens of a text, printed with other spaces. Numbers keep their digits
 * (248480010225057793, 1.0, 1e400), objects their duplicate keys, strings their escapes; so what is shown is what
 * is stored, and what is saved differs from it in white space at most. Pure.
 */

/** @typedef {{kind: "object" | "array", items: Node[], keys?: string[]} | {kind: "string" | "number" | "word", text: string}} Node */

const TOKEN = /\s*(?:([{}[\],:])|("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y;

/** Deeper texts are refused: the printer recurses. */
const MAX_DEPTH = 200;

/** The tree of a JSON text. Throws SyntaxError with the offset. @param {string} text @returns {Node} */
export function parse(text) {
  let at = 0;
  /** @type {{mark?: string, string?: string, number?: string, word?: string}} */
  let token = {};
  /** @param {string} mark */
  const is = (mark) => token.mark === mark;
  const next = () => {
    TOKEN.lastIndex = at;
    const m = TOKEN.exec(text);
    if (!m) throw new SyntaxError(`not JSON at offset ${at}`);
    at = TOKEN.lastIndex;
    token = { mark: m[1], string: m[2], number: m[3], word: m[4] };
  };
  /** @param {number} depth @returns {Node} */
  const value = (depth) => {
    if (depth > MAX_DEPTH) throw new SyntaxError(`nested deeper than ${MAX_DEPTH}`);
    if (token.string !== undefined) return { kind: "string", text: token.string };
    if (token.number !== undefined) return { kind: "number", text: token.number };
    if (token.word !== undefined) return { kind: "word", text: token.word };
    if (token.mark !== "{" && token.mark !== "[") throw new SyntaxError(`not JSON at offset ${at}`);
    const [object, close] = token.mark === "{" ? [true, "}"] : [false, "]"];
    /** @type {Node[]} */
    const items = [];
    /** @type {string[]} */
    const keys = [];
    next();
    while (!is(close)) {
      if (object) {
        if (token.string === undefined) throw new SyntaxError(`a key is missing at offset ${at}`);
        keys.push(token.string);
        next();
        if (!is(":")) throw new SyntaxError(`a colon is missing at offset ${at}`);
        next();
      }
      items.push(value(depth + 1));
      next();
      if (is(",")) {
        next();
        if (is(close)) throw new SyntaxError(`a value is missing at offset ${at}`);
      } else if (!is(close)) throw new SyntaxError(`a comma is missing at offset ${at}`);
    }
    return object ? { kind: "object", items, keys } : { kind: "array", items };
  };
  next();
  const root = value(0);
  if (/\S/.test(text.slice(at))) throw new SyntaxError(`more than one value at offset ${at}`);
  return root;
}

/** Printed over lines; short arrays of plain values stay on one. @param {Node} node @param {number} [indent] @param {string} [lead] @returns {string} */
export function pretty(node, indent = 2, lead = "") {
  if (!("items" in node)) return node.text;
  const [open, close] = node.kind === "object" ? "{}" : "[]";
  if (node.items.length === 0) return open + close;
  if (node.kind === "array" && node.items.every((item) => !("items" in item))) {
    const line = minify(node).replace(/,/g, ", ");
    if (node.items.every((item) => "text" in item && item.kind !== "string") && line.length + lead.length <= 100) return line;
  }
  const deeper = lead + " ".repeat(indent);
  const lines = node.items.map((item, i) => {
    const key = node.keys ? `${node.keys[i]}: ` : "";
    return deeper + key + pretty(item, indent, deeper);
  });
  return `${open}\n${lines.join(",\n")}\n${lead}${close}`;
}

/** Without white space. @param {Node} node @returns {string} */
export function minify(node) {
  if (!("items" in node)) return node.text;
  const parts = node.items.map((item, i) => (node.keys ? `${node.keys[i]}:` : "") + minify(item));
  return node.kind === "object" ? `{${parts.join(",")}}` : `[${parts.join(",")}]`;
}

/** Whether a text is an object or an array in JSON (a lone number or word is left as text). @param {string} text */
export function isDocument(text) {
  if (!/^\s*[{[]/.test(text)) return false;
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}
