//! INCRBY.

use super::super::count;
use super::super::row::{GROWS, WRITTEN_KEY};
use super::{MISSING, WRITING};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::count_min::ChangeError;
use russet_types::CountMin;

const BAD_NUMBER: CommandError = CommandError::Text("CMS: Cannot parse number");
const BAD_INCREMENT: CommandError = CommandError::Text("CMS: invalid increment");
const OVERFLOW: CommandError = CommandError::Text("CMS: INCRBY overflow");
const UNDERFLOW: CommandError = CommandError::Text("CMS: INCRBY underflow");

pub(super) const INCRBY: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::COUNTED_PAIRS,
    ..Spec::new("cms.incrby", incrby)
};

/// `CMS.INCRBY key item n [item n ...]`: adds items, or takes them back.
///
/// Reply: array with the estimate of each, or an error if a counter of the item, or the sketch's
/// sum, would become too large or negative; such an item changes nothing. A wrong number refuses
/// all. O(items * depth).
fn incrby(call: &mut Call<'_>) -> CommandResult {
    let (key, pairs) = (call.args.at(1), call.args.from(2));
    if pairs.len() % 2 == 1 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let mut sketch = call.db.write::<CountMin>(key)?.ok_or(MISSING)?;
    let number = |at| match parse_i64(pairs.at(at)) {
        None => Err(BAD_NUMBER),
        Some(i64::MIN) => Err(BAD_INCREMENT),
        Some(n) => Ok(n),
    };
    for at in (1..pairs.len()).step_by(2) {
        number(at)?;
    }
    let mut is_changed = false;
    let mut applied = vec![call.args.at(0), key];
    call.reply.array(pairs.len() / 2);
    for at in (0..pairs.len()).step_by(2) {
        let n = number(at + 1)?;
        match sketch.add(pairs.at(at), n) {
            Ok(estimate) => {
                is_changed |= n != 0;
                applied.extend([pairs.at(at), pairs.at(at + 1)]);
                call.reply.int(estimate as i64);
            }
            Err(ChangeError::Overflow) => call.reply.error(&OVERFLOW),
            Err(ChangeError::Underflow) => call.reply.error(&UNDERFLOW),
        }
    }
    drop(sketch);
    if is_changed {
        call.db.changed(key, Class::MODULE, call.name);
        if applied.len() < call.args.len() {
            // Replicas and logs would take an error in a reply for a sign of other data.
            call.rewrite_each(applied.into_iter());
        }
    }
    Ok(())
}
