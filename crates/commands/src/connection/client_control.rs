//! CLIENT KILL, PAUSE, UNPAUSE, UNBLOCK: control of other connections.
//!
//! The server closes a client that kills itself only after the reply. The whole server has one
//! pause: a second CLIENT PAUSE keeps the later end and takes the new mode.
//!
//! Cost: KILL O(connections), whatever the filter.
//!
//! Decided elsewhere: filters: `client_filter`; commands that a pause holds: `server.gates`.

use super::client_filter::Filter;
use super::client_flags::USUAL;
use crate::help::misused;
use russet_base::numbers::number::parse_i64;
use russet_base::text::Printable;
use russet_command::{Arity, Category, CommandError, Flags};
use russet_keyspace::ClientId;
use russet_server::{Call, CommandResult, Pause, Spec, World};
use russet_server::{Disconnection, EndReason};

pub(super) const KILL: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: USUAL.union(Flags::ADMIN),
    categories: Category::CONNECTION,
    ..Spec::new("kill", kill)
};

/// `CLIENT KILL ip:port`, `CLIENT KILL filter value ... [SKIPME yes|no]`; the filters are in
/// `client_filter`.
///
/// Reply: OK or an error in the old form, the number of closed connections in the new form. The
/// server closes this connection after the reply is sent; the old form does not spare it.
fn kill(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let old_form = args.len() == 3;
    let filter = if old_form {
        Filter::of_address(args.at(2))
    } else {
        Filter::parse(call.server, args, 2, true)?
    };
    let others = call.server.clients.iter();
    let doomed: Vec<ClientId> = others
        .filter(|s| filter.fits(call.server, &s.client))
        .map(|s| s.client.id)
        .collect();
    let World {
        keyspace,
        server,
        client,
        ..
    } = call.world();
    let user = String::from_utf8_lossy(server.acl.users.name(client.user));
    let (id, peer) = (client.id.0, &client.identity.peer);
    let detail = format!(
        "by client {id}, {peer}, user {}",
        Printable(user.as_bytes())
    );
    let by = Disconnection::new(EndReason::Killed, detail);
    let mut killed = 0;
    for id in doomed {
        if let Some(session) = server.clients.get(id) {
            server.log_dropped(session, "CLIENT KILL");
        }
        killed += server.kill_client(keyspace, id, by.clone()) as i64;
    }
    if !filter.skip_me && filter.fits(server, client) {
        client.close_after_reply(by);
        killed += 1;
    }
    match (old_form, killed) {
        (true, 0) => return Err(CommandError::Text("ERR No such client")),
        (true, _) => call.reply.ok(),
        (false, n) => call.reply.int(n),
    }
    Ok(())
}

pub(super) const PAUSE: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: USUAL.union(Flags::ADMIN),
    categories: Category::CONNECTION,
    ..Spec::new("pause", pause)
};

/// `CLIENT PAUSE milliseconds [WRITE|ALL]`: delays commands; connections stay open.
///
/// A running pause that ends later keeps the later end but takes the new mode.
fn pause(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let all = match args.len() {
        3 => true,
        4 if args.is(3, "WRITE") => false,
        4 if args.is(3, "ALL") => true,
        4 => {
            return Err(CommandError::Text(
                "ERR CLIENT PAUSE mode must be WRITE or ALL",
            ));
        }
        _ => return Err(misused(args)),
    };
    let timeout_ms = parse_i64(args.at(2)).ok_or(CommandError::BadTimeoutMs)?;
    if timeout_ms < 0 {
        return Err(CommandError::NegativeTimeout);
    }
    // Redis stores the end as a Unix time: an overflow is refused.
    if timeout_ms > i64::MAX - call.db.now_ms() {
        return Err(CommandError::TimeoutOutOfRange);
    }
    let server = &mut *call.server;
    let now = server.now.mono_ms;
    let running = server.gates.client_pause.map_or(0, |p| p.until_ms);
    let until_ms = running.max(now.saturating_add(timeout_ms as u64));
    // A pause that has already ended releases all clients.
    let lasting = (until_ms > now).then_some(Pause { until_ms, all });
    server.change_pause(|gates| gates.client_pause = lasting);
    call.reply.ok();
    Ok(())
}

pub(super) const UNPAUSE: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: USUAL.union(Flags::ADMIN),
    categories: Category::CONNECTION,
    ..Spec::new("unpause", unpause)
};

/// `CLIENT UNPAUSE`.
fn unpause(call: &mut Call<'_>) -> CommandResult {
    call.server.change_pause(|gates| gates.client_pause = None);
    call.reply.ok();
    Ok(())
}

pub(super) const UNBLOCK: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: USUAL.union(Flags::ADMIN),
    categories: Category::CONNECTION,
    ..Spec::new("unblock", unblock)
};

