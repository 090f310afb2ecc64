//! Glob patterns as KEYS, SCAN MATCH, PSUBSCRIBE and ACLs know them.
//!
//!     *        any bytes, none included          \x   x itself
//!     ?        one byte                          [..] one byte of a class
//!     [^..]    one byte outside the class        [a-z], [z-a], [\]]
//!
//! Redis's odd cases are part of the contract: a class that is never closed ends with the
//! pattern, `-` before `]` is still a range (`[a-]` runs from `a` to `]` and stays open), a
//! trailing backslash stands for itself, an empty text matches only an empty pattern, and
//! more than 1,000 stars match nothing.
//!
//! Cost: O(pattern * text) at worst. Every token but `*` takes exactly one byte, so after a
//! mismatch only the last star can help: there is nothing to gain from moving earlier ones.
//! Behind a star that a plain byte follows, the text is searched for that byte.

/// Stars that a pattern may use before it is taken for an attack.
const STARS_MAX: usize = 1000;

/// Does the whole of `text` match `pattern`? `nocase` folds ASCII letters.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut stars = 0;
    // Where to go on after a mismatch: behind the last star, one byte further in the text.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && t < text.len() {
            if pattern[p] == b'*' {
                p = skip_stars(pattern, p);
                if p == pattern.len() {
                    return true;
                }
                stars += 1;
                if stars > STARS_MAX {
                    return false;
                }
                retry = Some((p, t));
                continue;
            }
            if let Some(next) = token(pattern, p, text[t], nocase) {
                (p, t) = (next, t + 1);
                if t == text.len() {
                    // A later start would run out of text even sooner.
                    return skip_stars(pattern, p) == pattern.len();
                }
                continue;
            }
        } else if p == pattern.len() && t == text.len() {
            return true;
        }
        let Some((behind_star, from)) = retry else {
            return false;
        };
        let Some(start) = next_start(pattern[behind_star], text, from + 1, nocase) else {
            return false;
        };
        retry = Some((behind_star, start));
        (p, t) = (behind_star, start);
    }
}

/// Where in the text, from `from` on, the token that begins so may match; nowhere else does it.
#[inline]
fn next_start(token: u8, text: &[u8], from: usize, nocase: bool) -> Option<usize> {
    let rest = text.get(from..)?;
    match token {
        b'?' | b'[' | b'\\' => (!rest.is_empty()).then_some(from),
        _ if nocase => {
            let (small, capital) = (token.to_ascii_lowercase(), token.to_ascii_uppercase());
            Some(from + memchr::memchr2(small, capital, rest)?)
        }
        _ => Some(from + memchr::memchr(token, rest)?),
    }
}

/// Is `pattern` plain text, so that only one text can match it?
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern
        .iter()
        .any(|b| matches!(b, b'*' | b'?' | b'[' | b'\\'))
}

fn skip_stars(pattern: &[u8], mut p: usize) -> usize {
    while pattern.get(p) == Some(&b'*') {
        p += 1;
    }
    p
}

/// Matches `byte` against the token at `p` (not a star); the position behind the token.
#[inline]
fn token(pattern: &[u8], mut p: usize, byte: u8, nocase: bool) -> Option<usize> {
    match pattern[p] {
        b'?' => return Some(p + 1),
        b'[' => {
            let (matched, behind) = class(pattern, p + 1, byte, nocase);
            return matched.then_some(behind);
        }
        b'\\' if p + 1 < pattern.len() => p += 1,
        _ => {}
    }
    same(pattern[p], byte, nocase).then_some(p + 1)
}

/// Whether `byte` is of the class whose text begins at `p`, and the position behind it.
fn class(pattern: &[u8], mut p: usize, byte: u8, nocase: bool) -> (bool, usize) {
    let inverted = pattern.get(p) == Some(&b'^');
    p += usize::from(inverted);
    let mut found = false;
    loop {
        match pattern.get(p..).unwrap_or_default() {
            [] => break,
            // An escaped byte is compared as it is, `nocase` or not.
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                p += 2;
            }
            [b']', ..] => {
                p += 1;
                break;
            }
            [first, b'-', last, ..] => {
                found |= in_range(*first, *last, byte, nocase);
                p += 3;
            }
            [literal, ..] => {
                found |= same(*literal, byte, nocase);
                p += 1;
            }
        }
    }
    (found != inverted, p)
}

#[inline]
fn same(a: u8, b: u8, nocase: bool) -> bool {
    if nocase {
        a.eq_ignore_ascii_case(&b)
    } else {
        a == b
    }
}

