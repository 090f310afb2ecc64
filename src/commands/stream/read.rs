//! XREAD and XREADGROUP, at once or blocking.

use crate::command::{Access, Arity, Begin, Category, Find, Flags, KeySpec};
use crate::resp::{Deferred, OwnedArgs, Reply};
use crate::server::{Call, CommandResult, OnTimeout, Spec};
use crate::types::stream::{ConsumerId, Group, Nack, StreamId};
use crate::types::{Stream, Type};

use super::consumers;
use super::read_args::{self, ReadArgs, UNREAD};
use super::reply::{write_entries, write_entry, write_id, write_next};
use super::stated::{self, Claimed};

/// The first half of the arguments after STREAMS.
const fn keys(from: i16) -> KeySpec {
    KeySpec {
        access: Access::READ,
        begin: Begin::Keyword {
            word: "STREAMS",
            from,
        },
        find: Find::Range {
            last: -1,
            step: 1,
            limit: 2,
        },
        notes: "",
    }
}

pub(super) const XREAD: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::READONLY.union(Flags::BLOCKING),
    keys: &[keys(1)],
    categories: Category::STREAM,
    find_keys: Some(read_args::keys),
    ..Spec::new("xread", xread)
};

pub(super) const XREADGROUP: Spec = Spec {
    arity: Arity::AtLeast(7),
    flags: Flags::WRITE.union(Flags::BLOCKING),
    keys: &[keys(4)],
    categories: Category::STREAM,
    find_keys: Some(read_args::keys),
    ..Spec::new("xreadgroup", xreadgroup)
};

/// The streams in the reply so far.
struct Served {
    place: Option<Deferred>,
    streams: usize,
}

impl Served {
    /// Writes what precedes the entries of a stream.
    fn begin(&mut self, reply: &mut Reply, key: &[u8]) {
        if self.place.is_none() {
            self.place = Some(reply.defer());
        }
        self.streams += 1;
        if !reply.resp3() {
            reply.array(2);
        }
        reply.bulk(key);
    }

    /// Completes the reply; false if it has no streams.
    fn finish(self, reply: &mut Reply) -> bool {
        let Some(place) = self.place else {
            return false;
        };
        match reply.resp3() {
            true => reply.finish_map(place, self.streams),
            false => reply.finish_array(place, self.streams),
        }
        true
    }
}

/// `XREAD [COUNT n] [BLOCK ms] STREAMS key [key ...] id [id ...]`: the entries of each stream after
/// an ID; `$` is the stream's last ID, `+` the one before its last entry.
///
/// Reply: array of `[key, entries]` (RESP3: a map) of the streams with entries; a null array if
/// there are none, or on timeout. O(log n + a node's entries + reply) a stream.
fn xread(call: &mut Call<'_>) -> CommandResult {
    let read = ReadArgs::parse(call)?;
    let ids = read.resolve(call)?;
    let mut served = Served {
        place: None,
        streams: 0,
    };
    for (key, &after) in read.keys.iter().zip(&ids) {
        let Some(stream) = call.db.read::<Stream>(key)? else {
            continue;
        };
        if stream.last_entry().is_some_and(|last| last > after) {
            served.begin(call.reply, key);
            let start = after.next().unwrap_or(StreamId::MAX);
            let mut entries = stream.range(start, StreamId::MAX);
            write_entries(call.reply, &mut entries, read.count);
        }
    }
    if !served.finish(call.reply) {
        wait(call, &read, &ids);
    }
    Ok(())
}

/// Blocks the client on the streams, or replies a null array if it may not block.
fn wait(call: &mut Call<'_>, read: &ReadArgs<'_>, ids: &[StreamId]) {
    let Some(timeout_ms) = read.block_ms.filter(|_| call.may_block()) else {
        call.reply.null_array();
        return;
    };
    // `$` means the present last ID, not the one at wakeup.
    let mut args = OwnedArgs::new();
    for (at, arg) in call.args.iter().enumerate() {
        match at.checked_sub(read.ids_at) {
            Some(stream) if arg == b"$" => args.push(ids[stream].text().as_bytes()),
            _ => args.push(arg),
        }
    }
    let keys = read.keys.to_vec();
    let until = (Type::Stream, read.group.is_some());
    call.block_on_keys_as(
        args,
        &keys,
        until,
        timeout_ms,
        OnTimeout::Reply(Reply::null_array),
    );
}

/// `XREADGROUP GROUP group consumer [COUNT n] [BLOCK ms] [NOACK] STREAMS key ... id ...`: XREAD for
/// a consumer of a group. `>` delivers entries new to the group; unless NOACK, they are then
/// pending with the consumer. Any other ID returns the consumer's pending entries after that ID.
///
/// Reply: as XREAD; a null replaces the pairs of a deleted entry. Propagated as XCLAIM of each
/// entry and XGROUP SETID.
fn xreadgroup(call: &mut Call<'_>) -> CommandResult {
    call.no_effect();
    let read = ReadArgs::parse(call)?;
    let ids = read.resolve(call)?;
    let mut served = Served {
        place: None,
        streams: 0,
    };
    for (key, &after) in read.keys.iter().zip(&ids) {
        read_group(call, &read, key, after, &mut served)?;
    }
    if !served.finish(call.reply) {
        wait(call, &read, &ids);
    }
    Ok(())
}

