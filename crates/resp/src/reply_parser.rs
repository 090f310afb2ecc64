//! The incremental reply parser, for links to other servers: RESP2 and RESP3.
//!
//! Push bytes as they arrive, split anywhere; the parser keeps the incomplete part and returns each
//! complete reply once. An announced length allocates nothing: a string grows with the bytes
//! received, a list with its elements.
//!
//! Invariants
//!   1. Between two calls either a line or a bulk string is in progress, never both.
//!   2. `open` holds the unfinished aggregates, outermost first, each with elements missing.
//!   3. After an error the link is out of sync: the parser returns the same error from then on.
//!
//! Cost: O(bytes); each byte of a string is copied once. Bounds: [`ReplyBounds`].

use std::num::ParseFloatError;

use russet_base::numbers::number::parse_i64;

/// Limits of a peer's replies.
#[derive(Clone, Copy, Debug)]
pub struct ReplyBounds {
    /// Maximum bytes of a bulk string.
    pub bulk_max: usize,
    /// Maximum values of a reply, including aggregates.
    pub values_max: usize,
    /// Maximum nesting of aggregates.
    pub depth_max: usize,
}

impl Default for ReplyBounds {
    fn default() -> ReplyBounds {
        ReplyBounds {
            bulk_max: 64 << 20,
            values_max: 1 << 20,
            depth_max: 8,
        }
    }
}

/// Longest line: a status, an error, a number, a length.
const LINE_MAX: usize = 64 * 1024;

/// Why bytes are not a valid reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    #[error("a reply begins with byte {0:#04x}")]
    UnknownKind(u8),
    #[error("a reply's line is longer than {LINE_MAX} bytes")]
    LineTooLong,
    #[error("a reply's line has no length or number")]
    BadNumber,
    #[error("a bulk string of {0} bytes is too long")]
    BulkTooLong(usize),
    #[error("a bulk string does not end with its line")]
    BulkEnd,
    #[error("a reply of too many values")]
    TooManyValues,
    #[error("a reply nests too deep")]
    TooDeep,
}

/// A complete reply.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplyValue {
    /// `+` status.
    Simple(Vec<u8>),
    /// `-` or `!` error, without the type byte.
    Error(Vec<u8>),
    /// `:` integer.
    Integer(i64),
    /// `$` bulk string.
    Bulk(Vec<u8>),
    /// `$-1`, `*-1` or `_`.
    Null,
    /// `*` array.
    Array(Vec<ReplyValue>),
    /// `~` set.
    Set(Vec<ReplyValue>),
    /// `%` map: keys and values in turn.
    Map(Vec<ReplyValue>),
    /// `>` push message.
    Push(Vec<ReplyValue>),
    /// `,` double.
    Double(f64),
    /// `#` boolean.
    Boolean(bool),
    /// `(` big number, in digits.
    BigNumber(Vec<u8>),
    /// `=` verbatim string: three letters of format, a colon, the text.
    Verbatim(Vec<u8>),
}

/// The first line of a reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReplyHead<'l> {
    /// `+`: a status.
    Simple(&'l [u8]),
    /// `-`: an error, its code first.
    Error(&'l [u8]),
    /// `:`: an integer of 64 bits.
    Integer(i64),
    /// `$-1`, `*-1` or `_`; a bulk string or an array that is null.
    Null,
    /// `,`: a double; also `inf`, `-inf` and `nan`.
    Double(f64),
    /// `#t` or `#f`: a boolean.
    Boolean(bool),
    /// `(`: a big number, whose digits are not checked.
    BigNumber(&'l [u8]),
    /// This many bytes and a line end follow.
    Bytes(Text, usize),
    /// This many values follow; for a map keys and values both count.
    Values(Aggregate, usize),
}

/// Kinds of strings with a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// `$`: a bulk string.
    Bulk,
    /// `!`: an error, its code first.
    Error,
    /// `=`: a verbatim string, which begins with its format and a colon.
    Verbatim,
}

/// Kinds of replies that hold others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// `*`: an array.
    Array,
    /// `~`: a set.
    Set,
    /// `%`: a map, keys and values in turn.
    Map,
    /// `>`: a push message.
    Push,
    /// Metadata about the value that follows; the parser drops it.
    Attribute,
}

