//! PREFIXSTATS: who uses what, by the prefixes of keys. russet's own; no other server has it.

use std::cmp::Reverse;

use crate::base::number::parse_i64;
use crate::command::{Arity, Category, CommandError, Flags};
use crate::keyspace::PrefixFigures;
use crate::server::{Call, CommandResult, Spec};

/// Lines that are told where COUNT does not say.
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

/// What lines are sorted by.
type Order = fn(&PrefixFigures) -> u64;

const ORDERS: [(&str, Order); 6] = [
    ("bytes", |f| f.bytes),
    ("keys", |f| f.keys),
    ("reads", |f| f.reads),
    ("writes", |f| f.writes),
    ("misses", |f| f.misses),
    ("expired", |f| f.expired),
];

/// `PREFIXSTATS [COUNT n] [BY bytes|keys|reads|writes|misses|expired]`: figures of the selected
/// database's keys by prefix, the greatest first.
///
/// Reply: an array of maps: `prefix` (with its delimiter; `(none)`: keys without one; `(other)`:
/// what the table has no room for), `keys`, `bytes` (as MEMORY USAGE counts them), `reads`,
/// `writes`, `misses`, `expired` (since counting began). COUNT 0 is all lines; default 10.
/// O(n log n), n = prefixes in the table.
fn prefixstats(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (mut count, mut order) = (LINES, ORDERS[0].1);
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
            let named = |(name, _): &&(&str, Order)| value.eq_ignore_ascii_case(name.as_bytes());
            let found = ORDERS.iter().find(named);
            order = found.ok_or(CommandError::Syntax)?.1;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let db = call.db.index();
    let keyspace = call.db.keyspace();
    let lines = keyspace.prefix_lines(db).ok_or(IS_OFF)?;
    let mut lines: Vec<(&[u8], PrefixFigures)> = lines
        .map(|(name, figures)| (name.text(), figures))
        .collect();
    lines.sort_unstable_by_key(|(name, figures)| (Reverse(order(figures)), *name));
    lines.truncate(count);
    let reply = &mut *call.reply;
    reply.array(lines.len());
    for (name, figures) in lines {
        reply.map(1 + ORDERS.len());
        reply.bulk(b"prefix");
        reply.bulk(name);
        let PrefixFigures {
            keys,
            bytes,
            reads,
            writes,
            misses,
            expired,
        } = figures;
        for (name, value) in [
            ("keys", keys),
            ("bytes", bytes),
            ("reads", reads),
            ("writes", writes),
            ("misses", misses),
            ("expired", expired),
        ] {
            reply.bulk(name.as_bytes());
            reply.int(value as i64);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
