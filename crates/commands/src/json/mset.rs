//! MSET.
//!
//!     MSET -> the loop judges and sets
//!          -> a thread parses, judges, sets in copies -> MSET again, with the copies
//!
//! MSET checks the types of all keys, parses all values and paths, and judges the paths by the
//! documents as they are, before it sets anything. MSET skips a member without a parent; later
//! triplets see the values that earlier triplets have set.
//!
//! MSET runs as other edits do (`editing`): a thread does work that is not brief in copies of all
//! documents, and the copies replace the documents if no document has changed meanwhile.
//!
//! Cost: for each triplet the cost of SET.

use super::assignment::{Condition, NEW_AT_ROOT, Outcome, Rule, check_makes, set_at};
use super::count;
use super::creation::{can_make_key, new_document};
use super::editing::COPIES_MAX;
use super::parsing::LONG;
use super::printing::{PATHS, PATHS_BYTES, share};
use super::row::{GROWS, OTHER_TYPE, WRITING, compiled, path_at, plain};
use super::set::SET;
use russet_command::{Access, Arity, CommandError, KeySpec};
use russet_json::{Budget, Document, EvalError, PathCache};
use russet_keyspace::Class;
use russet_resp::{Args, OwnedArgs};
use russet_server::tasks::Task;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Json;
use russet_types::vector_set::Progress;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub(super) const MSET: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: &[KeySpec::range(1, -1, 3, Access::MODIFY)],
    categories: WRITING,
    handler: mset,
    name: "json.mset",
    work: count::EACH_TRIPLET,
    ..SET
};

/// `JSON.MSET key path value [key path value ...]`: sets values at paths.
///
/// Reply: OK; null if MSET could not make one of the values.
fn mset(call: &mut Call<'_>) -> CommandResult {
    if call.args.len() % 3 != 1 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let rule = Rule::of(call, Condition::Always);
    let mut copies = 0;
    if call.is_retry()
        && let Some(done) = call.server.tasks.take_task::<Setting>()
    {
        copies = done.copies + 1;
        if let Some(outcome) = take_over(call, *done) {
            return outcome;
        }
    }
    let may_leave = copies < COPIES_MAX && call.may_leave_loop() && !call.was_taken_before();
    let texts: usize = triplets(call.args)
        .map(|at| call.args.at(at + 2).len())
        .sum();
    if may_leave && texts >= LONG {
        return leave(call, rule, copies);
    }
    let budget = if call.was_taken_before() {
        Budget::unlimited()
    } else if may_leave {
        Budget::brief()
    } else {
        Budget::linear(bytes(call))
    };
    match judge(call, &budget) {
        Err(_) if budget.is_spent() && may_leave => leave(call, rule, copies),
        Err(error) => Err(error),
        Ok(values) => set_all(call, values, rule),
    }
}

/// Where the triplets begin among the arguments.
fn triplets(args: Args<'_>) -> impl Iterator<Item = usize> + Clone {
    (1..args.len()).step_by(3)
}

/// The bytes of all documents.
fn bytes(call: &mut Call<'_>) -> usize {
    let args = call.args;
    let each = triplets(args).map(|at| {
        // A read of a key that is not there would notify subscribers.
        if call.db.place(args.at(at)).holds::<Json>() != Ok(true) {
            return 0;
        }
        match call.db.read::<Json>(args.at(at)) {
            Ok(Some(json)) => json.memory_bytes(),
            _ => 0,
        }
    });
    each.fold(0, usize::saturating_add)
}

/// Checks a triplet without the values of the document; returns whether there is a document.
fn check(call: &mut Call<'_>, at: usize) -> Result<bool, CommandError> {
    let is_there = call.db.place(call.args.at(at)).holds::<Json>();
    let is_there = is_there.map_err(|_| OTHER_TYPE)?;
    let text = path_at(call.args, at + 1)?;
    if is_there {
        compiled(&mut call.server.json_paths, text)?;
    } else if !can_make_key(
        &mut call.server.json_paths,
        text,
        call.server.config.json_auto_create_deep_paths,
    ) {
        return Err(NEW_AT_ROOT);
    }
    Ok(is_there)
}

/// The values of all triplets, none of which is refused.
fn judge(call: &mut Call<'_>, budget: &Budget) -> Result<Vec<Document>, CommandError> {
    let args = call.args;
    let mut values = Vec::with_capacity(args.len() / 3);
    for at in triplets(args) {
        if check(call, at)? {
            let path = compiled(&mut call.server.json_paths, path_at(args, at + 1)?)?;
            if let Ok(Some(json)) = call.db.read::<Json>(args.at(at)) {
                let makes = call.server.config.json_auto_create_deep_paths;
                check_makes(&json, &path, makes, budget)?;
            }
        }
        values.push(Document::parse(args.at(at + 2)).map_err(plain)?);
    }
    Ok(values)
}

