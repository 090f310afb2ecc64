//! `save`: when a snapshot is due.

use super::{Lines, Special};
use crate::problem::refusal::ValueError;
use crate::words::{self, Text};

/// `save`: pairs of seconds and changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavePoints(pub Vec<SavePoint>);

/// A snapshot is due `seconds` after the last snapshot if there were `changes` since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// At least 1.
    pub seconds: u64,
    /// May be zero.
    pub changes: u32,
}

impl Default for SavePoints {
    fn default() -> Self {
        let points = [(3600, 1), (300, 100), (60, 10_000)];
        SavePoints(
            points
                .map(|(seconds, changes)| SavePoint { seconds, changes })
                .to_vec(),
        )
    }
}

impl Special for SavePoints {
    fn read(&mut self, words: &[Text], append: bool) -> Result<(), ValueError> {
        let clears = words.len() == 1 && words[0].is_empty();
        let words = if clears { &[] } else { words };
        if !words.len().is_multiple_of(2) {
            return Err(ValueError::BadSavePoint);
        }
        let mut points = Vec::with_capacity(words.len() / 2);
        for pair in words.chunks_exact(2) {
            let seconds = words::parse_c_number(&pair[0], 10).filter(|&n| n >= 1);
            let changes = words::parse_c_number(&pair[1], 10);
            points.push(SavePoint {
                seconds: seconds.ok_or(ValueError::BadSavePoint)?.unsigned_abs(),
                changes: changes
                    .and_then(|n| u32::try_from(n).ok())
                    .filter(|&n| n <= i32::MAX as u32)
                    .ok_or(ValueError::BadSavePoint)?,
            });
        }
        if clears || !append {
            self.0.clear();
        }
        self.0.extend(points);
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let points: Vec<String> = self
            .0
            .iter()
            .map(|p| format!("{} {}", p.seconds, p.changes))
            .collect();
        points.join(" ").into_bytes()
    }

    /// Always written: without a line, the default points would apply again.
    fn lines(&self, _: &Self) -> Lines {
        if self.0.is_empty() {
            return Lines::Values(vec![(b"\"\"".to_vec(), true)]);
        }
        let line = |p: &SavePoint| (format!("{} {}", p.seconds, p.changes).into_bytes(), true);
        Lines::Values(self.0.iter().map(line).collect())
    }
}
