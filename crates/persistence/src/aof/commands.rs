//! A base file of commands, which recreate every key as of the rewrite's begin.
//!
//!     SELECT 0 | SET k v | RPUSH l ... | HMSET h ... HPEXPIREAT h ms FIELDS 1 f | PEXPIREAT k ms
//!
//! Large values are split into several commands of at most [`ELEMENTS_MAX`] elements. A scan of a
//! large table may visit an element twice, which is harmless for SADD and HMSET.

mod saver;

use crate::rdb::DAMAGED;
use russet_base::memory::alloc;
use russet_keyspace::{DbIndex, KeyView, ValueView, slot_of};
use russet_resp::write_request;
use russet_types::Entry;

/// Most elements that a command adds.
pub const ELEMENTS_MAX: usize = 64;
/// Keys of an MSET, and the bytes of a value in it, at most, so that an MSET stays a small part of
/// a slice.
const GATHERED_KEYS_MAX: usize = 16;
const GATHERED_VALUE_MAX: usize = 1024;

/// Writes commands into a buffer, which its owner empties.
#[derive(Debug, Default)]
pub struct CommandWriter {
    /// Whole commands in RESP: the writer's owner takes them from here.
    pub out: Vec<u8>,
    selected: Option<DbIndex>,
    /// Elements of the command under way, in their wire form.
    pending: Vec<u8>,
    words: usize,
    /// The open large key's expiry and mark, written after its last part.
    end: KeyEnd,
    gathers: bool,
    /// The MSET under way.
    gathered: Option<PendingStrings>,
    is_damaged: bool,
}

/// A key's expiry and mark, which are written after its value.
#[derive(Clone, Copy, Debug, Default)]
struct KeyEnd {
    expiry: Option<i64>,
    is_blessed: bool,
}

impl KeyEnd {
    fn of(view: &KeyView<'_>) -> KeyEnd {
        KeyEnd {
            expiry: view.expiry,
            is_blessed: view.is_blessed,
        }
    }
}

/// Short strings of one slot, whose words are pending: the first key, and how many there are.
#[derive(Debug)]
struct PendingStrings {
    key: Vec<u8>,
    slot: u16,
    keys: usize,
}

