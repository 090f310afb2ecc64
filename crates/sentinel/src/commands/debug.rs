//! DEBUG (the periods) and SIMULATE-FAILURE.

use super::{Call, CallResult, ReplyCondition, error, error_naming};
use crate::shared::SimulatedFailures;
use crate::time::MS_MAX;
use russet_base::numbers::number::parse_i64;
use russet_host::Level;

/// `DEBUG`: all periods; `DEBUG period milliseconds ...`: sets some, in their order.
pub(super) fn debug(call: &mut Call<'_>) -> CallResult {
    let periods = &mut call.sentinel.shared.periods;
    if call.args.len() == 2 {
        let all = periods.all();
        call.reply.map(all.len());
        for (name, value) in all {
            call.reply.bulk(name.to_ascii_uppercase().as_bytes());
            call.reply.bulk_int(*value);
        }
        return Ok(ReplyCondition::Send);
    }
    for pair in call.args[2..].chunks(2) {
        let mut all = periods.all().into_iter();
        let period = all.find(|(name, _)| pair[0].eq_ignore_ascii_case(name.as_bytes()));
        let (Some((_, period)), Some(&value)) = (period, pair.get(1)) else {
            const UNKNOWN: &str = "ERR Unknown option or number of arguments for SENTINEL DEBUG '";
            return Err(error_naming(UNKNOWN, pair[0], "'"));
        };
        let Some(number) = parse_i64(value).filter(|&n| n > 0) else {
            let before = [b"ERR Invalid argument '", value, b"' for SENTINEL DEBUG '"].concat();
            let before = String::from_utf8_lossy(&before).into_owned();
            return Err(error_naming(&before, pair[0], "'"));
        };
        *period = number.min(MS_MAX);
    }
    call.reply.ok();
    Ok(ReplyCondition::Send)
}

/// `SIMULATE-FAILURE flag ...`: the points of a failover at which this process is to end.
pub(super) fn simulate_failure(call: &mut Call<'_>) -> CallResult {
    let shared = &mut call.sentinel.shared;
    shared.simulated = SimulatedFailures::empty();
    for word in &call.args[2..] {
        let (flag, when) = match word.to_ascii_lowercase().as_slice() {
            b"crash-after-election" => (
                SimulatedFailures::CRASH_AFTER_ELECTION,
                "being successfully elected as failover leader",
            ),
            b"crash-after-promotion" => (
                SimulatedFailures::CRASH_AFTER_PROMOTION,
                "promoting the selected replica to master",
            ),
            b"help" => {
                call.reply.array(2);
                call.reply.bulk(b"crash-after-election");
                call.reply.bulk(b"crash-after-promotion");
                return Ok(ReplyCondition::Send);
            }
            _ => return Err(error("ERR Unknown failure simulation specified")),
        };
        shared.simulated |= flag;
        let text = format!("Failure simulation: this Sentinel will crash after {when}");
        shared.log(Level::Warning, text);
    }
    call.reply.ok();
    Ok(ReplyCondition::Send)
}
