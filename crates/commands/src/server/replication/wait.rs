//! WAIT and WAITAOF: wait until replicas or the disk have this client's writes.
//!
//! Replicas acknowledge the offset that they have applied, and the offset that is on their disks;
//! the server asks them before the loop sleeps. The append only file acknowledges the offset that
//! an fsync has covered.

use crate::arguments::timeout;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError, Flags};
use russet_resp::Reply;
use russet_server::{AofState, Call, Client, CommandResult, NO_AOF, Server, Spec};

pub(crate) const WAIT: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::BLOCKING,
    categories: Category::CONNECTION,
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    ..Spec::new("wait", wait)
};

/// `WAIT numreplicas timeout`: blocks until this many replicas have acknowledged all writes of this
/// client, or for `timeout` milliseconds (0: for ever).
///
/// Reply: the number of replicas that have. Inside MULTI it does not wait.
fn wait(call: &mut Call<'_>) -> CommandResult {
    let [_, replicas, timeout] = call.args.exactly();
    if call.server.replication.is_replica() {
        return Err(ON_REPLICA);
    }
    let replicas = parse_i64(replicas).ok_or(CommandError::NotAnInteger)?;
    let timeout_ms = timeout::millis(timeout, call.db.now_ms())?;
    let table = &call.server.replication.replicas;
    let acked = table.that_acked(call.client.written(&call.server.stream));
    let wanted = usize::try_from(replicas).unwrap_or(0);
    if acked >= wanted || call.is_time_up() || !call.may_block() {
        call.reply.int(acked as i64);
    } else {
        call.block_until_acked(wanted, None, timeout_ms);
    }
    Ok(())
}

const ON_REPLICA: CommandError = CommandError::Text(
    "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a \
     replica is configured to be writable (which is not the default) writes to replicas are just \
     local and are not propagated.",
);

const AOF_ON_REPLICA: CommandError = CommandError::Text(
    "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas \
     are just local and are not propagated.",
);

pub(crate) const WAITAOF: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::BLOCKING,
    categories: Category::CONNECTION,
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    ..Spec::new("waitaof", waitaof)
};

const NOT_LOCAL: &str = "ERR value is out of range, value must between 0 and 1";

/// `WAITAOF numlocal numreplicas timeout`: like WAIT, until the writes are on disk here
/// (`numlocal` 1) and on this many replicas.
///
/// Reply: array of both numbers; an error if `appendonly` is or becomes `no` while `numlocal` is 1.
fn waitaof(call: &mut Call<'_>) -> CommandResult {
    let [_, local, replicas, timeout] = call.args.exactly();
    let local = parse_i64(local).ok_or(CommandError::NotAnInteger)?;
    if !(0..=1).contains(&local) {
        return Err(CommandError::Text(NOT_LOCAL));
    }
    let replicas = parse_i64(replicas)
        .filter(|&n| n >= 0)
        .ok_or(CommandError::MustBePositive)?;
    let timeout_ms = timeout::millis(timeout, call.db.now_ms())?;
    if call.server.replication.is_replica() {
        return Err(AOF_ON_REPLICA);
    }
    if local == 1 && !call.is_time_up() && call.server.persist.aof.state() == AofState::Off {
        return Err(NO_AOF);
    }
    let wrote_to = call.client.written(&call.server.stream);
    let kept = local_copies(call.server, call.client);
    let acked = call.server.replication.replicas.that_synced(wrote_to) as i64;
    if call.is_time_up() || replicas <= acked && local <= kept || !call.may_block() {
        write_both(call.reply, [kept, acked]);
    } else if replicas <= acked {
        call.block_until_synced(Some(wrote_to), timeout_ms);
    } else {
        let replicas = usize::try_from(replicas).unwrap_or(usize::MAX);
        call.block_until_acked(replicas, Some(local == 1), timeout_ms);
    }
    Ok(())
}

/// 1 if all writes of the client are on disk here.
fn local_copies(server: &Server, client: &Client) -> i64 {
    let kept = server.persist.aof.state() != AofState::Off
        && client.written(&server.stream) <= server.persist.aof.synced();
    i64::from(kept)
}

/// Replies the numbers of local and replica copies.
fn write_both(reply: &mut Reply, both: [i64; 2]) {
    reply.array(2);
    both.into_iter().for_each(|n| reply.int(n));
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn without_replicas_one_waits_for_the_end_of_time() {
        let mut t = Testbed::new();
        let waiter = t.connect();
        assert_eq!(t.run_as(waiter, "WAIT 0 0"), ":0\r\n");
        assert_eq!(t.run_as(waiter, "WAITAOF 0 0 0"), "*2\r\n:0\r\n:0\r\n");
        for (line, reply) in [
            ("WAIT 1 50", ":0\r\n"),
            ("WAITAOF 0 1 50", "*2\r\n:0\r\n:0\r\n"),
        ] {
            assert_eq!(t.run_as(waiter, line), "");
            t.advance_ms(49);
            t.time_out_blocked();
            assert_eq!(t.take_reply(waiter), b"");
            t.advance_ms(1);
            t.time_out_blocked();
            assert_eq!(t.take_reply(waiter), reply.as_bytes());
        }
        t.run("MULTI");
        t.run("WAIT 1 0");
        assert_eq!(t.run("EXEC"), "*1\r\n:0\r\n");
    }

    #[test]
    fn numbers_are_checked_before_anybody_waits() {
        let mut t = Testbed::new();
        for (line, refusal) in [
            ("WAIT x 0", "value is not an integer or out of range"),
            ("WAIT 0 1.5", "timeout is not an integer or out of range"),
            ("WAIT 0 -1", "timeout is negative"),
            ("WAIT 0 9223372036854775807", "timeout is out of range"),
            (
                "WAITAOF 2 0 0",
                "value is out of range, value must between 0 and 1",
            ),
            ("WAITAOF 0 -1 0", "value is out of range, must be positive"),
            (
                "WAITAOF 1 0 0",
                "WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
            ),
        ] {
            assert_eq!(t.run(line), format!("-ERR {refusal}\r\n"));
        }
    }
}
