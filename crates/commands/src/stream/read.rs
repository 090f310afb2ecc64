//! XREAD and XREADGROUP, immediately or blocking.
//!
//!     >           entries new to the group, then pending with the consumer
//!     CLAIM ms    first, pending entries idle for so long, of any consumer or none
//!     another ID  the consumer's own pending entries after it
//!
//! A read without entries blocks the client; the command runs again when a write signals a key,
//! with `$` replaced by the ID that it stood for. A timer also wakes a reader with CLAIM when the
//! next entry has been idle for long enough.
//!
//! Effects: XCLAIM of each entry and XGROUP SETID; the read does not propagate itself.
//!
//! Decided elsewhere: arguments: `read_args`; limits of the reply: `served`; effects: `stated`.

use crate::work;
use russet_command::{Access, Arity, BeginSearch, Category, Flags, KeyExtent, KeySpec};
use russet_resp::{DeferredHeader, OwnedArgs, Reply};
use russet_server::{Call, CommandResult, OnTimeout, Spec};
use russet_types::stream::{COUNTER_MAX, ConsumerId, Group, IdleCursor, Range, StreamId};
use russet_types::{Stream, Type};

use super::group::consumers;
use super::read_args::{self, ReadArgs, UNREAD};
use super::reply::{write_entry, write_id, write_next, write_pairs};
use super::served::StreamsReply;
use super::stated::{self, ClaimedEntry};

