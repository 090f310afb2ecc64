//! CLUSTER SLOT-STATS: figures of the slots that this node's shard serves.
//!
//! A reply has `key-count`, and the figures that the server counts (`cluster-slot-stats-enabled`;
//! memory only in the dialect that counts it). A figure after ORDERBY that is unknown or not
//! counted is an error, which the handler finds before errors in the options.
//!
//! Cost: O(slots), a lookup for each slot and figure; ORDERBY sorts them.
//!
//! Decided elsewhere: counting: `server.diagnostics.slot_stats` and the keyspace's tables.

use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError, Facts, Flags};
use russet_config::SlotStats as Wanted;
use russet_keyspace::SLOTS;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};

pub(super) const SLOT_STATS: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::STALE.union(Flags::LOADING),
    tips: &["nondeterministic_output", "request_policy:all_shards"],
    facts: Facts::SHOWS,
    ..Spec::new("slot-stats", slot_stats)
};

/// A figure: the name, the counting that it needs, and the function that reads it.
struct Figure {
    name: &'static str,
    needs: Wanted,
    of: fn(&Call<'_>, u16) -> u64,
}

/// All of them, in the order of replies.
const FIGURES: [Figure; 5] = [
    Figure {
        name: "key-count",
        needs: Wanted::empty(),
        of: |call, slot| call.db.whole().slot_len(slot) as u64,
    },
    Figure {
        name: "memory-bytes",
        needs: Wanted::MEM,
        of: |call, slot| call.db.whole().slot_bytes(slot),
    },
    Figure {
        name: "cpu-usec",
        needs: Wanted::CPU,
        of: |call, slot| {
            let ticks = call.server.diagnostics.slot_stats.of(slot).ticks;
            call.server.cycles.micros(ticks)
        },
    },
    Figure {
        name: "network-bytes-in",
        needs: Wanted::NET,
        of: |call, slot| call.server.diagnostics.slot_stats.of(slot).bytes_in,
    },
    Figure {
        name: "network-bytes-out",
        needs: Wanted::NET,
        of: |call, slot| call.server.diagnostics.slot_stats.of(slot).bytes_out,
    },
];

/// The figures that this server takes.
fn enabled_figures(call: &Call<'_>) -> Vec<&'static Figure> {
    let mut wanted = call.server.config.cluster_slot_stats_enabled;
    if !call.db.dialect().counts_slot_memory() {
        wanted.remove(Wanted::MEM);
    }
    let figures = FIGURES.iter();
    figures.filter(|its| wanted.contains(its.needs)).collect()
}

/// Whether this node or its primary serves the slot.
fn is_ours(call: &Call<'_>, slot: u16) -> bool {
    let cluster = call.server.cluster.as_ref();
    cluster.is_some_and(|its| its.core.is_mine(slot) || its.core.is_of_my_primary(slot))
}

/// `CLUSTER SLOT-STATS SLOTSRANGE first last`, `.. ORDERBY figure [LIMIT n] [ASC | DESC]`.
///
/// Reply: array of (slot, map of figures), by slot or by the figure, equal figures by slot; only
/// slots that this node's shard serves. The defaults are DESC and no limit. O(slots), O(slots log
/// slots) with ORDERBY.
fn slot_stats(call: &mut Call<'_>) -> CommandResult {
    super::enabled::check_enabled(call)?;
    let args = call.args.from(2);
    if args.is(0, "SLOTSRANGE") && args.len() == 3 {
        let (first, last) = (slot_at(args.at(1))?, slot_at(args.at(2))?);
        if first > last {
            let text =
                format!("ERR Start slot number {first} is greater than end slot number {last}");
            return Err(CommandError::Bytes(text.into_bytes()));
        }
        let slots: Vec<u16> = (first..=last).filter(|&slot| is_ours(call, slot)).collect();
        reply(call, &slots);
        return Ok(());
    }
    if args.is(0, "ORDERBY") && args.len() >= 2 {
        let by = enabled_figures(call)
            .into_iter()
            .find(|its| args.is(1, its.name));
        let order = Order::parse(args.from(2));
        let by = by.ok_or(CommandError::Text(
            "ERR Unrecognized sort metric for ORDERBY.",
        ))?;
        let order = order?;
        let ours = (0..SLOTS as u16).filter(|&slot| is_ours(call, slot));
        let mut slots: Vec<(u64, u16)> = ours.map(|slot| ((by.of)(call, slot), slot)).collect();
        if order.ascending {
            slots.sort_unstable()
        } else {
            slots.sort_unstable_by_key(|&(figure, slot)| (u64::MAX - figure, slot))
        }
        let slots: Vec<u16> = slots
            .into_iter()
            .take(order.limit)
            .map(|(_, slot)| slot)
            .collect();
        reply(call, &slots);
        return Ok(());
    }
    Err(crate::help::misused(call.args))
}

fn slot_at(text: &[u8]) -> Result<u16, CommandError> {
    let slot = parse_i64(text).and_then(|slot| u16::try_from(slot).ok());
    slot.filter(|&slot| usize::from(slot) < SLOTS)
        .ok_or(CommandError::Text("ERR Invalid or out of range slot"))
}

/// The options of ORDERBY.
struct Order {
    limit: usize,
    ascending: bool,
}

impl Order {
    fn parse(args: Args<'_>) -> Result<Order, CommandError> {
        const LIMIT: &str =
            "ERR Limit has to lie in between 1 and 16384 (maximum number of slots).";
        const TWICE: &str = "ERR Multiple filters of the same type are disallowed.";
        let (mut limit, mut ascending, mut at) = (None, None, 0);
        while at < args.len() {
            let is_order = args.is(at, "ASC") || args.is(at, "DESC");
            if is_order && ascending.is_none() {
                ascending = Some(args.is(at, "ASC"));
                at += 1;
            } else if args.is(at, "LIMIT") && at + 1 < args.len() && limit.is_none() {
                let count = parse_i64(args.at(at + 1)).and_then(|n| usize::try_from(n).ok());
                let count = count.filter(|count| (1..=SLOTS).contains(count));
                limit = Some(count.ok_or(CommandError::Text(LIMIT))?);
                at += 2;
            } else if is_order || args.is(at, "LIMIT") && at + 1 < args.len() {
                return Err(CommandError::Text(TWICE));
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(Order {
            limit: limit.unwrap_or(SLOTS),
            ascending: ascending.unwrap_or(false),
        })
    }
}

fn reply(call: &mut Call<'_>, slots: &[u16]) {
    let figures = enabled_figures(call);
    call.reply.array(slots.len());
    for &slot in slots {
        let values: Vec<u64> = figures.iter().map(|its| (its.of)(call, slot)).collect();
        call.reply.array(2);
        call.reply.int(slot.into());
        call.reply.map(figures.len());
        for (figure, value) in figures.iter().zip(values) {
            call.reply.bulk(figure.name.as_bytes());
            call.reply.int(value as i64);
        }
    }
}
