//! PSYNC, SYNC, REPLCONF: the words of replicas, and of a primary that asks for an acknowledgement.
//!
//! A replica introduces itself by REPLCONF (port, address, abilities), then asks by PSYNC; facts of
//! a replica come from another machine, so the handler checks lengths and numbers. It ignores
//! unknown abilities, because newer servers may send them. ACK has no reply.
//!
//!     PSYNC ? -1          full: +FULLRESYNC id offset, a snapshot, the stream
//!     PSYNC id offset     +CONTINUE and the stream, if the backlog still has the offset
//!
//! Decided elsewhere: whether the stream continues, and the snapshot: `server::replication`.

use russet_base::numbers::number::{parse_digits, parse_i64};
use russet_command::{Arity, CommandError, Facts, Flags};
use russet_keyspace::ClientId;
use russet_replication::primary::Facts as ReplicaFacts;
use russet_replication::quorum::Word;
use russet_replication::{Position, ReplId};
use russet_server::{Call, ClientFlags, CommandResult, Filter, Origin, Spec, SyncRequest};

/// Bytes of an announced address.
const ADDRESS_MAX: usize = 255;

pub(crate) const PSYNC: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: SYNC.flags,
    facts: Facts::JOINS.union(Facts::NOT_IN_CONSOLE),
    ..Spec::new("psync", psync)
};

pub(crate) const SYNC: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::NO_MULTI)
        .union(Flags::NO_ASYNC_LOADING),
    facts: Facts::JOINS.union(Facts::NOT_IN_CONSOLE),
    ..Spec::new("sync", sync)
};

/// `SYNC`: a snapshot as `$<length>`, then the stream.
fn sync(call: &mut Call<'_>) -> CommandResult {
    synchronize(call, SyncRequest::Sync)
}

/// `PSYNC id offset [FAILOVER]`: the stream from this offset (of the next byte) on, with
/// `+CONTINUE`, or `+FULLRESYNC id offset`, a snapshot, and the stream from there on.
fn psync(call: &mut Call<'_>) -> CommandResult {
    let (id, offset) = (call.args.at(1), call.args.at(2));
    let takes_over = call.args.len() > 3 && call.args.at(3).eq_ignore_ascii_case(b"failover");
    if takes_over {
        let (id, world) = (id.to_vec(), call.world());
        world.server.take_over(world.keyspace, &id)?;
    }
    let Some(offset) = parse_i64(offset) else {
        let name = call.server.replication.replicas.name_of(call.client.id);
        tracing::warn!("Replica {name} asks for synchronization but with a wrong offset");
        return Err(CommandError::NotAnInteger);
    };
    let asked = match (ReplId::parse(id), u64::try_from(offset)) {
        _ if id == b"?" => SyncRequest::Full,
        (Some(id), Ok(next @ 1..)) => SyncRequest::From(Position {
            id,
            offset: next - 1,
        }),
        _ => SyncRequest::Unknown,
    };
    synchronize(call, asked)
}

fn synchronize(call: &mut Call<'_>, asked: SyncRequest) -> CommandResult {
    if !call.may_block() {
        return Ok(());
    }
    let world = call.world();
    let (server, keyspace) = (world.server, world.keyspace);
    server.synchronize(keyspace, world.client, world.reply, asked)
}

pub(crate) const REPLCONF: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::ALLOW_BUSY)
        .union(Flags::REPLIES_TO_PRIMARY),
    facts: Facts::JOINS.union(Facts::NOT_IN_CONSOLE),
    ..Spec::new("replconf", replconf)
};

/// Bytes of the id of a cluster's node.
const NODE_ID_LEN: usize = 40;

/// `REPLCONF option value ...`: facts of a replica about itself, and acknowledgements; from a
/// primary the request for an acknowledgement.
///
/// Reply: OK; no reply to ACK and GETACK.
fn replconf(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let words: Vec<&[u8]> = match args.get(1) {
        Some(first) if Word::is_one(&[first]) => args.iter().skip(1).collect(),
        _ => Vec::new(),
    };
    if !words.is_empty() && call.origin == Origin::Client {
        let world = call.world();
        let answer = world
            .server
            .quorum_asked(world.keyspace, world.client, &words)?;
        world.reply.raw(&answer);
        return Ok(());
    }
    if args.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    if call.origin == Origin::Loading {
        return Ok(());
    }
    for at in (1..args.len()).step_by(2) {
        let (option, value) = (args.at(at), args.at(at + 1));
        if option.eq_ignore_ascii_case(b"ack") {
            return acknowledge(call, at);
        }
        if option.eq_ignore_ascii_case(b"getack") {
            if call.client.flags.contains(ClientFlags::PRIMARY) {
                let acks = call.server.replication.set_ack_habit(args.at(at + 1));
                if acks {
                    call.server.write_ack(call.reply);
                }
            }
            return Ok(());
        }
        introduce(call, option, value)?;
    }
    call.reply.ok();
    Ok(())
}

