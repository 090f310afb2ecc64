//! XNACK: gives pending entries back to their group.
//!
//! An entry given back has no owner and counts as idle since 1970: XCLAIM, XAUTOCLAIM and
//! XREADGROUP CLAIM take it immediately, so the handler wakes waiting readers. The handler parses
//! all IDs before it releases the first entry; it skips IDs that are not pending, unless FORCE.
//!
//! Cost: O(log n) an ID.
//!
//! Decided elsewhere: entries without an owner in files: `persistence`; the delivery count's limit:
//! `COUNTER_MAX`.

use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Stream;
use russet_types::stream::COUNTER_MAX;

use super::super::ids;

pub(crate) const XNACK: Spec = Spec {
    arity: Arity::AtLeast(7),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::STREAM,
    work: work::by(count_named, work::FEWER_NAMES),
    ..Spec::new("xnack", xnack)
};

/// The entries that XNACK names.
fn count_named(call: &mut Call<'_>) -> CommandResult {
    let options = NackOptions::parse(call.args, 4)?;
    call.touches(options.ids.len() as u64);
    Ok(())
}

/// The new delivery count of an entry.
#[derive(Clone, Copy)]
enum Mode {
    /// The last delivery does not count.
    Silent,
    Fail,
    /// The count becomes the greatest count, because the entry should not be tried again.
    Fatal,
}

impl Mode {
    fn parse(args: Args<'_>, at: usize) -> Result<Mode, CommandError> {
        const BAD: CommandError = CommandError::Text("ERR mode must be SILENT, FAIL, or FATAL");
        if args.is(at, "silent") {
            Ok(Mode::Silent)
        } else if args.is(at, "fail") {
            Ok(Mode::Fail)
        } else if args.is(at, "fatal") {
            Ok(Mode::Fatal)
        } else {
            Err(BAD)
        }
    }

    fn count(self, deliveries: u64) -> u64 {
        match self {
            Mode::Silent => deliveries.saturating_sub(1),
            Mode::Fail => deliveries,
            Mode::Fatal => COUNTER_MAX,
        }
    }
}

/// `IDS numids id ... [RETRYCOUNT count] [FORCE]`, in any order.
struct NackOptions<'a> {
    ids: Args<'a>,
    deliveries: Option<u64>,
    force: bool,
}

impl<'a> NackOptions<'a> {
    fn parse(args: Args<'a>, from: usize) -> Result<NackOptions<'a>, CommandError> {
        const NO_COUNT: CommandError = CommandError::Text("ERR numids must be a positive integer");
        const TOO_FEW: CommandError = CommandError::Text("ERR number of IDs doesn't match numids");
        const NEGATIVE: CommandError =
            CommandError::Text("ERR Invalid RETRYCOUNT value, must be >= 0");
        const NO_IDS: CommandError = CommandError::Text("ERR syntax error, expected IDS keyword");
        let mut options = NackOptions {
            ids: args.first(0),
            deliveries: None,
            force: false,
        };
        let mut at = from;
        while at < args.len() {
            let has_more = at + 1 < args.len();
            if has_more && args.is(at, "ids") {
                let n = parse_i64(args.at(at + 1));
                let n = n.filter(|n| (1..=i64::from(i32::MAX)).contains(n));
                let n = n.ok_or(NO_COUNT)?;
                let rest = args.from(at + 2);
                let n = usize::try_from(n).ok().filter(|n| *n <= rest.len());
                let n = n.ok_or(TOO_FEW)?;
                options.ids = rest.first(n);
                at += 2 + n;
            } else if has_more && args.is(at, "retrycount") {
                let n = parse_i64(args.at(at + 1)).ok_or(CommandError::NotAnInteger)?;
                options.deliveries = Some(u64::try_from(n).map_err(|_| NEGATIVE)?);
                at += 2;
            } else if args.is(at, "force") {
                options.force = true;
                at += 1;
            } else {
                return Err(CommandError::naming(
                    "ERR Unrecognized XNACK option '",
                    args.at(at),
                    "'",
                ));
            }
        }
        if options.ids.is_empty() {
            Err(NO_IDS)
        } else {
            Ok(options)
        }
    }
}

/// `XNACK key group SILENT|FAIL|FATAL IDS numids id [id ...] [RETRYCOUNT count] [FORCE]`: gives
/// pending entries back. They have no owner then, and any consumer can claim them at once.
///
/// SILENT takes the last delivery off the count, FATAL sets the greatest count; RETRYCOUNT sets the
/// given count. FORCE makes an entry pending that is not. Reply: integer, the number of entries
/// given back. If any ID is invalid, nothing is given back. O(log n) an ID.
fn xnack(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (key, name) = (args.at(1), args.at(2));
    let stream = call.db.write::<Stream>(key)?;
    let stream = stream.filter(|stream| stream.group(name).is_some());
    let mut stream = stream.ok_or_else(|| ids::no_group(key, name))?;
    let mode = Mode::parse(args, 3)?;
    let options = NackOptions::parse(args, 4)?;
    for id in options.ids.iter() {
        ids::strict(id)?;
    }
    let was_newer = stream.newer_line().is_some();
    let mut given_back = 0;
    stream.with_group(name, |stream, group| {
        for id in options.ids.iter() {
            let Ok(id) = ids::strict(id) else { break };
            let before = match group.pending().get(id) {
                Some(nack) => nack.deliveries,
                None if options.force && stream.contains(id) => 0,
                None => continue,
            };
            let deliveries = options.deliveries.unwrap_or_else(|| mode.count(before));
            group.release(id, deliveries);
            given_back += 1;
        }
    });
    drop(stream);
    if given_back > 0 {
        if !was_newer {
            call.db.record_stream(key);
        }
        call.db.changed_within(key, given_back);
        call.db.signal(key);
    }
    call.reply.int(given_back as i64);
    Ok(())
}
