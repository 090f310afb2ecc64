//! INCRBY and DECRBY.

use super::options::{SeriesOptions, policy_of};
use super::row::{GROWS, WRITING, WRITTEN_KEY, WRONG_TYPE, find, timestamp};
use super::{compact, compactions};
use russet_base::numbers::float::parse_double;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_timeseries::series::{AddOutcome, Write};
use russet_timeseries::{Policy, Sample};
use russet_types::TimeSeries;

/// As Redis has it, without a code.
const NOT_NEWEST: CommandError = CommandError::Text(
    "TSDB: timestamp must be equal to or higher than the maximum existing timestamp",
);
const BAD_CHANGE: CommandError = CommandError::Text("ERR TSDB: invalid increase/decrease value");

pub(super) const INCRBY: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    ..Spec::new("ts.incrby", incrby)
};

/// `TS.INCRBY key n [TIMESTAMP timestamp] [options of CREATE]`: adds a sample whose value is
/// greater than the newest sample's value by `n`, and makes the series if it is missing. At the
/// newest sample's timestamp the command replaces that sample.
///
/// Reply: the timestamp. The log and replicas get the timestamp, too. O(1); at the newest sample's
/// timestamp O(samples between two marks).
fn incrby(call: &mut Call<'_>) -> CommandResult {
    change(call, 1.0)
}

pub(super) const DECRBY: Spec = Spec {
    handler: decrby,
    name: "ts.decrby",
    ..INCRBY
};

/// `TS.DECRBY key n [TIMESTAMP timestamp] [options of CREATE]`: as INCRBY, by less `n`.
///
/// Reply: as of INCRBY.
fn decrby(call: &mut Call<'_>) -> CommandResult {
    change(call, -1.0)
}

fn change(call: &mut Call<'_>, sign: f64) -> CommandResult {
    let (args, key) = (call.args, call.args.at(1));
    let now_ms = call.db.now_ms();
    let place = call.db.place(key);
    let is_there = place.holds::<TimeSeries>().map_err(|_| WRONG_TYPE)?;
    let made = if is_there {
        None
    } else {
        let asked = SeriesOptions::parse(args, 3, call.name)?;
        Some(asked.series(&call.server.config))
    };
    let by = parse_double(args.at(2)).ok_or(BAD_CHANGE)?;
    let time_at = find(args, 3, "TIMESTAMP").map(|at| at + 1);
    let time = match time_at {
        None => timestamp(b"*", now_ms)?,
        Some(at) => {
            let arity = || CommandError::WrongArity(call.name.to_owned());
            timestamp(args.get(at).ok_or_else(arity)?, now_ms)?
        }
    };
    let mut writes = Vec::new();
    let mut has_made = false;
    if let Some(series) = made {
        place.put(series);
        has_made = compactions::make(call, key, args.from(3));
    }
    let mut series = call.db.write::<TimeSeries>(key)?.expect("made or found");
    let ignores = policy_of(&series, &call.server.config) == Policy::Last;
    let added = raise(
        &mut series,
        Sample::new(time, by * sign),
        ignores,
        &mut writes,
    )?;
    if added == AddOutcome::Ignored {
        call.reply.int(series.last_timestamp() as i64);
        return Ok(());
    }
    drop(series);
    call.db.changed(key, Class::MODULE, call.name);
    call.db.signal(key);
    if !writes.is_empty() {
        compact::apply(call, key, &writes);
    }
    if call.effects_wanted() {
        record(call, time, time_at, has_made);
    }
    call.reply.int(time as i64);
    Ok(())
}

/// Adds the sample.
fn raise(
    series: &mut TimeSeries,
    change: Sample,
    ignores: bool,
    writes: &mut Vec<Write>,
) -> Result<AddOutcome, CommandError> {
    let last = series.last();
    let time = change.timestamp;
    if last.is_some_and(|last| time < last.timestamp) {
        return Err(NOT_NEWEST);
    }
    let value = last.map_or(0.0, |last| last.value) + change.value;
    let added = series.add_to(Sample::new(time, value), Policy::Last, ignores, writes);
    added.map_err(|_| NOT_NEWEST)
}

/// Records the command with the timestamp, if the client's words had no number for it, or if the
/// command must be recorded after other effects.
fn record(call: &mut Call<'_>, time: u64, time_at: Option<usize>, after_others: bool) {
    let args = call.args;
    let mut digits = itoa::Buffer::new();
    let time = digits.format(time).as_bytes();
    let mut words: Vec<&[u8]> = args.iter().collect();
    match time_at {
        Some(at) if words[at] == b"*" => words[at] = time,
        Some(_) if !after_others => return,
        Some(_) => {}
        // Before the options, among which labels take all that follows.
        None => {
            words.insert(3, b"TIMESTAMP");
            words.insert(4, time);
        }
    }
    call.rewrite(&words);
}
