//! Where a line of the configuration stands, and a line that is kept with its words.

use crate::words::Text;

/// The origin of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, or `standard input`, or `command line`.
    pub source: String,
    /// The line within that source, from 1.
    pub line: usize,
    /// The line number as Redis counts it, through all joined sources.
    pub(crate) joined_line: usize,
    /// The line's bytes, trimmed.
    pub text: Vec<u8>,
}

/// A line of a directive that may occur several times, with its origin.
#[derive(Clone, Debug)]
pub struct FileLine {
    /// The words after the directive's name.
    pub words: Vec<Text>,
    /// For errors found only later, when the words are interpreted.
    pub origin: Origin,
}

impl FileLine {
    /// A line to be written.
    pub fn written(words: impl Iterator<Item = Vec<u8>>) -> FileLine {
        FileLine {
            words: words.map(Text::from).collect(),
            origin: Origin {
                source: String::new(),
                line: 0,
                joined_line: 0,
                text: Vec::new(),
            },
        }
    }
}

/// Two lines are equal if their words are, wherever they come from.
impl PartialEq for FileLine {
    fn eq(&self, other: &FileLine) -> bool {
        self.words == other.words
    }
}
