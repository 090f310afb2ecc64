//! `EX`, `PX`, `EXAT`, `PXAT` and the arithmetic of expiry times, for every group.

use crate::base::number::parse_i64;
use crate::command::CommandError;
use crate::resp::Args;

pub(super) const KEEPTTL: &str = "KEEPTTL";

/// A time as a client gave it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpireArg<'a> {
    pub text: &'a [u8],
    pub seconds: bool,
    /// Unix time, not a distance.
    pub absolute: bool,
}

impl<'a> ExpireArg<'a> {
    /// The option at `at` with its value behind it; `None` when it is none of these.
    pub fn parse(args: Args<'a>, at: usize) -> Option<ExpireArg<'a>> {
        let text = args.get(at + 1)?;
        let forms = [
            ("EX", true, false),
            ("PX", false, false),
            ("EXAT", true, true),
            ("PXAT", false, true),
        ];
        forms
            .iter()
            .find(|(word, ..)| args.is(at, word))
            .map(|&(_, seconds, absolute)| ExpireArg {
                text,
                seconds,
                absolute,
            })
    }

    /// Whether both are the same option: it may be repeated, another one may not follow.
    pub fn is_same_form(&self, other: &ExpireArg<'_>) -> bool {
        (self.seconds, self.absolute) == (other.seconds, other.absolute)
    }

    /// Unix milliseconds. Zero, negative and overflowing times are refused.
    pub fn unix_ms(&self, now_ms: i64, command: &'static str) -> Result<i64, CommandError> {
        let n = parse_i64(self.text).ok_or(CommandError::NotAnInteger)?;
        let invalid = || CommandError::InvalidExpire(command);
        if n <= 0 {
            return Err(invalid());
        }
        let ms = if self.seconds {
            n.checked_mul(1000).ok_or_else(invalid)?
        } else {
            n
        };
        if self.absolute {
            Ok(ms)
        } else {
            ms.checked_add(now_ms).ok_or_else(invalid)
        }
    }
}
