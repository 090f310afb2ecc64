//! The subcommands that only show: instances, addresses, caches, scripts.

use std::collections::BTreeSet;

use super::{Call, CallResult, ReplyCondition, show};
use crate::instances::{DataNode, Primary};
use crate::scripts::JobState;
use crate::time::Ms;
use russet_resp::Reply;

/// `MASTERS`
pub(super) fn masters(call: &mut Call<'_>) -> CallResult {
    let sentinel = &call.sentinel;
    call.reply.array(sentinel.primaries.len());
    for primary in sentinel.primaries.values() {
        show::primary(&sentinel.shared, primary, call.reply);
    }
    Ok(ReplyCondition::Send)
}

/// `MASTER name`
pub(super) fn master(call: &mut Call<'_>) -> CallResult {
    call.primary(call.args[2])?;
    let primary = &call.sentinel.primaries[call.args[2]];
    show::primary(&call.sentinel.shared, primary, call.reply);
    Ok(ReplyCondition::Send)
}

/// `REPLICAS name`: the announced replicas.
pub(super) fn replicas(call: &mut Call<'_>) -> CallResult {
    call.primary(call.args[2])?;
    let primary = &call.sentinel.primaries[call.args[2]];
    let shown = || {
        let replicas = primary.replicas.iter();
        replicas.filter(|(_, replica)| replica.node.is_announced)
    };
    call.reply.array(shown().count());
    for (name, replica) in shown() {
        let its = (name.as_slice(), replica);
        show::replica(&call.sentinel.shared, primary, its, call.reply);
    }
    Ok(ReplyCondition::Send)
}

/// `SENTINELS name`: the other Sentinels.
pub(super) fn sentinels(call: &mut Call<'_>) -> CallResult {
    call.primary(call.args[2])?;
    let primary = &call.sentinel.primaries[call.args[2]];
    call.reply.array(primary.peers.len());
    for (run_id, peer) in &primary.peers {
        let its = (run_id.as_slice(), peer);
        show::peer(&call.sentinel.shared, primary, its, call.reply);
    }
    Ok(ReplyCondition::Send)
}

/// `GET-MASTER-ADDR-BY-NAME name`: a null array for an unknown name.
pub(super) fn get_address(call: &mut Call<'_>) -> CallResult {
    let Some(primary) = call.sentinel.primaries.get(call.args[2]) else {
        call.reply.null_array();
        return Ok(ReplyCondition::Send);
    };
    let by_name = call.sentinel.shared.globals.announce_hostnames;
    let address = primary.current_address();
    call.reply.array(2);
    call.reply.bulk(address.shown(by_name));
    call.reply.bulk_int(address.port.into());
    Ok(ReplyCondition::Send)
}

/// `MYID`
pub(super) fn my_id(call: &mut Call<'_>) -> CallResult {
    call.reply.bulk(&call.sentinel.shared.my_id);
    Ok(ReplyCondition::Send)
}

fn write_info(node: &DataNode, now: Ms, reply: &mut Reply) {
    reply.array(2);
    reply.int(node.info_at.map_or(0, |at| now - at));
    match &node.info {
        Some(info) => reply.bulk(&info.text()),
        None => reply.null(),
    }
}

/// `INFO-CACHE name ...`: for each known name the age and text of each node's last INFO.
pub(super) fn info_cache(call: &mut Call<'_>) -> CallResult {
    let names: BTreeSet<&[u8]> = call.args[2..].iter().copied().collect();
    let sentinel = &call.sentinel;
    let known = names
        .iter()
        .filter_map(|name| sentinel.primaries.get(*name));
    let known: Vec<&Primary> = known.collect();
    let now = sentinel.shared.now;
    call.reply.array(known.len() * 2);
    for primary in known {
        call.reply.bulk(&primary.name);
        call.reply.array(primary.replicas.len() + 1);
        write_info(&primary.node, now, call.reply);
        for replica in primary.replicas.values() {
            write_info(&replica.node, now, call.reply);
        }
    }
    Ok(ReplyCondition::Send)
}

/// `PENDING-SCRIPTS`: scripts that run, and scripts that wait.
pub(super) fn pending_scripts(call: &mut Call<'_>) -> CallResult {
    let shared = &call.sentinel.shared;
    let reply = &mut *call.reply;
    reply.array(shared.scripts.jobs.len());
    for job in &shared.scripts.jobs {
        reply.map(5);
        reply.bulk(b"argv");
        reply.array(job.argv.len());
        job.argv.iter().for_each(|word| reply.bulk(word));
        let (flags, pid, time_name, time) = match job.state {
            JobState::Runs { since, pid } => {
                let pid = pid.unwrap_or(0);
                ("running", pid, "run-time", shared.now - since)
            }
            JobState::Waits(until) => {
                let delay = until.map_or(0, |until| (until - shared.now).max(0));
                ("scheduled", 0, "run-delay", delay)
            }
        };
        reply.bulk(b"flags");
        reply.bulk(flags.as_bytes());
        for (name, value) in [
            ("pid", pid),
            (time_name, time),
            ("retry-num", job.attempts.into()),
        ] {
            reply.bulk(name.as_bytes());
            reply.bulk_int(value);
        }
    }
    Ok(ReplyCondition::Send)
}
