//! Filters that forget: generations of links, the oldest of which is dropped when a new generation
//! begins.
//!
//!     generation 0 (oldest) | ... | the newest        each with one link or more, as a filter has
//!     begins at               begins at               multiples of the period apart
//!
//! An item is added to the newest generation, also if an older generation has it. A generation
//! answers until `generations * period` after it began; so an item is found for
//! `(generations - 1) * period` after it was last added, and is gone, but for the filter's error,
//! after `generations * period`. Each generation has a share of the error, so that all together
//! keep to the promised error.
//!
//! The filter knows no clock: a caller says when a generation begins, so that servers that repeat
//! its changes arrive at the same bytes. Which generations answer depends on the time of the
//! question.
//!
//!     after the links of a header: u64 period, u32 generations at most, u32 generations,
//!                                  (i64 begins at, u32 links)
//!
//! Invariants
//!   1. There is at least one generation and at most as many as there may be; each has a link, and
//!      all together have exactly the filter's links.
//!   2. A generation begins later than the generation before it.

use super::link::{Link, LinkShape};
use super::{Bloom, BloomError, LINKS_MAX, option};
use crate::Damage;
use crate::chunks::Numbers;

/// The most generations of a filter.
pub const GENERATIONS_MAX: u32 = 64;
/// The longest period, milliseconds: ten years.
pub const PERIOD_MAX_MS: u64 = 10 * 366 * 24 * 3600 * 1000;
/// Bytes in a header, and of each generation.
const HEAD_BYTES: usize = 16;
const GENERATION_BYTES: usize = 12;

/// A generation: links that follow those of the generation before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Unix time, milliseconds.
    pub begins_ms: i64,
    /// The links of the generation.
    pub links: u32,
}

/// How a filter forgets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Milliseconds from the beginning of a generation to that of the next.
    pub period_ms: u64,
    /// Generations at most.
    pub generations_max: u32,
    /// The generations, oldest first.
    pub generations: Vec<Generation>,
}

impl Rotation {
    /// Of a filter whose first generation begins at a time. `None`: the numbers are out of bounds.
    pub fn new(period_ms: u64, generations_max: u32, begins_ms: i64) -> Option<Rotation> {
        let first = Generation {
            begins_ms,
            links: 1,
        };
        let rotation = Rotation {
            period_ms,
            generations_max,
            generations: vec![first],
        };
        rotation.is_sound(1, true).then_some(rotation)
    }

    /// Whether the rotation's numbers are within bounds, and fit so many links of a filter that
    /// scales or not.
    pub(super) fn is_sound(&self, links: usize, scales: bool) -> bool {
        let generations = &self.generations;
        let sum: u64 = generations.iter().map(|its| u64::from(its.links)).sum();
        (1..=PERIOD_MAX_MS).contains(&self.period_ms)
            && (2..=GENERATIONS_MAX).contains(&self.generations_max)
            && (1..=self.generations_max as usize).contains(&generations.len())
            && generations
                .iter()
                .all(|its| its.links > 0 && (scales || its.links == 1))
            && generations.is_sorted_by(|a, b| a.begins_ms < b.begins_ms)
            && sum == links as u64
    }

    fn newest(&self) -> Generation {
        *self.generations.last().expect("there is one")
    }

    /// Links of the generations that do not answer at a time.
    fn dead_links(&self, now_ms: i64) -> usize {
        let life_ms = self.period_ms as i64 * i64::from(self.generations_max);
        let is_dead = |its: &&Generation| its.begins_ms.saturating_add(life_ms) <= now_ms;
        let dead = self.generations.iter().take_while(is_dead);
        dead.map(|its| its.links as usize).sum()
    }

