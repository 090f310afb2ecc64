//! WAIT and WAITAOF: wait until replicas or the disk have this client's writes.
//!
//! There are no replicas yet, so waiting for one ends only by timeout. The append only file
//! acknowledges what an fsync has covered.

use crate::base::number::parse_i64;
use crate::command::{Arity, Category, CommandError, Flags};
use crate::commands::timeout_args;
use crate::resp::Reply;
use crate::server::{AofState, Call, Client, CommandResult, NO_AOF, OnTimeout, Server, Spec};

pub(super) const WAIT: Spec = Spec {
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
    let replicas = parse_i64(replicas).ok_or(CommandError::NotAnInteger)?;
    let timeout_ms = timeout_args::millis(timeout, call.db.now_ms())?;
    if replicas <= 0 || !call.may_block() {
        call.reply.int(0);
    } else {
        call.block_for_time(timeout_ms, OnTimeout::Reply(|reply| reply.int(0)));
    }
    Ok(())
}

pub(super) const WAITAOF: Spec = Spec {
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
    let timeout_ms = timeout_args::millis(timeout, call.db.now_ms())?;
    if local == 1 && !call.is_time_up() && call.server.persist.aof.state() == AofState::Off {
        return Err(NO_AOF);
    }
    let wrote_to = call.client.wrote_to;
    let kept = local_copies(call.server, call.client);
    if call.is_time_up() || replicas == 0 && local <= kept || !call.may_block() {
        write_both(call.reply, [kept, 0]);
    } else if local == 1 {
        let upto = (replicas == 0).then_some(wrote_to);
        call.block_until_synced(upto, timeout_ms);
    } else {
        call.block_for_time(timeout_ms, OnTimeout::Handler);
    }
    Ok(())
}

/// 1 if all writes of the client are on disk here.
fn local_copies(server: &Server, client: &Client) -> i64 {
    let kept = server.persist.aof.state() != AofState::Off
        && client.wrote_to <= server.persist.aof.synced();
    i64::from(kept)
}

/// Replies the numbers of local and replica copies.
fn write_both(reply: &mut Reply, both: [i64; 2]) {
    reply.array(2);
    both.into_iter().for_each(|n| reply.int(n));
}

#[cfg(test)]
mod tests {
    use crate::server::Testbed;

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
