//! `CommandError`: every refusal that a client can get, worded once.

use std::borrow::Cow;

use russet_base::glob::TooComplex;

/// A refusal. `Display` is the line after `-`, byte for byte what Redis sends; its first
/// word is the code that INFO errorstats counts. The reply writer strips CR and LF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("ERR value is not an integer or out of range")]
    NotAnInteger,
    #[error("ERR value is not a valid float")]
    NotAFloat,
    #[error("ERR syntax error")]
    Syntax,
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    #[error("ERR {0}")]
    Pattern(#[from] TooComplex),
    #[error("ERR no such key")]
    NoSuchKey,
    #[error("ERR index out of range")]
    IndexOutOfRange,
    #[error("ERR source and destination objects are the same")]
    SameObject,
    #[error("ERR increment or decrement would overflow")]
    IncrOverflow,
    #[error("ERR increment would produce NaN or Infinity")]
    IncrNanOrInfinity,
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    StringTooLong,
    #[error("ERR DB index is out of range")]
    DbIndexOutOfRange,
    #[error("ERR invalid expire time in '{0}' command")]
    InvalidExpire(&'static str),
    #[error("ERR value is out of range, must be positive")]
    MustBePositive,
    #[error("ERR value is out of range")]
    OutOfRange,
    #[error("ERR timeout is not a float or out of range")]
    BadTimeout,
    #[error("ERR timeout is not an integer or out of range")]
    BadTimeoutMs,
    #[error("ERR timeout is negative")]
    NegativeTimeout,
    #[error("ERR timeout is out of range")]
    TimeoutOutOfRange,
    #[error("ERR min or max is not a float")]
    MinMaxNotFloat,
    #[error("ERR min or max not valid string range item")]
    MinMaxNotLexRange,
    #[error("ERR resulting score is not a number (NaN)")]
    ScoreNan,
    #[error("ERR numkeys should be greater than 0")]
    NumkeysNotPositive,
    #[error("ERR Number of keys can't be greater than number of args")]
    TooManyKeys,
    #[error("ERR LIMIT can't be negative")]
    NegativeLimit,
    #[error(
        "ERR value is out of range, value must between -9223372036854775807 and \
         9223372036854775807"
    )]
    CountTooLow,
    #[error("ERR wrong number of arguments for '{0}' command")]
    WrongArity(String),
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    #[error("LOADING Redis is loading the dataset in memory")]
    Loading,
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
}

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
            other => other.to_string().into_bytes(),
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
