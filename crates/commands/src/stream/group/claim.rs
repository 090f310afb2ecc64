//! XCLAIM and XAUTOCLAIM: transfer pending entries to another consumer.
//!
//! The command claims an entry that is pending, or any entry with FORCE, if the entry has been idle
//! for long enough; an entry without an owner at once. The command acknowledges a pending entry
//! that is no longer in the stream, instead of claiming it, and creates the consumer if it is
//! missing.
//!
//! XAUTOCLAIM checks at most ten pending entries for each entry that it may claim, and replies
//! where to continue. Both propagate each claimed entry by itself, with the time and the count that
//! the entry got (`stated`).
//!
//! Cost: O(log n + a node's entries) an ID.

use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Ref;
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
use russet_types::Stream;
use russet_types::stream::{COUNTER_MAX, ConsumerId, Group, Nack, StreamId};

use super::super::reply::{write_id, write_next};
use super::super::stated::{self, ClaimedEntry};
use super::{super::ids, consumers};

pub(crate) const XCLAIM: Spec = Spec {
    arity: Arity::AtLeast(6),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::STREAM,
    tips: &["nondeterministic_output"],
    work: work::by(count_named, work::FEWER_NAMES),
    ..Spec::new("xclaim", xclaim)
};

pub(crate) const XAUTOCLAIM: Spec = Spec {
    keys: &[KeySpec::one(1, Access::REMOVE)],
    name: "xautoclaim",
    work: work::by(count_attempts, work::SMALLER_COUNT),
    handler: xautoclaim,
    ..XCLAIM
};

/// The parameters of a claim.
struct Claim {
    now_ms: i64,
    /// Entries idle for less are not claimed.
    min_idle_ms: i64,
    /// The new delivery time.
    delivered_ms: i64,
    /// The new delivery count; `None`: the count before and 1, unless `just_id`.
    deliveries: Option<u64>,
    /// Also claims entries that are not pending.
    force: bool,
    just_id: bool,
    /// Whether effects are recorded.
    stated: bool,
}

/// The outcome for an entry.
enum ClaimOutcome {
    Claimed,
    /// The entry was pending, but is no longer in the stream.
    Gone,
    /// The entry is not pending, or not idle for long enough.
    Kept,
}

/// The result of claiming.
#[derive(Default)]
struct ClaimResult {
    changes: u64,
    claimed: Vec<ClaimedEntry>,
    /// The group's last ID and entries read, unless another effect carries them.
    moved: Option<(StreamId, i64)>,
}

impl Claim {
    /// Claims an entry for a consumer and replies it. `word` is the ID as written in the effect.
    fn claim(
        &self,
        reply: &mut Reply,
        (stream, group): (&Stream, &mut Group),
        consumer: ConsumerId,
        (id, word): (StreamId, &[u8]),
        done: &mut ClaimResult,
    ) -> ClaimOutcome {
        let old = group.pending().get(id).copied();
        let mut entry = stream.range(id, id);
        // This range only checks existence; another range writes the entry if it is claimed.
        if entry.next().is_none() {
            let Some(nack) = old else {
                return ClaimOutcome::Kept;
            };
            let last = (nack.delivered_ms(), nack.deliveries);
            self.record(group, nack.owner(), last, word, done);
            group.acknowledge(id);
            return ClaimOutcome::Gone;
        }
        // An entry without an owner can be claimed at once.
        let is_early = |nack: Nack| {
            nack.owner().is_some()
                && self.now_ms.wrapping_sub(nack.delivered_ms()) < self.min_idle_ms
        };
        let deliveries = match old {
            None if !self.force => return ClaimOutcome::Kept,
            Some(nack) if self.min_idle_ms > 0 && is_early(nack) => return ClaimOutcome::Kept,
            None => 1,
            Some(nack) => nack.deliveries,
        };
        let deliveries = match self.deliveries {
            Some(deliveries) => deliveries,
            None => (deliveries + u64::from(!self.just_id)).min(COUNTER_MAX),
        };
        group.assign(id, consumer, self.delivered_ms, deliveries);
        if self.just_id {
            write_id(reply, id);
        } else {
            write_next(reply, &mut stream.range(id, id));
        }
        group.consumer_mut(consumer).active_ms = self.now_ms;
        let owner = Some(consumer);
        self.record(group, owner, (self.delivered_ms, deliveries), word, done);
        ClaimOutcome::Claimed
    }

