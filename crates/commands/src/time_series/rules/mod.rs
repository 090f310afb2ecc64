//! CREATERULE and DELETERULE.
//!
//!     compact         the writes of rules
//!     compactions     the rules that a setting makes

pub(super) mod compact;
pub(super) mod compactions;

use super::compact::{is_linked, rule_of};
use super::range_args::{BAD_AGGREGATION, BAD_DURATION, aggregator};
use super::row::{GROWS, MISSING, WRITES, WRITING, WRONG_TYPE};
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_timeseries::Rule;
use russet_timeseries::calendar::parse_span;
use russet_timeseries::range::EvenBuckets;
use russet_types::TimeSeries;

const SAME: CommandError =
    CommandError::Text("ERR TSDB: the source key and destination key should be different");
const IS_DEST: CommandError =
    CommandError::Text("ERR TSDB: the source key already has a source rule");
const HAS_SOURCE: CommandError =
    CommandError::Text("ERR TSDB: the destination key already has a src rule");
const IS_SOURCE: CommandError =
    CommandError::Text("ERR TSDB: the destination key already has a dst rule");
const BAD_ALIGN: CommandError = CommandError::Text("ERR TSDB: Couldn't parse alignTimestamp");
/// Files, which Redis reads, too, have milliseconds there.
const CALENDAR: CommandError =
    CommandError::Text("ERR TSDB: a rule's bucketDuration is a number of milliseconds");
const NO_RULE: CommandError = CommandError::Text("ERR TSDB: compaction rule does not exist");

/// Both keys are changed: each knows the other.
const BOTH_KEYS: &[KeySpec] = &[
    KeySpec::one(1, Access::MODIFY),
    KeySpec::one(2, Access::MODIFY),
];

pub(super) const CREATERULE: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: GROWS,
    keys: BOTH_KEYS,
    categories: WRITING,
    ..Spec::new("ts.createrule", createrule)
};

/// `TS.CREATERULE source destination AGGREGATION aggregator duration [align]`: from now on the
/// server writes a sample for each bucket of the source to the destination when the bucket is over.
/// A destination has one source, and no rules itself.
///
/// Reply: OK. O(rules).
fn createrule(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (source, dest) = (args.at(1), args.at(2));
    if !(6..=7).contains(&args.len()) || !args.is(3, "AGGREGATION") {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    if parse_span(args.at(5)).is_some() {
        return Err(CALENDAR);
    }
    let duration = parse_i64(args.at(5)).ok_or(BAD_AGGREGATION)?;
    let of = aggregator(args.at(4))?;
    if duration <= 0 {
        return Err(BAD_DURATION);
    }
    let align = match args.get(6) {
        None => 0,
        Some(text) => parse_i64(text).filter(|at| *at >= 0).ok_or(BAD_ALIGN)?,
    };
    if source == dest {
        return Err(SAME);
    }
    let wrong = |_| WRONG_TYPE;
    call.db
        .write::<TimeSeries>(source)
        .map_err(wrong)?
        .ok_or(MISSING)?;
    if rule_of(&call.db, source).is_some() {
        return Err(IS_DEST);
    }
    let series = call.db.write::<TimeSeries>(dest).map_err(wrong)?;
    let own: Vec<Box<[u8]>> = series
        .ok_or(MISSING)?
        .rules()
        .iter()
        .map(|rule| rule.dest().into())
        .collect();
    if rule_of(&call.db, dest).is_some() {
        return Err(HAS_SOURCE);
    }
    if own.iter().any(|other| is_linked(&call.db, dest, other)) {
        return Err(IS_SOURCE);
    }
    let rule = Rule::new(dest, of, EvenBuckets { duration, align });
    let mut series = call.db.write::<TimeSeries>(source)?.ok_or(MISSING)?;
    series.change_rules(|rules| {
        // Drops an old rule for this destination, to which the destination no longer agrees.
        rules.retain(|rule| rule.dest() != dest);
        rules.push(rule);
    });
    drop(series);
    let mut series = call.db.write::<TimeSeries>(dest)?.ok_or(MISSING)?;
    series.set_source(Some(source));
    drop(series);
    call.db.changed(source, Class::MODULE, "ts.createrule:src");
    call.db
        .also_changed(dest, Class::MODULE, "ts.createrule:dest");
    call.reply.ok();
    Ok(())
}

pub(super) const DELETERULE: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: WRITES,
    keys: BOTH_KEYS,
    categories: WRITING.union(Category::FAST),
    ..Spec::new("ts.deleterule", deleterule)
};

/// `TS.DELETERULE source destination`: the server writes nothing more of the source to the
/// destination, and the destination keeps the samples.
///
/// Reply: OK; an error without such a rule. O(rules).
fn deleterule(call: &mut Call<'_>) -> CommandResult {
    let [_, source, dest] = call.args.exactly();
    let series = call
        .db
        .write::<TimeSeries>(source)
        .map_err(|_| WRONG_TYPE)?;
    series.ok_or(MISSING)?;
    if !is_linked(&call.db, source, dest) {
        return Err(NO_RULE);
    }
    let mut series = call.db.write::<TimeSeries>(source)?.ok_or(MISSING)?;
    series.change_rules(|rules| rules.retain(|rule| rule.dest() != dest));
    drop(series);
    let mut series = call.db.write::<TimeSeries>(dest)?.ok_or(MISSING)?;
    series.set_source(None);
    drop(series);
    call.db.changed(source, Class::MODULE, "ts.deleterule:src");
    call.db
        .also_changed(dest, Class::MODULE, "ts.deleterule:dest");
    call.reply.ok();
    Ok(())
}
