/** What PHP's serialize() writes, as JSON-like text for reading. Lengths are of bytes. Nothing is run. Pure. */

const MAX_DEPTH = 100;

/** @param {Uint8Array} data @returns {string} throws if it is not one whole value */
export function phpText(data) {
  let at = 0;
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  const fail = () => {
    throw new SyntaxError(`not PHP's serialize() at byte ${at}`);
  };
  const byte = () => (at < data.length ? String.fromCharCode(data[at++]) : fail());
  const expect = (/** @type {string} */ text) => {
    for (const c of text) if (byte() !== c) fail();
  };
  /** Text up to a mark. @param {string} mark @param {RegExp} form */
  const until = (mark, form) => {
    let out = "";
    for (let c = byte(); c !== mark; c = byte()) out = out.length < 400 ? out + c : fail();
    return form.test(out) ? out : fail();
  };
  const size = () => Number(until(":", /^\d{1,10}$/));
  const quotedText = () => {
    const n = size();
    expect('"');
    if (at + n > data.length) fail();
    const out = utf8.decode(data.subarray(at, (at += n)));
    expect('"');
    return out;
  };
  /** Members as an object, or as a list if their keys are 0, 1, 2. @param {number} depth @param {string[]} first */
  const members = (depth, first) => {
    const n = size();
    // Each has four bytes at least.
    if (n * 4 > data.length - at) fail();
    expect("{");
    const pairs = Array.from({ length: n }, () => [value(depth + 1, true), value(depth + 1)]);
    expect("}");
    if (first.length === 0 && pairs.every(([key], i) => key === String(i))) return `[${pairs.map(([, one]) => one).join(",")}]`;
    return `{${[...first, ...pairs.map(([key, one]) => `${memberName(key)}:${one}`)].join(",")}}`;
  };
  /** A private or protected member has its class before its name. @param {string} key */
  const memberName = (key) => {
    if (!key.startsWith('"')) return `"${key}"`;
    const [, owner, name] = /^\0([^\0]*)\0([^]*)$/.exec(JSON.parse(key)) ?? [];
    return owner === undefined ? key : JSON.stringify(`${name} (${owner === "*" ? "protected" : "private"})`);
  };
  /** @param {number} depth @param {boolean} [isKey] @returns {string} */
  const value = (depth, isKey = false) => {
    if (depth > MAX_DEPTH) throw new SyntaxError(`nested deeper than ${MAX_DEPTH}`);
    const kind = byte();
    if (isKey && kind !== "i" && kind !== "s") fail();
    if (kind === "N") {
      expect(";");
      return "null";
    }
    expect(":");
    if (kind === "b") return until(";", /^[01]$/) === "1" ? "true" : "false";
    if (kind === "i") return until(";", /^[+-]?\d{1,20}$/).replace("+", "");
    if (kind === "d") {
      const text = until(";", /^([+-]?(\d+\.?\d*|\.\d+)(E[+-]?\d+)?|-?INF|NAN)$/i);
      return /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? text : JSON.stringify(text);
    }
    if (kind === "R" || kind === "r") return `"(value ${until(";", /^\d+$/)} again)"`;
    if (kind === "s") {
      const out = JSON.stringify(quotedText());
      expect(";");
      return out;
    }
    if (kind === "E") {
      const out = JSON.stringify(quotedText().replace(":", "::"));
      expect(";");
      return out;
    }
    if (kind === "a") return members(depth, []);
    if (kind === "O" || kind === "C") {
      const name = quotedText();
      expect(":");
      const first = [`"(class)":${JSON.stringify(name)}`];
      if (kind === "O") return members(depth, first);
      const n = size();
      expect("{");
      if (at + n > data.length) fail();
      const own = utf8.decode(data.subarray(at, (at += n)));
      expect("}");
      return `{${first[0]},"(own form)":${JSON.stringify(own)}}`;
    }
    return fail();
  };
  const out = value(0);
  if (at !== data.length) fail();
  return out;
}
