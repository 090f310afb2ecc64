//! XINFO STREAM FULL: entries, groups, consumers and pending entries, up to a limit of each.

use russet_resp::Reply;
use russet_types::stream::{Consumer, Group, StreamId};
use russet_types::{Container, Stream};

use super::info::write_progress;
use super::reply::{write_entries, write_id};

pub(super) fn write_full(reply: &mut Reply, stream: &Stream, count: usize) {
    reply.bulk(b"entries");
    let mut all = stream.range(StreamId::MIN, StreamId::MAX);
    write_entries(reply, &mut all, count);
    reply.bulk(b"groups");
    reply.array(stream.groups().map_or(0, |groups| groups.len()));
    for (name, group) in stream.groups().into_iter().flat_map(|groups| groups.iter()) {
        write_group(reply, stream, name, group, count);
    }
}

/// Entries, groups and consumers that [`write_full`] writes.
pub(super) fn full_len(stream: &Stream, count: usize) -> usize {
    let groups = stream.groups().into_iter().flat_map(|groups| groups.iter());
    let of_group = |group: &Group| {
        let consumers = group.consumers();
        let own: usize = consumers
            .map(|its| 1 + its.pending().len().min(count))
            .sum();
        1 + group.pending().len().min(count) + own
    };
    let of_groups: usize = groups.map(|(_, group)| of_group(group)).sum();
    stream.len().min(count) + of_groups
}

fn write_group(reply: &mut Reply, stream: &Stream, name: &[u8], group: &Group, count: usize) {
    reply.map(8);
    reply.bulk(b"name");
    reply.bulk(name);
    reply.bulk(b"last-delivered-id");
    write_id(reply, group.last_id);
    write_progress(reply, stream, group);
    reply.bulk(b"pel-count");
    reply.int(group.pending().len() as i64);
    reply.bulk(b"nacked-count");
    reply.int(group.ownerless_count() as i64);
    reply.bulk(b"pending");
    reply.array(group.pending().len().min(count));
    for (id, nack) in group.pending().iter().take(count) {
        reply.array(4);
        write_id(reply, id);
        reply.bulk(group.owner_name(nack));
        reply.int(nack.delivered_ms());
        reply.int(nack.deliveries as i64);
    }
    reply.bulk(b"consumers");
    reply.array(group.consumer_count());
    for consumer in group.consumers() {
        write_consumer(reply, group, consumer, count);
    }
}

fn write_consumer(reply: &mut Reply, group: &Group, consumer: &Consumer, count: usize) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(consumer.name());
    reply.bulk(b"seen-time");
    reply.int(consumer.seen_ms);
    reply.bulk(b"active-time");
    reply.int(consumer.active_ms);
    reply.bulk(b"pel-count");
    reply.int(consumer.pending().len() as i64);
    reply.bulk(b"pending");
    reply.array(consumer.pending().len().min(count));
    for (id, ()) in consumer.pending().iter().take(count) {
        let nack = group.pending().get(id).copied();
        reply.array(3);
        write_id(reply, id);
        reply.int(nack.map_or(0, |nack| nack.delivered_ms()));
        reply.int(nack.map_or(0, |nack| nack.deliveries as i64));
    }
}
