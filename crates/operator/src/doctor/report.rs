//! A report: findings as lines, the gravest first, then the number of problems, and the exit
//! status.

use std::collections::BTreeMap;
use std::fmt::Display;

use russet_base::finding::{Finding, Weight};

/// Findings of a list that are printed.
const FINDINGS_MAX: usize = 200;

/// Names in a list before "and n more".
const LIST_MAX: usize = 8;

/// A report that is being written.
#[derive(Default)]
pub(super) struct Report {
    pub(super) text: String,
    problems: usize,
    fatal: usize,
}

impl Report {
    pub(super) fn headed(text: String) -> Report {
        Report {
            text,
            ..Report::default()
        }
    }

    pub(super) fn add(&mut self, mut found: Vec<Finding>) {
        found.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
        self.problems += found.iter().filter(|its| its.is_fault()).count();
        let fatal = found.iter().filter(|its| its.weight == Weight::Critical);
        self.fatal += fatal.count();
        let shown = found.iter().take(FINDINGS_MAX);
        self.text.extend(shown.map(ToString::to_string));
        if found.len() > FINDINGS_MAX {
            self.text += &format!("and {} more\n", found.len() - FINDINGS_MAX);
        }
    }

    /// The text, and the exit status: 1 if there is a problem. `fatal`: what critical findings
    /// cost; empty: the report does not say.
    pub(super) fn end(self, fatal: &str) -> (String, i32) {
        let mut text = self.text;
        text += &match self.problems {
            0 => "no problems found\n".to_owned(),
            1 => "1 problem found\n".to_owned(),
            n => format!("{n} problems found\n"),
        };
        if self.fatal > 0 && !fatal.is_empty() {
            text += &format!("FAIL: {} of them {fatal}\n", self.fatal);
        }
        (text, i32::from(self.problems > 0))
    }
}

/// Bytes in human-readable form.
pub(super) fn human(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut amount, mut unit) = (bytes as f64, 0);
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        (amount, unit) = (amount / 1024.0, unit + 1);
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{amount:.1} {}", UNITS[unit]),
    }
}

/// `a, b, c and 4 more`.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let shown = all[..all.len().min(LIST_MAX)].join(", ");
    match all.len().saturating_sub(LIST_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The items of each value: `3000 at a, b; 5000 at c`. Empty if all have the same.
pub(super) fn differences<T: Display>(items: impl IntoIterator<Item = (T, String)>) -> String {
    let mut by_value: BTreeMap<String, Vec<T>> = BTreeMap::new();
    for (item, value) in items {
        by_value.entry(value).or_default().push(item);
    }
    if by_value.len() < 2 {
        return String::new();
    }
    let of = |(value, items): (String, Vec<T>)| format!("{value} at {}", list(items));
    let parts: Vec<String> = by_value.into_iter().map(of).collect();
    parts.join("; ")
}
