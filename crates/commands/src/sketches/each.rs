//! Commands that ask a sketch about each of their items.

use russet_command::CommandError;
use russet_resp::Reply;
use russet_server::{Call, CommandResult};
use russet_types::Container;

/// Writes an array with the answer of `answer` for each item after the key; `missing`: the error
/// without a sketch. O(items) times the answer.
#[inline]
pub(super) fn ask_each<S: Container>(
    call: &mut Call<'_>,
    missing: CommandError,
    answer: impl Fn(&S, &[u8], &mut Reply),
) -> CommandResult {
    let (key, items) = (call.args.at(1), call.args.from(2));
    let sketch = call.db.read::<S>(key)?.ok_or(missing)?;
    call.reply.array(items.len());
    for item in items.iter() {
        answer(&sketch, item, call.reply);
    }
    Ok(())
}