impl CommandWriter {
    /// Why the commands must not be used, if a key could not be written: its packed value is
    /// damaged.
    pub fn refusal(&self) -> Option<&'static str> {
        self.is_damaged.then_some(DAMAGED)
    }

    /// Memory of the bytes that are written and not taken.
    pub fn memory_bytes(&self) -> usize {
        alloc::vec_bytes(&self.out) + alloc::vec_bytes(&self.pending)
    }

    /// Short strings of one slot that do not expire are set by one MSET, which costs its reader
    /// half as much. [`CommandWriter::end_gathered`] writes the last.
    pub fn gathering() -> CommandWriter {
        CommandWriter {
            gathers: true,
            ..CommandWriter::default()
        }
    }

    /// Takes a key up into the MSET under way, or a new MSET, if it is a short string that does not
    /// expire.
    fn gather(&mut self, db: DbIndex, view: &KeyView<'_>) -> bool {
        let is_short = match &view.value {
            ValueView::Int(_) => true,
            ValueView::Bytes(text) => text.len() <= GATHERED_VALUE_MAX,
            // A damaged value is left out, with its key.
            ValueView::Packed(_) | ValueView::Container(_) => false,
        };
        let is_more = view.expiry.is_some() || view.is_blessed;
        if !is_short || is_more || view.key.len() > GATHERED_VALUE_MAX {
            return false;
        }
        let slot = slot_of(view.key);
        let fits = |g: &PendingStrings| g.slot == slot && g.keys < GATHERED_KEYS_MAX;
        if self.selected != Some(db) || !self.gathered.as_ref().is_some_and(fits) {
            self.end_gathered();
            self.enter(db);
        }
        match &mut self.gathered {
            Some(gathered) => {
                gathered.keys += 1;
                self.word(view.key);
            }
            None => {
                let key = view.key.to_vec();
                self.gathered = Some(PendingStrings { key, slot, keys: 1 });
            }
        }
        match &view.value {
            ValueView::Int(n) => self.word_int(*n),
            ValueView::Bytes(text) => self.word(text),
            ValueView::Packed(_) | ValueView::Container(_) => {}
        }
        true
    }

    /// Writes the MSET under way.
    pub fn end_gathered(&mut self) {
        if let Some(PendingStrings { key, keys, .. }) = self.gathered.take() {
            let name: &[u8] = if keys == 1 { b"SET" } else { b"MSET" };
            self.end_command(name, &key, 0);
        }
    }

    fn enter(&mut self, db: DbIndex) {
        if self.selected != Some(db) {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(db.0).as_bytes();
            write_request(&mut self.out, [b"SELECT", digits].into_iter());
            self.selected = Some(db);
        }
    }

    /// Adds a word to the command under way.
    #[inline]
    pub fn word(&mut self, word: &[u8]) {
        self.pending.push(b'$');
        let mut digits = itoa::Buffer::new();
        self.pending
            .extend_from_slice(digits.format(word.len()).as_bytes());
        self.pending.extend_from_slice(b"\r\n");
        self.pending.extend_from_slice(word);
        self.pending.extend_from_slice(b"\r\n");
        self.words += 1;
    }

    /// Adds an element to the command under way.
    #[inline]
    pub fn entry(&mut self, entry: Entry<'_>) {
        self.word(entry.bytes(&mut itoa::Buffer::new()));
    }

    /// Ends the command under way: writes `name`, `key` and the pending words. Does nothing if no
    /// word is pending, or fewer than `most` words.
    #[inline]
    pub fn end_command(&mut self, name: &[u8], key: &[u8], most: usize) {
        if self.words == 0 || self.words < most {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let words = std::mem::take(&mut self.words);
        self.word(name);
        self.word(key);
        let mut digits = itoa::Buffer::new();
        self.out.push(b'*');
        self.out
            .extend_from_slice(digits.format(words + self.words).as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(&self.pending);
        self.out.extend_from_slice(&pending);
        self.pending = pending;
        self.pending.clear();
        self.words = 0;
    }

    /// Writes the command that sets a string, up to the bytes of the string, which has `len`.
    pub(super) fn begin_string(&mut self, db: DbIndex, key: &[u8], len: usize) {
        self.enter(db);
        let mut digits = itoa::Buffer::new();
        for part in [b"*3\r\n$3\r\nSET\r\n$", digits.format(key.len()).as_bytes()] {
            self.out.extend_from_slice(part);
        }
        for part in [
            b"\r\n",
            key,
            b"\r\n$",
            digits.format(len).as_bytes(),
            b"\r\n",
        ] {
            self.out.extend_from_slice(part);
        }
    }

    /// Writes the end of a string's command, after its bytes.
    pub(super) fn end_string(&mut self, view: &KeyView<'_>) {
        self.out.extend_from_slice(b"\r\n");
        self.end_key(view.key, KeyEnd::of(view));
    }

    fn word_int(&mut self, n: i64) {
        let mut digits = itoa::Buffer::new();
        self.word(digits.format(n).as_bytes());
    }

    fn end_key(&mut self, key: &[u8], end: KeyEnd) {
        if let Some(ms) = end.expiry {
            let mut digits = itoa::Buffer::new();
            let args: [&[u8]; 3] = [b"PEXPIREAT", key, digits.format(ms).as_bytes()];
            write_request(&mut self.out, args.into_iter());
        }
        if end.is_blessed {
            let args: [&[u8]; 4] = [b"BLESS", b"SET", key, b"NO-EVICT"];
            write_request(&mut self.out, args.into_iter());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_keyspace::Saver;

    #[test]
    fn short_strings_of_a_slot_are_set_together() {
        let mut writer = CommandWriter::gathering();
        let mut key = |key: &str, value: &str, expiry| {
            let view = KeyView {
                key: key.as_bytes(),
                expiry,
                clock: 0,
                is_blessed: false,
                value: ValueView::Bytes(value.as_bytes()),
            };
            writer.key(DbIndex(0), &view);
        };
        key("{a}1", "x", None);
        key("{a}2", "y", None);
        key("{b}1", "z", None);
        key("{b}2", "soon gone", Some(5));
        for at in 0..=GATHERED_KEYS_MAX {
            key(&format!("{{c}}{at}"), "", None);
        }
        writer.end_gathered();
        let text = String::from_utf8(std::mem::take(&mut writer.out)).expect("words");
        let words: Vec<&str> = text.lines().filter(|line| !line.starts_with('$')).collect();
        let begun = [
            "*2",
            "SELECT",
            "0",
            "*5",
            "MSET",
            "{a}1",
            "x",
            "{a}2",
            "y",
            "*3",
            "SET",
            "{b}1",
            "z",
            "*3",
            "SET",
            "{b}2",
            "soon gone",
            "*3",
            "PEXPIREAT",
            "{b}2",
            "5",
            "*33",
            "MSET",
            "{c}0",
        ];
        assert_eq!(words[..begun.len()], begun);
        assert_eq!(words[words.len() - 4..], ["*3", "SET", "{c}16", ""]);
    }
}
