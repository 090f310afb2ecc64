//! The incremental request parser: RESP arrays of bulk strings, and inline commands.
//!
//! Bytes may be split anywhere. An incomplete command leaves a [`Progress`], so a command of a
//! million arguments that arrives in small pieces is still parsed in linear time. An announced
//! length allocates nothing: the list of spans grows with the arguments that have really arrived.
//!
//! As in Redis, a length line ends at CR, and the parser takes the byte after CR for LF unchecked,
//! as it takes the two bytes after a bulk string for CR LF, unless the grammar is Valkey's.

use super::args::{OwnedArgs, Span};
use russet_base::numbers::number::parse_i64;
use russet_base::text::is_same;

/// Maximum length of a length line or inline command.
pub const INLINE_MAX: usize = 64 * 1024;
/// Limits before a client has authenticated.
const UNAUTHENTICATED_ARGS_MAX: i64 = 10;
const UNAUTHENTICATED_BULK_MAX: i64 = 16_384;

/// The limits that apply to this client now, and where dialects differ.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// `proto-max-bulk-len`.
    pub bulk_max: u64,
    /// Not authenticated yet: the tight limits apply.
    pub unauthenticated: bool,
    /// A bulk string must end with CR and LF.
    pub checks_bulk_ends: bool,
    /// A quoted part of an inline command may be followed by more of the same word.
    pub joins_quoted: bool,
}

impl Bounds {
    /// For requests that servers have written.
    pub const fn of_servers(bulk_max: u64) -> Bounds {
        Bounds {
            bulk_max,
            unauthenticated: false,
            checks_bulk_ends: false,
            joins_quoted: false,
        }
    }
}

/// A malformed request: the client gets the error and is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// No line end within [`INLINE_MAX`] bytes after `*`.
    #[error("Protocol error: too big mbulk count string")]
    MultibulkLineTooLong,
    /// The number of arguments is no integer, or above `i32::MAX`.
    #[error("Protocol error: invalid multibulk length")]
    BadMultibulkLength,
    /// More arguments than a client may send before it has authenticated.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulk,
    /// No line end within [`INLINE_MAX`] bytes of a bulk string's length.
    #[error("Protocol error: too big bulk count string")]
    BulkLineTooLong,
    /// A bulk string is due, and this byte is there.
    #[error("Protocol error: expected '$', got '{}'", char::from(*.0))]
    ExpectedDollar(u8),
    /// A bulk string's length is no integer, negative, or above `proto-max-bulk-len`.
    #[error("Protocol error: invalid bulk length")]
    BadBulkLength,
    /// A longer bulk string than a client may send before it has authenticated.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulk,
    /// Other bytes than CR and LF after a bulk string; only if `checks_bulk_ends`.
    #[error("Protocol error: invalid CRLF in request")]
    BadBulkEnd,
    /// No line end within [`INLINE_MAX`] bytes of an inline command.
    #[error("Protocol error: too big inline request")]
    InlineTooLong,
    /// A quote is open at the line's end, or a word continues after a quote and may not.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// An inline command with a NUL byte, which would hide the rest of the line.
    #[error("Protocol error: NUL byte in inline request")]
    InlineNul,
}

/// The result of a parsing step.
#[derive(Debug, PartialEq, Eq)]
pub enum ParseStep {
    /// A complete command; its spans were appended, and `pos` is after it.
    Command,
    /// An inline command, unquoted into a buffer of its own.
    Inline(OwnedArgs),
    /// Nothing to run: an empty line, or an array of no elements. `pos` is after it.
    Nothing,
    /// More bytes are needed; `Progress` holds the state.
    Incomplete,
    /// A malformed request; the connection is to be closed.
    Error(ProtocolError),
}

/// The state of an incomplete command. Positions are relative to the parsed buffer, whose start
/// must not move while `missing > 0`.
#[derive(Debug, Default)]
pub struct Progress {
    /// Missing arguments of the current array; 0: no array is in progress.
    missing: usize,
    bulk: Bulk,
}