    fn record(
        &self,
        group: &Group,
        owner: Option<ConsumerId>,
        (delivered_ms, deliveries): (i64, u64),
        word: &[u8],
        done: &mut ClaimResult,
    ) {
        done.changes += 1;
        if self.stated {
            done.claimed.push(ClaimedEntry {
                id: word.to_vec(),
                consumer: owner.map(|owner| group.consumer(owner).name().to_vec()),
                delivered_ms,
                deliveries,
                last_id: group.last_id,
            });
        }
    }
}

/// Records the effects.
fn record(call: &mut Call<'_>, made: bool, done: &ClaimResult) {
    let (key, group) = (call.args.at(1), call.args.at(2));
    if made {
        consumers::record_made(call, key);
    }
    for claimed in &done.claimed {
        stated::claim(call, key, group, claimed);
    }
    if let Some(moved) = done.moved {
        stated::group_id(call, key, group, moved);
    }
    if done.changes > 0 {
        call.db.claimable_later(key);
    }
    let changes = done.changes + u64::from(done.moved.is_some());
    if changes > 0 {
        call.db.changed_within(key, changes);
    }
}

/// An error unless the stream at the key has the group.
fn check_group(stream: Option<Ref<'_, Stream>>, args: Args<'_>) -> CommandResult {
    let (key, name) = (args.at(1), args.at(2));
    let group = stream.as_ref().and_then(|stream| stream.group(name));
    group.map_or_else(|| Err(ids::no_group(key, name)), |_| Ok(()))
}

/// The options after XCLAIM's IDs.
struct ClaimOptions {
    ids: usize,
    delivered_ms: Option<i64>,
    deliveries: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: StreamId,
}

impl ClaimOptions {
    fn parse(args: Args<'_>, now_ms: i64) -> Result<ClaimOptions, CommandError> {
        const BAD_IDLE: &str = "ERR Invalid IDLE option argument for XCLAIM";
        const BAD_TIME: &str = "ERR Invalid TIME option argument for XCLAIM";
        const BAD_COUNT: &str = "ERR Invalid RETRYCOUNT option argument for XCLAIM";
        let number = |at: usize, refusal| {
            let n = parse_i64(args.at(at));
            n.ok_or(CommandError::Text(refusal))
        };
        let ids = args.from(5).iter();
        let ids = ids.take_while(|id| ids::strict(id).is_ok()).count();
        let mut options = ClaimOptions {
            ids,
            delivered_ms: None,
            deliveries: None,
            force: false,
            just_id: false,
            last_id: StreamId::MIN,
        };
        let mut at = 5 + ids;
        while at < args.len() {
            let has_more = at + 1 < args.len();
            at += 1;
            if args.is(at - 1, "force") {
                options.force = true;
                continue;
            } else if args.is(at - 1, "justid") {
                options.just_id = true;
                continue;
            } else if has_more && args.is(at - 1, "idle") {
                options.delivered_ms = Some(now_ms.wrapping_sub(number(at, BAD_IDLE)?));
            } else if has_more && args.is(at - 1, "time") {
                options.delivered_ms = Some(number(at, BAD_TIME)?);
            } else if has_more && args.is(at - 1, "retrycount") {
                options.deliveries = u64::try_from(number(at, BAD_COUNT)?).ok();
            } else if has_more && args.is(at - 1, "lastid") {
                options.last_id = ids::strict(args.at(at))?;
            } else {
                let option = args.at(at - 1);
                return Err(CommandError::naming(
                    "ERR Unrecognized XCLAIM option '",
                    option,
                    "'",
                ));
            }
            at += 1;
        }
        Ok(options)
    }
}

