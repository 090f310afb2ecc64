//! A query as tokens, by the longest match at each place; of equal ones the first counts.
//!
//! Source: the tokens of RediSearch 2.10, as seen from outside by FT.EXPLAIN and its errors.

use std::ops::Range;

use super::Dialect;

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
    /// `word*`, `*word`, `*word*`; the text is without stars.
    Prefix,
    Suffix,
    Infix,
    /// `w'pattern'`; the text is the pattern.
    Pattern,
    /// `'text'`, which no rule takes.
    Verbatim,
    /// `"text"`; the text is without quotes.
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
    /// Where it stands, as an error says it.
    pub(super) at: usize,
    /// Its text; of a mark that of the text before it, which an error says it is near.
    pub(super) text: Range<usize>,
    /// The value of a number; the parameter that an affix or pattern names instead of a text.
    pub(super) number: f64,
    pub(super) is_param: bool,
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

/// The end of the number at `at`, `-1.5e-3`; `at` if there is none.
fn number_end(text: &[u8], at: usize) -> usize {
    let first = at + usize::from(text.get(at) == Some(&b'-'));
    let mut end = digits_end(text, first.min(text.len()));
    if end == first {
        return at;
    }
    if text.get(end) == Some(&b'.') {
        let fraction = digits_end(text, end + 1);
        if fraction > end + 1 {
            end = fraction;
        }
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let first = end + 1 + usize::from(text.get(end + 1) == Some(&b'-'));
        let exponent = digits_end(text, first.min(text.len()));
        if exponent > first {
            end = exponent;
        }
    }
    end
}

/// The end of `inf`, `+inf` or `-inf`; `at` if there is none.
fn infinity_end(text: &[u8], at: usize) -> usize {
    let rest = &text[at..];
    let signed = rest.strip_prefix(b"+").or(rest.strip_prefix(b"-"));
    let after = signed.unwrap_or(rest).strip_prefix(b"inf");
    after.map_or(at, |after| text.len() - after.len())
}

/// The end of a text in `mark`s that begins at `at`, after its closing mark; a backslash takes the
/// next byte along. `at` if it is not closed.
fn quoted_end(text: &[u8], at: usize, mark: u8) -> usize {
    let mut end = at + 1;
    if text.get(at) != Some(&mark) {
        return at;
    }
    while let Some(&byte) = text.get(end) {
        match byte {
            b'\\' if end + 1 < text.len() => end += 2,
            b'\\' => return at,
            _ if byte == mark => return end + 1,
            _ => end += 1,
        }
    }
    at
}

/// The longest of some matches: the first of equal ones.
struct Longest {
    kind: Option<Kind>,
    end: usize,
    text: Range<usize>,
    is_param: bool,
}

impl Longest {
    fn take(&mut self, kind: Kind, end: usize, text: Range<usize>) {
        self.take_named(kind, end, text, false);
    }

    fn take_named(&mut self, kind: Kind, end: usize, text: Range<usize>, is_param: bool) {
        if end > self.end {
            *self = Longest {
                kind: Some(kind),
                end,
                text,
                is_param,
            };
        }
    }
}

/// A word, number or parameter at `at` that may stand beside stars: where it ends, its text.
fn starred(
    text: &[u8],
    at: usize,
    dialect: Dialect,
) -> impl Iterator<Item = (usize, Range<usize>, bool)> {
    let plain = [number_end(text, at), word_end(text, at)];
    let plain = plain.map(|end| (end, at..end, false));
    let is_param = dialect.has_params() && text.get(at) == Some(&b'$');
    let param = is_param.then(|| word_end(text, at + 1));
    let param = param.map(|end| (end, at + 1..end, true));
    let all = plain.into_iter().chain(param);
    all.filter(|(_, part, _)| !part.is_empty())
}

/// Marks of one byte.
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

/// The token at `at` and its end; of bytes that are none the next one is looked at.
fn token_at(text: &[u8], at: usize, dialect: Dialect) -> Option<(Kind, Longest)> {
    let is_later = dialect.has_params();
    let mut best = Longest {
        kind: None,
        end: at,
        text: at..at,
        is_param: false,
    };
    let byte = text[at];
    if is_later {
        let end = digits_end(text, at);
        best.take(Kind::Size, end, at..end);
    }
    for end in [number_end(text, at), infinity_end(text, at)] {
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
    best.take(Kind::Word, end, at..end);
    for (end, part, is_param) in starred(text, at, dialect) {
        if text.get(end) == Some(&b'*') {
            best.take_named(Kind::Prefix, end + 1, part, is_param);
        }
    }
    if byte == b'*' {
        for (end, part, is_param) in starred(text, at + 1, dialect) {
            best.take_named(Kind::Suffix, end, part.clone(), is_param);
            if text.get(end) == Some(&b'*') {
                best.take_named(Kind::Infix, end + 1, part, is_param);
            }
        }
    }
    if is_later {
        marks_of_later(text, at, &mut best);
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
fn marks_of_later(text: &[u8], at: usize, best: &mut Longest) {
    for (mark, kind) in [(b'\'', Kind::Verbatim), (b'"', Kind::Exact)] {
        let end = quoted_end(text, at, mark);
        if end > at {
            // Nothing in quotes of either kind is the empty text.
            let kind = if end == at + 2 { Kind::Exact } else { kind };
            best.take(kind, end, at + 1..end - 1);
        }
    }
    if text[at] == b'w' {
        let end = quoted_end(text, at + 1, b'\'');
        if end > at + 3 {
            let is_param = text.get(at + 2) == Some(&b'$');
            let start = at + 2 + usize::from(is_param);
            best.take_named(Kind::Pattern, end, start..end - 1, is_param);
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

/// Marks that say in an error what was before them.
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
            | Kind::Verbatim
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

/// All tokens of a query, [`Kind::End`] last. O(n) in the text, which ends at its first NUL.
pub(super) fn tokens(text: &[u8], dialect: Dialect) -> Vec<Token> {
    let text = &text[..text.iter().position(|&b| b == 0).unwrap_or(text.len())];
    let mut tokens = Vec::with_capacity(TOKENS);
    let (mut near, mut last_at, mut at) = (0..0, 0, 0);
    while at < text.len() {
        let Some((kind, found)) = token_at(text, at, dialect) else {
            at += 1;
            continue;
        };
        let after_field = tokens
            .last()
            .is_some_and(|last: &Token| last.kind == Kind::Field);
        if is_comparison(kind) && !after_field {
            at += 1;
            continue;
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
        tokens.push(Token {
            kind,
            at: last_at,
            text: near.clone(),
            number,
            is_param: found.is_param,
        });
        at = found.end;
    }
    tokens.push(Token {
        kind: Kind::End,
        at: last_at,
        text: near,
        number: 0.0,
        is_param: false,
    });
    tokens
}
