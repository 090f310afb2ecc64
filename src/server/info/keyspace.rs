//! INFO keyspace: the databases in use.

use super::{Source, Writer};

/// Entries looked at for the average time to live; table order is hash order, so that the
/// first ones are a fair sample.
const TTL_SAMPLES: usize = 1000;

pub(super) fn keyspace(from: &Source<'_>, to: &mut Writer) {
    let keyspace = from.keyspace;
    to.section("Keyspace");
    for (at, db) in keyspace.in_use() {
        let avg_ttl = db.average_ttl_ms(keyspace.now_ms, TTL_SAMPLES);
        let subexpiry = db.fields().len();
        to.line(format_args!(
            "db{}:keys={},expires={},avg_ttl={avg_ttl},subexpiry={subexpiry}",
            at.0,
            db.len(),
            db.volatile(),
        ));
    }
}
