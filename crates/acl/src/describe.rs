//! Users and roles as text: the rules that recreate them.
//!
//! ACL LIST, ACL GETUSER and the ACL file all print from here. The order is the order of a user's
//! rules: flags, password hashes, the root selector, `role=`, budgets, then each other selector in
//! brackets. Command rules are printed as they were given (`Selector::rules`), after `+@all` or
//! `-@all`. Passwords appear only as hashes. Inside brackets a file's words are quoted, as
//! `config::split` reads them. Cost: O(rules). How rules are read: `user`, `role`, `selector`.

use super::pattern::Pattern;
use super::role::Role;
use super::selector::{Rights, Selector};
use super::user::User;
use russet_config::Dialect;

impl User {
    /// The user's permissions as rules, a word for each selector, its roles' selectors among them:
    /// another server makes a user of them that may do the same.
    pub fn rights(&self) -> Vec<Vec<u8>> {
        let mut rules = Vec::new();
        for selector in self.each_selector() {
            add_selectors(&mut rules, std::slice::from_ref(selector), for_file);
        }
        rules
    }
}

/// A user's parts as ACL GETUSER shows them.
pub struct Description<'a> {
    user: &'a User,
    dialect: Dialect,
}

impl User {
    /// The user as text, with the words of this dialect.
    pub fn describe(&self, dialect: Dialect) -> Description<'_> {
        Description {
            user: self,
            dialect,
        }
    }
}

