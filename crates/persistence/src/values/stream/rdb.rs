//! Reading and writing streams in files and payloads.
//!
//!     n (16 bytes: an ID | listpack) ...          nodes
//!     length | last ID                            and from the second version on:
//!     first ID | greatest deleted ID | added
//!     n groups: name | last ID | [entries read]
//!         n pending: 16 bytes: an ID | delivered: ms | deliveries
//!         n consumers: name | seen: ms | [active: ms]  n pending: 16 bytes: an ID
//!         [n pending without an owner, in order: 16 bytes: an ID]     in the fifth version
//!     [duration: s | size limit                                       from the fourth version on:
//!     n producers: ID | n: idempotent ID | ms | seq
//!     added | duplicates]
//!
//! A file of an older version is written unless the stream needs a newer version.

use super::{STREAM, STREAM_3, STREAM_4, STREAM_5};
use crate::rdb::Part::{self, All, Length, Raw, Text, Times};
use crate::rdb::{Fault, Input, Layout, RdbWriter};
use russet_types::stream::{Group, GroupImport, StreamId, StreamImport};
use russet_types::{Container, Limits, Stream};

/// Nodes: an ID and a listpack.
const NODES: Part = Times(&[Text, Text]);
/// Length and last ID.
const FACTS: Part = All(&[Length, Length, Length]);
/// From the second version on: first ID, greatest deleted ID, entries added.
const FACTS_2: Part = All(&[Length, Length, Length, Length, Length]);
/// A group's name and last ID.
const GROUP: Part = All(&[Text, Length, Length]);
/// A group's pending entries: ID, time, deliveries.
const PENDING: Part = Times(&[Raw(16), Raw(8), Length]);
/// IDs of pending entries.
const IDS: Part = Times(&[Raw(16)]);
/// Consumers: name, seen time, pending entries.
const CONSUMERS: Part = Times(&[Text, Raw(8), IDS]);
/// From the third version on, with the active time.
const CONSUMERS_3: Part = Times(&[Text, Raw(8), Raw(8), IDS]);
/// Data that producers have added: two limits, IDs by producer, two counters.
const PRODUCERS: Part = All(&[
    Length,
    Length,
    Times(&[Text, Times(&[Text, Length, Length])]),
    Length,
    Length,
]);

/// The parts of each version.
pub(super) const LAYOUT: Layout = &[NODES, FACTS, Times(&[GROUP, PENDING, CONSUMERS])];
pub(super) const LAYOUT_2: Layout = &[
    NODES,
    FACTS,
    FACTS_2,
    Times(&[GROUP, Length, PENDING, CONSUMERS]),
];
pub(super) const LAYOUT_3: Layout = &[
    NODES,
    FACTS,
    FACTS_2,
    Times(&[GROUP, Length, PENDING, CONSUMERS_3]),
];
pub(super) const LAYOUT_4: Layout = &[
    NODES,
    FACTS,
    FACTS_2,
    Times(&[GROUP, Length, PENDING, CONSUMERS_3]),
    PRODUCERS,
];
pub(super) const LAYOUT_5: Layout = &[
    NODES,
    FACTS,
    FACTS_2,
    Times(&[GROUP, Length, PENDING, CONSUMERS_3, IDS]),
    PRODUCERS,
];

/// An ID stored as two numbers.
fn id(input: &mut Input<'_>) -> Result<StreamId, Fault> {
    let (ms, seq) = (input.length()?, input.length()?);
    Ok(StreamId::new(ms, seq))
}

fn raw_id(input: &mut Input<'_>) -> Result<StreamId, Fault> {
    input.array::<16>().map(StreamId::from_bytes)
}

fn right(is_right: bool) -> Result<(), Fault> {
    is_right.then_some(()).ok_or_else(damaged)
}

fn damaged() -> Fault {
    Fault::damaged("a stream is damaged")
}