impl<'l> ReplyHead<'l> {
    /// Parses a line without its end.
    pub fn parse(line: &'l [u8]) -> Result<ReplyHead<'l>, ReplyFault> {
        let (&kind, rest) = line.split_first().ok_or(ReplyFault::BadNumber)?;
        let number = || parse_i64(rest).ok_or(ReplyFault::BadNumber);
        let length = || match number()? {
            -1 => Ok(None),
            n => usize::try_from(n)
                .map(Some)
                .map_err(|_| ReplyFault::BadNumber),
        };
        let bytes = |text| Ok(length()?.map_or(ReplyHead::Null, |len| ReplyHead::Bytes(text, len)));
        let values =
            |kind| Ok(length()?.map_or(ReplyHead::Null, |len| ReplyHead::Values(kind, len)));
        let pairs = |kind| match length()?.and_then(|len| len.checked_mul(2)) {
            Some(len) => Ok(ReplyHead::Values(kind, len)),
            None => Err(ReplyFault::BadNumber),
        };
        match kind {
            b'+' => Ok(ReplyHead::Simple(rest)),
            b'-' => Ok(ReplyHead::Error(rest)),
            b':' => Ok(ReplyHead::Integer(number()?)),
            b'$' => bytes(Text::Bulk),
            b'!' => bytes(Text::Error),
            b'=' => bytes(Text::Verbatim),
            b'*' => values(Aggregate::Array),
            b'~' => values(Aggregate::Set),
            b'>' => values(Aggregate::Push),
            b'%' => pairs(Aggregate::Map),
            b'|' => pairs(Aggregate::Attribute),
            b'_' => Ok(ReplyHead::Null),
            b'(' => Ok(ReplyHead::BigNumber(rest)),
            b',' => double(rest)
                .map(ReplyHead::Double)
                .map_err(|_| ReplyFault::BadNumber),
            b'#' => match rest {
                b"t" => Ok(ReplyHead::Boolean(true)),
                b"f" => Ok(ReplyHead::Boolean(false)),
                _ => Err(ReplyFault::BadNumber),
            },
            other => Err(ReplyFault::UnknownKind(other)),
        }
    }
}

/// `inf`, `-inf`, `nan` and decimal forms.
fn double(text: &[u8]) -> Result<f64, ParseFloatError> {
    std::str::from_utf8(text).unwrap_or("").parse()
}

/// An unfinished aggregate.
#[derive(Debug)]
struct UnfinishedAggregate {
    kind: Aggregate,
    missing: usize,
    values: Vec<ReplyValue>,
}

/// An unfinished string.
#[derive(Debug)]
struct UnfinishedString {
    kind: Text,
    len: usize,
    /// The bytes received so far, including its line end.
    bytes: Vec<u8>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct ReplyParser {
    bounds: ReplyBounds,
    /// The current line, while incomplete.
    line: Vec<u8>,
    text: Option<UnfinishedString>,
    open: Vec<UnfinishedAggregate>,
    /// Values of the reply so far.
    values: usize,
    fault: Option<ReplyFault>,
}

impl ReplyParser {
    /// A parser between two replies.
    pub fn new(bounds: ReplyBounds) -> ReplyParser {
        ReplyParser {
            bounds,
            ..ReplyParser::default()
        }
    }

    /// Whether a reply is in progress.
    #[cfg(any(test, feature = "testing"))]
    pub fn is_within(&self) -> bool {
        !self.line.is_empty() || self.text.is_some() || !self.open.is_empty()
    }

    /// Takes bytes from the front of `input`, up to the end of a reply. `None`: all of it was taken
    /// and the reply is not complete yet.
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Option<ReplyValue>, ReplyFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let result = self.parse(input);
        self.fault = result.as_ref().err().copied();
        result
    }

