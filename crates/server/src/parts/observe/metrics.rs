//! The state of the endpoints of `metrics-port` (`observe::metrics`).

use crate::parts::observe::percentiles::Percentiles;

/// See the module.
#[derive(Default)]
pub struct Metrics {
    pub(crate) percentiles: Percentiles,
    pub figures: Figures,
    /// Bytes of the last text, an estimate for the next text.
    pub text_bytes: usize,
}

/// Statistics of scraping.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub scrapes: u64,
    /// Requests and connections refused.
    pub refused: u64,
    /// Time of the last scrape in the loop.
    pub last_micros: u64,
}
