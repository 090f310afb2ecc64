//! `rdbcompression`: yes or no, and the whole-file forms of Valkey 9.2.

use super::Special;
use crate::problem::refusal::ValueError;
use crate::words::Text;

/// The compression of strings in snapshots: `yes` is LZF. Files that are compressed as a whole
/// (Valkey) are read, but not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RdbCompression {
    /// Strings as they are.
    No,
    /// Strings by LZF, where that makes them shorter.
    Yes,
    /// Valkey's whole files by LZ4; strings as with `Yes`.
    Lz4,
    /// Valkey's whole files by Zstandard; strings as with `Yes`.
    Zstd,
}

const NAMES: [(&str, RdbCompression); 4] = [
    ("no", RdbCompression::No),
    ("yes", RdbCompression::Yes),
    ("lz4", RdbCompression::Lz4),
    ("zstd", RdbCompression::Zstd),
];

impl RdbCompression {
    /// Whether strings are compressed.
    pub fn of_strings(self) -> bool {
        self != RdbCompression::No
    }

    /// Whether it requests a format that is not written.
    pub fn is_for_whole_files(self) -> bool {
        matches!(self, RdbCompression::Lz4 | RdbCompression::Zstd)
    }

    /// The word in the configuration.
    pub fn name(self) -> &'static str {
        let found = NAMES.iter().find(|(_, value)| *value == self);
        found.expect("every value has a name").0
    }
}

impl Special for RdbCompression {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [word] = words else {
            return Err(ValueError::ArgumentCount);
        };
        let mut names = NAMES.iter();
        let found = names.find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        *self = found.ok_or(ValueError::NotYesOrNo)?.1;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        self.name().into()
    }
}