    fn parse(&mut self, input: &mut &[u8]) -> Result<Option<ReplyValue>, ReplyFault> {
        while !input.is_empty() {
            let value = match self.text.take() {
                Some(begun) => self.fill(begun, input)?,
                None => self.read_line(input)?,
            };
            if let Some(value) = value.and_then(|value| self.place(value)) {
                self.values = 0;
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Continues a string; returns the value if it is complete.
    fn fill(
        &mut self,
        mut begun: UnfinishedString,
        input: &mut &[u8],
    ) -> Result<Option<ReplyValue>, ReplyFault> {
        let missing = begun.len + 2 - begun.bytes.len();
        let (here, rest) = input.split_at(missing.min(input.len()));
        begun.bytes.extend_from_slice(here);
        *input = rest;
        if begun.bytes.len() < begun.len + 2 {
            self.text = Some(begun);
            return Ok(None);
        }
        if !begun.bytes.ends_with(b"\r\n") {
            return Err(ReplyFault::BulkEnd);
        }
        begun.bytes.truncate(begun.len);
        Ok(Some(match begun.kind {
            Text::Bulk => ReplyValue::Bulk(begun.bytes),
            Text::Error => ReplyValue::Error(begun.bytes),
            Text::Verbatim => ReplyValue::Verbatim(begun.bytes),
        }))
    }

    /// Continues a line; returns the value if the line is a value.
    fn read_line(&mut self, input: &mut &[u8]) -> Result<Option<ReplyValue>, ReplyFault> {
        let Some(lf) = memchr::memchr(b'\n', input) else {
            self.keep(input)?;
            *input = &[];
            return Ok(None);
        };
        let (here, rest) = input.split_at(lf + 1);
        *input = rest;
        if self.line.is_empty() {
            return self.begin(here);
        }
        self.keep(here)?;
        let line = std::mem::take(&mut self.line);
        let value = self.begin(&line);
        self.line = line;
        self.line.clear();
        value
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), ReplyFault> {
        if self.line.len() + bytes.len() > LINE_MAX {
            return Err(ReplyFault::LineTooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Processes a complete line. A peer's line may end with LF alone.
    fn begin(&mut self, line: &[u8]) -> Result<Option<ReplyValue>, ReplyFault> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > LINE_MAX {
            return Err(ReplyFault::LineTooLong);
        }
        self.values += 1;
        if self.values > self.bounds.values_max {
            return Err(ReplyFault::TooManyValues);
        }
        Ok(Some(match ReplyHead::parse(line)? {
            ReplyHead::Simple(text) => ReplyValue::Simple(text.to_vec()),
            ReplyHead::Error(text) => ReplyValue::Error(text.to_vec()),
            ReplyHead::Integer(n) => ReplyValue::Integer(n),
            ReplyHead::Null => ReplyValue::Null,
            ReplyHead::Double(n) => ReplyValue::Double(n),
            ReplyHead::Boolean(b) => ReplyValue::Boolean(b),
            ReplyHead::BigNumber(digits) => ReplyValue::BigNumber(digits.to_vec()),
            ReplyHead::Bytes(_, len) if len > self.bounds.bulk_max => {
                return Err(ReplyFault::BulkTooLong(len));
            }
            ReplyHead::Bytes(kind, len) => {
                let bytes = Vec::new();
                self.text = Some(UnfinishedString { kind, len, bytes });
                return Ok(None);
            }
            ReplyHead::Values(_, len) if len > self.bounds.values_max - self.values => {
                return Err(ReplyFault::TooManyValues);
            }
            ReplyHead::Values(Aggregate::Attribute, 0) => return Ok(None),
            ReplyHead::Values(kind, 0) => aggregate(kind, Vec::new()),
            ReplyHead::Values(kind, missing) => {
                if self.open.len() == self.bounds.depth_max {
                    return Err(ReplyFault::TooDeep);
                }
                let values = Vec::new();
                self.open.push(UnfinishedAggregate {
                    kind,
                    missing,
                    values,
                });
                return Ok(None);
            }
        }))
    }

    /// Adds a complete value to its aggregate; returns the reply if that completes it.
    fn place(&mut self, mut value: ReplyValue) -> Option<ReplyValue> {
        while let Some(open) = self.open.last_mut() {
            open.values.push(value);
            open.missing -= 1;
            if open.missing > 0 {
                return None;
            }
            let open = self.open.pop().expect("it was the last one");
            if open.kind == Aggregate::Attribute {
                // The value that the attribute describes follows in its place.
                return None;
            }
            value = aggregate(open.kind, open.values);
        }
        Some(value)
    }
}

fn aggregate(kind: Aggregate, values: Vec<ReplyValue>) -> ReplyValue {
    match kind {
        Aggregate::Array => ReplyValue::Array(values),
        Aggregate::Set => ReplyValue::Set(values),
        Aggregate::Push => ReplyValue::Push(values),
        Aggregate::Map | Aggregate::Attribute => ReplyValue::Map(values),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(parser: &mut ReplyParser, mut bytes: &[u8]) -> Result<Vec<ReplyValue>, ReplyFault> {
        let mut values = Vec::new();
        while let Some(value) = parser.push(&mut bytes)? {
            values.push(value);
        }
        Ok(values)
    }

    const MIXED: &[u8] = b"+OK\r\n-ERR no\r\n:-12\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n_\r\n\
        *3\r\n:1\r\n*0\r\n~1\r\n#t\r\n%1\r\n+k\r\n,1.5\r\n>2\r\n$7\r\nmessage\r\n(123\r\n\
        |1\r\n+ttl\r\n:5\r\n$1\r\nx\r\n=6\r\ntxt:hi\r\n!3\r\nBAD\r\n,-inf\r\n";

    fn expected() -> Vec<ReplyValue> {
        use ReplyValue::*;
        vec![
            Simple(b"OK".to_vec()),
            Error(b"ERR no".to_vec()),
            Integer(-12),
            Bulk(b"a\r\n".to_vec()),
            Null,
            Null,
            Null,
            Array(vec![Integer(1), Array(vec![]), Set(vec![Boolean(true)])]),
            Map(vec![Simple(b"k".to_vec()), Double(1.5)]),
            Push(vec![Bulk(b"message".to_vec()), BigNumber(b"123".to_vec())]),
            Bulk(b"x".to_vec()),
            Verbatim(b"txt:hi".to_vec()),
            Error(b"BAD".to_vec()),
            Double(f64::NEG_INFINITY),
        ]
    }

    #[test]
    fn replies_of_all_kinds_are_read_wherever_they_are_split() {
        let whole = all(&mut ReplyParser::default(), MIXED);
        assert_eq!(whole, Ok(expected()));
        for at in 0..MIXED.len() {
            let mut parser = ReplyParser::default();
            let mut values = all(&mut parser, &MIXED[..at]).expect("a beginning");
            values.extend(all(&mut parser, &MIXED[at..]).expect("the rest"));
            assert_eq!(values, expected(), "split at {at}");
            assert!(!parser.is_within());
        }
    }

    #[test]
    fn what_is_announced_is_bounded_before_it_comes() {
        let bounds = ReplyBounds {
            bulk_max: 10,
            values_max: 5,
            depth_max: 2,
        };
        for (bytes, fault) in [
            (&b"$11\r\n"[..], ReplyFault::BulkTooLong(11)),
            (b"*5\r\n", ReplyFault::TooManyValues),
            (b"%3\r\n", ReplyFault::TooManyValues),
            (b"*1\r\n*1\r\n*1\r\n", ReplyFault::TooDeep),
            (b"*9223372036854775807\r\n", ReplyFault::TooManyValues),
            (b"%9223372036854775807\r\n", ReplyFault::TooManyValues),
            (b"$-2\r\n", ReplyFault::BadNumber),
            (b"$x\r\n", ReplyFault::BadNumber),
            (b"\r\n", ReplyFault::BadNumber),
            (b"?\r\n", ReplyFault::UnknownKind(b'?')),
            (b"$1\r\nabc", ReplyFault::BulkEnd),
            (b"#x\r\n", ReplyFault::BadNumber),
        ] {
            let mut parser = ReplyParser::new(bounds);
            assert_eq!(all(&mut parser, bytes), Err(fault), "{bytes:?}");
            // The link stays out of sync.
            assert_eq!(parser.push(&mut &b"+OK\r\n"[..]), Err(fault));
        }
        let endless = vec![b'+'; LINE_MAX + 1];
        let read = ReplyParser::default().push(&mut &endless[..]);
        assert_eq!(read, Err(ReplyFault::LineTooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_give_values_or_a_fault(
            bytes in prop::collection::vec(
                prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'), any::<u8>()],
                0..200,
            ),
            at in 0usize..200,
        ) {
            let whole = all(&mut ReplyParser::default(), &bytes);
            let at = at.min(bytes.len());
            let mut parser = ReplyParser::default();
            let mut parts = all(&mut parser, &bytes[..at]);
            if let Ok(values) = &mut parts {
                match all(&mut parser, &bytes[at..]) {
                    Ok(rest) => values.extend(rest),
                    Err(fault) => parts = Err(fault),
                }
            }
            // NaN is not equal to itself.
            prop_assert_eq!(format!("{whole:?}"), format!("{parts:?}"));
        }
    }
}