/// The first half of the arguments after STREAMS.
const fn keys(from: i16) -> KeySpec {
    KeySpec {
        access: Access::READ.union(Access::INCOMPLETE),
        begin: BeginSearch::Keyword {
            word: "STREAMS",
            from,
        },
        find: KeyExtent::Range {
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
    work: work::by(count_read, work::SMALLER_COUNT),
    ..Spec::new("xread", xread)
};

pub(super) const XREADGROUP: Spec = Spec {
    arity: Arity::AtLeast(7),
    flags: Flags::WRITE.union(Flags::BLOCKING),
    keys: &[keys(4)],
    categories: Category::STREAM,
    find_keys: Some(read_args::keys),
    work: work::by(count_read, work::SMALLER_COUNT),
    ..Spec::new("xreadgroup", xreadgroup)
};

/// `XREAD [COUNT n] [MAXCOUNT n] [MAXSIZE bytes] [BLOCK ms] STREAMS key [key ...] id [id ...]`: the
/// entries of each stream after an ID; `$` is the stream's last ID, `+` the ID before the last
/// entry. COUNT limits the entries of each stream, MAXCOUNT the entries of all streams; MAXSIZE
/// stops after the entry that makes the reply so long.
///
/// Reply: array of `[key, entries]` (RESP3: a map) of the streams with entries; a null array if
/// there are none, or on timeout. O(log n + a node's entries + reply) a stream.
fn xread(call: &mut Call<'_>) -> CommandResult {
    let read = ReadArgs::parse(call)?;
    let ids = read.resolve(call)?;
    let mut served = StreamsReply::new(call.reply, &read);
    for (key, &after) in read.keys.iter().zip(&ids) {
        if served.is_full(call.reply) {
            break;
        }
        let Some(stream) = call.db.read::<Stream>(key)? else {
            continue;
        };
        if stream.last_entry().is_some_and(|last| last > after) && served.begin(call.reply, key) {
            let start = after.next().unwrap_or(StreamId::MAX);
            let mut entries = stream.range(start, StreamId::MAX);
            served.write_entries(call.reply, &mut entries, read.count);
        }
    }
    if !served.finish(call.reply) {
        wait(call, &read, &ids);
    }
    Ok(())
}

/// At most the entries in the reply of XREAD and XREADGROUP.
fn count_read(call: &mut Call<'_>) -> CommandResult {
    let read = ReadArgs::parse(call)?;
    let mut touched = 0_usize;
    for (key, id) in read.keys.iter().zip(read.ids()) {
        let of_one = |stream: &Stream| read.entries_of(stream, id);
        touched = touched.saturating_add(work::look(call, key, of_one).unwrap_or(0));
    }
    call.touches(touched.min(read.count_max) as u64);
    Ok(())
}

/// Blocks the client on the streams, or replies a null array if it may not block.
fn wait(call: &mut Call<'_>, read: &ReadArgs<'_>, ids: &[StreamId]) {
    let Some(timeout_ms) = read.block_ms.filter(|_| call.may_block()) else {
        call.reply.null_array();
        return;
    };
    // `$` means the last ID now, not the last ID at wakeup.
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
    if let Some(min_idle_ms) = read.claim_idle_ms {
        let due = claimable_at(call, read, ids, min_idle_ms);
        let in_ms = due.map(|due| due.saturating_sub(call.db.now_ms()).max(0) as u64);
        call.wake_to_claim(in_ms);
    }
}

/// The time at which the first pending entry of the streams will have been idle for long enough, in
/// Unix milliseconds. O(streams log n).
fn claimable_at(
    call: &mut Call<'_>,
    read: &ReadArgs<'_>,
    ids: &[StreamId],
    min_idle_ms: i64,
) -> Option<i64> {
    let (name, _) = read.group?;
    let since_ms = call.db.now_ms().saturating_sub(min_idle_ms);
    let mut first = None;
    for (key, _) in read.keys.iter().zip(ids).filter(|(_, id)| **id == UNREAD) {
        let Ok(Some(mut stream)) = call.db.write::<Stream>(key) else {
            continue;
        };
        let group = stream.group_mut(name);
        let delivered = group.and_then(|group| group.delivered_after(since_ms));
        let due = delivered.map(|ms| ms.saturating_add(min_idle_ms));
        first = [first, due].into_iter().flatten().min();
    }
    first
}

/// `XREADGROUP GROUP group consumer [COUNT n] [MAXCOUNT n] [MAXSIZE bytes] [BLOCK ms] [CLAIM
/// min-idle-ms] [NOACK] STREAMS key ... id ...`: XREAD for a consumer of a group. `>` delivers
/// entries new to the group; unless NOACK, they are then pending with the consumer. CLAIM delivers
/// first the pending entries that have been idle for so long, whichever consumer has them, and
/// entries without an owner (idle since 1970). Any other ID returns the consumer's pending entries
/// after that ID.
///
/// Reply: as XREAD; a null replaces the pairs of a deleted entry. With CLAIM each entry has also
/// the milliseconds for which it was idle and the number of deliveries before, 0 for new entries.
/// Propagated as XCLAIM of each entry and XGROUP SETID.
fn xreadgroup(call: &mut Call<'_>) -> CommandResult {
    call.no_effect();
    let read = ReadArgs::parse(call)?;
    let ids = read.resolve(call)?;
    let mut served = StreamsReply::new(call.reply, &read);
    let mut claim_idle_ms = read.claim_idle_ms;
    for (key, &after) in read.keys.iter().zip(&ids) {
        if served.is_full(call.reply) {
            break;
        }
        if after != UNREAD {
            // As in Redis, CLAIM does not hold for the streams after a stream whose history is
            // read.
            claim_idle_ms = None;
        }
        read_group(call, &read, (key, after, claim_idle_ms), &mut served)?;
    }
    if !served.finish(call.reply) {
        wait(call, &read, &ids);
    }
    Ok(())
}

/// The effects of reading on a group.
#[derive(Default)]
struct ReadEffects {
    made_consumer: bool,
    /// Entries that the consumer has been made the owner of.
    delivered: usize,
    /// These entries, if effects are recorded.
    claimed: Vec<ClaimedEntry>,
    /// The group's last ID and entries read, if they have changed.
    moved: Option<(StreamId, i64)>,
}

/// A read of one stream by a consumer.
struct ConsumerRead<'a> {
    reply: &'a mut Reply,
    served: &'a mut StreamsReply,
    key: &'a [u8],
    name: &'a [u8],
    now_ms: i64,
    count: usize,
    /// Entries written so far.
    written: usize,
    /// Where the array of entries begins, if it has begun.
    place: Option<DeferredHeader>,
    noack: bool,
    /// Whether the reply has the idle time and deliveries of each entry.
    claims: bool,
    /// Whether effects are recorded.
    stated: bool,
    done: ReadEffects,
}

fn read_group(
    call: &mut Call<'_>,
    read: &ReadArgs<'_>,
    (key, after, claim_idle_ms): (&[u8], StreamId, Option<i64>),
    served: &mut StreamsReply,
) -> CommandResult {
    let Some((group_name, name)) = read.group else {
        return Ok(());
    };
    let mut reading = ConsumerRead {
        now_ms: call.db.now_ms(),
        stated: call.db.effects_wanted(),
        reply: call.reply,
        served,
        key,
        name,
        count: read.count,
        written: 0,
        place: None,
        noack: read.noack,
        claims: claim_idle_ms.is_some(),
        done: ReadEffects::default(),
    };
    call.db.count_read(key, true);
    let Some(mut stream) = call.db.write::<Stream>(key)? else {
        return Ok(());
    };
    stream.with_group(group_name, |stream, group| {
        let (consumer, made) = consumers::find_or_make(group, name, reading.now_ms);
        reading.done.made_consumer = made;
        if after != UNREAD {
            reading.history(stream, group, consumer, after);
        } else {
            let last_id = group.last_id;
            if let Some(min_idle_ms) = claim_idle_ms {
                reading.idle(stream, group, consumer, min_idle_ms);
            }
            if stream.last_entry().is_some_and(|last| last > last_id) {
                reading.unread(stream, group, consumer);
            }
            if reading.done.delivered > 0 {
                group.consumer_mut(consumer).active_ms = reading.now_ms;
            }
        }
        reading.finish();
    });
    let done = reading.done;
    drop(stream);
    record(call, (key, group_name, name), read.noack, &done);
    Ok(())
}

/// Records the effects.
fn record(call: &mut Call<'_>, names: (&[u8], &[u8], &[u8]), noack: bool, done: &ReadEffects) {
    let (key, group, consumer) = names;
    if done.made_consumer {
        consumers::record_made(call, key);
    }
    for claimed in &done.claimed {
        stated::claim(call, key, group, claimed);
    }
    if let Some(moved) = done.moved {
        stated::group_id(call, key, group, moved);
    }
    // XCLAIM makes the consumer, too.
    if done.made_consumer && (noack || done.delivered == 0) {
        stated::new_consumer(call, key, group, consumer);
    }
    if done.delivered > 0 {
        call.db.claimable_later(key);
    }
    let is_change = done.delivered > 0 || done.moved.is_some();
    call.db.changed_within(key, u64::from(is_change));
}

impl ConsumerRead<'_> {
    /// Begins the stream's part of the reply, unless it has begun; false if that is too long.
    fn begin(&mut self) -> bool {
        if self.place.is_none() && self.served.begin(self.reply, self.key) {
            self.place = Some(self.reply.defer());
        }
        self.place.is_some()
    }

    fn has_room(&self) -> bool {
        self.written < self.count && !self.served.is_full(self.reply)
    }

    fn count_entry(&mut self) {
        self.written += 1;
        self.served.count_entry();
    }

    fn finish(&mut self) {
        if let Some(place) = self.place.take() {
            self.reply.finish_array(place, self.written);
        }
    }

    /// Writes the range's current entry; `before`: the milliseconds that the entry was idle, and
    /// the entry's deliveries.
    fn write(&mut self, entries: &mut Range<'_>, id: StreamId, before: (i64, u64)) {
        if self.claims {
            self.reply.array(4);
            write_id(self.reply, id);
            write_pairs(self.reply, entries);
            self.reply.int(before.0);
            self.reply.int(before.1 as i64);
        } else {
            write_entry(self.reply, entries, id);
        }
        self.count_entry();
    }

    /// The consumer becomes the owner of an entry, delivered now.
    fn deliver(
        &mut self,
        group: &mut Group,
        (id, deliveries): (StreamId, u64),
        consumer: ConsumerId,
        last_id: StreamId,
    ) {
        group.assign(id, consumer, self.now_ms, deliveries);
        self.done.delivered += 1;
        if self.stated {
            self.done.claimed.push(ClaimedEntry {
                id: id.text().as_bytes().to_vec(),
                consumer: Some(self.name.to_vec()),
                delivered_ms: self.now_ms,
                deliveries,
                last_id,
            });
        }
    }

    /// Claims pending entries that have been idle for long enough. Pending entries that are no
    /// longer in the stream stay as they are.
    fn idle(&mut self, stream: &Stream, group: &mut Group, of: ConsumerId, min_idle_ms: i64) {
        /// Entries looked up at a time, if the reply is limited only by its length.
        const BATCH: usize = 1024;
        let until_ms = self.now_ms.saturating_sub(min_idle_ms);
        let (mut cursor, mut batch) = (IdleCursor::default(), Vec::new());
        while self.has_room() {
            let most = BATCH.min(self.count - self.written);
            group.idle_after(&mut cursor, until_ms, most, &mut batch);
            if batch.is_empty() {
                return;
            }
            for id in batch.drain(..) {
                let mut entry = stream.range(id, id);
                if entry.next().is_none() {
                    continue;
                }
                let Some(nack) = group.pending().get(id).copied() else {
                    continue;
                };
                if !self.has_room() || !self.begin() {
                    return;
                }
                let idle_ms = self.now_ms.saturating_sub(nack.delivered_ms());
                self.write(&mut entry, id, (idle_ms, nack.deliveries));
                let deliveries = (nack.deliveries + 1).min(COUNTER_MAX);
                self.deliver(group, (id, deliveries), of, group.last_id);
            }
        }
    }

    /// Delivers entries that the group has not read.
    fn unread(&mut self, stream: &Stream, group: &mut Group, of: ConsumerId) {
        let last_id = group.last_id;
        let start = last_id.next().unwrap_or(StreamId::MAX);
        let mut entries = stream.range(start, StreamId::MAX);
        while self.has_room()
            && self.begin()
            && let Some(id) = entries.next()
        {
            group.entries_read = stream.entries_read_with(group, id);
            group.last_id = id;
            self.done.moved = Some((id, group.entries_read));
            self.write(&mut entries, id, (0, 0));
            if !self.noack {
                self.deliver(group, (id, 1), of, last_id);
            }
        }
    }

    /// Redelivers a consumer's pending entries after an ID.
    fn history(&mut self, stream: &Stream, group: &mut Group, of: ConsumerId, after: StreamId) {
        if !self.begin() {
            return;
        }
        let start = after.next().unwrap_or(StreamId::MIN);
        let mut at = group.consumer(of).pending().ceil(start);
        while self.has_room()
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
            self.count_entry();
        }
    }
}
