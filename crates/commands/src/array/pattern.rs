//! Regular expressions of ARGREP: POSIX extended expressions with TRE's additions, over bytes.
//!
//! The parser rewrites each expression for the crate `regex`, because its time is linear in the
//! text, whatever the expression; the memory of a compiled expression is limited. Only the
//! existence of a match counts, so it makes no difference which of several matches `regex` finds.
//!
//! Cost: O(text * program), whose worst case takes some 5 ns for each byte and state. `regex` is
//! much faster than that for nearly all expressions, but cannot be interrupted: beyond a bound of
//! that product `automaton` matches the text in slices.

use regex::bytes::RegexBuilder;

use super::automaton::{Automaton, Program};
use super::deadline::Deadline;
use russet_command::CommandError;

const LENGTH_MAX: usize = 2048;
/// Bytes of a compiled expression. More than four expressions share four times as many, which take
/// some 10 ms to compile.
const PROGRAM_MAX: usize = 1 << 18;
/// Bytes of the states that a search keeps; shared likewise.
const STATES_MAX: usize = 1 << 20;
const FULL_SIZED: usize = 4;
/// Maximum depth of groups.
const DEPTH_MAX: u32 = 250;
/// The greatest number in braces.
const REPEATED_MAX: u32 = 255;

const TOO_LONG: CommandError =
    CommandError::Text("ERR regular expression is too long, maximum is 2048 bytes");
const EMPTY: CommandError = CommandError::Text("ERR regular expression is empty");
const BACKREFERENCES: CommandError =
    CommandError::Text("ERR regular expression backreferences are not supported");

/// Bytes of the text, times states of the program, of an undivided match: 5 ms at most.
const PIECE_MAX: usize = 1 << 20;

/// See the module.
pub(super) struct Regex {
    whole: regex::bytes::Regex,
    program: Program,
    states_max: usize,
    /// For long texts; created for the first long text.
    sliced: Option<Box<Automaton>>,
}

/// The fault of an expression, in TRE's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Expression,
    Collating,
    Class,
    Backslash,
    Backreference,
    Bracket,
    Group,
    Brace,
    Braces,
    Range,
    Space,
    Repetition,
    Repeated,
    /// The expression is valid, but not supported.
    Supported,
}

impl From<Wrong> for CommandError {
    fn from(wrong: Wrong) -> CommandError {
        CommandError::owned(format!(
            "ERR invalid regular expression: {}",
            match wrong {
                Wrong::Expression => "Invalid regexp",
                Wrong::Collating => "Unknown collating element",
                Wrong::Class => "Unknown character class name",
                Wrong::Backslash => "Trailing backslash",
                Wrong::Backreference => "Invalid back reference",
                Wrong::Bracket => "Missing ']'",
                Wrong::Group => "Missing ')'",
                Wrong::Brace => "Missing '}'",
                Wrong::Braces => "Invalid contents of {}",
                Wrong::Range => "Invalid character range",
                Wrong::Space => "Out of memory",
                Wrong::Repetition => "Invalid use of repetition operators",
                Wrong::Repeated => "Maximum repetition in {} larger than 255",
                Wrong::Supported => return BACKREFERENCES,
            }
        ))
    }
}

impl Regex {
    /// Compiles an expression among the `count` expressions of a command.
    ///
    /// # Errors
    ///
    /// TRE's errors, and `Out of memory` for an expression that takes more than an equal share of
    /// the memory.
    pub fn new(expression: &[u8], nocase: bool, count: usize) -> Result<Regex, CommandError> {
        if expression.len() > LENGTH_MAX {
            return Err(TOO_LONG);
        }
        if expression.is_empty() {
            return Err(EMPTY);
        }
        let rewritten = rewrite(expression)?;
        let count = count.max(FULL_SIZED);
        let program_max = PROGRAM_MAX * FULL_SIZED / count;
        let states_max = STATES_MAX * FULL_SIZED / count;
        let built = RegexBuilder::new(&rewritten)
            .unicode(false)
            .case_insensitive(nocase)
            .dot_matches_new_line(true)
            .size_limit(program_max)
            .dfa_size_limit(states_max)
            .nest_limit(DEPTH_MAX)
            .build();
        let whole = match built {
            Ok(regex) => regex,
            Err(regex::Error::CompiledTooBig(_)) => return Err(Wrong::Space.into()),
            Err(_) => return Err(Wrong::Expression.into()),
        };
        // Without captures this program is smaller than that of `regex`.
        let program = Program::compile(&rewritten, nocase, DEPTH_MAX, program_max);
        Ok(Regex {
            whole,
            program: program.ok_or(CommandError::from(Wrong::Space))?,
            states_max,
            sliced: None,
        })
    }

