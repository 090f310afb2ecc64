//! CLUSTER: the rows, and the subcommands that read keys. Facts about nodes and slots, and changes
//! of them, are in `russet_cluster`.

use super::enabled::check_enabled;
use crate::help::{misused, row as help_row, write_help};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError, Facts, Flags};
use russet_config::Dialect;
use russet_keyspace::{SLOTS, slot_of};
use russet_server::{Call, CommandResult, Handler, Origin, Spec};

/// Flags of subcommands that change something.
const CHANGES: Flags = Flags::ADMIN
    .union(Flags::NO_ASYNC_LOADING)
    .union(Flags::STALE);
const READS: Flags = Flags::STALE;
const READS_ANY_TIME: Flags = Flags::STALE.union(Flags::LOADING);
const ADMIN_READS: Flags = Flags::ADMIN.union(READS_ANY_TIME);
const VARIES: &[&str] = &["nondeterministic_output"];

pub(super) const CLUSTER: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[
        row("addslots", Arity::AtLeast(3), CHANGES),
        row("addslotsrange", Arity::AtLeast(4), CHANGES),
        super::migration::CANCELSLOTMIGRATIONS,
        varying("bumpepoch", Arity::Exactly(2), CHANGES),
        varying("count-failure-reports", Arity::Exactly(3), ADMIN_READS),
        own("countkeysinslot", Arity::Exactly(3), READS, countkeysinslot)
            .with(Facts::SHOWS.union(Facts::READS_ALL)),
        row("delslots", Arity::AtLeast(3), CHANGES),
        row("delslotsrange", Arity::AtLeast(4), CHANGES),
        row("explain", Arity::AtLeast(2), READS_ANY_TIME).with(Facts::SHOWS),
        row("failover", Arity::AtLeast(2), CHANGES),
        Spec {
            categories: Category::KEYSPACE,
            ..row(
                "flushslot",
                Arity::AtLeast(3),
                Flags::ADMIN
                    .union(Flags::NO_ASYNC_LOADING)
                    .union(Flags::WRITE),
            )
        },
        row("flushslots", Arity::Exactly(2), CHANGES),
        row("forget", Arity::Exactly(3), CHANGES),
        Spec {
            tips: VARIES,
            facts: Facts::SHOWS.union(Facts::READS_ALL),
            ..own("getkeysinslot", Arity::Exactly(4), READS, getkeysinslot)
        },
        super::migration::GETSLOTMIGRATIONS,
        help_row(help),
        Spec {
            tips: VARIES,
            facts: Facts::SHOWS,
            ..own("info", Arity::Exactly(2), READS_ANY_TIME, info)
        },
        own("keyslot", Arity::Exactly(3), READS_ANY_TIME, keyslot).with(Facts::SHOWS),
        varying("links", Arity::Exactly(2), READS_ANY_TIME).with(Facts::SHOWS),
        row("meet", Arity::AtLeast(4), CHANGES),
        super::migration::MIGRATESLOTS,
        super::migration::MIGRATION,
        row("myid", Arity::Exactly(2), READS_ANY_TIME).with(Facts::INTERNAL.union(Facts::SHOWS)),
        varying("myshardid", Arity::Exactly(2), READS_ANY_TIME),
        varying("nodes", Arity::Exactly(2), READS_ANY_TIME).with(Facts::SHOWS),
        varying("replicas", Arity::Exactly(3), ADMIN_READS),
        row("replicate", Arity::AtLeast(3), CHANGES),
        row(
            "reset",
            Arity::AtLeast(2),
            Flags::ADMIN.union(Flags::STALE).union(Flags::NOSCRIPT),
        ),
        row("saveconfig", Arity::Exactly(2), CHANGES),
        row("set-config-epoch", Arity::Exactly(3), CHANGES),
        own("setslot", Arity::AtLeast(4), CHANGES, setslot),
        varying("shards", Arity::Exactly(2), READS_ANY_TIME).with(Facts::SHOWS),
        varying("slaves", Arity::Exactly(3), ADMIN_READS),
        super::slot_stats::SLOT_STATS,
        super::migration::SYNCSLOTS,
        varying("slots", Arity::Exactly(2), READS_ANY_TIME).with(Facts::SHOWS),
    ],
    ..Spec::new("cluster", unknown)
};

