//! Differences between two servers.

use std::collections::BTreeSet;

use crate::{accepted, play::Observation, scenario::Scenario, support::resp::printable};

/// The first difference between two servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The last step of both before the difference appeared; `None` if the final contents differ.
    pub step: Option<usize>,
    pub what: DifferenceKind,
    pub expected: String,
    pub got: String,
}

/// The kind of difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The bytes that a connection received.
    Received(usize),
    /// Whether the server has closed the connection.
    Closed(usize),
    /// A figure, by its name.
    Figure(String),
    /// The server does not answer any more.
    End,
    /// The keys at the end.
    Keys,
}

impl Difference {
    /// The same text for differences with probably the same cause.
    pub fn signature(&self, scenario: &Scenario) -> String {
        let command = self
            .step
            .and_then(|step| scenario.steps.get(step))
            .map(|step| {
                step.words()
                    .iter()
                    .take(2)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .unwrap_or_default();
        let what = match &self.what {
            DifferenceKind::Received(_) => "received".to_string(),
            DifferenceKind::Closed(_) => "closed".to_string(),
            DifferenceKind::Figure(name) => name
                .trim_start_matches("client ")
                .trim_start_matches(char::is_numeric)
                .to_string(),
            DifferenceKind::End => "end".to_string(),
            DifferenceKind::Keys => "keys".to_string(),
        };
        match self.what {
            DifferenceKind::Figure(_) => what,
            _ => format!("{what} after {command}"),
        }
    }
}

/// The result of comparing two plays of a scenario.
#[derive(Debug)]
pub enum Verdict {
    /// No differences, except known ones in figures.
    Same,
    /// A known difference that makes the rest incomparable.
    Known,
    Differs(Difference),
}

/// Compares two plays up to the first unknown difference; adds the known differences before it to
/// `met`.
pub fn verdict(
    scenario: &Scenario,
    expected: &[Observation],
    got: &[Observation],
    met: &mut BTreeSet<&'static str>,
) -> Verdict {
    for (expected, got) in expected.iter().zip(got) {
        for found in differences(expected, got) {
            let Some(reason) = accepted::reason(scenario, &found) else {
                return Verdict::Differs(found);
            };
            met.insert(reason);
            if !matches!(found.what, DifferenceKind::Figure(_)) {
                return Verdict::Known;
            }
        }
    }
    if expected.len() == got.len() {
        return Verdict::Same;
    }
    let last = expected.iter().zip(got).next_back();
    Verdict::Differs(Difference {
        step: Some(last.map_or(0, |(seen, _)| seen.step + 1)),
        what: DifferenceKind::End,
        expected: format!("{} steps", expected.len()),
        got: format!("{} steps", got.len()),
    })
}

fn differences(expected: &Observation, got: &Observation) -> Vec<Difference> {
    let (mut all, step) = (Vec::new(), expected.step);
    let mut differ = |what, expected: String, got: String| {
        if expected != got {
            all.push(Difference {
                step: Some(step),
                what,
                expected,
                got,
            });
        }
    };
    for client in 0..expected.received.len() {
        differ(
            DifferenceKind::Received(client),
            printable(&without_version(&expected.received[client])),
            printable(&without_version(&got.received[client])),
        );
        differ(
            DifferenceKind::Closed(client),
            expected.closed[client].to_string(),
            got.closed[client].to_string(),
        );
    }
    let names: BTreeSet<&String> = expected.figures.keys().chain(got.figures.keys()).collect();
    for name in names {
        let value = |seen: &Observation| seen.figures.get(name).cloned().unwrap_or_default();
        differ(
            DifferenceKind::Figure(name.clone()),
            value(expected),
            value(got),
        );
    }
    all
}

/// The received bytes without the part of HELLO that depends on the server: version, connection id,
/// modules. The bytes before and after that part stay.
fn without_version(bytes: &[u8]) -> Vec<u8> {
    const BEGIN: &[u8] = b"$6\r\nserver\r\n";
    const MODULES: &[u8] = b"$7\r\nmodules\r\n";
    // The list of modules is empty, or each of them ends with an empty list of arguments.
    const END: &[u8] = b"*0\r\n";
    let found = |from: usize, what: &[u8]| {
        memchr::memmem::find(&bytes[from..], what).map(|at| from + at + what.len())
    };
    let Some(begin) = found(0, BEGIN) else {
        return bytes.to_vec();
    };
    let Some(list) = found(begin, MODULES) else {
        return bytes.to_vec();
    };
    let count = bytes[list..]
        .iter()
        .skip(1)
        .map_while(|digit| (*digit as char).to_digit(10));
    let count = count.fold(0, |count, digit| count * 10 + digit).max(1);
    let Some(end) = (0..count).try_fold(list, |from, _| found(from, END)) else {
        return bytes.to_vec();
    };
    let mut kept = bytes[..begin].to_vec();
    kept.extend(without_version(&bytes[end..]));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_server_fields_of_hello_are_left_out() {
        let hello = |version: &str, modules: &str| {
            format!(
                "+OK\r\n*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n{version}$7\r\nmodules\r\n{modules}:5\r\n"
            )
        };
        let one = hello("$5\r\n8.0.2\r\n", "*0\r\n");
        let other = hello("$5\r\n8.0.0\r\n", "*1\r\n*2\r\n$4\r\nargs\r\n*0\r\n");
        let left = b"+OK\r\n*4\r\n$6\r\nserver\r\n:5\r\n";
        assert_eq!(without_version(one.as_bytes()), left);
        assert_eq!(without_version(other.as_bytes()), left);
        let module = "*2\r\n$4\r\nargs\r\n*0\r\n";
        let two = hello("$5\r\n8.0.0\r\n", &format!("*2\r\n{module}{module}"));
        assert_eq!(without_version(two.as_bytes()), left);
        assert_eq!(without_version(b"+OK\r\n"), b"+OK\r\n");
    }
}
