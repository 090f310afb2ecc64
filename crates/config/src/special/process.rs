//! Directives about the process: working directory, shutdown, OOM score.
//!
//! `dir` is resolved when it is read, against the `dir` before it: from then on it is absolute, and
//! an existing folder. A refused value changes nothing. `shutdown-on-*` refuses `save` with
//! `nosave`, and no words are `default`. Nothing here changes the process: `server` calls chdir and
//! writes the scores.

use super::{Lines, Special};
use crate::choices::Choice;
use crate::problem::refusal::ValueError;
use crate::words::{self, Text};

/// `dir`: the working directory. Absolute once a configuration is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir(pub Text);

impl Default for Dir {
    fn default() -> Self {
        Dir("./".into())
    }
}

impl Special for Dir {
    /// Resolves against the current `dir`, as a `chdir` would; the caller changes the directory.
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [word] = words else {
            return Err(ValueError::ArgumentCount);
        };
        if word.contains(&0) {
            return Err(ValueError::NulByte);
        }
        let target = if word.is_empty() {
            // `chdir("")` fails, but joining an empty path would not.
            Err(std::io::Error::from_raw_os_error(libc::ENOENT))
        } else {
            self.0.path().join(word.path()).canonicalize()
        };
        let target = target.map_err(|error| ValueError::system(&error))?;
        if !target.is_dir() {
            let error = std::io::Error::from_raw_os_error(libc::ENOTDIR);
            return Err(ValueError::system(&error));
        }
        self.0 = target.as_path().into();
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Always written: the file may be read from another working directory.
    fn lines(&self, _: &Self) -> Lines {
        let mut line = Vec::new();
        words::quote(&mut line, &self.0);
        Lines::Values(vec![(line, true)])
    }
}

/// `shutdown-on-sigint`, `shutdown-on-sigterm`: the SHUTDOWN options of a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownFlags {
    /// Save even without save points.
    pub save: bool,
    /// Do not save.
    pub nosave: bool,
    /// Do not wait for replicas.
    pub now: bool,
    /// Continue if saving fails.
    pub force: bool,
    /// Valkey: not as a primary that votes in a cluster.
    pub safe: bool,
    /// Valkey: a replica of the cluster takes over before.
    pub failover: bool,
}

/// A SHUTDOWN option, as these directives name it.
#[derive(Clone, Copy, PartialEq)]
enum ShutdownWord {
    Default,
    Save,
    Nosave,
    Now,
    Force,
    Safe,
    Failover,
}

/// The names that a refusal lists: Redis's.
const WORDS: &str = "default, save, nosave, now, force";

impl Choice for ShutdownWord {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("default", ShutdownWord::Default),
        ("save", ShutdownWord::Save),
        ("nosave", ShutdownWord::Nosave),
        ("now", ShutdownWord::Now),
        ("force", ShutdownWord::Force),
        ("safe", ShutdownWord::Safe),
        ("failover", ShutdownWord::Failover),
    ];
}

impl Special for ShutdownFlags {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let refused = || ValueError::NotOneOf(WORDS.to_owned());
        if words.is_empty() {
            return Err(refused());
        }
        let mut flags = ShutdownFlags::default();
        for word in words {
            match ShutdownWord::parse(word).ok_or_else(refused)? {
                ShutdownWord::Default => {}
                ShutdownWord::Save => flags.save = true,
                ShutdownWord::Nosave => flags.nosave = true,
                ShutdownWord::Now => flags.now = true,
                ShutdownWord::Force => flags.force = true,
                ShutdownWord::Safe => flags.safe = true,
                ShutdownWord::Failover => flags.failover = true,
            }
        }
        if flags.save && flags.nosave {
            return Err(ValueError::SaveAndNosave);
        }
        *self = flags;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let words = [
            (self.save, "save"),
            (self.nosave, "nosave"),
            (self.now, "now"),
            (self.force, "force"),
            (self.safe, "safe"),
            (self.failover, "failover"),
        ];
        let set: Vec<&str> = words
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, word)| *word)
            .collect();
        if set.is_empty() {
            b"default".to_vec()
        } else {
            set.join(" ").into_bytes()
        }
    }
}

/// `oom-score-adj-values`: the kernel's OOM score as primary, replica, background child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomScoreAdjValues(pub [i32; 3]);

impl Default for OomScoreAdjValues {
    fn default() -> Self {
        OomScoreAdjValues([0, 200, 800])
    }
}

impl Special for OomScoreAdjValues {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let words: &[Text; 3] = words.try_into().map_err(|_| ValueError::ArgumentCount)?;
        let mut scores = [0; 3];
        for (score, word) in scores.iter_mut().zip(words) {
            *score = words::parse_c_number(word, 10)
                .and_then(|n| i32::try_from(n).ok())
                .filter(|n| (-2000..=2000).contains(n))
                .ok_or(ValueError::OomScore)?;
        }
        self.0 = scores;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let [primary, replica, child] = self.0;
        format!("{primary} {replica} {child}").into_bytes()
    }
}
