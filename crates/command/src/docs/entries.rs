//! The lines of a group's text: commands, each with its syntax and its texts.
//!
//! Indentation separates them, as the opening of `docs` shows. A fault names file and line, for the
//! test that parses all texts; a server meets no fault, because the tested texts are embedded.
//! Cost: a pass over the text.

use std::fmt;

use super::syntax;
use super::{Doc, DocFlags, Group};

/// A place where a text is malformed.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    file: &'static str,
    line: usize,
    reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// The commands of a group's text, in its order. `file` is only named in faults.
pub fn parse(file: &'static str, text: &'static str) -> Result<Vec<Doc>, Fault> {
    commands(&mut Lines { text, at: 0 }).map_err(|(at, reason)| Fault {
        file,
        line: 1 + text[..at].matches('\n').count(),
        reason,
    })
}

/// Where in the text, and the reason.
type SyntaxFault = (usize, String);

fn commands(lines: &mut Lines) -> Result<Vec<Doc>, SyntaxFault> {
    let mut commands = Vec::new();
    let mut group = None;
    while let Some(line) = lines.peek() {
        if let Some(name) = line.strip_prefix("group ") {
            group = Some(named(name).map_err(|reason| (lines.at, reason))?);
            lines.skip();
        } else if line.is_empty() || line.starts_with('#') {
            lines.skip();
        } else {
            commands.push(command(lines, group)?);
        }
    }
    Ok(commands)
}

const INDENTED: &str = "    ";
const CONTINUED: &str = "        ";

struct Lines {
    text: &'static str,
    /// Where the next line begins.
    at: usize,
}

impl Lines {
    /// The next line without spaces at its end.
    fn peek(&self) -> Option<&'static str> {
        self.text[self.at..].lines().next().map(str::trim_end)
    }

    fn skip(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.find('\n').map_or(rest.len(), |end| end + 1);
    }
}

/// The next command with all its lines; `group` is the file's.
fn command(lines: &mut Lines, group: Option<Group>) -> Result<Doc, SyntaxFault> {
    let start = lines.at;
    lines.skip();
    while lines.peek().is_some_and(|line| line.starts_with(CONTINUED)) {
        lines.skip();
    }
    let head = lines.text[start..lines.at].trim_end();
    let name_length = head.find(char::is_whitespace).unwrap_or(head.len());
    let (name, arguments) = head.split_at(name_length);
    if name.is_empty() {
        return Err((start, "an indented line without a command".to_owned()));
    }
    let args = syntax::parse(arguments)
        .map_err(|(at, reason)| (start + name_length + at, reason.to_owned()))?;
    let mut doc = Doc {
        name,
        summary: "",
        since: "",
        group: group.ok_or_else(|| (start, "no group is named before it".to_owned()))?,
        complexity: "",
        flags: DocFlags::empty(),
        deprecated_since: "",
        replaced_by: "",
        history: Vec::new(),
        args,
    };
    while let Some(line) = lines.peek().and_then(|line| line.strip_prefix(INDENTED)) {
        add(&mut doc, line).map_err(|reason| (lines.at, reason))?;
        lines.skip();
    }
    if doc.summary.is_empty() || doc.since.is_empty() {
        return Err((start, format!("{name}: no summary, or no `since`")));
    }
    Ok(doc)
}

/// Adds an indented line to a command's documentation.
fn add(doc: &mut Doc, line: &'static str) -> Result<(), String> {
    if doc.summary.is_empty() {
        doc.summary = line;
        return Ok(());
    }
    let (what, text) = line.split_once(": ").unwrap_or((line, ""));
    match what.split_once(' ').unwrap_or((what, "")) {
        ("since", version) => (doc.since, doc.complexity) = (checked(version)?, text),
        ("deprecated", version) => {
            doc.flags |= DocFlags::DEPRECATED;
            (doc.deprecated_since, doc.replaced_by) = (checked(version)?, text);
        }
        ("group", name) => doc.group = named(name)?,
        ("syscmd", "") => doc.flags |= DocFlags::SYSCMD,
        (version, "") if !text.is_empty() => doc.history.push((checked(version)?, text)),
        _ => return Err(format!("`{line}` says nothing of a command")),
    }
    Ok(())
}

fn named(group: &str) -> Result<Group, String> {
    Group::named(group).ok_or_else(|| format!("`{group}` is no group"))
}

fn checked(version: &'static str) -> Result<&'static str, String> {
    if syntax::is_version(version) {
        Ok(version)
    } else {
        Err(format!("`{version}` is no version"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_its_lines() {
        let text = "\
# About the file.
group string

get @key
    Get a string.
    since 1.0.0: O(1)
old|sub @key
        [NX]
    Do something: this or that.
    since 2.0.0
    3.0.0: It does more.
    3.2.0: It does less.
    group server
    deprecated 6.2.0: `GET`
    syscmd
";
        let commands = parse("docs.txt", text).unwrap();
        let [get, old] = commands.as_slice() else {
            panic!("{commands:?}");
        };
        assert_eq!((get.name, get.summary), ("get", "Get a string."));
        assert_eq!((get.since, get.complexity), ("1.0.0", "O(1)"));
        assert_eq!((get.group, get.flags), (Group::String, DocFlags::empty()));
        assert_eq!((old.name, old.args.len()), ("old|sub", 2));
        assert_eq!(old.summary, "Do something: this or that.");
        assert_eq!((old.since, old.complexity), ("2.0.0", ""));
        let history = [("3.0.0", "It does more."), ("3.2.0", "It does less.")];
        assert_eq!(old.history, history);
        assert_eq!((old.group, old.flags), (Group::Server, DocFlags::all()));
        assert_eq!((old.deprecated_since, old.replaced_by), ("6.2.0", "`GET`"));
    }

    #[test]
    fn a_malformed_text_is_refused_with_file_line_and_reason() {
        for (text, fault) in [
            ("\ngroup strings\n", "2: `strings` is no group"),
            (
                "\nget\n    A.\n    since 1\n",
                "2: no group is named before it",
            ),
            (
                "group set\n    A.\n",
                "2: an indented line without a command",
            ),
            (
                "group set\n\nget\n    A.\n",
                "3: get: no summary, or no `since`",
            ),
            ("group set\nget\n", "2: get: no summary, or no `since`"),
            (
                "group set\nget\n    A.\n    since x\n",
                "4: `x` is no version",
            ),
            (
                "group set\nget\n    A.\n    1.0:\n",
                "4: `1.0:` says nothing of a command",
            ),
            (
                "group set\nget a\n        b\n        [c\n    A.\n",
                "4: `]` is missing",
            ),
        ] {
            let found = parse("docs.txt", text).unwrap_err().to_string();
            assert_eq!(found, format!("docs.txt:{fault}"), "{text}");
        }
    }
}
