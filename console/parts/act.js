/** Buttons that change something: they say what they lack, ask if it is dear, and report errors. */

import { html } from "../vendor/htm-preact.module.js";
import { plural } from "../format.js";
import { numberOf } from "../resp.js";
import { useApp } from "../state.js";
import { Button } from "./text.js";
import { commandName, errorText } from "./tile.js";

/** @typedef {import("../api.js").Cmd} Cmd */

/**
 * Runs a command and says how it went.
 * @returns {(cmd: Cmd, options?: {done?: string | ((reply: any) => string), undo?: Cmd, question?: import("../state.js").Question, after?: () => void, nothing?: (reply: any) => string | false}) => Promise<any>}
 *   resolves to the reply, or undefined if it was refused. `undo`: the command that takes it back; `nothing`: why the reply says that nothing was done.
 */
export function useAct() {
  const app = useApp();
  return async function act(cmd, { done, undo, question, after, nothing } = {}) {
    if (question && !(await app.ask(question))) return undefined;
    try {
      const reply = await app.run(cmd);
      const why = nothing?.(reply);
      if (why) app.toast(why, { kind: "bad" });
      else if (done) app.toast(typeof done === "string" ? done : done(reply), undo ? { action: { label: "Undo", run: () => void act(undo, { done: "Taken back.", after }) } } : {});
      after?.();
      return reply;
    } catch (error) {
      app.toast(errorText(error), { kind: "bad" });
      return undefined;
    }
  };
}

/**
 * A button that runs a command.
 * @param {{needs: string, cmd: Cmd, done?: string | ((reply: any) => string), undo?: Cmd, question?: import("../state.js").Question, after?: () => void, nothing?: (reply: any) => string | false, icon?: string, kind?: "plain" | "primary" | "danger" | "quiet",
 *   disabled?: boolean, label?: string, children?: any}} props `needs`: "acl|log", for the rights
 */
export function ActButton({ needs, cmd, done, undo, question, after, nothing, ...look }) {
  const act = useAct();
  return html`<${Button} ...${look} why=${useWhyNot(needs)} onClick=${() => act(cmd, { done, undo, question, after, nothing })}>${look.children}<//>`;
}

/** What FLUSH UNDO has done, by its reply. */
export const FLUSH_UNDONE = {
  done: (/** @type {any} */ keys) => `${plural(numberOf(keys), "key")} brought back.`,
  nothing: (/** @type {any} */ keys) => numberOf(keys) === 0 && "No key was brought back.",
};

/** Why a command would not run now; false if it would. @param {string} command */
export function useWhyNot(command) {
  const app = useApp();
  if (app.runs(command)) return false;
  return app.can(command) ? `This needs ${commandName(command)}: open the lock first.` : `The user ${app.me.user} may not run ${commandName(command)}.`;
}
