//! XADD.

use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Facts, Flags, KeySpec};
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Stream;
use russet_types::stream::{
    AppendError, ENTRY_BYTES_MAX, GivenId, NewId, Pairs, StreamId, TrimResult,
};

use super::reply::write_id;
use super::trim::{TrimOptions, count_trimmed};

pub(super) const XADD: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::STREAM,
    tips: &["nondeterministic_output"],
    work: work::by(count_trimmed, "trim with XTRIM, and LIMIT with ~"),
    facts: Facts::MAY_BE_IDEMPOTENT,
    ..Spec::new("xadd", xadd)
};

const ZERO: CommandError =
    CommandError::Text("ERR The ID specified in XADD must be greater than 0-0");
const EXHAUSTED: CommandError = CommandError::Text(
    "ERR The stream has exhausted the last possible ID, unable to add more items",
);
const NOT_ABOVE: CommandError = CommandError::Text(
    "ERR The ID specified in XADD is equal or smaller than the target stream top item",
);
const TOO_LARGE: CommandError = CommandError::Text("ERR Elements are too large to be stored");

/// The names and values from argument `from` on.
#[inline]
fn pairs<'a>(args: Args<'a>, from: usize) -> impl Pairs<'a> {
    let count = (args.len() - from) / 2;
    (0..count).map(move |n| (args.at(from + 2 * n), args.at(from + 2 * n + 1)))
}

/// `XADD key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [IDMPAUTO pid|IDMP pid iid] [MAXLEN|MINID [=|~]
/// threshold [LIMIT count]] *|ms-*|id name value [name value ...]`: appends an entry, and trims the
/// stream as XTRIM does. XADD does not add an entry again that the producer has added before.
///
/// Reply: bulk string, the entry's ID, or the ID of the entry added before; null with NOMKSTREAM
/// for a missing key. O(pairs), plus the cost of XTRIM. Propagated with the assigned ID, and with
/// the exact length or first ID that an approximate trim has left.
fn xadd(call: &mut Call<'_>) -> CommandResult {
    let options = TrimOptions::parse(call, true)?;
    let args = call.args;
    let from = options.id_at + 1;
    if args.len() < from + 2 || !(args.len() - from).is_multiple_of(2) {
        return Err(CommandError::WrongArity(call.name.into()));
    }
    let wanted = match options.id {
        None => NewId::Now(call.db.now_ms().max(0) as u64),
        Some(GivenId::Time(ms)) => NewId::Time(ms),
        Some(GivenId::Whole(id)) if id.is_zero() => return Err(ZERO),
        Some(GivenId::Whole(id)) => NewId::Whole(id),
    };
    let key = args.at(1);
    if args.bytes() > ENTRY_BYTES_MAX && !call.db.contains(key) {
        // Refused before an empty stream is created.
        return Err(TOO_LARGE);
    }
    let limits = *call.db.limits();
    let states = call.effects_wanted();
    // The log and replicas receive an added entry with the entry's ID: a command without an ID was
    // a duplicate when it first ran, though the iid may have expired here.
    let was_duplicate = options.idmp.is_some() && options.id.is_none() && call.was_taken_before();
    if (options.no_make || was_duplicate) && call.db.write::<Stream>(key)?.is_none() {
        call.reply.null();
        return Ok(());
    }
    let mut stream = call.db.write_or(key, || Stream::with_settings(&limits))?;
    let mut made = [0; 16];
    let line = options
        .idmp
        .map(|idmp| (idmp.pid(args), idmp.iid(args, pairs(args, from), &mut made)));
    if let Some((pid, iid)) = line
        && options.id.is_none()
    {
        let found = stream.idempotence().find(pid, iid);
        if found.is_some() || was_duplicate {
            stream.count_duplicate();
            drop(stream);
            match found {
                Some(id) => write_id(call.reply, id),
                None => call.reply.null(),
            }
            call.db.add_dirty(1);
            return Ok(());
        }
    }
    if stream.last_id() == StreamId::MAX {
        return Err(EXHAUSTED);
    }
    let added = stream.append(wanted, pairs(args, from), &limits);
    let id = added.map_err(|refused| match refused {
        AppendError::NotAbove => NOT_ABOVE,
        AppendError::TooLarge => TOO_LARGE,
    })?;
    write_id(call.reply, id);
    let mut expires_sooner = false;
    if let Some((pid, iid)) = line {
        let due = |stream: &Stream| stream.idempotence().next_due();
        let before = due(&stream);
        stream.record_iid(pid, iid, id);
        // Not only the first line, because a producer's next line may be older than the line that
        // it displaces.
        expires_sooner = before.is_none_or(|before| due(&stream).is_some_and(|now| now < before));
    }
    let trimmed = match options.trim {
        Some(trim) => stream.trim(trim),
        None => TrimResult::default(),
    };
    let stated = if states {
        options.exact_effect(&stream, trimmed.visited_below)
    } else {
        None
    };
    drop(stream);
    if expires_sooner {
        call.db.record_stream(key);
    }
    call.db.changed(key, Class::STREAM, "xadd");
    if trimmed.deleted > 0 {
        call.db.event(key, Class::STREAM, "xtrim");
    }
    if let Some(gone) = trimmed.gone {
        call.db.free_part(gone);
    }
    if states && (stated.is_some() || !matches!(wanted, NewId::Whole(_))) {
        let text = id.text();
        let word = |at| match &stated {
            _ if at == options.id_at => text.as_bytes(),
            Some(stated) => stated.word(at).unwrap_or_else(|| args.at(at)),
            None => args.at(at),
        };
        call.rewrite_each((0..args.len()).map(word));
    }
    call.db.signal(key);
    Ok(())
}
