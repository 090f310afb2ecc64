//! A directive: its name, its kind of value, and how to read and write its field.
//!
//! The rows are in `table.rs`; values of several words in `special`.

use super::problem::refusal::ValueError;
use super::special::Lines;
use super::table::Config;
use super::words::{self, Text};
use russet_base::{glob, numbers::number};

/// A row of the table.
pub struct Directive {
    /// The name in documentation and rewritten files.
    pub name: &'static str,
    /// An older name for the same field.
    pub alias: Option<&'static str>,
    /// The properties.
    pub flags: Flags,
    /// Whether russet acts on it yet.
    pub support: Support,
    /// The value.
    pub kind: ValueKind,
}

bitflags::bitflags! {
    /// Properties of a directive.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// Set only at start; CONFIG SET refuses.
        const IMMUTABLE = 1;
        /// Kept out of logs, SLOWLOG and MONITOR.
        const SENSITIVE = 1 << 1;
        /// CONFIG SET needs `enable-protected-configs`.
        const PROTECTED = 1 << 2;
        /// CONFIG GET shows it only by its exact name.
        const HIDDEN = 1 << 3;
        /// Takes any number of words and checks their count itself.
        const MULTI_ARG = 1 << 4;
        /// CONFIG SET is refused while a data set is loading.
        const DENY_LOADING = 1 << 5;
        /// Part of a crash report's configuration.
        const DEBUG = 1 << 6;
        /// CONFIG SET applies it even if unchanged: the file or address that it names may have
        /// changed.
        const VOLATILE = 1 << 7;
    }
}

/// Whether russet acts on a directive. `docs/compatibility.md` lists the rows that do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// The directive has its effect.
    Works,
    /// Accepted and reported, without effect: russet has nothing to tune.
    NotNeeded,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Digits.
    Plain,
    /// Digits with an optional unit: `64mb`.
    Memory,
    /// Octal digits, as for file modes.
    Octal,
}

/// A directive's value: the texts that it accepts, and access to its field.
pub enum ValueKind {
    /// `yes` or `no`.
    Bool {
        get: fn(&Config) -> bool,
        set: fn(&mut Config, bool),
    },
    /// A number from `min` to `max`. `i128` holds both `i64` and `u64`.
    Number {
        unit: Unit,
        min: i128,
        max: i128,
        /// Refuses a value that does not fit the other settings.
        check: fn(&Config, i128) -> Result<(), ValueError>,
        get: fn(&Config) -> i128,
        set: fn(&mut Config, i128),
    },
    /// A choice among several names.
    Choice {
        /// The accepted names, in the order that a refusal lists them.
        names: fn(&Config) -> Vec<&'static str>,
        get: fn(&Config) -> &'static str,
        /// False if no value has this name.
        set: fn(&mut Config, &[u8]) -> bool,
    },
    /// Any bytes that `check` accepts.
    Text {
        empty: EmptyMeaning,
        check: fn(&[u8]) -> Result<(), ValueError>,
        get: fn(&Config) -> &Text,
        set: fn(&mut Config, Text),
    },
    /// A grammar of its own.
    Special {
        read: fn(&mut Config, &[Text], bool) -> Result<(), ValueError>,
        text: fn(&Config) -> Vec<u8>,
        lines: fn(&Config, &Config) -> Lines,
    },
}

/// The meaning of an empty text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyMeaning {
    /// A value like others: written as `""`.
    Value,
    /// Not set: CONFIG REWRITE writes no line.
    Unset,
    /// Not set; the text may contain NUL bytes, as passwords may.
    UnsetSecret,
}

