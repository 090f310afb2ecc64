//! A command in progress, as its handler sees it, and the condition for sending its reply.

use crate::core::Sentinel;
use crate::instances::Primary;
use russet_resp::{CommandError, Reply};

/// The condition for sending the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyCondition {
    /// Nothing.
    Send,
    /// The state must be saved. If that fails, these bytes are the reply.
    Persist {
        /// The RESP reply in place of the command's own, if saving fails.
        otherwise: Vec<u8>,
    },
}

/// The parts of the server that handlers need.
pub struct Host<'h> {
    /// `loglevel`, which SENTINEL CONFIG GET shows.
    pub loglevel: &'h str,
    /// Whether a script can be run.
    pub is_executable: &'h dyn Fn(&[u8]) -> bool,
    /// The IP address of a name, looked up at once, within a bounded time. Only SENTINEL MONITOR
    /// with `resolve-hostnames` asks, for a name that is not known yet.
    pub resolve: &'h dyn Fn(&[u8]) -> Option<Vec<u8>>,
}

/// A command in progress.
pub(super) struct Call<'c> {
    pub(super) sentinel: &'c mut Sentinel,
    pub(super) host: &'c Host<'c>,
    /// The words, from SENTINEL on.
    pub(super) args: &'c [&'c [u8]],
    pub(super) reply: &'c mut Reply,
}

pub(super) type CallResult = Result<ReplyCondition, CommandError>;

/// The reply to a client whose save has failed.
const NOT_SAVED: &[u8] = b"-ERR Failed to save config file. Check server logs.\r\n";

pub(super) fn error(text: &str) -> CommandError {
    CommandError::naming(text, b"", "")
}

/// `text` with the client's word in its middle.
pub(super) fn error_naming(before: &str, word: &[u8], after: &str) -> CommandError {
    CommandError::naming(before, word, after)
}

const NO_PRIMARY: &str = "ERR No such master with that name";

impl Call<'_> {
    pub(super) fn primary(&self, name: &[u8]) -> Result<&Primary, CommandError> {
        let primary = self.sentinel.primaries.get(name);
        primary.ok_or_else(|| error(NO_PRIMARY))
    }

    /// Writes `+OK`, to be sent once the state is saved.
    pub(super) fn ok_when_saved(&mut self) -> CallResult {
        self.sentinel.shared.out.persist();
        self.reply.ok();
        Ok(ReplyCondition::Persist {
            otherwise: NOT_SAVED.to_vec(),
        })
    }
}
