//! DEBUG's switches of the cluster's bus, for tests of nodes that cannot reach each other.

use crate::help::misused;
use crate::server::debug::on_off;
use russet_base::hashing::crc16;
use russet_base::numbers::number::parse_i64;
use russet_cluster::{Cluster, Switches};
use russet_command::CommandError;
use russet_server::{Call, CommandResult};

const DISABLED: CommandError = CommandError::Text("ERR This instance has cluster support disabled");

fn core<'c>(call: &'c mut Call<'_>) -> Result<&'c mut Cluster, CommandError> {
    let driver = call.server.cluster.as_deref_mut();
    driver.map(|driver| &mut driver.core).ok_or(DISABLED)
}

fn set(call: &mut Call<'_>, set: impl FnOnce(&mut Switches)) -> CommandResult {
    set(core(call)?.switches());
    call.reply.ok();
    Ok(())
}

/// `DEBUG DROP-CLUSTER-PACKET-FILTER type`: received messages of this type are dropped; -1: none,
/// -2: all.
pub(crate) fn drop_packets(call: &mut Call<'_>) -> CommandResult {
    let kind = parse_i64(call.args.at(2)).and_then(|kind| i32::try_from(kind).ok());
    let kind = kind.ok_or(CommandError::NotAnInteger)?;
    set(call, |switches| switches.drop_kind = kind)
}

/// `DEBUG CLOSE-CLUSTER-LINK-ON-PACKET-DROP 0|1`: the link of a dropped message is closed.
pub(crate) fn close_on_drop(call: &mut Call<'_>) -> CommandResult {
    let on = on_off(call.args.at(2));
    set(call, |switches| switches.close_on_drop = on)
}

/// `DEBUG DISABLE-CLUSTER-RANDOM-PING 0|1`.
pub(crate) fn no_random_ping(call: &mut Call<'_>) -> CommandResult {
    let on = on_off(call.args.at(2));
    set(call, |switches| switches.no_random_ping = on)
}

/// `DEBUG DISABLE-CLUSTER-RECONNECTION 0|1`: the node does not restore a lost link.
pub(crate) fn no_reconnection(call: &mut Call<'_>) -> CommandResult {
    let on = on_off(call.args.at(2));
    set(call, |switches| switches.no_reconnection = on)
}

/// `DEBUG INTERNAL_SECRET`: integer, a checksum of the secret that the nodes share, which shows
/// whether two nodes have the same secret.
pub(crate) fn internal_secret(call: &mut Call<'_>) -> CommandResult {
    let (checksum, _) = crc16::checksum(core(call)?.internal_secret().map_or(&[][..], |s| s), 1);
    call.reply.int(i64::from(checksum));
    Ok(())
}

/// `DEBUG SLOTMIGRATION PREVENT-PAUSE|PREVENT-FAILOVER 0|1`: migrations of slots stop before that
/// step.
pub(crate) fn slotmigration(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let on = on_off(args.at(3));
    if call.switch_slot_migration(args.at(2), on) {
        call.reply.ok()
    } else {
        return Err(misused(args));
    }
    Ok(())
}

/// `DEBUG CLUSTERLINK KILL to|from|all node-id`: closes links of the bus.
pub(crate) fn clusterlink(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if !args.is(2, "KILL") {
        return Err(misused(args));
    }
    let (to, from) = match args.at(3).to_ascii_lowercase().as_slice() {
        b"to" => (true, false),
        b"from" => (false, true),
        b"all" => (true, true),
        _ => (false, false),
    };
    core(call)?;
    let id = args.at(4);
    if call.kill_cluster_links(id, to, from) {
        call.reply.ok()
    } else {
        const UNKNOWN: &str = "ERR Unknown node ";
        return Err(CommandError::naming(UNKNOWN, id, ""));
    }
    Ok(())
}