/// Bytes in a range are C's signed chars: 0x80-0xff sort before ASCII, unless folded, when
/// all but 0xff sort behind it. The ends are put in order before they are folded.
fn in_range(first: u8, last: u8, byte: u8, nocase: bool) -> bool {
    let signed = |b: u8| i32::from(b as i8);
    let folded = |b: u8| match b {
        0xff => -1,
        b => i32::from(b.to_ascii_lowercase()),
    };
    let (low, high) = if signed(first) > signed(last) {
        (last, first)
    } else {
        (first, last)
    };
    if nocase {
        (folded(low)..=folded(high)).contains(&folded(byte))
    } else {
        (signed(low)..=signed(high)).contains(&signed(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition: a star tries every rest of the text.
    fn model(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([], _) => false,
            (_, []) => false,
            ([b'*', ..], _) => {
                let rest = &pattern[skip_stars(pattern, 0)..];
                rest.is_empty() || (0..text.len()).any(|from| model(rest, &text[from..], nocase))
            }
            (_, [byte, text @ ..]) => match token(pattern, 0, *byte, nocase) {
                Some(next) if text.is_empty() => skip_stars(pattern, next) == pattern.len(),
                Some(next) => model(&pattern[next..], text, nocase),
                None => false,
            },
        }
    }

    fn yes(pattern: &str, text: &str) {
        assert!(
            matches(pattern.as_bytes(), text.as_bytes(), false),
            "{pattern} {text}"
        );
    }

    fn no(pattern: &str, text: &str) {
        assert!(
            !matches(pattern.as_bytes(), text.as_bytes(), false),
            "{pattern} {text}"
        );
    }

    #[test]
    fn plain_patterns() {
        yes("h?llo", "hello");
        yes("h*llo", "heeeello");
        yes("h*llo*", "hllo");
        yes("h[ae]llo", "hallo");
        no("h[ae]llo", "hillo");
        yes("h[^e]llo", "hallo");
        no("h[^e]llo", "hello");
        yes("h[a-b]llo", "hbllo");
        yes("h[b-a]llo", "hallo");
        yes(r"\*\?", "*?");
        no("a", "ab");
        no("ab", "a");
        no("*a", "ab");
        yes("*a*b*", "xxaxxbxx");
    }

    #[test]
    fn an_empty_text_matches_only_an_empty_pattern() {
        yes("", "");
        no("*", "");
        no("**", "");
        yes("a*", "a");
    }

    #[test]
    fn broken_classes_end_with_the_pattern() {
        yes("[abc", "c");
        no("[abc", "cd");
        no("[", "a");
        yes("[^", "a");
        yes("[^a-]", "f");
        no("[^a-]", "_");
        yes("[a-]", "_");
        no("[]", "]");
        yes("[a\\", "\\");
        yes("[\\]]", "]");
        yes("a\\", "a\\");
    }

    #[test]
    fn folding_spares_escapes_in_classes() {
        assert!(matches(b"AbC*", b"aBcD", true));
        assert!(matches(b"[A-C]x", b"bX", true));
        assert!(!matches(b"[\\A]", b"a", true));
        assert!(matches(b"\\A", b"a", true));
    }

    #[test]
    fn range_bytes_are_signed_chars() {
        assert!(matches(b"[\x80-a]", b"\xff", false));
        assert!(matches(b"[\x80-a]", b"0", false));
        assert!(matches(b"[0-\xf0]", b"\xf5", false));
        assert!(!matches(b"[0-\xf0]", b"9", false));
    }

    #[test]
    fn hostile_patterns_cost_no_more_than_their_product() {
        let text = vec![b'a'; 20_000];
        assert!(!matches(b"a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", &text, false));
        assert!(!matches(
            &[b"*a".repeat(1001), b"b".to_vec()].concat(),
            &text,
            false
        ));
    }

    #[test]
    fn a_thousand_stars_are_enough() {
        let text = vec![b'a'; 3_000];
        assert!(matches(
            &[b"*a".repeat(1000), b"*".to_vec()].concat(),
            &text,
            false
        ));
        assert!(!matches(
            &[b"*a".repeat(1001), b"*".to_vec()].concat(),
            &text,
            false
        ));
    }

    #[test]
    fn a_star_in_a_class_stands_for_itself() {
        assert!(matches(b"app:[a*", b"app:a", false) && !matches(b"app:[a*", b"app:ab", false));
        assert!(is_literal(b"plain") && !is_literal(b"pl?in"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn agrees_with_the_definition(
            pattern in r"[-ab*?\[\]^\\A\x80]{0,9}",
            text in r"[-ab\]^A\\]{0,8}",
            nocase: bool,
        ) {
            prop_assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes(), nocase),
                model(pattern.as_bytes(), text.as_bytes(), nocase)
            );
        }
    }
}
