//! `EXPLAIN name [COUNT n]`: why failovers happened, or did not.

use super::{After, Call, Done, error};
use crate::explain::entries;
use russet_base::numbers::number::parse_i64;
use russet_resp::CommandError;

/// An array with one entry per attempt or situation, newest first: each an array of a headline and
/// lines of text in the order of time. If the primary is down and no failover runs, the first entry
/// has the conditions that are missing now.
pub(super) fn explain(call: &mut Call<'_>) -> Done {
    call.primary(call.args[2])?;
    let max = match call.args[3..] {
        [] => usize::MAX,
        [word, number] if word.eq_ignore_ascii_case(b"count") => {
            let number = parse_i64(number).ok_or(CommandError::NotAnInteger)?;
            let number = usize::try_from(number).ok().filter(|&n| n > 0);
            number.ok_or_else(|| error("ERR COUNT must be positive"))?
        }
        _ => return Err(CommandError::Syntax),
    };
    let sentinel = &call.sentinel;
    let primary = &sentinel.primaries[call.args[2]];
    let entries = entries(&sentinel.shared, primary, max);
    call.reply.array(entries.len());
    for lines in entries {
        call.reply.array(lines.len());
        for line in lines {
            call.reply.bulk(line.as_bytes());
        }
    }
    Ok(After::Send)
}
