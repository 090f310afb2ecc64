//! The choice of the replica to be promoted.
//!
//! It must be reachable, have answered a PING within five PING periods and an INFO lately, have a
//! priority other than 0, and not have been without its primary for much longer than that is down.
//! Among the fit replicas: the lowest priority, then the most data, then the smallest run id.

use std::cmp::Reverse;

use super::super::instances::{Primary, Replica};
use super::super::shared::Shared;
use super::super::time::Ms;

/// The facts of a replica by which it may be promoted or not. Ages and limits are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Fitness {
    /// For how long it has been down; `None`: it is not.
    pub down_ms: Option<Ms>,
    /// Whether there is a connection to it.
    pub is_connected: bool,
    /// The age of its last valid reply to PING.
    pub silent_ms: Ms,
    /// `replica-priority`; 0: it is never promoted.
    pub priority: i64,
    /// The age of its last INFO; `None`: none was seen.
    pub info_age_ms: Option<Ms>,
    /// For how long its link to the primary has been down.
    pub link_down_ms: Ms,
    /// The limits.
    pub limits: Limits,
}

/// The limits of [`Fitness`], the same for all replicas of a primary.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of its silence.
    pub silent_max_ms: Ms,
    /// Of the age of its INFO.
    pub info_age_max_ms: Ms,
    /// Of the time without its primary.
    pub link_down_max_ms: Ms,
}

/// Why a replica cannot be promoted. Ages and limits are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PromotionObstacle {
    Down(Ms),
    Disconnected,
    /// No reply to PING for this long.
    Silent(Ms),
    /// The priority is 0.
    Excluded,
    /// The INFO was never seen.
    NoInfo,
    /// The last INFO is older than it may be.
    OldInfo {
        age: Ms,
        max: Ms,
    },
    /// The replica has been without its primary for longer than the limit.
    LinkDown {
        age: Ms,
        max: Ms,
    },
}

impl Limits {
    /// With the periods of PING and INFO, the time for which the primary has been down (`None`: it
    /// is not) and its `down-after-milliseconds`.
    pub fn new(
        (ping_ms, info_ms): (Ms, Ms),
        primary_down_ms: Option<Ms>,
        down_after_ms: Ms,
    ) -> Limits {
        let silent_max_ms = ping_ms * 5;
        // While the primary is down, its replicas are asked for INFO every second.
        let info_age_max_ms = primary_down_ms.map_or(info_ms * 3, |_| silent_max_ms);
        Limits {
            silent_max_ms,
            info_age_max_ms,
            link_down_max_ms: primary_down_ms
                .unwrap_or(0)
                .saturating_add(down_after_ms.saturating_mul(10)),
        }
    }
}

impl Fitness {
    /// The first reason why it cannot be promoted.
    pub(crate) fn fault(&self) -> Option<PromotionObstacle> {
        let Limits {
            silent_max_ms,
            info_age_max_ms,
            link_down_max_ms,
        } = self.limits;
        if let Some(down_ms) = self.down_ms {
            return Some(PromotionObstacle::Down(down_ms));
        }
        if !self.is_connected {
            return Some(PromotionObstacle::Disconnected);
        }
        if self.silent_ms > silent_max_ms {
            return Some(PromotionObstacle::Silent(self.silent_ms));
        }
        if self.priority == 0 {
            return Some(PromotionObstacle::Excluded);
        }
        let Some(age) = self.info_age_ms else {
            return Some(PromotionObstacle::NoInfo);
        };
        if age > info_age_max_ms {
            let max = info_age_max_ms;
            return Some(PromotionObstacle::OldInfo { age, max });
        }
        let (age, max) = (self.link_down_ms, link_down_max_ms);
        (age > max).then_some(PromotionObstacle::LinkDown { age, max })
    }
}

/// The order of the fit replicas: the smallest is the best.
pub type Rank = (i64, Reverse<u64>, bool, Option<Vec<u8>>);

/// Priority, offset, run id; a replica without a run id is last.
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
pub(crate) fn unfit(
    shared: &Shared,
    primary: &Primary,
    replica: &Replica,
) -> Option<PromotionObstacle> {
    let (now, periods) = (shared.now, &shared.periods);
    let (node, down) = (&replica.node, &primary.node.watch);
    let link = shared.links.get(node.watch.link);
    // Counted from its last valid reply, which in TILT is long before SDOWN: Redis counts from
    // SDOWN, and after a TILT may find no replica good enough, ever.
    let received_at = shared.links.get(down.link).available_at;
    let down_ms = |since: Ms| now - since.min(received_at);
    let primary_down_ms = (down.is_down).then(|| down.down_since.map_or(0, down_ms));
    let down_after_ms = primary.settings.down_after_ms;
    let fitness = Fitness {
        down_ms: (node.watch.is_down).then(|| now - node.watch.down_since.unwrap_or(now)),
        is_connected: link.is_up(),
        silent_ms: now - link.available_at,
        priority: node.priority,
        info_age_ms: node.info_at.map(|at| now - at),
        link_down_ms: node.link_down_ms,
        limits: Limits::new((periods.ping, periods.info), primary_down_ms, down_after_ms),
    };
    fitness.fault()
}
