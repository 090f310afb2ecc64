//! `CommandError`: every refusal that a client can get, worded once.
//!
//! Wordings are Redis's if Redis has them, byte for byte; the first word is the code.

use std::borrow::Cow;

use russet_base::glob::TooComplex;

/// A refusal. `Display` is the line after `-`, byte for byte what Redis sends; its first
/// word is the code that INFO errorstats counts. The reply writer strips CR and LF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// An argument or a stored value that must be an `i64`.
    #[error("ERR value is not an integer or out of range")]
    NotAnInteger,
    /// An argument or a stored value that must be a number; NaN is none.
    #[error("ERR value is not a valid float")]
    NotAFloat,
    /// Unknown words, or known ones in a wrong order or combination.
    #[error("ERR syntax error")]
    Syntax,
    /// The key has a value of another type than the command's.
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    /// The frame of a packed value does not hold the value's bytes; the key remains.
    #[error("ERR the packed value of this key is damaged")]
    DamagedValue,
    /// A pattern that would take too long to match.
    #[error("ERR {0}")]
    Pattern(#[from] TooComplex),
    /// The command needs an existing key.
    #[error("ERR no such key")]
    NoSuchKey,
    /// An index outside of the list.
    #[error("ERR index out of range")]
    IndexOutOfRange,
    /// Source and destination are the same key in the same database.
    #[error("ERR source and destination objects are the same")]
    SameObject,
    /// The sum would leave the range of `i64`.
    #[error("ERR increment or decrement would overflow")]
    IncrOverflow,
    /// The sum would be no finite number.
    #[error("ERR increment would produce NaN or Infinity")]
    IncrNanOrInfinity,
    /// The string would be longer than `proto-max-bulk-len`.
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    StringTooLong,
    /// No database has this number.
    #[error("ERR DB index is out of range")]
    DbIndexOutOfRange,
    /// An expiry that is not positive, or overflows; with the command's name.
    #[error("ERR invalid expire time in '{0}' command")]
    InvalidExpire(&'static str),
    /// A count that is not an integer of at least 0.
    #[error("ERR value is out of range, must be positive")]
    MustBePositive,
    /// A number outside of the range that the argument allows.
    #[error("ERR value is out of range")]
    OutOfRange,
    /// A timeout in seconds that is not a number.
    #[error("ERR timeout is not a float or out of range")]
    BadTimeout,
    /// A timeout in milliseconds that is not an integer.
    #[error("ERR timeout is not an integer or out of range")]
    BadTimeoutMs,
    /// A timeout below 0.
    #[error("ERR timeout is negative")]
    NegativeTimeout,
    /// A timeout whose end would overflow the clock.
    #[error("ERR timeout is out of range")]
    TimeoutOutOfRange,
    /// A bound of a range by score that is not a number.
    #[error("ERR min or max is not a float")]
    MinMaxNotFloat,
    /// A bound of a range by member without `[`, `(`, `-` or `+`.
    #[error("ERR min or max not valid string range item")]
    MinMaxNotLexRange,
    /// The sum of two scores is NaN: of infinities with different signs.
    #[error("ERR resulting score is not a number (NaN)")]
    ScoreNan,
    /// A number of keys that is not a positive integer.
    #[error("ERR numkeys should be greater than 0")]
    NumkeysNotPositive,
    /// A number of keys above that of the arguments after it.
    #[error("ERR Number of keys can't be greater than number of args")]
    TooManyKeys,
    /// A limit that is not an integer of at least 0.
    #[error("ERR LIMIT can't be negative")]
    NegativeLimit,
    /// A count of `i64::MIN`, whose magnitude is no `i64`.
    #[error(
        "ERR value is out of range, value must between -9223372036854775807 and \
         9223372036854775807"
    )]
    CountTooLow,
    /// Too few or too many arguments for this command; a subcommand's name is `command|subcommand`.
    #[error("ERR wrong number of arguments for '{0}' command")]
    WrongArity(String),
    /// The command needs memory, `maxmemory` is reached, and eviction gained too little.
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    /// The data set is being loaded, and the command needs it.
    #[error("LOADING Redis is loading the dataset in memory")]
    Loading,
    /// The connection has to authenticate first.
    #[error("NOAUTH Authentication required.")]
    NoAuth,
    /// A single-use text with its code, a `const` above the handler.
    #[error("{0}")]
    Text(&'static str),
    /// A text with arguments.
    #[error("{0}")]
    Owned(Cow<'static, str>),
    /// Bytes from a client inside the text (not always UTF-8).
    #[error("{}", String::from_utf8_lossy(.0))]
    Bytes(Vec<u8>),
    /// A refusal of an index, which older servers word differently.
    #[error("{}", String::from_utf8_lossy(&.0.line))]
    Reworded(Box<Wordings>),
}

/// The two lines of a refusal that has changed from one version to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wordings {
    /// As Redis 8.8 and later word it, code first.
    pub line: Vec<u8>,
    /// As Redis Stack 7.4 words it, without a code.
    pub stack_line: Vec<u8>,
}

/// The codes of indexes begin so; no other code does.
const OF_INDEXES: &[u8] = b"SEARCH_";

impl CommandError {
    /// A text built at run time.
    pub fn owned(text: impl Into<String>) -> CommandError {
        CommandError::Owned(Cow::Owned(text.into()))
    }

    /// A text around a word of the client's, shown up to its first NUL, as C prints it.
    pub fn naming(before: &str, word: &[u8], after: &str) -> CommandError {
        let parts = [before.as_bytes(), up_to_nul(word), after.as_bytes()];
        CommandError::Bytes(parts.concat())
    }

    /// The line after `-` as bytes.
    pub fn line(&self) -> Vec<u8> {
        match self {
            CommandError::Bytes(b) => b.clone(),
            CommandError::Reworded(of) => of.line.clone(),
            other => other.to_string().into_bytes(),
        }
    }

    /// The line after `-` for clients that know the words of Redis Stack 7.4: without the code of
    /// an index's refusal (`search-error-codes no`).
    pub fn stack_line(&self) -> Vec<u8> {
        if let CommandError::Reworded(of) = self {
            return of.stack_line.clone();
        }
        let line = self.line();
        match memchr::memchr(b' ', &line) {
            Some(blank) if line.starts_with(OF_INDEXES) => line[blank + 1..].to_vec(),
            _ => line,
        }
    }
}

/// The part of a word that C sees as a string: everything before a NUL byte.
pub fn up_to_nul(word: &[u8]) -> &[u8] {
    &word[..memchr::memchr(0, word).unwrap_or(word.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: CLIENT KILL USER and CLIENT SETINFO repeated the text after a NUL byte, too.
    #[test]
    fn a_word_is_repeated_up_to_a_nul_byte() {
        let shown = |word| CommandError::naming("ERR No such user '", word, "'").line();
        assert_eq!(shown(b"me"), b"ERR No such user 'me'");
        assert_eq!(shown(b"me\0 too"), b"ERR No such user 'me'");
        assert_eq!(shown(b"\0"), b"ERR No such user ''");
        assert_eq!(shown(b"\xff"), b"ERR No such user '\xff'");
    }
}
