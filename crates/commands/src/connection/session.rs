//! PING, ECHO, SELECT, QUIT, RESET: the connection itself.
//!
//! Each reads or sets fields of the client's own connection, in O(1); RESET also leaves the
//! client's channels.

use crate::arguments::db_index;
use russet_command::{Arity, Category, CommandError, DatabaseUse, Facts, Flags};
use russet_keyspace::DbIndex;
use russet_replication::change_stream::is_note;
use russet_server::{Call, ClientFlags, CommandResult, EndReason, Spec};

pub(super) const PING: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: Flags::FAST
        .union(Flags::SENTINEL)
        .union(Flags::PUBSUB_CONTEXT)
        .union(Flags::REPORTS_DISK),
    categories: Category::CONNECTION,
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    facts: Facts::INTERNAL
        .union(Facts::FRAMES_SLOTS)
        .union(Facts::SHOWS),
    ..Spec::new("ping", ping)
};

/// `PING [message]`.
///
/// Reply: PONG, or the message as a bulk string. A RESP2 client with subscriptions gets an array,
/// which it can distinguish from messages. O(1).
fn ping(call: &mut Call<'_>) -> CommandResult {
    if call.args.len() > 2 {
        return Err(CommandError::WrongArity(call.name.into()));
    }
    let message = call.args.get(1);
    if let Some(text) = message
        && is_note(text)
        && call.client.repeats(call.origin)
    {
        call.server
            .changes
            .receive_note(&mut call.server.stream, text);
        call.server.replication.receive_note(text);
    }
    if call.client.flags.contains(ClientFlags::PUBSUB) && !call.reply.resp3() {
        call.reply.array(2);
        call.reply.bulk(b"pong");
        call.reply.bulk(message.unwrap_or_default());
        return Ok(());
    }
    match message {
        None => call.reply.simple("PONG"),
        Some(text) => call.reply.bulk(text),
    }
    Ok(())
}

pub(super) const ECHO: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    categories: Category::CONNECTION,
    facts: Facts::SHOWS,
    ..Spec::new("echo", echo)
};

/// `ECHO message`.
fn echo(call: &mut Call<'_>) -> CommandResult {
    call.reply.bulk(call.args.at(1));
    Ok(())
}

pub(super) const SELECT: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    categories: Category::CONNECTION,
    databases: DatabaseUse::Named(&[1]),
    facts: Facts::SELECTS
        .union(Facts::FRAMES_SLOTS)
        .union(Facts::NOT_IN_CONSOLE),
    ..Spec::new("select", select)
};

/// `SELECT index`.
fn select(call: &mut Call<'_>) -> CommandResult {
    let db = call.args.at(1);
    if db_index::parse_any(db)? != 0 {
        db_index::refuse_others(call, "SELECT")?;
        call.server.stats.cluster_incompatible_ops += 1;
    }
    call.client.db = db_index::parse(call, db)?;
    call.reply.ok();
    Ok(())
}

const ALWAYS: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::FAST)
    .union(Flags::NO_AUTH)
    .union(Flags::ALLOW_BUSY)
    .union(Flags::NOT_QUEUED)
    .union(Flags::PUBSUB_CONTEXT);

pub(super) const QUIT: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: ALWAYS,
    categories: Category::CONNECTION,
    facts: Facts::INTERNAL.union(Facts::NOT_IN_CONSOLE),
    ..Spec::new("quit", quit)
};

/// `QUIT`: OK, then the connection is closed.
fn quit(call: &mut Call<'_>) -> CommandResult {
    call.reply.ok();
    call.client.close_after_reply(EndReason::Quit);
    Ok(())
}

pub(super) const RESET: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: ALWAYS,
    categories: Category::CONNECTION,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("reset", reset)
};

/// `RESET`: restores the connection's initial state.
///
/// Reply: the simple string RESET, in RESP2.
fn reset(call: &mut Call<'_>) -> CommandResult {
    let client = &mut *call.client;
    client.leave_transaction(&mut call.db.keyspace().watchers);
    if client.flags.contains(ClientFlags::MONITOR) {
        call.server.set_monitor(client.id, false);
    }
    call.server.unsubscribe_all(call.db.keyspace(), client);
    call.server.end_tracking(call.db.keyspace(), client);
    // REPLY_SKIP is kept: it skips this reply, as in Redis.
    client.flags &= ClientFlags::UNIX_SOCKET
        | ClientFlags::TLS
        | ClientFlags::REPLY_SKIP
        | ClientFlags::BUDGETED;
    call.server.acl.greet(client);
    call.server.acl.enter_account(client);
    client.db = DbIndex(0);
    client.identity.name = None;
    client.fieldsets.clear();
    call.reply.set_resp3(false);
    call.reply.simple("RESET");
    Ok(())
}

/// A client name; empty removes it. Spaces and control characters are refused.
pub(super) fn client_name(text: &[u8]) -> Result<Option<Box<str>>, CommandError> {
    const BAD_NAME: &str =
        "ERR Client names cannot contain spaces, newlines or special characters.";
    if !text.iter().all(|b| (b'!'..=b'~').contains(b)) {
        return Err(CommandError::Text(BAD_NAME));
    }
    let name = std::str::from_utf8(text).expect("printable ASCII");
    Ok((!name.is_empty()).then(|| name.into()))
}
