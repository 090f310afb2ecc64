//! Roles: named permissions that any number of users hold (Valkey 9.2).
//!
//! A role is a list of selectors, and nothing else: no passwords, no roles. A user's own
//! permissions are such a list, too (`User::own`). A user that holds roles has copies of their
//! selectors (`User::granted`), so that a check needs no lookup; a change of a role is O(users).

use std::collections::BTreeMap;

use super::commands::Commands;
use super::rule::{RuleError, RulesError, accept_unknown, each_rule};
use super::selector::Selector;
use super::user::User;
use russet_config::PubsubDefault;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub(super) root: Selector,
    pub(super) selectors: Vec<Selector>,
}

impl Role {
    /// A role without any permission but for all databases, and channels by default.
    pub fn new(channels: PubsubDefault) -> Role {
        Role {
            root: Selector::new(channels),
            selectors: Vec::new(),
        }
    }

    /// Applies rules in order, after joining split selectors. All of them or none.
    pub fn apply_all<'a>(
        &mut self,
        rules: impl Iterator<Item = &'a [u8]>,
        commands: &Commands,
        channels: PubsubDefault,
    ) -> Result<(), RulesError> {
        let mut changed = self.clone();
        each_rule(rules, |rule| changed.apply(rule, commands, channels))?;
        *self = changed;
        Ok(())
    }

    /// Applies a rule, selectors not split; on an error the role is unchanged.
    pub(super) fn apply(
        &mut self,
        rule: &[u8],
        commands: &Commands,
        channels: PubsubDefault,
    ) -> Result<(), RuleError> {
        match rule {
            [] => {}
            [b'(', words @ .., b')'] => {
                self.selectors.push(selector(words, commands, channels)?);
            }
            _ if rule.eq_ignore_ascii_case(b"clearselectors") => self.selectors.clear(),
            // Rules about passwords and the like are no rules of a selector.
            _ => self.root.apply(rule, commands)?,
        }
        Ok(())
    }

    /// The role of a `role` line of the configuration, as far as its commands are known: unknown
    /// commands are accepted.
    pub fn parse_known_rules<'a>(
        rules: impl Iterator<Item = &'a [u8]>,
        commands: &Commands,
        channels: PubsubDefault,
    ) -> Result<Role, RulesError> {
        let mut role = Role::new(channels);
        each_rule(rules, |rule| {
            accept_unknown(role.apply(rule, commands, channels))
        })?;
        Ok(role)
    }

    /// The permissions outside of brackets.
    pub fn root(&self) -> &Selector {
        &self.root
    }

    /// The selectors in brackets, in the order of the rules.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Root first.
    pub(super) fn each_selector(&self) -> impl Iterator<Item = &Selector> {
        [&self.root].into_iter().chain(&self.selectors)
    }
}

/// Parses a selector from the rules in parentheses, quoted like lines of the configuration.
fn selector(
    words: &[u8],
    commands: &Commands,
    channels: PubsubDefault,
) -> Result<Selector, RuleError> {
    if words.contains(&0) {
        return Err(RuleError::Syntax);
    }
    let mut selector = Selector::new(channels);
    // Unbalanced quotes make no word at all, as in Redis.
    for word in russet_config::split(words).unwrap_or_default() {
        selector.apply(&word, commands)?;
    }
    Ok(selector)
}

/// Why a role may not have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleNameError {
    #[error("Role names can't be empty")]
    Empty,
    #[error("Role names can only contain printable ASCII characters without spaces")]
    NotPrintable,
    #[error("Role names can't contain commas")]
    Comma,
    #[error("Role names can't contain quotes or backslashes")]
    Quote,
}

/// All roles by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(BTreeMap<Box<[u8]>, Role>);

impl Roles {
    /// Whether a role may have this name: a file and a list of roles can hold it.
    pub fn check_name(name: &[u8]) -> Result<(), RoleNameError> {
        if name.is_empty() {
            return Err(RoleNameError::Empty);
        }
        let wrong = name.iter().find_map(|b| match b {
            b',' => Some(RoleNameError::Comma),
            b'"' | b'\'' | b'\\' => Some(RoleNameError::Quote),
            b'!'..=b'~' => None,
            _ => Some(RoleNameError::NotPrintable),
        });
        wrong.map_or(Ok(()), Err)
    }

    /// The role of this name; `None`: there is none.
    pub fn get(&self, name: &[u8]) -> Option<&Role> {
        self.0.get(name)
    }

    /// Stores a role under a name, replacing the present role.
    pub fn put(&mut self, name: &[u8], role: Role) {
        self.0.insert(name.into(), role);
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> bool {
        self.0.remove(name).is_some()
    }

    /// Number of roles.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All roles, in byte order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Role)> {
        self.0.iter().map(|(name, role)| (&**name, role))
    }
}

/// The names that rules of a user refer to.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// The names for `+` and `-`.
    pub commands: &'a Commands,
    /// The names for `role=`.
    pub roles: &'a Roles,
    /// The channels of a new user.
    pub channels: PubsubDefault,
}

impl User {
    /// The roles named by a `role=` rule, without repetitions.
    pub(super) fn roles_in(list: &[u8], roles: &Roles) -> Result<Vec<Box<[u8]>>, RuleError> {
        let mut named: Vec<Box<[u8]>> = Vec::new();
        for name in list.split(|&b| b == b',') {
            if name.is_empty() {
                return Err(RuleError::Syntax);
            }
            if roles.get(name).is_none() {
                return Err(RuleError::NoSuchRole);
            }
            if !named.iter().any(|known| **known == *name) {
                named.push(name.into());
            }
        }
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_files_and_lists_can_hold() {
        for name in [
            "read-only",
            "read_only",
            "app.reader",
            "role:admin",
            "a=b",
            "get",
            "(x",
        ] {
            assert_eq!(Roles::check_name(name.as_bytes()), Ok(()), "{name}");
        }
        for (name, why) in [
            (&b""[..], RoleNameError::Empty),
            (b"bad name", RoleNameError::NotPrintable),
            (b"tab\there", RoleNameError::NotPrintable),
            (b"test\xc3\xa9", RoleNameError::NotPrintable),
            (b"a,b", RoleNameError::Comma),
            (b"q\"x", RoleNameError::Quote),
            (b"q\\x", RoleNameError::Quote),
        ] {
            assert_eq!(Roles::check_name(name), Err(why));
        }
    }
}
