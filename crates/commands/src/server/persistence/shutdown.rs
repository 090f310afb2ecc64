//! SHUTDOWN.

use russet_command::{Arity, CommandError, Facts, Flags};
use russet_config::Dialect;
use russet_server::EndReason;
use russet_server::{Call, ClientFlags, CommandResult, ShutdownRequest, Spec, World};

pub(crate) const SHUTDOWN: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: Flags::TAKES_OVER
        .union(Flags::ADMIN)
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::SENTINEL)
        .union(Flags::NO_MULTI)
        .union(Flags::ALLOW_BUSY),
    facts: Facts::MENDS_AUDIT,
    ..Spec::new("shutdown", shutdown)
};

const NOTHING_TO_ABORT: &str = "ERR No shutdown in progress.";
const NO_CLUSTER: &str = "ERR SHUTDOWN FAILOVER is only supported in cluster mode.";
const CANNOT_SAVE: &str = "ERR Errors trying to SHUTDOWN. Check logs.";

/// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [SAFE] [FAILOVER] [ABORT]`; SAFE and FAILOVER are
/// Valkey's.
///
/// Reply: none, the connection closes; an error if the server keeps running because the final
/// snapshot failed and FORCE was not given. Without SAVE or NOSAVE the save points decide whether
/// to take one. SAFE: an error on a primary of a cluster that votes. FAILOVER: the server first
/// asks a replica of the cluster to take over. ABORT excludes all other options.
fn shutdown(call: &mut Call<'_>) -> CommandResult {
    let mut request = ShutdownRequest::default();
    let mut aborts = false;
    let is_valkey = call.server.config.dialect == Dialect::Valkey;
    for i in 1..call.args.len() {
        if call.args.is(i, "NOSAVE") && request.save != Some(true) {
            request.save = Some(false);
        } else if call.args.is(i, "SAVE") && request.save != Some(false) {
            request.save = Some(true);
        } else if call.args.is(i, "NOW") {
            request.now = true;
        } else if call.args.is(i, "FORCE") {
            request.force = true;
        } else if call.args.is(i, "ABORT") {
            aborts = true;
        } else if is_valkey && call.args.is(i, "SAFE") {
            request.safe = true;
        } else if is_valkey && call.args.is(i, "FAILOVER") {
            request.failover = true;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if aborts {
        if request != ShutdownRequest::default() {
            return Err(CommandError::Syntax);
        }
        let world = call.world();
        if !world.server.abort_shutdown(world.keyspace) {
            return Err(CommandError::Text(NOTHING_TO_ABORT));
        }
        call.reply.ok();
        return Ok(());
    }
    if request.failover && call.server.cluster.is_none() {
        return Err(CommandError::Text(NO_CLUSTER));
    }
    if request.save != Some(false) && call.server.scripting.is_busy() {
        // The script is only half done.
        return Err(call.server.scripting.busy_error(call.server.config.dialect));
    }
    if call.server.shutdown.waiting.is_some() && !request.now {
        // The client waits together with the client that requested the shutdown first.
        call.block_until_shutdown();
        return Ok(());
    }
    tracing::info!("User requested shutdown...");
    if !call.server.scripting.is_running() {
        // The save includes changes of this turn.
        call.server.begin_shutdown(request, false);
        call.block_until_shutdown();
        return Ok(());
    }
    let World {
        keyspace, server, ..
    } = call.world();
    if !server.end_shutdown(keyspace, request, false) {
        return Err(CommandError::Text(CANNOT_SAVE));
    }
    // Commands that the client sent after SHUTDOWN do not run.
    call.client.flags |= ClientFlags::CLOSE_ASAP;
    call.client.ends_by(EndReason::Shutdown);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn options_that_contradict_are_a_syntax_error() {
        let mut t = Testbed::new();
        for line in ["SHUTDOWN SAVE NOSAVE", "SHUTDOWN ABORT NOW", "SHUTDOWN x"] {
            assert_eq!(t.run(line), "-ERR syntax error\r\n", "{line}");
        }
        assert_eq!(t.run("SHUTDOWN ABORT"), "-ERR No shutdown in progress.\r\n");
        assert!(t.engine.server.shutdown.request.is_none());
    }

    #[test]
    fn a_transaction_cannot_hold_it() {
        let mut t = Testbed::new();
        t.run("MULTI");
        assert_eq!(
            t.run("SHUTDOWN NOSAVE"),
            "-ERR Command not allowed inside a transaction\r\n"
        );
    }
}
