//! The sentence after a refused line: the mistake that it looks like, and the form that is meant.
//!
//! A hint is a guess from the line's words and the reason, and never shows a value that may be a
//! password.

use super::super::directive::{Directive, Flags};
use super::super::table::{DIRECTIVES, find};
use super::line::Origin;
use super::nearest::nearest;
use super::{BAD_DIRECTIVE, COMMAND_LINE};

/// The mark that some editors put before the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// About a path that begins with `~`.
pub(super) const HOME: &str = "'~' is the home folder for a shell only: write the whole path";

/// The form that was probably meant.
pub(super) fn hint(origin: &Origin, reason: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&origin.text);
    let is_option = origin.source == COMMAND_LINE;
    // Words of options stand in quotes.
    let quotes: &[char] = if is_option { &['"'] } else { &[] };
    let mut words = text
        .split_whitespace()
        .map(|word| word.trim_matches(quotes));
    let first = words.next()?;
    let rest: Vec<&str> = words.collect();
    if first.starts_with(BYTE_ORDER_MARK) {
        return Some("the file begins with a byte order mark: save it without".to_owned());
    }
    let name = first.trim_matches(['"', '\'']);
    if is_option && name.starts_with('-') {
        let long = match name {
            "-p" => "; the port is --port",
            "-h" => "; the addresses are --bind",
            "-a" => "; the password is --requirepass",
            _ => "",
        };
        return Some(format!("options begin with two dashes{long}"));
    }
    let Some(directive) = find(first.as_bytes()) else {
        return match first.to_ascii_lowercase().as_str() {
            "user" | "role" => password_rule(&rest),
            _ if reason == BAD_DIRECTIVE => {
                let known = DIRECTIVES.iter().map(|directive| directive.name);
                Some(format!("did you mean '{}'?", nearest(first, known)?))
            }
            _ => None,
        };
    };
    value_hint(directive, &rest, reason)
}

fn value_hint(directive: &Directive, values: &[&str], reason: &str) -> Option<String> {
    if values.iter().any(|value| value.starts_with('#')) {
        return Some("put a comment on a line of its own".to_owned());
    }
    if directive.flags.contains(Flags::SENSITIVE) {
        return (values.len() > 1).then(|| "put a password with blanks in quotes".to_owned());
    }
    if let [number, unit] = values
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && is_unit(unit)
    {
        return Some(format!("write a size as one word: {number}{unit}"));
    }
    if values
        .iter()
        .any(|value| *value == "~" || value.starts_with("~/"))
    {
        return Some(HOME.to_owned());
    }
    if let [share] = values
        && directive.name == "maxmemory"
        && share.ends_with('%')
    {
        return Some(
            "a share of the machine's or container's memory is 'maxmemory auto'".to_owned(),
        );
    }
    if let [size] = values
        && reason.contains("memory")
    {
        let lower = size.to_ascii_lowercase();
        let number = lower.trim_end_matches(|c: char| !c.is_ascii_digit());
        return match &lower[number.len()..] {
            "ki" | "kib" => Some(format!("a size in units of 1024 is {number}kb")),
            "mi" | "mib" => Some(format!("a size in units of 1024 is {number}mb")),
            "gi" | "gib" => Some(format!("a size in units of 1024 is {number}gb")),
            _ => Some("a size is a number of bytes, or has kb, mb or gb after it".to_owned()),
        };
    }
    let (_, choices) = reason.split_once("one of the following: ")?;
    let [value] = values else { return None };
    let choices: Vec<&str> = choices.split(", ").collect();
    let has_part = |choice: &&&str| choice.split('-').any(|part| part == *value);
    let mut meant: Vec<&str> = choices.iter().filter(has_part).copied().collect();
    if meant.is_empty() {
        meant.push(nearest(value, choices.iter().copied())?);
    }
    Some(format!("did you mean '{}'?", meant.join("' or '")))
}

fn is_unit(word: &str) -> bool {
    ["b", "k", "kb", "m", "mb", "g", "gb"].contains(&word.to_ascii_lowercase().as_str())
}

