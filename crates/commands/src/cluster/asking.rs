//! ASKING, READONLY, READWRITE: flags that a client of a cluster sets for the commands that follow.

use russet_command::{Arity, Category, CommandError, Facts, Flags};
use russet_server::{Call, ClientFlags, CommandResult, Spec};

pub(super) const ASKING: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::FAST,
    categories: Category::CONNECTION,
    facts: Facts::BEGINS_ASKING.union(Facts::NOT_IN_CONSOLE),
    ..Spec::new("asking", asking)
};

/// `ASKING`: the next command, or the transaction that begins next, may use slots that are being
/// moved to this node. Reply: OK. O(1).
fn asking(call: &mut Call<'_>) -> CommandResult {
    set(call, ClientFlags::ASKING, true)
}

const ROLE: Flags = Flags::FAST.union(Flags::LOADING).union(Flags::STALE);

pub(super) const READONLY: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: ROLE,
    categories: Category::CONNECTION,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("readonly", readonly)
};

/// `READONLY`: this node answers the connection's reads also while it is a replica of their slots'
/// owner. Reply: OK. O(1).
fn readonly(call: &mut Call<'_>) -> CommandResult {
    set(call, ClientFlags::READS_HERE, true)
}

pub(super) const READWRITE: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: ROLE,
    categories: Category::CONNECTION,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("readwrite", readwrite)
};

/// `READWRITE`: the end of READONLY. Reply: OK. O(1).
fn readwrite(call: &mut Call<'_>) -> CommandResult {
    set(call, ClientFlags::READS_HERE, false)
}

fn set(call: &mut Call<'_>, flag: ClientFlags, on: bool) -> CommandResult {
    // A client that follows redirections reads from replicas outside a cluster, too.
    let is_known = call.server.cluster.is_some()
        || flag == ClientFlags::READS_HERE && call.client.flags.contains(ClientFlags::REDIRECTS);
    if !is_known {
        return Err(CommandError::Text(super::enabled::DISABLED));
    }
    call.client.flags.set(flag, on);
    call.reply.ok();
    Ok(())
}
