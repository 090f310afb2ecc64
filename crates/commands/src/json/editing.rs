//! Documents that a path changes, on the loop or on a thread.
//!
//!     ARRPOP at many places -> a thread changes a copy -> ARRPOP again, with the copy
//!
//! A command starts with a brief budget (`Budget::brief`). If the budget is spent before the
//! command changes anything, a thread does all of the work in a copy, which shares all unchanged
//! chunks with the document. If the document has changed meanwhile, the thread begins anew; after
//! some such times, and if no client can wait (MULTI, scripts, `task-threads 0`), the loop does the
//! work, as far as the work is linear in the document. A command that another server has carried
//! out has no bound here.
//!
//! Values of long texts, and SET and MERGE, which may replace the document: `parsing`.

use super::printing::{Means, PATHS, PATHS_BYTES, share};
use super::row::{OTHER_TYPE, plain, write};
use russet_command::CommandError;
use russet_json::{Budget, Document, PathCache};
use russet_keyspace::{Cause, Class};
use russet_resp::{Args, OwnedArgs, Reply, message};
use russet_server::tasks::Task;
use russet_server::{Call, CommandResult};
use russet_types::Json;
use russet_types::vector_set::Progress;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Copies to make before the loop does the work, because the document changed during each copy.
pub(super) const COPIES_MAX: u32 = 3;

/// The outcome for a document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    Changed,
    /// It is to be deleted as a whole.
    Removed,
    /// All that it held is deleted.
    Emptied,
}

/// A command that changes a document.
#[derive(Clone, Copy)]
pub(super) struct Edit<'e> {
    pub args: Args<'e>,
    /// Bytes that the document may have.
    pub max: u64,
    /// Integers wrap around instead of an error.
    pub wraps: bool,
    /// Missing members are made (`creation`).
    pub makes: bool,
    /// The values of the command's texts, if they are parsed.
    pub values: Option<&'e [Document]>,
}

/// Changes a document and writes the reply. The function pays for all of the work before the first
/// change.
pub(super) type Apply =
    fn(&mut Json, Edit<'_>, &mut Means<'_>, &mut Reply) -> Result<Change, CommandError>;

/// The budget of a command on a document of so many bytes, and whether a thread may do the work if
/// the budget is spent.
pub(super) fn budget(call: &mut Call<'_>, bytes: usize, copies: u32) -> (Budget, bool) {
    if call.was_taken_before() {
        return (Budget::unlimited(), false);
    }
    if copies < COPIES_MAX && call.may_leave_loop() {
        return (Budget::brief(), true);
    }
    (Budget::linear(bytes), false)
}

/// Pays for edits of many values.
pub(super) fn pay_from(budget: &Budget) -> impl Fn(u64) -> Result<(), CommandError> + '_ {
    |visits| budget.spend(visits).map_err(plain)
}

/// Has `apply` change the document at the first argument, now or later, with the values of the
/// command's texts if they are parsed. `false`: there is no document.
pub(super) fn edit(
    call: &mut Call<'_>,
    event: &'static str,
    values: Option<&[Document]>,
    apply: Apply,
) -> Result<bool, CommandError> {
    let key = call.args.at(1);
    let mut copies = 0;
    if call.is_retry()
        && let Some(done) = call.server.tasks.take_task::<EditTask>()
    {
        copies = done.copies + 1;
        if let Some(change) = take_over(call, *done)? {
            finish(call, event, change);
            return Ok(true);
        }
    }
    let bytes = write(&mut call.db, key)?.map(|json| json.memory_bytes());
    let Some(bytes) = bytes else {
        return Ok(false);
    };
    let (budget, may_leave) = budget(call, bytes, copies);
    let wraps = call.was_taken_before() || call.server.config.json_integers_wrap;
    let makes = call.server.config.json_auto_create_deep_paths;
    let (args, max) = (call.args, call.string_max());
    let edit = Edit {
        args,
        max,
        wraps,
        makes,
        values,
    };
    let Some(mut json) = write(&mut call.db, key)? else {
        return Ok(false);
    };
    let means = &mut Means {
        paths: &mut call.server.json_paths,
        budget: &budget,
    };
    let mark = call.reply.mark();
    let outcome = apply(&mut json, edit, means, call.reply);
    if outcome.is_err() && budget.is_spent() && may_leave {
        call.reply.truncate(mark);
        let document = share(&json);
        drop(json);
        leave(call, document, copies, (max, wraps, makes, apply));
        return Ok(true);
    }
    drop(json);
    finish(call, event, outcome?);
    Ok(true)
}

#[cold]
fn leave(
    call: &mut Call<'_>,
    document: Document,
    copies: u32,
    (max, wraps, makes, apply): (u64, bool, bool, Apply),
) {
    let copied = EditTask {
        args: call.args.to_shared(),
        is_resp3: call.reply.resp3(),
        max,
        wraps,
        makes,
        apply,
        copies,
        before: document,
        is_dropped: None,
        edited: None,
    };
    call.block_on_task(Box::new(copied));
}

