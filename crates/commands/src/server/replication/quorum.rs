//! QUORUM: this server's group, whose failovers lose no acknowledged write (`sync-quorum`).
//!
//! The handlers check arguments and write replies; `russet_replication::quorum` decides about
//! members and takeovers, and `server::replication::quorum` carries that out.

use crate::help::{self, write_help};
use russet_base::numbers::number::parse_digits;
use russet_command::{Arity, CommandError, Facts, Flags};
use russet_replication::quorum::{
    Address, Change, Member, MemberStatus, NodeId, QuorumStatus, TakeoverCause,
};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};

const OFF: CommandError =
    CommandError::Text("ERR This server is in no group: set sync-quorum and min-sync-replicas");

const FLAGS: Flags = Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::STALE);

pub(crate) const QUORUM: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[ADD, EXPLAIN, HELP, REMOVE, SET, STATUS, TAKEOVER],
    ..Spec::new("quorum", help)
};

const HELP: Spec = help::row(help);

/// `QUORUM HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "STATUS",
            "    This server's place in its group, the group's members, the safe offset.",
            "EXPLAIN",
            "    The last takeovers, and why a takeover fails or failed.",
            "ADD <host> <port>",
            "    Make a connected replica a member. Of the leader only, as are the next two.",
            "REMOVE <node id>",
            "    Forget a member that does not come back.",
            "SET <n>",
            "    Have n replicas acknowledge each write (min-sync-replicas). 0 ends the group.",
            "TAKEOVER [LOSSY]",
            "    Lead, once enough members have promised that. LOSSY: alone, in a new group, and give",
            "    up the acknowledged writes that only other members have.",
        ],
    );
    Ok(())
}

const STATUS: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: FLAGS.union(Flags::LOADING),
    tips: &["nondeterministic_output"],
    ..Spec::new("status", status)
};

/// `QUORUM STATUS`: map of state, node, group, ballots, position, safe offset, acknowledgements,
/// `why` (what prevents a takeover, or null) and members, each a map.
///
/// Errors: the server is in no group. O(members).
fn status(call: &mut Call<'_>) -> CommandResult {
    let driver = call.server.replication.quorum.as_ref().ok_or(OFF)?;
    let status = driver.core.status();
    write_status(&status, call.reply);
    Ok(())
}

fn write_status(its: &QuorumStatus, reply: &mut Reply) {
    let ballot = its.ballot.map(|ballot| ballot.to_string());
    let group = its.group.map(|group| group.to_string());
    let texts = [
        ("state", Some(its.state.to_string())),
        ("node", Some(its.node.to_string())),
        ("group", group),
        ("ballot", ballot),
        ("promised", Some(its.promised.to_string())),
        ("position", Some(its.position.to_string())),
    ];
    let numbers = [
        ("acknowledgements", its.acknowledgements as u64),
        ("member", u64::from(its.is_member)),
        ("clean", u64::from(its.is_clean)),
        ("safe-offset", its.safe),
        ("unsafe-bytes", its.unsafe_bytes),
        ("takeovers", its.takeovers),
        ("takeovers-refused", its.takeovers_refused),
    ];
    reply.map(texts.len() + numbers.len() + 2);
    for (name, text) in texts {
        reply.bulk(name.as_bytes());
        write_text(text.as_deref(), reply);
    }
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.int(number as i64);
    }
    reply.bulk(b"why");
    write_text(its.obstacle.as_deref(), reply);
    reply.bulk(b"members");
    reply.array(its.members.len());
    its.members.iter().for_each(|its| write_member(its, reply));
}

fn write_text(text: Option<&str>, reply: &mut Reply) {
    match text {
        Some(text) => reply.bulk(text.as_bytes()),
        None => reply.null(),
    }
}

fn write_member(its: &MemberStatus, reply: &mut Reply) {
    reply.map(6);
    reply.bulk(b"node");
    reply.bulk(its.id.as_str().as_bytes());
    reply.bulk(b"address");
    reply.bulk(its.address.to_string().as_bytes());
    reply.bulk(b"self");
    reply.int(i64::from(its.is_self));
    reply.bulk(b"linked");
    reply.int(i64::from(its.is_linked));
    reply.bulk(b"offset");
    reply.int(its.offset as i64);
    reply.bulk(b"lag-ms");
    reply.int(its.lag_ms.map_or(-1, |ms| ms as i64));
}

const EXPLAIN: Spec = Spec {
    name: "explain",
    handler: explain,
    ..STATUS
};

