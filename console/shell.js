/** The frame around every view: navigation, database, lock, palette, keys, help, and the login form. */

import { html, useEffect, useErrorBoundary, useLayoutEffect, useMemo, useRef, useState } from "./vendor/htm-preact.module.js";
import * as api from "./api.js";
import { holdsSecret } from "./commanddocs.js";
import { go, href } from "./router.js";
import { clock } from "./format.js";
import { useApp, useChoice, useSilence, useWatch } from "./state.js";
import { Dialog } from "./parts/dialog.js";
import { Button, Icon, Kbd, Note } from "./parts/text.js";
import { VIEWS, viewOf } from "./views/index.js";

/** @typedef {import("./router.js").Route} Route */

/** @param {{onDone: () => void}} props */
export function Login({ onDone }) {
  const [error, setError] = useState(/** @type {string | null} */ (null));
  const [busy, setBusy] = useState(false);
  const [user, setUser] = useState("default");
  const password = useRef(/** @type {any} */ (null));
  useEffect(() => password.current.focus(), []);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await api.login(user, password.current.value);
      sessionStorage.removeItem("russet.left");
      onDone();
    } catch (failure) {
      const { status, message } = /** @type {api.ApiError} */ (failure);
      setError(status === 401 ? "The server knows no such user and password." : status === 429 ? "Too many attempts. Wait a moment, then try again." : message);
      password.current.select();
    }
    setBusy(false);
  };
  return html`<main class="gate"><form class="card" onSubmit=${submit} aria-labelledby="login-title">
    <h1 id="login-title"><${Logo} />russet</h1>
    <p class="soft">Log in as a user of this server (ACL).</p>
    ${error && html`<${Note} tone="bad">${error}<//>`}
    <label class="field"><span>User</span><input name="username" value=${user} onInput=${(/** @type {any} */ e) => setUser(e.target.value)} autocomplete="username" autocapitalize="off" spellcheck=${false} required /></label>
    <label class="field"><span>Password</span><input ref=${password} name="password" type="password" autocomplete="current-password" /></label>
    <${Button} kind="primary" type="submit" disabled=${busy}>Log in<//>
  </form></main>`;
}

function Logo() {
  return html`<svg class="logo" viewBox="0 0 32 32" width="22" height="22" aria-hidden="true"><rect width="32" height="32" rx="7" /><path d="M10 24V8h7a5 5 0 0 1 1.6 9.7L23 24M10 17.8h7" /></svg>`;
}

/** Links to other views keep the database. @param {string} view @param {number} db */
function viewLink(view, db) {
  return href(view, [], { db: db || null });
}

/** @type {Record<string, string>} */
const SCHEMES = { system: "Auto", light: "Light", dark: "Dark" };

/** @param {{route: Route, logout: () => void}} props */
export function Shell({ route, logout }) {
  const { me, locked, db, setLock, unlock, announce } = useApp();
  const [overlay, setOverlay] = useState(/** @type {"palette" | "help" | "servers" | null} */ (null));
  const [menu, setMenu] = useState(false);
  const [theme, setTheme] = useChoice("theme", "system");
  const view = viewOf(route.view) ?? VIEWS[0];
  const main = useRef(/** @type {any} */ (null));
  const silent = useSilence();
  useWatch();

  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    dispatchEvent(new Event("russet-theme"));
  }, [theme]);
  useEffect(() => {
    document.title = `${view.title} – russet ${location.host}`;
    setMenu(false);
  }, [view.id]);
  useShortcuts({ go: (id) => go(viewLink(id, db)), open: setOverlay });

  const toggleLock = async () => {
    if (!locked) await setLock(true);
    else if (!(await unlock())) return;
    announce(locked ? "The lock is open: commands may change data." : "Locked: the page only reads.");
  };
  const schemes = Object.keys(SCHEMES);
  const nextTheme = schemes[(schemes.indexOf(theme) + 1) % schemes.length];
  /** @type {{label: string, detail: string, run: () => void}[]} */
  const actions = [
    ...VIEWS.map(({ id, title, about, letter }) => ({ label: title, detail: `${about} · g ${letter}`, run: () => go(viewLink(id, db)) })),
    { label: locked ? "Open the lock" : "Lock", detail: locked ? "Let commands change data" : "Read only", run: toggleLock },
    { label: `Colours: ${SCHEMES[nextTheme]}`, detail: `Now ${SCHEMES[theme]}`, run: () => setTheme(nextTheme) },
    { label: "Servers", detail: "Other nodes, and consoles of your own list", run: () => setOverlay("servers") },
    { label: "Keyboard help", detail: "?", run: () => setOverlay("help") },
    { label: "Log out", detail: me.user, run: logout },
  ];

  return html`<div class=${`shell${locked ? "" : " open"}${silent === null ? "" : " gone"}`}>
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ e) => { e.preventDefault(); main.current.focus(); }}>Skip to content</a>
    <header class="top">
      <${Button} kind="quiet" icon="menu" label="Navigation" class="button quiet bare menu-button" aria-expanded=${String(menu)} onClick=${() => setMenu(!menu)} />
      <a class="brand" aria-label="russet" href=${viewLink("overview", db)}><${Logo} /><span>russet</span></a>
      <button type="button" class="where" title=${`russet ${me.version}, compatible with Redis ${me.redis_version}`} onClick=${() => setOverlay("servers")}><span class="unseen">Servers, now </span>${location.host} <span class="soft">${me.version}</span></button>
      <div class="top-end">
        <button type="button" class="search-button" onClick=${() => setOverlay("palette")}><${Icon} name="search" /><span>Go to…</span><${Kbd} keys="Ctrl K" /></button>
        <label class="db"><span>db</span><select aria-label="db" value=${String(db)} onChange=${(/** @type {any} */ e) => go(href(view.id, [], { db: Number(e.target.value) || null }))}>
          ${Array.from({ length: me.databases }, (_, i) => html`<option value=${String(i)}>${i}</option>`)}</select></label>
        <button type="button" class="lock" role="switch" aria-checked=${String(!locked)} aria-label="Allow changes" onClick=${toggleLock}
          title=${locked ? "Locked: the server refuses to change data for this page" : "Open: commands may change data"}><${Icon} name=${locked ? "lock" : "unlock"} /><span>${locked ? "Read only" : "Changes allowed"}</span></button>
        <${Button} kind="quiet" icon="help" label="Keyboard help" onClick=${() => setOverlay("help")} />
      </div>
    </header>
    <nav class=${`side${menu ? " shown" : ""}`} aria-label="Views" onKeyDown=${(/** @type {KeyboardEvent} */ e) => e.key === "Escape" && setMenu(false)}>
      <ul>${VIEWS.map(({ id, title, letter }) => html`<li key=${id}><a href=${viewLink(id, db)} aria-current=${id === view.id ? "page" : null} title=${`g ${letter}`}><${Icon} name=${id} /><span>${title}</span></a></li>`)}</ul>
      <div class="side-end">
        <${Button} kind="quiet" icon="theme" onClick=${() => setTheme(nextTheme)} label=${`${SCHEMES[theme]} colours; switch to ${SCHEMES[nextTheme]}`}>${SCHEMES[theme]}<//>
        <${Button} kind="quiet" icon="exit" onClick=${logout} label=${`Log out ${me.user}`}>${me.user}<//>
      </div>
    </nav>
    <main id="main" ref=${main} tabindex="-1" class=${`view view-${view.id}`}>
      ${silent !== null && html`<div class="gone-note"><${Note} tone="bad"><strong>The server has not answered since ${clock(silent)}.</strong> Figures on this page are from then, or older; the page goes on asking.<//></div>`}
      <${Guard} key=${view.id}><${ViewLoader} view=${view} route=${route} /><//>
    </main>
    ${overlay === "palette" && html`<${Palette} actions=${actions} db=${db} onClose=${() => setOverlay(null)} />`}
    ${overlay === "servers" && html`<${ServersLoader} onClose=${() => setOverlay(null)} />`}
    ${overlay === "help" && html`<${Help} onClose=${() => setOverlay(null)} />`}
  </div>`;
}

/** The list of servers is loaded when it is asked for. @param {{onClose: () => void}} props */
function ServersLoader({ onClose }) {
  const [Servers, setServers] = useState(/** @type {any} */ (null));
  useEffect(() => {
    import("./views/servers.js").then((module) => setServers(() => module.Servers), onClose);
  }, []);
  return Servers && html`<${Servers} onClose=${onClose} />`;
}

/** A view that fails leaves the frame standing. @param {{children?: any}} props */
function Guard({ children }) {
  const [error, reset] = useErrorBoundary((failure) => console.error(failure));
  if (error) return html`<div class="page"><${Note} tone="bad">This view failed: ${error.message}<//><p><${Button} onClick=${reset}>Try again<//></p></div>`;
  return children;
}