/// Whether CONFIG GET takes it for a pattern, not for a name.
pub(super) fn is_pattern(text: &[u8]) -> bool {
    text.iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

impl Directive {
    /// Reads `words`, which follow the directive's name, into `config`.
    ///
    /// `append`: an earlier line of the same file set a value (`save` adds up).
    /// On a refusal `config` is unchanged.
    pub fn read(
        &self,
        config: &mut Config,
        words: &[Text],
        append: bool,
    ) -> Result<(), ValueError> {
        if let ValueKind::Special { read, .. } = self.kind {
            return read(config, words, append);
        }
        let [word] = words else {
            return Err(ValueError::ArgumentCount);
        };
        match &self.kind {
            ValueKind::Bool { set, .. } => set(config, read_yes_no(word)?),
            ValueKind::Number {
                unit,
                min,
                max,
                check,
                set,
                ..
            } => {
                let n = read_number(word, *unit, *min, *max)?;
                check(config, n)?;
                set(config, n);
            }
            ValueKind::Choice { names, set, .. } => {
                if !set(config, word) {
                    return Err(ValueError::NotOneOf(names(config).join(", ")));
                }
            }
            ValueKind::Text {
                empty, check, set, ..
            } => {
                if *empty != EmptyMeaning::UnsetSecret && word.contains(&0) {
                    return Err(ValueError::NulByte);
                }
                check(word)?;
                set(config, word.clone());
            }
            ValueKind::Special { .. } => unreachable!("read above"),
        }
        Ok(())
    }

    /// The value as CONFIG GET shows it.
    pub fn text(&self, config: &Config) -> Vec<u8> {
        match &self.kind {
            ValueKind::Bool { get, .. } => yes_no(get(config)).into(),
            ValueKind::Number {
                unit: Unit::Octal,
                get,
                ..
            } => format!("{:o}", get(config)).into_bytes(),
            ValueKind::Number { get, .. } => get(config).to_string().into_bytes(),
            ValueKind::Choice { get, .. } => get(config).into(),
            ValueKind::Text { get, .. } => get(config).to_vec(),
            ValueKind::Special { text, .. } => text(config),
        }
    }

    /// The values CONFIG REWRITE writes, without the name.
    pub fn lines(&self, config: &Config, default: &Config) -> Lines {
        let line = match &self.kind {
            ValueKind::Special { lines, .. } => return lines(config, default),
            ValueKind::Number {
                unit: Unit::Memory,
                get,
                ..
            } => {
                let bytes = u64::try_from(get(config)).expect("memory is not negative");
                words::memory_text(bytes).into_bytes()
            }
            ValueKind::Text { empty, get, .. } => {
                let text = get(config);
                if text.is_empty() && *empty != EmptyMeaning::Value {
                    return Lines::None;
                }
                let mut line = Vec::new();
                words::quote(&mut line, text);
                line
            }
            _ => self.text(config),
        };
        Lines::Values(vec![(line, self.text(config) != self.text(default))])
    }

    /// Whether its value is yes or no.
    pub fn is_flag(&self) -> bool {
        matches!(self.kind, ValueKind::Bool { .. })
    }

    /// Whether this is its name or alias, in any case.
    pub fn is_named(&self, name: &[u8]) -> bool {
        self.names()
            .any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
    }

    /// Whether CONFIG GET finds it by this name or pattern.
    pub fn matches(&self, pattern: &[u8]) -> bool {
        if !is_pattern(pattern) {
            return self.is_named(pattern);
        }
        let fits = |name: &str| glob::matches(pattern, name.as_bytes(), true);
        !self.flags.contains(Flags::HIDDEN) && self.names().any(fits)
    }

    /// The kind of value, in a word.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            ValueKind::Bool { .. } => "bool",
            ValueKind::Number { unit, .. } => match unit {
                Unit::Plain => "number",
                Unit::Memory => "memory",
                Unit::Octal => "octal",
            },
            ValueKind::Choice { .. } => "choice",
            ValueKind::Text { .. } => "text",
            ValueKind::Special { .. } => "words",
        }
    }

    /// The bounds of a number.
    pub fn range(&self) -> Option<(i128, i128)> {
        match self.kind {
            ValueKind::Number { min, max, .. } => Some((min, max)),
            _ => None,
        }
    }

    /// The names of a choice; empty for other kinds.
    pub fn values(&self, config: &Config) -> Vec<&'static str> {
        match &self.kind {
            ValueKind::Choice { names, .. } => names(config),
            _ => Vec::new(),
        }
    }

    /// Whether russet acts on it.
    pub fn has_effect(&self) -> bool {
        self.support == Support::Works
    }

    /// The name, then its alias.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.alias)
    }
}

fn read_yes_no(word: &[u8]) -> Result<bool, ValueError> {
    match word.to_ascii_lowercase().as_slice() {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err(ValueError::NotYesOrNo),
    }
}

fn read_number(word: &[u8], unit: Unit, min: i128, max: i128) -> Result<i128, ValueError> {
    let n = match unit {
        Unit::Plain => i128::from(number::parse_i64(word).ok_or(ValueError::NotAnInteger)?),
        Unit::Memory => i128::from(words::parse_memory(word).ok_or(ValueError::NotMemory)?),
        Unit::Octal => i128::from(words::parse_c_number(word, 8).ok_or(ValueError::NotOctal)?),
    };
    if (min..=max).contains(&n) {
        return Ok(n);
    }
    Err(match unit {
        Unit::Octal => ValueError::OutOfRange {
            min: format!("{min:o}"),
            max: format!("{max:o}"),
        },
        _ => ValueError::OutOfRange {
            min: min.to_string(),
            max: max.to_string(),
        },
    })
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
