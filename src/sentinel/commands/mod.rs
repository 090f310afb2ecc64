//! The commands of a Sentinel: SENTINEL and its subcommands, its INFO section, ROLE and PUBLISH.
//!
//! A handler gets the words and writes the reply. If a decision must be saved first, the reply must
//! not leave before [`Action::Persist`](super::actions::Action::Persist) has been carried out, and
//! another one leaves if that failed ([`After`]).
//!
//! Both the master and the primary words are known, and `slaves` beside `replicas`. Names and
//! errors are those of Redis; COORDINATED is Valkey's, EXPLAIN is our own.

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

use super::core::Sentinel;
use super::instances::Primary;
use super::time::Now;
use crate::resp::{CommandError, Reply};

/// The condition for sending the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing.
    Send,
    /// The state must be saved. If that fails, these bytes are the reply.
    Persist { otherwise: Vec<u8> },
}

/// The parts of the server that handlers need.
pub(crate) struct Host<'h> {
    /// `loglevel`, which SENTINEL CONFIG GET shows.
    pub loglevel: &'h str,
    /// Whether a script can be run.
    pub is_executable: &'h dyn Fn(&[u8]) -> bool,
    /// The IP address of a name, looked up at once, within a bounded time. Only SENTINEL MONITOR
    /// with `resolve-hostnames` asks, for a name that is not known yet.
    pub resolve: &'h dyn Fn(&[u8]) -> Option<Vec<u8>>,
}

/// A command in progress.
struct Call<'c> {
    sentinel: &'c mut Sentinel,
    host: &'c Host<'c>,
    /// The words, from SENTINEL on.
    args: &'c [&'c [u8]],
    reply: &'c mut Reply,
}

type Done = Result<After, CommandError>;

/// A subcommand: its names, how many words it takes at least and at most, its handler.
struct Subcommand {
    name: &'static str,
    alias: Option<&'static str>,
    words_min: usize,
    words_max: usize,
    handler: fn(&mut Call<'_>) -> Done,
}

const ANY: usize = usize::MAX;

const fn row(
    name: &'static str,
    (words_min, words_max): (usize, usize),
    handler: fn(&mut Call<'_>) -> Done,
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
    handler: fn(&mut Call<'_>) -> Done,
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

/// The reply to a client whose save has failed.
const NOT_SAVED: &[u8] = b"-ERR Failed to save config file. Check server logs.\r\n";

fn error(text: &str) -> CommandError {
    CommandError::naming(text, b"", "")
}

/// `text` with the client's word in its middle.
fn error_naming(before: &str, word: &[u8], after: &str) -> CommandError {
    CommandError::naming(before, word, after)
}

const NO_PRIMARY: &str = "ERR No such master with that name";

impl Call<'_> {
    fn primary(&self, name: &[u8]) -> Result<&Primary, CommandError> {
        let primary = self.sentinel.primaries.get(name);
        primary.ok_or_else(|| error(NO_PRIMARY))
    }

    /// Writes `+OK`, to be sent once the state is saved.
    fn ok_when_saved(&mut self) -> Done {
        self.sentinel.shared.out.persist();
        self.reply.ok();
        Ok(After::Persist {
            otherwise: NOT_SAVED.to_vec(),
        })
    }
}

impl Sentinel {
    /// `SENTINEL subcommand ...`; `args` begins with SENTINEL.
    pub(crate) fn command(
        &mut self,
        now: Now,
        args: &[&[u8]],
        host: &Host<'_>,
        reply: &mut Reply,
    ) -> After {
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
                After::Send
            }
        }
    }

    /// `PUBLISH channel message`: another Sentinel's hello.
    pub(crate) fn publish(&mut self, now: Now, channel: &[u8], message: &[u8], reply: &mut Reply) {
        self.set_now(now);
        if channel != super::instances::CHANNEL {
            let text = "ERR Only HELLO messages are accepted by Sentinel instances.";
            return reply.error(&error(text));
        }
        self.receive_hello(message);
        reply.int(1);
    }

    /// ROLE: `sentinel`, and the names of the primaries.
    pub(crate) fn role(&self, reply: &mut Reply) {
        reply.array(2);
        reply.bulk(b"sentinel");
        reply.array(self.primaries.len());
        for name in self.primaries.keys() {
            reply.bulk(name);
        }
    }
}

fn run(call: &mut Call<'_>) -> Done {
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
