//! The ACL file (`aclfile`): on each line `user` or `role`, a name, rules. Roles may be defined
//! after the users that hold them. Empty lines are skipped, and in Redis's dialect lines that begin
//! with `#`, which ACL SAVE does not keep.
//!
//! A file is loaded as a whole or not at all. All its errors are reported at once, up to the
//! maximum length of a message.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::commands::Commands;
use super::role::{Role, Roles, Terms};
use super::rule::{RuleError, RulesError, accept_unknown, each_rule, has_spaces, join_selectors};
use super::store::Users;
use super::user::User;
use russet_base::given_file::{self, WRITER_WAIT};
use russet_base::text::Printable;
use russet_config::{Dialect, PubsubDefault, replace_file};

/// A larger ACL file is refused.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Maximum length of the reported errors.
const ERRORS_BYTES_MAX: usize = 64 * 1024;

/// Why a file was not loaded: one line, each error with file and line number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(String);

/// The content of a file.
#[derive(Debug, Default)]
pub struct FileUsers {
    /// By name.
    pub users: BTreeMap<Vec<u8>, User>,
    /// By name, too.
    pub roles: Roles,
}

/// Parses the users and roles of a file.
///
/// `name` is the configured file name. O(length of the file).
pub fn parse_file(
    name: &str,
    path: &Path,
    commands: &Commands,
    channels: PubsubDefault,
    dialect: Dialect,
) -> Result<FileUsers, LoadError> {
    let text = given_file::read(path, FILE_BYTES_MAX, WRITER_WAIT)
        .map_err(|why| LoadError(format!("Error loading ACLs, opening file '{name}': {why}")))?;
    parse_users(name, &text, commands, channels, dialect)
}

/// Parses the users and roles of a file's text.
pub fn parse_users(
    name: &str,
    text: &[u8],
    commands: &Commands,
    channels: PubsubDefault,
    dialect: Dialect,
) -> Result<FileUsers, LoadError> {
    let mut loading = FileLoad {
        name,
        commands,
        channels,
        found: FileUsers::default(),
        errors: String::new(),
        omitted: 0,
    };
    let is_comment = |line: &[u8]| dialect.acl_file_comments() && line.starts_with(b"#");
    let lines = || {
        let lines = text.split(|&b| b == b'\n').zip(1..);
        let lines = lines.map(|(line, number)| (trim(line, b" \t\r"), number));
        lines.filter(|(line, _)| !is_comment(line))
    };
    let is_role = |line: &[u8]| line == b"role" || line.starts_with(b"role ");
    for (line, number) in lines().filter(|(line, _)| is_role(line)) {
        loading.read_role(line, number);
    }
    for (line, number) in lines().filter(|(line, _)| !is_role(line)) {
        loading.read_line(line, number);
    }
    if loading.errors.is_empty() {
        return Ok(loading.found);
    }
    if loading.omitted > 0 {
        loading.errors += &format!("{} more errors. ", loading.omitted);
    }
    loading.errors += "WARNING: ACL errors detected, no change to the previously active ACL \
                       rules was performed";
    Err(LoadError(loading.errors))
}

struct FileLoad<'a> {
    name: &'a str,
    commands: &'a Commands,
    channels: PubsubDefault,
    found: FileUsers,
    errors: String,
    omitted: usize,
}

