//! Replication between two processes: russet and the real servers, each as primary and as replica.
//!
//! A pair goes through a fresh full sync, cuts of the link, a restart of the replica and a restart
//! of the primary, while clients write commands of all types. After each step the writes pause, the
//! offsets become equal, and the data of both must be the same. The primary's counters prove that a
//! partial sync was partial.
//!
//! | module | holds |
//! |---|---|
//! | `matrix` | the pairs, the forms of full sync, the abilities of each end |
//! | `steps` | the steps of each pair |
//! | `node` | a server of a pair |
//! | `link` | the network between them, which can be cut, halted and slowed |
//! | `writes` | the writes meanwhile, and a reader of the replica |
//! | `compare` | whether both hold the same |
//! | `faults` | crashes of either end, a replica that does not read |
//! | `log` | partial syncs from the append only file |
//! | `unreadable` | replicas that are too old for a key |
//! | `synchronous` | `min-sync-replicas` |
//! | `linear` | `sync-reads linear`: no old data at a primary that was replaced |
//! | `quorum` | `sync-quorum`: takeovers that lose no acknowledged write |
//!
//! `RUSSET_REPLICAS=full` runs longer, with every way to load a snapshot; `off` runs nothing.
//! `RUSSET_REPLICAS_PAIRS` names the pairs of primary and replica to run
//! (`russet:redis8,valkey9:russet`). `RUSSET_REPLICAS_JOBS` is the number of pairs at a time,
//! `RUSSET_CYCLES` the number of crashes of each pair.

mod compare;
mod faults;
mod linear;
mod link;
mod log;
mod matrix;
mod node;
mod quorum;
mod steps;
#[path = "../support/mod.rs"]
mod support;
mod synchronous;
mod unreadable;
mod writes;

use matrix::Extent;
use node::Kind;

#[test]
fn pairs_hold_the_same_after_cuts_and_restarts() {
    let Some(extent) = Extent::wanted() else {
        return;
    };
    let failures = matrix::play_all(&matrix::cases(), extent);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_write_behind_the_primarys_back_is_seen() {
    for kind in [Kind::Redis80, Kind::Valkey91] {
        if Extent::wanted().is_some() && kind.program_for("the comparison's own test").is_some() {
            steps::a_lost_write_is_seen(kind).unwrap_or_else(|why| panic!("{kind}: {why}"));
        }
    }
}

#[test]
fn what_wait_acknowledged_outlives_crashes() {
    let Some(extent) = Extent::wanted() else {
        return;
    };
    let cycles =
        matrix::number("RUSSET_CYCLES").unwrap_or(if extent.is_full { 10_000 } else { 24 });
    let seed = matrix::number("RUSSET_SEED").unwrap_or(1);
    for pair in matrix::crashing_pairs() {
        let crashes = faults::crash(pair, "yes", cycles, seed);
        let crashes = crashes.unwrap_or_else(|why| panic!("{}:{}: {why}", pair.0, pair.1));
        println!("{}:{}: {crashes}", pair.0, pair.1);
    }
}

#[test]
fn a_replica_that_does_not_read_costs_no_more_than_configured() {
    if Extent::wanted().is_none() {
        return;
    }
    for pair in matrix::crashing_pairs() {
        let memory = faults::stop_reading(pair.0, pair.1, 200);
        let memory = memory.unwrap_or_else(|why| panic!("{}:{}: {why}", pair.0, pair.1));
        println!("{}:{}: {memory}", pair.0, pair.1);
    }
}

#[test]
fn a_primary_that_keeps_nothing_is_seen_to_lose() {
    let kind = Kind::Redis80;
    if Extent::wanted().is_some() && kind.program_for("the crashes' own test").is_some() {
        let why = faults::crash((kind, kind), "no", 24, 1).expect_err("without a file");
        assert!(why.contains("was acknowledged by"), "{why}");
    }
}

#[test]
fn a_replica_that_is_too_old_for_a_key_is_named_with_it() {
    if Extent::wanted().is_none() {
        return;
    }
    let plain = &["SET", "plain", "1"][..];
    if Kind::Redis70
        .program_for("a replica that is too old")
        .is_some()
    {
        let hash = [
            plain,
            &["HSET", "odd", "f", "v"],
            &["HPEXPIRE", "odd", "1000000", "FIELDS", "1", "f"],
        ];
        let named =
            "a hash with fields that expire, such as 'odd' (db 0), which needs RDB version 12";
        unreadable::play(Kind::Redis70, &hash, named, "12");
    }
    if Kind::Redis80
        .program_for("a replica that is too old")
        .is_some()
    {
        let array = [plain, &["ARSET", "odd", "0", "v"]];
        let named = "an array, such as 'odd' (db 0), which needs RDB version 14";
        unreadable::play(Kind::Redis80, &array, named, "14");
    }
}

/// The replicas in the tests of the log.
const LOG_REPLICAS: [Kind; 3] = [Kind::Russet, Kind::Redis80, Kind::Valkey91];

fn each_log_replica(play: impl Fn(Kind)) {
    if Extent::wanted().is_none() {
        return;
    }
    for kind in LOG_REPLICAS {
        if kind.program_for("the log as the backlog").is_some() {
            play(kind);
        }
    }
}

#[test]
fn a_replica_continues_from_the_log() {
    each_log_replica(log::come_back);
}

#[test]
fn a_replica_that_does_not_read_continues_from_the_log() {
    each_log_replica(|kind| log::stop_reading(kind, 40));
}

#[test]
fn a_replica_that_is_ahead_is_synchronized_anew() {
    each_log_replica(log::lose_the_end);
}

#[test]
fn no_crash_makes_a_full_sync_necessary() {
    let cycles = matrix::number("RUSSET_CYCLES").unwrap_or(12);
    let seed = matrix::number("RUSSET_SEED").unwrap_or(1);
    each_log_replica(|kind| {
        log::crash(kind, &[], cycles, seed);
        // Redis does not continue from the append only file, so only russet runs this.
        if kind == Kind::Russet {
            log::crash(kind, &["--appendonly", "yes"], cycles, seed);
        }
    });
}

#[test]
fn replies_that_show_a_write_wait_for_the_replica() {
    if Extent::wanted().is_none() {
        return;
    }
    for kind in [Kind::Russet, Kind::Redis80, Kind::Valkey91] {
        if kind.program_for("a sync replica").is_some() {
            synchronous::replies_that_show_a_write_wait(kind);
        }
    }
}

#[test]
fn a_pipeline_is_answered_in_parts() {
    synchronous::a_pipeline_is_answered_in_parts();
}

#[test]
fn a_replica_shows_only_what_is_safe() {
    synchronous::a_replica_shows_only_what_is_safe();
}

#[test]
fn a_buffer_waits_for_what_another_client_wrote() {
    synchronous::a_buffer_waits_for_what_another_client_wrote();
}

#[test]
fn writes_that_are_late_are_in_doubt() {
    synchronous::what_is_late_is_in_doubt();
}

#[test]
fn writes_wait_for_replicas_before_they_run() {
    synchronous::writes_wait_for_replicas_before_they_run();
}

#[test]
fn a_deposed_primary_says_so() {
    synchronous::a_deposed_primary_says_so();
}

#[test]
fn events_and_blocked_readers_wait() {
    synchronous::events_and_blocked_readers_wait();
}

#[test]
fn a_promoted_replica_shows_what_was_safe() {
    synchronous::a_promoted_replica_shows_what_was_safe();
}

#[test]
fn a_failover_hands_the_mode_over() {
    synchronous::a_failover_hands_the_mode_over();
}
