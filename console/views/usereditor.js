/** The editor of an ACL user: a draft, a dry run of it on the server, and only then the change. */

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.module.js";
import { draftLines, draftOf, hashesOf, rulesOf } from "../aclrules.js";
import { describeUser } from "../aclwords.js";
import { splitCommand } from "../commandline.js";
import { diff } from "../diff.js";
import { plural, printable } from "../format.js";
import { RespError, objectOf, textOf } from "../resp.js";
import { useApp, useLoad } from "../state.js";
import { Dialog } from "../parts/dialog.js";
import { Field, Loaded, Select, TextField } from "../parts/load.js";
import { Button, Name, Note } from "../parts/text.js";
import { errorText } from "../parts/tile.js";

/** @typedef {import("../aclrules.js").Draft} Draft */
/** @typedef {{key: string, user?: import("../aclwords.js").Described, tried?: [string, string][], shutsOut?: boolean, error?: string}} Dry what a dry run of the draft `key` has shown */

/** Commands that the dry run tries. */
const TRIES = 50;

/** @param {{name: import("../resp.js").Name | null, onClose: () => void, onDone: (name: import("../resp.js").Name) => void}} props `name`: null for a new user */
export function UserEditor({ name, onClose, onDone }) {
  const { run } = useApp();
  const load = useLoad(async () => ({ reply: name === null ? null : await run(["ACL", "GETUSER", name]) }), []);
  return load.data ? html`<${Form} name=${name} reply=${load.data.reply} onClose=${onClose} onDone=${onDone} />` : load.error ? html`<${Dialog} title="Edit a user" onClose=${onClose}><${Loaded} load=${load}>${() => null}<//><//>` : null;
}

