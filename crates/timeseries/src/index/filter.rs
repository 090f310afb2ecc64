//! Conditions on labels.

use crate::Labels;

/// A condition on labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The label.
    pub name: Box<[u8]>,
    /// The condition.
    pub test: Test,
}

/// A condition on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The label has any of these values.
    OneOf(Vec<Box<[u8]>>),
    /// The label has none of these values, or there is no such label.
    NoneOf(Vec<Box<[u8]>>),
    /// There is such a label.
    There,
    /// There is no such label.
    Absent,
}

impl Filter {
    /// Whether a series with these labels satisfies it. A label that is there twice has both
    /// values.
    pub fn admits(&self, labels: &Labels) -> bool {
        let mut own = labels.iter().filter(|label| *label.0 == *self.name);
        let mut has =
            |values: &[Box<[u8]>]| own.any(|(_, value)| values.iter().any(|one| **one == *value));
        match &self.test {
            Test::OneOf(values) => has(values),
            Test::NoneOf(values) => !has(values),
            Test::There => own.next().is_some(),
            Test::Absent => own.next().is_none(),
        }
    }
}
