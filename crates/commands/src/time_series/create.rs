//! CREATE and ALTER.

use super::options::SeriesOptions;
use super::row::{GROWS, MISSING, WRITING, WRITTEN_KEY, WRONG_TYPE};
use russet_command::{Arity, Category, CommandError};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::TimeSeries;

const EXISTS: CommandError = CommandError::Text("ERR TSDB: key already exists");

pub(super) const CREATE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING.union(Category::FAST),
    ..Spec::new("ts.create", create)
};

/// `TS.CREATE key [RETENTION ms] [ENCODING COMPRESSED | UNCOMPRESSED] [CHUNK_SIZE bytes]
/// [DUPLICATE_POLICY policy] [IGNORE ms change] [LABELS name value ...]`: makes a series without
/// samples.
///
/// Reply: OK; an error if the key exists. O(labels).
fn create(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let asked = SeriesOptions::parse(call.args, 2, call.name)?;
    let place = call.db.place(key);
    if place.is_taken() {
        return Err(EXISTS);
    }
    place.put(asked.series(&call.server.config));
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}

pub(super) const ALTER: Spec = Spec {
    categories: WRITING,
    handler: alter,
    name: "ts.alter",
    ..CREATE
};

/// `TS.ALTER key [options of CREATE, but ENCODING]`: changes the options of a series. Retention and
/// labels change at once, the size of chunks with the next chunk; LABELS replaces all labels.
///
/// Reply: OK. O(labels).
fn alter(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let asked = SeriesOptions::parse(call.args, 2, call.name)?;
    let series = call.db.write::<TimeSeries>(key).map_err(|_| WRONG_TYPE)?;
    asked.alter(&mut *series.ok_or(MISSING)?);
    if let Some(labels) = asked.labels() {
        call.db.set_labels(key, labels);
    }
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}
