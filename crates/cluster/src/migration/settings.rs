//! The settings of migrations, from the configuration.

use russet_base::Millis;
use russet_config::{Config, Dialect};

/// Node timeouts for which a source keeps claimed slots: nodes see a failure after 1 to 2 timeouts,
/// an election takes 2.
const GRACE_TIMEOUTS: u64 = 4;

/// See [`Settings::claim_wait`].
const CLAIM_WAIT_PART: u64 = 4;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Redis's way of migration or Valkey's.
    pub dialect: Dialect,
    /// `repl-timeout`: silence of a peer that has to answer.
    pub repl_timeout: Millis,
    /// `cluster-manual-failover-timeout`: writes are held for twice that time at most, in Valkey's
    /// way.
    pub manual_failover_timeout: Millis,
    /// `cluster-slot-migration-write-pause-timeout`: writes are held for this time at most, in
    /// Redis's way.
    pub write_pause_timeout: Millis,
    /// `cluster-slot-migration-handoff-max-lag-bytes`: bytes that the target may lack when writes
    /// are held.
    pub handoff_max_lag: u64,
    /// `slot-migration-max-failover-repl-bytes`: bytes that may wait for the target when writes are
    /// held, in Valkey's way; below 0: any number.
    pub max_failover_unsent: i64,
    /// `cluster-slot-migration-log-max-len`: ended migrations that are remembered.
    pub log_max_len: usize,
    /// How long slots that other nodes have claimed are kept while their replicas have not
    /// acknowledged the claim. 0: not at all.
    pub keep_grace: Millis,
    /// `primaryuser` and `primaryauth`, which Valkey's source shows to its target.
    pub user: Vec<u8>,
    /// The password of `primaryauth`; empty: the target is shown none.
    pub password: Vec<u8>,
    /// DEBUG SLOTMIGRATION.
    pub prevents_pause: bool,
    /// DEBUG SLOTMIGRATION: a target does not claim the slots that it was granted.
    pub prevents_failover: bool,
}

impl Settings {
    /// The settings of this configuration, with DEBUG's switches off.
    pub fn of(config: &Config) -> Settings {
        let ms = Millis::of_ms;
        Settings {
            dialect: config.dialect,
            repl_timeout: Millis::of_s(u64::from(config.repl_timeout)),
            manual_failover_timeout: ms(u64::from(config.cluster_manual_failover_timeout)),
            write_pause_timeout: ms(config.cluster_slot_migration_write_pause_timeout),
            handoff_max_lag: config.cluster_slot_migration_handoff_max_lag_bytes,
            max_failover_unsent: config.slot_migration_max_failover_repl_bytes,
            keep_grace: ms(config.cluster_node_timeout.saturating_mul(GRACE_TIMEOUTS)),
            log_max_len: config.cluster_slot_migration_log_max_len as usize,
            user: config.masteruser.to_vec(),
            password: config.masterauth.to_vec(),
            prevents_pause: false,
            prevents_failover: false,
        }
    }

    /// How long the target waits for its replicas to have the slots: a part of the time for which
    /// the source holds writes in either way.
    pub fn claim_wait(&self) -> Millis {
        let held = self.write_pause_timeout.min(self.manual_failover_timeout);
        Millis::of_ms(held.get() as u64 / CLAIM_WAIT_PART)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each directive in its own unit, by the configuration's defaults.
    #[test]
    fn seconds_and_milliseconds_of_the_configuration_are_durations() {
        let settings = Settings::of(&Config::default());
        assert_eq!(settings.repl_timeout, Millis::of_s(60));
        assert_eq!(settings.manual_failover_timeout, Millis::of_s(5));
        assert_eq!(settings.write_pause_timeout, Millis::of_s(10));
        assert_eq!(settings.keep_grace, Millis::of_s(60));
        assert_eq!(settings.claim_wait(), Millis::of_ms(1250));
    }
}
