//! `audit-categories` and `audit-users`.

use russet_acl::Commands;
use russet_base::text::Printable;
use russet_command::Facts;

/// Which commands of which users are recorded.
#[derive(Debug)]
pub struct Rules {
    /// Whether a command is recorded, by row of the command table.
    rows: Vec<bool>,
    /// The rules in the order of the directive; the last that fits decides.
    users: Vec<UserRule>,
}

#[derive(Debug)]
struct UserRule {
    /// `None`: every user (`*`).
    name: Option<Box<[u8]>>,
    is_recorded: bool,
}

const LOGINS: Facts = Facts::LOGS_IN.union(Facts::MAY_LOG_IN);

impl Rules {
    /// `categories`: words as in ACL rules, `@admin`, `-@slow`, `get`, `-config|get`, the last that
    /// fits decides; a command's word means its subcommands, too. Logins are always recorded.
    /// `users`: names, `-name`, `*`. O(commands * words). The error names the word.
    pub fn new(categories: &[u8], users: &[u8], commands: &Commands) -> Result<Rules, String> {
        let names: Vec<&str> = (0..commands.built())
            .map(|id| commands.row(id).full_name)
            .collect();
        let mut rows = vec![false; names.len()];
        for word in words(categories) {
            let (is_recorded, what) = match word.split_first() {
                Some((b'-', what)) => (false, what),
                Some((b'+', what)) => (true, what),
                _ => (true, word),
            };
            let mut fits: Vec<bool> = Vec::new();
            match what.strip_prefix(b"@") {
                Some(name) if name.eq_ignore_ascii_case(b"all") => fits.resize(names.len(), true),
                Some(name) => {
                    let members: Vec<&str> = match commands.of_category(name) {
                        Some(members) => members.collect(),
                        None => return Err(unknown("category", word)),
                    };
                    fits.extend(names.iter().map(|name| members.contains(name)));
                }
                None => {
                    let what = String::from_utf8_lossy(what).to_ascii_lowercase();
                    let family = format!("{what}|");
                    let of_it = |name: &&str| **name == *what || name.starts_with(&family);
                    fits.extend(names.iter().map(of_it));
                    if !fits.contains(&true) {
                        return Err(unknown("command", word));
                    }
                }
            }
            for (row, _) in rows.iter_mut().zip(fits).filter(|(_, fits)| *fits) {
                *row = is_recorded;
            }
        }
        for (id, row) in rows.iter_mut().enumerate() {
            *row |= commands.row(id).facts.intersects(LOGINS);
        }
        let users = words(users)
            .map(|word| match word {
                b"*" => UserRule {
                    name: None,
                    is_recorded: true,
                },
                _ => UserRule {
                    name: Some(word.strip_prefix(b"-").unwrap_or(word).into()),
                    is_recorded: !word.starts_with(b"-"),
                },
            })
            .collect();
        Ok(Rules { rows, users })
    }

    #[inline]
    pub fn concerns(&self, row: usize) -> bool {
        self.rows.get(row).copied().unwrap_or(false)
    }

    pub fn concerns_user(&self, user: &[u8]) -> bool {
        let fits = |rule: &&UserRule| rule.name.as_deref().is_none_or(|name| name == user);
        let last = self.users.iter().rev().find(fits);
        last.is_some_and(|rule| rule.is_recorded)
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

fn unknown(what: &str, word: &[u8]) -> String {
    format!("unknown {what} '{}'", Printable(word))
}
