//! Arguments of the commands of expiring fields in Valkey's dialect: `FIELDS n field ...` at the
//! end.
//!
//! The block begins at the first word FIELDS that is not the last word. The handlers parse all
//! arguments before they look at the key's type, except times after an option (EX and the like),
//! which they parse after it.

use crate::arguments::expiry::TimeForm;
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_resp::Args;

const MISMATCH: CommandError = CommandError::Text(
    "ERR numfields should be greater than 0 and match the provided number of fields",
);

/// The position of FIELDS, from argument `at` on.
pub(super) fn find(args: Args<'_>, at: usize) -> Result<usize, CommandError> {
    let mut rest = at..args.len() - 1;
    rest.find(|&at| args.is(at, "FIELDS")).ok_or(MISMATCH)
}

/// The arguments of `FIELDS n item ...` at `at`, to the end of the command; each item has `width`
/// of them.
pub(super) fn block(args: Args<'_>, at: usize, width: usize) -> Result<Args<'_>, CommandError> {
    fields(args, at, width, MISMATCH)
}

/// As [`block`], where FIELDS must be at `at`; `mismatch` is the error of a wrong number.
pub(super) fn block_only(
    args: Args<'_>,
    at: usize,
    mismatch: Option<CommandError>,
) -> Result<Args<'_>, CommandError> {
    if args.is(at, "FIELDS") {
        fields(args, at, 1, mismatch.unwrap_or(MISMATCH))
    } else {
        Err(CommandError::Syntax)
    }
}

fn fields(
    args: Args<'_>,
    at: usize,
    width: usize,
    mismatch: CommandError,
) -> Result<Args<'_>, CommandError> {
    let count = parse_i64(args.at(at + 1)).ok_or(CommandError::NotAnInteger)?;
    let items = args.from(at + 2);
    let fits = usize::try_from(count)
        .ok()
        .and_then(|n| n.checked_mul(width))
        == Some(items.len());
    if fits && count > 0 {
        Ok(items)
    } else {
        Err(mismatch)
    }
}

/// The options of HGETEX and HSETEX. Of a repeated option the last occurrence counts.
#[derive(Default)]
pub(super) struct Options<'a> {
    pub time: Option<(TimeForm, &'a [u8])>,
    pub persist: bool,
    pub keep_ttl: bool,
    /// NX (`false`) or XX: whether the key must exist.
    pub key_exists: Option<bool>,
    /// FNX (`false`) or FXX: whether the fields must exist.
    pub fields_exist: Option<bool>,
}

impl<'a> Options<'a> {
    /// Parses the options before the block at `end`; `sets`: the options of HSETEX.
    pub(super) fn parse(args: Args<'a>, end: usize, sets: bool) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut at = 2;
        while at < end {
            if let Some(form) = TimeForm::named(args, at) {
                let is_other = options.time.is_some_and(|(known, _)| known != form);
                if is_other || options.persist || options.keep_ttl || at + 1 == end {
                    return Err(CommandError::Syntax);
                }
                at += 1;
                options.time = Some((form, args.at(at)));
            } else if !sets && args.is(at, "PERSIST") && options.time.is_none() {
                options.persist = true;
            } else if sets && args.is(at, "KEEPTTL") && options.time.is_none() {
                options.keep_ttl = true;
            } else {
                let words = [
                    ("NX", false, false),
                    ("XX", false, true),
                    ("FNX", true, false),
                    ("FXX", true, true),
                ];
                let word = words.iter().find(|(word, ..)| sets && args.is(at, word));
                let &(_, of_fields, wanted) = word.ok_or(CommandError::Syntax)?;
                let condition = if of_fields {
                    &mut options.fields_exist
                } else {
                    &mut options.key_exists
                };
                if *condition.get_or_insert(wanted) != wanted {
                    return Err(CommandError::Syntax);
                }
            }
            at += 1;
        }
        Ok(options)
    }
}
