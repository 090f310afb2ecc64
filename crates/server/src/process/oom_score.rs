//! `oom-score-adj`: how readily the kernel ends this process when memory runs out.

use std::io;
use std::sync::{Mutex, PoisonError};

use russet_config::{Config, OomScoreAdj};

const FILE: &str = "/proc/self/oom_score_adj";
const SCORE_MIN: i64 = -1000;
const SCORE_MAX: i64 = 1000;

/// The score before it was set here, which `relative` adds to and `no` restores; `None` while the
/// file is left alone, so that a score set from outside meanwhile stays.
static FOUND: Mutex<Option<i64>> = Mutex::new(None);

/// Sets the configured score, of a replica or of a primary. Leaves the score alone while the
/// setting is, and was, `no`.
///
/// # Errors
///
/// The file cannot be read or written, mostly because the process lacks the privilege to lower its
/// score.
pub fn apply_oom_score(config: &Config) -> io::Result<()> {
    let [primary, replica, ..] = config.oom_score_adj_values.0;
    let value = match config.replicaof.0 {
        Some(_) => replica,
        None => primary,
    };
    let result = apply(config.oom_score_adj, i64::from(value));
    result.inspect_err(|error| {
        let why = russet_config::system_text(error);
        tracing::warn!("Unable to set {FILE}: {why}");
    })
}

/// In a forked child: sets the score configured for background children.
pub(crate) fn apply_oom_score_of_child(config: &Config) {
    let [.., child] = config.oom_score_adj_values.0;
    // A child logs nothing, and can work with its parent's score as well.
    let _ = apply(config.oom_score_adj, i64::from(child));
}

fn apply(mode: OomScoreAdj, value: i64) -> io::Result<()> {
    let mut kept = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let found = match *kept {
        Some(found) => found,
        None if mode == OomScoreAdj::No => return Ok(()),
        None => {
            let text = std::fs::read_to_string(FILE)?;
            text.trim().parse().map_err(io::Error::other)?
        }
    };
    // Also if the score cannot be written: then the setting is taken back, and with it the score.
    *kept = (mode != OomScoreAdj::No).then_some(found);
    std::fs::write(FILE, score(mode, found, value).to_string())
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
