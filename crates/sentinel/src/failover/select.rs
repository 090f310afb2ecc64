//! The choice of the replica to be promoted.
//!
//! It must be reachable, have answered a PING within five PING periods and an INFO lately, have a
//! priority other than 0, and not have been without its primary for much longer than that is down.
//! Among those: the lowest priority, then the most data, then the smallest run id.

use std::cmp::Reverse;

use super::super::instances::{Primary, Replica};
use super::super::shared::Shared;
use super::super::time::Ms;

/// Why a replica cannot be promoted. Ages and limits are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Down,
    Disconnected,
    /// No reply to PING for this long.
    Silent(Ms),
    /// Its priority is 0.
    Excluded,
    /// Its INFO was never seen.
    NoInfo,
    /// Its last INFO is older than it may be.
    OldInfo {
        age: Ms,
        max: Ms,
    },
    /// It has been without its primary for longer than it may be.
    LinkDown {
        age: Ms,
        max: Ms,
    },
}

/// The order of those that are fit: the smallest is the best.
pub type Rank = (i64, Reverse<u64>, bool, Option<Vec<u8>>);

/// Priority, offset, run id; one without a run id is last.
pub fn rank(replica: &Replica) -> Rank {
    let node = &replica.node;
    let run_id = node.run_id.as_ref().map(|id| id.to_ascii_lowercase());
    (
        node.priority,
        Reverse(node.offset),
        run_id.is_none(),
        run_id,
    )
}

/// The best replica's name.
pub fn select(shared: &Shared, primary: &Primary) -> Option<Vec<u8>> {
    let fit = primary
        .replicas
        .iter()
        .filter(|(_, replica)| unfit(shared, primary, replica).is_none());
    let best = fit.min_by_key(|(_, replica)| rank(replica));
    best.map(|(name, _)| name.clone())
}

/// The first reason why a replica cannot be promoted.
pub fn unfit(shared: &Shared, primary: &Primary, replica: &Replica) -> Option<Unfit> {
    let (now, periods) = (shared.now, &shared.periods);
    let (node, down) = (&replica.node, &primary.node.watch);
    let link = shared.links.get(node.watch.link);
    // While the primary is down, its replicas are asked for INFO every second.
    let info_age_max = if down.is_down {
        periods.ping * 5
    } else {
        periods.info * 3
    };
    // Counted from its last valid reply, which in TILT is long before SDOWN: Redis counts from
    // SDOWN, and after a TILT may find no replica good enough, ever.
    let received_at = shared.links.get(down.link).available_at;
    let down_ms = match down.down_since {
        Some(since) if down.is_down => now - since.min(received_at),
        _ => 0,
    };
    let link_down_max = down_ms + primary.settings.down_after_ms * 10;
    let silent_ms = now - link.available_at;
    if node.watch.is_down {
        return Some(Unfit::Down);
    }
    if !link.is_up() {
        return Some(Unfit::Disconnected);
    }
    if silent_ms > periods.ping * 5 {
        return Some(Unfit::Silent(silent_ms));
    }
    if node.priority == 0 {
        return Some(Unfit::Excluded);
    }
    let Some(info_at) = node.info_at else {
        return Some(Unfit::NoInfo);
    };
    let (age, max) = (now - info_at, info_age_max);
    if age > max {
        return Some(Unfit::OldInfo { age, max });
    }
    let (age, max) = (node.link_down_ms, link_down_max);
    (age > max).then_some(Unfit::LinkDown { age, max })
}