/// A subcommand of the core.
const fn row(name: &'static str, arity: Arity, flags: Flags) -> Spec {
    own(name, arity, flags, of_core)
}

const fn varying(name: &'static str, arity: Arity, flags: Flags) -> Spec {
    Spec {
        tips: VARIES,
        ..row(name, arity, flags)
    }
}

const fn own(name: &'static str, arity: Arity, flags: Flags, handler: Handler) -> Spec {
    Spec {
        arity,
        flags,
        ..Spec::new(name, handler)
    }
}

fn unknown(call: &mut Call<'_>) -> CommandResult {
    Err(misused(call.args))
}

/// Replies and errors: `russet_cluster`.
fn of_core(call: &mut Call<'_>) -> CommandResult {
    check_enabled(call)?;
    call.run_in_cluster()
}

/// `CLUSTER INFO`: verbatim string of lines; the lines of slot migrations are last.
fn info(call: &mut Call<'_>) -> CommandResult {
    check_enabled(call)?;
    let cluster = call.server.cluster.as_ref();
    let mut text = cluster.map_or(String::new(), |cluster| cluster.core.info());
    let keyspace = call.db.keyspace();
    text.push_str(&call.server.slot_migration_lines(keyspace));
    call.reply.verbatim_owned("txt", text);
    Ok(())
}

/// `CLUSTER SETSLOT`, unless a migration has the slot.
fn setslot(call: &mut Call<'_>) -> CommandResult {
    check_enabled(call)?;
    if !matches!(call.origin, Origin::Primary | Origin::Loading) {
        let slot = parse_i64(call.args.at(2)).and_then(slot_at);
        call.check_slot_order(slot)?;
    }
    call.run_in_cluster()
}

fn slot_at(number: i64) -> Option<u16> {
    let slot = u16::try_from(number).ok()?;
    (usize::from(slot) < SLOTS).then_some(slot)
}

/// `CLUSTER KEYSLOT key`: integer. O(length of the key).
fn keyslot(call: &mut Call<'_>) -> CommandResult {
    check_enabled(call)?;
    let slot = slot_of(call.args.at(2));
    call.reply.int(i64::from(slot));
    Ok(())
}

