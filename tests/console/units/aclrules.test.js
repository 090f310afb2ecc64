/** The draft of a user: rules as fields and back, without a loss. */

import assert from "node:assert/strict";
import test from "node:test";
import { draftLines, draftOf, hashesOf, rulesOf } from "../../../console/aclrules.js";

const REPLY = ["flags", ["on", "skip-sanitize-payload"], "passwords", ["aa", "bb"], "commands", "-@all +@read", "keys", "~a* %R~b*", "channels", "&c", "databases", "db=1,2",
  "selectors", [["commands", "-@all +set", "keys", "~x", "channels", "", "databases", "alldbs"]], "roles", ["r"], "budgets", "rate=9"];

test("a draft that nothing has changed makes the user as it was", () => {
  const draft = draftOf(REPLY);
  assert.deepEqual(rulesOf(draft, hashesOf(REPLY)), ["reset", "on", "#aa", "#bb", "~a*", "%R~b*", "&c", "-@all", "+@read", "skip-sanitize-payload", "db=1,2", "role=r", "rate=9", "(-@all +set ~x)"]);
  assert.equal(draftLines(draft, 2), "on\n2 passwords\n~a* %R~b*\n&c\n-@all +@read\nskip-sanitize-payload db=1,2 role=r rate=9\n(-@all +set ~x)");
});

test("passwords are kept, added, replaced, taken or needless", () => {
  const rules = (login, password = "") => rulesOf({ ...draftOf(null), login, password }, ["aa"]).slice(2);
  assert.deepEqual(["keep", "none", "any"].map((login) => rules(login)), [["#aa", "-@all"], ["-@all"], ["nopass", "-@all"]]);
  assert.deepEqual([rules("add", "p"), rules("only", "p")], [["#aa", ">p", "-@all"], [">p", "-@all"]]);
  assert.throws(() => rules("only"), /empty/);
  assert.ok(!draftLines({ ...draftOf(REPLY), login: "add", password: "hush" }, 2).includes("hush"));
});

test("what has a field of its own is refused in another", () => {
  for (const part of [{ commands: "+get >secret" }, { keys: "nopass" }, { more: "reset" }, { commands: "+get (+set ~x)" }, { selectors: "+get" }, { selectors: "(+get) (+set)" }])
    assert.throws(() => rulesOf({ ...draftOf(REPLY), ...part }, []), RangeError, JSON.stringify(part));
  try {
    rulesOf({ ...draftOf(REPLY), commands: ">hush" }, []);
  } catch (error) {
    assert.ok(!error.message.includes("hush"));
  }
});
