//! `EX`, `PX`, `EXAT`, `PXAT` and the arithmetic of expiry times, for every group.

use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_resp::Args;

pub(crate) const KEEPTTL: &str = "KEEPTTL";

/// The form of a time in an argument or a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// Seconds from now.
    Ex,
    /// Milliseconds from now.
    Px,
    /// Unix seconds.
    ExAt,
    /// Unix milliseconds.
    PxAt,
}

impl TimeForm {
    /// The form named by the word at `at`.
    pub fn named(args: Args<'_>, at: usize) -> Option<TimeForm> {
        let forms = [
            ("EX", TimeForm::Ex),
            ("PX", TimeForm::Px),
            ("EXAT", TimeForm::ExAt),
            ("PXAT", TimeForm::PxAt),
        ];
        let found = forms.iter().find(|(word, _)| args.is(at, word));
        found.map(|&(_, form)| form)
    }

    /// Seconds, not milliseconds.
    pub fn is_seconds(self) -> bool {
        matches!(self, TimeForm::Ex | TimeForm::ExAt)
    }

    /// A point in time, not a distance from now.
    pub fn is_absolute(self) -> bool {
        matches!(self, TimeForm::ExAt | TimeForm::PxAt)
    }

    /// The origin of times in this form, Unix milliseconds.
    pub fn base_ms(self, now_ms: i64) -> i64 {
        if self.is_absolute() { 0 } else { now_ms }
    }

    /// Unix milliseconds of `given`; `None` on overflow.
    pub fn unix_ms(self, given: i64, now_ms: i64) -> Option<i64> {
        let ms = given.checked_mul(if self.is_seconds() { 1000 } else { 1 })?;
        ms.checked_add(self.base_ms(now_ms))
    }
}

/// A time as given by a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpireArg<'a> {
    pub text: &'a [u8],
    pub form: TimeForm,
}

impl<'a> ExpireArg<'a> {
    /// The option at `at` and the option's value; `None` if the word is no such option.
    pub fn parse(args: Args<'a>, at: usize) -> Option<ExpireArg<'a>> {
        let (text, form) = (args.get(at + 1)?, TimeForm::named(args, at)?);
        Some(ExpireArg { text, form })
    }

    /// Whether both are the same option: it may be repeated, but not combined with another.
    pub fn is_same_form(&self, other: &ExpireArg<'_>) -> bool {
        self.form == other.form
    }

    /// Unix milliseconds. Zero, negative and overflowing times are refused.
    pub fn unix_ms(&self, now_ms: i64, command: &'static str) -> Result<i64, CommandError> {
        let given = parse_i64(self.text).ok_or(CommandError::NotAnInteger)?;
        let when = (given > 0).then(|| self.form.unix_ms(given, now_ms));
        when.flatten().ok_or(CommandError::InvalidExpire(command))
    }
}
