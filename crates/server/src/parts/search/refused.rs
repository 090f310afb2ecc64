//! Definitions of a log, a file or a primary that this server does not accept, because they exceed
//! a bound of this release or use another release's language.
//!
//! The server keeps the commands of such definitions, by index, and writes them again with each
//! file, so that nothing is lost: a release that accepts the commands makes the index. The server
//! forgets the commands when an index of the name is made or removed, or when a flush removes its
//! data.
//!
//!     bytes   count u32 | (words u32 | (length u32, word) ...) ...
//!
//! Cost: the bytes of the commands, which come from a file; a command of an index looks for its
//! name only while data is loaded.

use std::collections::BTreeMap;

use super::Indexes;
use super::catalog::{Line, lines_bytes, read_lines};

/// The name of the bytes in RDB files.
pub(crate) const REFUSED_INDEXES: &str = "russet-ft-refused";

/// The command that names an index by its last word.
const ALIAS: &[u8] = b"FT._ALIASADDIFNX";

/// Commands by the index that they are about.
#[derive(Default)]
pub(super) struct RefusedCommands(BTreeMap<Vec<u8>, Vec<Line>>);

impl Indexes {
    /// Keeps a command about an index aside.
    pub fn refuse(&mut self, name: &[u8], line: Line) {
        let lines = self.refused.0.entry(name.to_vec()).or_default();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }

    /// Whether commands about an index are kept aside.
    pub fn is_refused(&self, name: &[u8]) -> bool {
        self.refused.0.contains_key(name)
    }

    /// Forgets the commands that are kept aside for an index.
    pub fn forget_refused(&mut self, name: &[u8]) {
        self.refused.0.remove(name);
    }

    /// Ends all.
    pub(super) fn forget_all_refused(&mut self) {
        self.refused.0.clear();
    }

    /// How many indexes have commands that are kept aside.
    pub fn refused_len(&self) -> usize {
        self.refused.0.len()
    }

    /// All kept commands, in their order.
    pub(crate) fn refused_lines(&self) -> impl Iterator<Item = &Line> {
        self.refused.0.values().flatten()
    }

    /// The bytes of the kept commands in an RDB file; `None`: there are none.
    pub fn refused_bytes(&self) -> Option<Vec<u8>> {
        let has_any = !self.refused.0.is_empty();
        has_any.then(|| lines_bytes(self.refused_lines()))
    }

    /// Takes the commands of an RDB file. `false`: the bytes are damaged.
    pub fn restore_refused(&mut self, bytes: &[u8]) -> bool {
        let Some(lines) = read_lines(bytes) else {
            return false;
        };
        for line in lines {
            // An alias comes before the index that it names.
            let at = if line.first().is_some_and(|word| word == ALIAS) {
                2
            } else {
                1
            };
            if let Some(name) = line.get(at).cloned() {
                self.refuse(&name, line);
            }
        }
        true
    }
}
