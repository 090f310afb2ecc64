//! Lua's patterns, as Lua 5.1 matches them.
//!
//! They are matched here, not by LuaJIT's C code, because a pattern can take unbounded time
//! (`('a?'):rep(40)` for example), and C code calls no hook: no other client would be served and
//! the script could not be stopped. A match counts its steps and asks now and then whether to
//! continue.
//!
//! Cost: a step for each character examined, of the text and of a set; exponential in the worst
//! case. A long set becomes a bitmap on first use, so a character of the text costs the same
//! whatever the set.

use smallvec::SmallVec;

/// Maximum number of captures in a pattern.
const CAPTURES_MAX: usize = 32;
/// Maximum recursion: nested quantifiers and captures, each a call of the matcher.
const DEPTH_MAX: usize = 200;
/// Steps between two checks whether to continue.
const STEPS: u32 = 20_000;

/// Bytes of a back reference that take as long to compare as `STEPS` steps.
const PIECE: usize = 64 * 1024;
/// Sets up to this length are scanned for each character; longer sets become a bitmap.
const SHORT_SET: usize = 64;

const ESCAPE: u8 = b'%';

/// Why a match was aborted.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The pattern is malformed.
    Pattern(&'static str),
    /// The script must stop.
    Stopped,
}

type MatchResult = Result<Option<usize>, Trouble>;

/// The content of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// A substring.
    Text { start: usize, len: usize },
    /// A position, from 0.
    Position(usize),
    /// The parenthesis is still open.
    Open(usize),
}

/// A pattern and the text it is matched against.
pub(crate) struct Matcher<'t, 'w> {
    text: &'t [u8],
    pattern: &'t [u8],
    pub(crate) captures: SmallVec<[Capture; 4]>,
    depth: usize,
    steps: u32,
    /// The long set used last.
    set: LongSet,
    /// Whether the script must stop.
    is_over: &'w mut dyn FnMut() -> bool,
}

/// A bitmap of the set in the pattern from `start` to `end`.
#[derive(Default)]
struct LongSet {
    start: usize,
    /// 0: empty.
    end: usize,
    members: [u64; 4],
}

impl LongSet {
    fn has(&self, c: u8) -> bool {
        self.members[usize::from(c / 64)] >> (c % 64) & 1 == 1
    }

    fn add(&mut self, c: u8) {
        self.members[usize::from(c / 64)] |= 1 << (c % 64);
    }
}

/// The pattern without a leading `^`, and whether it had it.
pub(crate) fn anchored(pattern: &[u8]) -> (&[u8], bool) {
    match pattern.strip_prefix(b"^") {
        Some(rest) => (rest, true),
        None => (pattern, false),
    }
}

/// Whether the pattern has no special characters.
pub fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|b| b"^$*+?.([%-".contains(b))
}

impl<'t, 'w> Matcher<'t, 'w> {
    pub fn new(
        text: &'t [u8],
        pattern: &'t [u8],
        is_over: &'w mut dyn FnMut() -> bool,
    ) -> Matcher<'t, 'w> {
        Matcher {
            text,
            pattern,
            captures: SmallVec::new(),
            depth: 0,
            steps: STEPS,
            set: LongSet::default(),
            is_over,
        }
    }

    /// The end of a match that begins at `at`.
    pub(crate) fn match_at(&mut self, at: usize) -> MatchResult {
        self.captures.clear();
        self.depth = 0;
        self.matches(at, 0)
    }

    /// The first match from `at` on: its start and end.
    pub fn find(
        &mut self,
        at: usize,
        is_anchored: bool,
    ) -> Result<Option<(usize, usize)>, Trouble> {
        let last = if is_anchored { at } else { self.text.len() };
        for start in at..=last {
            if let Some(end) = self.match_at(start)? {
                return Ok(Some((start, end)));
            }
        }
        Ok(None)
    }

