//! Reading and writing streams in files and payloads.
//!
//!     n (16 bytes: an ID | listpack) ...          nodes
//!     length | last ID                            and from the second version on:
//!     first ID | greatest deleted ID | added
//!     n groups: name | last ID | [entries read]
//!         n pending: 16 bytes: an ID | delivered: ms | deliveries
//!         n consumers: name | seen: ms | [active: ms]  n pending: 16 bytes: an ID

use super::fault::Fault;
use super::format::kind;
use super::input::Input;
use super::writer::Writer;
use crate::types::Stream;
use crate::types::stream::{Group, GroupImport, StreamId, StreamImport};

/// The form that readers of a version understand.
pub fn kind_for(version: u32) -> u8 {
    match version {
        ..10 => kind::STREAM_LISTPACKS,
        10 => kind::STREAM_LISTPACKS_2,
        11.. => kind::STREAM_LISTPACKS_3,
    }
}

/// An ID stored as two numbers.
fn id(input: &mut Input<'_>) -> Result<StreamId, Fault> {
    let (ms, seq) = (input.length()?, input.length()?);
    Ok(StreamId::new(ms, seq))
}

fn raw_id(input: &mut Input<'_>) -> Result<StreamId, Fault> {
    input.array::<16>().map(StreamId::from_bytes)
}

fn right(is_right: bool) -> Result<(), Fault> {
    is_right.then_some(()).ok_or(Fault::Stream)
}

/// Reads a stream of one of the three forms.
pub fn read(input: &mut Input<'_>, kind: u8) -> Result<Stream, Fault> {
    let mut stream = StreamImport::default();
    for _ in 0..input.count(2)? {
        let id = <[u8; 16]>::try_from(input.blob()?).map_err(|_| Fault::Stream)?;
        right(stream.node(StreamId::from_bytes(id), input.blob()?)?)?;
    }
    let len = input.length()?;
    let last_id = id(input)?;
    let past = if kind == kind::STREAM_LISTPACKS {
        None
    } else {
        // The first ID is that of the first entry, whatever the file says.
        id(input)?;
        Some((id(input)?, input.length()?))
    };
    right(stream.facts(len, last_id, past))?;
    for _ in 0..input.count(1)? {
        let mut name = Vec::new();
        input.string_to(&mut name)?;
        let group = read_group(input, kind, &stream)?;
        right(stream.group(&name, group))?;
    }
    Ok(stream.finish())
}

fn read_group(
    input: &mut Input<'_>,
    kind: u8,
    stream: &StreamImport,
) -> Result<GroupImport, Fault> {
    let last_id = id(input)?;
    let entries_read = match kind {
        kind::STREAM_LISTPACKS => stream.entries_until(last_id),
        _ => input.length()? as i64,
    };
    let mut group = GroupImport::new(last_id, entries_read);
    for _ in 0..input.count(16 + 8 + 1)? {
        let entry = raw_id(input)?;
        let (delivered_ms, deliveries) = (input.millis()?, input.length()?);
        right(group.pending(entry, delivered_ms, deliveries))?;
    }
    let mut name = Vec::new();
    for _ in 0..input.count(1)? {
        input.string_to(&mut name)?;
        let seen_ms = input.millis()?;
        let active_ms = match kind {
            kind::STREAM_LISTPACKS_3 => input.millis()?,
            _ => seen_ms,
        };
        let consumer = group.consumer(&name, seen_ms, active_ms);
        let consumer = consumer.ok_or(Fault::Consumer)?;
        for _ in 0..input.count(16)? {
            right(group.owner(raw_id(input)?, consumer))?;
        }
    }
    Ok(group)
}

impl Writer {
    fn stream_id(&mut self, id: StreamId) {
        self.length(id.ms);
        self.length(id.seq);
    }

    /// The facts between the nodes and the groups.
    pub(super) fn stream_facts(&mut self, stream: &Stream) {
        use crate::types::Container;
        self.length(stream.len() as u64);
        self.stream_id(stream.last_id());
        if kind_for(self.version()) != kind::STREAM_LISTPACKS {
            self.stream_id(stream.first_id());
            self.stream_id(stream.max_deleted_id());
            self.length(stream.entries_added());
        }
        self.length(stream.groups().map_or(0, |groups| groups.len() as u64));
    }

    /// Up to `count` groups from group number `from` on.
    pub(super) fn stream_groups(&mut self, stream: &Stream, from: usize, count: usize) {
        let groups = stream.groups().into_iter().flat_map(|groups| groups.iter());
        for (name, group) in groups.skip(from).take(count) {
            self.string(name);
            self.stream_group(group);
        }
    }

    fn stream_group(&mut self, group: &Group) {
        let kind = kind_for(self.version());
        self.stream_id(group.last_id);
        if kind != kind::STREAM_LISTPACKS {
            self.length(group.entries_read as u64);
        }
        self.length(group.pending().len() as u64);
        for (entry, nack) in group.pending().iter() {
            self.raw(&entry.to_bytes());
            self.time(nack.delivered_ms as u64);
            self.length(nack.deliveries);
        }
        self.length(group.consumer_count() as u64);
        for consumer in group.consumers() {
            self.string(consumer.name());
            self.time(consumer.seen_ms as u64);
            if kind == kind::STREAM_LISTPACKS_3 {
                self.time(consumer.active_ms as u64);
            }
            self.length(consumer.pending().len() as u64);
            for (entry, ()) in consumer.pending().iter() {
                self.raw(&entry.to_bytes());
            }
        }
    }
}