/** @param {{view: import("./views/index.js").View, route: Route}} props */
function ViewLoader({ view, route }) {
  const { can } = useApp();
  const [state, setState] = useState(/** @type {{View?: any, error?: any}} */ ({}));
  useLayoutEffect(() => {
    view.load().then(
      (module) => setState({ View: module.default }),
      (error) => setState({ error }),
    );
  }, [view.id]);
  const lack = view.needs.filter((command) => !can(command));
  if (lack.length) return html`<div class="page"><h1>${view.title}</h1><${Note}>This view needs ${lack.map((c) => c.replace("|", " ").toUpperCase()).join(", ")}, which this user may not run.<//></div>`;
  if (state.error) return html`<div class="page"><h1>${view.title}</h1><${Note} tone="bad">The view did not load: ${state.error.message}<//></div>`;
  return state.View ? html`<${state.View} route=${route} />` : html`<div class="page" aria-busy="true"></div>`;
}

/** @param {{go: (view: string) => void, open: (overlay: "palette" | "help") => void}} actions */
function useShortcuts(actions) {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    let afterG = 0;
    const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        latest.current.open("palette");
        return;
      }
      const target = /** @type {HTMLElement} */ (event.target);
      if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, textarea, select, dialog")) return;
      const view = Date.now() - afterG < 1500 ? VIEWS.find(({ letter }) => letter === event.key) : undefined;
      afterG = event.key === "g" ? Date.now() : 0;
      if (view) latest.current.go(view.id);
      else if (event.key === "?") latest.current.open("help");
      else if (event.key === "/") /** @type {HTMLElement | null} */ (document.querySelector("[data-filter]"))?.focus();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
}

