//! SENTINEL: the rows of the command and the subcommands; `russet_sentinel` runs them.
//!
//! Only a Sentinel has these rows (`commands::all_tables`). One handler serves all: it hands the
//! words over, and `russet_sentinel` writes replies and errors. The rows check arity and secrets,
//! as for other commands.

use crate::help::row as help_row;
use russet_command::{Arity, Facts, Flags};
use russet_server::{Call, CommandResult, Spec};

pub(super) static SPECS: &[Spec] = &[SENTINEL];

const FLAGS: Flags = Flags::ADMIN
    .union(Flags::SENTINEL)
    .union(Flags::ONLY_SENTINEL);

const SENTINEL: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: FLAGS.union(Flags::CONTAINER),
    subcommands: &[
        row("ckquorum", Arity::Exactly(3)).with(Facts::SHOWS),
        Spec {
            flags: FLAGS.union(Flags::SENSITIVE),
            is_secret: |_, at| at >= 4,
            ..row("config", Arity::AtLeast(4))
        },
        row("debug", Arity::AtLeast(2)),
        row("explain", Arity::AtLeast(3)).with(Facts::SHOWS),
        row("failover", Arity::AtLeast(3)),
        row("flushconfig", Arity::Exactly(2)),
        row("get-master-addr-by-name", Arity::Exactly(3)).with(Facts::SHOWS),
        row("get-primary-addr-by-name", Arity::Exactly(3)).with(Facts::SHOWS),
        help_row(sentinel),
        row("info-cache", Arity::AtLeast(3)).with(Facts::SHOWS),
        row("is-master-down-by-addr", Arity::Exactly(6)),
        row("is-primary-down-by-addr", Arity::Exactly(6)),
        row("master", Arity::Exactly(3)).with(Facts::SHOWS),
        row("masters", Arity::Exactly(2)).with(Facts::SHOWS),
        row("monitor", Arity::Exactly(6)),
        row("myid", Arity::Exactly(2)).with(Facts::SHOWS),
        row("pending-scripts", Arity::Exactly(2)).with(Facts::SHOWS),
        row("primaries", Arity::Exactly(2)).with(Facts::SHOWS),
        row("primary", Arity::Exactly(3)).with(Facts::SHOWS),
        row("remove", Arity::Exactly(3)),
        row("replicas", Arity::Exactly(3)).with(Facts::SHOWS),
        row("reset", Arity::Exactly(3)),
        row("sentinels", Arity::Exactly(3)).with(Facts::SHOWS),
        Spec {
            flags: FLAGS.union(Flags::SENSITIVE),
            ..row("set", Arity::AtLeast(5))
        },
        row("simulate-failure", Arity::AtLeast(3)),
        row("slaves", Arity::Exactly(3)).with(Facts::SHOWS),
    ],
    ..Spec::new("sentinel", sentinel)
};

const fn row(name: &'static str, arity: Arity) -> Spec {
    Spec {
        arity,
        flags: FLAGS,
        ..Spec::new(name, sentinel)
    }
}

/// `SENTINEL subcommand ...`, of a Sentinel alone. Replies and errors: `russet_sentinel`.
fn sentinel(call: &mut Call<'_>) -> CommandResult {
    let args = call.args.to_vec();
    call.server.run_sentinel_command(&args, call.reply);
    Ok(())
}
