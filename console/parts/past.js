/** Lines that were run in this tab: kept until it is closed, the newest last, each once. */

import { useRef } from "../vendor/htm-preact.module.js";

const MAX_LINES = 200;

/**
 * @param {string} key of the tab's storage
 * @returns {{add: (lines: string[]) => void, step: (step: number) => string}} `step`: the line that many lines further
 *   (-1: an earlier one); "" after the newest
 */
export function usePast(key) {
  const past = useRef({ lines: /** @type {string[]} */ (JSON.parse(sessionStorage.getItem(key) ?? "[]")), at: 0 });
  return {
    add(lines) {
      past.current = { lines: [...past.current.lines.filter((line) => !lines.includes(line)), ...lines].slice(-MAX_LINES), at: 0 };
      sessionStorage.setItem(key, JSON.stringify(past.current.lines));
    },
    step(step) {
      const { lines, at } = past.current;
      past.current.at = Math.max(0, Math.min(lines.length, at - step));
      return past.current.at === 0 ? "" : lines[lines.length - past.current.at];
    },
  };
}
