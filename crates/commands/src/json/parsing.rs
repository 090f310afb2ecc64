//! A thread turns long texts of commands into documents or parts of documents, off the loop; also
//! short texts whose path takes long.
//!
//!     MSET with a long text -> a thread parses -> MSET again, with the documents
//!     SET at a path         -> a thread parses, sets it in a copy -> SET again, with the copy
//!
//! The copy shares all chunks but the changed ones with the document. If the document has changed
//! meanwhile, the thread begins anew; after some such times the loop sets, or merges, the value.
//! For commands of several texts ([`Values`]) the thread only parses: the loop sets the values.
//!
//! The thread and the command that runs again share the text as it came from the socket. In MULTI,
//! scripts and without threads (`task-threads 0`) the loop parses.

use super::assignment::{Outcome, Rule};
use super::editing::{COPIES_MAX, budget};
use super::printing::share;
use super::row::{OTHER_TYPE, compiled, path_at, plain, read};
use russet_base::memory::large::LargeText;
use russet_command::CommandError;
use russet_json::{Budget, Document, Fpha, ParseError, Path};
use russet_resp::OwnedArgs;
use russet_server::tasks::Task;
use russet_server::{Call, CommandResult};
use russet_types::Json;
use russet_types::vector_set::Progress;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::vec::IntoIter;

/// The arguments of SET and MERGE.
const KEY: usize = 1;
const PATH: usize = 2;
const VALUE: usize = 3;
/// A text of fewer bytes is parsed at once: some milliseconds.
pub(super) const LONG: usize = 1 << 20;
/// The time that a byte takes to parse, about.
const BYTE_NANOS: usize = 4;

/// How a command puts a value into a document.
#[derive(Clone, Copy)]
pub(super) struct Edit {
    pub apply: fn(&mut Json, &Path, Document, Rule, &Budget) -> Result<Outcome, CommandError>,
    pub rule: Rule,
    /// Whether `apply` does more than replace the document if the path is the root.
    pub edits_root: bool,
}

/// A document that a value is to be set in.
struct Target {
    /// The document as it was when the thread began.
    document: Document,
    path: Arc<Path>,
    edit: Edit,
}

/// A document with the value, and the document before.
struct EditedDocument {
    before: Document,
    after: Json,
    outcome: Result<Outcome, CommandError>,
    /// Copies that were made.
    copies: u32,
}

/// A text that a thread has parsed.
enum ParseOutput {
    Value(Result<Document, ParseError>),
    /// The value is set in a copy.
    In(EditedDocument),
}

/// The value of a command.
pub(super) enum ParsedValue {
    Value(Result<Document, ParseError>),
    /// The value was set in a copy of the document, and the copy is the document now.
    Outcome(Outcome),
}

/// A text: if large, the buffer in which it came from the socket.
enum Text {
    Large(LargeText),
    Short(Box<[u8]>),
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Text::Large(text) => text,
            Text::Short(text) => text,
        }
    }
}

/// A text that a thread turns into a document.
struct Parse {
    text: Option<Text>,
    fpha: Option<Fpha>,
    target: Option<Target>,
    copies: u32,
    is_dropped: Option<Arc<AtomicBool>>,
    outcome: Option<ParseOutput>,
}

