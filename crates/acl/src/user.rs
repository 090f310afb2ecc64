//! A user: whether and with which passwords it may log in, and its selectors.
//!
//! Invariants
//!   1. `granted` has copies of the selectors of its roles, so that a check looks up no role.
//!   2. `allows_all`: one selector allows everything, so that the user needs no check.
//!   3. With `no_password` no password is stored.
//!
//! Passwords are kept as hashes. A failed list of rules leaves the user as it was.
//! Cost: a login compares with all passwords; a check asks selectors, the root first, until one
//! allows the command. Which user a connection has, and what follows from a change:
//! `server::parts::users`.

use std::collections::HashSet;

use super::budget::Budgets;
use super::commands::Commands;
use super::password::Hash;
use super::pattern::Pattern;
use super::role::{Role, Roles, Terms};
use super::rule::{RuleError, RulesError, each_rule};
use super::selector::{CommandLine, Denial, Rights, Selector, allows_channel};
use russet_command::Access;
use russet_config::PubsubDefault;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub(super) is_on: bool,
    /// Any password is accepted.
    pub(super) no_password: bool,
    /// RESTORE does not verify this user's payloads.
    pub(super) skips_sanitizing: bool,
    pub(super) passwords: Vec<Hash>,
    /// The user's permissions without its roles' permissions.
    pub(super) own: Role,
    /// The names of its roles, in the order of the rule.
    pub(super) roles: Vec<Box<[u8]>>,
    pub(super) budgets: Budgets,
    /// The selectors of its roles.
    granted: Vec<Selector>,
    /// Everything is allowed: no check is needed.
    allows_all: bool,
}

/// The proof of a login: the hash of its password, or nothing if none was needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proof(Option<Hash>);

impl User {
    /// A user without any permission.
    pub fn new(channels: PubsubDefault) -> User {
        User {
            is_on: false,
            no_password: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            own: Role::new(channels),
            roles: Vec::new(),
            budgets: Budgets::default(),
            granted: Vec::new(),
            allows_all: false,
        }
    }

    /// The user of connections that have not logged in: everything allowed, no password.
    pub fn default_user(commands: &Commands) -> User {
        let mut user = User::new(PubsubDefault::ResetChannels);
        let rules = [&b"+@all"[..], b"~*", b"&*", b"on", b"nopass"];
        let terms = Terms {
            commands,
            roles: &Roles::default(),
            channels: PubsubDefault::ResetChannels,
        };
        user.apply_all(rules.into_iter(), terms)
            .expect("rules that are right");
        user
    }