impl<'a> Description<'a> {
    /// `on`, `nopass`, `sanitize-payload` and the like.
    pub fn flags(&self) -> Vec<&'static str> {
        let user = self.user;
        let mut flags = vec![if user.is_on { "on" } else { "off" }];
        flags.extend(user.no_password.then_some("nopass"));
        if self.dialect.shows_sanitizing() {
            flags.push(if user.skips_sanitizing {
                "skip-sanitize-payload"
            } else {
                "sanitize-payload"
            });
        }
        flags
    }

    /// The password hashes in hexadecimal.
    pub fn passwords(&self) -> Vec<String> {
        self.user.passwords.iter().map(|hash| hash.text()).collect()
    }

    pub fn root(&self) -> &'a Selector {
        &self.user.own.root
    }

    pub fn selectors(&self) -> &'a [Selector] {
        &self.user.own.selectors
    }

    /// Whether any rules are about databases.
    pub fn limits_databases(&self) -> bool {
        let mut selectors = self.user.own.each_selector();
        selectors.any(|s| s.databases.is_some())
    }

    /// The names of the roles.
    pub fn roles(&self) -> &'a [Box<[u8]>] {
        &self.user.roles
    }

    /// The rules of its budgets.
    pub fn budgets(&self) -> Vec<String> {
        self.user.budgets.rules()
    }

    /// All rules on a single line, as ACL LIST shows them after the name.
    pub fn line(&self) -> Vec<u8> {
        self.words(as_shown).join(&b' ')
    }

    /// The rules as words for a file: quotes words of a selector that contain quotes or spaces.
    pub fn rules(&self) -> Vec<Vec<u8>> {
        self.words(for_file)
    }

    fn words(&self, write: impl Fn(bool, &[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
        let flags = self.flags().into_iter().map(|flag| flag.into());
        let hashes = self.passwords().into_iter();
        let mut words: Vec<Vec<u8>> = flags.collect();
        words.extend(hashes.map(|hash| format!("#{hash}").into_bytes()));
        let root = self.user.own.root.words();
        words.extend(root.iter().map(|word| write(false, word)));
        if !self.user.roles.is_empty() {
            let names = self.user.roles.join(&b',');
            words.push([b"role=", names.as_slice()].concat());
        }
        words.extend(self.budgets().into_iter().map(String::into_bytes));
        add_selectors(&mut words, &self.user.own.selectors, write);
        words
    }
}

impl Role {
    /// All rules on a single line, as ACL LIST shows them after the name.
    pub fn line(&self) -> Vec<u8> {
        self.words(as_shown).join(&b' ')
    }

    /// The rules as words for a file, as [`Description::rules`].
    pub fn rules(&self) -> Vec<Vec<u8>> {
        self.words(for_file)
    }

    fn words(&self, write: impl Fn(bool, &[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
        let root = self.root.words();
        let mut words = root.iter().map(|word| write(false, word)).collect();
        add_selectors(&mut words, &self.selectors, write);
        words
    }
}

fn as_shown(_in_selector: bool, text: &[u8]) -> Vec<u8> {
    text.to_vec()
}

fn for_file(in_selector: bool, text: &[u8]) -> Vec<u8> {
    if in_selector {
        quoted(text)
    } else {
        text.to_vec()
    }
}

fn add_selectors(
    words: &mut Vec<Vec<u8>>,
    selectors: &[Selector],
    write: impl Fn(bool, &[u8]) -> Vec<u8>,
) {
    for selector in selectors {
        let inner: Vec<Vec<u8>> = selector.words().iter().map(|w| write(true, w)).collect();
        words.push([b"(", inner.join(&b' ').as_slice(), b")"].concat());
    }
}

/// A word quoted so that `config::split` reads it back.
pub(super) fn quoted(word: &[u8]) -> Vec<u8> {
    if !word.is_empty() && !word.iter().any(|b| matches!(b, b'"' | b'\'' | b' ' | b')')) {
        return word.to_vec();
    }
    let mut out = Vec::new();
    russet_config::quote(&mut out, word);
    out
}

impl Selector {
    /// The command rules, `+@all` or `-@all` first.
    pub fn command_rules(&self) -> String {
        let mut text = String::from(if self.future { "+@all" } else { "-@all" });
        for rule in &self.rules {
            text.push_str(if rule.allows { " +" } else { " -" });
            text.push_str(&rule.name);
        }
        text
    }

    /// The key patterns, separated by spaces.
    pub fn key_rules(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let patterns: Vec<Vec<u8>> = self.keys.iter().map(key_rule).collect();
        patterns.join(&b' ')
    }

    /// The channel patterns, separated by spaces.
    pub fn channel_rules(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let patterns = self.channels.iter();
        let patterns: Vec<Vec<u8>> = patterns.map(|p| [b"&", p.text()].concat()).collect();
        patterns.join(&b' ')
    }

    /// `alldbs`, `db=1,2`, or nothing for none.
    pub fn database_rule(&self) -> String {
        match self.databases.as_deref() {
            None => "alldbs".to_owned(),
            Some([]) => String::new(),
            Some(some) => {
                let numbers: Vec<String> = some.iter().map(u32::to_string).collect();
                format!("db={}", numbers.join(","))
            }
        }
    }

    fn words(&self) -> Vec<Vec<u8>> {
        let mut words: Vec<Vec<u8>> = Vec::new();
        if self.all_keys {
            words.push(b"~*".to_vec())
        } else {
            words.extend(self.keys.iter().map(key_rule))
        }
        if self.all_channels {
            words.push(b"&*".to_vec());
        } else {
            words.push(b"resetchannels".to_vec());
            let patterns = self.channels.iter();
            words.extend(patterns.map(|pattern| [b"&", pattern.text()].concat()));
        }
        match self.databases.as_deref() {
            None => {}
            Some([]) => words.push(b"resetdbs".to_vec()),
            Some(_) => words.push(self.database_rule().into_bytes()),
        }
        let rules = self.command_rules();
        words.extend(rules.split(' ').map(|word| word.as_bytes().to_vec()));
        words
    }
}

fn key_rule((pattern, &rights): (&Pattern, &Rights)) -> Vec<u8> {
    let sign: &[u8] = match rights {
        Rights::READ => b"%R~",
        Rights::WRITE => b"%W~",
        _ => b"~",
    };
    [sign, pattern.text()].concat()
}
