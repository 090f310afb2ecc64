//! Splits a query into tokens: the longest match at each place, and the first of equally long
//! matches.
//!
//! Source: the tokens of RediSearch 2.10, as seen from outside by FT.EXPLAIN and by errors.

use std::ops::Range;

/// The kind of a token. Some are of dialect 2 and later alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// Digits alone.
    Size,
    Number,
    /// `@name`
    Field,
    /// `$name`
    Param,
    /// `word*`, `*word`, `*word*`; the text is without stars and quotes.
    Prefix,
    Suffix,
    Infix,
    /// `w'pattern'`; the text is the pattern.
    Pattern,
    /// `"text"` or `'text'`; the text is without quotes.
    Exact,
    /// A quote that no other closes.
    Quote,
    As,
    IsMissing,
    Or,
    OpenParen,
    CloseParen,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Colon,
    Semicolon,
    Arrow,
    Minus,
    Tilde,
    Star,
    Percent,
    EqualEqual,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    End,
}

/// A token of a query.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The position that an error gives.
    pub(super) at: usize,
    /// The text; for a mark, the text before it, because an error says that the mark is near that
    /// text.
    pub(super) text: Range<usize>,
    /// The value of a number; the parameter that an affix or pattern names instead of a text.
    pub(super) number: f64,
    pub(super) is_param: bool,
    /// Whether an affix was in quotes.
    pub(super) is_quoted: bool,
}

/// Bytes between words, as the C library's `ispunct` has them.
pub(super) fn is_mark(byte: u8) -> bool {
    byte.is_ascii_punctuation()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// The end of the word that begins at `at`: bytes that are neither marks, blanks nor controls, and
/// marks and blanks after a backslash. `at` itself if there is none.
pub(super) fn word_end(text: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = text.get(at) {
        let is_plain =
            byte == b'_' || !(is_mark(byte) || is_blank(byte) || byte.is_ascii_control());
        if is_plain {
            at += 1;
        } else if byte == b'\\' && text.get(at + 1).is_some_and(|&b| is_mark(b) || is_blank(b)) {
            at += 2;
        } else {
            break;
        }
    }
    at
}

fn digits_end(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|b| b.is_ascii_digit()).count()
}

/// The end of the number at `at`, `-1.5e-3`; `at` if there is none. In a range, and after a
/// comparison, it may also be `+.5e+3`.
fn number_end(text: &[u8], at: usize, is_value: bool) -> usize {
    let is_sign = |at: usize| match text.get(at) {
        Some(b'-') => true,
        Some(b'+') => is_value,
        _ => false,
    };
    let first = at + usize::from(is_sign(at));
    let mut end = digits_end(text, first.min(text.len()));
    let has_whole = end > first;
    if text.get(end) == Some(&b'.') && (has_whole || is_value) {
        let fraction = digits_end(text, end + 1);
        if fraction > end + 1 {
            end = fraction;
        }
    }
    if end == first {
        return at;
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let first = end + 1 + usize::from(is_sign(end + 1));
        let exponent = digits_end(text, first.min(text.len()));
        if exponent > first {
            end = exponent;
        }
    }
    end
}

/// The end of `inf`, `+inf` or `-inf`, of a value in letters of any case; `at` if there is none.
fn infinity_end(text: &[u8], at: usize, is_value: bool) -> usize {
    let first = at + usize::from(matches!(text.get(at), Some(b'+' | b'-')));
    let is_it = text
        .get(first..first + 3)
        .is_some_and(|word| word == b"inf" || is_value && word.eq_ignore_ascii_case(b"inf"));
    if is_it { first + 3 } else { at }
}

/// Whether a value of a comparison begins at `at`: a number or a parameter with at most one sign.
fn begins_value(text: &[u8], at: usize) -> bool {
    let first = at + usize::from(matches!(text.get(at), Some(b'+' | b'-')));
    let is_param = text.get(first) == Some(&b'$') && word_end(text, first + 1) > first + 1;
    is_param || number_end(text, at, true) > at || infinity_end(text, at, true) > at
}

/// The place after the blanks at `at`.
fn blanks_end(text: &[u8], at: usize) -> usize {
    at + text[at..]
        .iter()
        .take_while(|byte| is_blank(**byte))
        .count()
}

/// A query, with the unclosed quotes that are known.
struct Quotes<'t> {
    text: &'t [u8],
    /// Whether a quote is known that nothing closes, of `'` and of `"`. Nothing closes a later
    /// quote either, because texts in quotes are tokens, and the bytes after a backslash pair up
    /// the same way.
    unclosed: [bool; 2],
}