/// `CLUSTER COUNTKEYSINSLOT slot`: integer, keys of the selected database.
fn countkeysinslot(call: &mut Call<'_>) -> CommandResult {
    const NO_SLOT: CommandError = CommandError::Text("ERR Invalid slot");
    check_enabled(call)?;
    let slot = parse_i64(call.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    let slot = slot_at(slot).ok_or(NO_SLOT)?;
    // Valkey counts keys on their way here, too.
    let count = match call.server.config.dialect {
        Dialect::Redis => call.db.slot_len(slot),
        Dialect::Valkey => call.db.all_slot_len(slot),
    };
    call.reply.int(count as i64);
    Ok(())
}

/// `CLUSTER GETKEYSINSLOT slot count`: array of at most `count` keys of the selected database.
/// O(count).
fn getkeysinslot(call: &mut Call<'_>) -> CommandResult {
    const INVALID: CommandError = CommandError::Text("ERR Invalid slot or number of keys");
    check_enabled(call)?;
    let slot = parse_i64(call.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    let max = parse_i64(call.args.at(3)).ok_or(CommandError::NotAnInteger)?;
    let slot = slot_at(slot).ok_or(INVALID)?;
    let max = usize::try_from(max).map_err(|_| INVALID)?;
    let count = call.db.slot_len(slot).min(max);
    call.reply.array(count);
    for key in call.db.slot_keys(slot).take(count) {
        call.reply.bulk(key);
    }
    Ok(())
}

fn help(call: &mut Call<'_>) -> CommandResult {
    check_enabled(call)?;
    write_help(call, HELP);
    Ok(())
}

const HELP: &[&str] = &[
    "ADDSLOTS <slot> [<slot> ...]",
    "    This node serves the slots from now on.",
    "ADDSLOTSRANGE <first> <last> [<first> <last> ...]",
    "    The same for ranges of slots.",
    "BUMPEPOCH",
    "    Give this node the highest configuration epoch.",
    "COUNT-FAILURE-REPORTS <node-id>",
    "    How many nodes report that one as failing.",
    "COUNTKEYSINSLOT <slot>",
    "    How many keys of the slot this node has.",
    "DELSLOTS <slot> [<slot> ...]",
    "    No node serves the slots from now on, as far as this one knows.",
    "DELSLOTSRANGE <first> <last> [<first> <last> ...]",
    "    The same for ranges of slots.",
    "EXPLAIN [FINDINGS]",
    "    Why the cluster is not well, and which failovers would not happen.",
    "FAILOVER [FORCE | TAKEOVER]",
    "    This replica takes the place of its primary.",
    "FLUSHSLOT <slot> [ASYNC | SYNC]",
    "    Delete the keys of the slot.",
    "FLUSHSLOTS",
    "    Forget who serves which slots.",
    "FORGET <node-id>",
    "    Remove a node from the table of this one.",
    "GETKEYSINSLOT <slot> <count>",
    "    Some keys of the slot that this node has.",
    "INFO",
    "    The state of the cluster in lines.",
    "KEYSLOT <key>",
    "    The slot of a key.",
    "LINKS",
    "    The links of the bus between this node and others.",
    "MEET <ip> <port> [<bus-port>]",
    "    Introduce another node.",
    "MYID",
    "    The id of this node.",
    "MYSHARDID",
    "    The id of this node's shard.",
    "NODES",
    "    All nodes in lines: id, address, flags, primary, times, epoch, link, slots.",
    "REPLICAS <node-id>",
    "    The replicas of a node.",
    "REPLICATE <node-id>",
    "    This node becomes a replica of that one.",
    "RESET [HARD | SOFT]",
    "    Forget the cluster; HARD also takes a new id.",
    "SAVECONFIG",
    "    Write the state of this node to disk.",
    "SET-CONFIG-EPOCH <epoch>",
    "    Set the configuration epoch of a new node.",
    "SETSLOT <slot> (IMPORTING <node-id> | MIGRATING <node-id> | NODE <node-id> | STABLE)",
    "    Begin or end to move a slot.",
    "SHARDS",
    "    The slots of each shard with its nodes.",
    "SLOT-STATS (SLOTSRANGE <first> <last> | ORDERBY <figure> [LIMIT <n>] [ASC | DESC])",
    "    What the slots of this node hold and cost.",
    "SLOTS",
    "    Ranges of slots with the nodes that serve them.",
];

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    /// Clients ask for the nodes, and for this node, while it loads data.
    #[test]
    fn what_only_reads_the_map_is_allowed_while_loading() {
        let mut t = Testbed::new();
        for name in [
            "count-failure-reports",
            "info",
            "keyslot",
            "links",
            "myid",
            "myshardid",
            "nodes",
            "replicas",
            "shards",
            "slaves",
            "slots",
        ] {
            let row = t.run(&format!("COMMAND INFO cluster|{name}"));
            assert!(row.contains("+loading\r\n"), "{name}: {row}");
        }
        for name in ["countkeysinslot", "getkeysinslot", "reset", "meet"] {
            let row = t.run(&format!("COMMAND INFO cluster|{name}"));
            assert!(!row.contains("+loading\r\n"), "{name}: {row}");
        }
    }
}
