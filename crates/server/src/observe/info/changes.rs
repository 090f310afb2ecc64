//! INFO changes: the change stream and its consumers. russet's own.
//!
//!     changes_noted:1
//!     changes_first_offset:0
//!     changes_readers_waiting:1
//!     changes_reader_bytes:65536
//!     changes_consumers:1
//!     changes_consumer_1:offset=700,lag=120,lost=0,name=mirror

use super::{InfoWriter, Source};

use crate::state::Server;
use russet_base::text::Printable;

/// A consumer.
pub struct Line {
    pub name: String,
    pub offset: u64,
    /// Bytes of the stream that the consumer has not acknowledged.
    pub lag: u64,
    /// The server no longer keeps the stream after the consumer's offset.
    pub is_lost: bool,
}

/// All consumers, in the order of their names.
pub fn consumers(server: &Server) -> impl Iterator<Item = Line> {
    let end = server.stream.offset();
    let first = server.past().first_change();
    server
        .stream
        .cursors
        .iter()
        .map(move |(name, cursor)| Line {
            name: Printable(name).to_string(),
            offset: cursor.offset,
            lag: end.saturating_sub(cursor.offset),
            is_lost: cursor.is_lost
                || cursor.offset < end && first.is_none_or(|first| cursor.offset < first),
        })
}

pub fn changes(from: &Source<'_>, to: &mut InfoWriter) {
    let server = from.server;
    let first = server
        .past()
        .first_change()
        .unwrap_or(server.stream.offset());
    to.section("Changes");
    to.field("changes_noted", u8::from(server.config.changes_retain > 0));
    to.field("changes_first_offset", first);
    to.field("changes_readers_waiting", server.changes.waiting());
    to.field("changes_reader_bytes", server.changes.memory_bytes());
    to.field("changes_consumers", server.stream.cursors.len());
    for (number, line) in consumers(server).enumerate() {
        to.line(format_args!(
            "changes_consumer_{}:offset={},lag={},lost={},name={}",
            number + 1,
            line.offset,
            line.lag,
            u8::from(line.is_lost),
            line.name,
        ));
    }
}
