//! The options of a command line: words in any order, each followed by its operands.
//!
//! A row whose options name keys, or decide how a key is accessed, lists its words once. Its
//! handler and its key finder both walk that list, so they agree on which argument is an option and
//! which an operand, however often words are repeated and whatever keys are called.
//!
//! Cost: no allocation; each argument is compared with the words of the list in order.

use super::CommandError;
use russet_resp::Args;

/// An option's word.
pub struct Word<O> {
    word: &'static str,
    /// Number of operands; a word followed by fewer is not an option.
    operands: u8,
    /// Consumes all remaining arguments.
    takes_rest: bool,
    means: O,
}

impl<O: Copy> Word<O> {
    /// An option with exactly this many operands; `means`: the meaning of the word to handler and
    /// finder.
    pub const fn new(word: &'static str, operands: u8, means: O) -> Word<O> {
        Word {
            word,
            operands,
            takes_rest: false,
            means,
        }
    }

    /// A last option, followed by at least `operands_min` arguments.
    pub const fn last(word: &'static str, operands_min: u8, means: O) -> Word<O> {
        Word {
            takes_rest: true,
            ..Word::new(word, operands_min, means)
        }
    }
}

/// An argument that is not an option, or an option with too few operands: a syntax error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoOption;

impl From<NoOption> for CommandError {
    fn from(_: NoOption) -> CommandError {
        CommandError::Syntax
    }
}

/// The options of a line in order: the meaning of each and the position of its word.
///
/// Handlers stop at the first error. Finders continue: the next argument is tried as a word.
pub struct OptionReader<'a, O: 'static> {
    args: Args<'a>,
    words: &'static [Word<O>],
    next: usize,
}

impl<'a, O: Copy> OptionReader<'a, O> {
    /// The options of `args` from position `from` on.
    pub fn new(args: Args<'a>, from: usize, words: &'static [Word<O>]) -> OptionReader<'a, O> {
        OptionReader {
            args,
            words,
            next: from,
        }
    }

    /// Continues at `next`: the last option read has more operands than its word declares.
    pub fn skip_to(&mut self, next: usize) {
        self.next = next;
    }
}

impl<O: Copy> Iterator for OptionReader<'_, O> {
    type Item = Result<(O, usize), NoOption>;

    fn next(&mut self) -> Option<Self::Item> {
        let (at, len) = (self.next, self.args.len());
        if at >= len {
            return None;
        }
        let left = len - at - 1;
        let is_it = |w: &&Word<O>| left >= w.operands.into() && self.args.is(at, w.word);
        let Some(word) = self.words.iter().find(is_it) else {
            self.next = at + 1;
            return Some(Err(NoOption));
        };
        self.next = if word.takes_rest {
            len
        } else {
            at + 1 + usize::from(word.operands)
        };
        Some(Ok((word.means, at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_resp::OwnedArgs;

    const WORDS: &[Word<char>] = &[
        Word::new("FLAG", 0, 'f'),
        Word::new("STORE", 1, 's'),
        Word::last("KEYS", 1, 'k'),
    ];

    fn walk(line: &str) -> Vec<Result<(char, usize), NoOption>> {
        let args: OwnedArgs = line.split(' ').map(str::as_bytes).collect();
        OptionReader::new(args.args(), 1, WORDS).collect()
    }

    #[test]
    fn operands_that_look_like_words_are_operands() {
        assert_eq!(
            walk("sort store FLAG flag store store"),
            [Ok(('s', 1)), Ok(('f', 3)), Ok(('s', 4))]
        );
        assert_eq!(
            walk("sort keys store flag x"),
            [Ok(('k', 1))],
            "the last option takes all"
        );
    }

    #[test]
    fn a_word_without_its_operands_is_no_option() {
        assert_eq!(walk("sort store"), [Err(NoOption)]);
        assert_eq!(
            walk("sort x flag keys"),
            [Err(NoOption), Ok(('f', 2)), Err(NoOption)]
        );
        assert_eq!(walk("sort"), []);
    }
}
