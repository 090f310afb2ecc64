//! `oom-score-adj`: how readily the kernel ends this process when memory runs out.

use std::io;
use std::sync::OnceLock;

use crate::config::{Config, OomScoreAdj};

const FILE: &str = "/proc/self/oom_score_adj";
const SCORE_MIN: i64 = -1000;
const SCORE_MAX: i64 = 1000;

/// The score at the start, which `relative` adds to and `no` restores.
static FOUND: OnceLock<i64> = OnceLock::new();

/// Sets the configured score, that of a replica or of a primary. Leaves it alone while the setting is, and always was, `no`.
pub fn apply_oom_score(config: &Config) -> io::Result<()> {
    let mode = config.oom_score_adj;
    if mode == OomScoreAdj::No && FOUND.get().is_none() {
        return Ok(());
    }
    let found = match FOUND.get() {
        Some(&found) => found,
        None => {
            let text = std::fs::read_to_string(FILE)?;
            let score = text.trim().parse().map_err(io::Error::other)?;
            *FOUND.get_or_init(|| score)
        }
    };
    let [primary, replica, ..] = config.oom_score_adj_values.0;
    let value = match config.replicaof.0 {
        Some(_) => replica,
        None => primary,
    };
    let score = score(mode, found, i64::from(value));
    std::fs::write(FILE, score.to_string()).inspect_err(|error| {
        let why = crate::config::system_text(error);
        tracing::warn!("Unable to write {FILE} with {score}: {why}");
    })
}

fn score(mode: OomScoreAdj, found: i64, value: i64) -> i64 {
    let score = match mode {
        OomScoreAdj::No => found,
        OomScoreAdj::Relative => found + value,
        OomScoreAdj::Absolute => value,
    };
    score.clamp(SCORE_MIN, SCORE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_adds_and_absolute_replaces_within_bounds() {
        assert_eq!(score(OomScoreAdj::No, 5, 200), 5);
        assert_eq!(score(OomScoreAdj::Relative, 5, 200), 205);
        assert_eq!(score(OomScoreAdj::Relative, 900, 2000), 1000);
        assert_eq!(score(OomScoreAdj::Absolute, 5, -200), -200);
    }
}