/// The entries that XCLAIM names.
fn count_named(call: &mut Call<'_>) -> CommandResult {
    let options = ClaimOptions::parse(call.args, call.db.now_ms())?;
    call.touches(options.ids as u64);
    Ok(())
}

/// `XCLAIM key group consumer min-idle-ms id [id ...] [IDLE ms] [TIME ms] [RETRYCOUNT n] [FORCE]
/// [JUSTID] [LASTID id]`: transfers pending entries to this consumer.
///
/// Reply: array of the entries, or with JUSTID of their IDs. Pending entries no longer in the
/// stream are acknowledged. Propagated entry by entry. O(log n + a node's entries) an ID.
fn xclaim(call: &mut Call<'_>) -> CommandResult {
    const BAD_IDLE: CommandError =
        CommandError::Text("ERR Invalid min-idle-time argument for XCLAIM");
    call.no_effect();
    let args = call.args;
    check_group(call.db.read(args.at(1))?, args)?;
    let min_idle_ms = parse_i64(args.at(4)).ok_or(BAD_IDLE)?;
    let now_ms = call.db.now_ms();
    let options = ClaimOptions::parse(args, now_ms)?;
    let claim = Claim {
        now_ms,
        min_idle_ms,
        // A future or negative delivery time counts as now.
        delivered_ms: match options.delivered_ms {
            Some(ms) if (0..=now_ms).contains(&ms) => ms,
            _ => now_ms,
        },
        deliveries: options.deliveries,
        force: options.force,
        just_id: options.just_id,
        stated: call.effects_wanted(),
    };
    let Some(mut stream) = call.db.write::<Stream>(args.at(1))? else {
        return Ok(());
    };
    let reply = &mut *call.reply;
    let is_earlier = claim.delivered_ms < now_ms;
    let claimed = stream.with_group(args.at(2), |stream, group| {
        let mut done = ClaimResult::default();
        let moves = options.last_id > group.last_id;
        group.last_id = group.last_id.max(options.last_id);
        let (consumer, made) = consumers::find_or_make(group, args.at(3), now_ms);
        let place = reply.defer();
        let mut written = 0;
        for word in args.from(5).first(options.ids).iter() {
            let Ok(id) = ids::strict(word) else { break };
            let entry = (id, word);
            let outcome = claim.claim(reply, (stream, group), consumer, entry, &mut done);
            written += usize::from(matches!(outcome, ClaimOutcome::Claimed));
        }
        reply.finish_array(place, written);
        if moves && done.changes == 0 {
            done.moved = Some((group.last_id, group.entries_read));
        }
        (made, done)
    });
    drop(stream);
    if let Some((made, done)) = claimed {
        record(call, made, &done);
        if is_earlier && done.changes > 0 {
            // The entry may be idle for long enough for a waiting reader.
            call.db.signal(args.at(1));
        }
    }
    Ok(())
}

/// Maximum COUNT of XAUTOCLAIM, and the COUNT whose list of deleted IDs exceeds all memory.
const COUNT_MAX: i64 = i64::MAX / 16;
const COUNT_MEMORY: i64 = 1 << 43;
/// Pending entries checked per entry requested.
const ATTEMPTS: usize = 10;

/// The options after XAUTOCLAIM's start.
struct AutoOptions {
    count: i64,
    just_id: bool,
}

