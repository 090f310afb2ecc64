//! Random elements of a container: HRANDFIELD, ZRANDMEMBER and their like share the plan.

use crate::command::CommandError;
use crate::commands::element;
use crate::resp::Args;
use rand::{Rng, RngExt};

/// How random elements are asked for behind a key: `count [word]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct SampleArgs {
    /// Different elements if not negative, else that many picks of any.
    pub count: i64,
    /// The word was there: values or scores as well.
    pub paired: bool,
}

impl SampleArgs {
    /// Reads `count [word]` from argument 2 on; `None` if there is no count.
    pub fn parse(args: Args<'_>, word: &str) -> Result<Option<SampleArgs>, CommandError> {
        let Some(text) = args.get(2) else {
            return Ok(None);
        };
        let count = element::signed_count(text)?;
        let paired = args.is(3, word);
        if args.len() > 4 || (args.len() == 4 && !paired) {
            return Err(CommandError::Syntax);
        }
        if paired && !(-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
            return Err(CommandError::OutOfRange);
        }
        Ok(Some(SampleArgs { count, paired }))
    }
}

/// A choice of `wanted` among `left` elements that pass by one after the other: each subset
/// is as likely as any other.
pub(super) struct Passing {
    wanted: usize,
    left: usize,
}

impl Passing {
    pub fn new(wanted: usize, left: usize) -> Passing {
        Passing { wanted, left }
    }

    /// Whether the next one is chosen.
    pub fn take(&mut self, rng: &mut impl Rng) -> bool {
        debug_assert!(self.left > 0);
        let taken = rng.random_range(0..self.left) < self.wanted;
        self.left -= 1;
        self.wanted -= usize::from(taken);
        taken
    }
}

/// Whether so few are wanted of so many that single picks, repeated ones thrown away, are
/// cheaper than a walk over all.
pub(super) fn is_few(wanted: usize, of: usize) -> bool {
    wanted.saturating_mul(3) <= of
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn every_element_is_chosen_equally_often() {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut taken = [0u32; 10];
        for _ in 0..10_000 {
            let mut passing = Passing::new(3, taken.len());
            let chosen: Vec<_> = (0..taken.len())
                .filter(|_| passing.take(&mut rng))
                .collect();
            assert_eq!(chosen.len(), 3);
            chosen.into_iter().for_each(|at| taken[at] += 1);
        }
        assert!(taken.iter().all(|n| (2800..3200).contains(n)), "{taken:?}");
    }
}
