//! ADD and MADD.
//!
//! A refused or ignored sample changes nothing, causes no event, and does not reach the log and
//! replicas; `*` reaches them as the time that it stood for.

use super::options::{SeriesOptions, policy, policy_of};
use super::row::{
    BLOCKED, GROWS, NOT_A_SERIES, TOO_OLD, WRITING, WRITTEN_KEY, find, timestamp, value,
};
use super::{compact, compactions};
use crate::work;
use russet_command::{Access, Arity, CommandError, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_timeseries::series::{AddError, AddOutcome, Write};
use russet_timeseries::{Policy, Sample};
use russet_types::TimeSeries;
use smallvec::SmallVec;

pub(super) const ADD: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    ..Spec::new("ts.add", add)
};

/// `TS.ADD key timestamp value [options of CREATE] [ON_DUPLICATE policy]`: adds a sample, and makes
/// the series if it is missing. `*` is the time of the server.
///
/// Reply: the timestamp; if the series' options ignore the sample, the newest sample's timestamp.
/// O(1) for the newest sample, else O(samples of a chunk).
fn add(call: &mut Call<'_>) -> CommandResult {
    let (args, key) = (call.args, call.args.at(1));
    let value = value(args.at(3), call.was_taken_before())?;
    let sample = Sample::new(timestamp(args.at(2), call.db.now_ms())?, value);
    let config = &call.server.config;
    let mut writes = Vec::new();
    let mut has_made = false;
    let place = call.db.place(key);
    let reply = if place.holds::<TimeSeries>().map_err(|_| NOT_A_SERIES)? {
        let asked = match args.len() {
            4 => None,
            _ => policy(args, find(args, 4, "ON_DUPLICATE"))?,
        };
        let mut series = place.open::<TimeSeries>()?;
        let own = policy_of(&series, config);
        // The series' own policy decides which samples to ignore.
        let ignores = own == Policy::Last;
        let added = series.add_to(sample, asked.unwrap_or(own), ignores, &mut writes);
        match added.map_err(refusal)? {
            AddOutcome::Ignored => {
                call.reply.int(series.last_timestamp() as i64);
                return Ok(());
            }
            AddOutcome::Appended | AddOutcome::Upserted(_) => sample.timestamp,
        }
    } else {
        let series = SeriesOptions::parse(args, 4, call.name)?.series(config);
        place.put(series);
        has_made = compactions::make(call, key, args.from(4));
        let mut series = call.db.write::<TimeSeries>(key)?.expect("made above");
        let added = series.add_to(sample, Policy::Block, false, &mut writes);
        added.map_err(refusal)?;
        sample.timestamp
    };
    call.db.changed(key, Class::MODULE, call.name);
    call.db.signal(key);
    if !writes.is_empty() {
        compact::apply(call, key, &writes);
    }
    if (has_made || args.at(2) == b"*") && call.effects_wanted() {
        let mut digits = itoa::Buffer::new();
        let time = digits.format(sample.timestamp).as_bytes();
        let words: SmallVec<[&[u8]; 8]> = args.iter().collect();
        let words = words.iter().enumerate();
        call.rewrite_each(words.map(|(at, word)| if at == 2 { time } else { *word }));
    }
    call.reply.int(reply as i64);
    Ok(())
}

fn refusal(error: AddError) -> CommandError {
    match error {
        AddError::Blocked => BLOCKED,
        AddError::TooOld => TOO_OLD,
    }
}

pub(super) const MADD: Spec = Spec {
    keys: &[KeySpec::range(1, -1, 3, Access::MODIFY)],
    handler: madd,
    name: "ts.madd",
    work: work::by(each_triple, work::FEWER_NAMES),
    ..ADD
};

/// `TS.MADD key timestamp value [key timestamp value ...]`: adds samples to series that exist.
///
/// Reply: array with a timestamp or an error for each. O(samples).
fn madd(call: &mut Call<'_>) -> CommandResult {
    let triples = call.args.from(1);
    if !triples.len().is_multiple_of(3) {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    call.reply.array(triples.len() / 3);
    let is_repeated = call.effects_wanted();
    let mut accepted: SmallVec<[(usize, u64); 16]> = SmallVec::new();
    let mut writes = Vec::new();
    for at in (0..triples.len()).step_by(3) {
        let key = triples.at(at);
        let (time, text) = (triples.at(at + 1), triples.at(at + 2));
        match add_one(call, key, (time, text), &mut writes) {
            Ok((timestamp, true)) => {
                call.reply.int(timestamp as i64);
                call.db.changed(key, Class::MODULE, "ts.add");
                call.db.signal(key);
                if !writes.is_empty() {
                    compact::apply(call, key, &writes);
                    writes.clear();
                }
                if is_repeated {
                    accepted.push((at, timestamp));
                }
            }
            Ok((timestamp, false)) => call.reply.int(timestamp as i64),
            Err(error) => call.reply.error(&error),
        }
    }
    if accepted.is_empty() {
        return Ok(());
    }
    let is_plain = accepted.len() * 3 == triples.len()
        && (1..triples.len())
            .step_by(3)
            .all(|at| triples.at(at) != b"*");
    if is_plain {
        return Ok(());
    }
    let times: Vec<String> = accepted.iter().map(|(_, time)| time.to_string()).collect();
    let mut words: Vec<&[u8]> = vec![b"TS.MADD"];
    for ((at, _), time) in accepted.iter().zip(&times) {
        words.extend([triples.at(*at), time.as_bytes(), triples.at(at + 2)]);
    }
    call.rewrite(&words);
    Ok(())
}

/// A sample is one element.
fn each_triple(call: &mut Call<'_>) -> CommandResult {
    call.touches(call.args.len() as u64 / 3);
    Ok(())
}

/// Adds a sample to a series; returns the timestamp to reply, and whether something changed.
fn add_one(
    call: &mut Call<'_>,
    key: &[u8],
    (time, text): (&[u8], &[u8]),
    writes: &mut Vec<Write>,
) -> Result<(u64, bool), CommandError> {
    let now_ms = call.db.now_ms();
    let value = value(text, call.was_taken_before())?;
    let sample = Sample::new(timestamp(time, now_ms)?, value);
    let series = call.db.write::<TimeSeries>(key).map_err(|_| NOT_A_SERIES)?;
    let mut series = series.ok_or(NOT_A_SERIES)?;
    let policy = policy_of(&series, &call.server.config);
    match series.add_to(sample, policy, policy == Policy::Last, writes) {
        Ok(AddOutcome::Ignored) => Ok((series.last_timestamp(), false)),
        Ok(AddOutcome::Appended | AddOutcome::Upserted(_)) => Ok((sample.timestamp, true)),
        Err(error) => Err(refusal(error)),
    }
}
