//! Glob patterns of KEYS, SCAN MATCH, PSUBSCRIBE and ACLs.
//!
//!     *        any bytes, none included          \x   x itself
//!     ?        one byte                          [..] one byte of a class
//!     [^..]    one byte outside the class        [a-z], [z-a], [\]]
//!
//! Redis's odd cases are part of the contract: an unclosed class ends with the pattern, `-` before
//! `]` is still a range (`[a-]` runs from `a` to `]` and stays open), a trailing backslash is
//! literal, an empty text matches only an empty pattern, and more than 1,000 stars match nothing.
//!
//! Cost: O(pattern + text). Every token but `*` takes exactly one byte, so after a mismatch only
//! the last star needs to be retried: moving earlier ones gains nothing. After a star followed by a
//! plain byte, the text is searched for that byte. Backtracking costs nearly nothing for realistic
//! names; a match that has taken more than a few times the bytes of pattern and text is restarted
//! with a bounded algorithm that has higher set-up costs (`search`). Patterns for which that bound
//! would be too high are rejected by [`check`].

mod compiled;
mod search;

pub use compiled::Glob;
pub use search::check;

/// Stars that a pattern may use; more are treated as an attack.
const STARS_MAX: usize = 1000;

/// Work of a match before it is restarted in bounded time: pattern bytes compared per byte of
/// pattern and text, and a constant in addition.
const WORK_PER_BYTE: usize = 4;
const WORK_FREE: usize = 32 << 10;

/// A pattern that could not be matched in bounded time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "pattern is too complex: more than 1024 characters with ? or [] among them between two *, or \
     in one []"
)]
pub struct TooComplex;

/// Does the whole of `text` match `pattern`? `nocase` folds ASCII letters.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut stars = 0;
    let mut work = (pattern.len() + text.len()).saturating_mul(WORK_PER_BYTE);
    work = work.saturating_add(WORK_FREE);
    // Where to continue after a mismatch: after the last star, a byte further in the text.
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
            let (is_it, behind) = token(pattern, p, text[t], nocase);
            match work.checked_sub(behind - p) {
                Some(left) => work = left,
                None => return search::matches(pattern, text, nocase),
            }
            if is_it {
                (p, t) = (behind, t + 1);
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

/// First position from `from` on where a token that begins with this byte may match.
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

/// Is `pattern` plain text, so that only a single text can match it?
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

/// Whether `byte` matches the token at `p` (not a star), and the position after the token.
#[inline]
fn token(pattern: &[u8], mut p: usize, byte: u8, nocase: bool) -> (bool, usize) {
    match pattern[p] {
        b'?' => return (true, p + 1),
        b'[' => return class(pattern, p + 1, byte, nocase),
        b'\\' if p + 1 < pattern.len() => p += 1,
        _ => {}
    }
    (same(pattern[p], byte, nocase), p + 1)
}

/// Whether `byte` is in the class whose text begins at `p`, and the position after it.
fn class(pattern: &[u8], p: usize, byte: u8, nocase: bool) -> (bool, usize) {
    let mut found = false;
    let (inverted, behind) = Class::read(pattern, p, |member| {
        found |= match member {
            // An escaped byte is compared exactly, `nocase` or not.
            Member::Escaped(escaped) => escaped == byte,
            Member::Range(first, last) => in_range(first, last, byte, nocase),
            Member::Literal(literal) => same(literal, byte, nocase),
        };
    });
    (found != inverted, behind)
}

/// A member of a class's text.
enum Member {
    Escaped(u8),
    Range(u8, u8),
    Literal(u8),
}

/// The bytes of a class, a bit each.
struct Class([u64; 4]);

impl Class {
    /// Calls `visit` with the members of the class whose text begins at `p`; returns whether it is
    /// inverted, and the position after it.
    #[inline]
    fn read(pattern: &[u8], mut p: usize, mut visit: impl FnMut(Member)) -> (bool, usize) {
        let inverted = pattern.get(p) == Some(&b'^');
        p += usize::from(inverted);
        loop {
            match pattern.get(p..).unwrap_or_default() {
                [] => break,
                [b'\\', escaped, ..] => {
                    visit(Member::Escaped(*escaped));
                    p += 2;
                }
                [b']', ..] => {
                    p += 1;
                    break;
                }
                [first, b'-', last, ..] => {
                    visit(Member::Range(*first, *last));
                    p += 3;
                }
                [literal, ..] => {
                    visit(Member::Literal(*literal));
                    p += 1;
                }
            }
        }
        (inverted, p)
    }

    /// The class whose text begins at `p`. O(text of the class), and 256 for each distinct range.
    fn of(pattern: &[u8], p: usize, nocase: bool) -> Class {
        let mut bits = [0; 4];
        let mut add = |byte: u8| bits[usize::from(byte / 64)] |= 1 << (byte % 64);
        let mut ranges = std::collections::BTreeSet::new();
        let (inverted, _) = Class::read(pattern, p, |member| match member {
            Member::Escaped(byte) => add(byte),
            Member::Literal(byte) if nocase => {
                add(byte.to_ascii_lowercase());
                add(byte.to_ascii_uppercase());
            }
            Member::Literal(byte) => add(byte),
            Member::Range(first, last) => _ = ranges.insert((first, last)),
        });
        for (first, last) in ranges {
            (0..=u8::MAX)
                .filter(|&byte| in_range(first, last, byte, nocase))
                .for_each(&mut add);
        }
        Class(if inverted {
            bits.map(|word: u64| !word)
        } else {
            bits
        })
    }

    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte / 64)] >> (byte % 64) & 1 != 0
    }
}

