//! `EXPLAIN name [COUNT n | FINDINGS]`: why failovers happened, or did not.

use super::{Call, CallResult, ReplyCondition, error};
use crate::explain::{entries, findings};
use russet_base::numbers::number::parse_i64;
use russet_resp::CommandError;

/// An array with one entry per attempt or situation, newest first: each an array of a headline and
/// lines of text in the order of time. If the primary is down and no failover runs, the first entry
/// has the conditions that are missing now. With FINDINGS: what is found now ([`Reply::findings`]).
pub(super) fn explain(call: &mut Call<'_>) -> CallResult {
    call.primary(call.args[2])?;
    let primary = &call.sentinel.primaries[call.args[2]];
    let shared = &call.sentinel.shared;
    let max = match call.args[3..] {
        [] => usize::MAX,
        [word] if word.eq_ignore_ascii_case(b"findings") => {
            call.reply.findings(&findings(shared, primary));
            return Ok(ReplyCondition::Send);
        }
        [word, number] if word.eq_ignore_ascii_case(b"count") => {
            let number = parse_i64(number).ok_or(CommandError::NotAnInteger)?;
            let number = usize::try_from(number).ok().filter(|&n| n > 0);
            number.ok_or_else(|| error("ERR COUNT must be positive"))?
        }
        _ => return Err(CommandError::Syntax),
    };
    let entries = entries(shared, primary, max);
    call.reply.array(entries.len());
    for lines in entries {
        call.reply.array(lines.len());
        for line in lines {
            call.reply.bulk(line.as_bytes());
        }
    }
    Ok(ReplyCondition::Send)
}