/// `QUORUM EXPLAIN`: array of lines: what prevents a takeover under way, then the last takeovers,
/// the latest first, each with its time in Unix milliseconds. O(1).
fn explain(call: &mut Call<'_>) -> CommandResult {
    let driver = call.server.replication.quorum.as_ref().ok_or(OFF)?;
    let status = driver.core.status();
    let mut lines = vec![format!("This server is: {}.", status.state)];
    lines.extend(status.obstacle);
    for its in driver
        .core
        .takeovers()
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        let cause = match its.cause {
            TakeoverCause::Order => "an order",
            TakeoverCause::Start => "its start as a primary",
            TakeoverCause::Sealed => "a promise to a server that has not led",
            TakeoverCause::Deposed => "the end of its term",
            TakeoverCause::Lossy => "QUORUM TAKEOVER LOSSY",
        };
        let outcome = match &its.failure {
            None => "led",
            Some(why) => why,
        };
        lines.push(format!(
            "{}: by ballot {}, because of {cause}: {outcome}",
            its.at_ms, its.ballot
        ));
    }
    call.reply.array(lines.len());
    lines
        .iter()
        .for_each(|line| call.reply.bulk(line.as_bytes()));
    Ok(())
}

const ADD: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: FLAGS,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("add", add)
};

/// `QUORUM ADD host port`: the replica at this address becomes a member.
///
/// Reply: OK, when the note of the change is in the stream; the change counts from then on.
/// Errors: this server does not lead, a change before is not acknowledged, or no such replica has
/// all of the safe data.
fn add(call: &mut Call<'_>) -> CommandResult {
    let (host, port) = (call.args.at(2), call.args.at(3));
    let address = Address::new(host, port).ok_or(CommandError::Text("ERR Invalid address"))?;
    let driver = call.server.replication.quorum.as_ref().ok_or(OFF)?;
    let id = driver.core.replica_at(&address);
    let id = id.ok_or(CommandError::Text(
        "ERR No replica with this address is connected that takes part in groups",
    ))?;
    change(call, &Change::Add(Member { id, address }))
}

const REMOVE: Spec = Spec {
    arity: Arity::Exactly(3),
    name: "remove",
    handler: remove,
    ..ADD
};

/// `QUORUM REMOVE node`: the group forgets a member, and may lead without its promise.
///
/// Reply and errors as of ADD.
fn remove(call: &mut Call<'_>) -> CommandResult {
    let id = NodeId::parse(call.args.at(2)).ok_or(CommandError::Text("ERR Invalid node id"))?;
    change(call, &Change::Remove(id))
}

const SET: Spec = Spec {
    name: "set",
    handler: set,
    ..REMOVE
};

/// `QUORUM SET n`: n replicas must have each write. 0: the group ends, once as many members as each
/// write needs know that.
///
/// Reply and errors as of ADD.
fn set(call: &mut Call<'_>) -> CommandResult {
    let n = parse_digits(call.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    let n = usize::try_from(n).map_err(|_| CommandError::NotAnInteger)?;
    change(call, &Change::Set(n))
}

fn change(call: &mut Call<'_>, change: &Change) -> CommandResult {
    if call.server.replication.quorum.is_none() {
        return Err(OFF);
    }
    let world = call.world();
    let changed = world.server.change_quorum(world.keyspace, change);
    changed.map_err(|why| CommandError::owned(format!("ERR {why}")))?;
    call.reply.ok();
    Ok(())
}

const TAKEOVER: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: FLAGS.union(Flags::TAKES_OVER),
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("takeover", takeover)
};

/// `QUORUM TAKEOVER [LOSSY]`: asks the members to promise that this server leads. LOSSY: it leads
/// alone and at once, in a new group, whatever acknowledged writes only other members have.
///
/// Reply: OK at once; QUORUM STATUS and EXPLAIN have the outcome. With LOSSY: OK, once it leads.
/// Errors: another word; with LOSSY: it does not lead. No use of data.
fn takeover(call: &mut Call<'_>) -> CommandResult {
    if call.server.replication.quorum.is_none() {
        return Err(OFF);
    }
    let is_lossy = match call.args.len() {
        2 => false,
        3 if call.args.at(2).eq_ignore_ascii_case(b"LOSSY") => true,
        _ => return Err(CommandError::Syntax),
    };
    let world = call.world();
    if is_lossy {
        let led = world.server.lead_alone(world.keyspace);
        led.map_err(|why| CommandError::owned(format!("ERR Not taken over: {why}")))?;
    } else {
        world.server.order_lead(world.keyspace);
    }
    call.reply.ok();
    Ok(())
}
