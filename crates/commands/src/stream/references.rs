//! The words KEEPREF, DELREF and ACKED, and a list of IDs after a number of IDs.

use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_resp::Args;
use russet_types::stream::References;

/// The mode that a word means, if the word is among the three.
#[inline]
pub(super) fn word(args: Args<'_>, at: usize) -> Option<References> {
    if args.is(at, "keepref") {
        Some(References::Keep)
    } else if args.is(at, "delref") {
        Some(References::Delete)
    } else if args.is(at, "acked") {
        Some(References::Acked)
    } else {
        None
    }
}

/// `[KEEPREF|DELREF|ACKED] IDS numids id ...`, in any order.
pub(super) struct DeleteOptions<'a> {
    pub references: References,
    pub ids: Args<'a>,
}

impl<'a> DeleteOptions<'a> {
    /// Parses the arguments from `from` on.
    pub fn parse(args: Args<'a>, from: usize) -> Result<DeleteOptions<'a>, CommandError> {
        const NO_COUNT: CommandError =
            CommandError::Text("ERR Number of IDs must be a positive integer");
        const TOO_FEW: CommandError =
            CommandError::Text("ERR The `numids` parameter must match the number of arguments");
        const NO_IDS: CommandError = CommandError::Text("ERR IDS option is required");
        let (mut references, mut ids) = (None, None);
        let mut at = from;
        while at < args.len() {
            if let Some(mode) = word(args, at)
                && references.is_none()
            {
                references = Some(mode);
                at += 1;
            } else if args.is(at, "ids") && at + 1 < args.len() {
                let n = parse_i64(args.at(at + 1)).filter(|n| *n > 0);
                let n = n.ok_or(NO_COUNT)?;
                let rest = args.from(at + 2);
                let n = usize::try_from(n).ok().filter(|n| *n <= rest.len());
                let n = n.ok_or(TOO_FEW)?;
                ids = Some(rest.first(n));
                at += 2 + n;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(DeleteOptions {
            references: references.unwrap_or_default(),
            ids: ids.ok_or(NO_IDS)?,
        })
    }
}
