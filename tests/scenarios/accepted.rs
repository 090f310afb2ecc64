//! Differences from Redis that scenarios may show, each with its reason.

use crate::{
    compare::{Difference, DifferenceKind},
    scenario::Scenario,
};

/// A known difference, and the reason why it stays.
struct AcceptedDifference {
    reason: &'static str,
    is_it: fn(&Scenario, &Difference) -> bool,
}

/// The reason for accepting a difference, if there is a reason.
pub fn reason(scenario: &Scenario, difference: &Difference) -> Option<&'static str> {
    ACCEPTED
        .iter()
        .find(|row| (row.is_it)(scenario, difference))
        .map(|row| row.reason)
}

const ACCEPTED: &[AcceptedDifference] = &[
    AcceptedDifference {
        reason: "Redis throws away what a killed client has not been sent yet, russet sends it",
        is_it: |scenario, difference| {
            matches!(difference.what, DifferenceKind::Received(_))
                && difference.got.starts_with(&difference.expected)
                && joined_with(scenario, difference, "CLIENT KILL")
        },
    },
    AcceptedDifference {
        reason: "FLUSH* and SWAPDB: Redis keeps a touched client's watches until EXEC",
        is_it: |scenario, difference| {
            let flushes = ["FLUSHALL", "FLUSHDB", "SWAPDB"];
            is_figure(difference, |name| {
                ["watching_clients", "total_watched_keys"].contains(&name)
                    || name.ends_with(" watch")
            }) && scenario
                .steps
                .iter()
                .any(|step| flushes.iter().any(|line| step.is(line)))
        },
    },
    AcceptedDifference {
        reason: "what a client sent behind a wait that time ended runs in Redis with the next event",
        is_it: |scenario, difference| {
            matches!(difference.what, DifferenceKind::Received(_))
                && difference.got.starts_with(&difference.expected)
                && BLOCKING
                    .iter()
                    .any(|line| joined_with(scenario, difference, line))
        },
    },
    AcceptedDifference {
        reason: "Redis closes a client that kills itself with its next reply, which CLIENT REPLY \
                 OFF never sends",
        is_it: |scenario, difference| {
            matches!(difference.what, DifferenceKind::Closed(_))
                && difference.got == "true"
                && scenario.steps.iter().any(|step| step.is("CLIENT REPLY"))
                && scenario.steps.iter().any(|step| step.is("CLIENT KILL"))
        },
    },
    AcceptedDifference {
        reason: "several patterns, and the names that are left together, stand in a hash table in Redis",
        is_it: |scenario, difference| {
            let several = ["PSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"];
            let sorted = |text: &str| {
                let mut bytes = text.as_bytes().to_vec();
                bytes.sort_unstable();
                bytes
            };
            matches!(difference.what, DifferenceKind::Received(_))
                && sorted(&difference.expected) == sorted(&difference.got)
                && several
                    .iter()
                    .any(|line| scenario.steps.iter().any(|step| step.is(line)))
        },
    },
    AcceptedDifference {
        reason: "WAIT that CLIENT UNBLOCK ERROR ends is two calls in Redis",
        is_it: |scenario, difference| {
            is_figure(difference, |name| name == "calls of wait")
                && scenario.steps.iter().any(|step| step.is("CLIENT UNBLOCK"))
        },
    },
    AcceptedDifference {
        reason: "a pause that another client sets in the turn of UNPAUSE finds others served in Redis",
        is_it: |scenario, difference| {
            let done = |line| scenario.steps.iter().filter(|step| step.is(line)).count();
            matches!(difference.what, DifferenceKind::Received(_))
                && done("CLIENT PAUSE") > 1
                && done("CLIENT UNPAUSE") > 0
        },
    },
    AcceptedDifference {
        reason: "Redis 8.0.2 ends when CLIENT UNBLOCK names a client that a pause holds",
        is_it: |scenario, difference| {
            matches!(difference.what, DifferenceKind::End)
                && ["CLIENT PAUSE", "CLIENT UNBLOCK"]
                    .iter()
                    .all(|line| scenario.steps.iter().any(|step| step.is(line)))
        },
    },
];

const BLOCKING: &[&str] = &[
    "BLPOP",
    "BRPOP",
    "BLMOVE",
    "BRPOPLPUSH",
    "BLMPOP",
    "BZPOPMIN",
    "BZPOPMAX",
    "BZMPOP",
    "WAIT",
];

fn is_figure(difference: &Difference, wanted: impl Fn(&str) -> bool) -> bool {
    matches!(&difference.what, DifferenceKind::Figure(name) if wanted(name))
}

/// Whether this command is among the joined steps that caused the difference.
fn joined_with(scenario: &Scenario, difference: &Difference, line: &str) -> bool {
    difference
        .step
        .is_some_and(|last| scenario.group_of(last).iter().any(|step| step.is(line)))
}
