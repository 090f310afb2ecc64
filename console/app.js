/** The console: the user logged in, and which view the route names. */

import { html, render, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/htm-preact.module.js";
import * as api from "./api.js";
import { RespError } from "./resp.js";
import { routeOf } from "./router.js";
import { Login, Shell } from "./shell.js";
import { AppContext, permits } from "./state.js";
import { Ask } from "./parts/dialog.js";
import { Button } from "./parts/text.js";

/** @typedef {import("./state.js").Question} Question */
/** @typedef {{id: number, text: string, kind: "ok" | "bad", action?: {label: string, run: () => void}}} Toast */

const TOAST_MS = 8000;

function App() {
  const [me, setMe] = useState(/** @type {api.Me | null} */ (null));
  const [failure, setFailure] = useState(/** @type {api.ApiError | null} */ (null));
  const before = useRef(/** @type {string | null} */ (null));
  const entering = useRef(/** @type {Promise<void> | null} */ (null));
  // All calls of a session that has ended fail at once: one of them asks for the user.
  const enter = useCallback(() => (entering.current ??= (async () => {
    const returns = before.current !== null;
    try {
      const now = await identify(before.current);
      before.current = now.user;
      setMe(now);
      setFailure(null);
      // What failed meanwhile is loaded again.
      if (returns) dispatchEvent(new Event("russet-reach"));
    } catch (error) {
      const failed = /** @type {api.ApiError} */ (error);
      // A server that falls silent again is asked once it is back; until then the page stays, in grey.
      if (!returns || failed.status !== 0) {
        setMe(null);
        setFailure(failed);
      }
    }
    entering.current = null;
  })()), []);
  useLayoutEffect(() => {
    enter();
    const left = () => void enter();
    // A server that is back may have been started anew, without the sessions that it had.
    const back = () => before.current !== null && entering.current === null && api.silentSince() === null && left();
    addEventListener("russet-logged-out", left);
    addEventListener("russet-reach", back);
    return () => {
      removeEventListener("russet-logged-out", left);
      removeEventListener("russet-reach", back);
    };
  }, []);
  if (me) return html`<${Session} key=${me.user} me=${me} setMe=${setMe} leave=${enter} />`;
  if (failure?.status === 401) return html`<${Login} onDone=${enter} />`;
  if (failure) return html`<main class="gate"><div class="card"><h1>No answer</h1><p role="alert">${failure.message}</p><${Button} kind="primary" onClick=${enter}>Try again<//></div></main>`;
  return html`<main class="gate" aria-busy="true"></main>`;
}

/**
 * The session; on loopback a default user without a password needs no form, neither after the server has been started
 * anew. A session that has ended does not become another user's.
 * @param {string | null} before the user until now; null: the page opens @returns {Promise<api.Me>}
 */
async function identify(before) {
  try {
    return await api.me();
  } catch (error) {
    const open = (before === null || before === "default") && error instanceof api.ApiError && error.status === 401 && error.body.nopass;
    if (!open || sessionStorage.getItem("russet.left")) throw error;
    await api.login("default", "");
    return api.me();
  }
}

/** @param {string[]} names */
function lowerSet(names) {
  return new Set(names.map((name) => name.toLowerCase()));
}

/** @param {{me: api.Me, setMe: (me: api.Me) => void, leave: () => void}} props */
function Session({ me, setMe, leave }) {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  const [question, setQuestion] = useState(/** @type {{question: Question, answer: (yes: boolean) => void} | null} */ (null));
  const [toasts, setToasts] = useState(/** @type {Toast[]} */ ([]));
  const [said, setSaid] = useState("");
  const next = useRef(0);
  useEffect(() => {
    const changed = () => setRoute(routeOf(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);

  const dbText = Number(route.query.db ?? 0);
  const db = Number.isInteger(dbText) && dbText >= 0 && dbText < me.databases ? dbText : 0;
  const all = useMemo(() => lowerSet(me.commands), [me]);
  const open = useMemo(() => (me.locked_commands ? lowerSet(me.locked_commands) : null), [me]);
  /** @param {Toast | number} toast */
  const drop = (toast) => setToasts((old) => old.filter(({ id }) => id !== (typeof toast === "number" ? toast : toast.id)));

  /** @type {import("./state.js").App} */
  const app = useMemo(() => {
    const ask = (/** @type {Question} */ asked) =>
      new Promise((/** @type {(yes: boolean) => void} */ resolve) => {
        setQuestion({ question: asked, answer: (yes) => { setQuestion(null); resolve(yes); } });
      });
    const setLock = async (/** @type {boolean} */ locked) => setMe({ ...me, locked: await api.lock(locked) });
    /** @type {import("./state.js").App["toast"]} */
    const toast = (text, { kind = "ok", action } = {}) => {
      const id = (next.current += 1);
      setToasts((old) => [...old.slice(-3), { id, text, kind, action }]);
      setTimeout(() => drop(id), action || kind === "bad" ? 2 * TOAST_MS : TOAST_MS);
    };
    return {
      me,
      locked: me.locked,
      db,
      can: (command) => permits(all, command),
      runs: (command) => permits(all, command) && (!me.locked || !open || permits(open, command)),
      run: async (cmd, options) => {
        const { replies } = await api.batch([cmd], { db, ...options });
        if (replies[0] instanceof RespError) throw replies[0];
        return replies[0];
      },
      batch: (cmds, options) => api.batch(cmds, { db, ...options }),
      ask,
      toast,
      announce: (text) => setSaid(text),
      setLock,
      unlock: async () => {
        if (!me.locked) return true;
        const yes = await ask({
          title: "Open the lock?",
          body: `Commands of this page may then change data, with all rights of the user ${me.user}, until you lock it again.`,
          confirm: "Open the lock",
        });
        try {
          if (yes) await setLock(false);
        } catch (error) {
          toast(/** @type {Error} */ (error).message, { kind: "bad" });
          return false;
        }
        return yes;
      },
    };
  }, [me, db]);

  const logout = async () => {
    await api.logout().catch(() => {});
    sessionStorage.setItem("russet.left", "1");
    leave();
  };
  return html`<${AppContext.Provider} value=${app}>
    <${Shell} route=${route} logout=${logout} />
    ${question && html`<${Ask} question=${question.question} answer=${question.answer} />`}
    <div class="toasts" role="status" aria-live="polite">${toasts.map((toast) => html`<div key=${toast.id} class=${`toast ${toast.kind}`}>
      <span>${toast.text}</span>
      ${toast.action && html`<${Button} onClick=${() => { toast.action?.run(); drop(toast); }}>${toast.action.label}<//>`}
      <${Button} kind="quiet" icon="close" label="Dismiss" onClick=${() => drop(toast)} /></div>`)}</div>
    <div class="unseen" aria-live="polite">${said}</div>
  <//>`;
}

render(html`<${App} />`, /** @type {Element} */ (document.getElementById("app")));
