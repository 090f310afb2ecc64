//! Replication between two processes: russet and the real servers, each as primary and as replica.
//!
//! A pair goes through a fresh full sync, cuts of its link, a restart of the replica and one of the
//! primary, while commands of all types are written. After each step the writes pause, the offsets
//! meet, and the data of both is the same; the primary's counters tell that a partial sync was one.
//!
//! | module | holds |
//! |---|---|
//! | `matrix` | the pairs, the forms of full sync, the steps |
//! | `node` | a server of a pair |
//! | `link` | the network between them, which can be cut, halted and slowed |
//! | `writes` | what is written meanwhile, and a reader of the replica |
//! | `compare` | whether both hold the same |
//!
//! `RUSSET_REPLICAS=full`: longer, and with every way to load a snapshot. `RUSSET_REPLICAS_PAIRS`:
//! only these pairs of primary and replica (`russet:redis8,valkey9:russet`).
//! `RUSSET_REPLICAS_JOBS`: pairs at a time.

mod compare;
mod link;
mod matrix;
mod node;
#[path = "../support/mod.rs"]
mod support;
mod writes;

use matrix::Extent;
use node::Kind;

#[test]
fn pairs_hold_the_same_after_cuts_and_restarts() {
    let failures = matrix::play_all(&matrix::cases(), Extent::wanted());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_write_behind_the_primarys_back_is_seen() {
    for kind in [Kind::Redis80, Kind::Valkey91] {
        if kind.program_for("the comparison's own test").is_some() {
            matrix::a_lost_write_is_seen(kind).unwrap_or_else(|why| panic!("{kind}: {why}"));
        }
    }
}
