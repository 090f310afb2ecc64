//! What the configuration says to migrations. Times are milliseconds.

use crate::config::Dialect;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub dialect: Dialect,
    /// `repl-timeout`: silence of a peer that has to answer.
    pub repl_timeout: i64,
    /// `cluster-manual-failover-timeout`: writes are held for twice that time at most, in Valkey's way.
    pub manual_failover_timeout: i64,
    /// `cluster-slot-migration-write-pause-timeout`: the same in Redis's way.
    pub write_pause_timeout: i64,
    /// `cluster-slot-migration-handoff-max-lag-bytes`: what the target may lack when writes are held.
    pub handoff_max_lag: u64,
    /// `slot-migration-max-failover-repl-bytes`: what may wait for the target when writes are held, in Valkey's
    /// way; below 0: any number.
    pub max_failover_unsent: i64,
    /// `cluster-slot-migration-log-max-len`: ended migrations that are remembered.
    pub log_max_len: usize,
    /// `primaryuser` and `primaryauth`, which Valkey's source shows to its target.
    pub user: Vec<u8>,
    pub password: Vec<u8>,
    /// DEBUG SLOTMIGRATION.
    pub prevents_pause: bool,
    pub prevents_failover: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            dialect: Dialect::Redis,
            repl_timeout: 60_000,
            manual_failover_timeout: 5_000,
            write_pause_timeout: 10_000,
            handoff_max_lag: 1 << 20,
            max_failover_unsent: 0,
            log_max_len: 1000,
            user: Vec::new(),
            password: Vec::new(),
            prevents_pause: false,
            prevents_failover: false,
        }
    }
}