/// The current bulk string.
#[derive(Debug, Default)]
enum Bulk {
    #[default]
    None,
    /// The length of the bulk string, whose bytes follow.
    Here(usize),
    /// The bytes are outside of the buffer; only the line end follows.
    Apart(Span),
}

impl Progress {
    /// Whether a command is in progress (its spans are already in the list).
    pub fn has_begun(&self) -> bool {
        self.missing > 0
    }

    /// The length of the current bulk string, if its bytes are to follow.
    pub fn expects(&self) -> Option<usize> {
        match self.bulk {
            Bulk::Here(len) => Some(len),
            Bulk::None | Bulk::Apart(_) => None,
        }
    }

    /// The bytes of the current bulk string are at `span`, outside of the buffer.
    pub fn finish_apart(&mut self, span: Span) {
        self.bulk = Bulk::Apart(span);
    }

    /// Number of missing arguments.
    pub fn missing(&self) -> usize {
        self.missing
    }
}

/// The bytes of a request up to its first argument: the number of arguments and the name. In a
/// pipeline the next request mostly begins with the same bytes, and need not be parsed so far.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Where the head starts in the buffer, and its bytes.
    start: usize,
    len: usize,
    /// The name, from `start` on.
    name: Span,
    /// Arguments that follow the name; at least one.
    missing: usize,
}

/// The longest head that is compared.
const HEAD_MAX: usize = 64;

impl Head {
    /// The head of a whole command that starts at `start` of `buf` and has these spans. `None`: the
    /// request has no argument, or its start lies elsewhere.
    #[inline]
    pub fn of(buf: &[u8], start: usize, spans: &[Span]) -> Option<Head> {
        let missing = spans.len().checked_sub(1).filter(|&missing| missing > 0)?;
        let name = spans[0];
        let from = name.start.checked_sub(start)?;
        let len = from.checked_add(name.len + 2)?;
        (len <= HEAD_MAX && buf.get(start) == Some(&b'*')).then_some(Head {
            start,
            len,
            name: Span {
                start: from,
                ..name
            },
            missing,
        })
    }

    /// Parses the request at `*pos` of the same buffer, if the request begins with the same bytes
    /// and is whole: appends its spans, and moves `*pos` after it. `false`: nothing has changed,
    /// and [`step`] is to parse it. The bounds must be those under which the head was parsed.
    #[inline(always)]
    pub fn parses(
        self,
        buf: &[u8],
        pos: &mut usize,
        spans: &mut Vec<Span>,
        bounds: Bounds,
    ) -> bool {
        let known = buf.get(self.start..self.start + self.len);
        let here = buf.get(*pos..*pos + self.len);
        let (Some(known), Some(here)) = (known, here) else {
            return false;
        };
        if !is_same(known, here) {
            return false;
        }
        let before = spans.len();
        let Span { start, len } = self.name;
        spans.push(Span {
            start: *pos + start,
            len,
        });
        let mut at = *pos + self.len;
        for _ in 0..self.missing {
            let Ok(span) = whole_bulk(buf, at, bounds) else {
                spans.truncate(before);
                return false;
            };
            spans.push(span);
            at = span.start + span.len + 2;
        }
        *pos = at;
        true
    }
}

