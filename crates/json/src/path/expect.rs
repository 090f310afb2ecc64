//! The words for a text that is no path: where Redis gave up, and what it expected there.
//!
//!     Error occurred on position 4, "$.a[ ---->>>> 01]", expected one of the following: ['s...
//!
//! Clients see the names of the rules of Redis's grammar, so this file recognises that grammar, as
//! of 7.4, once more, the way Redis's parser library does: in the order of the rules. It keeps the
//! rules that failed at the position furthest right:
//!   1. If a rule fails at the position where it began, the message names this rule in place of the
//!      rules that failed within it at that position; but if only one of these failed, the message
//!      names that inner rule.
//!   2. Rules within an atomic rule do not count.
//!
//! The additions of 8.10 are not in that grammar; if they are malformed, the error is the position
//! and `parsing error`. Cost: this code runs only for failures; [`TRIES_MAX`] bounds the
//! backtracking.

/// Rules tried before the search for better words ends.
const TRIES_MAX: u32 = 20_000;
/// Rules within rules, for the stack's sake.
const NESTED_MAX: u32 = 400;

/// The whole text of the error. `furthest` is where this crate's own parser failed.
pub(super) fn explain(text: &str, furthest: usize) -> Box<str> {
    let mut recogniser = Recogniser::new(text);
    let accepted = recogniser.path();
    let known = !accepted && !recogniser.exhausted() && !recogniser.failed.is_empty();
    let at = if known { recogniser.furthest } else { furthest };
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let place = if after.is_empty() {
        format!("{before} <<<<----")
    } else {
        format!("{before} ---->>>> {after}")
    };
    let expected = if known {
        recogniser.expected()
    } else {
        String::new()
    };
    let message = if expected.is_empty() {
        "parsing error".to_owned()
    } else {
        format!("expected one of the following: {expected}")
    };
    format!("Error occurred on position {at}, \"{place}\", {message}.").into()
}

/// The rules that errors name, in the order in which they name them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Rule {
    End,
    Literal,
    StringValue,
    StringValueEscape1,
    StringValueEscape2,
    StringList,
    PosNumber,
    Number,
    Decimal,
    NumbersList,
    NumbersRange,
    RightRange,
    AllRange,
    LeftRange,
    FullRange,
    FromCurrent,
    FromRoot,
    Ge,
    Gt,
    Le,
    Lt,
    Eq,
    Ne,
    Re,
    True,
    False,
    Null,
    SingleFilter,
    And,
    Or,
    Filter,
    All,
    FullScan,
    Root,
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Rule::End => "EOI",
            Rule::Literal => "<string>",
            Rule::StringValue => "string_value",
            Rule::StringValueEscape1 => "string_value_escape_1",
            Rule::StringValueEscape2 => "string_value_escape_2",
            Rule::StringList => "'<string>[,<string>,...]'",
            Rule::PosNumber => "pos_number",
            Rule::Number => "'<number>'",
            Rule::Decimal => "decimal",
            Rule::NumbersList => "'<number>[,<number>,...]'",
            Rule::NumbersRange => "['start:end:steps']",
            Rule::RightRange => "right_range",
            Rule::AllRange => "all_range",
            Rule::LeftRange => "left_range",
            Rule::FullRange => "full_range",
            Rule::FromCurrent => "from_current",
            Rule::FromRoot => "from_root",
            Rule::Ge => "ge",
            Rule::Gt => "gt",
            Rule::Le => "le",
            Rule::Lt => "lt",
            Rule::Eq => "eq",
            Rule::Ne => "ne",
            Rule::Re => "re",
            Rule::True => "boolean_true",
            Rule::False => "boolean_false",
            Rule::Null => "null",
            Rule::SingleFilter => "single_filter",
            Rule::And => "and",
            Rule::Or => "or",
            Rule::Filter => "'[?(filter_expression)]'",
            Rule::All => "'*'",
            Rule::FullScan => "'..'",
            Rule::Root => "root",
        }
    }
}

/// Comparisons in the order of their rules.
const COMPARISONS: [(Rule, &str); 7] = [
    (Rule::Ge, ">="),
    (Rule::Gt, ">"),
    (Rule::Le, "<="),
    (Rule::Lt, "<"),
    (Rule::Eq, "=="),
    (Rule::Ne, "!="),
    (Rule::Re, "=~"),
];

struct Recogniser<'t> {
    text: &'t [u8],
    at: usize,
    furthest: usize,
    failed: Vec<Rule>,
    tries: u32,
    nested: u32,
}

/// Every function below either consumes the rule in its name, or returns false; after false the
/// position may be anywhere, and `attempt` takes it back.
impl<'t> Recogniser<'t> {
    fn new(text: &'t str) -> Self {
        let failed = Vec::new();
        Recogniser {
            text: text.as_bytes(),
            at: 0,
            furthest: 0,
            failed,
            tries: 0,
            nested: 0,
        }
    }

