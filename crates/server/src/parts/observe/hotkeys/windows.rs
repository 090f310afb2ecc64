//! HOTKEYS as in Valkey 9.2: the keys with the most accesses in the last full window, all the time
//! (`hotkey-top-k`).
//!
//!     live     counts a share of the current window's accesses (`hotkey-sampling-percentage`)
//!     frozen   the first keys of the last full window, which HOTKEYS GET reports
//!
//! Cost: without it none; with it a random number per command, and a sketch's addition for each key
//! of a sampled command.

use rand::RngExt;

use super::sketch::Sketch;
use russet_command::table::Row;
use russet_config::Config;
use russet_resp::Args;

/// Counters per key that is reported: more make the counts more exact.
const COUNTERS_PER_KEY: usize = 4;
/// Bytes of the database's number before the key.
const DB_BYTES: usize = 4;

/// The settings of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WindowSettings {
    keys: usize,
    window_ms: u64,
    percentage: u32,
}

impl WindowSettings {
    /// `None`: nothing is counted.
    pub(super) fn of(config: &Config) -> Option<WindowSettings> {
        (config.hotkey_top_k > 0).then(|| WindowSettings {
            keys: config.hotkey_top_k as usize,
            window_ms: u64::from(config.hotkey_window_seconds) * 1000,
            percentage: config.hotkey_sampling_percentage,
        })
    }
}

/// A key of the last full window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotKey {
    pub db: u32,
    pub key: Vec<u8>,
    /// Estimated accesses per second.
    pub per_second: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Windows {
    pub(super) wanted: WindowSettings,
    live: Sketch,
    began_ms: u64,
    frozen: Vec<HotKey>,
    rng: rand::rngs::SmallRng,
    /// Database and key, for the sketch.
    name: Vec<u8>,
}

impl Windows {
    pub(super) fn begin(wanted: WindowSettings, mono_ms: u64) -> Windows {
        Windows {
            wanted,
            live: Sketch::new(wanted.keys * COUNTERS_PER_KEY),
            began_ms: mono_ms,
            frozen: Vec::new(),
            rng: rand::make_rng(),
            name: Vec::new(),
        }
    }

    /// Ends windows whose time is up. A window in which nothing ran has no keys.
    pub(super) fn turn_over(&mut self, mono_ms: u64) {
        let windows = mono_ms.saturating_sub(self.began_ms) / self.wanted.window_ms;
        if windows == 0 {
            return;
        }
        self.frozen = match windows {
            1 => self.hottest(),
            _ => Vec::new(),
        };
        self.live = Sketch::new(self.wanted.keys * COUNTERS_PER_KEY);
        self.began_ms += windows * self.wanted.window_ms;
    }

    fn hottest(&self) -> Vec<HotKey> {
        let WindowSettings {
            keys,
            window_ms,
            percentage,
        } = self.wanted;
        let per_second = |count: u64| count * 100_000 / u64::from(percentage) / window_ms;
        let top = self.live.top(keys).into_iter();
        let hot = top.filter_map(|(name, count)| {
            let (db, key) = name.split_first_chunk::<DB_BYTES>()?;
            Some(HotKey {
                db: u32::from_be_bytes(*db),
                key: key.to_vec(),
                per_second: per_second(count),
            })
        });
        hot.collect()
    }

    /// The keys of the last full window, the hottest first.
    pub fn keys(&self) -> &[HotKey] {
        &self.frozen
    }

    /// Counts the keys of a command.
    pub(super) fn count<H>(&mut self, row: &Row<H>, args: Args<'_>, db: u32) {
        let percentage = self.wanted.percentage;
        if !row.has_keys() || percentage < 100 && self.rng.random_range(0..100) >= percentage {
            return;
        }
        let Ok(keys) = row.keys(args) else {
            return;
        };
        for (at, _) in keys {
            self.name.clear();
            self.name.extend_from_slice(&db.to_be_bytes());
            self.name.extend_from_slice(args.at(at));
            self.live.add(&self.name, 1);
        }
    }

    /// Memory that the windows hold, bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        russet_base::memory::alloc::boxed_bytes::<Windows>() + self.live.memory_bytes()
    }
}
