//! Findings that servers make themselves (CLUSTER EXPLAIN FINDINGS, SENTINEL EXPLAIN FINDINGS),
//! read and joined.
//!
//! Servers of a group find much the same: findings that differ only in a time become a single
//! finding, with the addresses of the servers that have it.
//!
//! Cost: O(findings of all servers).

use std::collections::HashMap;
use std::fmt::Display;

use super::group::facts::{values, word};
use super::report::list;
use russet_base::finding::{Finding, Weight};
use russet_resp::ReplyValue;

/// The findings of a reply; rows of another form are left out.
pub(super) fn findings(reply: &ReplyValue) -> Vec<Finding> {
    let finding = |row: &ReplyValue| {
        let [weight, code, text, remedy] = values(row) else {
            return None;
        };
        let mut finding = Finding::new(Weight::of_name(&word(weight))?, word(code), word(text));
        finding.remedy = Some(word(remedy)).filter(|remedy| !remedy.is_empty());
        Some(finding)
    };
    values(reply).iter().filter_map(finding).collect()
}

/// Joins the findings of servers, without findings that something is in order. `all`: how many
/// servers there are, and their noun.
pub(super) fn join<'f, A: Display>(
    found: impl IntoIterator<Item = (A, &'f Finding)>,
    (all, noun): (usize, &str),
) -> Vec<Finding> {
    let mut joined: Vec<(Finding, Vec<String>)> = Vec::new();
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    let found = found.into_iter();
    for (at, finding) in found.filter(|(_, its)| its.weight > Weight::Ok) {
        let key = (finding.code.to_string(), timeless(&finding.text));
        let place = *places.entry(key).or_insert(joined.len());
        if place == joined.len() {
            joined.push((finding.clone(), Vec::new()));
        }
        let (first, by) = &mut joined[place];
        first.weight = first.weight.max(finding.weight);
        by.push(at.to_string());
    }
    let with_places = |(mut finding, by): (Finding, Vec<String>)| {
        let who = match by.len() {
            n if n == all && n > 1 => format!("all {noun}"),
            _ => list(&by),
        };
        finding.text = format!("{who}: {}", finding.text);
        finding
    };
    joined.into_iter().map(with_places).collect()
}

/// The text without moments and lengths of time (`3.2 s`).
fn timeless(text: &str) -> String {
    let is_unit = |word: &str| {
        matches!(
            word.trim_end_matches([',', ';', ':', ')']),
            "ms" | "s" | "min" | "h" | "d"
        )
    };
    let mut words = text.split(' ').peekable();
    let mut out = String::new();
    while let Some(word) = words.next() {
        let number = word.trim_start_matches('(');
        let is_time = number.parse::<f64>().is_ok() && words.peek().is_some_and(|it| is_unit(it));
        let is_moment = number.ends_with('Z') && number.starts_with(|c: char| c.is_ascii_digit());
        if is_time {
            words.next();
        } else if !is_moment {
            out += word;
            out.push(' ');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_that_differ_in_times_alone_are_one() {
        let silent = |at: &str, age: &str| {
            let text = format!("no valid reply since {at} ({age}; 2000 is the limit)");
            Finding::warning("primary", text, "start it")
        };
        let (a, b) = (
            silent("2026-11-22T18:16:53.200Z", "3.0 s"),
            silent("2026-11-22T18:16:54.210Z", "2 d 5 h"),
        );
        let ok = Finding::ok("quorum", "OK");
        let found = [("a", &a), ("b", &b), ("b", &ok)];
        let joined = join(found, (2, "Sentinels"));
        let text = "all Sentinels: no valid reply since 2026-11-22T18:16:53.200Z (3.0 s; 2000 is the limit)";
        assert_eq!(joined.len(), 1);
        assert_eq!(joined[0].text, text);
        let joined = join(found, (3, "Sentinels"));
        assert!(joined[0].text.starts_with("a, b: no valid"));
    }
}
