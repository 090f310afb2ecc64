//! The commands of a Sentinel: SENTINEL and its subcommands, its INFO section, ROLE and PUBLISH.
//!
//! A handler gets the words and writes the reply. If a decision must be saved first, the reply must
//! not leave before [`Action::Persist`](super::actions::Action) has been carried out, and another
//! reply leaves if that failed ([`ReplyCondition`]).
//!
//! Both the master and the primary words are known, and `slaves` beside `replicas`. Names and
//! errors are Redis's; COORDINATED is Valkey's, EXPLAIN is our own.

mod call;
mod config;
mod debug;
mod explain;
mod failover;
mod help;
mod info;
mod lists;
mod primaries;
mod set;
mod show;
mod votes;

pub use call::{Host, ReplyCondition};

use call::{Call, CallResult, error, error_naming};

use super::core::Sentinel;
use russet_host::Now;
use russet_resp::{CommandError, Reply};

/// A subcommand: the names, the least and the greatest number of words, and the handler.
struct Subcommand {
    name: &'static str,
    alias: Option<&'static str>,
    words_min: usize,
    words_max: usize,
    handler: fn(&mut Call<'_>) -> CallResult,
}

const ANY: usize = usize::MAX;

const fn row(
    name: &'static str,
    (words_min, words_max): (usize, usize),
    handler: fn(&mut Call<'_>) -> CallResult,
) -> Subcommand {
    Subcommand {
        name,
        alias: None,
        words_min,
        words_max,
        handler,
    }
}

const fn row_with(
    name: &'static str,
    alias: &'static str,
    words: usize,
    handler: fn(&mut Call<'_>) -> CallResult,
) -> Subcommand {
    Subcommand {
        alias: Some(alias),
        ..row(name, (words, words), handler)
    }
}

const SUBCOMMANDS: &[Subcommand] = &[
    row("ckquorum", (3, 3), votes::ckquorum),
    row("config", (4, ANY), config::config),
    row("debug", (2, ANY), debug::debug),
    row("explain", (3, 5), explain::explain),
    row("failover", (3, 4), failover::failover),
    row("flushconfig", (2, 2), config::flushconfig),
    row_with(
        "get-master-addr-by-name",
        "get-primary-addr-by-name",
        3,
        lists::get_address,
    ),
    row("help", (2, 2), help::help),
    row("info-cache", (3, ANY), lists::info_cache),
    row_with(
        "is-master-down-by-addr",
        "is-primary-down-by-addr",
        6,
        votes::is_down,
    ),
    row_with("master", "primary", 3, lists::master),
    row_with("masters", "primaries", 2, lists::masters),
    row("monitor", (6, 6), primaries::monitor),
    row("myid", (2, 2), lists::my_id),
    row("pending-scripts", (2, 2), lists::pending_scripts),
    row("remove", (3, 3), primaries::remove),
    row_with("replicas", "slaves", 3, lists::replicas),
    row("reset", (3, 3), primaries::reset),
    row("sentinels", (3, 3), lists::sentinels),
    row("set", (5, ANY), set::set),
    row("simulate-failure", (3, ANY), debug::simulate_failure),
];

fn find(name: &[u8]) -> Option<&'static Subcommand> {
    let is_it = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    let mut rows = SUBCOMMANDS.iter();
    rows.find(|row| is_it(row.name) || row.alias.is_some_and(is_it))
}

fn arity(name: &str) -> CommandError {
    CommandError::WrongArity(name.to_owned())
}

impl Sentinel {
    /// `SENTINEL subcommand ...`; `args` begins with SENTINEL.
    pub fn command(
        &mut self,
        now: Now,
        args: &[&[u8]],
        host: &Host<'_>,
        reply: &mut Reply,
    ) -> ReplyCondition {
        self.due_at(now);
        let mut call = Call {
            sentinel: self,
            host,
            args,
            reply,
        };
        match run(&mut call) {
            Ok(after) => after,
            Err(refusal) => {
                reply.error(&refusal);
                ReplyCondition::Send
            }
        }
    }

    /// `PUBLISH channel message`: another Sentinel's hello.
    pub fn publish(&mut self, now: Now, channel: &[u8], message: &[u8], reply: &mut Reply) {
        self.set_now(now);
        if channel != super::instances::CHANNEL {
            let text = "ERR Only HELLO messages are accepted by Sentinel instances.";
            return reply.error(&error(text));
        }
        self.receive_hello(message);
        reply.int(1);
    }

    /// ROLE: `sentinel`, and the names of the primaries.
    pub fn role(&self, reply: &mut Reply) {
        reply.array(2);
        reply.bulk(b"sentinel");
        reply.array(self.primaries.len());
        for name in self.primaries.keys() {
            reply.bulk(name);
        }
    }
}

fn run(call: &mut Call<'_>) -> CallResult {
    let Some(name) = call.args.get(1) else {
        return Err(arity("sentinel"));
    };
    let Some(row) = find(name) else {
        let after = "'. Try SENTINEL HELP.";
        return Err(error_naming("ERR unknown subcommand '", name, after));
    };
    if !(row.words_min..=row.words_max).contains(&call.args.len()) {
        return Err(arity(&format!("sentinel|{}", row.name)));
    }
    (row.handler)(call)
}