/// A user's rules with a bare word, which most likely is a password.
fn password_rule(values: &[&str]) -> Option<String> {
    const WORDS: &[&str] = &[
        "on",
        "off",
        "nopass",
        "resetpass",
        "reset",
        "allkeys",
        "resetkeys",
        "allcommands",
        "nocommands",
        "allchannels",
        "resetchannels",
        "clearselectors",
        "resetbudgets",
        "sanitize-payload",
        "skip-sanitize-payload",
    ];
    let is_bare = |word: &&&str| {
        !WORDS.contains(&word.to_ascii_lowercase().as_str())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    values.iter().skip(1).find(is_bare)?;
    Some("a password is a rule that begins with '>': user NAME on >PASSWORD".to_owned())
}

/// Whether a line may hold a password, so that only its first words are shown.
pub(super) fn is_secret(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default().to_ascii_lowercase();
    match first.as_str() {
        "user" | "role" => words.count() > 1,
        "sentinel" => words
            .next()
            .is_some_and(|word| word.to_ascii_lowercase().ends_with("-pass")),
        // The line of a mistyped name has the password all the same.
        name => match find(name.as_bytes()) {
            Some(directive) => directive.flags.contains(Flags::SENSITIVE),
            None => {
                let secret = DIRECTIVES
                    .iter()
                    .filter(|d| d.flags.contains(Flags::SENSITIVE));
                nearest(name, secret.map(|d| d.name)).is_some()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, source: &str, reason: &str) -> String {
        let origin = Origin {
            source: source.to_owned(),
            line: 1,
            joined_line: 1,
            text: line.as_bytes().to_vec(),
        };
        hint(&origin, reason).unwrap_or_default()
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        let memory = "argument must be a memory value";
        let count = "wrong number of arguments";
        let policies =
            "argument(s) must be one of the following: volatile-lru, allkeys-lru, noeviction";
        for (line, reason, wanted) in [
            ("port 6380 # x", count, "put a comment on a line of its own"),
            ("maxmemory 1 gb", count, "write a size as one word: 1gb"),
            ("maxmemory 1Gi", memory, "a size in units of 1024 is 1gb"),
            (
                "maxmemory lots",
                memory,
                "a size is a number of bytes, or has kb, mb or gb after it",
            ),
            (
                "maxmemory-policy lru",
                policies,
                "did you mean 'volatile-lru' or 'allkeys-lru'?",
            ),
            (
                "maxmemory-policy noevicton",
                policies,
                "did you mean 'noeviction'?",
            ),
            (
                "requirepass a b",
                count,
                "put a password with blanks in quotes",
            ),
            (
                "user alice on secret",
                "Error in user declaration",
                "a password is a rule that begins with '>': user NAME on >PASSWORD",
            ),
            (
                "\u{feff}port 1",
                BAD_DIRECTIVE,
                "the file begins with a byte order mark: save it without",
            ),
            (
                "maxmemory 80%",
                memory,
                "a share of the machine's or container's memory is 'maxmemory auto'",
            ),
            (
                "dir ~/data",
                "No such file or directory",
                "'~' is the home folder for a shell only: write the whole path",
            ),
            ("maxmemroy 1", BAD_DIRECTIVE, "did you mean 'maxmemory'?"),
        ] {
            assert_eq!(of(line, "/x.conf", reason), wanted, "{line}");
        }
        let said = of("\"-p\" \"7000\"", COMMAND_LINE, BAD_DIRECTIVE);
        assert_eq!(said, "options begin with two dashes; the port is --port");
        let said = of("maxmemory \"1Gi\"", COMMAND_LINE, memory);
        assert_eq!(said, "a size in units of 1024 is 1gb");
        let said = of("port \"7\" \"#\" \"x\"", COMMAND_LINE, count);
        assert_eq!(said, "put a comment on a line of its own");
        assert_eq!(
            of(
                "port x",
                "/x.conf",
                "argument couldn't be parsed into an integer"
            ),
            ""
        );
    }

    #[test]
    fn lines_with_passwords_are_known() {
        for line in [
            "requirepass a b",
            "requirepas secret",
            "MASTERAUTH x",
            "user al on >x",
            "sentinel auth-pass m x",
        ] {
            assert!(is_secret(line.as_bytes()), "{line}");
        }
        for line in ["port x", "sentinel monitor m h 1 2", "maxmemory 1"] {
            assert!(!is_secret(line.as_bytes()), "{line}");
        }
    }
}
