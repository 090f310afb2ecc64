//! Work other than single commands: a mode for each option of redis-cli, over a single connection.
//!
//!     scan       --scan: names of keys        bigkeys    --bigkeys: the largest of each type
//!     pipe       --pipe: requests as they are rdb        --rdb, --functions-rdb: a snapshot
//!     latency    --latency, --latency-history stat       --stat: a line of figures a second
//!     bigkeys    also --memkeys: by memory    keystats   --keystats: memory and length of all keys
//!     hotkeys    --hotkeys: the most used     lru_test   --lru-test: a cache under load
//!     replica    --replica: the stream        intrinsic  --intrinsic-latency: of this machine
//!     debug      --ldb: a script step by step
//!
//! Each mode prints as redis-cli does and returns the exit status. A failure that ends a mode is an
//! error with the line to print.

mod bigkeys;
mod debug;
mod hotkeys;
mod intrinsic;
mod keystats;
mod latency;
mod lru_test;
mod pipe;
mod rdb;
mod replica;
mod scan;
mod stat;

pub(crate) use bigkeys::{Measure, big_keys};
pub(crate) use debug::debug;
pub(crate) use hotkeys::hot_keys;
pub(crate) use intrinsic::intrinsic_latency;
pub(crate) use keystats::key_stats;
pub(crate) use latency::latency;
pub(crate) use lru_test::lru_test;
pub(crate) use pipe::pipe;
pub(crate) use rdb::{rdb, snapshot};
pub(crate) use replica::replica;
pub(crate) use scan::scan;
pub(crate) use stat::stat;

use std::io;

use russet_resp::ReplyValue;

use crate::link::{Link, reason_of};

/// A line for people.
pub(crate) type ErrorLine = String;

fn ended(why: io::Error) -> ErrorLine {
    format!("Error: {}", reason_of(&why))
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A request whose refusal ends the mode.
fn ask(link: &mut Link, words: &[impl AsRef<[u8]>]) -> Result<ReplyValue, ErrorLine> {
    match link.ask(words).map_err(ended)? {
        ReplyValue::Error(why) => Err(format!(
            "{} error: {}",
            text_of(words[0].as_ref()),
            text_of(&why)
        )),
        reply => Ok(reply),
    }
}

/// The text of INFO.
fn info(link: &mut Link) -> Result<String, ErrorLine> {
    match ask(link, &["INFO"])? {
        ReplyValue::Bulk(text) => Ok(text_of(&text)),
        ReplyValue::Verbatim(text) => Ok(text_of(crate::print::verbatim(&text))),
        other => Err(format!("INFO replied {other:?}")),
    }
}

/// The value of a field of INFO.
fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    let mut lines = info.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}
