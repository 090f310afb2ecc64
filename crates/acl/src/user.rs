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
use super::selector::{CommandLine, Denied, Selector, allows_channel};
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
    /// Its permissions but for those of its roles.
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

    /// Applies one rule, selectors not split; on an error the user is unchanged.
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

    pub fn holds(&self, role: &[u8]) -> bool {
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

    /// `requirepass`: the only password; an empty one: none is needed.
    pub fn set_only_password(&mut self, password: &[u8]) {
        self.passwords.clear();
        self.no_password = password.is_empty();
        if !password.is_empty() {
            self.passwords.push(Hash::of(password));
        }
    }

    // --- logging in ---

    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether it has no password, and needs one.
    pub fn has_no_login(&self) -> bool {
        self.passwords.is_empty() && !self.no_password
    }

    /// Whether no password is needed.
    pub fn no_password(&self) -> bool {
        self.no_password
    }

    pub fn skips_sanitizing(&self) -> bool {
        self.skips_sanitizing
    }

    /// Whether a password with this hash is accepted. Compares all passwords, each to its end.
    pub(super) fn admits(&self, hash: &Hash) -> bool {
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
    /// the greatest in the order of [`Denied`] is reported.
    #[inline]
    pub fn check(&self, line: &CommandLine<'_>) -> Result<(), Denied> {
        let Err(denied) = self.own.root.check(line) else {
            return Ok(());
        };
        self.check_others(line, denied)
    }

    /// Fast path of [`User::check`] for a command whose only key is this one. `false`: not
    /// known, use the full check.
    #[inline]
    pub fn allows_at_once(&self, id: usize, only_key: Option<(&[u8], Access)>) -> bool {
        self.own.root.allows_at_once(id, only_key)
    }

    fn check_others(&self, line: &CommandLine<'_>, mut denied: Denied) -> Result<(), Denied> {
        for selector in self.own.selectors.iter().chain(&self.granted) {
            match selector.check(line) {
                Ok(()) => return Ok(()),
                Err(other) => denied = denied.max(other),
            }
        }
        Err(denied)
    }

    /// Whether one selector allows both the command and reading all keys.
    pub fn checks_and_reads_all_keys(&self, line: &CommandLine<'_>) -> bool {
        let mut selectors = self.each_selector();
        selectors.any(|s| s.reads_all_keys() && s.check(line).is_ok())
    }

    /// Whether one selector allows both the command with this number and reading a key of a
    /// database.
    pub fn may_read(&self, id: usize, db: u32, key: &[u8]) -> bool {
        let mut selectors = self.each_selector();
        selectors.any(|selector| selector.reads_key(id, db, key))
    }

    /// Whether one selector allows reading a key, in whichever database and by whichever command.
    pub fn may_see(&self, key: &[u8]) -> bool {
        self.each_selector().any(|selector| selector.sees_key(key))
    }

    /// Whether one selector allows the command with this number, and reading and writing all keys.
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

    /// Root first, those of its roles last.
    fn each_selector(&self) -> impl Iterator<Item = &Selector> {
        self.own.each_selector().chain(&self.granted)
    }
}

/// Whether a subscription may stay with these remaining patterns.
pub fn keeps(left: &[Pattern], name: &[u8], is_pattern: bool) -> bool {
    allows_channel(left, name, is_pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{CommandTable, commands_of};
    use crate::{Denied, Role};
    use russet_resp::OwnedArgs;

    const NOTHING: PubsubDefault = PubsubDefault::ResetChannels;

    struct Bench {
        table: CommandTable,
        commands: Commands,
        roles: Roles,
    }

    impl Bench {
        fn new() -> Bench {
            let table = CommandTable::new(&crate::commands::table());
            let commands = commands_of(&table);
            let mut roles = Roles::default();
            for (name, rules) in [("reader", "~r* +@read"), ("all", "~* &* +@all (+get)")] {
                let mut role = Role::new(NOTHING);
                let rules = rules.split(' ').map(str::as_bytes);
                role.apply_all(rules, &commands, NOTHING)
                    .expect("right rules");
                roles.put(name.as_bytes(), role);
            }
            Bench {
                table,
                commands,
                roles,
            }
        }

        fn terms(&self) -> Terms<'_> {
            Terms {
                commands: &self.commands,
                roles: &self.roles,
                channels: NOTHING,
            }
        }

        fn user(&self, rules: &str) -> User {
            let mut user = User::new(NOTHING);
            let rules = rules.split(' ').map(str::as_bytes);
            user.apply_all(rules, self.terms())
                .expect("rules that are right");
            user
        }

        fn check(&self, user: &User, line: &str) -> Result<(), Denied> {
            let args: OwnedArgs = line.split(' ').map(str::as_bytes).collect();
            let args = args.args();
            let mut row = self.table.find(args.at(0)).expect("a command");
            if let Some(name) = args.get(1)
                && let Some(sub) = self.table.find_subcommand(row, name)
            {
                row = sub;
            }
            user.check(&row.command_line(args, 0, 16))
        }
    }

    #[test]
    fn rules_are_listed_in_the_order_that_makes_them_again() {
        let b = Bench::new();
        for (rules, reported) in [
            (
                "+@all -@hash -@slow +hget -@hash",
                "+@all -@slow +hget -@hash",
            ),
            (
                "-@all +client|list +config|get +config +acl|list -acl",
                "-@all +client|list +config -acl",
            ),
            (
                "+select|0 +SELECT|0 +debug|a +debug",
                "-@all +select|0 +debug",
            ),
            ("+@all -get +@all", "+@all"),
            ("-@string -@string +@STRING", "-@all +@string"),
        ] {
            assert_eq!(
                b.user(rules)
                    .describe(russet_config::Dialect::Redis)
                    .root()
                    .command_rules(),
                reported
            );
        }
        let user = b.user("on >x ~a %R~b %W~b %W~c &d db=2,1 (+get ~e) (allkeys &f resetdbs)");
        assert_eq!(
            String::from_utf8_lossy(&user.describe(russet_config::Dialect::Redis).line()),
            "on sanitize-payload \
             #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 ~a ~b %W~c \
             resetchannels &d db=1,2 -@all (~e resetchannels -@all +get) \
             (~* resetchannels &f resetdbs -@all)"
        );
    }

    #[test]
    fn a_wrong_rule_leaves_the_user_as_he_was() {
        let b = Bench::new();
        let mut user = b.user("on nopass +get ~a*");
        let before = user.clone();
        for rules in [
            &["off", "+nosuch"][..],
            &["(+get", "~b"],
            &["resetkeys", "%x~"],
            &["db=1", "<no"],
        ] {
            let words = rules.iter().map(|rule| rule.as_bytes());
            assert!(user.apply_all(words, b.terms()).is_err());
            assert!(user == before, "{rules:?}");
        }
    }

    #[test]
    fn one_selector_must_allow_all_of_a_command() {
        let b = Bench::new();
        let user = b.user("on (%R~r* +@all) (%W~w* +@all)");
        assert_eq!(b.check(&user, "get r1"), Ok(()));
        assert_eq!(b.check(&user, "lpush w1 x"), Ok(()));
        assert_eq!(b.check(&user, "get w1"), Err(Denied::Key(1)));
        assert_eq!(b.check(&user, "copy r1 w1"), Err(Denied::Key(2)));
        assert_eq!(b.check(&user, "set w1 x get"), Err(Denied::Key(1)));
        assert_eq!(b.check(&user, "zunionstore w1 1 r1"), Err(Denied::Key(3)));
        assert_eq!(
            b.check(&user, "sort r1 by w* store w1"),
            Err(Denied::Key(5))
        );
        assert_eq!(b.check(&user, "ping"), Ok(()));
        assert_eq!(b.check(&user, "publish a x"), Err(Denied::Channel(1)));
    }

    #[test]
    fn first_arguments_subcommands_and_commands_that_everybody_may_run() {
        let b = Bench::new();
        let user = b.user("on +select|0 +select|x +config -config|set");
        assert_eq!(b.check(&user, "select 0"), Ok(()));
        assert_eq!(b.check(&user, "select X"), Ok(()));
        assert_eq!(b.check(&user, "select 1"), Err(Denied::Command));
        assert_eq!(b.check(&user, "config get x"), Ok(()));
        assert_eq!(b.check(&user, "config set x y"), Err(Denied::Command));
        assert_eq!(b.check(&user, "auth x"), Ok(()));
        assert_eq!(b.check(&user, "quit"), Ok(()));
    }

    #[test]
    fn a_role_adds_to_what_a_user_may_do() {
        let b = Bench::new();
        let user = b.user("on +set ~w* role=reader");
        assert_eq!(b.check(&user, "get r1"), Ok(()));
        assert_eq!(b.check(&user, "set w1 x"), Ok(()));
        assert_eq!(b.check(&user, "get w1"), Err(Denied::Key(1)));
        assert_eq!(b.check(&user, "set r1 x"), Err(Denied::Key(1)));
        let shown = String::from_utf8_lossy(&user.describe(russet_config::Dialect::Redis).line())
            .into_owned();
        assert_eq!(
            shown,
            "on sanitize-payload ~w* resetchannels -@all +set role=reader"
        );
        assert!(b.user("role=reader,all").allows_all());
        assert!(!b.user("role=all role=reader").allows_all());
        assert!(!b.user("ROLE=all resetroles").allows_all());
        assert!(!b.user("role=all reset").allows_all());
        let twice = b
            .user("role=all,reader,all")
            .describe(russet_config::Dialect::Redis)
            .line();
        assert!(twice.ends_with(b"role=all,reader"));
        let mut user = b.user("role=reader");
        let before = user.clone();
        for (rule, why) in [
            ("role=", RuleError::Syntax),
            ("role=,reader", RuleError::Syntax),
            ("role=reader,", RuleError::Syntax),
            ("role=all,nosuch", RuleError::NoSuchRole),
            ("role=Reader", RuleError::NoSuchRole),
        ] {
            let applied = user.apply_all([rule.as_bytes()].into_iter(), b.terms());
            assert!(
                matches!(applied, Err(RulesError::Rule { why: reported, .. }) if reported == why),
                "{rule}"
            );
            assert!(user == before);
        }
        for rule in [
            "on",
            "nopass",
            ">p",
            "reset",
            "role=all",
            "resetroles",
            "sanitize-payload",
        ] {
            let mut role = Role::new(NOTHING);
            let words = [rule.as_bytes()].into_iter();
            assert!(
                role.apply_all(words, &b.commands, NOTHING).is_err(),
                "{rule}"
            );
        }
    }

    #[test]
    fn databases_are_those_that_a_command_names_and_its_own() {
        let b = Bench::new();
        let user = b.user("on +@all ~* &* db=1,3");
        for (line, checked) in [
            ("get a", Err(Denied::Database(0))),
            ("ping", Ok(())),
            ("select 1", Ok(())),
            ("select 0", Err(Denied::Database(1))),
            ("select 99", Ok(())),
            ("swapdb 1 3", Ok(())),
            ("swapdb 1 2", Err(Denied::Database(2))),
            ("swapdb 2 x", Ok(())),
            ("move a 1", Err(Denied::Database(0))),
            ("copy a b db 2", Err(Denied::Database(4))),
            ("copy a b replace db 1", Err(Denied::Database(0))),
            ("copy a b db 2 x", Err(Denied::Database(0))),
            ("flushall", Err(Denied::Database(0))),
        ] {
            assert_eq!(b.check(&user, line), checked, "{line}");
        }
        let all = b.user("on +@all ~* &* db=1,3 alldbs");
        assert!(all.allows_all() && !user.allows_all());
    }

    #[test]
    fn passwords_come_and_go_and_none_lets_a_disabled_user_in() {
        let b = Bench::new();
        let is_let_in = |rules: &str, password: &[u8]| b.user(rules).admits(&Hash::of(password));
        assert!(is_let_in("on >a >b", b"b"));
        assert!(!is_let_in("on >a >b <b", b"b"));
        assert!(!is_let_in("on", b""));
        assert!(is_let_in("on >a nopass", b"whatever"));
        assert!(!is_let_in("on nopass >a", b"whatever"));
        assert!(!is_let_in("nopass", b""));
        assert!(!is_let_in("on >a off", b"a"));
        assert!(!is_let_in("on >a resetpass", b"a"));
        assert!(is_let_in("on >", b""));
    }

    #[test]
    fn channels_that_are_gone_are_noticed_and_no_others() {
        let b = Bench::new();
        let left = |before: &str, after: &str| {
            let left = b.user(after).channels_left(&b.user(before));
            left.map(|patterns| patterns.len())
        };
        assert_eq!(left("&a &b", "&b &a &c"), None);
        assert_eq!(left("&a &b", "&b"), Some(1));
        assert_eq!(left("allchannels", "&a"), Some(1));
        assert_eq!(left("&a", "allchannels"), None);
        assert_eq!(left("&a", "on (&a)"), None);
    }
}
