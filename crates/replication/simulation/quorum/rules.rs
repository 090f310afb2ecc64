//! Each rule that is broken on purpose is found, within so many seeds.
//!
//! Five rules matter in rare histories only, and have directed ones (`histories`):
//! `old_bytes_are_not_counted_before_the_note_of_the_term`,
//! `the_greater_ballot_has_the_longer_stream`, `a_group_ends_once_its_members_know`,
//! `another_leads_after_the_vows` and `a_lease_runs_from_the_time_of_sending`.

use super::storms::QuorumStorm;
use crate::quorum::Fault;
use russet_host::simulation::Storm;

/// The first seed in which a broken rule loses a write, has two leaders of a ballot, or an end of
/// the group that a leader does not know.
fn first_seed(fault: Fault, seeds: u64) -> Option<u64> {
    let storm = match fault {
        Fault::LossyKeepsGroup => QuorumStorm::given_up,
        _ => QuorumStorm::new,
    };
    (0..seeds).find(|&seed| storm(seed, Some(fault)).fails_by("Q1|Q2|Q3|Q4"))
}

#[test]
fn each_broken_rule_of_the_quorum_is_found() {
    let mut missed = Vec::new();
    for (fault, seeds) in [
        (Fault::NoPromises, 100),
        (Fault::OnePromiseLess, 200),
        (Fault::UncleanCounts, 1000),
        (Fault::ResumedBallot, 1000),
        (Fault::NewMembersAlone, 1000),
        (Fault::BallotWithoutNode, 1000),
        (Fault::OutsidersCount, 1000),
        (Fault::UnsyncedPromise, 1000),
        (Fault::LossyKeepsGroup, 1000),
    ] {
        match first_seed(fault, seeds) {
            Some(seed) => eprintln!("{fault:?} is found by seed {seed}"),
            None => missed.push(fault),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
