//! Switches of DEBUG and of tests.
//!
//! All are off in a server at work; none is saved.

use crate::parts::observe::recorder::Recorder;

/// Switches of DEBUG and tests.
#[derive(Default)]
pub struct DebugSwitches {
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION: files and payloads may have any checksum.
    pub skips_checksums: bool,
    /// DEBUG SEARCH-2.10: queries are scored and refused as by RediSearch 2.10.
    pub searches_as_2_10: bool,
    /// DEBUG SET-ACTIVE-EXPIRE 0.
    pub no_active_expire: bool,
    /// DEBUG SET-ALLOW-ACCESS-EXPIRED: expired keys are there as long as nothing deletes them.
    pub shows_expired: bool,
    /// DEBUG KEYSIZES-HIST-ASSERT, ALLOCSIZE-SLOTS-ASSERT: the invariants of the keyspace are
    /// checked after each command.
    pub checks_accounts: bool,
    /// DEBUG PACK EVERY: all strings are packed after each command, so that every command meets
    /// packed ones.
    pub packs_after_each: bool,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: bool,
    /// The clock is set by hand (tests): it is never read.
    pub clock_by_hand: bool,
    /// The seed of the machines' chances, in place of the system's (tests).
    pub seed: Option<u64>,
    /// A rule of queries over shards that a simulation breaks on purpose.
    #[cfg(feature = "testing")]
    pub broken_rule: Option<crate::parts::cluster::BrokenRule>,
    /// Records effects and changes for a test.
    pub recorder: Option<Recorder>,
}
