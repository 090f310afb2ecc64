//! Which replica is to be the primary.
//!
//! It must be reachable, have answered a PING within five PING periods and an INFO lately, have a
//! priority other than 0, and not have been without its primary for much longer than that is down. Among
//! those: the lowest priority, then the most data, then the smallest run id.

use std::cmp::Reverse;

use super::instances::{Primary, Replica};
use super::shared::Shared;

/// The best replica's name.
pub(crate) fn select(shared: &Shared, primary: &Primary) -> Option<Vec<u8>> {
    let fit = primary
        .replicas
        .iter()
        .filter(|(_, replica)| is_fit(shared, primary, replica));
    let best = fit.min_by_key(|(_, replica)| {
        let node = &replica.node;
        let run_id = node.run_id.as_ref().map(|id| id.to_ascii_lowercase());
        // One without a run id is last.
        (
            node.priority,
            Reverse(node.offset),
            run_id.is_none(),
            run_id,
        )
    });
    best.map(|(name, _)| name.clone())
}

fn is_fit(shared: &Shared, primary: &Primary, replica: &Replica) -> bool {
    let (now, periods) = (shared.now, &shared.periods);
    let (node, down) = (&replica.node, &primary.node.watch);
    let link = shared.links.get(node.watch.link);
    // While the primary is down, its replicas are asked for INFO every second.
    let info_age_max = match down.is_down {
        true => periods.ping * 5,
        false => periods.info * 3,
    };
    // Since it was last heard of, which in TILT is long before it is noticed that it is down: Redis counts
    // from then on, and after a TILT may find no replica good enough, ever.
    let heard_at = shared.links.get(down.link).available_at;
    let down_ms = match down.down_since {
        Some(since) if down.is_down => now - since.min(heard_at),
        _ => 0,
    };
    let link_down_max = down_ms + primary.settings.down_after_ms * 10;
    !node.watch.is_down
        && link.is_up()
        && now - link.available_at <= periods.ping * 5
        && node.priority != 0
        && node.info_at.is_some_and(|at| now - at <= info_age_max)
        && node.link_down_ms <= link_down_max
}