impl Quotes<'_> {
    /// The end of a text in `mark`s that begins at `at`, after the closing mark; a backslash takes
    /// the next byte along. `at` if the text is not closed.
    fn end(&mut self, at: usize, mark: u8) -> usize {
        let text = self.text;
        let unclosed = &mut self.unclosed[usize::from(mark == b'"')];
        if text.get(at) != Some(&mark) || *unclosed {
            return at;
        }
        let mut end = at + 1;
        while let Some(&byte) = text.get(end) {
            match byte {
                b'\\' => end += 2,
                _ if byte == mark => return end + 1,
                _ => end += 1,
            }
        }
        *unclosed = true;
        at
    }
}

/// The longest of some matches, and the first of equally long matches.
struct Longest {
    kind: Option<Kind>,
    end: usize,
    text: Range<usize>,
    source: Source,
}

/// The kind of text that a token has.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    Plain,
    Param,
    Quoted,
}

impl Longest {
    fn take(&mut self, kind: Kind, end: usize, text: Range<usize>) {
        self.take_of(kind, end, text, Source::Plain);
    }

    fn take_of(&mut self, kind: Kind, end: usize, text: Range<usize>, source: Source) {
        if end > self.end {
            *self = Longest {
                kind: Some(kind),
                end,
                text,
                source,
            };
        }
    }
}

/// A word, number, parameter or quoted text at `at` that may stand beside stars: the end and the
/// text.
fn starred(
    quotes: &mut Quotes<'_>,
    at: usize,
    is_later: bool,
) -> impl Iterator<Item = (usize, Range<usize>, Source)> + use<> {
    let text = quotes.text;
    let plain = [number_end(text, at, false), word_end(text, at)];
    let plain = plain.map(|end| (end, at..end, Source::Plain));
    let is_param = is_later && text.get(at) == Some(&b'$');
    let param = is_param.then(|| word_end(text, at + 1));
    let param = param.map(|end| (end, at + 1..end, Source::Param));
    let quoted = [b'\'', b'"'].map(|mark| {
        let end = if is_later { quotes.end(at, mark) } else { at };
        (end, at + 1..end.saturating_sub(1), Source::Quoted)
    });
    let all = plain.into_iter().chain(param).chain(quoted);
    all.filter(|(_, part, _)| !part.is_empty())
}

/// Marks of a single byte.
fn mark_kind(byte: u8) -> Option<Kind> {
    Some(match byte {
        b'|' => Kind::Or,
        b'(' => Kind::OpenParen,
        b')' => Kind::CloseParen,
        b'{' => Kind::OpenBrace,
        b'}' => Kind::CloseBrace,
        b'[' => Kind::OpenBracket,
        b']' => Kind::CloseBracket,
        b':' => Kind::Colon,
        b';' => Kind::Semicolon,
        b'-' => Kind::Minus,
        b'~' => Kind::Tilde,
        b'*' => Kind::Star,
        b'%' => Kind::Percent,
        b'"' => Kind::Quote,
        _ => return None,
    })
}

/// The token at `at`, with where it ends. `None`: no token begins here, and the caller tries the
/// next byte.
fn token_at(
    quotes: &mut Quotes<'_>,
    at: usize,
    is_later: bool,
    is_value: bool,
) -> Option<(Kind, Longest)> {
    let text = quotes.text;
    let mut best = Longest {
        kind: None,
        end: at,
        text: at..at,
        source: Source::Plain,
    };
    let byte = text[at];
    if is_later {
        let end = digits_end(text, at);
        best.take(Kind::Size, end, at..end);
    }
    let (number, infinity) = (
        number_end(text, at, is_value),
        infinity_end(text, at, is_value),
    );
    for end in [number, infinity] {
        best.take(Kind::Number, end, at..end);
    }
    if let b'@' | b'$' = byte {
        let end = word_end(text, at + 1);
        let kind = if byte == b'@' {
            Kind::Field
        } else {
            Kind::Param
        };
        if end > at + 1 {
            best.take(kind, end, at + 1..end);
        }
    }
    let end = word_end(text, at);
    let word = &text[at..end];
    if is_later && word.eq_ignore_ascii_case(b"as") {
        best.take(Kind::As, end, at..end);
    }
    if is_later && word.eq_ignore_ascii_case(b"ismissing") {
        best.take(Kind::IsMissing, end, at..end);
    }
    // A lone underscore is a mark.
    if word != b"_" {
        best.take(Kind::Word, end, at..end);
    }
    for (end, part, source) in starred(quotes, at, is_later) {
        if text.get(end) == Some(&b'*') {
            best.take_of(Kind::Prefix, end + 1, part, source);
        }
    }
    if byte == b'*' {
        for (end, part, source) in starred(quotes, at + 1, is_later) {
            best.take_of(Kind::Suffix, end, part.clone(), source);
            if text.get(end) == Some(&b'*') {
                best.take_of(Kind::Infix, end + 1, part, source);
            }
        }
    }
    if is_later {
        marks_of_later(quotes, at, &mut best);
    }
    if text[at..].starts_with(b"=>") {
        // As an error shows it: from the second byte on, as many bytes as the arrow has.
        best.take(Kind::Arrow, at + 2, at + 1..(at + 3).min(text.len()));
    }
    if let Some(kind) = mark_kind(byte) {
        best.take(kind, at + 1, 0..0);
    }
    Some((best.kind?, best))
}

