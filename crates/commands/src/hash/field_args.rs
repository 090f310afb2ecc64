//! Shared by the field expiry commands: times, `FIELDS n field ...`, and the expiry of a field.
//!
//! A time is at most 2^46 - 1 ms, Redis's bits; the dialect decides whether a later time is refused
//! or cut. A past time is valid: [`expire_field`] then deletes the field.
//!
//! Cost: O(1) to parse, because the fields stay arguments; no field is copied.
//!
//! Decided elsewhere: Valkey's grammar: `fields_last`; the stored expiry: `types::hash`.

use crate::arguments::expiry::TimeForm;
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_config::Dialect;
use russet_resp::Args;
use russet_types::import::FIELD_EXPIRY_MAX;
use russet_types::{ExpiryChange, Hash};

/// The latest expiry time of a field: Redis stores 46 bits.
const EXPIRE_MS_MAX: i64 = FIELD_EXPIRY_MAX.cast_signed();

const NEGATIVE_TIME: CommandError = CommandError::Text("ERR invalid expire time, must be >= 0");
const NO_FIELDS_WORD: CommandError =
    CommandError::Text("ERR Mandatory argument FIELDS is missing or not at the right position");
const COUNT_MISMATCH: CommandError =
    CommandError::Text("ERR The `numfields` parameter must match the number of arguments");

const TOO_FEW: CommandError = CommandError::Text("ERR wrong number of arguments");
pub(super) const SECOND_FIELDS_WORD: CommandError =
    CommandError::Text("ERR FIELDS keyword specified multiple times");
pub(super) const NO_TIME: CommandError = CommandError::Text("ERR missing expire time");
pub(super) const INVALID_COUNT: CommandError = CommandError::Text("ERR invalid number of fields");

pub(super) fn unknown_argument(text: &[u8]) -> CommandError {
    CommandError::naming("ERR unknown argument: ", text, "")
}

/// The usual error for a bad count of fields.
pub(super) const BAD_COUNT: CommandError =
    CommandError::Text("ERR Number of fields must be a positive integer");

/// A time in Unix milliseconds, possibly in the past.
pub(super) fn parse_when(
    text: &[u8],
    form: TimeForm,
    now_ms: i64,
    (dialect, command): (Dialect, &'static str),
) -> Result<u64, CommandError> {
    let given = parse_i64(text).ok_or(CommandError::NotAnInteger)?;
    if given < 0 {
        return Err(if dialect.fields_last() {
            CommandError::InvalidExpire(command)
        } else {
            NEGATIVE_TIME
        });
    }
    let when = form.unix_ms(given, now_ms);
    let when = if dialect.refuses_late_fields() {
        when.filter(|&ms| ms <= EXPIRE_MS_MAX)
    } else {
        when.map(|ms| ms.min(EXPIRE_MS_MAX))
    };
    when.map(i64::cast_unsigned)
        .ok_or(CommandError::InvalidExpire(command))
}

/// The fields of `FIELDS n field ...`, from argument `at` to the end of the command.
pub(super) fn parse_fields<'a>(
    args: Args<'a>,
    at: usize,
    bad_count: CommandError,
) -> Result<Args<'a>, CommandError> {
    if !args.is(at, "FIELDS") {
        return Err(NO_FIELDS_WORD);
    }
    let count = args.get(at + 1).and_then(parse_i64).filter(|&n| n >= 1);
    let count = count.ok_or(bad_count)?;
    let fields = args.from(at + 2);
    if usize::try_from(count) != Ok(fields.len()) {
        return Err(COUNT_MISMATCH);
    }
    Ok(fields)
}

/// The arguments of `FIELDS n item ...` at `at`, where options may follow; each item has `width` of
/// them. Returns them and the position after them.
pub(super) fn parse_block<'a>(
    args: Args<'a>,
    at: usize,
    width: usize,
    bad_count: CommandError,
) -> Result<(Args<'a>, usize), CommandError> {
    let count = args.get(at + 1).and_then(parse_i64);
    let count = count.filter(|n| (1..=i64::from(i32::MAX)).contains(n));
    let end = at + 2 + count.ok_or(bad_count)? as usize * width;
    if end > args.len() {
        return Err(TOO_FEW);
    }
    Ok((args.first(end).from(at + 2), end))
}

/// NX, XX, GT, LT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    WithoutExpiry,
    WithExpiry,
    Later,
    /// Also holds for a field without expiry.
    Sooner,
    /// Does not hold for such a field: XX with LT, which only Valkey takes.
    SoonerThanBefore,
}

impl Condition {
    fn holds(self, old: Option<u64>, new: u64) -> bool {
        match (self, old) {
            (Condition::Always, _) => true,
            (Condition::WithoutExpiry, old) => old.is_none(),
            (Condition::WithExpiry, old) => old.is_some(),
            (Condition::Later, old) => old.is_some_and(|old| new > old),
            (Condition::Sooner, old) => old.is_none_or(|old| new < old),
            (Condition::SoonerThanBefore, old) => old.is_some_and(|old| new < old),
        }
    }
}

/// The outcome of setting a field's expiry; the numbers are HEXPIRE's replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExpireOutcome {
    NoField = -2,
    ConditionNotMet = 0,
    Set = 1,
    /// The time has passed.
    Deleted = 2,
}

/// Sets a field's expiry, or deletes it if the time has passed.
pub(super) fn expire_field(
    hash: &mut Hash,
    field: &[u8],
    when: u64,
    now: u64,
    condition: Condition,
) -> ExpireOutcome {
    let change = hash.change_expiry(field, |old| {
        if !condition.holds(old, when) {
            ExpiryChange::Keep
        } else if when <= now {
            ExpiryChange::Remove
        } else {
            ExpiryChange::Set(when)
        }
    });
    match change {
        None => ExpireOutcome::NoField,
        Some(ExpiryChange::Keep) => ExpireOutcome::ConditionNotMet,
        Some(ExpiryChange::Remove) => ExpireOutcome::Deleted,
        Some(ExpiryChange::Set(_)) => ExpireOutcome::Set,
    }
}
