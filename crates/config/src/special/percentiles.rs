//! `latency-tracking-info-percentiles`: which percentiles INFO latencystats prints.

use super::{Lines, Special};
use crate::problem::refusal::ValueError;
use crate::words::Text;
use russet_base::numbers::float;

/// `latency-tracking-info-percentiles`: what INFO latencystats prints of each command.
#[derive(Clone, Debug, PartialEq)]
pub struct Percentiles(pub Vec<f64>);

impl Default for Percentiles {
    fn default() -> Self {
        Percentiles(vec![50.0, 99.0, 99.9])
    }
}

impl Special for Percentiles {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let words = if words.len() == 1 && words[0].is_empty() {
            &[]
        } else {
            words
        };
        let mut percentiles = Vec::with_capacity(words.len());
        for word in words {
            let percentile = float::parse_double(word).ok_or(ValueError::NotAPercentile)?;
            if !(0.0..=100.0).contains(&percentile) {
                return Err(ValueError::PercentileOutOfRange);
            }
            percentiles.push(percentile);
        }
        self.0 = percentiles;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let texts: Vec<String> = self.0.iter().map(|&p| percentile_text(p)).collect();
        texts.join(" ").into_bytes()
    }

    /// Always written: without a line, the default percentiles would apply again.
    fn lines(&self, _: &Self) -> Lines {
        let text = if self.0.is_empty() {
            b"\"\"".to_vec()
        } else {
            self.text()
        };
        Lines::Values(vec![(text, true)])
    }
}

/// A percentile with at most six decimals, as in INFO.
pub fn percentile_text(percentile: f64) -> String {
    let text = format!("{percentile:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// INFO used to show the last as 0.000004.
    #[test]
    fn percentiles_are_named_without_zeros() {
        let names = [50.0, 99.9, 0.0, 100.0, 99.99, 0.000_003_5].map(percentile_text);
        assert_eq!(names, ["50", "99.9", "0", "100", "99.99", "0.000003"]);
    }
}
