//! `FAILOVER name [COORDINATED]`: a failover on an operator's order.

use super::{Call, CallResult, ReplyCondition, error};
use crate::explain::record;
use crate::failover;
use crate::failover::select::select;
use crate::failover::votes;
use crate::instances::{FailoverKind, FailoverSeen};
use russet_host::Level;

/// Without COORDINATED no election is held, and the primary may be down. With it the primary hands
/// over to the replica, after an election.
pub(super) fn failover(call: &mut Call<'_>) -> CallResult {
    let primary = call.primary(call.args[2])?;
    let kind = match call.args.get(3) {
        None => FailoverKind::Forced,
        Some(word) if !word.eq_ignore_ascii_case(b"coordinated") => {
            return Err(error("ERR Unknown failover option specified"));
        }
        Some(_) if primary.node.failover == FailoverSeen::Unsupported => {
            let text = "NOGOODPRIMARY Primary does not support FAILOVER command";
            return Err(error(text));
        }
        Some(_) => FailoverKind::Coordinated,
    };
    if primary.failover.is_running() {
        return Err(error("INPROG Failover already in progress"));
    }
    let shared = &mut call.sentinel.shared;
    let primaries = &mut call.sentinel.primaries;
    let primary = primaries.get_mut(call.args[2]).expect("looked up above");
    if select(shared, primary).is_none() {
        record::refused(shared, primary);
        return Err(error("NOGOODSLAVE No suitable replica to promote"));
    }
    let name = String::from_utf8_lossy(call.args[2]);
    let text = format!("Executing user requested FAILOVER of '{name}'");
    shared.log(Level::Notice, text);
    let watch = &mut primary.node.watch;
    (watch.is_down, watch.down_since) = (true, Some(shared.now));
    failover::start(shared, primary, kind);
    if kind == FailoverKind::Coordinated {
        let (epoch, my_id) = (shared.current_epoch, shared.my_id.clone());
        votes::vote(shared, primary, epoch, &my_id);
        votes::ask(shared, primary, true);
    }
    call.reply.ok();
    Ok(ReplyCondition::Send)
}