    /// Whether the text has a match. `None`: the time is over, and the next call must be for the
    /// same text.
    pub fn fits(&mut self, text: &[u8], deadline: &mut Deadline) -> Option<bool> {
        let steps = text.len().saturating_mul(self.program.states());
        if steps > PIECE_MAX {
            if self.sliced.is_none() {
                self.sliced = Automaton::new(&self.program, self.states_max).map(Box::new);
            }
            if let Some(sliced) = &mut self.sliced {
                return sliced.fits(text, deadline);
            }
        }
        let fits = self.whole.is_match(text);
        deadline.spend(steps);
        Some(fits)
    }
}

/// The item before an operator of repetition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PrecedingItem {
    /// Nothing: the beginning of an expression, a group or an alternative.
    Nothing,
    /// An item that can be repeated, by where it begins in the output.
    Atom(usize),
    Repeated(usize),
    /// A condition on the position, which repetition does not change, not even `*`.
    Assertion,
}

struct Rewriter<'a> {
    rest: &'a [u8],
    out: String,
    groups: u32,
    /// Where the open groups begin in the output.
    open: Vec<usize>,
    /// The greatest number of a back reference.
    referred: Option<u32>,
    before: PrecedingItem,
}

fn rewrite(expression: &[u8]) -> Result<String, Wrong> {
    let mut rewriter = Rewriter {
        rest: expression,
        out: String::with_capacity(2 * expression.len()),
        groups: 0,
        open: Vec::new(),
        referred: None,
        before: PrecedingItem::Nothing,
    };
    while let Some(byte) = rewriter.next() {
        rewriter.take(byte)?;
    }
    if !rewriter.open.is_empty() {
        return Err(Wrong::Group);
    }
    match rewriter.referred {
        None => Ok(rewriter.out),
        Some(referred) if referred > rewriter.groups => Err(Wrong::Backreference),
        Some(_) => Err(Wrong::Supported),
    }
}

