/** What differs between two texts, by lines. Pure. */

/** @typedef {{mark: "same" | "old" | "new", text: string}} Line */

/** Longer texts are compared line by line at the same place only. */
const MAX_LINES = 2000;

/** The shortest edit from `a` to `b`. O(lines of a x lines of b). @param {string} a @param {string} b @returns {Line[]} */
export function diff(a, b) {
  const [x, y] = [a.split("\n"), b.split("\n")];
  let start = 0;
  while (start < x.length && start < y.length && x[start] === y[start]) start += 1;
  let end = 0;
  while (end < x.length - start && end < y.length - start && x[x.length - 1 - end] === y[y.length - 1 - end]) end += 1;
  /** @param {"same" | "old" | "new"} mark @param {string[]} lines @returns {Line[]} */
  const as = (mark, lines) => lines.map((text) => ({ mark, text }));
  const [m, n] = [x.slice(start, x.length - end), y.slice(start, y.length - end)];
  return [...as("same", x.slice(0, start)), ...(m.length * n.length > MAX_LINES ** 2 ? [...as("old", m), ...as("new", n)] : middle(m, n)), ...as("same", x.slice(x.length - end))];
}

/** @param {string[]} x @param {string[]} y @returns {Line[]} */
function middle(x, y) {
  const width = y.length + 1;
  // common[i, j]: the longest common subsequence of x from i and y from j.
  const common = new Uint16Array((x.length + 1) * width);
  for (let i = x.length - 1; i >= 0; i -= 1)
    for (let j = y.length - 1; j >= 0; j -= 1)
      common[i * width + j] = x[i] === y[j] ? common[(i + 1) * width + j + 1] + 1 : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
  /** @type {Line[]} */
  const out = [];
  let [i, j] = [0, 0];
  while (i < x.length || j < y.length) {
    if (i < x.length && j < y.length && x[i] === y[j]) {
      out.push({ mark: "same", text: x[i] });
      i += 1;
      j += 1;
    } else if (i < x.length && (j === y.length || common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      out.push({ mark: "old", text: x[i] });
      i += 1;
    } else {
      out.push({ mark: "new", text: y[j] });
      j += 1;
    }
  }
  return out;
}