/// Sets values that were judged, which has paid for it.
fn set_all(call: &mut Call<'_>, values: Vec<Document>, rule: Rule) -> CommandResult {
    let args = call.args;
    let budget = Budget::unlimited();
    let mut are_set = Vec::with_capacity(values.len());
    for (value, at) in values.into_iter().zip(triplets(args)) {
        let place = call.db.place(args.at(at));
        let outcome = if place.is_taken() {
            let path = compiled(&mut call.server.json_paths, path_at(args, at + 1)?)?;
            let mut json = place.open::<Json>()?;
            set_at(&mut json, &path, value, rule, &budget).unwrap_or(Outcome::Nothing)
        } else {
            let text = path_at(args, at + 1)?;
            match new_document(&mut call.server.json_paths, text, value, rule.makes) {
                Ok(value) => {
                    place.put(Json::from(value));
                    Outcome::Set
                }
                Err(_) => Outcome::Nothing,
            }
        };
        let is_set = !matches!(outcome, Outcome::Nothing);
        if let Outcome::Replaced(old) = outcome {
            call.db.free_part(old);
        }
        record(call, at, is_set, &mut are_set);
    }
    reply(call, &are_set);
    Ok(())
}

/// Records whether the next triplet was set.
fn record(call: &mut Call<'_>, at: usize, is_set: bool, are_set: &mut Vec<bool>) {
    let key = call.args.at(at);
    if is_set && are_set.contains(&true) {
        call.db.also_changed(key, Class::MODULE, "json.mset");
    } else if is_set {
        call.db.changed(key, Class::MODULE, "json.mset");
    }
    are_set.push(is_set);
}

fn reply(call: &mut Call<'_>, are_set: &[bool]) {
    if are_set.iter().all(|is_set| *is_set) {
        call.reply.ok();
    } else {
        call.reply.null();
    }
}

/// Documents on their way to changed copies.
struct Setting {
    args: OwnedArgs,
    rule: Rule,
    /// The documents of all keys as they are, `None` for a missing key, with the first argument of
    /// a triplet of the key.
    before: Vec<(usize, Option<Document>)>,
    /// The document of each triplet.
    documents: Vec<usize>,
    /// The first triplet that MSET refuses whatever the document's values are.
    refused: Option<(usize, CommandError)>,
    /// Copies that were made before.
    copies: u32,
    is_dropped: Option<Arc<AtomicBool>>,
    outcome: Option<Result<ChangedDocuments, CommandError>>,
}

/// Changed copies, and which triplets were set.
struct ChangedDocuments {
    after: Vec<Option<Json>>,
    are_set: Vec<bool>,
}

/// Has a thread set the values; the client waits.
#[cold]
fn leave(call: &mut Call<'_>, rule: Rule, copies: u32) -> CommandResult {
    let args = call.args;
    let mut setting = Setting {
        args: args.to_shared(),
        rule,
        before: Vec::new(),
        documents: Vec::with_capacity(args.len() / 3),
        refused: None,
        copies,
        is_dropped: None,
        outcome: None,
    };
    let mut known: HashMap<&[u8], usize> = HashMap::new();
    for (number, at) in triplets(args).enumerate() {
        let is_there = match check(call, at) {
            Ok(is_there) => is_there,
            Err(error) => {
                setting.refused = Some((number, error));
                break;
            }
        };
        let key = args.at(at);
        let document = *known.entry(key).or_insert(setting.before.len());
        if document == setting.before.len() {
            let json = if is_there {
                call.db.read::<Json>(key).map_err(|_| OTHER_TYPE)?
            } else {
                None
            };
            setting.before.push((at, json.map(|json| share(&json))));
        }
        setting.documents.push(document);
    }
    call.block_on_task(Box::new(setting));
    Ok(())
}

impl Setting {
    fn run(&mut self) -> Result<ChangedDocuments, CommandError> {
        let args = self.args.args();
        let all = self.before.iter().filter_map(|(_, before)| before.as_ref());
        let bytes = all.map(Document::memory_bytes).sum();
        let budget = Budget::long(bytes).dropped_by(self.is_dropped.take());
        let paths = &mut PathCache::new(PATHS, PATHS_BYTES);
        let mut values = Vec::with_capacity(self.documents.len());
        for (document, at) in self.documents.iter().zip(triplets(args)) {
            if let (_, Some(document)) = &self.before[*document] {
                let path = compiled(paths, path_at(args, at + 1)?)?;
                check_makes(document, &path, self.rule.makes, &budget)?;
            }
            values.push(Document::parse(args.at(at + 2)).map_err(plain)?);
        }
        if let Some((_, error)) = self.refused.take() {
            return Err(error);
        }
        let copies = self.before.iter().map(|(_, before)| before.clone());
        let mut after: Vec<Option<Json>> = copies.map(|copy| copy.map(Json::from)).collect();
        let mut are_set = Vec::with_capacity(values.len());
        for ((document, at), value) in self.documents.iter().zip(triplets(args)).zip(values) {
            let Some(json) = &mut after[*document] else {
                let text = path_at(args, at + 1)?;
                let value = new_document(paths, text, value, self.rule.makes).ok();
                are_set.push(value.is_some());
                after[*document] = value.map(Json::from);
                continue;
            };
            let path = compiled(paths, path_at(args, at + 1)?)?;
            let outcome = set_at(json, &path, value, self.rule, &budget);
            if budget.is_spent() {
                return Err(plain(EvalError::TooMuchWork));
            }
            are_set.push(!matches!(outcome, Ok(Outcome::Nothing) | Err(_)));
        }
        Ok(ChangedDocuments { after, are_set })
    }
}

