//! Documents that take long to print become text off the loop.
//!
//!     GET -> the document as it is now, shared -> a thread prints -> GET again, with the text
//!
//! The document is not copied, unless it is written to before the thread is done
//! (`Document::share`). In MULTI, scripts and without threads (`vset-threads 0`) the loop prints.

use super::get::text;
use super::row::compiled;
use crate::server::searches::Task;
use crate::server::{Call, CommandResult};
use russet_command::CommandError;
use russet_json::{Document, PathCache};
use russet_resp::OwnedArgs;
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

/// A command on its way to its text.
struct Print {
    args: OwnedArgs,
    is_resp3: bool,
    name: &'static str,
    document: Option<Document>,
    outcome: Option<Result<Vec<u8>, CommandError>>,
}

impl Task for Print {
    fn step(&mut self, _nanos: usize) -> Progress {
        if let Some(document) = self.document.take() {
            let paths = &mut PathCache::new(PATHS, PATHS_BYTES);
            let args = (self.args.args(), self.is_resp3, self.name);
            self.outcome = Some(text(args, paths, &document));
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

/// Has a shared document printed: replies at once, or has the client wait.
pub(super) fn print(call: &mut Call<'_>, document: Document) -> CommandResult {
    let (args, is_resp3, name) = (call.args, call.reply.resp3(), call.name);
    if call.leaves_loop(document.memory_bytes().saturating_mul(BYTE_NANOS)) {
        call.block_on_task(Box::new(Print {
            args: args.to_owned(),
            is_resp3,
            name,
            document: Some(document),
            outcome: None,
        }));
        return Ok(());
    }
    let paths = &mut call.server.json_paths;
    let text = text((args, is_resp3, name), paths, &document)?;
    call.reply.bulk_owned(text);
    Ok(())
}

/// The text of a command that has waited for it.
pub(super) fn printed(call: &mut Call<'_>) -> Option<Result<Vec<u8>, CommandError>> {
    if !call.is_retry() {
        return None;
    }
    call.server.searches.take_done::<Print>()?.outcome
}
