//! Eviction as configured: the policy, and how long an eviction may take. The limit itself:
//! `parts::memory::memory_limit`.

use russet_config::Config;
use russet_keyspace::Eviction;

/// Time limit of an eviction, for a `maxmemory-eviction-tenacity`, as in Redis: 50 microseconds per
/// step up to ten, then 15 % more for each further step, unlimited at 100.
pub(crate) fn time_limit_nanos(tenacity: u32) -> u64 {
    match tenacity {
        0..=10 => u64::from(tenacity) * 50_000,
        11..=99 => (500_000.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

/// The eviction policy; `None`: nothing is evicted.
pub fn policy(config: &Config) -> Option<Eviction> {
    let policy = config.maxmemory_policy;
    Some(Eviction {
        order: policy.order?,
        volatile_only: policy.volatile,
        samples: config.maxmemory_samples,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenacity_is_time() {
        let micros = [0, 1, 10, 11, 20, 99].map(|tenacity| time_limit_nanos(tenacity) / 1000);
        assert_eq!(micros[..5], [0, 50, 500, 575, 2022]);
        assert_eq!(micros[5] / 1_000_000, 126);
        assert_eq!(time_limit_nanos(100), u64::MAX);
    }
}
