//! Random elements of a container: shared by HRANDFIELD, ZRANDMEMBER and the like.

use crate::arguments::element;
use rand::{Rng, RngExt};
use russet_command::CommandError;
use russet_resp::Args;

/// The arguments after the key: `count [word]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SampleArgs {
    /// Distinct elements if not negative, else that many with repetition.
    pub count: i64,
    /// The word was given: reply values or scores, too.
    pub paired: bool,
}

impl SampleArgs {
    /// Parses `count [word]` from argument 2 on; `None` if there is no count.
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

/// Selects `wanted` of `left` elements in one pass over them: all subsets are equally likely.
pub(crate) struct Sampler {
    wanted: usize,
    left: usize,
}

impl Sampler {
    pub fn new(wanted: usize, left: usize) -> Sampler {
        Sampler { wanted, left }
    }

    /// Whether all elements have passed.
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Whether to select the next element.
    pub fn take(&mut self, rng: &mut impl Rng) -> bool {
        debug_assert!(self.left > 0);
        let taken = rng.random_range(0..self.left) < self.wanted;
        self.left -= 1;
        self.wanted -= usize::from(taken);
        taken
    }
}

/// Whether `wanted` is so small that random picks, with duplicates discarded, are cheaper than a
/// pass over all.
pub(crate) fn is_few(wanted: usize, of: usize) -> bool {
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
            let mut passing = Sampler::new(3, taken.len());
            let chosen: Vec<_> = (0..taken.len())
                .filter(|_| passing.take(&mut rng))
                .collect();
            assert_eq!(chosen.len(), 3);
            chosen.into_iter().for_each(|at| taken[at] += 1);
        }
        assert!(taken.iter().all(|n| (2800..3200).contains(n)), "{taken:?}");
    }
}
