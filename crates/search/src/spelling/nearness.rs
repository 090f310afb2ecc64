//! Finds texts within a number of edits of a word, among texts in the order of their bytes.
//!
//! The states of the word's Levenshtein automaton are rows of distances, one for each letter of a
//! text; texts with the same beginning share the rows of that beginning. When no distance of a row
//! is small enough, all texts with this beginning are skipped, and also texts whose next letter
//! would have to be a letter of the word and is not.

use crate::index::to_successor;
use crate::iterate::Clock;

/// Rows of a word.
struct Rows {
    word: Vec<char>,
    most: usize,
    /// The letters that the rows are of, and the bytes that end with each.
    letters: Vec<(char, usize)>,
    /// Of each number of letters, the distances to the beginnings of the word.
    rows: Vec<usize>,
}

/// How a text lies to the word.
enum Distance {
    Near,
    Far,
    /// So are all texts that begin with so many of the text's bytes, which are so many letters, at
    /// least one.
    FarFrom {
        bytes: usize,
        letters: usize,
    },
}

impl Rows {
    fn new(word: &[u8], most: usize) -> Rows {
        let word: Vec<char> = String::from_utf8_lossy(word).chars().collect();
        Rows {
            rows: (0..=word.len()).collect(),
            word,
            most,
            letters: Vec::new(),
        }
    }

    fn distance(&mut self, text: &[u8]) -> Distance {
        let width = self.word.len() + 1;
        let (mut depth, mut bytes) = (0, 0);
        let mut shares = true;
        let letters = text.utf8_chunks().flat_map(|chunk| {
            let broken = chunk.invalid().len();
            let broken = (broken > 0).then_some((char::REPLACEMENT_CHARACTER, broken));
            let valid = chunk.valid().chars();
            valid
                .map(|letter| (letter, letter.len_utf8()))
                .chain(broken)
        });
        for (letter, len) in letters {
            bytes += len;
            shares = shares && self.letters.get(depth) == Some(&(letter, bytes));
            if !shares {
                self.letters.truncate(depth);
                self.rows.truncate((depth + 1) * width);
                self.push(letter, bytes);
            }
            depth += 1;
            let row = &self.rows[depth * width..][..width];
            if row.iter().all(|distance| *distance > self.most) {
                return Distance::FarFrom {
                    bytes,
                    letters: depth,
                };
            }
        }
        if self.rows[(depth + 1) * width - 1] <= self.most {
            Distance::Near
        } else {
            Distance::Far
        }
    }

    /// Turns a beginning of so many letters, which is too far, into the next beginning that may be
    /// near; `false`: there is none.
    fn to_next(&self, start: &mut Vec<u8>, letters: usize) -> bool {
        let width = self.word.len() + 1;
        let before = &self.rows[(letters - 1) * width..][..width];
        // Any letter but the word's own adds an edit to each distance.
        let must_match = before.iter().all(|distance| *distance >= self.most);
        let Some(last) = start.pop_if(|last| must_match && last.is_ascii()) else {
            return to_successor(start);
        };
        let own = before.iter().zip(&self.word);
        let own = own.filter(|(distance, letter)| **distance <= self.most && letter.is_ascii());
        let own = own.flat_map(|(_, letter)| [*letter as u8, letter.to_ascii_uppercase() as u8]);
        let next = own.filter(|letter| *letter > last).min();
        // Letters of other alphabets are looked at in turn.
        start.push(next.unwrap_or(0x80));
        true
    }

    fn push(&mut self, letter: char, bytes: usize) {
        let width = self.word.len() + 1;
        let start = self.rows.len() - width;
        // The case of the letters of dictionaries makes no difference.
        let small = letter.to_lowercase().next().unwrap_or(letter);
        self.rows.push(self.rows[start] + 1);
        for (at, wanted) in self.word.iter().enumerate() {
            let replaced = self.rows[start + at] + usize::from(*wanted != small);
            let added = self.rows[start + at + 1] + 1;
            let removed = self.rows[start + width + at] + 1;
            self.rows.push(replaced.min(added).min(removed));
        }
        self.letters.push((letter, bytes));
    }
}

/// A walk over texts in the order of their bytes.
pub(super) trait Texts {
    type Entry;

    /// The first bytes of the present text, up to a zero; `None`: at the end.
    fn head(&self) -> Option<[u8; 8]>;
    /// The present entry; the walk must not be at the end.
    fn entry(&self) -> Self::Entry;
    fn text(entry: &Self::Entry) -> &[u8];
    fn advance(&mut self);
    /// Moves to the first text, from here on, that is `to` or more.
    fn seek(&mut self, to: &[u8]);
}

/// Calls `take` with the entries whose texts are within `most` edits of a word, in order, from the
/// text `from` on. `false`: the time is over, and the next call continues at `from`.
pub(super) fn near<T: Texts>(
    (word, most): (&[u8], usize),
    texts: &mut T,
    from: &mut Vec<u8>,
    clock: &mut Clock<'_>,
    mut take: impl FnMut(T::Entry),
) -> bool {
    let mut rows = Rows::new(word, most);
    let mut start = Vec::new();
    if !from.is_empty() {
        texts.seek(from);
    }
    while let Some(head) = texts.head() {
        if clock.spend(2 + word.len() / 4) {
            from.clear();
            from.extend_from_slice(T::text(&texts.entry()));
            return false;
        }
        // The beginnings of most are too far, for which no whole text is read.
        let is_letter = |byte: &u8| *byte != 0 && byte.is_ascii();
        let len = head.iter().position(|byte| !is_letter(byte)).unwrap_or(8);
        start.clear();
        let letters = if let Distance::FarFrom { bytes, letters } = rows.distance(&head[..len]) {
            start.extend_from_slice(&head[..bytes]);
            letters
        } else {
            let entry = texts.entry();
            let text = T::text(&entry);
            match rows.distance(text) {
                Distance::FarFrom { bytes, letters } => {
                    start.extend_from_slice(&text[..bytes]);
                    letters
                }
                distance => {
                    if matches!(distance, Distance::Near) {
                        take(entry);
                    }
                    texts.advance();
                    continue;
                }
            }
        };
        if !rows.to_next(&mut start, letters) {
            break;
        }
        texts.seek(&start);
    }
    true
}
