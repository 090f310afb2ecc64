//! INCRBY.

use super::super::count;
use super::super::row::{GROWS, WRITTEN_KEY};
use super::{MISSING, WRITING};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::CountMin;

const BAD_NUMBER: CommandError = CommandError::Text("CMS: Cannot parse number");
const NEGATIVE: CommandError = CommandError::Text("CMS: Number cannot be negative");
const FULL: CommandError = CommandError::Text("CMS: INCRBY overflow");

pub(super) const INCRBY: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::COUNTED_PAIRS,
    ..Spec::new("cms.incrby", incrby)
};

/// `CMS.INCRBY key item n [item n ...]`: adds items.
///
/// Reply: array with the estimate of each, or an error if the item's counters are full: the
/// counters stay full. A wrong number changes nothing. O(items * depth).
fn incrby(call: &mut Call<'_>) -> CommandResult {
    let (key, pairs) = (call.args.at(1), call.args.from(2));
    if pairs.len() % 2 == 1 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let mut sketch = call.db.write::<CountMin>(key)?.ok_or(MISSING)?;
    let number = |at| match parse_i64(pairs.at(at)) {
        None => Err(BAD_NUMBER),
        Some(n) => u64::try_from(n).map_err(|_| NEGATIVE),
    };
    let mut is_changed = false;
    for at in (1..pairs.len()).step_by(2) {
        is_changed |= number(at)? > 0;
    }
    call.reply.array(pairs.len() / 2);
    for at in (0..pairs.len()).step_by(2) {
        match sketch.add(pairs.at(at), number(at + 1)?) {
            u32::MAX => call.reply.error(&FULL),
            estimate => call.reply.int(estimate.into()),
        }
    }
    drop(sketch);
    if is_changed {
        call.db.changed(key, Class::MODULE, call.name);
    }
    Ok(())
}
