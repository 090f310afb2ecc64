//! CONFIG SET: several values at once, all or none.
//!
//! The caller applies the changes (listen again, chdir, resize) and undoes everything with
//! [`Changes::roll_back`] if that fails:
//!
//!     let changes = config.set(args, gate)?;
//!     for name in changes.names() { if let Err(why) = apply(name) {
//!         let error = changes.roll_back(&mut config, name, why);
//!         ... apply the old values of the names done so far ...
//!         return Err(error);
//!     }}

use std::fmt;

use super::dialect::Dialect;
use super::directive::{Directive, Flags};
use super::problem::refusal::ValueError;
use super::table::{Config, find};
use super::words::Text;

/// The permissions of the connection and the state of the server.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// Whether `enable-protected-configs` allows this connection to change protected directives.
    pub protected: bool,
    /// Whether a data set is being loaded.
    pub loading: bool,
}

/// A refusal. `Display` is the line after `-`, byte for byte what Redis sends, except
/// that a line break in a name is left to the reply writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetError {
    /// A name without a value.
    Syntax,
    /// No directive has this name.
    Unknown(Vec<u8>),
    /// Refused while loading.
    Loading,
    /// The name as given, and why the directive refuses its value.
    Refused(Vec<u8>, String),
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.line()))
    }
}

impl std::error::Error for SetError {}

impl SetError {
    /// The line after `-`, as bytes: a name may contain any bytes.
    pub fn line(&self) -> Vec<u8> {
        match self {
            SetError::Syntax => b"ERR syntax error".to_vec(),
            SetError::Loading => b"LOADING Redis is loading the dataset in memory".to_vec(),
            SetError::Unknown(name) => {
                let start = b"ERR Unknown option or number of arguments for CONFIG SET - '";
                [start, name.as_slice(), b"'"].concat()
            }
            SetError::Refused(name, reason) => {
                let start = b"ERR CONFIG SET failed (possibly related to argument '";
                [start, name.as_slice(), b"') - ", reason.as_bytes()].concat()
            }
        }
    }
}

/// The changes of a CONFIG SET, and how to undo them.
#[derive(Debug)]
pub struct Changes {
    names: Vec<&'static str>,
    before: Box<Config>,
}

impl Changes {
    /// The directives whose value is new, by main name, in the order given.
    ///
    /// Directives about something outside (`bind`, TLS files) are included even if unchanged.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// The previous settings.
    pub fn before(&self) -> &Config {
        &self.before
    }

    /// Restores every value, because applying `name` failed; returns the error to reply.
    pub fn roll_back(self, config: &mut Config, name: &str, reason: impl fmt::Display) -> SetError {
        *config = *self.before;
        SetError::Refused(name.as_bytes().to_vec(), reason.to_string())
    }
}

impl Config {
    /// Sets all pairs of name and value in `args`, or none.
    ///
    /// Errors have Redis's order: a name without a value; then, by position, the first name
    /// that is unknown, immutable, protected, refused while loading or given twice; then the
    /// first value that is not accepted.
    pub fn set(&mut self, args: &[&[u8]], gate: Gate) -> Result<Changes, SetError> {
        if !args.len().is_multiple_of(2) {
            return Err(SetError::Syntax);
        }
        let pairs = find_all(args, gate, self.dialect)?;
        let before = Box::new(self.clone());
        for (directive, name, value) in &pairs {
            let set = self.set_one(directive, value);
            if let Err(reason) = set.and_then(|()| self.check_events()) {
                *self = *before;
                let name = name.to_ascii_lowercase();
                return Err(SetError::Refused(name, reason.to_string()));
            }
        }
        self.settle();
        let is_new =
            |d: &Directive| d.flags.contains(Flags::VOLATILE) || d.text(self) != d.text(&before);
        let mut names: Vec<&'static str> = Vec::new();
        for (directive, ..) in pairs {
            if is_new(directive) && !names.contains(&directive.name) {
                names.push(directive.name);
            }
        }
        Ok(Changes { names, before })
    }

    /// Whether the dialect knows the classes of `notify-keyspace-events`.
    pub(super) fn check_events(&self) -> Result<(), ValueError> {
        let is_unknown =
            !self.dialect.has_redis_events() && self.notify_keyspace_events.is_redis_only();
        if is_unknown {
            Err(ValueError::ValkeyEventClass)
        } else {
            Ok(())
        }
    }

    fn set_one(&mut self, directive: &Directive, value: &[u8]) -> Result<(), ValueError> {
        let words: Vec<Text> = if directive.flags.contains(Flags::MULTI_ARG) {
            // Split at single spaces, no quotes; two spaces enclose an empty word.
            value.split(|&b| b == b' ').map(Text::from).collect()
        } else {
            vec![value.into()]
        };
        // Here an empty value means no words at all.
        let words = match words.as_slice() {
            [only] if only.is_empty() && directive.name == "client-output-buffer-limit" => &[],
            words => words,
        };
        directive.read(self, words, false)
    }
}