impl Task for Setting {
    fn step(&mut self, _nanos: usize) -> Progress {
        self.outcome = Some(self.run());
        Progress::Done
    }

    fn is_for_workers(&self) -> bool {
        true
    }

    fn watch(&mut self, is_dropped: Arc<AtomicBool>) {
        self.is_dropped = Some(is_dropped);
    }
}

/// Makes changed copies the documents, if all are as they were, and replies; `None`: they are not.
fn take_over(call: &mut Call<'_>, setting: Setting) -> Option<CommandResult> {
    let args = call.args;
    for (at, before) in &setting.before {
        let is_there = call.db.place(args.at(*at)).holds::<Json>().ok()?;
        let json = if is_there {
            call.db.read::<Json>(args.at(*at)).ok()?
        } else {
            None
        };
        let is_unchanged = match (json, before) {
            (None, None) => true,
            (Some(json), Some(before)) => json.is_unchanged_since(before),
            _ => false,
        };
        if !is_unchanged {
            return None;
        }
    }
    let changed = match setting.outcome? {
        Ok(changed) => changed,
        Err(error) => return Some(Err(error)),
    };
    let mut is_any_set = vec![false; setting.before.len()];
    for (document, is_set) in setting.documents.iter().zip(&changed.are_set) {
        is_any_set[*document] |= is_set;
    }
    let all = setting.before.into_iter().zip(changed.after);
    let mut copies: Vec<_> = all.map(Some).collect();
    let mut are_set = Vec::with_capacity(changed.are_set.len());
    let each = triplets(args).zip(setting.documents).zip(changed.are_set);
    for ((at, document), is_set) in each {
        if is_any_set[document]
            && let Some(((_, before), Some(after))) = copies[document].take()
        {
            let place = call.db.place(args.at(at));
            if before.is_none() {
                place.put(after);
            } else {
                drop(before);
                let mut json = match place.open::<Json>() {
                    Ok(json) => json,
                    Err(error) => return Some(Err(error)),
                };
                let old = std::mem::replace(&mut *json, after);
                drop(json);
                call.db.free_part(old);
            }
        }
        record(call, at, is_set, &mut are_set);
    }
    reply(call, &are_set);
    Some(Ok(()))
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    /// A thread sets values at many places, and begins again if a document has changed meanwhile.
    #[test]
    fn values_at_many_places_are_set_at_once_or_not_at_all() {
        let mut t = Testbed::new();
        t.serve_in_turns(1, 1);
        let (client, other) = (t.first_client(), t.connect());
        let arrays = vec!["[1]"; 20_000].join(",");
        for changes in [0, 1, 9] {
            t.run(&format!("JSON.SET k $ [{arrays}]"));
            t.run(&format!("JSON.SET k1 $ {{\"a\":[{arrays}],\"b\":0}}"));
            t.run("DEL k2");
            let line = "JSON.MSET k $[*] 2 k1 $.a[*][*] 3 k2 $ {} k1 $.b 4 k $[0] 5";
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            t.begin(&[client], &words);
            assert!(t.is_under_way(client));
            let began = std::time::Instant::now();
            let mut changed = 0;
            while t.is_under_way(client) {
                assert!(began.elapsed().as_secs() < 60, "it does not end");
                if changed < changes {
                    changed += 1;
                    t.run_as(other, "JSON.NUMINCRBY k1 $.b 1");
                }
                t.turn(true);
                std::thread::yield_now();
            }
            assert_eq!(t.take_reply(client), b"+OK\r\n");
            assert_eq!(t.run("JSON.GET k $[0,1]"), "$5\r\n[5,2]\r\n");
            assert_eq!(t.run("JSON.GET k1 $.a[19999]"), "$5\r\n[[3]]\r\n");
            assert_eq!(t.run("JSON.GET k1 $.b"), "$3\r\n[4]\r\n");
            assert_eq!(t.run("JSON.GET k2"), "$2\r\n{}\r\n");
        }
    }
}
