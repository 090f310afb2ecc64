//! CLIENT CLOSED: why connections ended. russet's own; no other server has it.

use super::client_flags::USUAL;
use crate::help::misused;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError, Facts, Flags};
use russet_resp::Reply;
use russet_server::{Call, ClosedClient, CommandResult, Spec};

pub(super) const CLOSED: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: USUAL.union(Flags::ADMIN),
    categories: Category::CONNECTION,
    tips: &["nondeterministic_output"],
    facts: Facts::SHOWS,
    ..Spec::new("closed", closed)
};

/// `CLIENT CLOSED [count]`: the connections that ended last, newest first, at most 128.
///
/// Reply: array of maps (flat arrays in RESP2). `reason` is a word of a fixed list, `detail` has
/// figures and names, and may be empty. O(count).
fn closed(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let count = match args.len() {
        2 => usize::MAX,
        3 => parse_i64(args.at(2))
            .and_then(|count| usize::try_from(count).ok())
            .ok_or(CommandError::Text("ERR count should not be negative"))?,
        _ => return Err(misused(args)),
    };
    let recent = call.server.diagnostics.closed.recent();
    let len = recent.len().min(count);
    call.reply.array(len);
    for client in recent.take(len) {
        write(call.reply, client);
    }
    Ok(())
}

fn write(reply: &mut Reply, client: &ClosedClient) {
    let number = |reply: &mut Reply, name: &str, n: i64| {
        reply.bulk(name.as_bytes());
        reply.int(n);
    };
    let text = |reply: &mut Reply, name: &str, text: &[u8]| {
        reply.bulk(name.as_bytes());
        reply.bulk(text);
    };
    let name = |text: &Option<Box<str>>| text.as_deref().unwrap_or("").as_bytes().to_vec();
    reply.map(15);
    number(reply, "id", client.id as i64);
    number(reply, "time-ms", client.at_ms);
    text(reply, "reason", client.ending.reason.word().as_bytes());
    text(reply, "detail", client.ending.detail.as_bytes());
    text(reply, "addr", client.addr.as_bytes());
    text(reply, "laddr", client.laddr.as_bytes());
    text(reply, "name", &name(&client.name));
    text(reply, "user", &client.user);
    text(reply, "lib-name", &name(&client.lib_name));
    text(reply, "lib-ver", &name(&client.lib_ver));
    number(reply, "db", client.db as i64);
    number(reply, "age", client.age_s as i64);
    number(reply, "idle", client.idle_s as i64);
    number(reply, "commands", client.commands as i64);
    let last = client.last_command.unwrap_or("NULL");
    text(reply, "last-command", last.as_bytes());
}
