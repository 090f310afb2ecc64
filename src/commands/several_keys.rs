//! Pops from the first of several keys that has something, at once or as soon as one has:
//! what lists and sorted sets share.

use crate::command::CommandError;
use crate::commands::{element, timeout_args};
use crate::resp::Args;
use crate::server::{Call, CommandResult, TimeoutReply};
use crate::types::Type;

/// `numkeys key ... END [COUNT count]`: what LMPOP and ZMPOP ask for.
pub(super) struct Request<'a, E> {
    keys: Args<'a>,
    numkeys: usize,
    pub end: E,
    pub count: usize,
}

impl<'a, E> Request<'a, E> {
    /// `numkeys` stands at `at`; `end` reads the word for the end.
    pub fn parse(
        args: Args<'a>,
        at: usize,
        end: impl FnOnce(Args<'a>, usize) -> Result<E, CommandError>,
    ) -> Result<Request<'a, E>, CommandError> {
        const WRONG_COUNT: CommandError = CommandError::Text("ERR count should be greater than 0");
        let numkeys = element::at_least(args.at(at), 1, CommandError::NumkeysNotPositive)?;
        if numkeys >= args.len() - at - 1 {
            return Err(CommandError::Syntax);
        }
        let end = end(args, at + 1 + numkeys)?;
        let options = at + 2 + numkeys;
        let count = match args.len() - options {
            0 => 1,
            2.. if args.is(options, "COUNT") => {
                let count = element::at_least(args.at(options + 1), 1, WRONG_COUNT)?;
                if args.len() > options + 2 {
                    return Err(CommandError::Syntax);
                }
                count
            }
            _ => return Err(CommandError::Syntax),
        };
        Ok(Request {
            keys: args.from(at + 1),
            numkeys,
            end,
            count,
        })
    }

    pub fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a, E> {
        self.keys.iter().take(self.numkeys)
    }
}

/// `key ... timeout`: `pop` takes from a key and tells whether there was something; if no key
/// has anything, the client waits.
pub(super) fn pop_or_wait(
    call: &mut Call<'_>,
    kind: Type,
    mut pop: impl FnMut(&mut Call<'_>, &[u8]) -> Result<bool, CommandError>,
) -> CommandResult {
    let last = call.args.len() - 1;
    let timeout_ms = timeout_args::seconds(call.args.at(last), call.db.now_ms())?;
    let args = call.args;
    let keys = || args.iter().take(last).skip(1);
    for key in keys() {
        if pop(call, key)? {
            return Ok(());
        }
    }
    wait(call, keys(), kind, timeout_ms);
    Ok(())
}

/// The client waits for one of the keys, or is told at once where it may not.
pub(super) fn wait<'k>(
    call: &mut Call<'_>,
    keys: impl Iterator<Item = &'k [u8]>,
    kind: Type,
    timeout_ms: u64,
) {
    if call.may_block() {
        let keys: Vec<&[u8]> = keys.collect();
        call.block_on_keys(&keys, kind, timeout_ms, TimeoutReply::NullArray);
    } else {
        call.reply.null_array();
    }
}
