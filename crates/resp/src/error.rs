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
    /// Bytes from a client inside the text (not always UTF-8); also what
    /// [`CommandError::reworded`] makes.
    #[error("{}", String::from_utf8_lossy(wordings(.0).0))]
    Bytes(Vec<u8>),
}

/// The first byte of [`CommandError::Bytes`] with two lines, which no line begins with. The bytes
/// of the first line follow in 4, little-endian, and both lines.
// No variant of its own, because commands without an error then pay for its drop.
const TWO_LINES: u8 = 0;

/// The line for clients of today, and the line of Redis Stack 7.4, if it is another.
fn wordings(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some((&TWO_LINES, rest)) = bytes.split_first() else {
        return (bytes, None);
    };
    let (len, lines) = rest.split_first_chunk().unwrap_or((&[0; 4], &[]));
    let at = u32::from_le_bytes(*len) as usize;
    let (line, stack_line) = lines.split_at_checked(at).unwrap_or_default();
    (line, Some(stack_line))
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

    /// A refusal with two lines: as Redis 8.8 and later word it, code first, and as Redis Stack 7.4
    /// words it, without a code.
    pub fn reworded(line: &[u8], stack_line: &[u8]) -> CommandError {
        let len = u32::try_from(line.len()).unwrap_or(u32::MAX);
        CommandError::Bytes([&[TWO_LINES], &len.to_le_bytes()[..], line, stack_line].concat())
    }

    /// The line after `-` as bytes.
    pub fn line(&self) -> Vec<u8> {
        match self {
            CommandError::Bytes(b) => wordings(b).0.to_vec(),
            other => other.to_string().into_bytes(),
        }
    }

    /// The line after `-` for clients that know the words of Redis Stack 7.4: without the code of
    /// an index's refusal (`search-error-codes no`).
    pub fn stack_line(&self) -> Vec<u8> {
        if let CommandError::Bytes(bytes) = self
            && let (_, Some(stack_line)) = wordings(bytes)
        {
            return stack_line.to_vec();
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

    #[test]
    fn a_refusal_has_two_wordings() {
        let error = CommandError::reworded(b"SEARCH_X a\nb", b"b");
        assert_eq!(error.line(), b"SEARCH_X a\nb");
        assert_eq!(error.to_string(), "SEARCH_X a\nb");
        assert_eq!(error.stack_line(), b"b");
    }
}
