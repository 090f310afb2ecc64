//! Lengths of time, and the periods that SENTINEL DEBUG sets.

/// Milliseconds: a moment of the monotonic clock, or a length of time.
pub(crate) type Ms = i64;

/// The longest length of time that is accepted: sums and multiples of it do not overflow.
pub(crate) const MS_MAX: Ms = 1 << 50;

/// How long each activity takes, or how often it happens, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Periods {
    pub info: Ms,
    pub ping: Ms,
    pub ask: Ms,
    pub publish: Ms,
    pub(crate) default_down_after: Ms,
    pub(crate) default_failover_timeout: Ms,
    pub(crate) tilt_trigger: Ms,
    pub tilt: Ms,
    pub(crate) reconf_timeout: Ms,
    pub(crate) link_reconnect_min: Ms,
    pub(crate) election_timeout: Ms,
    pub(crate) script_runtime_max: Ms,
    pub(crate) script_retry_delay: Ms,
}

impl Default for Periods {
    fn default() -> Periods {
        Periods {
            info: 10_000,
            ping: 1_000,
            ask: 1_000,
            publish: 2_000,
            default_down_after: DOWN_AFTER_MS,
            default_failover_timeout: FAILOVER_TIMEOUT_MS,
            tilt_trigger: 2_000,
            tilt: 30_000,
            reconf_timeout: 10_000,
            link_reconnect_min: 15_000,
            election_timeout: 10_000,
            script_runtime_max: 60_000,
            script_retry_delay: 30_000,
        }
    }
}

/// `down-after-milliseconds` of a primary without such a line.
pub(crate) const DOWN_AFTER_MS: Ms = 30_000;
/// `failover-timeout` of a primary without such a line.
pub(crate) const FAILOVER_TIMEOUT_MS: Ms = 180_000;

impl Periods {
    /// The periods with their names, in the order of SENTINEL DEBUG.
    pub fn all(&mut self) -> [(&'static str, &mut Ms); 13] {
        [
            ("info-period", &mut self.info),
            ("ping-period", &mut self.ping),
            ("ask-period", &mut self.ask),
            ("publish-period", &mut self.publish),
            ("default-down-after", &mut self.default_down_after),
            (
                "default-failover-timeout",
                &mut self.default_failover_timeout,
            ),
            ("tilt-trigger", &mut self.tilt_trigger),
            ("tilt-period", &mut self.tilt),
            ("slave-reconf-timeout", &mut self.reconf_timeout),
            ("min-link-reconnect-period", &mut self.link_reconnect_min),
            ("election-timeout", &mut self.election_timeout),
            ("script-max-runtime", &mut self.script_runtime_max),
            ("script-retry-delay", &mut self.script_retry_delay),
        ]
    }
}