/// The effects of reading on a group.
#[derive(Default)]
struct Done {
    made_consumer: bool,
    delivered: usize,
    /// The delivered entries, if effects are recorded.
    claimed: Vec<Claimed>,
    /// The group's last ID and entries read, if they have changed.
    moved: Option<(StreamId, i64)>,
}

/// The parameters of a read by a consumer.
struct Reading<'a> {
    reply: &'a mut Reply,
    now_ms: i64,
    count: usize,
    noack: bool,
    /// Whether effects are recorded.
    stated: bool,
}

fn read_group(
    call: &mut Call<'_>,
    read: &ReadArgs<'_>,
    key: &[u8],
    after: StreamId,
    served: &mut Served,
) -> CommandResult {
    let Some((group_name, name)) = read.group else {
        return Ok(());
    };
    let mut reading = Reading {
        now_ms: call.db.now_ms(),
        stated: call.db.effects_wanted(),
        reply: call.reply,
        count: read.count,
        noack: read.noack,
    };
    call.db.count_read(key, true);
    let Some(mut stream) = call.db.write::<Stream>(key)? else {
        return Ok(());
    };
    let done = stream.with_group(group_name, |stream, group| {
        let mut done = Done::default();
        let (consumer, made) = consumers::find_or_make(group, name, reading.now_ms);
        done.made_consumer = made;
        if after != UNREAD {
            served.begin(reading.reply, key);
            reading.history(stream, group, consumer, after);
        } else if stream.last_entry().is_some_and(|last| last > group.last_id) {
            served.begin(reading.reply, key);
            reading.unread(stream, group, (consumer, name), &mut done);
        }
        done
    });
    drop(stream);
    if let Some(done) = done {
        state(call, (key, group_name, name), read.noack, &done);
    }
    Ok(())
}

/// Records the effects.
fn state(call: &mut Call<'_>, names: (&[u8], &[u8], &[u8]), noack: bool, done: &Done) {
    let (key, group, consumer) = names;
    if done.made_consumer {
        consumers::state_made(call, key);
        if noack {
            stated::new_consumer(call, key, group, consumer);
        }
    }
    for claimed in &done.claimed {
        stated::claim(call, key, group, claimed);
    }
    if let Some(moved) = done.moved {
        stated::group_id(call, key, group, moved);
    }
    if done.delivered > 0 || done.moved.is_some() {
        call.db.add_dirty(1);
    }
}

impl Reading<'_> {
    /// Delivers entries that the group has not read.
    fn unread(
        &mut self,
        stream: &Stream,
        group: &mut Group,
        (consumer, name): (ConsumerId, &[u8]),
        done: &mut Done,
    ) {
        let place = self.reply.defer();
        let start = group.last_id.next().unwrap_or(StreamId::MAX);
        let mut entries = stream.range(start, StreamId::MAX);
        let mut written = 0;
        while written < self.count
            && let Some(id) = entries.next()
        {
            group.entries_read = stream.entries_read_with(group, id);
            group.last_id = id;
            done.moved = Some((id, group.entries_read));
            write_entry(self.reply, &mut entries, id);
            written += 1;
            if self.noack {
                continue;
            }
            let nack = Nack {
                delivered_ms: self.now_ms,
                deliveries: 1,
                consumer,
            };
            group.assign(id, nack);
            if self.stated {
                done.claimed.push(Claimed {
                    id: id.text().as_bytes().to_vec(),
                    consumer: name.to_vec(),
                    delivered_ms: self.now_ms,
                    deliveries: 1,
                    last_id: id,
                });
            }
        }
        if !self.noack && written > 0 {
            group.consumer_mut(consumer).active_ms = self.now_ms;
            done.delivered = written;
        }
        self.reply.finish_array(place, written);
    }

    /// Redelivers a consumer's pending entries after an ID.
    fn history(&mut self, stream: &Stream, group: &mut Group, of: ConsumerId, after: StreamId) {
        let place = self.reply.defer();
        let start = after.next().unwrap_or(StreamId::MIN);
        let mut at = group.consumer(of).pending().ceil(start);
        let mut written = 0;
        while written < self.count
            && let Some(here) = at
        {
            let pending = group.consumer(of).pending();
            let id = pending.key(here);
            at = pending.next(here);
            if write_next(self.reply, &mut stream.range(id, id)) {
                group.redelivered(id, self.now_ms);
            } else {
                self.reply.array(2);
                write_id(self.reply, id);
                self.reply.null_array();
            }
            written += 1;
        }
        self.reply.finish_array(place, written);
    }
}