impl Task for Parse {
    fn step(&mut self, _nanos: usize) -> Progress {
        let Some(text) = self.text.take() else {
            return Progress::Done;
        };
        let parsed = Document::parse_with(&text, self.fpha);
        self.outcome = Some(match (parsed, self.target.take()) {
            (Ok(value), Some(target)) => {
                let mut after = Json::from(target.document.clone());
                let Edit { apply, rule, .. } = target.edit;
                let budget = Budget::long(target.document.memory_bytes());
                let budget = budget.dropped_by(self.is_dropped.take());
                let outcome = apply(&mut after, &target.path, value, rule, &budget);
                ParseOutput::In(EditedDocument {
                    before: target.document,
                    after,
                    outcome,
                    copies: self.copies + 1,
                })
            }
            (parsed, _) => ParseOutput::Value(parsed),
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

/// The value of SET or MERGE: parsed now, or by a thread before; `None`: a thread parses it, and
/// the client waits.
pub(super) fn take(
    call: &mut Call<'_>,
    fpha: Option<Fpha>,
    edit: Edit,
) -> Result<Option<ParsedValue>, CommandError> {
    let text = call.args.at(VALUE);
    let copies = match parsed(call) {
        Some(ParseOutput::Value(value)) => return Ok(Some(ParsedValue::Value(value))),
        Some(ParseOutput::In(edited)) => {
            let copies = edited.copies;
            if let Some(outcome) = take_over(call, edited)? {
                return Ok(Some(ParsedValue::Outcome(outcome)));
            }
            copies
        }
        None if text.len() >= LONG && call.leaves_loop(text.len().saturating_mul(BYTE_NANOS)) => 0,
        None => return Ok(Some(ParsedValue::Value(Document::parse_with(text, fpha)))),
    };
    leave(call, fpha, edit, copies)?;
    Ok(None)
}

/// Has a thread parse the value and set it in a copy; the client waits.
pub(super) fn leave(
    call: &mut Call<'_>,
    fpha: Option<Fpha>,
    edit: Edit,
    copies: u32,
) -> CommandResult {
    let text = call.args.at(VALUE);
    let target = target(call, edit)?;
    let text = match call.args.large(VALUE) {
        Some(large) => Text::Large(large.share()),
        None => Text::Short(text.into()),
    };
    call.block_on_task(Box::new(Parse {
        text: Some(text),
        fpha,
        target: target.filter(|_| copies < COPIES_MAX),
        copies,
        is_dropped: None,
        outcome: None,
    }));
    Ok(())
}

/// Puts a value into the document that is at the key: now, or a thread does it, and the client
/// waits: `None`.
pub(super) fn apply(
    call: &mut Call<'_>,
    value: Document,
    fpha: Option<Fpha>,
    edit: Edit,
) -> Result<Option<Outcome>, CommandError> {
    let path = compiled(&mut call.server.json_paths, path_at(call.args, PATH)?)?;
    let key = call.args.at(KEY);
    let bytes = read(&mut call.db, key)?.map_or(0, |json| json.memory_bytes());
    // The command has waited long enough.
    let copies = if call.is_retry() { COPIES_MAX } else { 0 };
    let (budget, may_leave) = budget(call, bytes, copies);
    let mut json = call.db.place(key).open::<Json>()?;
    let outcome = (edit.apply)(&mut json, &path, value, edit.rule, &budget);
    if outcome.is_err() && budget.is_spent() && may_leave {
        drop(json);
        leave(call, fpha, edit, 0)?;
        return Ok(None);
    }
    outcome.map(Some)
}

/// The outcome of a command that has waited for it.
fn parsed(call: &mut Call<'_>) -> Option<ParseOutput> {
    if !call.is_retry() {
        return None;
    }
    call.server.tasks.take_task::<Parse>()?.outcome
}

/// Makes a copy with the value the document, if the document has not changed meanwhile; `None`: the
/// document has changed.
fn take_over(call: &mut Call<'_>, edited: EditedDocument) -> Result<Option<Outcome>, CommandError> {
    let place = call.db.place(call.args.at(KEY));
    if !place.holds::<Json>().map_err(|_| OTHER_TYPE)? {
        return Ok(None);
    }
    let mut json = place.open::<Json>()?;
    if !json.is_unchanged_since(&edited.before) {
        return Ok(None);
    }
    drop(edited.before);
    Ok(Some(match edited.outcome? {
        Outcome::Nothing => Outcome::Nothing,
        _ => Outcome::Replaced(std::mem::replace(&mut *json, edited.after)),
    }))
}

/// The document in which a thread is to set a value: `None` if the value replaces the document, or
/// the path is wrong.
fn target(call: &mut Call<'_>, edit: Edit) -> Result<Option<Target>, CommandError> {
    let text = path_at(call.args, PATH)?;
    let Some(json) = read(&mut call.db, call.args.at(KEY))? else {
        return Ok(None);
    };
    let path = compiled(&mut call.server.json_paths, text).ok();
    let path = path.filter(|path| edit.edits_root || !path.is_root());
    Ok(path.map(|path| Target {
        document: share(&json),
        path,
        edit,
    }))
}

/// The values of a command's texts, in order.
pub(super) enum Values {
    /// The texts are parsed when they are asked for.
    Texts,
    /// A thread has parsed them.
    Parsed(IntoIter<Result<Document, ParseError>>),
}

/// Arguments of a command on their way to documents.
struct ParseAll {
    args: OwnedArgs,
    texts: Vec<usize>,
    parsed: Vec<Result<Document, ParseError>>,
}

impl Task for ParseAll {
    fn step(&mut self, _nanos: usize) -> Progress {
        let (texts, args) = (std::mem::take(&mut self.texts), self.args.args());
        let parsed = texts.into_iter().map(|at| Document::parse(args.at(at)));
        self.parsed.extend(parsed);
        Progress::Done
    }

    fn is_for_workers(&self) -> bool {
        true
    }
}

impl Values {
    /// The values of the texts at these arguments; `None`: a thread parses them, and the client
    /// waits.
    pub fn of(call: &mut Call<'_>, texts: impl Iterator<Item = usize> + Clone) -> Option<Values> {
        if call.is_retry()
            && let Some(done) = call.server.tasks.take_task::<ParseAll>()
        {
            return Some(Values::Parsed(done.parsed.into_iter()));
        }
        let bytes: usize = texts.clone().map(|at| call.args.at(at).len()).sum();
        if bytes < LONG || !call.leaves_loop(bytes.saturating_mul(BYTE_NANOS)) {
            return Some(Values::Texts);
        }
        call.block_on_task(Box::new(ParseAll {
            args: call.args.to_shared(),
            texts: texts.collect(),
            parsed: Vec::new(),
        }));
        None
    }

    /// The value of the next text.
    pub fn next(&mut self, text: &[u8]) -> Result<Document, CommandError> {
        let parsed = match self {
            Values::Texts => None,
            Values::Parsed(parsed) => parsed.next(),
        };
        parsed
            .unwrap_or_else(|| Document::parse(text))
            .map_err(plain)
    }
}