    /// Capture `n`, from 0; without captures, 0 is the whole match.
    pub(crate) fn capture(&self, n: usize, whole: (usize, usize)) -> Result<Capture, Trouble> {
        match self.captures.get(n) {
            Some(Capture::Open(_)) => Err(Trouble::Pattern("unfinished capture")),
            Some(capture) => Ok(*capture),
            None if n == 0 => Ok(Capture::Text {
                start: whole.0,
                len: whole.1 - whole.0,
            }),
            None => Err(Trouble::Pattern("invalid capture index")),
        }
    }

    #[inline]
    fn step(&mut self) -> Result<(), Trouble> {
        self.steps -= 1;
        match self.steps {
            0 => self.look(),
            _ => Ok(()),
        }
    }

    #[cold]
    fn look(&mut self) -> Result<(), Trouble> {
        self.steps = STEPS;
        if (self.is_over)() {
            Err(Trouble::Stopped)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn letter(&self, p: usize) -> Option<u8> {
        self.pattern.get(p).copied()
    }

    fn matches(&mut self, at: usize, from: usize) -> MatchResult {
        if self.depth >= DEPTH_MAX {
            return Err(Trouble::Pattern("pattern too complex"));
        }
        self.depth += 1;
        let matched = self.go(at, from);
        self.depth -= 1;
        matched
    }

    /// Matches the rest of the pattern, from `p` on, at `s`.
    fn go(&mut self, mut s: usize, mut p: usize) -> MatchResult {
        loop {
            self.step()?;
            let Some(letter) = self.letter(p) else {
                return Ok(Some(s));
            };
            match (letter, self.letter(p + 1)) {
                (b'(', Some(b')')) => return self.open(Capture::Position(s), s, p + 2),
                (b'(', _) => return self.open(Capture::Open(s), s, p + 1),
                (b')', _) => return self.close(s, p + 1),
                (b'$', None) => return Ok((s == self.text.len()).then_some(s)),
                (ESCAPE, Some(b'b')) => {
                    match self.balanced(s, p + 2)? {
                        Some(end) => s = end,
                        None => return Ok(None),
                    }
                    p += 4;
                    continue;
                }
                (ESCAPE, Some(b'f')) => {
                    if self.letter(p + 2) != Some(b'[') {
                        let text = "missing '[' after '%f' in pattern";
                        return Err(Trouble::Pattern(text));
                    }
                    let end = self.class_end(p + 2)?;
                    let before = if s == 0 { 0 } else { self.text[s - 1] };
                    let here = self.text.get(s).copied().unwrap_or(0);
                    if self.set_has(before, p + 2, end)? || !self.set_has(here, p + 2, end)? {
                        return Ok(None);
                    }
                    p = end;
                    continue;
                }
                (ESCAPE, Some(digit)) if digit.is_ascii_digit() => {
                    match self.repeats(s, digit)? {
                        Some(end) => s = end,
                        None => return Ok(None),
                    }
                    p += 2;
                    continue;
                }
                _ => {}
            }
            let end = self.class_end(p)?;
            let fits = self.fits(s, p, end)?;
            match self.letter(end) {
                Some(b'?') => {
                    if fits && let Some(matched) = self.matches(s + 1, end + 1)? {
                        return Ok(Some(matched));
                    }
                    p = end + 1;
                }
                Some(b'*') => return self.longest(s, p, end),
                Some(b'+') if fits => return self.longest(s + 1, p, end),
                Some(b'-') => return self.shortest(s, p, end),
                Some(b'+') => return Ok(None),
                _ if fits => {
                    s += 1;
                    p = end;
                }
                _ => return Ok(None),
            }
        }
    }

    /// The end of the class that begins at `p`.
    fn class_end(&mut self, p: usize) -> Result<usize, Trouble> {
        const NO_BRACKET: Trouble = Trouble::Pattern("malformed pattern (missing ']')");
        match self.pattern[p] {
            ESCAPE if p + 1 == self.pattern.len() => {
                Err(Trouble::Pattern("malformed pattern (ends with '%')"))
            }
            ESCAPE => Ok(p + 2),
            b'[' if self.set.start == p && self.set.end > 0 => Ok(self.set.end),
            b'[' => {
                let mut at = p + 1;
                at += usize::from(self.letter(at) == Some(b'^'));
                loop {
                    self.step()?;
                    let letter = self.letter(at).ok_or(NO_BRACKET)?;
                    at += 1;
                    if letter == ESCAPE && at < self.pattern.len() {
                        at += 1;
                    }
                    if self.letter(at) == Some(b']') {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(p + 1),
        }
    }

    /// Whether the character at `s` is in the class from `p` to `end`.
    #[inline]
    fn fits(&mut self, s: usize, p: usize, end: usize) -> Result<bool, Trouble> {
        let Some(&c) = self.text.get(s) else {
            return Ok(false);
        };
        Ok(match self.pattern[p] {
            b'.' => true,
            ESCAPE => of_class(c, self.pattern[p + 1]),
            b'[' => return self.set_has(c, p, end),
            letter => letter == c,
        })
    }

    /// Whether a character is in the set from `p` to `end`.
    #[inline]
    fn set_has(&mut self, c: u8, p: usize, end: usize) -> Result<bool, Trouble> {
        if end - p <= SHORT_SET {
            return Ok(in_set(c, &self.pattern[p..end]));
        }
        if (self.set.start, self.set.end) != (p, end) {
            self.set = self.long_set(p, end)?;
        }
        Ok(self.set.has(c))
    }

    /// The bitmap of the set from `start` to `end`; same result as [`in_set`].
    fn long_set(&mut self, start: usize, end: usize) -> Result<LongSet, Trouble> {
        let mut set = LongSet::default();
        let text = &self.pattern[start..end];
        let is_negated = text[1] == b'^';
        let (mut at, last) = (1 + usize::from(is_negated), text.len() - 1);
        while at < last {
            self.step()?;
            let letter = text[at];
            if letter == ESCAPE {
                at += 1;
                let class = text[at];
                for c in (0..=u8::MAX).filter(|c| of_class(*c, class)) {
                    self.step()?;
                    set.add(c);
                }
            } else if text[at + 1] == b'-' && at + 2 < last {
                at += 2;
                (letter..=text[at]).for_each(|c| set.add(c));
            } else {
                set.add(letter);
            }
            at += 1;
        }
        if is_negated {
            set.members = set.members.map(|bits| !bits);
        }
        (set.start, set.end) = (start, end);
        Ok(set)
    }

    /// Greedy: as many characters of the class as possible, then fewer, until the rest matches.
    fn longest(&mut self, s: usize, p: usize, end: usize) -> MatchResult {
        let mut count = 0;
        while self.fits(s + count, p, end)? {
            self.step()?;
            count += 1;
        }
        for taken in (0..=count).rev() {
            if let Some(matched) = self.matches(s + taken, end + 1)? {
                return Ok(Some(matched));
            }
        }
        Ok(None)
    }

    /// Lazy: as few characters of the class as needed.
    fn shortest(&mut self, mut s: usize, p: usize, end: usize) -> MatchResult {
        loop {
            if let Some(matched) = self.matches(s, end + 1)? {
                return Ok(Some(matched));
            }
            if !self.fits(s, p, end)? {
                return Ok(None);
            }
            self.step()?;
            s += 1;
        }
    }

    fn open(&mut self, capture: Capture, s: usize, p: usize) -> MatchResult {
        if self.captures.len() >= CAPTURES_MAX {
            return Err(Trouble::Pattern("too many captures"));
        }
        self.captures.push(capture);
        let count = self.captures.len();
        let matched = self.matches(s, p)?;
        if matched.is_none() {
            self.captures.truncate(count - 1);
        }
        Ok(matched)
    }

    fn close(&mut self, s: usize, p: usize) -> MatchResult {
        let is_open = |capture: &Capture| matches!(capture, Capture::Open(_));
        let Some(at) = self.captures.iter().rposition(is_open) else {
            return Err(Trouble::Pattern("invalid pattern capture"));
        };
        let Capture::Open(start) = self.captures[at] else {
            unreachable!("found as an open one");
        };
        let len = s - start;
        self.captures[at] = Capture::Text { start, len };
        let matched = self.matches(s, p)?;
        if matched.is_none() {
            self.captures[at] = Capture::Open(start);
        }
        Ok(matched)
    }

    /// `%bxy`: from an x to its matching y.
    fn balanced(&mut self, s: usize, p: usize) -> MatchResult {
        let (Some(open), Some(close)) = (self.letter(p), self.letter(p + 1)) else {
            return Err(Trouble::Pattern("unbalanced pattern"));
        };
        if self.text.get(s) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1;
        for at in s + 1..self.text.len() {
            self.step()?;
            let c = self.text[at];
            if c == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at + 1));
                }
            } else if c == open {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// `%1`: the text of that capture again.
    fn repeats(&mut self, s: usize, digit: u8) -> MatchResult {
        let at = usize::from(digit).checked_sub(usize::from(b'1'));
        let capture = at.and_then(|at| self.captures.get(at));
        let (start, len) = match capture {
            Some(Capture::Text { start, len }) => (*start, *len),
            // Lua 5.1 gives a position capture a length that no text has.
            Some(Capture::Position(_)) => return Ok(None),
            _ => return Err(Trouble::Pattern("invalid capture index")),
        };
        if len > self.text.len() - s {
            return Ok(None);
        }
        for piece in (0..len).step_by(PIECE) {
            let piece = piece..len.min(piece + PIECE);
            let steps = piece.len() * STEPS as usize / PIECE;
            self.steps = self.steps.saturating_sub(steps as u32).max(1);
            self.step()?;
            let (held, here) = (&self.text[start..][piece.clone()], &self.text[s..][piece]);
            if held != here {
                return Ok(None);
            }
        }
        Ok(Some(s + len))
    }
}

/// Whether a character is in the set, which is given with its brackets.
fn in_set(c: u8, set: &[u8]) -> bool {
    let end = set.len() - 1;
    let (mut at, found) = match set[1] {
        b'^' => (2, false),
        _ => (1, true),
    };
    while at < end {
        if set[at] == ESCAPE {
            at += 1;
            if of_class(c, set[at]) {
                return found;
            }
        } else if set[at + 1] == b'-' && at + 2 < end {
            if (set[at]..=set[at + 2]).contains(&c) {
                return found;
            }
            at += 2;
        } else if set[at] == c {
            return found;
        }
        at += 1;
    }
    !found
}

/// Whether a character is in the class of this letter; other letters match themselves.
fn of_class(c: u8, class: u8) -> bool {
    let is_it = match class.to_ascii_lowercase() {
        b'a' => c.is_ascii_alphabetic(),
        b'c' => c.is_ascii_control(),
        b'd' => c.is_ascii_digit(),
        b'l' => c.is_ascii_lowercase(),
        b'p' => c.is_ascii_punctuation(),
        b's' => matches!(c, b' ' | b'\t'..=b'\r'),
        b'u' => c.is_ascii_uppercase(),
        b'w' => c.is_ascii_alphanumeric(),
        b'x' => c.is_ascii_hexdigit(),
        b'z' => c == 0,
        _ => return class == c,
    };
    is_it != class.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, pattern: &str) -> Result<Option<(usize, usize)>, Trouble> {
        let mut never = || false;
        let (pattern, is_anchored) = anchored(pattern.as_bytes());
        Matcher::new(text.as_bytes(), pattern, &mut never).find(0, is_anchored)
    }

    #[test]
    fn patterns_find_what_lua_finds() {
        for (text, pattern, place) in [
            ("hello world", "o w", Some((4, 7))),
            ("hello", "l+", Some((2, 4))),
            ("hello", "l-o", Some((2, 5))),
            ("hello", "^l", None),
            ("hello", "lo$", Some((3, 5))),
            ("a.b", "%.", Some((1, 2))),
            ("x[y]z", "%b[]", Some((1, 4))),
            ("THE (quick) fox", "%((%a+)%)", Some((4, 11))),
            ("abab", "(ab)%1", Some((0, 4))),
            ("THE fox", "%f[%l]%l+", Some((4, 7))),
            ("]-^", "[%]%-^]+", Some((0, 3))),
            ("a-z", "[a-]+", Some((0, 2))),
            ("", "", Some((0, 0))),
            ("", "a*$", Some((0, 0))),
        ] {
            assert_eq!(found(text, pattern), Ok(place), "{text} {pattern}");
        }
        for (pattern, trouble) in [
            ("%", "malformed pattern (ends with '%')"),
            ("[a", "malformed pattern (missing ']')"),
            ("(a", "unfinished capture"),
            ("a)", "invalid pattern capture"),
            ("%1", "invalid capture index"),
            ("%b", "unbalanced pattern"),
            ("%fa", "missing '[' after '%f' in pattern"),
        ] {
            let mut never = || false;
            let mut matcher = Matcher::new(b"a", pattern.as_bytes(), &mut never);
            let reported = matcher
                .find(0, false)
                .and_then(|whole| matcher.capture(0, whole.unwrap_or((0, 0))));
            assert_eq!(reported, Err(Trouble::Pattern(trouble)), "{pattern}");
        }
    }

    #[test]
    fn a_long_set_is_what_a_short_one_is() {
        let many = "xy".repeat(SHORT_SET);
        for set in [
            "[%s]",
            "[^%s]",
            "[%sa-f]",
            "[%s%%d%%]]",
            "[^%s%%W-]",
            "[]%s]",
            "[a-%s]",
            "[%s-]",
        ] {
            let short = set.replacen("%s", "xy", 1).replace("%%", "%");
            let long = set.replacen("%s", &many, 1).replace("%%", "%");
            for c in 0..128u8 {
                let text = char::from(c).to_string();
                assert_eq!(found(&text, &long), found(&text, &short), "{short} {c}");
                let (twice, pair) = (text.repeat(2), long.clone() + "-" + &long + "$");
                let reported = found(&twice, &pair);
                assert_eq!(
                    reported.is_ok_and(|at| at == Some((0, 2))),
                    found(&text, &short) == Ok(Some((0, 1)))
                );
            }
        }
    }

    #[test]
    fn a_long_set_is_looked_through_once_and_can_be_stopped() {
        // With a scan for each character it would be 10^11 steps.
        let (text, set) = ("a".repeat(1_000_000), "b".repeat(100_000));
        assert_eq!(found(&text, &format!("[{set}]")), Ok(None));
        assert_eq!(
            found(&text, &format!("^[^{set}]*$")),
            Ok(Some((0, text.len())))
        );
        for pattern in [format!("[{set}]"), format!("[{}]", "%w".repeat(1000))] {
            let mut second = 0;
            let mut is_over = || {
                second += 1;
                second == 2
            };
            let mut matcher = Matcher::new(b"a", pattern.as_bytes(), &mut is_over);
            assert_eq!(matcher.find(0, false), Err(Trouble::Stopped));
        }
    }

    #[test]
    fn what_would_take_for_ever_can_be_stopped() {
        let (text, pattern) = ("a".repeat(60), "a?".repeat(60) + &"a".repeat(60) + "b");
        let mut questions = 0;
        let mut third = || {
            questions += 1;
            questions == 3
        };
        let mut matcher = Matcher::new(text.as_bytes(), pattern.as_bytes(), &mut third);
        assert_eq!(matcher.find(0, false), Err(Trouble::Stopped));
        let deep = ".?".repeat(DEPTH_MAX + 1);
        let text = "a".repeat(1000);
        let reported = found(&text, &deep);
        assert_eq!(reported, Err(Trouble::Pattern("pattern too complex")));
    }
}
