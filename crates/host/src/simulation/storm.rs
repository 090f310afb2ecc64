//! Storms: what happens in a simulated world, from a seed. A storm that fails is reduced to few
//! events, and described with its history.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::shorten;

/// How long a storm that fails is reduced.
const PATIENCE: Duration = Duration::from_secs(120);

/// The end of a storm, and its history, which is empty unless it was kept.
pub type StormResult<F> = (Result<F, String>, Vec<String>);

/// A storm, with all that its seed decides.
pub trait Storm {
    /// Something that happens, with its time.
    type Event: Clone + Debug;
    /// How much has happened in a storm.
    type Figures;

    /// The seed, and what happens.
    fn plan(&self) -> (u64, &[Self::Event]);

    /// Plays it with these events in place of its own.
    fn play(&self, events: &[Self::Event], keeps_log: bool) -> StormResult<Self::Figures>;

    /// Settings of its world, for the description.
    fn settings(&self) -> String {
        String::new()
    }

    /// Plays it as it is.
    fn run(&self) -> Result<Self::Figures, String> {
        self.play(self.plan().1, false).0
    }

    /// The history, line by line.
    fn history(&self) -> Vec<String> {
        self.play(self.plan().1, true).1
    }

    /// Whether it fails for one of these reasons: parts of a failure, with `|` between them.
    fn fails_by(&self, reasons: &str) -> bool {
        let is_one = |why: String| reasons.split('|').any(|reason| why.contains(reason));
        self.run().is_err_and(is_one)
    }

    /// A failure: the fewest events found with which it still fails, and their history.
    fn describe(&self, why: &str) -> String {
        let (end, (seed, events)) = (Instant::now() + PATIENCE, self.plan());
        let fails = |events: &[_]| Instant::now() < end && self.play(events, false).0.is_err();
        let best = shorten(events, fails);
        let (result, log) = self.play(&best, true);
        let (count, again, log) = (best.len(), result.err(), log.join("\n"));
        let settings = self.settings();
        format!(
            "seed {seed}: {why}\nreduced to {count} events: {again:?}\n{best:#?}\n{settings}\n{log}"
        )
    }

    /// The history repeats, but for ids, which the system draws.
    ///
    /// # Panics
    /// It does not.
    fn check_that_it_repeats(&self) {
        let without_ids = |line: &String| {
            let words = line.split([' ', ':', '.']).filter(|word| word.len() < 40);
            words.collect::<Vec<_>>().join(" ")
        };
        let lines = || -> Vec<String> { self.history().iter().map(without_ids).collect() };
        let (first, second, seed) = (lines(), lines(), self.plan().0);
        let differs = first.iter().zip(&second).find(|(a, b)| a != b);
        assert_eq!((differs, first.len()), (None, second.len()), "seed {seed}");
    }
}

/// Plays the storms of these seeds, and passes on the figures of each. `is_brief`: storms that fail
/// are only named.
///
/// # Panics
/// One fails.
pub fn play_all<S: Storm>(
    seeds: impl Iterator<Item = u64>,
    is_brief: bool,
    new: impl Fn(u64) -> S,
    mut add: impl FnMut(S::Figures),
) {
    for seed in seeds {
        let storm = new(seed);
        match storm.run() {
            Ok(figures) => add(figures),
            Err(why) if is_brief => eprintln!("seed {seed}: {why}"),
            Err(why) => panic!("{}", storm.describe(&why)),
        }
    }
}

/// The number that a variable of the environment has.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs something; a panic is a failure as well.
pub fn caught<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}
