//! What stands in the way of a file for a target: each key is told at once, reasons are counted. So
//! memory does not grow with the number of keys.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use crate::base::text::Printable;
use crate::config::Target;
use crate::keyspace::DbIndex;

/// Databases that a server has unless it is told otherwise.
const DATABASES_USUAL: u32 = 16;

/// See the module.
pub struct Obstacles<'a> {
    pub target: Target,
    told: &'a mut dyn Write,
    /// How often each reason was met.
    reasons: BTreeMap<String, u64>,
    keys: u64,
    libraries: u64,
    settings: u64,
    /// The highest database with a key that the target can read.
    last_db: u32,
    keys_read: u64,
}

impl<'a> Obstacles<'a> {
    /// `told`: receives a line for each obstacle.
    pub fn new(target: Target, told: &'a mut dyn Write) -> Obstacles<'a> {
        Obstacles {
            target,
            told,
            reasons: BTreeMap::new(),
            keys: 0,
            libraries: 0,
            settings: 0,
            last_db: 0,
            keys_read: 0,
        }
    }

    fn note(&mut self, what: &dyn fmt::Display, why: &str) {
        // If the output is closed, the counts are still right.
        let _ = writeln!(self.told, "{what}: {why}");
        *self.reasons.entry(why.to_owned()).or_default() += 1;
    }

    /// A key that the target can read.
    pub fn fine(&mut self, db: DbIndex) {
        self.keys_read += 1;
        self.last_db = self.last_db.max(db.0);
    }

    /// A key that has what the target cannot read.
    pub fn key(&mut self, db: DbIndex, key: &[u8], why: &str) {
        self.keys_read += 1;
        self.keys += 1;
        self.note(&format_args!("db {} key '{}'", db.0, Printable(key)), why);
    }

    /// A library of functions that the target cannot load.
    pub fn library(&mut self, name: &[u8], why: &str) {
        self.libraries += 1;
        // Each error has its own text: one reason for all.
        let _ = writeln!(self.told, "library '{}': {why}", Printable(name));
        let reason = "a library of functions that does not load".to_owned();
        *self.reasons.entry(reason).or_default() += 1;
    }

    /// What a module keeps beside the keys.
    pub fn settings(&mut self, module: &str) {
        self.settings += 1;
        let what = format_args!("settings of the module '{}'", Printable(module.as_bytes()));
        self.note(&what, "data of a module");
    }

    pub fn are_none(&self) -> bool {
        self.keys + self.libraries + self.settings == 0
    }

    /// The counts, and what the target must be set to: lines of text.
    pub fn summary(&self) -> String {
        let target = self.target.name();
        let mut text = match self.are_none() {
            true => format!("{target} can read all {} keys\n", self.keys_read),
            false => {
                let reasons = self.reasons.iter();
                let reasons: Vec<String> =
                    reasons.map(|(why, n)| format!("{n} times {why}")).collect();
                let (keys, all) = (self.keys, self.keys_read);
                let mut rest = String::new();
                for (n, what) in [(self.libraries, "libraries"), (self.settings, "settings")] {
                    if n > 0 {
                        rest += &format!(", {n} {what}");
                    }
                }
                let reasons = reasons.join(", ");
                format!("{target} cannot read {keys} of {all} keys{rest}: {reasons}\n")
            }
        };
        if self.last_db >= DATABASES_USUAL {
            let needed = u64::from(self.last_db) + 1;
            text += &format!("{target} must be started with `databases {needed}` or more\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_obstacle_is_told_and_counted() {
        let mut told = Vec::new();
        let mut found = Obstacles::new(Target::Redis72, &mut told);
        found.fine(DbIndex(0));
        assert!(found.are_none());
        assert_eq!(found.summary(), "redis-7.2 can read all 1 keys\n");
        found.fine(DbIndex(20));
        found.key(DbIndex(3), b"a\n", "fields that expire");
        found.key(DbIndex(3), b"b", "fields that expire");
        found.library(b"lib", "no such function");
        found.settings("search");
        let summary = found.summary();
        assert_eq!(
            summary,
            "redis-7.2 cannot read 2 of 4 keys, 1 libraries, 1 settings: \
             1 times a library of functions that does not load, 1 times data of a module, \
             2 times fields that expire\n\
             redis-7.2 must be started with `databases 21` or more\n"
        );
        let told = String::from_utf8(told).expect("ASCII");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        assert_eq!(lines[1], "db 3 key 'b': fields that expire");
        assert!(!lines[0].contains('\n') && lines[2].starts_with("library 'lib': no such"));
    }
}