/// Records a fact that a replica gives about itself.
fn introduce(call: &mut Call<'_>, option: &[u8], value: &[u8]) -> CommandResult {
    let (peer, now_ms) = (call.client.link_peer(), call.server.now.mono_ms);
    let replicas = &mut call.server.replication.replicas;
    let facts = &mut replicas.introduce(peer, now_ms).facts;
    match &option.to_ascii_lowercase()[..] {
        b"listening-port" => {
            let port = parse_i64(value).ok_or(CommandError::NotAnInteger)?;
            facts.port = u16::try_from(port).unwrap_or(0);
        }
        b"ip-address" if value.len() <= ADDRESS_MAX => facts.ip = Some(value.into()),
        b"ip-address" => {
            return Err(CommandError::owned(format!(
                "ERR REPLCONF ip-address provided by replica instance is too long: {} bytes",
                value.len()
            )));
        }
        b"capa" => add_ability(facts, value),
        b"rdb-only" => {
            let n = parse_i64(value).ok_or(CommandError::NotAnInteger)?;
            facts.rdb_only = match n {
                0 => false,
                1 => true,
                _ => return Err(CommandError::Text("ERR value is out of range")),
            };
        }
        b"rdb-channel" => facts.rdb_channel_link = value == b"1",
        b"main-ch-client-id" => {
            let main = parse_digits(value).map(ClientId);
            let main = main.filter(|&main| replicas.awaits_second(main));
            let main = main.ok_or_else(|| unrecognized("RDB client id:", value))?;
            replicas.introduce(peer, now_ms).facts.main = Some(main);
        }
        b"set-rdb-client-id" => {
            let second = parse_digits(value).map(ClientId);
            let second = second.filter(|&second| replicas.can_join(second));
            let second = second.ok_or_else(|| unrecognized("RDB client id", value))?;
            replicas.introduce(peer, now_ms).facts.second = Some(second);
        }
        b"rdb-filter-only" => facts.filter = Some(filter(value)?),
        b"version" => facts.version = Some(version(value)?),
        b"set-cluster-node-id" if call.server.cluster.is_some() => {
            if value.len() != NODE_ID_LEN {
                return Err(CommandError::Text("ERR Invalid cluster node id"));
            }
            facts.node_id = Some(value.into());
        }
        _ => return Err(unrecognized("REPLCONF option:", option)),
    }
    Ok(())
}

/// Records an ability of a replica; unknown words come from newer servers.
fn add_ability(facts: &mut ReplicaFacts, word: &[u8]) {
    match &word.to_ascii_lowercase()[..] {
        b"eof" => facts.eof = true,
        b"psync2" => facts.psync2 = true,
        b"rdb-channel-repl" => facts.rdb_channel = true,
        b"observer" => facts.observer = true,
        b"flush-undo" => facts.flush_undo = true,
        b"ack-turn" => facts.acks_each_turn = true,
        b"lz4" => facts.lz4 = true,
        b"dual-channel" => facts.dual_channel = true,
        // A node of a cluster; Redis's dialect has no other word for its id.
        [b'n', b'o', b'd', b'e', b'-', node @ ..] if node.len() == NODE_ID_LEN => {
            facts.member = Some(node.into());
        }
        _ => {}
    }
}

fn unrecognized(thing: &str, text: &[u8]) -> CommandError {
    let shown = String::from_utf8_lossy(text);
    CommandError::owned(format!("ERR Unrecognized {thing} {shown}"))
}

/// The parts of a snapshot that a word list names: only functions can be had alone.
fn filter(words: &[u8]) -> Result<Filter, CommandError> {
    let mut filter = Filter::Nothing;
    for word in words
        .split(u8::is_ascii_whitespace)
        .filter(|w| !w.is_empty())
    {
        if word.eq_ignore_ascii_case(b"functions") {
            filter = Filter::Functions
        } else {
            let shown = String::from_utf8_lossy(word);
            let text = format!("ERR Unsupported rdb-filter-only option: {shown}");
            return Err(CommandError::owned(text));
        }
    }
    Ok(filter)
}

/// A Valkey replica's version, `major.minor.patch`.
fn version(text: &[u8]) -> Result<(u32, u32, u32), CommandError> {
    let mut numbers = text
        .split(|&b| b == b'.')
        .map(|part| parse_digits(part)?.try_into().ok());
    let mut next = || numbers.next().flatten();
    match (next(), next(), next()) {
        (Some(major), Some(minor), Some(patch)) => Ok((major, minor, patch)),
        _ => Err(CommandError::owned(format!(
            "ERR Unrecognized version format: {}",
            String::from_utf8_lossy(text)
        ))),
    }
}

/// `ACK offset [FACK offset]`: no reply.
fn acknowledge(call: &mut Call<'_>, at: usize) -> CommandResult {
    let args = call.args;
    let offset = |at: usize| parse_digits(args.at(at));
    let Some(applied) = offset(at + 1) else {
        return Ok(());
    };
    let has_synced = args.len() > at + 3 && args.at(at + 2).eq_ignore_ascii_case(b"fack");
    let synced = if has_synced { offset(at + 3) } else { None };
    let id: ClientId = call.client.id;
    if call.client.flags.contains(ClientFlags::REPLICA) {
        call.server.acknowledged(id, applied, synced);
    }
    Ok(())
}
