//! DEL.

use super::compact;
use super::count;
use super::range::bounds;
use super::row::{MISSING, WRITES, WRITING, WRITTEN_KEY, WRONG_TYPE};
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::TimeSeries;

const BEYOND: CommandError = CommandError::Text(
    "ERR TSDB: When a series has compactions, deleting samples or compaction buckets beyond the \
     series retention period is not possible",
);

pub(super) const DEL: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: WRITES,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::DELETED,
    ..Spec::new("ts.del", del)
};

/// `TS.DEL key from to`: removes samples. A series without samples stays. The destinations of the
/// series' rules get the values of the buckets without these samples.
///
/// Reply: the number of samples removed. O(chunks of the range), and the samples of the chunks at
/// the ends of the range.
fn del(call: &mut Call<'_>) -> CommandResult {
    let [_, key, from, to] = call.args.exactly();
    let (from, to) = bounds(from, to)?;
    let series = call.db.write::<TimeSeries>(key).map_err(|_| WRONG_TYPE)?;
    let mut series = series.ok_or(MISSING)?;
    if from <= to && !series.keeps_buckets_from(from) {
        return Err(BEYOND);
    }
    let mut writes = Vec::new();
    let removed = series.remove_from(from, to, &mut writes);
    drop(series);
    if removed > 0 {
        call.db.changed(key, Class::MODULE, call.name);
        compact::apply(call, key, &writes);
    }
    call.reply.int(removed as i64);
    Ok(())
}
