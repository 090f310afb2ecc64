//! The obstacles to writing a file for a target. Each is written out as it is found, and only the
//! reasons are counted. So memory does not grow with the number of keys.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use super::super::rdb::{ModuleData, OTHER_MODULES};
use russet_base::text::Printable;
use russet_config::Release;
use russet_keyspace::DbIndex;
use russet_types::Type;

/// Databases that a server has by default.
const DATABASES_USUAL: u32 = 16;

/// The reason for all data of modules, of which a file may name any number.
const MODULE_DATA: &str = "data of a module";

/// See the module.
pub struct Obstacles<'a> {
    /// The server that the file is for.
    pub target: Release,
    out: &'a mut dyn Write,
    /// How often each reason was met.
    reasons: BTreeMap<&'static str, u64>,
    keys: u64,
    libraries: u64,
    /// Obstacles that are neither keys nor libraries.
    others: u64,
    /// The highest database with a key that the target can read.
    last_db: u32,
    keys_read: u64,
    /// Keys without elements, which no server loads.
    empty_keys: u64,
    /// Keys with a mark of BLESS, which the target does not have.
    marks: u64,
    /// Keys of types for which the target needs a module: the module, and the type's name.
    modules: BTreeMap<(&'static str, &'static str), u64>,
    /// Lines of the summary: losses that are no obstacles.
    notes: String,
}

impl<'a> Obstacles<'a> {
    /// `out`: receives a line for each obstacle.
    pub fn new(target: Release, out: &'a mut dyn Write) -> Obstacles<'a> {
        Obstacles {
            target,
            out,
            reasons: BTreeMap::new(),
            keys: 0,
            libraries: 0,
            others: 0,
            last_db: 0,
            keys_read: 0,
            empty_keys: 0,
            marks: 0,
            modules: BTreeMap::new(),
            notes: String::new(),
        }
    }

    /// Writes to where the obstacles are named.
    pub fn write(&mut self, text: &str) {
        // If the output is closed, there is nowhere else to report it; the counts are still right.
        let _ = self.out.write_all(text.as_bytes());
    }

    fn note(&mut self, what: fmt::Arguments<'_>, why: &str, reason: &'static str) {
        self.write(&format!("{what}: {why}\n"));
        *self.reasons.entry(reason).or_default() += 1;
    }

    /// A key that the target can read.
    pub fn fine(&mut self, db: DbIndex) {
        self.keys_read += 1;
        self.last_db = self.last_db.max(db.0);
    }

    /// A key of a type that the target has if a module is loaded.
    pub fn of_module(&mut self, kind: Type) {
        let is_built_in = self.target.has_modules();
        let mut modules = OTHER_MODULES.iter().filter(|_| !is_built_in);
        if let Some((_, module, what)) = modules.find(|its| its.0 == kind) {
            *self.modules.entry((module, what)).or_default() += 1;
        }
    }

    /// Indexes, which the target has if a module is loaded.
    pub fn indexes(&mut self, n: usize) {
        if n > 0 && !self.target.has_modules() {
            let target = self.target.name();
            self.notes += &format!("{target} must have the module search: it has {n} indexes\n");
        }
    }

    /// A key with a value that the target cannot read.
    pub fn key(&mut self, db: DbIndex, key: &[u8], why: &'static str) {
        self.keys_read += 1;
        self.keys += 1;
        self.note(format_args!("{}", KeyLabel(db, key)), why, why);
    }

    /// Data of a module, which has no form that another server reads.
    pub fn module(&mut self, module: &str, of: ModuleData<'_>) {
        let module = Printable(module.as_bytes());
        match of {
            ModuleData::Key(db, key) => {
                self.keys_read += 1;
                self.keys += 1;
                let why = format!("a value of the module '{module}'");
                self.note(format_args!("{}", KeyLabel(db, key)), &why, MODULE_DATA);
            }
            ModuleData::Settings => {
                self.others += 1;
                let what = format_args!("settings of the module '{module}'");
                self.note(what, MODULE_DATA, MODULE_DATA);
            }
        }
    }

    /// A key's module metadata; the key itself is judged separately.
    pub fn metadata(&mut self, db: DbIndex, key: &[u8]) {
        self.others += 1;
        let what = format_args!("metadata of {}", KeyLabel(db, key));
        self.note(what, MODULE_DATA, MODULE_DATA);
    }

    /// Slots were being imported where the file was made: its keys of them may not be all.
    pub fn slot_import(&mut self) {
        const REASON: &str = "the state of an import";
        self.others += 1;
        self.note(
            format_args!("slots that were being imported"),
            REASON,
            REASON,
        );
    }

    /// A library of functions that the target cannot load.
    pub fn library(&mut self, name: &[u8], why: &str) {
        self.libraries += 1;
        // Each error has its own text: one reason for all.
        const REASON: &str = "a library of functions that does not load";
        self.note(format_args!("library '{}'", Printable(name)), why, REASON);
    }

    /// A key without elements.
    pub fn empty_key(&mut self) {
        self.empty_keys += 1;
    }

    /// A key's mark of BLESS, without which the target reads the key.
    pub fn mark_lost(&mut self) {
        self.marks += 1;
    }

    /// The end of an append only file that is no whole command or transaction, as after a crash.
    pub fn cut_end(&mut self, file: &str, offset: u64, bytes: u64) {
        self.notes += &format!(
            "{file}: left out, {bytes} bytes from offset {offset} on: its end is not a whole command \
             or transaction\n"
        );
    }

    /// Whether the target reads all of the data.
    pub fn are_none(&self) -> bool {
        self.keys + self.libraries + self.others == 0
    }

    /// The counts, the other data that is not converted, and the settings that the target needs:
    /// lines of text.
    pub fn summary(&self) -> String {
        let target = self.target.name();
        let mut text = if self.are_none() {
            format!("{target} can read all {} keys\n", self.keys_read)
        } else {
            let reasons = self.reasons.iter();
            let reasons: Vec<String> = reasons.map(|(why, n)| format!("{n} times {why}")).collect();
            let (keys, all) = (self.keys, self.keys_read);
            let mut rest = String::new();
            for (n, what) in [(self.libraries, "libraries"), (self.others, "other items")] {
                if n > 0 {
                    rest += &format!(", {n} {what}");
                }
            }
            let reasons = reasons.join(", ");
            format!("{target} cannot read {keys} of {all} keys{rest}: {reasons}\n")
        };
        if self.empty_keys > 0 {
            let n = self.empty_keys;
            text += &format!("Left out, as at a load: {n} keys that have no elements\n");
        }
        if self.marks > 0 {
            let n = self.marks;
            text += &format!("Left out: the marks of BLESS, which {n} keys have\n");
        }
        for ((module, what), n) in &self.modules {
            text += &format!("{target} must have the module {module}: {n} keys are {what}\n");
        }
        text += &self.notes;
        if self.last_db >= DATABASES_USUAL {
            let needed = u64::from(self.last_db) + 1;
            text += &format!("{target} must be started with `databases {needed}` or more\n");
        }
        text
    }
}

/// A key as messages name it.
struct KeyLabel<'a>(DbIndex, &'a [u8]);