    fn exhausted(&self) -> bool {
        self.tries >= TRIES_MAX
    }

    fn expected(&mut self) -> String {
        self.failed.sort_unstable();
        self.failed.dedup();
        let names: Vec<_> = self.failed.iter().map(|rule| rule.name()).collect();
        names.join(", ")
    }

    fn path(&mut self) -> bool {
        self.byte(b'$')
            && self.after_blanks(|p| p.optional(Self::root))
            && self.after_blanks(|p| p.rule(Rule::End, |p| p.at == p.text.len()))
    }

    fn root(&mut self) -> bool {
        self.rule(Rule::Root, |p| {
            (p.attempt(Self::element) || p.attempt(Self::first_element))
                && p.repeat_after_blanks(Self::element)
        })
    }

    fn first_element(&mut self) -> bool {
        self.attempt(Self::literal) || self.attempt(Self::all)
    }

    fn element(&mut self) -> bool {
        self.attempt(|p| p.byte(b'.') && p.after_blanks(Self::literal))
            || self.attempt(|p| {
                p.rule(Rule::FullScan, |p| p.byte(b'.') && p.byte(b'.'))
                    && p.after_blanks(|p| {
                        p.attempt(Self::literal)
                            || p.attempt(Self::all)
                            || p.attempt(Self::in_brackets)
                    })
            })
            || self.attempt(|p| p.byte(b'.') && p.after_blanks(Self::all))
            || self.attempt(|p| p.optional(|p| p.byte(b'.')) && p.after_blanks(Self::in_brackets))
    }

    fn in_brackets(&mut self) -> bool {
        self.byte(b'[')
            && self.after_blanks(|p| {
                p.attempt(Self::range)
                    || p.attempt(|p| p.rule(Rule::NumbersList, |p| p.list(Self::number)))
                    || p.attempt(|p| p.rule(Rule::StringList, |p| p.list(Self::string)))
                    || p.attempt(Self::all)
                    || p.attempt(|p| p.byte(b'?') && p.after_blanks(Self::filter))
            })
            && self.after_blanks(|p| p.byte(b']'))
    }

    fn all(&mut self) -> bool {
        self.rule(Rule::All, |p| p.byte(b'*'))
    }

    fn literal(&mut self) -> bool {
        self.rule(Rule::Literal, |p| {
            p.bytes(|byte| byte.is_ascii_alphanumeric() || b"-_`~+#%$^/:".contains(&byte))
        })
    }

    fn string(&mut self) -> bool {
        self.attempt(|p| p.quoted(b'\'', Rule::StringValue, b"\"\\'", b""))
            || self.attempt(|p| p.quoted(b'"', Rule::StringValue, b"\"\\'", b""))
            || self.attempt(|p| p.quoted(b'"', Rule::StringValueEscape1, b"\"\\", b"\"\\"))
            || self.attempt(|p| p.quoted(b'\'', Rule::StringValueEscape2, b"'\\", b"'\\"))
    }

    /// A string whose content has no byte of `without`, but a backslash before any of `escaped`.
    fn quoted(&mut self, quote: u8, rule: Rule, without: &[u8], escaped: &[u8]) -> bool {
        self.byte(quote)
            && self.after_blanks(|p| {
                p.rule(rule, |p| {
                    loop {
                        match p.text[p.at..] {
                            [b'\\', next, ..] if escaped.contains(&next) => p.at += 2,
                            [byte, ..] if !without.contains(&byte) => p.at += 1,
                            _ => return true,
                        }
                    }
                })
            })
            && self.after_blanks(|p| p.byte(quote))
    }

    fn number(&mut self) -> bool {
        self.rule(Rule::Number, Self::integer)
    }

    fn integer(&mut self) -> bool {
        self.optional(|p| p.byte(b'-')) && (self.byte(b'0') || self.bytes(|b| b.is_ascii_digit()))
    }

    fn range(&mut self) -> bool {
        let colon = |p: &mut Self| p.after_blanks(|p| p.byte(b':'));
        let number = |p: &mut Self| p.after_blanks(Self::number);
        let step = |p: &mut Self| {
            p.optional(|p| {
                p.after_blanks(|p| p.byte(b':')) && p.optional(|p| p.after_blanks(Self::positive))
            })
        };
        self.rule(Rule::NumbersRange, |p| {
            p.attempt(|p| {
                p.rule(Rule::FullRange, |p| {
                    p.number() && colon(p) && number(p) && step(p)
                })
            }) || p.attempt(|p| p.rule(Rule::RightRange, |p| p.byte(b':') && number(p) && step(p)))
                || p.attempt(|p| p.rule(Rule::AllRange, |p| p.byte(b':') && step(p)))
                || p.attempt(|p| p.rule(Rule::LeftRange, |p| p.number() && colon(p) && step(p)))
        })
    }

