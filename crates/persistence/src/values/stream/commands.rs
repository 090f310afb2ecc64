//! A stream as the commands that recreate it.
//!
//!     XADD k id f v ... | XSETID k last ENTRIESADDED n MAXDELETEDID id
//!     XGROUP CREATE k g last ENTRIESREAD n
//!     XCLAIM k g c 0 id TIME ms RETRYCOUNT n JUSTID FORCE | XGROUP CREATECONSUMER k g c
//!     XNACK k g FAIL IDS n id ... RETRYCOUNT n FORCE
//!     XCFGSET k IDMP-DURATION s IDMP-MAXSIZE n | XIDMPRECORD k pid iid id
//!
//! Lost: an idempotent ID whose entry is gone, and the counters of idempotent IDs.

use russet_resp::write_request;
use russet_types::stream::{Consumer, Group, StreamId};
use russet_types::{Container, Limits, Stream};

/// Writes entries of up to `nodes` nodes from node number `at` on, and the rest of the stream after
/// the last node; returns the number of the next node.
pub(super) fn part(
    out: &mut Vec<u8>,
    key: &[u8],
    stream: &Stream,
    at: u64,
    nodes: usize,
) -> Option<u64> {
    let from = at as usize;
    let count = stream.node_count();
    if from < count {
        let mut ids = stream.nodes_from(from).map(|(id, _)| id);
        let start = ids.next().unwrap_or(StreamId::MIN);
        let end = ids.nth(nodes.saturating_sub(1)).and_then(StreamId::prev);
        entries(out, key, stream, start, end.unwrap_or(StreamId::MAX));
    }
    let next = from.saturating_add(nodes);
    if next < count {
        return Some(next as u64);
    }
    facts(out, key, stream);
    let groups = stream.groups().into_iter().flat_map(|groups| groups.iter());
    for (name, group) in groups {
        write_group(out, key, name, group);
    }
    producers(out, key, stream);
    None
}

fn entries(out: &mut Vec<u8>, key: &[u8], stream: &Stream, start: StreamId, end: StreamId) {
    let mut range = stream.range(start, end);
    while let Some(id) = range.next() {
        head(out, 3 + 2 * range.pairs_left());
        word(out, b"XADD");
        word(out, key);
        word(out, id.text().as_bytes());
        while let Some((name, value)) = range.pair() {
            word(out, name.bytes(&mut itoa::Buffer::new()));
            word(out, value.bytes(&mut itoa::Buffer::new()));
        }
    }
}

fn head(out: &mut Vec<u8>, words: usize) {
    out.push(b'*');
    out.extend_from_slice(itoa::Buffer::new().format(words).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn word(out: &mut Vec<u8>, word: &[u8]) {
    out.push(b'$');
    out.extend_from_slice(itoa::Buffer::new().format(word.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

fn facts(out: &mut Vec<u8>, key: &[u8], stream: &Stream) {
    if stream.is_empty() {
        // Creates an empty stream: an entry that is trimmed at once.
        let args: [&[u8]; 7] = [b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"];
        write_request(out, args.into_iter());
    }
    let mut added = itoa::Buffer::new();
    let (last_id, max_deleted_id) = (stream.last_id().text(), stream.max_deleted_id().text());
    let args: [&[u8]; 7] = [
        b"XSETID",
        key,
        last_id.as_bytes(),
        b"ENTRIESADDED",
        added.format(stream.entries_added() as i64).as_bytes(),
        b"MAXDELETEDID",
        max_deleted_id.as_bytes(),
    ];
    write_request(out, args.into_iter());
}

fn write_group(out: &mut Vec<u8>, key: &[u8], name: &[u8], group: &Group) {
    let mut read = itoa::Buffer::new();
    let last_id = group.last_id.text();
    let args: [&[u8]; 7] = [
        b"XGROUP",
        b"CREATE",
        key,
        name,
        last_id.as_bytes(),
        b"ENTRIESREAD",
        read.format(group.entries_read).as_bytes(),
    ];
    write_request(out, args.into_iter());
    for consumer in group.consumers() {
        if consumer.pending().is_empty() {
            let args: [&[u8]; 5] = [b"XGROUP", b"CREATECONSUMER", key, name, consumer.name()];
            write_request(out, args.into_iter());
        }
        pending(out, key, name, group, consumer);
    }
    ownerless(out, key, name, group);
}

/// Maximum number of IDs of an XNACK.
const NACKED_MAX: usize = 64;

/// Writes the entries without an owner in their order, entries of equal counts together.
fn ownerless(out: &mut Vec<u8>, key: &[u8], name: &[u8], group: &Group) {
    let count = |entry: &StreamId| {
        group
            .pending()
            .get(*entry)
            .map_or(0, |nack| nack.deliveries)
    };
    let mut all = group.ownerless().peekable();
    let mut ids: Vec<StreamId> = Vec::new();
    while let Some(first) = all.next() {
        let deliveries = count(&first);
        ids.clear();
        ids.push(first);
        while ids.len() < NACKED_MAX
            && let Some(next) = all.next_if(|next| count(next) == deliveries)
        {
            ids.push(next);
        }
        head(out, 9 + ids.len());
        for text in [b"XNACK", key, name, b"FAIL", b"IDS"] {
            word(out, text);
        }
        word(out, itoa::Buffer::new().format(ids.len()).as_bytes());
        for id in &ids {
            word(out, id.text().as_bytes());
        }
        word(out, b"RETRYCOUNT");
        word(out, itoa::Buffer::new().format(deliveries).as_bytes());
        word(out, b"FORCE");
    }
}

fn producers(out: &mut Vec<u8>, key: &[u8], stream: &Stream) {
    let own = stream.idempotence();
    if !own.has_settings_of(&Limits::DEFAULT) {
        let (mut duration, mut size) = (itoa::Buffer::new(), itoa::Buffer::new());
        let args: [&[u8]; 6] = [
            b"XCFGSET",
            key,
            b"IDMP-DURATION",
            duration.format(own.duration_s()).as_bytes(),
            b"IDMP-MAXSIZE",
            size.format(own.size_max()).as_bytes(),
        ];
        write_request(out, args.into_iter());
    }
    for (pid, lines) in own.producers() {
        for (iid, id) in lines.filter(|(_, id)| stream.contains(*id)) {
            let id = id.text();
            let args: [&[u8]; 5] = [b"XIDMPRECORD", key, pid, iid, id.as_bytes()];
            write_request(out, args.into_iter());
        }
    }
}

fn pending(out: &mut Vec<u8>, key: &[u8], name: &[u8], group: &Group, consumer: &Consumer) {
    for (entry, ()) in consumer.pending().iter() {
        let Some(nack) = group.pending().get(entry) else {
            continue;
        };
        let id = entry.text();
        let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        let args: [&[u8]; 12] = [
            b"XCLAIM",
            key,
            name,
            consumer.name(),
            b"0",
            id.as_bytes(),
            b"TIME",
            time.format(nack.delivered_ms()).as_bytes(),
            b"RETRYCOUNT",
            count.format(nack.deliveries as i64).as_bytes(),
            b"JUSTID",
            b"FORCE",
        ];
        write_request(out, args.into_iter());
    }
}