/// `CLIENT UNBLOCK id [TIMEOUT|ERROR]`: ends a wait as the deadline would, or with an error.
///
/// Reply: 1, or 0 if no client with this ID is blocked, or only the client's login attempt is
/// delayed.
fn unblock(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let error = match args.len() {
        3 => None,
        4 if args.is(3, "TIMEOUT") => None,
        4 if args.is(3, "ERROR") => Some(UNBLOCKED),
        4 => {
            const BAD: &str = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR";
            return Err(CommandError::Text(BAD));
        }
        _ => return Err(misused(args)),
    };
    let id = parse_i64(args.at(2)).ok_or(CommandError::NotAnInteger)?;
    let World {
        keyspace, server, ..
    } = call.world();
    let id = ClientId(id as u64);
    let done = !server.waits_in_any_case(id) && server.unblock_client(keyspace, id, error.as_ref());
    if done && error.is_some() {
        // As in Redis, unblocking a client with an error counts as a failed call.
        call.server.diagnostics.command_stats[call.row].failed += 1;
    }
    call.reply.int(done as i64);
    Ok(())
}

const UNBLOCKED: CommandError = CommandError::Text("UNBLOCKED client unblocked via CLIENT UNBLOCK");

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn the_old_form_kills_by_address_and_does_not_spare_itself() {
        let mut t = Testbed::new();
        assert_eq!(t.run("CLIENT KILL 1.2.3.4:5"), "-ERR No such client\r\n");
        assert_eq!(t.run("CLIENT KILL /test:0"), "+OK\r\n");
    }

    #[test]
    fn filters_must_all_fit() {
        let mut t = Testbed::new();
        let (a, b) = (t.connect(), t.connect());
        assert_eq!(
            t.run(&format!("CLIENT KILL ID {} TYPE pubsub", a.0)),
            ":0\r\n"
        );
        assert_eq!(t.run("CLIENT KILL USER default MAXAGE 2000000"), ":0\r\n");
        assert_eq!(
            t.run(&format!("CLIENT KILL ID {} ADDR /test:0", a.0)),
            ":1\r\n"
        );
        assert_eq!(t.run(&format!("CLIENT KILL ID {}", a.0)), ":0\r\n");
        assert_eq!(t.run("CLIENT KILL LADDR /test:0 SKIPME no"), ":2\r\n");
        assert_eq!(t.run(&format!("CLIENT KILL ID {}", b.0)), ":0\r\n");
    }

    #[test]
    fn a_killed_client_gets_no_element() {
        // The element would be lost, because the connection closes before the server could send it.
        let mut t = Testbed::new();
        let waiting = t.connect();
        t.run_as(waiting, "BLPOP list 0");
        t.run(&format!("CLIENT KILL ID {}", waiting.0));
        assert_eq!(t.engine.server.clients.blocked, 0);
        assert!(t.engine.keyspace.waiting.is_empty());
    }

    #[test]
    fn an_error_for_another_client_is_a_failed_call() {
        let mut t = Testbed::new();
        let waiting = t.connect();
        let stats = |t: &mut Testbed| {
            let all = t.run("INFO commandstats");
            let line = all
                .lines()
                .find(|l| l.starts_with("cmdstat_client|unblock:"));
            line.expect("it ran").split(',').nth(4).map(str::to_owned)
        };
        for (how, failed) in [("TIMEOUT", 0), ("ERROR", 1), ("ERROR", 2)] {
            t.run_as(waiting, "BLPOP list 0");
            let unblock = format!("CLIENT UNBLOCK {} {how}", waiting.0);
            assert_eq!(t.run(&unblock), ":1\r\n");
            assert_eq!(t.run(&unblock), ":0\r\n");
            assert_eq!(stats(&mut t), Some(format!("failed_calls={failed}")));
        }
    }

    #[test]
    fn refusals_are_those_of_redis() {
        let mut t = Testbed::new();
        for (command, error) in [
            ("CLIENT KILL ID 0", "client-id should be greater than 0"),
            ("CLIENT KILL ID x", "client-id should be greater than 0"),
            (
                "CLIENT KILL MAXAGE x",
                "maxage is not an integer or out of range",
            ),
            ("CLIENT KILL MAXAGE 0", "maxage should be greater than 0"),
            ("CLIENT KILL TYPE x", "Unknown client type 'x'"),
            ("CLIENT KILL USER x", "No such user 'x'"),
            ("CLIENT KILL SKIPME x", "syntax error"),
            ("CLIENT KILL ID 1 SKIPME", "syntax error"),
            (
                "CLIENT PAUSE x",
                "timeout is not an integer or out of range",
            ),
            ("CLIENT PAUSE -1", "timeout is negative"),
            (
                "CLIENT PAUSE 9223372036854775807",
                "timeout is out of range",
            ),
            ("CLIENT PAUSE 1 x", "CLIENT PAUSE mode must be WRITE or ALL"),
            (
                "CLIENT UNBLOCK x",
                "value is not an integer or out of range",
            ),
            (
                "CLIENT UNBLOCK 1 x",
                "CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ),
        ] {
            assert_eq!(t.run(command), format!("-ERR {error}\r\n"), "{command}");
        }
    }

    #[test]
    fn a_shorter_pause_keeps_the_longer_end() {
        let mut t = Testbed::new();
        t.run("CLIENT PAUSE 1000 WRITE");
        t.run("CLIENT PAUSE 10 WRITE");
        let now = t.engine.server.now.mono_ms;
        assert_eq!(
            t.engine.server.gates.client_pause.map(|p| p.until_ms),
            Some(now + 1000)
        );
        assert_eq!(t.run("CLIENT UNPAUSE"), "+OK\r\n");
        assert_eq!(t.engine.server.gates.client_pause, None);
    }
}