    fn positive(&mut self) -> bool {
        self.rule(Rule::PosNumber, |p| {
            matches!(p.peek(), Some(b'1'..=b'9')) && p.bytes(|byte| byte.is_ascii_digit())
        })
    }

    fn filter(&mut self) -> bool {
        self.rule(Rule::Filter, |p| {
            p.attempt(Self::inner_filter)
                && p.repeat_after_blanks(|p| {
                    (p.attempt(|p| p.rule(Rule::And, |p| p.byte(b'&') && p.byte(b'&')))
                        || p.attempt(|p| p.rule(Rule::Or, |p| p.byte(b'|') && p.byte(b'|'))))
                        && p.after_blanks(Self::inner_filter)
                })
        })
    }

    fn inner_filter(&mut self) -> bool {
        self.attempt(Self::single_filter)
            || self.attempt(|p| {
                p.byte(b'(') && p.after_blanks(Self::filter) && p.after_blanks(|p| p.byte(b')'))
            })
    }

    fn single_filter(&mut self) -> bool {
        self.rule(Rule::SingleFilter, |p| {
            p.term()
                && p.optional(|p| p.after_blanks(Self::comparison) && p.after_blanks(Self::term))
        })
    }

    fn comparison(&mut self) -> bool {
        COMPARISONS
            .iter()
            .any(|(rule, sign)| self.word(*rule, sign))
    }

    fn term(&mut self) -> bool {
        let from = |p: &mut Self, rule, byte| {
            p.attempt(|p| {
                p.rule(rule, |p| {
                    p.byte(byte) && p.optional(|p| p.after_blanks(Self::root))
                })
            })
        };
        self.attempt(|p| p.rule(Rule::Decimal, Self::decimal))
            || self.attempt(Self::string)
            || from(self, Rule::FromCurrent, b'@')
            || from(self, Rule::FromRoot, b'$')
            || self.word(Rule::True, "true")
            || self.word(Rule::False, "false")
            || self.word(Rule::Null, "null")
    }

    fn decimal(&mut self) -> bool {
        self.integer() && self.optional(|p| p.byte(b'.') && p.bytes(|byte| byte.is_ascii_digit()))
    }

    fn word(&mut self, rule: Rule, word: &str) -> bool {
        self.attempt(|p| {
            p.rule(rule, |p| {
                let found = p.text[p.at..].starts_with(word.as_bytes());
                p.at += if found { word.len() } else { 0 };
                found
            })
        })
    }

    fn list(&mut self, item: fn(&mut Self) -> bool) -> bool {
        item(self) && self.repeat_after_blanks(|p| p.byte(b',') && p.after_blanks(item))
    }

    // The parts that every rule is made of.

    /// Runs a rule, and keeps the rule among the failed rules if it fails furthest right.
    fn rule(&mut self, rule: Rule, body: impl FnOnce(&mut Self) -> bool) -> bool {
        self.tries += 1;
        if self.exhausted() || self.nested == NESTED_MAX {
            self.tries = TRIES_MAX;
            return false;
        }
        let start = self.at;
        let failed_here = |p: &Self| {
            if p.furthest == start {
                p.failed.len()
            } else {
                0
            }
        };
        let before = failed_here(self);
        self.nested += 1;
        let found = body(self);
        self.nested -= 1;
        if found || failed_here(self) == before + 1 {
            return found;
        }
        if start > self.furthest {
            self.failed.clear();
            self.furthest = start;
        }
        if start == self.furthest {
            self.failed.truncate(before);
            self.failed.push(rule);
        }
        false
    }

    fn attempt(&mut self, body: impl FnOnce(&mut Self) -> bool) -> bool {
        let start = self.at;
        let found = body(self);
        if !found {
            self.at = start;
        }
        found
    }

    fn optional(&mut self, body: impl FnOnce(&mut Self) -> bool) -> bool {
        self.attempt(body);
        true
    }

    fn repeat_after_blanks(&mut self, mut body: impl FnMut(&mut Self) -> bool) -> bool {
        while self.attempt(|p| p.after_blanks(&mut body)) {}
        true
    }

    fn after_blanks(&mut self, body: impl FnOnce(&mut Self) -> bool) -> bool {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
        body(self)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn byte(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// A byte or more of a kind.
    fn bytes(&mut self, kind: impl Fn(u8) -> bool) -> bool {
        let len = self.text[self.at..]
            .iter()
            .take_while(|byte| kind(**byte))
            .count();
        self.at += len;
        len > 0
    }
}