/// A directive, the name it was given by, and its new value.
type Pair<'a> = (&'static Directive, &'a [u8], &'a [u8]);

/// The directive, name and value of each pair, if all of them may be set.
fn find_all<'a>(
    args: &[&'a [u8]],
    gate: Gate,
    dialect: Dialect,
) -> Result<Vec<Pair<'a>>, SetError> {
    let mut pairs: Vec<Pair<'a>> = Vec::with_capacity(args.len() / 2);
    for pair in args.chunks_exact(2) {
        let (name, value) = (pair[0], pair[1]);
        let Some(directive) = find(name) else {
            return Err(SetError::Unknown(name.to_vec()));
        };
        let refused = |why: &str| Err(SetError::Refused(name.to_vec(), why.to_owned()));
        if directive.flags.contains(Flags::IMMUTABLE) {
            return refused("can't set immutable config");
        }
        if directive.flags.contains(Flags::PROTECTED) && !gate.protected {
            return refused("can't set protected config");
        }
        if gate.loading && directive.flags.contains(Flags::DENY_LOADING) {
            return Err(SetError::Loading);
        }
        let is_same = |(given, known, _): &Pair<'_>| {
            if dialect.sets_by_alias_too() {
                known.eq_ignore_ascii_case(name)
            } else {
                given.name == directive.name
            }
        };
        if pairs.iter().any(is_same) {
            return refused("duplicate parameter");
        }
        pairs.push((directive, name, value));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MaxMemory;

    const OPEN: Gate = Gate {
        protected: true,
        loading: false,
    };

    fn set(config: &mut Config, args: &[&str]) -> Result<Vec<&'static str>, String> {
        set_gated(config, args, OPEN)
    }

    fn set_gated(
        config: &mut Config,
        args: &[&str],
        gate: Gate,
    ) -> Result<Vec<&'static str>, String> {
        let args: Vec<&[u8]> = args.iter().map(|a| a.as_bytes()).collect();
        let changes = config.set(&args, gate).map_err(|error| error.to_string())?;
        Ok(changes.names().to_vec())
    }

    fn refused(args: &[&str]) -> String {
        let mut config = Config::default();
        let error = set(&mut config, args).unwrap_err();
        assert!(
            config == Config::default(),
            "{args:?} left something behind"
        );
        error
    }

    #[test]
    fn a_name_and_its_alias_are_one_directive_but_for_valkey() {
        let args = ["slave-priority", "1", "replica-priority", "2"];
        assert_eq!(
            refused(&args),
            "ERR CONFIG SET failed (possibly related to argument 'replica-priority') - \
             duplicate parameter"
        );
        let mut config = Config {
            dialect: Dialect::Valkey,
            ..Config::default()
        };
        assert_eq!(set(&mut config, &args), Ok(vec!["replica-priority"]));
        assert_eq!(config.replica_priority, 2, "the later one wins");
    }

    #[test]
    fn valkey_knows_no_classes_of_events_that_only_redis_has() {
        let mut config = Config {
            dialect: Dialect::Valkey,
            ..Config::default()
        };
        for letter in ["o", "c", "a", "S", "T", "I", "V", "AKEo"] {
            let args = ["notify-keyspace-events", letter];
            assert_eq!(
                set(&mut config, &args).expect_err(letter),
                "ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - \
                 Invalid event class character. Use 'Ag$lshzxeKEtmdn'."
            );
            assert!(set(&mut Config::default(), &args).is_ok(), "{letter}");
        }
        for letters in ["AKEmn", "g$lshzxetdKE"] {
            let args = ["notify-keyspace-events", letters];
            assert!(set(&mut config, &args).is_ok(), "{letters}");
        }
    }

    #[test]
    fn what_changed_is_named_once_and_by_its_main_name() {
        let mut config = Config::default();
        let args = ["MAXMEMORY", "1gb", "hz", "10", "slave-priority", "2"];
        assert_eq!(
            set(&mut config, &args).unwrap(),
            ["maxmemory", "replica-priority"]
        );
        assert_eq!(config.maxmemory, MaxMemory::Bytes(1 << 30));
        assert_eq!(config.replica_priority, 2);
        assert_eq!(set(&mut config, &["maxmemory", ""]).unwrap(), ["maxmemory"]);
        assert_eq!(config.maxmemory, MaxMemory::Bytes(0));
    }

    #[test]
    fn refusals_are_in_redis_words_and_change_nothing() {
        let failed = "ERR CONFIG SET failed (possibly related to argument";
        let cases: &[(&[&str], String)] = &[
            (&["port"], "ERR syntax error".into()),
            (
                &["foo", "1", "databases", "5"],
                "ERR Unknown option or number of arguments for CONFIG SET - 'foo'".into(),
            ),
            (
                &["databases", "5", "foo", "1"],
                format!("{failed} 'databases') - can't set immutable config"),
            ),
            (
                &["port", "1", "port", "2"],
                format!("{failed} 'port') - duplicate parameter"),
            ),
            (
                &["maxmemory", "1gb", "hz", "foo"],
                format!("{failed} 'hz') - argument couldn't be parsed into an integer"),
            ),
            (
                &["slave-priority", "abc"],
                format!("{failed} 'slave-priority') - argument couldn't be parsed into an integer"),
            ),
            (
                &["maxmemory", "-1"],
                format!("{failed} 'maxmemory') - argument must be a memory value"),
            ),
            (
                &["maxmemory-clients", "101%"],
                format!(
                    "{failed} 'maxmemory-clients') - percentage argument must be less or equal to 100"
                ),
            ),
            (
                &["maxmemory-clients", "-5"],
                format!(
                    "{failed} 'maxmemory-clients') - argument must be a memory or percent value"
                ),
            ),
            (
                &["list-max-ziplist-size", "99999999999"],
                format!(
                    "{failed} 'list-max-ziplist-size') - argument must be between -2147483648 and 2147483647 inclusive"
                ),
            ),
            (
                &["maxclients", "-1"],
                format!(
                    "{failed} 'maxclients') - argument must be between 1 and 4294967295 inclusive"
                ),
            ),
            (
                &["replica-read-only", "maybe"],
                format!("{failed} 'replica-read-only') - argument must be 'yes' or 'no'"),
            ),
            (
                &["appendfsync", "foo"],
                format!(
                    "{failed} 'appendfsync') - argument(s) must be one of the following: everysec, always, no"
                ),
            ),
            (
                &["shutdown-on-sigint", "nosave save"],
                format!(
                    "{failed} 'shutdown-on-sigint') - shutdown options SAVE and NOSAVE can't be used simultaneously"
                ),
            ),
            (
                &["save", "1 2  3 4"],
                format!("{failed} 'save') - Invalid save parameters"),
            ),
            (
                &["dir", "/nonexist"],
                format!("{failed} 'dir') - No such file or directory"),
            ),
            (
                &["client-output-buffer-limit", "normal 1 2"],
                format!(
                    "{failed} 'client-output-buffer-limit') - Wrong number of arguments in buffer limit configuration."
                ),
            ),
        ];
        for (args, error) in cases {
            assert_eq!(refused(args), *error);
        }
    }

    #[test]
    fn protected_and_loading_refusals_depend_on_the_gate() {
        let mut config = Config::default();
        let shut = Gate {
            protected: false,
            loading: false,
        };
        assert_eq!(
            set_gated(&mut config, &["dbfilename", "x"], shut).unwrap_err(),
            "ERR CONFIG SET failed (possibly related to argument 'dbfilename') - can't set protected config"
        );
        let loading = Gate {
            protected: true,
            loading: true,
        };
        assert_eq!(
            set_gated(&mut config, &["dir", "/"], loading).unwrap_err(),
            "LOADING Redis is loading the dataset in memory"
        );
        assert_eq!(
            set_gated(&mut config, &["hz", "20"], loading).unwrap(),
            ["hz"]
        );
    }

    #[test]
    fn values_of_several_words_print_as_redis_prints_them() {
        let cases = [
            ("save", "", ""),
            ("save", "900 1 300 10", "900 1 300 10"),
            ("hz", "10000", "500"),
            ("shutdown-on-sigint", "force NOW", "now force"),
            ("notify-keyspace-events", "KEAm", "AKEm"),
            ("notify-keyspace-events", "xnK", "xnK"),
            ("maxmemory-clients", "50%", "50%"),
            ("maxmemory-clients", "0%", "0"),
            (
                "latency-tracking-info-percentiles",
                "50 99.9999999 0.12345678",
                "50 100 0.123457",
            ),
            (
                "client-output-buffer-limit",
                "slave 1gb 0 5",
                "normal 0 0 0 slave 1073741824 0 5 pubsub 33554432 8388608 60",
            ),
            ("oom-score-adj", "relative", "yes"),
            ("bind", "127.0.0.1 -::1", "127.0.0.1 -::1"),
            ("bind", "", ""),
        ];
        for (name, value, text) in cases {
            let mut config = Config::default();
            set(&mut config, &[name, value]).unwrap();
            assert_eq!(
                find(name.as_bytes()).unwrap().text(&config),
                text.as_bytes(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_failed_apply_takes_everything_back() {
        let mut config = Config::default();
        let changes = config
            .set(&[b"port", b"1", b"maxclients", b"5"], OPEN)
            .unwrap();
        assert_eq!(changes.names(), ["port", "maxclients"]);
        let error = changes.roll_back(
            &mut config,
            "port",
            "Unable to listen on this port. Check server logs.",
        );
        assert_eq!(
            error.to_string(),
            "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs."
        );
        assert!(config == Config::default());
    }
}