/// `==`, `<` and the like, which stand after a field alone.
pub(super) fn is_comparison(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::EqualEqual
            | Kind::NotEqual
            | Kind::Greater
            | Kind::GreaterEqual
            | Kind::Less
            | Kind::LessEqual
    )
}

/// Quoted texts, patterns and comparisons, which dialect 1 does not have.
fn marks_of_later(quotes: &mut Quotes<'_>, at: usize, best: &mut Longest) {
    let text = quotes.text;
    for mark in [b'\'', b'"'] {
        let end = quotes.end(at, mark);
        if end > at {
            best.take(Kind::Exact, end, at + 1..end - 1);
        }
    }
    if text[at] == b'w' {
        let end = quotes.end(at + 1, b'\'');
        if end > at + 3 {
            let is_param = text.get(at + 2) == Some(&b'$');
            let start = at + 2 + usize::from(is_param);
            let source = if is_param {
                Source::Param
            } else {
                Source::Plain
            };
            best.take_of(Kind::Pattern, end, start..end - 1, source);
        }
    }
    let comparisons: [(&[u8], Kind); 6] = [
        (b"==", Kind::EqualEqual),
        (b"!=", Kind::NotEqual),
        (b">=", Kind::GreaterEqual),
        (b"<=", Kind::LessEqual),
        (b">", Kind::Greater),
        (b"<", Kind::Less),
    ];
    for (mark, kind) in comparisons {
        if text[at..].starts_with(mark) {
            best.take(kind, at + mark.len(), 0..0);
        }
    }
}

/// Marks for which an error names the text before them.
fn is_nameless(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Word
            | Kind::Size
            | Kind::Number
            | Kind::Field
            | Kind::Param
            | Kind::Prefix
            | Kind::Suffix
            | Kind::Infix
            | Kind::Pattern
            | Kind::Exact
            | Kind::As
            | Kind::IsMissing
            | Kind::Arrow
    )
}

/// The value of a number that [`number_end`] or [`infinity_end`] found.
fn value_of(digits: &[u8]) -> f64 {
    let digits = std::str::from_utf8(digits).ok();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0.0)
}

/// Room is made for so many tokens at first: more than most queries have.
const TOKENS: usize = 24;

/// All tokens of a query, [`Kind::End`] last; `None`: there are more than `most`. O(n) in the text,
/// which ends at the first NUL.
pub(super) fn tokens(text: &[u8], is_later: bool, most: usize) -> Option<Vec<Token>> {
    let text = &text[..text.iter().position(|&b| b == 0).unwrap_or(text.len())];
    let mut tokens: Vec<Token> = Vec::with_capacity(TOKENS);
    let mut quotes = Quotes {
        text,
        unclosed: [false; 2],
    };
    let (mut near, mut last_at, mut at) = (0..0, 0, 0);
    let mut is_in_brackets = false;
    while at < text.len() {
        let last = tokens.last();
        let compares = last.is_some_and(|last| is_comparison(last.kind));
        let is_value = is_later && (is_in_brackets || compares);
        let Some((kind, found)) = token_at(&mut quotes, at, is_later, is_value) else {
            at += 1;
            continue;
        };
        if is_comparison(kind) && !stands_between(text, last, at, found.end) {
            at += 1;
            continue;
        }
        if tokens.len() == most {
            return None;
        }
        if !is_nameless(kind) {
            near = found.text.clone();
        }
        last_at = match kind {
            Kind::Pattern => at + 2,
            _ if is_comparison(kind) => last_at,
            _ => at,
        };
        let number = if let Kind::Size | Kind::Number = kind {
            value_of(&text[found.text.clone()])
        } else {
            0.0
        };
        is_in_brackets = match kind {
            Kind::OpenBracket => true,
            Kind::CloseBracket => false,
            _ => is_in_brackets,
        };
        tokens.push(Token {
            kind,
            at: last_at,
            text: near.clone(),
            number,
            is_param: found.source == Source::Param,
            is_quoted: found.source == Source::Quoted,
        });
        at = found.end;
    }
    tokens.push(Token {
        kind: Kind::End,
        at: last_at,
        text: near,
        number: 0.0,
        is_param: false,
        is_quoted: false,
    });
    Some(tokens)
}

/// Whether a comparison from `at` to `end` stands between a field and a value, with blanks alone
/// beside it: else the bytes of the comparison are marks between words.
fn stands_between(text: &[u8], last: Option<&Token>, at: usize, end: usize) -> bool {
    let field = last.filter(|last| last.kind == Kind::Field);
    field.is_some_and(|field| blanks_end(text, field.text.end) == at)
        && begins_value(text, blanks_end(text, end))
}
