//! A thread makes replies that take long, off the loop.
//!
//!     GET -> the document as it is now, shared -> a thread replies -> GET again, with the reply
//!
//! A command starts with a brief budget (`Budget::brief`), unless the document is long. If the
//! budget is spent the command begins again on a thread, which has a bounded time, too. The thread
//! shares the document and copies only a small document: a write before the thread is done copies
//! the chunks that it changes (`Document::share`). In MULTI, scripts and without threads
//! (`task-threads 0`) the loop does the work, as far as the work is linear in the document.

use super::get::{mget_texts, text};
use super::row::{compiled, read};
use russet_command::CommandError;
use russet_json::{Budget, Document, PathCache};
use russet_resp::{Args, OwnedArgs, Reply, message};
use russet_server::tasks::Task;
use russet_server::{Call, CommandResult};
use russet_types::vector_set::Progress;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Fewer bytes are printed at once: half a millisecond.
const LONG: usize = 1 << 18;
/// Chunks of a document with fewer bytes than that, and some more.
const CHUNKS_MAX: usize = 40;
/// Paths of a command that the cache keeps compiled, and the bytes of these paths.
pub(super) const PATHS: usize = 16;
pub(super) const PATHS_BYTES: usize = 1 << 20;

/// The compiled paths and the budget for evaluating paths.
pub(super) struct Means<'m> {
    pub paths: &'m mut PathCache,
    pub budget: &'m Budget,
}

/// Writes the reply of a command with these arguments and this name from the document.
pub(super) type Write = fn(Args<'_>, &str, &Document, &mut Means<'_>, &mut Reply) -> CommandResult;

/// The form of a reply.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// A single text.
    Text,
    /// A text for each document, or null.
    Texts,
    /// Values of the protocol.
    Values(Write),
}

/// A reply.
enum PrintedReply {
    Text(Vec<u8>),
    Texts(Vec<Option<Vec<u8>>>),
    Encoded(Vec<u8>),
}

impl PrintedReply {
    fn write(self, reply: &mut Reply) {
        match self {
            PrintedReply::Text(text) => reply.bulk_owned(text),
            PrintedReply::Encoded(bytes) => reply.shared(message(bytes)),
            PrintedReply::Texts(texts) => {
                reply.array(texts.len());
                for text in texts {
                    match text {
                        Some(text) => reply.bulk_owned(text),
                        None => reply.null(),
                    }
                }
            }
        }
    }
}

/// A command whose reply a thread makes.
struct Print {
    args: OwnedArgs,
    is_resp3: bool,
    name: &'static str,
    form: Form,
    documents: Vec<Option<Document>>,
    is_dropped: Option<Arc<AtomicBool>>,
    outcome: Option<Result<PrintedReply, CommandError>>,
}

impl Print {
    /// The bytes of all documents.
    fn bytes(&self) -> usize {
        let documents = self.documents.iter().flatten();
        documents.map(Document::memory_bytes).sum()
    }

    fn run(&self, budget: &Budget) -> Result<PrintedReply, CommandError> {
        let paths = &mut PathCache::new(PATHS, PATHS_BYTES);
        let means = &mut Means { paths, budget };
        let args = self.args.args();
        Ok(match (self.form, &self.documents[..]) {
            (Form::Text, [Some(document)]) => {
                PrintedReply::Text(text((args, self.is_resp3, self.name), means, document)?)
            }
            (Form::Values(write), [Some(document)]) => {
                let mut reply = Reply::new();
                reply.set_resp3(self.is_resp3);
                reply.copy_pieces();
                write(args, self.name, document, means, &mut reply)?;
                PrintedReply::Encoded(reply.take_text())
            }
            (_, documents) => PrintedReply::Texts(mget_texts(args, means, documents)?),
        })
    }
}

impl Task for Print {
    fn step(&mut self, _nanos: usize) -> Progress {
        if self.outcome.is_none() {
            let budget = Budget::long(self.bytes()).dropped_by(self.is_dropped.take());
            self.outcome = Some(self.run(&budget));
            self.documents.clear();
        }
        Progress::Done
    }

    fn is_for_workers(&self) -> bool {
        true
    }

    fn watch(&mut self, is_dropped: Arc<AtomicBool>) {
        self.is_dropped = Some(is_dropped);
    }
}

/// The document for another reader.
pub(super) fn share(json: &Document) -> Document {
    json.share().unwrap_or_else(|| json.clone())
}

/// The document, shared, if it may take long to print the matches of these paths.
#[inline]
pub(super) fn shared(json: &Document, texts: &[&str], paths: &mut PathCache) -> Option<Document> {
    if json.memory_bytes() < LONG {
        return None;
    }
    let is_long = |text: &&str| {
        let Ok(path) = compiled(paths, text) else {
            return false;
        };
        if !path.is_static() {
            return true;
        }
        let found = path.only(json.root());
        let bytes = found.map(|value| value.memory_bytes_within(CHUNKS_MAX).unwrap_or(LONG));
        bytes.is_some_and(|bytes| bytes >= LONG)
    };
    texts.iter().any(is_long).then(|| json.share()).flatten()
}

/// Has a reply made of documents as they are now: the client waits for a thread, if it can.
#[cold]
pub(super) fn print(
    call: &mut Call<'_>,
    documents: Vec<Option<Document>>,
    form: Form,
) -> CommandResult {
    let print = Print {
        args: call.args.to_owned(),
        is_resp3: call.reply.resp3(),
        name: call.name,
        form,
        documents,
        is_dropped: None,
        outcome: None,
    };
    if call.may_leave_loop() {
        call.block_on_task(Box::new(print));
    } else {
        print.run(&Budget::linear(print.bytes()))?.write(call.reply);
    }
    Ok(())
}

/// Writes the reply for which a command has waited; `None`: the command has not waited.
pub(super) fn printed(call: &mut Call<'_>) -> Option<CommandResult> {
    if !call.is_retry() {
        return None;
    }
    let outcome = call.server.tasks.take_task::<Print>()?.outcome?;
    Some(outcome.map(|printed| printed.write(call.reply)))
}

/// Writes the reply that `write` makes of the document at a key, now or later. `false`: there is no
/// document.
pub(super) fn reply_from(
    call: &mut Call<'_>,
    key: &[u8],
    write: Write,
) -> Result<bool, CommandError> {
    if let Some(outcome) = printed(call) {
        return outcome.map(|()| true);
    }
    let Some(json) = read(&mut call.db, key)? else {
        return Ok(false);
    };
    let budget = Budget::brief();
    let means = &mut Means {
        paths: &mut call.server.json_paths,
        budget: &budget,
    };
    let mark = call.reply.mark();
    let outcome = write(call.args, call.name, &json, means, call.reply);
    if outcome.is_ok() || !budget.is_spent() {
        return outcome.map(|()| true);
    }
    call.reply.truncate(mark);
    let document = share(&json);
    print(call, vec![Some(document)], Form::Values(write))?;
    Ok(true)
}
