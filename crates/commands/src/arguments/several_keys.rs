//! Pops from the first of several keys that exists, or blocks until a key exists: shared by lists
//! and sorted sets.

use crate::arguments::{element, timeout};
use crate::work::{self, Work};
use russet_command::CommandError;
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, OnTimeout};
use russet_types::Type;

/// The arguments of LMPOP and ZMPOP: `numkeys key ... END [COUNT count]`.
struct Request<'a, E> {
    keys: Args<'a>,
    numkeys: usize,
    end: E,
    count: usize,
}

impl<'a, E> Request<'a, E> {
    /// Parses from `numkeys` at `at`; `end` parses the word for the end.
    fn parse(
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

    fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a, E> {
        self.keys.iter().take(self.numkeys)
    }

    /// Pops from the first key that exists; `false`: none does.
    fn pop_first<'c>(
        &self,
        call: &mut Call<'c>,
        mut pop: impl FnMut(&mut Call<'c>, &[u8], E, usize) -> Result<bool, CommandError>,
    ) -> Result<bool, CommandError>
    where
        E: Copy,
    {
        for key in self.keys() {
            if pop(call, key, self.end, self.count)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// LMPOP, ZMPOP: `end` parses the word for the end; `pop` pops up to that many elements from that
/// end of a key and returns whether the key existed.
pub(crate) fn mpop<'c, E: Copy>(
    call: &mut Call<'c>,
    end: impl FnOnce(Args<'c>, usize) -> Result<E, CommandError>,
    pop: impl FnMut(&mut Call<'c>, &[u8], E, usize) -> Result<bool, CommandError>,
) -> CommandResult {
    let request = Request::parse(call.args, 1, end)?;
    if !request.pop_first(call, pop)? {
        call.reply.null_array();
    }
    Ok(())
}

/// BLMPOP, BZMPOP: [`mpop`] after a timeout argument; if no key exists, the client blocks.
pub(crate) fn mpop_or_wait<'c, E: Copy>(
    call: &mut Call<'c>,
    kind: Type,
    end: impl FnOnce(Args<'c>, usize) -> Result<E, CommandError>,
    pop: impl FnMut(&mut Call<'c>, &[u8], E, usize) -> Result<bool, CommandError>,
) -> CommandResult {
    let request = Request::parse(call.args, 2, end)?;
    let timeout_ms = timeout::seconds(call.args.at(1), call.db.now_ms())?;
    if !request.pop_first(call, pop)? {
        wait(call, request.keys(), kind, timeout_ms);
    }
    Ok(())
}

/// The work of [`mpop`] and [`mpop_or_wait`]: up to COUNT elements of the first non-empty key.
fn count_popped(call: &mut Call<'_>) -> CommandResult {
    let waits = call.name.starts_with('b');
    let request = Request::parse(call.args, 1 + usize::from(waits), |_, _| Ok(()))?;
    let mut lengths = request.keys().map(|key| call.db.elements(key));
    let first = lengths.find(|&length| length > 0).unwrap_or(0);
    call.touches(first.min(request.count) as u64);
    Ok(())
}

pub(crate) const POPPED: Work = work::by(count_popped, work::SMALLER_COUNT);

/// `key ... timeout`: `pop` pops from a key and returns whether it existed; if no key exists, the
/// client blocks.
pub(crate) fn pop_or_wait(
    call: &mut Call<'_>,
    kind: Type,
    mut pop: impl FnMut(&mut Call<'_>, &[u8]) -> Result<bool, CommandError>,
) -> CommandResult {
    let last = call.args.len() - 1;
    let timeout_ms = timeout::seconds(call.args.at(last), call.db.now_ms())?;
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

/// Blocks the client on the keys, or replies null at once if it may not block.
fn wait<'k>(
    call: &mut Call<'_>,
    keys: impl Iterator<Item = &'k [u8]>,
    kind: Type,
    timeout_ms: u64,
) {
    if call.may_block() {
        let keys: Vec<&[u8]> = keys.collect();
        call.block_on_keys(&keys, kind, timeout_ms, OnTimeout::Reply(Reply::null_array));
    } else {
        call.reply.null_array();
    }
}
