//! Long lists of texts as replies: gathered, sorted and written in slices.
//!
//! The list may have or lack a text that comes or goes meanwhile; it has each text that stays once.
//!
//! Cost: O(texts), and O(log n) for each if they come in no order.

use russet_resp::Reply;
use russet_server::{Call, Pieces, Slice};
use russet_types::vector_set::Progress;
use std::collections::BTreeSet;

/// Texts between two looks at the clock.
const BUDGET: usize = 64;

/// A list under way.
pub(crate) struct Listing {
    /// Of a source in order: the text from which the next slice continues; all texts before are
    /// written.
    from: Vec<u8>,
    /// Of a source in no order: the number from which the next slice continues, and the texts so
    /// far.
    next: u32,
    sorted: BTreeSet<Box<[u8]>>,
    is_gathered: bool,
    pieces: Pieces,
    len: usize,
}

impl Listing {
    pub(crate) fn take_or_new(call: &mut Call<'_>) -> Listing {
        call.take_work().unwrap_or_else(|| Listing {
            from: Vec::new(),
            next: 0,
            sorted: BTreeSet::new(),
            is_gathered: false,
            pieces: Pieces::new(call.reply),
            len: 0,
        })
    }

    /// Writes the texts of a source in order, until the slice is over.
    pub(crate) fn write_from<'t>(
        &mut self,
        texts: impl Iterator<Item = &'t [u8]>,
        slice: Slice,
    ) -> Progress {
        let texts = texts.map(|text| (text, ()));
        self.write_each_from(texts, slice, |reply, text, ()| reply.bulk(text))
    }

    /// The same with a value for each text: `write` takes both.
    pub(crate) fn write_each_from<'t, T>(
        &mut self,
        texts: impl Iterator<Item = (&'t [u8], T)>,
        slice: Slice,
        mut write: impl FnMut(&mut Reply, &[u8], T),
    ) -> Progress {
        for (n, (text, with)) in texts.enumerate() {
            if n > 0 && n % BUDGET == 0 && slice.is_over() {
                self.from = text.to_vec();
                self.pieces.end_slice();
                return Progress::More;
            }
            write(&mut self.pieces.reply, text, with);
            self.len += 1;
        }
        Progress::Done
    }

    /// The text from which a source in order continues.
    pub(crate) fn from(&self) -> Vec<u8> {
        self.from.clone()
    }

    /// The number from which a source in no order continues; `None`: all texts are gathered.
    pub(crate) fn next(&self) -> Option<u32> {
        (!self.is_gathered).then_some(self.next)
    }

    /// The texts that were gathered and not written.
    pub(crate) fn into_sorted(self) -> impl Iterator<Item = Box<[u8]>> {
        self.sorted.into_iter()
    }

    /// Takes texts of a source in no order, until the slice is over (`false`).
    pub(crate) fn gather<'t>(
        &mut self,
        texts: impl Iterator<Item = (u32, &'t [u8])>,
        slice: Slice,
    ) -> bool {
        for (n, (number, text)) in texts.enumerate() {
            if n > 0 && n % BUDGET == 0 && slice.is_over() {
                self.next = number;
                return false;
            }
            self.sorted.insert(text.into());
        }
        self.is_gathered = true;
        true
    }

    /// Writes the texts that were gathered, until the slice is over.
    pub(crate) fn write_sorted(&mut self, slice: Slice) -> Progress {
        let mut written = 0;
        while let Some(text) = self.sorted.pop_first() {
            self.pieces.reply.bulk(&text);
            self.len += 1;
            written += 1;
            if written % BUDGET == 0 && slice.is_over() {
                self.pieces.end_slice();
                return Progress::More;
            }
        }
        Progress::Done
    }

    /// Takes the first text, in order, of the gathered texts that are not written yet.
    pub(crate) fn take_first(&mut self) -> Option<Box<[u8]>> {
        self.sorted.pop_first()
    }

    /// Writes the texts to the reply, within the array, set or map that `begin` begins.
    pub(crate) fn reply(self, call: &mut Call<'_>, begin: impl FnOnce(&mut Reply, usize)) {
        begin(call.reply, self.len);
        self.pieces.reply(call.reply);
    }
}
