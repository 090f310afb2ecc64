//! Long texts of JSON.SET become documents off the loop.
//!
//!     SET with a long text -> a thread parses -> SET again, with the document
//!
//! The thread and the command that runs again share the text as it came from the socket. In MULTI,
//! scripts and without threads (`vset-threads 0`) the loop parses.

use crate::server::Call;
use crate::server::searches::Task;
use russet_base::memory::large::Large;
use russet_json::{Document, Fpha, ParseError};
use russet_types::vector_set::Progress;

/// A text of fewer bytes is parsed at once: some milliseconds.
const LONG: usize = 1 << 20;
/// The time that a byte takes to parse, about.
const BYTE_NANOS: usize = 4;

/// A text on its way to a document.
struct Parse {
    text: Option<Large>,
    fpha: Option<Fpha>,
    outcome: Option<Result<Document, ParseError>>,
}

impl Task for Parse {
    fn step(&mut self, _nanos: usize) -> Progress {
        if let Some(text) = self.text.take() {
            self.outcome = Some(Document::parse_with(&text, self.fpha));
        }
        Progress::Done
    }

    fn is_for_workers(&self) -> bool {
        true
    }
}

/// Whether a text is to be parsed off the loop.
pub(super) fn leaves_loop(call: &mut Call<'_>, text: &[u8]) -> bool {
    text.len() >= LONG && call.leaves_loop(text.len().saturating_mul(BYTE_NANOS))
}

/// Has the text at an argument parsed off the loop; the client waits.
pub(super) fn begin(call: &mut Call<'_>, at: usize, fpha: Option<Fpha>) {
    let text = call.args.at(at);
    let shared = call.args.large(at).map(Large::share);
    let parse = Parse {
        text: Some(shared.unwrap_or_else(|| Large::begin(text.len(), text))),
        fpha,
        outcome: None,
    };
    call.block_on_task(Box::new(parse));
}

/// The document of a command that has waited for it.
pub(super) fn parsed(call: &mut Call<'_>) -> Option<Result<Document, ParseError>> {
    if !call.is_retry() {
        return None;
    }
    call.server.searches.take_done::<Parse>()?.outcome
}
