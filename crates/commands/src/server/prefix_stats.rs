//! PREFIXSTATS: figures by the prefixes of keys. russet's own; no other server has it.

use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError, Flags};
use russet_keyspace::PrefixFigures;
use russet_server::{Call, CommandResult, Spec};

/// Default COUNT.
const LINES: usize = 10;

const IS_OFF: CommandError =
    CommandError::Text("ERR Keys are not counted by prefix: CONFIG SET prefix-stats yes");

pub(super) const PREFIXSTATS: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: Flags::READONLY,
    categories: Category::KEYSPACE.union(Category::DANGEROUS),
    tips: &["nondeterministic_output_order", "request_policy:all_shards"],
    ..Spec::new("prefixstats", prefixstats)
};

/// The index of the figure with this name, in any case of letters.
fn place_of(name: &[u8]) -> Option<usize> {
    let mut names = PrefixFigures::default().named().into_iter();
    names.position(|(its, _)| name.eq_ignore_ascii_case(its.as_bytes()))
}

/// `PREFIXSTATS [COUNT n] [BY bytes|keys|reads|writes|misses|expired|packed|saved]`: figures of the
/// selected database's keys by prefix, the greatest first.
///
/// Reply: an array of maps: `prefix` (with the delimiter; `(none)`: keys without a prefix;
/// `(other)`: prefixes beyond the table's capacity), `keys`, `bytes` (as MEMORY USAGE counts them),
/// `reads`, `writes`, `misses`, `expired` (since counting began), `packed` (keys whose value is
/// packed now) and `saved` (bytes that this saves). COUNT 0 means all lines; the default is 10.
/// O(n log n), n = prefixes in the table.
fn prefixstats(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (mut count, mut order) = (LINES, place_of(b"bytes").expect("one of the names"));
    let mut at = 1;
    while at < args.len() {
        let value = args.get(at + 1).ok_or(CommandError::Syntax)?;
        if args.is(at, "COUNT") {
            let n = parse_i64(value).ok_or(CommandError::NotAnInteger)?;
            count = match usize::try_from(n) {
                Ok(0) => usize::MAX,
                Ok(n) => n,
                Err(_) => return Err(CommandError::Text("ERR COUNT must not be negative")),
            };
        } else if args.is(at, "BY") {
            order = place_of(value).ok_or(CommandError::Syntax)?;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let db = call.db.index();
    let keyspace = call.db.keyspace();
    let lines = keyspace.highest_prefixes(db, |figures| figures.named()[order].1);
    let mut lines = lines.ok_or(IS_OFF)?;
    lines.truncate(count);
    let reply = &mut *call.reply;
    reply.array(lines.len());
    for (name, figures) in lines {
        let figures = figures.named();
        reply.map(1 + figures.len());
        reply.bulk(b"prefix");
        reply.bulk(name);
        for (name, value) in figures {
            reply.bulk(name.as_bytes());
            reply.int(value as i64);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