/// Parses a command of `buf` from `*pos` on. Appends the command's spans to `spans`; unless the
/// result is `Command` or `Incomplete`, none of them remain. `*pos` moves after the parsed part.
#[inline(always)]
pub fn step(
    buf: &[u8],
    pos: &mut usize,
    spans: &mut Vec<Span>,
    progress: &mut Progress,
    bounds: Bounds,
) -> ParseStep {
    if progress.missing == 0 {
        match buf.get(*pos) {
            None => return ParseStep::Incomplete,
            Some(b'*') => {}
            Some(_) => return inline(buf, pos, bounds),
        }
        let Some((n, next)) = length_line(buf, *pos + 1) else {
            return unfinished_line(buf, *pos, ProtocolError::MultibulkLineTooLong);
        };
        match n {
            Some(n) if n > i32::MAX as i64 => {
                return ParseStep::Error(ProtocolError::BadMultibulkLength);
            }
            None => return ParseStep::Error(ProtocolError::BadMultibulkLength),
            Some(n) if n > UNAUTHENTICATED_ARGS_MAX && bounds.unauthenticated => {
                return ParseStep::Error(ProtocolError::UnauthenticatedMultibulk);
            }
            Some(n) if n <= 0 => {
                *pos = next;
                return ParseStep::Nothing;
            }
            Some(n) => progress.missing = n as usize,
        }
        *pos = next;
    }
    bulks(buf, pos, spans, progress, bounds)
}

#[inline(always)]
fn bulks(
    buf: &[u8],
    pos: &mut usize,
    spans: &mut Vec<Span>,
    progress: &mut Progress,
    bounds: Bounds,
) -> ParseStep {
    if !matches!(progress.bulk, Bulk::None)
        && let Some(stop) = end_bulk(buf, pos, spans, progress, bounds)
    {
        return stop;
    }
    // In registers: each argument passes here.
    let (mut at, mut missing) = (*pos, progress.missing);
    let stop = loop {
        if missing == 0 {
            break ParseStep::Command;
        }
        match whole_bulk(buf, at, bounds) {
            Ok(span) => {
                spans.push(span);
                at = span.start + span.len + 2;
                missing -= 1;
            }
            Err(NoBulk::Stopped(stop)) => break stop,
            Err(NoBulk::Begun(span)) => {
                at = span.start;
                progress.bulk = Bulk::Here(span.len);
                break ParseStep::Incomplete;
            }
        }
    };
    (*pos, progress.missing) = (at, missing);
    stop
}

/// The reason why no whole bulk string is at a place.
enum NoBulk {
    /// The length line is incomplete, or malformed.
    Stopped(ParseStep),
    /// Some bytes of this span, or its line end, are still missing.
    Begun(Span),
}

/// The bulk string that begins at `at`, with its line end.
#[inline(always)]
fn whole_bulk(buf: &[u8], at: usize, bounds: Bounds) -> Result<Span, NoBulk> {
    let (len, start) = match short_length(buf, at) {
        Some(short) if bounds.bulk_max >= SHORT_MAX => short,
        _ => any_length(buf, at, bounds).map_err(NoBulk::Stopped)?,
    };
    let span = Span { start, len };
    if buf.len() - start < len + 2 {
        return Err(NoBulk::Begun(span));
    }
    if bounds.checks_bulk_ends && !buf[start + len..].starts_with(b"\r\n") {
        return Err(NoBulk::Stopped(ParseStep::Error(ProtocolError::BadBulkEnd)));
    }
    Ok(span)
}

/// The longest bulk string that [`short_length`] finds.
const SHORT_MAX: u64 = 99;

/// The length of the bulk string that begins at `at`, and where its bytes start, if the length has
/// one or two digits, as nearly all have. Other bytes are [`any_length`]'s to judge.
#[inline]
fn short_length(buf: &[u8], at: usize) -> Option<(usize, usize)> {
    let &[b'$', first, second, third, _] = buf.get(at..)?.first_chunk()? else {
        return None;
    };
    let (tens, ones) = (first.wrapping_sub(b'0'), second.wrapping_sub(b'0'));
    if tens <= 9 && second == b'\r' {
        return Some((tens.into(), at + 4));
    }
    let is_short = (1..=9).contains(&tens) && ones <= 9 && third == b'\r';
    is_short.then(|| ((tens * 10 + ones).into(), at + 5))
}

