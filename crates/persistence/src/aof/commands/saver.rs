//! Keys of a snapshot as commands, by the forms of their types.

use super::{CommandWriter, ELEMENTS_MAX, KeyEnd};
use crate::values;
use russet_keyspace::{DbIndex, KeyView, Saver, ValueView};

/// Elements of a large list or sorted set written at a time.
const PART_ELEMENTS: usize = 16 * ELEMENTS_MAX;

impl CommandWriter {
    /// Writes elements of a value from `at` on, at most `most` for types with positions; returns
    /// where the next elements begin, `None` at the end.
    fn elements(&mut self, view: &KeyView<'_>, at: u64, most: usize) -> Option<u64> {
        match &view.value {
            ValueView::Int(n) => self.word_int(*n),
            ValueView::Bytes(text) => self.word(text),
            ValueView::Packed(packed) => {
                if packed.with_text(|text| self.word(text)).is_err() {
                    self.is_damaged = true;
                    return None;
                }
            }
            ValueView::Container(container) => {
                return values::rewrite(container, self, view.key, at, most);
            }
        }
        self.end_command(b"SET", view.key, 0);
        None
    }
}

impl Saver for CommandWriter {
    fn database(&mut self, _db: DbIndex, _keys: usize, _volatile: usize) {}

    fn key(&mut self, db: DbIndex, view: &KeyView<'_>) {
        if self.gathers && self.gather(db, view) {
            return;
        }
        self.end_gathered();
        self.enter(db);
        self.elements(view, 0, usize::MAX);
        self.end_key(view.key, KeyEnd::of(view));
    }

    fn begin_large(&mut self, db: DbIndex, view: &KeyView<'_>) -> u64 {
        self.end_gathered();
        self.enter(db);
        self.end = KeyEnd::of(view);
        0
    }

    fn part(&mut self, view: &KeyView<'_>, at: u64) -> Option<u64> {
        self.end_gathered();
        let next = self.elements(view, at, PART_ELEMENTS);
        if next.is_none() {
            let end = std::mem::take(&mut self.end);
            self.end_key(view.key, end);
        }
        next
    }

    fn has_room(&self) -> bool {
        true
    }
}
