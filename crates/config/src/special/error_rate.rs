//! `bf-error-rate`: the error of Bloom filters that are made without a rate.

use super::Special;
use crate::problem::refusal::ValueError;
use crate::words::Text;
use russet_base::numbers::float;

/// `bf-error-rate`: more than 0, less than 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorRate(pub f64);

impl Special for ErrorRate {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [word] = words else {
            return Err(ValueError::ArgumentCount);
        };
        let rate = float::parse_double(word).filter(|rate| *rate > 0.0 && *rate < 1.0);
        self.0 = rate.ok_or(ValueError::NotAnErrorRate)?;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}
