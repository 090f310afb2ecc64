//! The dictionaries that texts are packed with: a common one, and those of prefixes.
//!
//!     common     trained first, with texts of all keys; it packs keys without a prefix, and those
//!                of prefixes that have no dictionary of their own: five sixths of the gain
//!     prefix     the key up to its first `:`. Its first texts in the walk train a dictionary,
//!                which is kept if it makes texts a tenth smaller than the common one does
//!
//! A text of a prefix waits for a later round of the walk while the prefix is sampled or its
//! dictionary is trained. If the latest texts shrink a fifth less than the first ones did after the
//! training, or most of them not at all, the samples are taken anew, at most every
//! [`RETRAIN_MS`]: old frames keep their dictionary. At most `compress-dictionaries` prefixes have
//! one, within `compress-dictionary-memory`; a new prefix with more texts displaces the prefix
//! with the fewest frames.
//!
//! Memory: [`SAMPLES_BYTES_MAX`] of samples, and the batches, which are sent once they have
//! [`WAITING_BYTES_MAX`] together.

use std::collections::HashMap;
use std::sync::Arc;

use russet_config::Config;
use russet_frames::Samples;
use russet_keyspace::{BatchCounts, Batches, ColdBatch, PackDictionary};

use super::thread::Order;

/// Texts that train a dictionary.
const SAMPLES: usize = 200;
/// Fewer texts train no common dictionary.
const SAMPLES_MIN: usize = 32;
/// Fewer texts train no dictionary of a prefix, because that would shrink less than the common one.
const PREFIX_SAMPLES_MIN: usize = 100;
/// Bytes of a prefix's samples at which they are enough.
const SAMPLE_BYTES: usize = 256 << 10;
/// Bytes of all samples from which on no text becomes a sample until a dictionary is trained.
const SAMPLES_BYTES_MAX: usize = 4 << 20;

/// Milliseconds until the next attempt after a training that did not pay, and between two trainings
/// for the same prefix.
const RETRAIN_MS: u64 = 600_000;

/// Strings tried with a dictionary after which it is judged.
const TRIED: u64 = 1000;

/// Prefixes that are known at a time.
const LINES_MAX: usize = 256;
/// Longer prefixes are none.
const PREFIX_BYTES_MAX: usize = 64;

/// Bytes in all batches together at which the longest is sent.
const WAITING_BYTES_MAX: usize = 512 << 10;

/// About the memory of a dictionary.
const DICTIONARY_BYTES: usize = 44 << 10;

/// A prefix, shared with the orders for it; empty: the common dictionary's.
pub(super) type Prefix = Arc<[u8]>;

/// The way of the texts of a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// They become samples.
    #[default]
    Sampled,
    /// They wait for the thread.
    InTraining,
    /// They are packed with the line's dictionary.
    Own,
    /// They are packed with the common dictionary, at least until this monotonic millisecond; the
    /// common line's own texts: they are not packed.
    Rejected { until_ms: u64 },
}

/// A prefix, or all others.
#[derive(Default)]
struct Line {
    stage: Stage,
    samples: Samples,
    sample_bytes: usize,
    batch: ColdBatch,
    dictionary: Option<Arc<PackDictionary>>,
    /// When the dictionary was trained, monotonic milliseconds.
    trained_ms: u64,
    /// Texts that this round of the walk has met.
    met: u64,
    judged: DictionaryYield,
}

/// The latest results of a dictionary.
#[derive(Clone, Copy, Debug, Default)]
struct DictionaryYield {
    tried: u64,
    refused: u64,
    raw_bytes: u64,
    block_bytes: u64,
    /// Bytes of blocks for a thousand bytes of text, of the first texts.
    first_permille: Option<u64>,
}

impl DictionaryYield {
    /// Adds the results of a batch; `true`: the dictionary has become poor.
    fn add(&mut self, counts: &BatchCounts) -> bool {
        self.tried += counts.packed + counts.refused;
        self.refused += counts.refused;
        self.raw_bytes += counts.raw_bytes;
        self.block_bytes += counts.block_bytes;
        if self.tried < TRIED {
            return false;
        }
        let permille = (self.block_bytes * 1000)
            .checked_div(self.raw_bytes)
            .unwrap_or(1000);
        let first = *self.first_permille.get_or_insert(permille);
        let is_poor = self.refused * 2 > self.tried || permille * 5 > first * 6;
        *self = DictionaryYield {
            first_permille: Some(first),
            ..DictionaryYield::default()
        };
        is_poor
    }
}

