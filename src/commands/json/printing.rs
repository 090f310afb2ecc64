//! Documents that take long to print become text, or replies, off the loop.
//!
//!     GET -> the document as it is now, shared -> a thread prints -> GET again, with the text
//!
//! The document is not copied: a write to it before the thread is done copies what it changes
//! (`Document::share`). In MULTI, scripts and without threads (`vset-threads 0`) the loop prints.

use super::get::{mget_texts, text};
use super::row::compiled;
use crate::server::searches::Task;
use crate::server::{Call, CommandResult};
use russet_command::CommandError;
use russet_json::{Document, PathCache};
use russet_resp::{Args, OwnedArgs, Reply, message};
use russet_types::vector_set::Progress;

/// Fewer bytes are printed at once: half a millisecond.
const LONG: usize = 1 << 18;
/// The time that a byte takes to print, about.
const BYTE_NANOS: usize = 2;
/// Chunks of a document with fewer bytes than that, and some more.
const CHUNKS_MAX: usize = 40;
/// Paths of one command that are kept compiled, and their bytes.
const PATHS: usize = 16;
const PATHS_BYTES: usize = 1 << 20;

/// Writes the reply of a command with these arguments and this name from its document.
type Write = fn(Args<'_>, &str, &Document, &mut PathCache, &mut Reply) -> CommandResult;

/// The form of a reply.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// One text.
    Text,
    /// A text for each document, or null.
    Texts,
    /// Values of the protocol.
    Values(Write),
}

/// A reply.
enum Printed {
    Text(Vec<u8>),
    Texts(Vec<Option<Vec<u8>>>),
    Encoded(Vec<u8>),
}

impl Printed {
    fn write(self, reply: &mut Reply) {
        match self {
            Printed::Text(text) => reply.bulk_owned(text),
            Printed::Encoded(bytes) => reply.shared(message(bytes)),
            Printed::Texts(texts) => {
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

/// A command on its way to its reply.
struct Print {
    args: OwnedArgs,
    is_resp3: bool,
    name: &'static str,
    form: Form,
    documents: Vec<Option<Document>>,
    outcome: Option<Result<Printed, CommandError>>,
}

impl Print {
    fn run(&self) -> Result<Printed, CommandError> {
        let paths = &mut PathCache::new(PATHS, PATHS_BYTES);
        let args = self.args.args();
        Ok(match (self.form, &self.documents[..]) {
            (Form::Text, [Some(document)]) => {
                Printed::Text(text((args, self.is_resp3, self.name), paths, document)?)
            }
            (Form::Values(write), [Some(document)]) => {
                let mut reply = Reply::new();
                reply.set_resp3(self.is_resp3);
                reply.copy_pieces();
                write(args, self.name, document, paths, &mut reply)?;
                Printed::Encoded(reply.take_text())
            }
            (_, documents) => Printed::Texts(mget_texts(args, paths, documents)?),
        })
    }
}

impl Task for Print {
    fn step(&mut self, _nanos: usize) -> Progress {
        if self.outcome.is_none() {
            self.outcome = Some(self.run());
            self.documents.clear();
        }
        Progress::Done
    }

    fn is_for_workers(&self) -> bool {
        true
    }
}

/// The document, shared, if it may take long to print what these paths find.
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
        let found = path.first(json.root()).ok().flatten();
        let bytes = found.map(|value| value.memory_bytes_within(CHUNKS_MAX).unwrap_or(LONG));
        bytes.is_some_and(|bytes| bytes >= LONG)
    };
    texts.iter().any(is_long).then(|| json.share()).flatten()
}

/// Has a reply made of documents as they are now: at once, or the client waits.
pub(super) fn print(
    call: &mut Call<'_>,
    documents: Vec<Option<Document>>,
    form: Form,
) -> CommandResult {
    let bytes: usize = documents.iter().flatten().map(Document::memory_bytes).sum();
    let print = Print {
        args: call.args.to_owned(),
        is_resp3: call.reply.resp3(),
        name: call.name,
        form,
        documents,
        outcome: None,
    };
    if call.leaves_loop(bytes.saturating_mul(BYTE_NANOS)) {
        call.block_on_task(Box::new(print));
    } else {
        print.run()?.write(call.reply);
    }
    Ok(())
}

/// Replies what a command has waited for; `None`: it has not.
pub(super) fn printed(call: &mut Call<'_>) -> Option<CommandResult> {
    if !call.is_retry() {
        return None;
    }
    let outcome = call.server.searches.take_done::<Print>()?.outcome?;
    Some(outcome.map(|printed| printed.write(call.reply)))
}