impl FileLoad<'_> {
    fn add_error(&mut self, error: String) {
        if self.errors.len() < ERRORS_BYTES_MAX {
            self.errors += &error
        } else {
            self.omitted += 1
        }
    }

    fn read_line(&mut self, line: &[u8], number: usize) {
        let file = self.name;
        if line.is_empty() {
            return;
        }
        if line.contains(&0) {
            return self.add_error(format!("{file}:{number}: NUL byte in line. "));
        }
        let mut words = line.split(|&b| b == b' ');
        let (Some(b"user"), Some(user)) = (words.next(), words.next()) else {
            return self.add_error(format!(
                "{file}:{number} should start with user keyword followed by the username. "
            ));
        };
        if has_spaces(user) {
            let user = Printable(user);
            return self.add_error(format!(
                "'{file}:{number}: username '{user}' contains invalid characters. "
            ));
        }
        if self.found.users.contains_key(user) {
            let user = Printable(user);
            return self.add_error(format!(
                "WARNING: Duplicate user '{user}' found on line {number}. "
            ));
        }
        let mut made = User::new(self.channels);
        let roles = std::mem::take(&mut self.found.roles);
        let terms = Terms {
            commands: self.commands,
            roles: &roles,
            channels: self.channels,
        };
        self.apply(words, number, "", |rule| made.apply(rule, terms));
        self.found.roles = roles;
        self.found.users.insert(user.to_vec(), made);
    }

    fn read_role(&mut self, line: &[u8], number: usize) {
        let file = self.name;
        if line.contains(&0) {
            return self.add_error(format!("{file}:{number}: NUL byte in line. "));
        }
        let mut words = line.split(|&b| b == b' ').skip(1);
        let Some(name) = words.next() else {
            return self.add_error(format!(
                "{file}:{number}: a role line requires a role name. "
            ));
        };
        let shown = Printable(name);
        if let Err(why) = Roles::check_name(name) {
            return self.add_error(format!(
                "{file}:{number}: invalid role name '{shown}': {why}. "
            ));
        }
        if self.found.roles.get(name).is_some() {
            return self.add_error(format!(
                "WARNING: Duplicate role '{shown}' found on line {number}. "
            ));
        }
        let mut made = Role::new(self.channels);
        let (commands, channels) = (self.commands, self.channels);
        self.apply(words, number, "Error in role declaration: ", |rule| {
            made.apply(rule, commands, channels)
        });
        self.found.roles.put(name, made);
    }

    /// Applies the rules of a line. Unknown commands reveal no secret: all are reported. Of other
    /// errors, which may follow from each other, only the first is reported, without its words.
    fn apply<'a>(
        &mut self,
        words: impl Iterator<Item = &'a [u8]>,
        number: usize,
        within: &str,
        mut apply: impl FnMut(&[u8]) -> Result<(), RuleError>,
    ) {
        let file = self.name;
        let Ok(rules) = join_selectors(words) else {
            return self.add_error(format!(
                "{file}:{number}: Unmatched parenthesis in selector definition."
            ));
        };
        let mut is_reported = false;
        for rule in &rules {
            let rule = trim(rule, b"\t\r\n");
            match apply(rule) {
                Ok(()) => {}
                Err(why @ RuleError::Unknown) => {
                    let rule = Printable(rule);
                    self.add_error(format!(
                        "{file}:{number}: Error in applying operation '{rule}': {why}. "
                    ));
                }
                Err(why) => {
                    if !std::mem::replace(&mut is_reported, true) {
                        self.add_error(format!("{file}:{number}: {within}{why}. "));
                    }
                }
            }
        }
    }
}

fn trim<'a>(mut text: &'a [u8], blanks: &[u8]) -> &'a [u8] {
    while let [first, rest @ ..] = text
        && blanks.contains(first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && blanks.contains(last)
    {
        text = rest;
    }
    text
}

/// Atomically replaces the file by all roles and users.
pub fn write_file(path: &Path, users: &Users) -> io::Result<()> {
    let mut text = Vec::new();
    for words in users.role_lines().chain(users.lines()) {
        text.extend(words.join(&b' '));
        text.push(b'\n');
    }
    replace_file(path, &text)
}

impl User {
    /// Checks the rules of a `user` line in the configuration; unknown commands are accepted here.
    /// The error has the index of the wrong word, a selector counting as a word.
    pub fn parse_known_rules<'a>(
        rules: impl Iterator<Item = &'a [u8]>,
        terms: Terms<'_>,
    ) -> Result<(), RulesError> {
        let mut user = User::new(terms.channels);
        each_rule(rules, |rule| accept_unknown(user.apply(rule, terms)))
    }
}
