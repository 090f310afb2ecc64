//! Budgets: limits of the use of all of a user's connections together, and the treatment of
//! commands beyond them. russet's own rules.
//!
//!     rate=N            commands a second
//!     bytes=IN|OUT      bytes a second received and sent; `bytes=0`: both without limit
//!     clients=N         connections at a time
//!     reply=BYTES       of a reply
//!     work=N            elements that a command touches
//!     over=delay|error  a user over `rate` or `bytes` is read later, or refused
//!     resetbudgets      none of these
//!
//! A figure of 0 takes its budget away. Byte counts have the units of directives (`10mb`). How
//! budgets are kept while commands run: `server::parts::users::budgets`.

use super::rule::RuleError;
use russet_base::numbers::number::parse_i64;
use russet_config::{memory_text, parse_memory};

/// The greatest figure: figures a thousand times as large, over minutes, must fit 63 bits.
const FIGURE_MAX: u64 = 1 << 40;

/// The treatment of a user over its rate or bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverBudget {
    /// The connections are read later.
    #[default]
    Delay,
    /// The server refuses them.
    Error,
}

/// A user's budgets. A figure of 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    /// Commands a second.
    pub rate: u64,
    /// Bytes a second, received and sent.
    pub bytes_in: u64,
    /// Bytes a second that are sent.
    pub bytes_out: u64,
    /// Connections at a time.
    pub clients: u64,
    /// Bytes of a reply.
    pub reply: u64,
    /// Elements that a command touches.
    pub work: u64,
    /// The treatment of a user that is over `rate`, `bytes_in` or `bytes_out`.
    pub over: OverBudget,
}

impl Budgets {
    /// Whether anything is limited.
    pub fn any(&self) -> bool {
        *self
            != Budgets {
                over: self.over,
                ..Budgets::default()
            }
    }

    /// Applies a rule; `None`: it is not about budgets.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Option<Result<(), RuleError>> {
        if rule.eq_ignore_ascii_case(b"resetbudgets") {
            *self = Budgets::default();
            return Some(Ok(()));
        }
        let at = rule.iter().position(|&b| b == b'=')?;
        let (name, value) = (rule[..at].to_ascii_lowercase(), &rule[at + 1..]);
        let applied = match &name[..] {
            b"rate" => count(value).map(|n| self.rate = n),
            b"clients" => count(value).map(|n| self.clients = n),
            b"work" => count(value).map(|n| self.work = n),
            b"reply" => size(value).map(|n| self.reply = n),
            b"bytes" => both(value).map(|(i, o)| (self.bytes_in, self.bytes_out) = (i, o)),
            b"over" => over(value).map(|over| self.over = over),
            _ => return None,
        };
        Some(applied.ok_or(RuleError::Budget))
    }

    /// The rules that make these budgets.
    pub fn rules(&self) -> Vec<String> {
        let mut rules = Vec::new();
        let mut add = |name: &str, figure: u64, text: String| {
            if figure > 0 {
                rules.push(format!("{name}={text}"));
            }
        };
        let (received, sent) = (self.bytes_in, self.bytes_out);
        let bytes = format!("{}|{}", memory_text(received), memory_text(sent));
        add("rate", self.rate, self.rate.to_string());
        add("bytes", received | sent, bytes);
        add("clients", self.clients, self.clients.to_string());
        add("reply", self.reply, memory_text(self.reply));
        add("work", self.work, self.work.to_string());
        if self.over == OverBudget::Error {
            rules.push("over=error".to_owned());
        }
        rules
    }
}

fn count(text: &[u8]) -> Option<u64> {
    let figure = u64::try_from(parse_i64(text)?).ok()?;
    (figure <= FIGURE_MAX).then_some(figure)
}

/// A byte count in the units of directives.
fn size(text: &[u8]) -> Option<u64> {
    let is_figure = text.first().is_some_and(u8::is_ascii_digit);
    let figure = parse_memory(text).filter(|_| is_figure)?;
    (figure <= FIGURE_MAX).then_some(figure)
}

fn both(text: &[u8]) -> Option<(u64, u64)> {
    if text == b"0" {
        return Some((0, 0));
    }
    let at = text.iter().position(|&b| b == b'|')?;
    Some((size(&text[..at])?, size(&text[at + 1..])?))
}

fn over(text: &[u8]) -> Option<OverBudget> {
    match &text.to_ascii_lowercase()[..] {
        b"delay" => Some(OverBudget::Delay),
        b"error" => Some(OverBudget::Error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets(rules: &str) -> Budgets {
        let mut budgets = Budgets::default();
        for rule in rules.split(' ') {
            let applied = budgets.apply(rule.as_bytes());
            assert_eq!(applied, Some(Ok(())), "{rule}");
        }
        budgets
    }

    #[test]
    fn rules_are_listed_in_one_order_and_make_the_same_again() {
        for (rules, reported) in [
            (
                "OVER=error work=5 reply=2048 clients=3 bytes=1k|1MB Rate=7",
                "rate=7 bytes=1000|1mb clients=3 reply=2kb work=5 over=error",
            ),
            ("bytes=0|5", "bytes=0|5"),
            ("bytes=5|0 over=error over=delay", "bytes=5|0"),
            ("rate=1 rate=0", ""),
            ("bytes=1|1 bytes=0", ""),
            ("rate=1 bytes=1|2 over=error resetbudgets", ""),
        ] {
            let made = budgets(rules);
            assert_eq!(made.rules().join(" "), reported, "{rules}");
            assert_eq!(made.any(), !reported.is_empty());
            if !reported.is_empty() {
                assert_eq!(budgets(reported), made);
            }
        }
        assert!(!budgets("over=error").any());
    }

    #[test]
    fn figures_that_mean_nothing_are_refused() {
        for rule in [
            "rate=",
            "rate=-1",
            "rate=x",
            "rate=1.5",
            "rate=1k",
            "rate=99999999999999",
            "bytes=",
            "bytes=1",
            "bytes=|",
            "bytes=1|",
            "bytes=|1",
            "bytes=1|2|3",
            "bytes=-1|1",
            "clients=-1",
            "reply=",
            "reply=-5",
            "reply=mb",
            "reply=2000gb",
            "work=1e3",
            "over=",
            "over=never",
        ] {
            let mut budgets = Budgets::default();
            let applied = budgets.apply(rule.as_bytes());
            assert_eq!(applied, Some(Err(RuleError::Budget)), "{rule}");
            assert_eq!(budgets, Budgets::default());
        }
        for rule in ["db=1", "rates=1", "resetbudget", "", "="] {
            assert_eq!(Budgets::default().apply(rule.as_bytes()), None, "{rule}");
        }
    }
}