    /// Appends the rotation's numbers to a header.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.reserve_exact(HEAD_BYTES + GENERATION_BYTES * self.generations.len());
        out.extend_from_slice(&self.period_ms.to_le_bytes());
        out.extend_from_slice(&self.generations_max.to_le_bytes());
        out.extend_from_slice(&(self.generations.len() as u32).to_le_bytes());
        for generation in &self.generations {
            out.extend_from_slice(&generation.begins_ms.to_le_bytes());
            out.extend_from_slice(&generation.links.to_le_bytes());
        }
    }

    /// Reads what [`Rotation::write`] wrote; nothing may follow.
    pub(super) fn read(from: &mut Numbers<'_>) -> Result<Rotation, Damage> {
        let head = |from: &mut Numbers<'_>| Some((from.u64()?, from.u32()?, from.u32()?));
        let (period_ms, generations_max, count) = head(from).ok_or(Damage)?;
        if count > GENERATIONS_MAX || from.0.len() != count as usize * GENERATION_BYTES {
            return Err(Damage);
        }
        let mut generations = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let numbers = |from: &mut Numbers<'_>| Some((from.u64()?, from.u32()?));
            let (begins_ms, links) = numbers(from).ok_or(Damage)?;
            generations.push(Generation {
                begins_ms: begins_ms as i64,
                links,
            });
        }
        Ok(Rotation {
            period_ms,
            generations_max,
            generations,
        })
    }
}

impl Bloom {
    /// An empty filter that forgets, whose generations have `entries` items each; otherwise as
    /// [`Bloom::with_growth`]. `None`: the rotation's numbers are out of bounds.
    pub fn rotating(
        entries: u64,
        error: f64,
        growth: u32,
        scales: bool,
        rotation: Rotation,
    ) -> Result<Option<Bloom>, BloomError> {
        if !rotation.is_sound(1, scales) {
            return Ok(None);
        }
        let error = error / f64::from(rotation.generations_max);
        let mut filter = Bloom::with_growth(entries, error, growth, scales)?;
        filter.options |= option::ROTATING;
        filter.rotation = Some(Box::new(rotation));
        Ok(Some(filter))
    }

    /// How it forgets; `None`: it does not.
    pub fn rotation(&self) -> Option<&Rotation> {
        self.rotation.as_deref()
    }

    /// When the generation begins that is to be begun before a change at a time. `None`: none is.
    #[inline]
    pub fn due(&self, now_ms: i64) -> Option<i64> {
        let rotation = self.rotation.as_deref()?;
        let newest_ms = rotation.newest().begins_ms;
        let periods = now_ms.saturating_sub(newest_ms) / rotation.period_ms as i64;
        (periods > 0).then(|| newest_ms + periods * rotation.period_ms as i64)
    }

    /// Begins a generation, and drops the generations that no longer answer, and the oldest if
    /// there would be too many. `false`: the filter does not rotate, or the newest does not begin
    /// earlier. After an error nothing has changed. O(links).
    pub fn rotate(&mut self, begins_ms: i64) -> Result<bool, BloomError> {
        let Some(rotation) = self.rotation.as_deref_mut() else {
            return Ok(false);
        };
        let newest = rotation.newest();
        if begins_ms <= newest.begins_ms {
            return Ok(false);
        }
        let first = self.links.len() - newest.links as usize;
        let LinkShape { entries, error, .. } = *self.links[first].shape();
        let mut dead = rotation.dead_links(begins_ms);
        let shape = LinkShape::new(entries, error, super::rounding(self.options));
        let link = Link::new(shape.ok_or(BloomError::TooLarge)?)?;
        let generations = &mut rotation.generations;
        if dead == 0 && generations.len() == rotation.generations_max as usize {
            dead = generations[0].links as usize;
        }
        if self.links.len() - dead >= LINKS_MAX {
            return Err(BloomError::TooLarge);
        }
        let mut left = dead;
        generations.retain(|its| {
            let is_dead = left > 0;
            left = left.saturating_sub(its.links as usize);
            !is_dead
        });
        generations.push(Generation {
            begins_ms,
            links: 1,
        });
        for link in self.links.drain(..dead) {
            self.items = self.items.saturating_sub(link.shape().items);
        }
        self.links.push(link);
        Ok(true)
    }

    /// Links that do not answer at a time.
    #[inline]
    pub(super) fn dead_links(&self, now_ms: i64) -> usize {
        match &self.rotation {
            None => 0,
            Some(rotation) => rotation.dead_links(now_ms),
        }
    }

    /// Links before those of the newest generation.
    #[inline]
    pub(super) fn earlier_links(&self) -> usize {
        match &self.rotation {
            None => 0,
            Some(rotation) => self.links.len() - rotation.newest().links as usize,
        }
    }

    /// The newest generation has got a link.
    pub(super) fn count_new_link(&mut self) {
        if let Some(rotation) = &mut self.rotation {
            let newest = rotation.generations.last_mut().expect("there is one");
            newest.links += 1;
        }
    }
}