/// The length of the bulk string that begins at `at`, and where its bytes start; otherwise why
/// parsing stops.
#[inline(never)]
fn any_length(buf: &[u8], at: usize, bounds: Bounds) -> Result<(usize, usize), ParseStep> {
    match buf.get(at) {
        None => return Err(ParseStep::Incomplete),
        Some(b'$') => {}
        Some(&other) => return Err(no_dollar(buf, at, other)),
    }
    let Some((n, start)) = length_line(buf, at + 1) else {
        return Err(unfinished_line(buf, at, ProtocolError::BulkLineTooLong));
    };
    let len = match n {
        Some(n) if n >= 0 && n as u64 <= bounds.bulk_max => n as usize,
        _ => return Err(ParseStep::Error(ProtocolError::BadBulkLength)),
    };
    if bounds.unauthenticated && len as i64 > UNAUTHENTICATED_BULK_MAX {
        return Err(ParseStep::Error(ProtocolError::UnauthenticatedBulk));
    }
    Ok((len, start))
}

/// Ends a bulk string whose length line came in an earlier part. `Some`: it is not complete, or
/// malformed.
#[cold]
fn end_bulk(
    buf: &[u8],
    pos: &mut usize,
    spans: &mut Vec<Span>,
    progress: &mut Progress,
    bounds: Bounds,
) -> Option<ParseStep> {
    let (span, here) = match progress.bulk {
        Bulk::None => return None,
        Bulk::Here(len) => (Span { start: *pos, len }, len),
        Bulk::Apart(span) => (span, 0),
    };
    if buf.len() - *pos < here + 2 {
        return Some(ParseStep::Incomplete);
    }
    *pos += here;
    if bounds.checks_bulk_ends && !buf[*pos..].starts_with(b"\r\n") {
        return Some(ParseStep::Error(ProtocolError::BadBulkEnd));
    }
    spans.push(span);
    *pos += 2;
    progress.bulk = Bulk::None;
    progress.missing -= 1;
    None
}

/// Another byte than `$` is at `at`. Redis looks for the end of the line before it checks the
/// line's start.
#[cold]
fn no_dollar(buf: &[u8], at: usize, other: u8) -> ParseStep {
    match length_line(buf, at + 1) {
        None => unfinished_line(buf, at, ProtocolError::BulkLineTooLong),
        Some(_) => ParseStep::Error(ProtocolError::ExpectedDollar(other)),
    }
}

/// The number on the line at `at`, and the start of the next line. `None`: the line is
/// incomplete; `Some((None, _))`: it is not a number.
#[inline]
fn length_line(buf: &[u8], at: usize) -> Option<(Option<i64>, usize)> {
    let rest = &buf[at..];
    // Most lines have one or two digits, and bytes after them.
    if let Some(&[first, second, third, _]) = rest.first_chunk() {
        let (tens, ones) = (first.wrapping_sub(b'0'), second.wrapping_sub(b'0'));
        if tens <= 9 && second == b'\r' {
            return Some((Some(tens.into()), at + 3));
        }
        if (1..=9).contains(&tens) && ones <= 9 && third == b'\r' {
            return Some((Some((tens * 10 + ones).into()), at + 4));
        }
    }
    long_length_line(rest, at)
}

/// As [`length_line`], for any line; it is at the start of `rest`.
#[inline(never)]
fn long_length_line(rest: &[u8], at: usize) -> Option<(Option<i64>, usize)> {
    let mut n: i64 = 0;
    for (i, &b) in rest.iter().take(8).enumerate() {
        let digit = b.wrapping_sub(b'0');
        if digit <= 9 {
            n = n * 10 + digit as i64;
            // A leading zero is valid only alone.
            if n == 0 && rest.get(i + 1) != Some(&b'\r') {
                break;
            }
        } else if b == b'\r' && i > 0 {
            return (i + 1 < rest.len()).then_some((Some(n), at + i + 2));
        } else {
            break;
        }
    }
    let cr = memchr::memchr(b'\r', rest)?;
    (cr + 1 < rest.len()).then(|| (parse_i64(&rest[..cr]), at + cr + 2))
}

