//! Which arguments are secrets: the answer for all code that shows arguments to others than their
//! sender (command logs, MONITOR and the console's stream, the audit, the log, the record of a
//! connection that has ended).
//!
//! A command that names another command with its arguments (ACL DRYRUN, COMMAND GETKEYS) hides the
//! same arguments as that command. Arguments not known to be harmless are hidden: the arguments of
//! a command that does not exist, and of commands within each other deeper than [`NESTED_MAX`].

use super::table::{CommandTable, Row};
use super::{Flags, Spec};
use russet_resp::Args;

/// The text in place of a secret.
pub const REDACTED: &[u8] = b"(redacted)";

/// Depth of commands within commands that are checked. It bounds the time for a command line.
const NESTED_MAX: usize = 4;

/// The secrets among the arguments of a command.
pub struct Secrets<'a, H: 'static> {
    args: Args<'a>,
    /// Where the innermost command begins.
    inner_at: usize,
    /// That command; `None`: there is no command of that name.
    inner: Option<&'a Row<H>>,
}

impl<'a, H> Secrets<'a, H> {
    /// Whether the argument at this position is a secret.
    pub fn hides(&self, at: usize) -> bool {
        if at < self.inner_at || at == 0 {
            return false;
        }
        match self.inner {
            None => true,
            Some(row) => row
                .spec
                .hides(self.args.from(self.inner_at), at - self.inner_at),
        }
    }

    /// The argument at this position as others may see it.
    pub fn redacted(&self, at: usize) -> &'a [u8] {
        if self.hides(at) {
            REDACTED
        } else {
            self.args.at(at)
        }
    }

    /// The innermost command, its arguments, and where they begin.
    pub fn inner(&self) -> Option<(&'a Row<H>, Args<'a>, usize)> {
        let row = self.inner?;
        Some((row, self.args.from(self.inner_at), self.inner_at))
    }
}

/// The position of the other command's name, in a command that names another.
fn names_another_at(full_name: &str) -> Option<usize> {
    match full_name {
        "acl|dryrun" => Some(3),
        "command|getkeys" | "command|getkeysandflags" => Some(2),
        _ => None,
    }
}

fn has_secrets<H>(spec: &Spec<H>) -> bool {
    spec.flags.contains(Flags::SENSITIVE)
}

impl<H> CommandTable<H> {
    /// The secrets among the arguments of a row's command.
    pub fn secrets<'a>(&'a self, row: &'a Row<H>, args: Args<'a>) -> Secrets<'a, H> {
        let (mut inner_at, mut inner) = (0, Some(row));
        for depth in 0.. {
            let next = inner.and_then(|row| names_another_at(row.full_name));
            let Some(next) = next.filter(|next| inner_at + next < args.len()) else {
                break;
            };
            inner_at += next;
            inner = if depth < NESTED_MAX {
                self.named_within(args.from(inner_at))
            } else {
                None
            };
        }
        Secrets {
            args,
            inner_at,
            inner,
        }
    }

    /// The row of a command among arguments, if any command has this name and subcommand.
    fn named_within(&self, args: Args<'_>) -> Option<&Row<H>> {
        let row = self.find_with(args.at(0), args.get(1))?;
        // If the subcommand is unknown, the container is found.
        let is_container = row.spec.flags.contains(Flags::CONTAINER)
            || !row.subcommands.is_empty() && args.len() > 1;
        (!is_container).then_some(row)
    }

    /// Whether a row's commands may have secrets, themselves or by a command that they name.
    pub fn may_hide(&self, row: &Row<H>) -> bool {
        has_secrets(row.spec) || names_another_at(row.full_name).is_some()
    }

    /// Whether this text has the name of a command that may have secrets, wherever it is and
    /// whatever its case. O(names x bytes): for a few bytes.
    pub fn names_secrets(&self, text: &[u8]) -> bool {
        let text = text.to_ascii_lowercase();
        let is_there = |name: &[u8]| {
            text.windows(name.len().max(1))
                .any(|part| part.eq_ignore_ascii_case(name))
        };
        self.commands().any(|(name, row)| {
            let may = self.may_hide(row)
                || row
                    .subcommands
                    .iter()
                    .any(|&sub| self.may_hide(self.row(sub)));
            may && is_there(name)
        })
    }
}
