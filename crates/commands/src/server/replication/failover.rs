//! FAILOVER: a replica takes over this primary's role.

use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError, Flags};
use russet_server::{Call, CommandResult, FailoverRequest, Spec};

pub(crate) const FAILOVER: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::STALE)
        .union(Flags::TAKES_OVER),
    ..Spec::new("failover", failover)
};

/// `FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT ms]`: writes wait until a replica has received
/// all earlier writes; then the replica becomes the primary, and this server follows it.
///
/// Reply: OK when the failover has begun; INFO replication reports the progress.
fn failover(call: &mut Call<'_>) -> CommandResult {
    if call.server.cluster.is_some() {
        const TEXT: &str =
            "ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.";
        return Err(CommandError::Text(TEXT));
    }
    let args = call.args;
    let mut request = FailoverRequest::default();
    let mut aborts = false;
    let mut at = 1;
    while at < args.len() {
        let word = args.at(at).to_ascii_lowercase();
        let left = args.len() - at - 1;
        match &word[..] {
            b"timeout" if left >= 1 && request.timeout_ms.is_none() => {
                let ms = parse_i64(args.at(at + 1)).ok_or(CommandError::NotAnInteger)?;
                request.timeout_ms = match u64::try_from(ms) {
                    Ok(ms @ 1..) => Some(ms),
                    _ => {
                        const TEXT: &str = "ERR FAILOVER timeout must be greater than 0";
                        return Err(CommandError::Text(TEXT));
                    }
                };
                at += 1;
            }
            b"abort" if args.len() == 2 => aborts = true,
            b"to" if left >= 2 && request.target.is_none() => {
                let port = parse_i64(args.at(at + 2)).ok_or(CommandError::NotAnInteger)?;
                let port = u16::try_from(port)
                    .map_err(|_| CommandError::Text("ERR value is out of range"))?;
                request.target = Some((args.at(at + 1).to_vec(), port));
                at += 2;
                if args.len() > at + 1 && args.at(at + 1).eq_ignore_ascii_case(b"force") {
                    request.forced = true;
                    at += 1;
                }
            }
            b"force" => request.forced = true,
            _ => return Err(CommandError::Syntax),
        }
        at += 1;
    }
    if aborts {
        let world = call.world();
        if !world
            .server
            .abort_failover(world.keyspace, "Failover manually aborted")
        {
            return Err(CommandError::Text("ERR No failover in progress."));
        }
    } else {
        call.server.fail_over(request)?;
    }
    call.reply.ok();
    Ok(())
}
