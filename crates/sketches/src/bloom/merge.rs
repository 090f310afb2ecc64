//! The union of filters of equal shapes.

use super::Bloom;

/// Filters are of different shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filters have different shapes")]
pub struct ShapeMismatch;

impl Bloom {
    /// Whether both were made with the same numbers, so that each link of the filter with fewer
    /// links has the shape of the other filter's link. Filters that forget are never alike.
    pub fn is_like(&self, other: &Bloom) -> bool {
        let numbers = |filter: &Bloom| (filter.options, filter.growth);
        let is_same = numbers(self) == numbers(other)
            && self.rotation.is_none()
            && self.seeding == other.seeding;
        let mut links = self.links().zip(other.links());
        is_same && links.all(|((one, _), (two, _))| one.is_like(two))
    }

    /// Adds all items of another filter: an item of either is found. The number of items is the
    /// sum, as it is not known which are in both. O(bytes).
    pub fn merge(&mut self, other: &Bloom) -> Result<(), ShapeMismatch> {
        if !self.is_like(other) {
            return Err(ShapeMismatch);
        }
        for (at, link) in other.links.iter().enumerate() {
            match self.links.get_mut(at) {
                Some(own) => own.merge(link),
                None => self.links.push(link.clone()),
            }
        }
        self.items = self.items.saturating_add(other.items);
        Ok(())
    }
}