impl Line {
    /// Moves the batch's texts to the samples.
    fn sample(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.sample_bytes += self.batch.bytes();
        self.batch.sample(&mut self.samples, SAMPLES);
    }

    fn has_samples(&self) -> bool {
        self.samples.len() >= SAMPLES
            || self.sample_bytes >= SAMPLE_BYTES && self.samples.len() >= SAMPLES_MIN
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.samples = Samples::default();
        self.sample_bytes = 0;
        if stage != Stage::Own {
            self.dictionary = None;
            self.batch = ColdBatch::default();
        }
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct PrefixLines {
    common: Line,
    lines: HashMap<Prefix, Line>,
    /// `compress-exclude`.
    excluded: Vec<Box<[u8]>>,
    /// `compress-dictionaries`, and `compress-dictionary-memory`.
    own_max: usize,
    memory_max: usize,
    /// A prefix is with the thread.
    is_training: bool,
    /// All batches are sent, full or not: a round has ended.
    is_flushing: bool,
    /// Dictionaries trained, and those that did not pay.
    pub(super) trained: u64,
    pub(super) rejected: u64,
}

/// The prefix of a key, if it has one.
fn prefix_of(key: &[u8]) -> Option<&[u8]> {
    let head = &key[..key.len().min(PREFIX_BYTES_MAX + 1)];
    let end = head.iter().position(|&byte| byte == b':')?;
    (end > 0).then(|| &key[..end])
}

impl Batches for PrefixLines {
    fn batch(&mut self, key: &[u8]) -> Option<&mut ColdBatch> {
        if self.excluded.iter().any(|prefix| key.starts_with(prefix)) {
            return None;
        }
        match self.common.stage {
            Stage::Sampled => return Some(&mut self.common.batch),
            Stage::InTraining => return None,
            Stage::Own | Stage::Rejected { .. } => {}
        }
        let prefix = prefix_of(key).filter(|_| self.own_max > 0);
        if let Some(prefix) = prefix {
            if !self.lines.contains_key(prefix) && self.lines.len() < LINES_MAX {
                self.lines.insert(prefix.into(), Line::default());
            }
            if let Some(line) = self.lines.get_mut(prefix) {
                line.met += 1;
                match line.stage {
                    Stage::Sampled | Stage::Own => return Some(&mut line.batch),
                    Stage::InTraining => return None,
                    Stage::Rejected { .. } => {}
                }
            }
        }
        (self.common.stage == Stage::Own).then_some(&mut self.common.batch)
    }
}

impl PrefixLines {
    /// The configuration may have changed.
    pub(super) fn settings_changed(&mut self, config: &Config) {
        let words = config.compress_exclude.split(|&byte| byte == b' ');
        self.excluded = words.filter(|it| !it.is_empty()).map(Box::from).collect();
        self.own_max = config.compress_dictionaries as usize;
        self.memory_max = config.compress_dictionary_memory as usize;
    }

    /// Forgets all dictionaries and samples; the settings stay.
    pub(super) fn clear(&mut self) {
        self.common = Line::default();
        self.lines.clear();
        (self.is_training, self.is_flushing) = (false, false);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.common.dictionary.is_none() && self.lines.is_empty()
    }

    /// Whether texts can be packed: the common dictionary is there, or does not pay.
    pub(super) fn is_ready(&self) -> bool {
        !matches!(self.common.stage, Stage::Sampled | Stage::InTraining)
    }

    /// Whether the common dictionary is with the thread, without which nothing is packed.
    pub(super) fn awaits_common(&self) -> bool {
        self.common.stage == Stage::InTraining
    }

    /// Whether a round has ended, and not everything is sent yet.
    pub(super) fn is_flushing(&self) -> bool {
        self.is_flushing
    }

    /// Prefixes with a dictionary of their own.
    pub(super) fn own(&self) -> usize {
        let is_own = |line: &&Line| line.stage == Stage::Own;
        self.lines.values().filter(is_own).count()
    }

    /// Sorts what a step of the walk has found; `true`: a batch should be sent, or samples are
    /// enough. O(prefixes).
    pub(super) fn settle(&mut self) -> bool {
        let (mut waiting, mut is_due) = (0, false);
        let sampled: usize = self.lines.values().map(|line| line.sample_bytes).sum();
        for line in self.lines.values_mut().chain([&mut self.common]) {
            if line.stage == Stage::Sampled {
                if sampled < SAMPLES_BYTES_MAX {
                    line.sample();
                } else {
                    line.batch = ColdBatch::default();
                }
                is_due |= !self.is_training && line.has_samples();
            }
            waiting += line.batch.bytes();
            is_due |= line.batch.is_full();
        }
        is_due || waiting >= WAITING_BYTES_MAX
    }

    /// A round of the walk has ended: what waits is sent, prefixes that were not met are forgotten,
    /// and those with too few texts have no dictionary for a while.
    pub(super) fn end_round(&mut self, mono_ms: u64) {
        self.is_flushing = true;
        if self.common.stage == Stage::Sampled {
            if self.common.samples.len() < SAMPLES_MIN {
                self.common.enter(Stage::Sampled);
            }
            return;
        }
        let is_over = |stage| matches!(stage, Stage::Rejected { until_ms } if mono_ms >= until_ms);
        if is_over(self.common.stage) {
            self.common.enter(Stage::Sampled);
        }
        self.lines.retain(|_, line| {
            line.met > 0 || !matches!(line.stage, Stage::Sampled | Stage::Rejected { .. })
        });
        for line in self.lines.values_mut() {
            line.met = 0;
            if line.stage == Stage::Sampled && line.samples.len() < PREFIX_SAMPLES_MIN {
                let until_ms = mono_ms + RETRAIN_MS;
                line.enter(Stage::Rejected { until_ms });
            } else if is_over(line.stage) {
                line.enter(Stage::Sampled);
            }
        }
    }

    /// The next order for the thread; `None`: nothing waits. `used`: memory of all dictionaries
    /// there are.
    pub(super) fn next_order(&mut self, used: usize, mono_ms: u64) -> Option<Order> {
        if let Some(order) = self.next_training(used, mono_ms) {
            return Some(order);
        }
        let all = self
            .lines
            .iter_mut()
            .map(|(prefix, line)| (&**prefix, line));
        let packing = all
            .chain([(&b""[..], &mut self.common)])
            .filter(|(_, line)| line.stage == Stage::Own && !line.batch.is_empty());
        let mut waiting = 0;
        let longest = packing
            .inspect(|(_, line)| waiting += line.batch.bytes())
            .max_by_key(|(_, line)| line.batch.bytes());
        let Some((prefix, line)) = longest else {
            self.is_flushing = false;
            return None;
        };
        if !line.batch.is_full() && waiting < WAITING_BYTES_MAX && !self.is_flushing {
            return None;
        }
        let dictionary = line.dictionary.clone()?;
        Some(Order::Pack {
            prefix: prefix.into(),
            batch: std::mem::take(&mut line.batch),
            dictionary,
        })
    }

    /// Samples that are enough, of one prefix at a time.
    fn next_training(&mut self, used: usize, mono_ms: u64) -> Option<Order> {
        if self.is_training {
            return None;
        }
        if self.common.stage == Stage::Sampled {
            let many = self.common.samples.len();
            let is_due = self.common.has_samples() || self.is_flushing && many >= SAMPLES_MIN;
            return is_due.then(|| self.train(b"", None));
        }
        let is_due = |line: &Line| {
            let many = line.samples.len();
            let is_due = line.has_samples() || self.is_flushing && many >= PREFIX_SAMPLES_MIN;
            line.stage == Stage::Sampled && is_due
        };
        let due = self.lines.iter().find(|(_, line)| is_due(line));
        let prefix = Arc::clone(due?.0);
        if !self.make_room(&prefix, used, mono_ms) {
            let until_ms = mono_ms + RETRAIN_MS;
            let line = self.lines.get_mut(&prefix)?;
            line.enter(Stage::Rejected { until_ms });
            return None;
        }
        let common = self.common.dictionary.clone();
        Some(self.train(&prefix, common))
    }

    fn train(&mut self, prefix: &[u8], common: Option<Arc<PackDictionary>>) -> Order {
        let line = self.lines.get_mut(prefix).unwrap_or(&mut self.common);
        let samples = std::mem::take(&mut line.samples);
        line.enter(Stage::InTraining);
        self.is_training = true;
        Order::Train {
            prefix: prefix.into(),
            samples,
            common,
        }
    }

    /// Whether a prefix may have a dictionary; the one with the fewest frames gives its own up for
    /// a prefix with twice as many texts, but not soon after its training.
    fn make_room(&mut self, prefix: &[u8], used: usize, mono_ms: u64) -> bool {
        if used + DICTIONARY_BYTES > self.memory_max {
            return false;
        }
        if self.own() < self.own_max {
            return true;
        }
        let frames = |line: &Line| line.dictionary.as_ref().map(|it| it.figures().frames);
        let met = self.lines.get(prefix).map_or(0, |line| line.met);
        let old = self
            .lines
            .values_mut()
            .filter(|line| line.stage == Stage::Own && mono_ms >= line.trained_ms + RETRAIN_MS);
        let least = old.min_by_key(|line| frames(line));
        let Some(least) = least.filter(|line| frames(line) < Some(met / 2)) else {
            return false;
        };
        let until_ms = mono_ms + RETRAIN_MS;
        least.enter(Stage::Rejected { until_ms });
        true
    }

    /// A training has ended; `None`: the dictionary does not pay.
    pub(super) fn trained(
        &mut self,
        prefix: &[u8],
        dictionary: Option<Arc<PackDictionary>>,
        mono_ms: u64,
    ) {
        self.is_training = false;
        match dictionary {
            Some(_) => self.trained += 1,
            None => self.rejected += 1,
        }
        let Some(line) = self.line(prefix) else {
            return;
        };
        if line.stage != Stage::InTraining {
            return;
        }
        let until_ms = mono_ms + RETRAIN_MS;
        let stage = match dictionary {
            Some(_) => Stage::Own,
            None => Stage::Rejected { until_ms },
        };
        line.enter(stage);
        line.dictionary = dictionary;
        (line.trained_ms, line.judged) = (mono_ms, DictionaryYield::default());
    }

    /// A batch of a prefix has been adopted.
    pub(super) fn packed(&mut self, prefix: &[u8], counts: &BatchCounts, mono_ms: u64) {
        let Some(line) = self.line(prefix) else {
            return;
        };
        let is_poor = line.judged.add(counts);
        if is_poor && line.stage == Stage::Own && mono_ms >= line.trained_ms + RETRAIN_MS {
            line.enter(Stage::Sampled);
        }
    }

    fn line(&mut self, prefix: &[u8]) -> Option<&mut Line> {
        if prefix.is_empty() {
            Some(&mut self.common)
        } else {
            self.lines.get_mut(prefix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_keyspace::{ColdRule, ColdWalk, DbIndex, Expiry, Keyspace, NewValue, PackRule};
    use std::collections::HashSet;

    const DB: DbIndex = DbIndex(0);

    /// `many` keys of each prefix.
    fn filled(prefixes: &[&str], many: usize) -> Keyspace {
        let mut k = Keyspace::new(1);
        for (at, prefix) in prefixes.iter().enumerate() {
            for n in 0..many {
                let text = format!("text {at} of the kind {prefix}, number {n}; ").repeat(6);
                let value = NewValue::text(text.as_bytes());
                k.db(DB)
                    .set_string(format!("{prefix}{n}").as_bytes(), value, Expiry::Clear);
            }
        }
        k
    }

    fn lines(own_max: usize, exclude: &str) -> PrefixLines {
        let mut lines = PrefixLines::default();
        let config = Config {
            compress_dictionaries: own_max as u32,
            compress_exclude: exclude.into(),
            ..Config::default()
        };
        lines.settings_changed(&config);
        lines
    }

    fn dictionary() -> Option<Arc<PackDictionary>> {
        PackDictionary::register(russet_frames::Dictionary::new(b"").expect("an empty one"))
    }

    /// A round of the walk; the orders it leads to are answered at once, trainings by `pays`. The
    /// prefixes of the batches and of the trainings.
    fn round(
        lines: &mut PrefixLines,
        k: &mut Keyspace,
        mono_ms: u64,
        pays: impl Fn(&[u8]) -> bool,
    ) -> (HashSet<Vec<u8>>, Vec<Vec<u8>>) {
        let rule = ColdRule {
            texts: PackRule::default(),
            packs: true,
            ..ColdRule::default()
        };
        let (mut walk, mut packed, mut trained) = (ColdWalk::default(), HashSet::new(), vec![]);
        let mut is_round = false;
        while !is_round {
            is_round = k.gather_cold(&mut walk, &rule, lines).is_round;
            lines.settle();
            if is_round {
                lines.end_round(mono_ms);
            }
            while let Some(order) = lines.next_order(0, mono_ms) {
                match order {
                    Order::Train { prefix, .. } => {
                        lines.trained(&prefix, pays(&prefix).then(dictionary).flatten(), mono_ms);
                        trained.push(prefix.to_vec());
                    }
                    Order::Pack { prefix, .. } => _ = packed.insert(prefix.to_vec()),
                }
            }
        }
        (packed, trained)
    }

    fn set(names: &[&str]) -> HashSet<Vec<u8>> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    #[test]
    fn the_common_dictionary_comes_first_and_serves_whom_no_other_pays() {
        let mut k = filled(&["a:", "b:", "few:", "plain"], 400);
        for n in 50..400 {
            k.db(DB)
                .delete(format!("few:{n}").as_bytes(), russet_keyspace::Cause::User);
        }
        let mut lines = lines(64, "");
        let pays = |prefix: &[u8]| prefix != b"b";
        let (_, trained) = round(&mut lines, &mut k, 0, pays);
        assert!(trained[0].is_empty() && lines.is_ready());
        round(&mut lines, &mut k, 0, pays);
        let (packed, trained) = round(&mut lines, &mut k, 0, pays);
        assert_eq!((packed, trained), (set(&["a", ""]), vec![]));
        assert_eq!((lines.own(), lines.trained, lines.rejected), (1, 2, 1));
        // A later attempt, which pays.
        round(&mut lines, &mut k, RETRAIN_MS, |_| true);
        let (_, trained) = round(&mut lines, &mut k, RETRAIN_MS, |_| true);
        assert_eq!(trained, [b"b"]);
        lines.clear();
        assert!(lines.is_empty() && !lines.is_ready());
    }

    #[test]
    fn excluded_prefixes_are_neither_sampled_nor_packed() {
        let mut k = filled(&["secret:", "secrets"], 400);
        let mut hidden = lines(64, "secret other:");
        for _ in 0..3 {
            let (packed, trained) = round(&mut hidden, &mut k, 0, |_| true);
            assert!(packed.is_empty() && trained.is_empty());
        }
        assert_eq!(hidden.common.samples.len(), 0);
        let mut lines = lines(64, "secret:");
        round(&mut lines, &mut k, 0, |_| true);
        assert_eq!(round(&mut lines, &mut k, 0, |_| true).0, set(&[""]));
    }

    #[test]
    fn the_number_of_dictionaries_and_their_memory_are_bounded() {
        let names: Vec<String> = (0..9).map(|n| format!("p{n}:")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut k = filled(&names, 300);
        for (own_max, memory_max, own) in [(4, usize::MAX, 4), (0, usize::MAX, 0), (9, 0, 0)] {
            let mut lines = lines(own_max, "");
            lines.memory_max = memory_max;
            for _ in 0..4 {
                round(&mut lines, &mut k, 0, |_| true);
            }
            assert_eq!(lines.own(), own);
            let (packed, _) = round(&mut lines, &mut k, 0, |_| true);
            assert!(packed.contains(&b""[..]) && packed.len() == own + 1);
            // Nothing is a frame of theirs: another prefix displaces one, but not too soon.
            let later = RETRAIN_MS * 2;
            round(&mut lines, &mut k, later, |_| true);
            let (_, trained) = round(&mut lines, &mut k, later, |_| true);
            assert_eq!((lines.own(), trained.is_empty()), (own, own == 0));
        }
    }

    #[test]
    fn a_dictionary_that_has_become_poor_is_trained_anew() {
        let counts = |refused, block_bytes| BatchCounts {
            packed: TRIED - refused,
            refused,
            raw_bytes: 1000,
            block_bytes,
            ..BatchCounts::default()
        };
        for (then, is_poor) in [
            (counts(0, 300), false),
            (counts(0, 359), false),
            (counts(0, 370), true),
            (counts(TRIED / 2 + 1, 300), true),
        ] {
            let mut lines = lines(64, "");
            lines.common.enter(Stage::InTraining);
            lines.trained(b"", dictionary(), 0);
            lines.packed(b"", &counts(0, 300), 1);
            lines.packed(b"", &then, RETRAIN_MS - 1);
            assert!(lines.is_ready());
            lines.packed(b"", &then, RETRAIN_MS);
            assert_eq!(lines.is_ready(), !is_poor);
        }
    }

    #[test]
    fn a_prefix_ends_at_the_first_colon() {
        assert_eq!(prefix_of(b"user:1:name"), Some(&b"user"[..]));
        assert_eq!(prefix_of(b":1"), None);
        assert_eq!(prefix_of(b"user"), None);
        let long = [&[b'x'; PREFIX_BYTES_MAX][..], b":1"].concat();
        assert_eq!(prefix_of(&long).map(<[u8]>::len), Some(PREFIX_BYTES_MAX));
        assert_eq!(prefix_of(&[b"x", &long[..]].concat()), None);
    }
}