    /// Applies rules in order, after joining split selectors. All of them or none.
    ///
    /// O(length of the rules + commands of the categories); makes two copies of the user.
    pub fn apply_all<'a>(
        &mut self,
        rules: impl Iterator<Item = &'a [u8]>,
        terms: Terms<'_>,
    ) -> Result<(), RulesError> {
        let mut changed = self.clone();
        each_rule(rules, |rule| changed.apply(rule, terms))?;
        *self = changed;
        Ok(())
    }

    /// Applies a rule, selectors not split; on an error the user is unchanged.
    pub(super) fn apply(&mut self, rule: &[u8], terms: Terms<'_>) -> Result<(), RuleError> {
        let applied = self.apply_rule(rule, terms);
        self.update_allows_all();
        applied
    }

    fn update_allows_all(&mut self) {
        let allows_all = self.each_selector().any(Selector::allows_all);
        self.allows_all = allows_all;
    }

    fn apply_rule(&mut self, rule: &[u8], terms: Terms<'_>) -> Result<(), RuleError> {
        match rule {
            [] => return Ok(()),
            [b'>', password @ ..] => self.add_password(Hash::of(password)),
            [b'#', hash @ ..] => {
                self.add_password(Hash::parse(hash).ok_or(RuleError::BadHash)?);
            }
            [b'<', password @ ..] => return self.remove_password(Hash::of(password)),
            [b'!', hash @ ..] => {
                let hash = Hash::parse(hash).ok_or(RuleError::BadHash)?;
                return self.remove_password(hash);
            }
            _ => return self.apply_word(rule, terms),
        }
        Ok(())
    }

    fn apply_word(&mut self, word: &[u8], terms: Terms<'_>) -> Result<(), RuleError> {
        let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
        if is("on") || is("off") {
            self.is_on = is("on");
        } else if is("skip-sanitize-payload") || is("sanitize-payload") {
            self.skips_sanitizing = is("skip-sanitize-payload");
        } else if is("nopass") || is("resetpass") {
            self.no_password = is("nopass");
            self.passwords.clear();
        } else if is("resetroles") {
            self.take_roles(Vec::new(), terms.roles);
        } else if word.len() >= 5 && word[..5].eq_ignore_ascii_case(b"role=") {
            let named = User::roles_in(&word[5..], terms.roles)?;
            self.take_roles(named, terms.roles);
        } else if is("reset") {
            *self = User::new(terms.channels);
        } else if let Some(applied) = self.budgets.apply(word) {
            return applied;
        } else {
            return self.own.apply(word, terms.commands, terms.channels);
        }
        Ok(())
    }

    // --- budgets ---

    /// The limits of its connections.
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    // --- roles ---

    /// Replaces its roles; all of `named` exist.
    fn take_roles(&mut self, named: Vec<Box<[u8]>>, roles: &Roles) {
        self.roles = named;
        self.renew_roles(roles);
    }

    /// Copies the present selectors of its roles.
    pub(super) fn renew_roles(&mut self, roles: &Roles) {
        let held = self.roles.iter().filter_map(|name| roles.get(name));
        self.granted = held
            .flat_map(|role| role.each_selector().cloned())
            .collect();
        self.update_allows_all();
    }

    /// Whether the user holds the role of this name.
    pub(crate) fn holds(&self, role: &[u8]) -> bool {
        self.roles.iter().any(|name| **name == *role)
    }

    fn add_password(&mut self, hash: Hash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.no_password = false;
    }

    fn remove_password(&mut self, hash: Hash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == hash);
        self.passwords.remove(at.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }

    /// `requirepass`: the only password; if it is empty, no password is needed.
    pub fn set_only_password(&mut self, password: &[u8]) {
        self.passwords.clear();
        self.no_password = password.is_empty();
        if !password.is_empty() {
            self.passwords.push(Hash::of(password));
        }
    }

    // --- logging in ---

    /// `on`: whether the user may log in.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether the user needs a password and has none.
    pub fn has_no_login(&self) -> bool {
        self.passwords.is_empty() && !self.no_password
    }

    /// Whether no password is needed.
    pub fn no_password(&self) -> bool {
        self.no_password
    }

    /// `skip-sanitize-payload`: RESTORE does not check this user's payloads deeply.
    pub fn skips_sanitizing(&self) -> bool {
        self.skips_sanitizing
    }

    /// Whether a password with this hash is accepted. Compares all passwords, each to its end.
    pub fn admits(&self, hash: &Hash) -> bool {
        let mut found = false;
        for known in &self.passwords {
            found |= known.is(hash);
        }
        self.is_on && (self.no_password || found)
    }

    /// The proof of a login with this password.
    pub fn proof(&self, password: &[u8]) -> Proof {
        Proof((!self.no_password).then(|| Hash::of(password)))
    }

    /// Whether a login with this proof would be accepted again.
    pub(super) fn still_admits(&self, proof: Proof) -> bool {
        match proof.0 {
            Some(hash) => self.admits(&hash),
            None => self.is_on && self.no_password,
        }
    }

    // --- permissions ---

    /// Whether everything is allowed.
    #[inline]
    pub fn allows_all(&self) -> bool {
        self.allows_all
    }

    /// Whether the user may run a command: one selector must allow all of it. If several deny it,
    /// the greatest in the order of [`Denial`] is reported.
    #[inline]
    pub fn check(&self, line: &CommandLine<'_>) -> Result<(), Denial> {
        let Err(denied) = self.own.root.check(line) else {
            return Ok(());
        };
        self.check_others(line, denied)
    }

    /// Fast path of [`User::check`] for a command whose only key is `key`. `false`: not known, use
    /// the full check.
    #[inline]
    pub fn allows_at_once(&self, id: usize, only_key: Option<(&[u8], Access)>) -> bool {
        self.own.root.allows_at_once(id, only_key)
    }

    fn check_others(&self, line: &CommandLine<'_>, mut denied: Denial) -> Result<(), Denial> {
        for selector in self.own.selectors.iter().chain(&self.granted) {
            match selector.check(line) {
                Ok(()) => return Ok(()),
                Err(other) => denied = denied.max(other),
            }
        }
        Err(denied)
    }

    /// Whether a selector allows both the command and reading all keys.
    pub fn checks_and_reads_all_keys(&self, line: &CommandLine<'_>) -> bool {
        let mut selectors = self.each_selector();
        selectors.any(|s| s.reads_all_keys() && s.check(line).is_ok())
    }

    /// Whether a selector allows both the command with this number and reading a key of a
    /// database.
    pub fn may_read(&self, id: usize, db: u32, key: &[u8]) -> bool {
        let mut selectors = self.each_selector();
        selectors.any(|selector| selector.reads_key(id, db, key))
    }

    /// Whether a selector allows the command with this number to read all keys with a prefix.
    pub fn may_read_prefix(&self, id: usize, db: u32, prefix: &[u8]) -> bool {
        let mut selectors = self.each_selector();
        selectors.any(|selector| selector.allows_prefix(id, (db, prefix), Rights::READ))
    }

    /// Whether a selector allows the command with this number to change and delete all keys with
    /// a prefix.
    pub fn may_write_prefix(&self, id: usize, db: u32, prefix: &[u8]) -> bool {
        let mut selectors = self.each_selector();
        selectors.any(|selector| selector.allows_prefix(id, (db, prefix), Rights::WRITE))
    }

    /// Whether a selector allows reading a key, in whichever database and by whichever command.
    pub fn may_see(&self, key: &[u8]) -> bool {
        self.each_selector().any(|selector| selector.sees_key(key))
    }

    /// Whether a selector allows the command with this number, and reading and writing all keys.
    pub fn owns_all_keys(&self, id: usize) -> bool {
        self.each_selector()
            .any(|selector| selector.owns_all_keys(id))
    }

    /// The remaining channel patterns, if `before` had any that are gone.
    pub fn channels_left(&self, before: &User) -> Option<Vec<Pattern>> {
        let all = |user: &User| user.each_selector().any(|s| s.all_channels);
        if all(self) {
            return None;
        }
        let patterns = |user: &User| -> Vec<Pattern> {
            let each = user.each_selector();
            each.flat_map(|s| s.channels.iter().cloned()).collect()
        };
        let left = patterns(self);
        let is_left: HashSet<&Pattern> = left.iter().collect();
        let is_less = all(before) || patterns(before).iter().any(|p| !is_left.contains(p));
        is_less.then_some(left)
    }

    /// Root first, its roles' selectors last.
    pub(super) fn each_selector(&self) -> impl Iterator<Item = &Selector> {
        self.own.each_selector().chain(&self.granted)
    }
}

/// Whether a subscription may stay with these remaining patterns.
pub fn keeps(left: &[Pattern], name: &[u8], is_pattern: bool) -> bool {
    allows_channel(left, name, is_pattern)
}