fn unfinished_line(buf: &[u8], at: usize, too_long: ProtocolError) -> ParseStep {
    if buf.len() - at > INLINE_MAX {
        ParseStep::Error(too_long)
    } else {
        ParseStep::Incomplete
    }
}

fn inline(buf: &[u8], pos: &mut usize, bounds: Bounds) -> ParseStep {
    let rest = &buf[*pos..];
    let Some(lf) = memchr::memchr(b'\n', rest) else {
        return if rest.len() > INLINE_MAX {
            ParseStep::Error(ProtocolError::InlineTooLong)
        } else {
            ParseStep::Incomplete
        };
    };
    let line = &rest[..lf];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // Redis would not see the end of such a line, nor the next request.
    if memchr::memchr(0, line).is_some() {
        return ParseStep::Error(ProtocolError::InlineNul);
    }
    let args = match split_args(line, bounds.joins_quoted) {
        Some(args) => args,
        None => return ParseStep::Error(ProtocolError::UnbalancedQuotes),
    };
    *pos += lf + 1;
    if args.args().is_empty() {
        ParseStep::Nothing
    } else {
        ParseStep::Inline(args)
    }
}

/// Splits a line into arguments as redis-cli and redis.conf quote them: `"..."` with
/// `\xHH \n \r \t \b \a` and `\` before anything else, `'...'` with `\'` only. `None`:
/// quotes do not balance, or something follows a closing quote directly and is not joined.
fn split_args(line: &[u8], joins_quoted: bool) -> Option<OwnedArgs> {
    let mut args = OwnedArgs::new();
    let mut word = Vec::new();
    let mut i = 0;
    let space = |b: u8| b.is_ascii_whitespace() || b == 0x0b;
    loop {
        while i < line.len() && space(line[i]) {
            i += 1;
        }
        if i >= line.len() {
            return Some(args);
        }
        word.clear();
        while i < line.len() && !space(line[i]) {
            match line[i] {
                b'"' => i = double_quoted(line, i + 1, &mut word)?,
                b'\'' => i = single_quoted(line, i + 1, &mut word)?,
                b => {
                    word.push(b);
                    i += 1;
                    continue;
                }
            }
            if !joins_quoted && i < line.len() && !space(line[i]) {
                return None;
            }
        }
        args.push(&word);
    }
}

fn double_quoted(line: &[u8], mut i: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match *line.get(i)? {
            b'"' => return Some(i + 1),
            b'\\' => {
                let next = *line.get(i + 1)?;
                let hex = |at: usize| line.get(at).and_then(|b| (*b as char).to_digit(16));
                if let (b'x', Some(hi), Some(lo)) = (next, hex(i + 2), hex(i + 3)) {
                    word.push((hi * 16 + lo) as u8);
                    i += 4;
                    continue;
                }
                word.push(match next {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                });
                i += 2;
            }
            b => {
                word.push(b);
                i += 1;
            }
        }
    }
}

