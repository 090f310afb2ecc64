//! Long texts of JSON.SET become documents off the loop.
//!
//!     SET with a long text -> a thread parses -> SET again, with the document
//!
//! The thread and the command that runs again share the text as it came from the socket. In MULTI,
//! scripts and without threads (`vset-threads 0`) the loop parses.

use crate::server::Call;
use crate::server::searches::Task;
use russet_base::memory::large::Large;
use russet_command::CommandError;
use russet_json::{Document, Fpha, ParseError};
use russet_types::vector_set::Progress;

use super::row::plain;

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

/// Whether a text takes long to parse.
pub(super) fn is_long(text: &[u8]) -> bool {
    text.len() >= LONG
}

/// The document of a long text at an argument. `None`: it is made off the loop, and the client
/// waits.
pub(super) fn document(
    call: &mut Call<'_>,
    at: usize,
    fpha: Option<Fpha>,
) -> Result<Option<Document>, CommandError> {
    let text = call.args.at(at);
    let done = call.server.searches.take_done::<Parse>();
    if let Some(outcome) = done.and_then(|done| done.outcome) {
        return outcome.map(Some).map_err(plain);
    }
    if call.leaves_loop(text.len().saturating_mul(BYTE_NANOS)) {
        let shared = call.args.large(at).map(Large::share);
        let parse = Parse {
            text: Some(shared.unwrap_or_else(|| Large::begin(text.len(), text))),
            fpha,
            outcome: None,
        };
        call.block_on_task(Box::new(parse));
        return Ok(None);
    }
    Document::parse_with(text, fpha).map(Some).map_err(plain)
}