#[inline]
fn same(a: u8, b: u8, nocase: bool) -> bool {
    if nocase {
        a.eq_ignore_ascii_case(&b)
    } else {
        a == b
    }
}

/// Bytes in a range are C's signed chars: 0x80-0xff sort before ASCII, unless folded, when all but
/// 0xff sort after it. The ends are ordered before they are folded.
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
    use crate::usage::thread_time;
    use proptest::prelude::*;

    /// The definition: a star tries every suffix of the text.
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
                (true, next) if text.is_empty() => skip_stars(pattern, next) == pattern.len(),
                (true, next) => model(&pattern[next..], text, nocase),
                (false, _) => false,
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

    /// Processor time of matches, microseconds: patterns of several kinds, of about `n` bytes each,
    /// and texts of `n` bytes.
    fn hostile_us(n: usize) -> Vec<(&'static str, u128)> {
        let a = |n: usize| "a".repeat(n);
        let half = n / 2;
        let patterns = [
            ("plain", format!("*{}b*", a(half))),
            ("plain tail", format!("*{}b", a(half))),
            ("escaped", format!("*{}b*", "\\a".repeat(half))),
            ("many stars", "*a".repeat(900) + "b"),
            ("wild", format!("*{}?b*", a(1000))),
            ("wild tail", format!("*{}?b", a(half))),
            ("classes", format!("*{}b*", "[a-c]".repeat(1000))),
            ("class tail", format!("*{}b", "[^x]".repeat(half))),
            ("long class", format!("*{}[{}]b*", a(20), "xy".repeat(500))),
            ("wild pieces", format!("*{}?c*", a(500)).repeat(20)),
        ];
        let text = vec![b'a'; n];
        let cost = |pattern: &str| {
            let best = (0..3).map(|_| {
                let before = thread_time();
                assert!(!matches(pattern.as_bytes(), &text, false));
                (thread_time() - before).as_micros()
            });
            best.min().expect("three")
        };
        patterns
            .iter()
            .map(|(name, pattern)| (*name, cost(pattern)))
            .collect()
    }

    /// Bug: a key of 80 kB took 4.4 s.
    #[test]
    fn four_times_as_much_takes_about_four_times_as_long() {
        let (small, large) = (hostile_us(50_000), hostile_us(200_000));
        for ((name, short), (_, long)) in small.into_iter().zip(large) {
            // Quadratic time would be a factor of sixteen; short times are imprecise.
            assert!(
                long < 10 * short + 100_000,
                "{name}: {short} us, then {long} us"
            );
            assert!(long < 2_000_000, "{name}: {long} us");
        }
    }

    #[test]
    fn patterns_that_would_take_too_long_are_refused() {
        let long = "a".repeat(100_000);
        let wild = "?".repeat(1024);
        for fine in [
            long.clone(),
            format!("*{long}*"),
            format!("{long}?*"),
            format!("*{long}?"),
            format!("*{wild}*{wild}*"),
            format!("*[{}]*", "a".repeat(1022)),
            "*[".into(),
        ] {
            assert_eq!(
                check(fine.as_bytes()),
                Ok(()),
                "{}",
                &fine[..20.min(fine.len())]
            );
        }
        for refused in [
            format!("*{wild}?*"),
            format!("x*{long}?*"),
            format!("[{}]", "a".repeat(1024)),
            format!("*[{long}"),
        ] {
            assert_eq!(
                check(refused.as_bytes()),
                Err(TooComplex),
                "{}",
                &refused[..20]
            );
        }
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
            let wanted = model(pattern.as_bytes(), text.as_bytes(), nocase);
            prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), nocase), wanted);
            prop_assert_eq!(search::matches(pattern.as_bytes(), text.as_bytes(), nocase), wanted);
        }

        /// More places than a word has bits.
        #[test]
        fn long_pieces_are_found_where_the_short_way_finds_them(
            piece in r"[ab?]{1,8}(\[a-b\]|\[\^a\]|b|\?){60,140}",
            text in "[ab]{0,400}",
            nocase: bool,
        ) {
            let pattern = format!("*{piece}*b*{piece}");
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(
                search::matches(pattern, text, nocase),
                matches(pattern, text, nocase)
            );
        }
    }
}