fn single_quoted(line: &[u8], mut i: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match *line.get(i)? {
            b'\'' => return Some(i + 1),
            b'\\' if line.get(i + 1) == Some(&b'\'') => {
                word.push(b'\'');
                i += 2;
            }
            b => {
                word.push(b);
                i += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::Args;
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds::of_servers(512 << 20);

    /// Feeds `input` in pieces that end at `cuts`; returns the commands and the first error.
    fn feed(input: &[u8], cuts: &[usize]) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
        feed_within(BOUNDS, input, cuts)
    }

    fn feed_within(
        bounds: Bounds,
        input: &[u8],
        cuts: &[usize],
    ) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
        let mut commands = Vec::new();
        let (mut buf, mut pos) = (Vec::new(), 0);
        let mut spans = Vec::new();
        let mut progress = Progress::default();
        let mut head: Option<Head> = None;
        let mut ends: Vec<usize> = cuts.iter().map(|c| c % (input.len() + 1)).collect();
        ends.push(input.len());
        ends.sort_unstable();
        let mut from = 0;
        for end in ends {
            buf.extend_from_slice(&input[from..end]);
            from = end;
            loop {
                let start = pos;
                let is_whole = !progress.has_begun()
                    && head
                        .is_some_and(|head: Head| head.parses(&buf, &mut pos, &mut spans, bounds));
                let parsed = if is_whole {
                    ParseStep::Command
                } else {
                    step(&buf, &mut pos, &mut spans, &mut progress, bounds)
                };
                match parsed {
                    ParseStep::Command => {
                        head = Head::of(&buf, start, &spans);
                        let args = Args::new(&buf, &spans);
                        commands.push(args.iter().map(<[u8]>::to_vec).collect());
                        spans.clear();
                    }
                    ParseStep::Inline(args) => {
                        commands.push(args.args().iter().map(<[u8]>::to_vec).collect())
                    }
                    ParseStep::Nothing => {}
                    ParseStep::Incomplete => break,
                    ParseStep::Error(e) => return (commands, Some(e)),
                }
            }
        }
        (commands, None)
    }

    fn encode(args: &[Vec<u8>]) -> Vec<u8> {
        let mut out = format!("*{}\r\n", args.len()).into_bytes();
        for a in args {
            out.extend_from_slice(format!("${}\r\n", a.len()).as_bytes());
            out.extend_from_slice(a);
            out.extend_from_slice(b"\r\n");
        }
        out
    }

    fn error_of(input: &[u8]) -> Option<ProtocolError> {
        feed(input, &[]).1
    }

    #[test]
    fn hostile_lengths_are_refused() {
        assert_eq!(
            error_of(b"*2147483648\r\n"),
            Some(ProtocolError::BadMultibulkLength)
        );
        assert_eq!(error_of(b"*x\r\n"), Some(ProtocolError::BadMultibulkLength));
        assert_eq!(
            error_of(b"*03\r\n"),
            Some(ProtocolError::BadMultibulkLength)
        );
        assert_eq!(
            error_of(b"*+3\r\n"),
            Some(ProtocolError::BadMultibulkLength)
        );
        for len in [
            "-2",
            "-1",
            "536870913",
            "9223372036854775808",
            "12345678901234567890",
            "",
        ] {
            let input = format!("*1\r\n${len}\r\n");
            assert_eq!(
                error_of(input.as_bytes()),
                Some(ProtocolError::BadBulkLength),
                "{len}"
            );
        }
        assert_eq!(
            error_of(b"*1\r\nfoo\r\n"),
            Some(ProtocolError::ExpectedDollar(b'f'))
        );
        assert_eq!(
            error_of(&[b'x'; INLINE_MAX + 1]),
            Some(ProtocolError::InlineTooLong)
        );
        let mut long = b"*".to_vec();
        long.resize(INLINE_MAX + 10, b'1');
        assert_eq!(error_of(&long), Some(ProtocolError::MultibulkLineTooLong));
        assert_eq!(
            error_of(b"SET \"a\r\n"),
            Some(ProtocolError::UnbalancedQuotes)
        );
        for line in [&b"SET a b\0c\r\n"[..], b"SET a \"\0\"\r\n", b"\0\r\n"] {
            assert_eq!(error_of(line), Some(ProtocolError::InlineNul));
        }
    }

    #[test]
    fn empty_requests_are_skipped() {
        let (commands, error) = feed(b"*0\r\n*-5\r\n\r\n  \r\n*1\r\n$4\r\nPING\r\n", &[]);
        assert_eq!((commands, error), (vec![vec![b"PING".to_vec()]], None));
    }

    #[test]
    fn inline_commands_are_unquoted() {
        let (commands, _) = feed(b"set \"a\\x41\\n\" 'it\\'s'\nPING\r\n", &[]);
        assert_eq!(
            commands[0],
            [b"set".to_vec(), b"aA\n".to_vec(), b"it's".to_vec()]
        );
        assert_eq!(commands[1], [b"PING".to_vec()]);
    }

    #[test]
    fn valkeys_grammar_checks_ends_and_joins_quoted_parts() {
        let valkey = Bounds {
            checks_bulk_ends: true,
            joins_quoted: true,
            ..BOUNDS
        };
        let sound = encode(&[b"ECHO".to_vec(), b"a".to_vec()]);
        let args = vec![b"ECHO".to_vec(), b"a".to_vec()];
        for end in [&b"XX"[..], b"\rX", b"X\n"] {
            let mut input = sound.clone();
            let at = input.len() - 2;
            input[at..].copy_from_slice(end);
            assert_eq!(feed(&input, &[]), (vec![args.clone()], None));
            for cuts in [&[][..], &[at], &[at + 1]] {
                let refused = (vec![], Some(ProtocolError::BadBulkEnd));
                assert_eq!(feed_within(valkey, &input, cuts), refused);
            }
            let (mut pos, mut progress) = (0, Progress::default());
            progress.missing = 1;
            progress.finish_apart(Span { start: 0, len: 1 });
            let apart = step(end, &mut pos, &mut Vec::new(), &mut progress, valkey);
            assert_eq!(apart, ParseStep::Error(ProtocolError::BadBulkEnd));
        }
        assert_eq!(feed_within(valkey, &sound, &[]), (vec![args], None));
        for (line, word) in [
            (&b"ECHO \"a\"b\n"[..], &b"ab"[..]),
            (b"ECHO \"a\"'b'c\n", b"abc"),
            (b"ECHO \"\"x\n", b"x"),
        ] {
            assert_eq!(error_of(line), Some(ProtocolError::UnbalancedQuotes));
            let args = vec![b"ECHO".to_vec(), word.to_vec()];
            assert_eq!(feed_within(valkey, line, &[]), (vec![args], None));
        }
        let (_, error) = feed_within(valkey, b"ECHO \"a\"\"b\n", &[]);
        assert_eq!(error, Some(ProtocolError::UnbalancedQuotes));
    }

    #[test]
    fn unauthenticated_bounds_are_tight() {
        let bounds = Bounds {
            unauthenticated: true,
            ..BOUNDS
        };
        let run = |input: &[u8]| {
            step(
                input,
                &mut 0,
                &mut Vec::new(),
                &mut Progress::default(),
                bounds,
            )
        };
        assert_eq!(
            run(b"*11\r\n"),
            ParseStep::Error(ProtocolError::UnauthenticatedMultibulk)
        );
        assert_eq!(
            run(b"*1\r\n$16385\r\n"),
            ParseStep::Error(ProtocolError::UnauthenticatedBulk)
        );
    }

    /// Neighbours have the same name and number of arguments now and then.
    fn a_command() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let name = prop_oneof![
            Just(b"GET".to_vec()),
            Just(b"get".to_vec()),
            Just(vec![]),
            prop::collection::vec(any::<u8>(), 0..70),
        ];
        let argument = prop::collection::vec(any::<u8>(), 0..120);
        (name, prop::collection::vec(argument, 0..4)).prop_map(|(name, mut arguments)| {
            arguments.insert(0, name);
            arguments
        })
    }

    proptest! {
        #[test]
        fn a_split_at_any_byte_changes_nothing(
            commands in prop::collection::vec(a_command(), 1..8),
            cuts in prop::collection::vec(any::<usize>(), 0..8),
        ) {
            let input: Vec<u8> = commands.iter().flat_map(|c| encode(c)).collect();
            let (got, error) = feed(&input, &cuts);
            prop_assert_eq!(error, None);
            prop_assert_eq!(got, commands);
        }

        #[test]
        fn any_bytes_parse_the_same_in_pieces(
            input in prop::collection::vec(
                prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'),
                            Just(b'3'), Just(b'"'), any::<u8>()], 0..80),
            cuts in prop::collection::vec(any::<usize>(), 0..5),
        ) {
            prop_assert_eq!(feed(&input, &cuts), feed(&input, &[]));
        }
    }
}
