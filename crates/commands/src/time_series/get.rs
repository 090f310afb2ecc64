//! GET.

use super::compact::open_bucket;
use super::row::{MISSING, READ_KEY, READING, READS, WRONG_TYPE};
use super::rows_text::reply_sample;
use russet_command::{Arity, Category, CommandError};
use russet_server::{Call, CommandResult, Spec};
use russet_types::TimeSeries;

const BAD_WORD: CommandError = CommandError::Text("ERR TSDB: wrong 3rd argument");

pub(super) const GET: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    keys: READ_KEY,
    categories: READING.union(Category::FAST),
    ..Spec::new("ts.get", get)
};

/// `TS.GET key [LATEST]`: the newest sample; with LATEST, of a destination, that of the bucket
/// which is not over.
///
/// Reply: array of the timestamp and the value (RESP2: simple string); empty without samples. O(1).
fn get(call: &mut Call<'_>) -> CommandResult {
    if call.args.len() > 3 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let key = call.args.at(1);
    let series = call.db.read::<TimeSeries>(key).map_err(|_| WRONG_TYPE)?;
    let series = series.ok_or(MISSING)?;
    if call.args.len() == 3 && !call.args.is(2, "LATEST") {
        return Err(BAD_WORD);
    }
    let newest = series.last();
    let latest = match call.args.len() {
        3 => open_bucket(&call.db, key),
        _ => None,
    };
    match latest.or(newest) {
        Some(last) => reply_sample(call.reply, last.timestamp, last.value),
        None => call.reply.array(0),
    }
    Ok(())
}