/// A command for which a thread makes a changed copy.
struct EditTask {
    args: OwnedArgs,
    is_resp3: bool,
    max: u64,
    wraps: bool,
    makes: bool,
    apply: Apply,
    /// Copies that were made before.
    copies: u32,
    /// The document as it was when the thread began.
    before: Document,
    is_dropped: Option<Arc<AtomicBool>>,
    edited: Option<EditedDocument>,
}

struct EditedDocument {
    after: Json,
    outcome: Result<Change, CommandError>,
    reply: Vec<u8>,
}

impl Task for EditTask {
    fn step(&mut self, _nanos: usize) -> Progress {
        let bytes = self.before.memory_bytes();
        let budget = Budget::long(bytes).dropped_by(self.is_dropped.take());
        let means = &mut Means {
            paths: &mut PathCache::new(PATHS, PATHS_BYTES),
            budget: &budget,
        };
        let mut reply = Reply::new();
        reply.set_resp3(self.is_resp3);
        reply.copy_pieces();
        let edit = Edit {
            args: self.args.args(),
            max: self.max,
            wraps: self.wraps,
            makes: self.makes,
            values: None,
        };
        let mut after = Json::from(self.before.clone());
        let outcome = (self.apply)(&mut after, edit, means, &mut reply);
        self.edited = Some(EditedDocument {
            after,
            outcome,
            reply: reply.take_text(),
        });
        Progress::Done
    }

    fn is_for_workers(&self) -> bool {
        true
    }

    fn watch(&mut self, is_dropped: Arc<AtomicBool>) {
        self.is_dropped = Some(is_dropped);
    }
}

/// Makes a changed copy the document, if the document has not changed meanwhile, and replies;
/// `None`: the document has changed.
fn take_over(call: &mut Call<'_>, copied: EditTask) -> Result<Option<Change>, CommandError> {
    let Some(edited) = copied.edited else {
        return Ok(None);
    };
    let place = call.db.place(call.args.at(1));
    if !place.holds::<Json>().map_err(|_| OTHER_TYPE)? {
        return Ok(None);
    }
    let mut json = place.open::<Json>()?;
    if !json.is_unchanged_since(&copied.before) {
        return Ok(None);
    }
    drop(copied.before);
    let change = edited.outcome?;
    if matches!(change, Change::Changed | Change::Emptied) {
        let old = std::mem::replace(&mut *json, edited.after);
        drop(json);
        call.db.free_part(old);
    } else {
        drop(json);
    }
    call.reply.shared(message(edited.reply));
    Ok(Some(change))
}

/// Records the change of the document.
fn finish(call: &mut Call<'_>, event: &'static str, change: Change) {
    let key = call.args.at(1);
    match change {
        Change::Nothing => return,
        Change::Changed => {}
        // A server before 8.2 kept the empty document, and later commands of that server's stream
        // may need the document.
        Change::Emptied if call.was_taken_before() => {}
        Change::Removed | Change::Emptied => {
            call.db.delete(key, Cause::User);
        }
    }
    call.db.changed(key, Class::MODULE, event);
    if change == Change::Emptied && !call.was_taken_before() {
        // So every server deletes the key, whatever it makes of an empty document.
        call.rewrite(&[b"JSON.DEL", key]);
    }
}

/// As [`edit`], of a document that must be there.
pub(super) fn edit_there(
    call: &mut Call<'_>,
    event: &'static str,
    values: Option<&[Document]>,
    apply: Apply,
) -> CommandResult {
    if edit(call, event, values, apply)? {
        return Ok(());
    }
    Err(super::row::NO_DOCUMENT)
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    /// Threads both parse texts and change copies: the command must not take the answer of the
    /// parser for the answer of the copy.
    #[test]
    fn values_appended_at_many_places_come_once() {
        let mut t = Testbed::new();
        t.serve_in_turns(1, 1);
        let arrays = vec!["[1]"; 20_000].join(",");
        t.run(&format!("JSON.SET k $ [{arrays}]"));
        let client = t.first_client();
        for line in ["JSON.ARRAPPEND k $..* 7", "JSON.ARRINSERT k $..* 0 7"] {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            t.begin(&[client], &words);
            assert!(t.is_under_way(client), "{line}");
            let began = std::time::Instant::now();
            while t.is_under_way(client) {
                assert!(began.elapsed().as_secs() < 60, "{line} does not end");
                t.turn(true);
                std::thread::yield_now();
            }
            let reply = t.take_reply(client);
            assert!(reply.starts_with(b"*"), "{line}");
        }
        assert_eq!(t.run("JSON.GET k $[0]"), "$9\r\n[[7,1,7]]\r\n");
    }
}