impl fmt::Display for KeyLabel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "db {} key '{}'", self.0.0, Printable(self.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_obstacle_is_named_and_counted() {
        let mut reported = Vec::new();
        let mut found = Obstacles::new(Release::Redis72, &mut reported);
        found.fine(DbIndex(0));
        assert!(found.are_none());
        assert_eq!(found.summary(), "redis-7.2 can read all 1 keys\n");
        found.fine(DbIndex(20));
        found.key(DbIndex(3), b"a\n", "fields that expire");
        found.key(DbIndex(3), b"b", "fields that expire");
        found.library(b"lib", "no such function");
        found.module("search", ModuleData::Settings);
        found.module("json", ModuleData::Key(DbIndex(1), b"doc"));
        found.metadata(DbIndex(1), b"doc");
        found.slot_import();
        found.empty_key();
        found.mark_lost();
        found.of_module(Type::Json);
        found.of_module(Type::Hash);
        found.cut_end("a.aof", 54, 9);
        let summary = found.summary();
        assert_eq!(
            summary,
            "redis-7.2 cannot read 3 of 5 keys, 1 libraries, 3 other items: \
             1 times a library of functions that does not load, 3 times data of a module, \
             2 times fields that expire, 1 times the state of an import\n\
             Left out, as at a load: 1 keys that have no elements\n\
             Left out: the marks of BLESS, which 1 keys have\n\
             redis-7.2 must have the module ReJSON: 1 keys are JSON documents\n\
             a.aof: left out, 9 bytes from offset 54 on: its end is not a whole command or transaction\n\
             redis-7.2 must be started with `databases 21` or more\n"
        );
        let reported = String::from_utf8(reported).expect("ASCII");
        let lines: Vec<&str> = reported.lines().collect();
        assert_eq!(lines.len(), 7, "{reported}");
        assert_eq!(lines[4], "db 1 key 'doc': a value of the module 'json'");
        assert_eq!(lines[5], "metadata of db 1 key 'doc': data of a module");
        assert_eq!(lines[1], "db 3 key 'b': fields that expire");
        assert!(!lines[0].contains('\n') && lines[2].starts_with("library 'lib': no such"));
    }
}