impl Rewriter<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Skips these bytes if they are next.
    fn skip(&mut self, bytes: &[u8]) -> bool {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn atom(&mut self, text: &str) {
        self.before = PrecedingItem::Atom(self.out.len());
        self.out.push_str(text);
    }

    fn assertion(&mut self, text: &str) {
        self.before = PrecedingItem::Assertion;
        self.out.push_str(text);
    }

    fn byte(&mut self, byte: u8) {
        self.before = PrecedingItem::Atom(self.out.len());
        push_byte(&mut self.out, byte);
    }

    fn take(&mut self, byte: u8) -> Result<(), Wrong> {
        match byte {
            b'\\' => self.escape()?,
            b'[' => self.bracket()?,
            b'(' => self.group()?,
            b')' if !self.open.is_empty() => {
                self.out.push(')');
                self.before = PrecedingItem::Atom(self.open.pop().unwrap_or(0));
            }
            b'|' => {
                self.out.push('|');
                self.before = PrecedingItem::Nothing;
            }
            b'.' => self.atom("."),
            b'^' => self.assertion("^"),
            b'$' => self.assertion("$"),
            b'*' | b'+' | b'?' => self.repeat(&char::from(byte).to_string())?,
            b'{' => self.braces()?,
            _ => self.byte(byte),
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Wrong> {
        let byte = self.next().ok_or(Wrong::Backslash)?;
        match byte {
            b'Q' => {
                let end = memchr::memmem::find(self.rest, b"\\E");
                let (text, rest) = match end {
                    Some(at) => (&self.rest[..at], &self.rest[at + 2..]),
                    None => (self.rest, &[][..]),
                };
                text.iter().for_each(|byte| self.byte(*byte));
                self.rest = rest;
            }
            b'w' | b'W' | b's' | b'S' | b'd' | b'D' => {
                self.atom(&format!("\\{}", char::from(byte)));
            }
            b'b' | b'B' | b'<' | b'>' => self.assertion(&format!("\\{}", char::from(byte))),
            b'a' => self.byte(7),
            b'e' => self.byte(27),
            b'f' => self.byte(12),
            b'n' => self.byte(b'\n'),
            b'r' => self.byte(b'\r'),
            b't' => self.byte(b'\t'),
            b'x' => self.code()?,
            b'0'..=b'9' => {
                self.referred = self.referred.max(Some(u32::from(byte - b'0')));
                self.atom("(?:)");
            }
            _ => self.byte(byte),
        }
        Ok(())
    }

    /// A byte by number: `\x41` or `\x{41}`.
    fn code(&mut self) -> Result<(), Wrong> {
        let in_braces = self.skip(b"{");
        let digits_max = if in_braces { 8 } else { 2 };
        let is_digit = |byte: &u8| byte.is_ascii_hexdigit();
        let found = self.rest.iter().take_while(|byte| is_digit(byte)).count();
        let found = found.min(digits_max);
        let digits = std::str::from_utf8(&self.rest[..found]).unwrap_or("");
        let code = u32::from_str_radix(digits, 16).unwrap_or(0);
        self.rest = &self.rest[found..];
        if in_braces && !self.skip(b"}") {
            return Err(Wrong::Brace);
        }
        match u8::try_from(code) {
            Ok(byte) => self.byte(byte),
            // Texts are bytes: no character has this number.
            Err(_) => self.atom(r"[^\x00-\xff]"),
        }
        Ok(())
    }

    fn group(&mut self) -> Result<(), Wrong> {
        self.before = PrecedingItem::Nothing;
        if !self.skip(b"?") {
            self.groups += 1;
            self.open.push(self.out.len());
            self.out.push('(');
            return Ok(());
        }
        if self.skip(b"#") {
            let end = memchr::memchr(b')', self.rest).ok_or(Wrong::Expression)?;
            self.rest = &self.rest[end + 1..];
            return Ok(());
        }
        // Of TRE's flags only that of case matters.
        let (mut is_on, mut flags) = (true, String::new());
        loop {
            match self.next().ok_or(Wrong::Expression)? {
                b'i' if is_on => flags = "i".to_owned(),
                b'i' => flags = "-i".to_owned(),
                b'n' | b'r' | b'U' => {}
                b'-' => is_on = false,
                b':' => {
                    self.open.push(self.out.len());
                    self.out.push_str(&format!("(?{flags}:"));
                    return Ok(());
                }
                b')' => {
                    if !flags.is_empty() {
                        self.out.push_str(&format!("(?{flags})"));
                    }
                    return Ok(());
                }
                _ => return Err(Wrong::Expression),
            }
        }
    }

    /// Repeats the item before the operator. The least repetition finds a match wherever the
    /// greatest repetition does.
    fn repeat(&mut self, operator: &str) -> Result<(), Wrong> {
        if self.before == PrecedingItem::Nothing {
            self.atom("(?:)");
        }
        if let PrecedingItem::Repeated(start) = self.before {
            self.out.insert_str(start, "(?:");
            self.out.push(')');
        }
        if let PrecedingItem::Atom(start) | PrecedingItem::Repeated(start) = self.before {
            self.out.push_str(operator);
            self.before = PrecedingItem::Repeated(start);
        }
        match self.rest.first() {
            _ if self.skip(b"?") => Ok(()),
            Some(b'*' | b'+') => Err(Wrong::Repetition),
            _ => Ok(()),
        }
    }

    fn number(&mut self) -> Option<u32> {
        let found = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (digits, rest) = self.rest.split_at(found);
        self.rest = rest;
        let fold =
            |n: u32, digit: &u8| n.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
        (found > 0).then(|| digits.iter().fold(0, fold))
    }

    fn braces(&mut self) -> Result<(), Wrong> {
        let least = self.number();
        let most = if self.skip(b",") {
            self.number()
        } else {
            Some(least.ok_or(if self.rest.is_empty() {
                Wrong::Brace
            } else {
                Wrong::Braces
            })?)
        };
        let least = least.unwrap_or(0);
        if most.is_some_and(|most| most < least) {
            return Err(Wrong::Braces);
        }
        if least.max(most.unwrap_or(0)) > REPEATED_MAX {
            return Err(Wrong::Repeated);
        }
        if self.rest.is_empty() {
            return Err(Wrong::Brace);
        }
        if !self.skip(b"}") {
            return Err(Wrong::Braces);
        }
        let most = most.map_or(String::new(), |most| most.to_string());
        self.repeat(&format!("{{{least},{most}}}"))
    }

    fn bracket(&mut self) -> Result<(), Wrong> {
        let negated = self.skip(b"^");
        let mut set = [false; 256];
        let mut is_first = true;
        loop {
            let byte = self.next().ok_or(Wrong::Bracket)?;
            if byte == b']' && !is_first {
                break;
            }
            is_first = false;
            if byte == b'[' && matches!(self.rest.first(), Some(b'.' | b'=')) {
                return Err(Wrong::Collating);
            }
            if byte == b'[' && self.skip(b":") {
                let end = memchr::memmem::find(self.rest, b":]").ok_or(Wrong::Class)?;
                let is_in = class(&self.rest[..end]).ok_or(Wrong::Class)?;
                (0..=255u8).for_each(|byte| set[usize::from(byte)] |= is_in(byte));
                self.rest = &self.rest[end + 2..];
                continue;
            }
            let mut last = byte;
            if let [b'-', end, ..] = self.rest
                && *end != b']'
            {
                last = *end;
                self.rest = &self.rest[2..];
                if last == b'[' && matches!(self.rest.first(), Some(b'.' | b'=')) {
                    return Err(Wrong::Collating);
                }
                if last < byte {
                    return Err(Wrong::Range);
                }
            }
            (byte..=last).for_each(|byte| set[usize::from(byte)] = true);
        }
        self.before = PrecedingItem::Atom(self.out.len());
        self.out.push_str(if negated { "[^" } else { "[" });
        for (byte, _) in (0..=255u8).zip(set).filter(|(_, is_in)| *is_in) {
            self.out.push_str(&format!("\\x{byte:02x}"));
        }
        self.out.push(']');
        Ok(())
    }
}

/// Appends a byte that stands for itself.
fn push_byte(out: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() {
        out.push(char::from(byte))
    } else {
        out.push_str(&format!("\\x{byte:02x}"))
    }
}

/// The bytes of a POSIX class, in the C locale.
fn class(name: &[u8]) -> Option<fn(u8) -> bool> {
    Some(match name {
        b"alnum" => |byte| byte.is_ascii_alphanumeric(),
        b"alpha" => |byte| byte.is_ascii_alphabetic(),
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => |byte| byte.is_ascii_control(),
        b"digit" => |byte| byte.is_ascii_digit(),
        b"graph" => |byte| byte.is_ascii_graphic(),
        b"lower" => |byte| byte.is_ascii_lowercase(),
        b"print" => |byte| byte == b' ' || byte.is_ascii_graphic(),
        b"punct" => |byte| byte.is_ascii_punctuation(),
        b"space" => russet_base::numbers::number::is_c_space,
        b"upper" => |byte| byte.is_ascii_uppercase(),
        b"xdigit" => |byte| byte.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn regex(expression: &str) -> Regex {
        let regex = Regex::new(expression.as_bytes(), false, 1);
        regex.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn fits(expression: &str, text: &str) -> bool {
        let mut never = Deadline::after(usize::MAX >> 8);
        let fits = regex(expression).fits(text.as_bytes(), &mut never);
        fits.expect("there is time")
    }

    /// In slices that are over as soon as they look at the clock, by the DFA and by sets of states;
    /// and how many slices that were.
    fn fits_in_slices(expression: &str, text: &[u8], states_max: usize) -> (bool, usize) {
        let program = regex(expression).program;
        let mut sliced = Automaton::new(&program, states_max).expect("it is small");
        let mut slices = 1;
        loop {
            match sliced.fits(text, &mut Deadline::after(0)) {
                Some(fits) => return (fits, slices),
                None => slices += 1,
            }
        }
    }

    /// Answers of Redis 8.10.
    #[test]
    fn expressions_match_as_with_tre() {
        for (expression, text, expected) in [
            ("a.c", "xabcx", true),
            ("^a.c$", "xabcx", false),
            ("a)", "a)", true),
            (r"[\.]", r"\", true),
            ("[]a]", "]", true),
            ("[^]a]", "]", false),
            ("[a-]", "-", true),
            ("[[:digit:]]{3}", "ab123", true),
            (r"\x41\x{42}", "AB", true),
            (r"\Qa.b\E", "a.b", true),
            (r"\Qa.b\E", "axb", false),
            ("(?i)abc", "ABC", true),
            ("a||b", "zzz", true),
            ("(ab|cd)+$", "xxabcd", true),
            ("*a", "a", true),
            ("(*a)", "xa", true),
            ("???", "x", true),
            ("a+?+", "b", false),
            ("a+{2}", "a", false),
            ("b^*", "abc", false),
        ] {
            assert_eq!(fits(expression, text), expected, "{expression} {text}");
        }
    }

    const GIVES_UP: usize = 0;

    proptest! {
        #[test]
        fn slices_find_what_a_match_in_one_piece_finds(
            expression in r"(\^|\\b|\\<)?(a|b|\.|\[ab\]|\(a\|bc?\)|\(a\|\)){1,4}([*?+]|\{1,9\})?(c|\\>|\\B|\$|b{3,70})?",
            text in "[abc ]{0,60}", times in 1..300usize,
        ) {
            let Ok(regex) = Regex::new(expression.as_bytes(), false, 1) else {
                return Ok(());
            };
            let text = text.repeat(times);
            let expected = regex.whole.is_match(text.as_bytes());
            for states_max in [GIVES_UP, STATES_MAX] {
                let (found, _) = fits_in_slices(&expression, text.as_bytes(), states_max);
                prop_assert_eq!(found, expected, "{} {}", expression, text);
            }
        }
    }

    /// Regression: some expressions took 5 s for a text of 100 KB, without a pause.
    #[test]
    fn a_long_text_is_matched_in_slices() {
        let expression = "((a|b)*a(a|b){120}){10}c";
        let mut rng = SmallRng::seed_from_u64(1);
        let mut text: Vec<u8> = (0..20_000).map(|_| rng.random_range(b'a'..=b'b')).collect();
        assert_eq!(fits_in_slices(expression, &text, GIVES_UP), (false, 1));
        text[100] = b'c';
        // So that the text fits with another `c` at the end.
        text[20_000 - 121] = b'a';
        for states_max in [GIVES_UP, STATES_MAX] {
            let (fits, slices) = fits_in_slices(expression, &text, states_max);
            assert!(!fits && slices > 100, "{slices}");
        }
        let fitting = [&text[..], b"c"].concat();
        assert!(fits_in_slices(expression, &fitting, STATES_MAX).0);
        // Simple expressions end within a few slices.
        let (fits, slices) = fits_in_slices("cc+$", &text, STATES_MAX);
        assert!(!fits && slices < 10, "{slices}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |expression: &str| {
            let error = Regex::new(expression.as_bytes(), false, 1).err();
            error.map(|error| error.to_string()).unwrap_or_default()
        };
        for (expression, expected) in [
            ("(a", "Missing ')'"),
            ("[a", "Missing ']'"),
            ("a\\", "Trailing backslash"),
            ("a**", "Invalid use of repetition operators"),
            ("a{2", "Missing '}'"),
            ("a{3,2}", "Invalid contents of {}"),
            ("a{x}", "Invalid contents of {}"),
            ("a{300}", "Maximum repetition in {} larger than 255"),
            ("[[:foo:]]", "Unknown character class name"),
            ("[z-a]", "Invalid character range"),
            ("[[.a.]]", "Unknown collating element"),
            (r"\1", "Invalid back reference"),
        ] {
            assert!(
                wrong(expression).ends_with(expected),
                "{expression}: {}",
                wrong(expression)
            );
        }
        for expression in [r"(a)\1", r"\0", r"a\0b"] {
            assert!(wrong(expression).contains("backreferences are not supported"));
        }
        let nested = "(((((a{255}){255}){255}){255}){255})";
        assert!(wrong(nested).ends_with("Out of memory"));
        let _ = wrong(&"(".repeat(2048));
    }

    #[test]
    fn many_expressions_share_their_memory() {
        let is_taken =
            |expression: &str, count| Regex::new(expression.as_bytes(), false, count).is_ok();
        let large = "(a{20}|b{20}){20}";
        assert!(is_taken(large, 1) && is_taken(large, 4));
        assert!(!is_taken(large, 250));
        assert!(is_taken("^user:[0-9]+:(name|mail)$", 250));
    }
}
