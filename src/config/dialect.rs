//! `dialect`: where Redis and Valkey differ and both cannot be had.
//!
//! One row for each difference, a method of [`Dialect`]; code asks where the difference shows and
//! nowhere else. What can be had without a clash is in both dialects and has no row: commands,
//! options, fields and words that only one of them knows. The directive counts at start only, so
//! whatever is made then (defaults, the libraries of scripts) never changes.
//!
//! `docs/compatibility.md` describes the rows for users.

use super::choices::Choice;
use super::directive::Directive;
use super::reader::REDIS_VERSION;
use super::table::{Config, find};
use super::words;

/// `dialect`: the server whose answers count where Redis and Valkey differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    #[default]
    Redis,
    Valkey,
}

impl Choice for Dialect {
    const NAMES: &'static [(&'static str, Self)] =
        &[("redis", Dialect::Redis), ("valkey", Dialect::Valkey)];
}

/// The version of Valkey whose answers are given.
const VALKEY_VERSION: &str = "9.1.2";

macro_rules! differences {
    ($($(#[$doc:meta])+ $name:ident: $type:ty = $redis:expr, $valkey:expr;)+) => {
        impl Dialect {
            $($(#[$doc])+
            #[inline]
            pub(crate) const fn $name(self) -> $type {
                match self {
                    Dialect::Redis => $redis,
                    Dialect::Valkey => $valkey,
                }
            })+
        }
    };
}

differences! {
    // The server's name and version.

    /// The name in logs, `--version` and crash reports.
    product: &'static str = "Redis", "Valkey";
    /// The version beside that name, and HELLO's.
    version: &'static str = REDIS_VERSION, VALKEY_VERSION;
    /// The version of Redis that the server compares to: INFO, scripts, files.
    redis_version: &'static str = REDIS_VERSION, "7.2.4";
    /// INFO's and the scripts' `valkey_version`.
    valkey_version: Option<&'static str> = None, Some(VALKEY_VERSION);
    /// HELLO's `server`.
    hello_name: &'static str = "redis", "valkey";
    /// INFO's `server_name`.
    server_name: &'static str = "russet", "valkey";

    /// MODULE LIST: Valkey's Lua is a module, which is built in.
    modules: &'static [&'static str] = &[], &["lua"];

    /// The primary's name in log lines: in capitals, as the first word, inside a sentence.
    primary_words: [&'static str; 3] =
        ["MASTER", "Master", "master"], ["PRIMARY", "Primary", "primary"];

    // Defaults.

    /// Directives with another default than the table's.
    defaults: &'static [(&'static str, &'static str)] = &[], VALKEY_DEFAULTS;
}

const VALKEY_DEFAULTS: &[(&str, &str)] = &[
    ("hide-user-data-from-log", "yes"),
    ("lazyfree-lazy-eviction", "yes"),
    ("lazyfree-lazy-expire", "yes"),
    ("lazyfree-lazy-server-del", "yes"),
    ("lazyfree-lazy-user-del", "yes"),
    ("lazyfree-lazy-user-flush", "yes"),
    ("repl-backlog-size", "10mb"),
    ("replica-lazy-flush", "yes"),
    ("syslog-ident", "valkey"),
];

impl Dialect {
    /// The dialect of a program of this name: `valkey-server` and the like speak Valkey's.
    pub fn of_program(name: &str) -> Dialect {
        match name.starts_with("valkey-") {
            true => Dialect::Valkey,
            false => Dialect::Redis,
        }
    }

    /// Sets the defaults that differ from the table's, but for those that `is_set` names.
    pub(super) fn set_defaults(self, config: &mut Config, is_set: impl Fn(&Directive) -> bool) {
        for &(name, value) in self.defaults() {
            let directive = find(name.as_bytes()).expect("a directive of the table");
            if !is_set(directive) {
                let value = words::Text::from(value.as_bytes());
                let read = directive.read(config, &[value], false);
                read.expect("a value that the directive takes");
            }
        }
    }
}

impl Config {
    /// The defaults of a server with this one's dialect, which its program's name implies.
    pub(super) fn defaults(&self) -> Config {
        let mut config = Config {
            dialect: self.named_dialect,
            named_dialect: self.named_dialect,
            ..Config::default()
        };
        self.dialect.set_defaults(&mut config, |_| false);
        config
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Sources, load};
    use super::*;

    fn config(text: &str, named: Dialect) -> Config {
        let sources = Sources {
            stdin: Some(text.as_bytes().to_vec()),
            dialect: named,
            ..Sources::default()
        };
        load(&sources).expect("it loads").config
    }

    #[test]
    fn names_of_programs_imply_a_dialect() {
        for (name, dialect) in [
            ("valkey-server", Dialect::Valkey),
            ("redis-server", Dialect::Redis),
            ("russet", Dialect::Redis),
        ] {
            assert_eq!(Dialect::of_program(name), dialect, "{name}");
        }
    }

    #[test]
    fn a_line_overrides_the_name() {
        assert_eq!(config("", Dialect::Valkey).dialect, Dialect::Valkey);
        assert_eq!(
            config("dialect redis", Dialect::Valkey).dialect,
            Dialect::Redis
        );
        assert_eq!(
            config("dialect Valkey", Dialect::Redis).dialect,
            Dialect::Valkey
        );
    }

    #[test]
    fn defaults_follow_the_dialect_wherever_its_line_is() {
        for text in [
            "dialect valkey\nrepl-backlog-size 3mb",
            "repl-backlog-size 3mb\ndialect valkey",
        ] {
            let config = config(text, Dialect::Redis);
            assert_eq!(config.repl_backlog_size, 3 << 20);
            assert!(config.lazyfree_lazy_eviction);
        }
        let config = config("dialect redis", Dialect::Valkey);
        assert!(!config.lazyfree_lazy_eviction);
    }

    /// A value that is the default of Redis alone would have been lost.
    #[test]
    fn a_rewrite_keeps_what_differs_from_the_dialects_defaults() {
        let rewritten = |text: &str, named| {
            let text = config(text, named).rewrite(b"", false);
            let text = String::from_utf8(text).expect("UTF-8");
            let is_wanted = |line: &&str| {
                ["dialect", "lazyfree", "repl-backlog", "syslog"]
                    .iter()
                    .any(|name| line.starts_with(name))
            };
            let lines: Vec<&str> = text.lines().filter(is_wanted).collect();
            lines.join("; ")
        };
        assert_eq!(rewritten("", Dialect::Valkey), "");
        assert_eq!(
            rewritten("dialect valkey", Dialect::Redis),
            "dialect valkey"
        );
        assert_eq!(rewritten("dialect redis", Dialect::Valkey), "dialect redis");
        assert_eq!(
            rewritten("repl-backlog-size 1mb", Dialect::Valkey),
            "repl-backlog-size 1mb"
        );
    }
}
