//! Tests of every command at once: rows against recorded facts, key plans, costs, scans, snapshots.

#[cfg(test)]
pub(super) mod facts;
#[cfg(test)]
pub(super) mod fairness;
#[cfg(test)]
pub(super) mod growth;
#[cfg(test)]
pub(super) mod key_plans;
#[cfg(test)]
pub(super) mod moved;
#[cfg(test)]
pub(super) mod opened_keys;
#[cfg(test)]
pub(super) mod scans;
#[cfg(test)]
pub(super) mod snapshots;
#[cfg(test)]
pub(super) mod work;
