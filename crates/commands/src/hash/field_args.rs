//! Shared by the field expiry commands and those of sets' members: times, `FIELDS n field ...` or
//! `MEMBERS n member ...`, and the expiry of a field or member.
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

/// The word before the names of elements, and the errors that name it.
pub(crate) struct BlockWords {
    pub(crate) word: &'static str,
    /// The word is not where it must be.
    pub(crate) misplaced: &'static str,
    /// The count must match the names.
    pub(crate) mismatch: &'static str,
    /// The usual error for a bad count.
    pub(crate) bad_count: &'static str,
    /// As `bad_count`, where options may follow the names.
    pub(crate) bad_number: &'static str,
    pub(crate) repeated: &'static str,
    /// No count, or no name.
    pub(crate) cut_off: &'static str,
    pub(crate) missing: &'static str,
}

pub(super) const FIELDS: BlockWords = BlockWords {
    word: "FIELDS",
    misplaced: "ERR Mandatory argument FIELDS is missing or not at the right position",
    mismatch: "ERR The `numfields` parameter must match the number of arguments",
    bad_count: "ERR Number of fields must be a positive integer",
    bad_number: "ERR Parameter `numFields` should be greater than 0",
    repeated: "ERR FIELDS keyword specified multiple times",
    cut_off: "ERR FIELDS requires at least numfields and one field argument",
    missing: "ERR missing FIELDS argument",
};
const TOO_FEW: CommandError = CommandError::Text("ERR wrong number of arguments");
pub(super) const SECOND_FIELDS_WORD: CommandError = CommandError::Text(FIELDS.repeated);
pub(crate) const NO_TIME: CommandError = CommandError::Text("ERR missing expire time");
pub(super) const INVALID_COUNT: CommandError = CommandError::Text("ERR invalid number of fields");

pub(crate) fn unknown_argument(text: &[u8]) -> CommandError {
    CommandError::naming("ERR unknown argument: ", text, "")
}

/// The usual error for a bad count of fields.
pub(super) const BAD_COUNT: CommandError = CommandError::Text(FIELDS.bad_count);

/// A time in Unix milliseconds, possibly in the past.
pub(crate) fn parse_when(
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
    parse_names(args, at, &FIELDS, bad_count)
}

/// As [`parse_fields`], after the word of `words`.
pub(crate) fn parse_names<'a>(
    args: Args<'a>,
    at: usize,
    words: &BlockWords,
    bad_count: CommandError,
) -> Result<Args<'a>, CommandError> {
    if !args.is(at, words.word) {
        return Err(CommandError::Text(words.misplaced));
    }
    let count = args.get(at + 1).and_then(parse_i64).filter(|&n| n >= 1);
    let count = count.ok_or(bad_count)?;
    let names = args.from(at + 2);
    if usize::try_from(count) != Ok(names.len()) {
        return Err(CommandError::Text(words.mismatch));
    }
    Ok(names)
}

/// The arguments of `FIELDS n item ...` at `at`, where options may follow; each item has `width` of
/// them. Returns them and the position after them.
pub(crate) fn parse_block<'a>(
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
pub(crate) enum Condition {
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

    /// The change of an expiry that is set to `when` at the time `now`.
    pub(crate) fn decide(self, old: Option<u64>, when: u64, now: u64) -> ExpiryChange {
        if !self.holds(old, when) {
            ExpiryChange::Keep
        } else if when <= now {
            ExpiryChange::Remove
        } else {
            ExpiryChange::Set(when)
        }
    }
}

/// The outcome of setting a field's expiry; the numbers are HEXPIRE's replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpireOutcome {
    NoField = -2,
    ConditionNotMet = 0,
    Set = 1,
    /// The time has passed.
    Deleted = 2,
}

impl ExpireOutcome {
    /// The outcome of a decision; `None`: there is no such field.
    pub(crate) fn of(change: Option<ExpiryChange>) -> ExpireOutcome {
        match change {
            None => ExpireOutcome::NoField,
            Some(ExpiryChange::Keep) => ExpireOutcome::ConditionNotMet,
            Some(ExpiryChange::Remove) => ExpireOutcome::Deleted,
            Some(ExpiryChange::Set(_)) => ExpireOutcome::Set,
        }
    }
}

/// Sets a field's expiry, or deletes it if the time has passed.
pub(super) fn expire_field(
    hash: &mut Hash,
    field: &[u8],
    when: u64,
    now: u64,
    condition: Condition,
) -> ExpireOutcome {
    let decide = |old| condition.decide(old, when, now);
    ExpireOutcome::of(hash.change_expiry(field, decide))
}