/** @param {{actions: {label: string, detail: string, run: () => void}[], db: number, onClose: () => void}} props */
function Palette({ actions, db, onClose }) {
  const { can } = useApp();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const found = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const own = actions.filter(({ label, detail }) => words.every((word) => `${label} ${detail}`.toLowerCase().includes(word)));
    if (text.trim() === "") return own;
    // A secret does not get into an address.
    const line = holdsSecret(text) ? text.trim().split(/\s+/, /^(acl|config|sentinel)/i.test(text.trim()) ? 2 : 1).join(" ") : null;
    if (line !== null) return [...own, { label: `Run ${line}`, detail: "In the workbench, where the rest is typed: it holds a secret", run: () => go(href("workbench", [], { run: `${line} `, db: db || null })) }];
    return [
      ...own,
      ...(can("config|get") && /^[a-z][a-z-]+$/.test(text) ? [{ label: `Settings with ${text}`, detail: "Directives by name, value and meaning", run: () => go(href("settings", [], { q: text, db: db || null })) }] : []),
      { label: `Key ${text}`, detail: "Open this key", run: () => go(href("keys", [text], { db: db || null })) },
      { label: `Run ${text}`, detail: "Put it into the workbench", run: () => go(href("workbench", [], { run: text, db: db || null })) },
    ];
  }, [text, actions]);
  /** @param {{run: () => void}} action */
  const take = (action) => {
    onClose();
    action.run();
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "ArrowDown") setAt((at + 1) % found.length);
    else if (event.key === "ArrowUp") setAt((at + found.length - 1) % found.length);
    else if (event.key === "Enter") take(found[at]);
    else return;
    event.preventDefault();
  };
  return html`<${Dialog} title="Go to" bare=${true} onClose=${onClose}>
    <div class="palette">
      <input autofocus role="combobox" aria-label="Go to a view or a key" aria-expanded="true" aria-controls="palette-list" aria-activedescendant=${`palette-${at}`} placeholder="View, key or command" spellcheck=${false} autocomplete="off"
        value=${text} onInput=${(/** @type {any} */ e) => { setText(e.target.value); setAt(0); }} onKeyDown=${onKeyDown} />
      <ul id="palette-list" role="listbox" aria-label="Found">${found.map((action, i) => html`<li key=${action.label} id=${`palette-${i}`} role="option" aria-selected=${String(i === at)} onClick=${() => take(action)}>
        <span>${action.label}</span><small>${action.detail}</small></li>`)}</ul>
    </div>
  <//>`;
}

/** @param {{onClose: () => void}} props */
function Help({ onClose }) {
  const keys = [
    ["Ctrl K", "Go to a view or a key"],
    ["/", "To the filter of the view"],
    ["?", "This list"],
    ["Ctrl Enter", "Run what stands in the workbench"],
    ["Alt ↑", "Earlier commands in the workbench"],
    ["↑ ↓", "Move through a tree or table; Enter opens"],
    ["→ ←", "Open and close a branch"],
    ["Esc", "Close a dialog or suggestions"],
  ];
  return html`<${Dialog} title="Keyboard" onClose=${onClose}>
    <div class="help-keys">
      <dl>${VIEWS.map(({ title, letter }) => html`<div><dt><${Kbd} keys=${`g ${letter}`} /></dt><dd>${title}</dd></div>`)}</dl>
      <dl>${keys.map(([key, what]) => html`<div><dt><${Kbd} keys=${key} /></dt><dd>${what}</dd></div>`)}</dl>
    </div>
  <//>`;
}
