//! XPENDING.
//!
//! Two forms: a summary of the group, and a list of entries in a range of IDs. The list walks the
//! pending entries of the group, or of the consumer if the command names a consumer; both are
//! ordered by ID. An entry without an owner (XNACK) meets any IDLE and shows -1.
//!
//! Cost: summary O(consumers); list O(log n + entries visited); with IDLE the list may visit more
//! entries than it replies. XPENDING changes nothing, because reading does not count as a delivery.

use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
use russet_types::Stream;
use russet_types::stream::{ConsumerId, Group, Nack, StreamId};

use super::super::ids;
use super::super::reply::write_id;

pub(crate) const XPENDING: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::STREAM,
    tips: &["nondeterministic_output"],
    work: work::by(count_pending, work::FEWER),
    ..Spec::new("xpending", xpending)
};

/// `[IDLE ms] start end count [consumer]`.
struct PendingRequest<'a> {
    idle_ms: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> PendingRequest<'a> {
    /// The arguments after the group; `None`: there are none.
    fn parse_any(args: Args<'a>) -> Result<Option<PendingRequest<'a>>, CommandError> {
        match args.len() {
            3 => Ok(None),
            6..=9 => PendingRequest::parse(args).map(Some),
            _ => Err(CommandError::Syntax),
        }
    }

    fn parse(args: Args<'a>) -> Result<PendingRequest<'a>, CommandError> {
        let (mut idle_ms, mut at) = (0, 3);
        if args.is(3, "idle") {
            idle_ms = parse_i64(args.at(4)).ok_or(CommandError::NotAnInteger)?;
            if args.len() < 8 {
                return Err(CommandError::Syntax);
            }
            at = 5;
        }
        let count = parse_i64(args.at(at + 2)).ok_or(CommandError::NotAnInteger)?;
        Ok(PendingRequest {
            idle_ms,
            start: ids::start(args.at(at))?,
            end: ids::end(args.at(at + 1))?,
            count: count.max(0) as usize,
            consumer: args.get(at + 3),
        })
    }
}

/// The consumers or pending entries that XPENDING visits: with IDLE, any entry may be too young.
fn count_pending(call: &mut Call<'_>) -> CommandResult {
    let (args, wanted) = (call.args, PendingRequest::parse_any(call.args)?);
    let visited = |stream: &Stream| {
        let group = stream.group(args.at(2))?;
        Some(match &wanted {
            None => group.consumer_count(),
            Some(wanted) if wanted.idle_ms > 0 => group.pending().len(),
            Some(wanted) => group.pending().len().min(wanted.count),
        })
    };
    let visited = work::look(call, args.at(1), visited).flatten();
    call.touches(visited.unwrap_or(0) as u64);
    Ok(())
}

/// `XPENDING key group [[IDLE ms] start end count [consumer]]`: entries delivered but not
/// acknowledged.
///
/// Reply: their number, first and last ID, and an array of consumers with the number of each; with
/// a range an array of `[id, consumer, idle ms, deliveries]`. An entry without an owner (XNACK) has
/// an empty consumer and is idle for -1; the array of consumers does not count it. O(consumers), or
/// O(log n + entries visited).
fn xpending(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let wanted = PendingRequest::parse_any(args)?;
    let (key, name) = (args.at(1), args.at(2));
    let now_ms = call.db.now_ms();
    let stream = call.db.read::<Stream>(key)?;
    let group = stream.as_ref().and_then(|stream| stream.group(name));
    let group = group.ok_or_else(|| ids::no_group(key, name))?;
    match wanted {
        None => summary(call.reply, group),
        Some(wanted) => list(call.reply, group, &wanted, now_ms),
    }
    Ok(())
}

fn summary(reply: &mut Reply, group: &Group) {
    let pending = group.pending();
    reply.array(4);
    reply.int(pending.len() as i64);
    let (Some(first), Some(last)) = (pending.first(), pending.last()) else {
        reply.null();
        reply.null();
        return reply.null_array();
    };
    write_id(reply, pending.key(first));
    write_id(reply, pending.key(last));
    let place = reply.defer();
    let mut busy = 0;
    for consumer in group.consumers().filter(|c| !c.pending().is_empty()) {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_int(consumer.pending().len() as i64);
        busy += 1;
    }
    reply.finish_array(place, busy);
}

fn list(reply: &mut Reply, group: &Group, wanted: &PendingRequest<'_>, now_ms: i64) {
    let consumer = wanted.consumer.map(|name| group.find(name));
    let place = reply.defer();
    let mut left = wanted.count;
    // Returns whether to continue.
    let mut see = |id: StreamId, nack: &Nack| {
        if left == 0 || id > wanted.end {
            return false;
        }
        // Any consumer can claim an entry without an owner at once.
        let owner = nack.owner();
        let idle_ms = owner.map(|_| now_ms.saturating_sub(nack.delivered_ms()));
        if wanted.idle_ms == 0 || idle_ms.is_none_or(|idle_ms| idle_ms >= wanted.idle_ms) {
            left -= 1;
            reply.array(4);
            write_id(reply, id);
            reply.bulk(group.owner_name(nack));
            reply.int(idle_ms.map_or(-1, |idle_ms| idle_ms.max(0)));
            reply.int(nack.deliveries as i64);
        }
        true
    };
    match consumer {
        None => {
            let from = group.pending().ceil(wanted.start);
            let mut all = group.pending().iter_from(from);
            while all.next().is_some_and(|(id, nack)| see(id, nack)) {}
        }
        // There is no consumer of this name.
        Some(None) => {}
        Some(Some(consumer)) => of_consumer(group, consumer, wanted.start, see),
    }
    reply.finish_array(place, wanted.count - left);
}

fn of_consumer(
    group: &Group,
    consumer: ConsumerId,
    start: StreamId,
    mut see: impl FnMut(StreamId, &Nack) -> bool,
) {
    let own = group.consumer(consumer).pending();
    let from = own.ceil(start);
    for (id, ()) in own.iter_from(from) {
        let nack = group.pending().get(id);
        if !nack.is_some_and(|nack| see(id, nack)) {
            break;
        }
    }
}
