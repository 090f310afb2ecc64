//! ADD.

use super::super::row::{GROWS, WRITTEN_KEY};
use super::row::{MISSING, OVERFLOW, WRITING};
use crate::work;
use russet_base::numbers::float::parse_double;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::TDigest;
use smallvec::SmallVec;

const NO_NUMBER: CommandError = CommandError::Text("ERR T-Digest: error parsing val parameter");
const NOT_FINITE: CommandError =
    CommandError::Text("ERR T-Digest: val parameter needs to be a finite number");

pub(super) const ADD: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: work::EACH_MEMBER,
    ..Spec::new("tdigest.add", add)
};

/// `TDIGEST.ADD key value ...`: adds values.
///
/// Reply: OK; a value that is no finite number changes nothing. O(values) amortised.
fn add(call: &mut Call<'_>) -> CommandResult {
    let (key, texts) = (call.args.at(1), call.args.from(2));
    let mut digest = call.db.write::<TDigest>(key)?.ok_or(MISSING)?;
    let mut values: SmallVec<[f64; 16]> = SmallVec::new();
    for text in texts.iter() {
        let value = parse_double(text).ok_or(NO_NUMBER)?;
        if !value.is_finite() {
            return Err(NOT_FINITE);
        }
        values.push(value);
    }
    let added = values.iter().try_for_each(|value| digest.add(*value));
    drop(digest);
    call.db.changed(key, Class::MODULE, call.name);
    added.map_err(|_| OVERFLOW)?;
    call.reply.ok();
    Ok(())
}