/** @param {{name: import("../resp.js").Name | null, reply: any, onClose: () => void, onDone: (name: import("../resp.js").Name) => void}} props */
function Form({ name, reply, onClose, onDone }) {
  const app = useApp();
  const before = draftOf(reply);
  const hashes = hashesOf(reply);
  const [draft, setDraft] = useState(/** @type {Draft} */ (name === null ? { ...before, on: true, login: "only" } : before));
  const [fresh, setFresh] = useState("");
  const [tries, setTries] = useState("GET user:1\nSET user:1 x");
  const [dry, setDry] = useState(/** @type {Dry | null} */ (null));
  const [busy, setBusy] = useState(false);
  const set = (/** @type {Partial<Draft>} */ part) => setDraft({ ...draft, ...part });
  const who = name ?? fresh.trim();
  const key = JSON.stringify([who, draft]);
  // What was tried was another draft.
  const shown = dry?.key === key ? dry : null;
  const lines = diff(name === null ? "" : draftLines(before, hashes.length), draftLines(draft, hashes.length));
  const isChanged = lines.some(({ mark }) => mark !== "same") || draft.password !== "";

  const rehearse = async () => {
    setBusy(true);
    try {
      setDry({ key, ...(await dryRun()) });
    } catch (failure) {
      setDry({ key, error: errorText(failure) });
    }
    setBusy(false);
  };
  // A user of another name, in one transaction that also deletes it: no client can log in as it.
  const dryRun = async () => {
    if (who === "") throw new RangeError("The user has no name.");
    const rules = rulesOf(draft, hashes);
    const asked = tries.split("\n").map((line) => line.trim()).filter(Boolean).slice(0, TRIES);
    const own = textOf(who) === app.me.user;
    if (!(await app.unlock())) throw new Error("The dry run needs the lock open: it makes a user for a moment.");
    const made = `console-draft-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
    const { replies } = await app.batch([
      ["ACL", "SETUSER", made, ...rules.filter((rule) => rule[0] !== ">"), "off"],
      ["ACL", "GETUSER", made],
      ["ACL", "DRYRUN", made, "ACL", "SETUSER", made],
      ...asked.map((line) => ["ACL", "DRYRUN", made, ...splitCommand(line)]),
      ["ACL", "DELUSER", made],
    ], { atomic: true });
    const [done, got, again, ...rest] = replies;
    if (done instanceof RespError) return { error: done.message.replaceAll(made, "NAME") };
    const word = (/** @type {any} */ answer) => (answer instanceof RespError ? answer.message : textOf(answer)).replaceAll(made, textOf(who));
    const user = describeUser(textOf(who), got);
    return { user, shutsOut: own && (!draft.on || textOf(again) !== "OK"), tried: /** @type {[string, string][]} */ (asked.map((line, i) => [line, word(rest[i])])) };
  };
  const apply = async () => {
    if (!shown || shown.error || busy || !isChanged) return;
    if (shown.shutsOut && !(await app.ask({ title: "Take your own rights?", body: "You are logged in as this user: after this you cannot change users any more.", confirm: "Apply", danger: true }))) return;
    setBusy(true);
    try {
      const { replies, changed } = await app.batch([["ACL", "SETUSER", who, ...rulesOf(draft, hashes)]], { atomic: true, conditions: [[["ACL", "GETUSER", who], reply]] });
      if (changed !== undefined) throw new Error(name === null ? "Not applied: there is a user of this name." : "Not applied: the user has changed since it was shown. Close this, and begin anew.");
      if (replies[0] instanceof RespError) throw replies[0];
      const back = name === null ? ["ACL", "DELUSER", who] : ["ACL", "SETUSER", who, ...rulesOf(before, hashes)];
      const undo = async () => {
        const result = await app.run(back).catch((/** @type {any} */ failure) => failure);
        app.toast(result instanceof Error ? errorText(result) : "Taken back.", { kind: result instanceof Error ? "bad" : "ok" });
        onDone(who);
      };
      app.toast(`${printable(who, 60)} is changed. ${await keeping(app)}`, { action: { label: "Undo", run: undo } });
      onDone(who);
      onClose();
    } catch (failure) {
      setDry({ key, error: errorText(failure) });
      setBusy(false);
    }
  };
  // Below the fields, which may fill the dialog.
  const outcome = useRef(/** @type {any} */ (null));
  useEffect(() => {
    if (shown) outcome.current.scrollIntoView({ block: "nearest" });
  }, [shown]);
  const why = !isChanged ? "Nothing is changed." : !shown ? "First the dry run." : shown.error ? "The dry run has failed." : null;
  const logins = /** @type {[string, string][]} */ ([...(name === null ? [] : [["keep", hashes.length ? `its ${plural(hashes.length, "password")}` : "no password, as now"], ["add", "those, and a new one"]]), ["only", "a new password alone"], ["none", "no password: cannot log in"], ["any", "any password (nopass)"]]);
  return html`<${Dialog} title=${name === null ? "New user" : `Edit the user ${printable(name, 60)}`} wide=${true} onClose=${onClose} onSubmit=${rehearse}
    actions=${html`<${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" disabled=${busy}>Dry run<//><${Button} kind="primary" why=${why} disabled=${busy} onClick=${apply}>Apply<//>`}>
    <div class="columns">
      ${name === null && html`<${TextField} label="Name" value=${fresh} onInput=${setFresh} />`}
      <${Select} label="Logging in" value=${draft.on ? "on" : "off"} options=${[["on", "switched on"], ["off", "switched off"]]} onChange=${(/** @type {string} */ id) => set({ on: id === "on" })} />
      <${Select} label="With" value=${draft.login} options=${logins} onChange=${(/** @type {any} */ login) => set({ login, password: "" })} />
      ${(draft.login === "add" || draft.login === "only") && html`<${TextField} label="New password" type="password" value=${draft.password} autocomplete="new-password" onInput=${(/** @type {string} */ password) => set({ password })} />`}
    </div>
    <div class="columns">
      <${Rules} label="Commands, e.g. +@read -keys" value=${draft.commands} onInput=${(/** @type {string} */ commands) => set({ commands })} />
      <${Rules} label="Keys, e.g. ~user:* %R~cache:*" value=${draft.keys} onInput=${(/** @type {string} */ keys) => set({ keys })} />
      <${Rules} label="Channels, e.g. &news:*" value=${draft.channels} onInput=${(/** @type {string} */ channels) => set({ channels })} />
      <${Rules} label="Databases, roles, budgets" value=${draft.more} onInput=${(/** @type {string} */ more) => set({ more })} />
      <${Rules} label="Selectors, one a line: (+get ~x)" value=${draft.selectors} onInput=${(/** @type {string} */ selectors) => set({ selectors })} />
      <${Rules} label="Commands to try, one a line" value=${tries} onInput=${(/** @type {string} */ text) => { setTries(text); setDry(null); }} />
    </div>
    <p class="soft">The dry run makes the draft a user of another name, switched off, in a transaction that deletes it again: the server itself judges the rules and the commands to try, and runs none. Then it can be applied, over exactly the rules that were shown.</p>
    ${isChanged && html`<pre class="value diff" tabindex="0" aria-label="Changes">${lines.map(({ mark, text }, i) => html`<span key=${i} class=${mark}>${{ same: "  ", old: "− ", new: "+ " }[mark]}${printable(text, 2000)}</span>`)}</pre>`}
    <div ref=${outcome} class="outcome" role="status">${shown?.error ? html`<${Note} tone="bad">${shown.error}<//>` : shown?.user && html`<${Outcome} dry=${shown} />`}</div>
  <//>`;
}

/** @param {{label: string, value: string, onInput: (value: string) => void}} props */
function Rules({ label, value, onInput }) {
  return html`<${Field} label=${label}><textarea rows="2" spellcheck="false" value=${value} onInput=${(/** @type {any} */ event) => onInput(event.target.value)}></textarea><//>`;
}

/** @param {{dry: Dry}} props */
function Outcome({ dry }) {
  const user = /** @type {import("../aclwords.js").Described} */ (dry.user);
  return html`<${Note} tone="ok">The server takes these rules.<//>
    <ul>${user.rules.map(({ commands, keys, channels }, i) => html`<li key=${i}>${i === 0 ? "May run" : "Also"} <${Name} name=${commands} limit=${1000} /> on <${Name} name=${keys} limit=${1000} />; <${Name} name=${channels} limit=${1000} />.</li>`)}</ul>
    ${dry.shutsOut && html`<${Note} tone="warn">This is the user that you are logged in as: it could not change users any more.<//>`}
    <table class="plain"><caption class="unseen">Commands tried</caption><tbody>${dry.tried?.map(([line, answer], i) => html`<tr key=${i}><td><code>${printable(line, 200)}</code></td><td>${answer === "OK" ? html`<span class="yes">yes</span>` : html`<strong class="bad">no</strong>: ${printable(answer, 300)}`}</td></tr>`)}</tbody></table>`;
}

/** Where the change is kept, in words. @param {import("../state.js").App} app */
async function keeping(app) {
  if (!app.can("config|get")) return "It ends with the process unless the file is written (ACL SAVE, CONFIG REWRITE).";
  const config = objectOf(await app.run(["CONFIG", "GET", "aclfile"]).catch(() => []));
  return textOf(config.aclfile ?? "") === "" ? "It ends with the process unless CONFIG REWRITE writes the file." : "It ends with the process unless ACL SAVE writes the file.";
}