impl AutoOptions {
    fn parse(args: Args<'_>) -> Result<AutoOptions, CommandError> {
        const BAD_COUNT: CommandError = CommandError::Text("ERR COUNT must be > 0");
        let (mut count, mut just_id, mut at) = (100, false, 6);
        while at < args.len() {
            if args.is(at, "count") && at + 1 < args.len() {
                let n = parse_i64(args.at(at + 1)).filter(|n| (1..=COUNT_MAX).contains(n));
                count = n.ok_or(BAD_COUNT)?;
                at += 2;
            } else if args.is(at, "justid") {
                just_id = true;
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(AutoOptions { count, just_id })
    }
}

/// The pending entries that XAUTOCLAIM checks.
fn count_attempts(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let count = AutoOptions::parse(args)?.count as usize;
    let pending = |stream: &Stream| Some(stream.group(args.at(2))?.pending().len());
    let pending = work::look(call, args.at(1), pending).flatten();
    let touched = pending.unwrap_or(0).min(count.saturating_mul(ATTEMPTS));
    call.touches(touched as u64);
    Ok(())
}

/// `XAUTOCLAIM key group consumer min-idle-ms start [COUNT n] [JUSTID]`: transfers pending entries,
/// from an ID on, to this consumer.
///
/// Reply: the ID to continue from (0-0 at the end), the entries (or IDs), the IDs of pending
/// entries that are no longer in the stream. Checks up to ten times COUNT (100) entries. Propagated
/// as XCLAIM.
fn xautoclaim(call: &mut Call<'_>) -> CommandResult {
    const BAD_IDLE: CommandError =
        CommandError::Text("ERR Invalid min-idle-time argument for XAUTOCLAIM");
    const TOO_MANY: CommandError = CommandError::Text(
        "ERR Insufficient memory, failed allocating transient memory, COUNT too high.",
    );
    call.no_effect();
    let args = call.args;
    // The key is looked up before the arguments are parsed, but checked after them.
    call.db.exists(args.at(1));
    let min_idle_ms = parse_i64(args.at(4)).ok_or(BAD_IDLE)?;
    let start = ids::start(args.at(5))?;
    let AutoOptions { count, just_id } = AutoOptions::parse(args)?;
    check_group(call.db.peek(args.at(1))?, args)?;
    if count >= COUNT_MEMORY {
        return Err(TOO_MANY);
    }
    let now_ms = call.db.now_ms();
    let claim = Claim {
        now_ms,
        min_idle_ms,
        delivered_ms: now_ms,
        deliveries: None,
        force: false,
        just_id,
        stated: call.effects_wanted(),
    };
    let Some(mut stream) = call.db.write::<Stream>(args.at(1))? else {
        return Ok(());
    };
    let reply = &mut *call.reply;
    let claimed = stream.with_group(args.at(2), |stream, group| {
        let (consumer, made) = consumers::find_or_make(group, args.at(3), now_ms);
        let done = claim.all_from(reply, (stream, group), consumer, start, count as usize);
        (made, done)
    });
    drop(stream);
    if let Some((made, done)) = claimed {
        record(call, made, &done);
    }
    Ok(())
}

impl Claim {
    /// Claims up to `count` pending entries from `start` on and writes the whole reply.
    fn all_from(
        &self,
        reply: &mut Reply,
        (stream, group): (&Stream, &mut Group),
        consumer: ConsumerId,
        start: StreamId,
        count: usize,
    ) -> ClaimResult {
        let mut done = ClaimResult::default();
        let (mut left, mut attempts) = (count, count * ATTEMPTS);
        let mut deleted = Vec::new();
        let first = group.pending().ceil(start);
        let mut next = first.map(|place| group.pending().key(place));
        reply.array(3);
        let place = reply.defer();
        let mut written = 0;
        while left > 0
            && attempts > 0
            && let Some(id) = next
        {
            attempts -= 1;
            let pending = group.pending();
            let behind = pending.find(id).and_then(|place| pending.next(place));
            next = behind.map(|place| pending.key(place));
            let text = id.text();
            let entry = (id, text.as_bytes());
            match self.claim(reply, (stream, group), consumer, entry, &mut done) {
                ClaimOutcome::Claimed => written += 1,
                ClaimOutcome::Gone => deleted.push(id),
                ClaimOutcome::Kept => continue,
            }
            left -= 1;
        }
        let cursor = next.unwrap_or(StreamId::MIN).text();
        reply.finish_array_behind(place, cursor.as_bytes(), written);
        reply.array(deleted.len());
        for id in deleted {
            write_id(reply, id);
        }
        done
    }
}