/// Reads a stream in any form.
pub(super) fn read(input: &mut Input<'_>, kind: u8, limits: &Limits) -> Result<Stream, Fault> {
    let mut stream = StreamImport::new(limits);
    for _ in 0..input.count(2)? {
        let id = <[u8; 16]>::try_from(input.blob()?).map_err(|_| damaged())?;
        right(stream.node(StreamId::from_bytes(id), input.blob()?)?)?;
    }
    let len = input.length()?;
    let last_id = id(input)?;
    let past = if kind == STREAM {
        None
    } else {
        // The first ID is that of the first entry, not the ID in the file.
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
    if kind >= STREAM_4 {
        read_producers(input, &mut stream)?;
    }
    Ok(stream.finish())
}

/// Reads the idempotent IDs of producers.
fn read_producers(input: &mut Input<'_>, stream: &mut StreamImport) -> Result<(), Fault> {
    right(stream.settings(input.length()?, input.length()?))?;
    let (mut pid, mut iid) = (Vec::new(), Vec::new());
    for _ in 0..input.count(2)? {
        input.string_to(&mut pid)?;
        for _ in 0..input.count(3)? {
            input.string_to(&mut iid)?;
            right(stream.iid(&pid, &iid, id(input)?))?;
        }
    }
    stream.iid_counters(input.length()?, input.length()?);
    Ok(())
}

fn read_group(
    input: &mut Input<'_>,
    kind: u8,
    stream: &StreamImport,
) -> Result<GroupImport, Fault> {
    let last_id = id(input)?;
    let entries_read = match kind {
        STREAM => stream.entries_until(last_id),
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
            STREAM_3.. => input.millis()?,
            _ => seen_ms,
        };
        let consumer = group.consumer(&name, seen_ms, active_ms);
        // Tools match the words.
        let fault = "Duplicate stream consumer detected";
        let consumer = consumer.ok_or_else(|| Fault::damaged(fault))?;
        for _ in 0..input.count(16)? {
            right(group.owner(raw_id(input)?, consumer))?;
        }
    }
    if kind >= STREAM_5 {
        for _ in 0..input.count(16)? {
            right(group.ownerless(raw_id(input)?))?;
        }
    }
    Ok(group)
}

fn save_id(to: &mut RdbWriter, id: StreamId) {
    to.length(id.ms);
    to.length(id.seq);
}

/// Writes the facts between the nodes and the groups.
pub(super) fn save_facts(to: &mut RdbWriter, stream: &Stream, kind: u8) {
    to.length(stream.len() as u64);
    save_id(to, stream.last_id());
    if kind != STREAM {
        save_id(to, stream.first_id());
        save_id(to, stream.max_deleted_id());
        to.length(stream.entries_added());
    }
    to.length(stream.groups().map_or(0, |groups| groups.len() as u64));
}

/// Writes up to `count` groups from group number `from` on.
pub(super) fn save_groups(
    to: &mut RdbWriter,
    stream: &Stream,
    kind: u8,
    from: usize,
    count: usize,
) {
    let groups = stream.groups().into_iter().flat_map(|groups| groups.iter());
    for (name, group) in groups.skip(from).take(count) {
        to.string(name);
        save_group(to, group, kind);
    }
}

fn save_group(to: &mut RdbWriter, group: &Group, kind: u8) {
    save_id(to, group.last_id);
    if kind != STREAM {
        to.length(group.entries_read as u64);
    }
    to.length(group.pending().len() as u64);
    for (entry, nack) in group.pending().iter() {
        to.raw(&entry.to_bytes());
        to.time(nack.delivered_ms() as u64);
        to.length(nack.deliveries);
    }
    to.length(group.consumer_count() as u64);
    for consumer in group.consumers() {
        to.string(consumer.name());
        to.time(consumer.seen_ms as u64);
        if kind >= STREAM_3 {
            to.time(consumer.active_ms as u64);
        }
        to.length(consumer.pending().len() as u64);
        for (entry, ()) in consumer.pending().iter() {
            to.raw(&entry.to_bytes());
        }
    }
    if kind >= STREAM_5 {
        to.length(group.ownerless_count() as u64);
        for entry in group.ownerless() {
            to.raw(&entry.to_bytes());
        }
    }
}

/// Writes the idempotent IDs of producers.
pub(super) fn save_producers(to: &mut RdbWriter, stream: &Stream) {
    let own = stream.idempotence();
    to.length(own.duration_s().into());
    to.length(own.size_max().into());
    to.length(own.pids() as u64);
    for (pid, lines) in own.producers() {
        to.string(pid);
        to.length(lines.len() as u64);
        for (iid, id) in lines {
            to.string(iid);
            save_id(to, id);
        }
    }
    to.length(own.added);
    to.length(own.duplicates);
}
