//! The documents of a term in some text fields.

use crate::index::{PostingCursor, Term};

/// A walk over the documents of a term.
pub(crate) struct WordCursor<'i> {
    cursor: PostingCursor<'i>,
    /// Bits of the fields that count.
    fields: u128,
    pub(crate) text: &'i [u8],
    documents: usize,
    pub(crate) weight: f64,
    /// The inverse document frequency, as the scorer has it.
    pub(crate) idf: f64,
    /// From this document on it is not known whether the fields count.
    limit: u32,
}

impl<'i> WordCursor<'i> {
    /// `positions`: whether the schema keeps them; on the first document that is `from` or more,
    /// below `limit`.
    pub(crate) fn new(
        term: &'i Term,
        fields: u128,
        weight: f64,
        positions: bool,
        (from, limit): (u32, u32),
    ) -> WordCursor<'i> {
        let mut word = WordCursor {
            cursor: PostingCursor::new(&term.postings, positions, from),
            fields,
            text: &term.text,
            documents: term.postings.len(),
            weight,
            idf: 0.0,
            limit,
        };
        word.skip_other_fields();
        word
    }

    #[inline]
    fn skip_other_fields(&mut self) {
        // At the end the cursor has the fields of the last entry.
        while self.cursor.id() < self.limit && self.cursor.fields() & self.fields == 0 {
            self.cursor.advance();
        }
    }

    #[inline]
    pub(crate) fn id(&self) -> u32 {
        self.cursor.id()
    }

    #[inline]
    pub(crate) fn advance(&mut self) {
        self.cursor.advance();
        self.skip_other_fields();
    }

    #[inline]
    pub(crate) fn seek(&mut self, to: u32) {
        self.cursor.seek(to);
        self.skip_other_fields();
    }

    /// The number after the last document that is stored beside this one; `END` at the end.
    pub(crate) fn block_end(&self) -> u32 {
        self.cursor.block_end()
    }

    /// Calls `take` with the documents below `end` and their frequencies, from here on; then the
    /// cursor stands on the first document that is not below `end`.
    #[inline]
    pub(crate) fn scan(&mut self, end: u32, take: impl FnMut(u32, u32)) {
        self.cursor.scan(end, self.fields, take);
        self.skip_other_fields();
    }

    pub(crate) fn frequency(&self) -> u32 {
        self.cursor.frequency()
    }

    pub(crate) fn positions(&self, out: &mut Vec<u32>) {
        self.cursor.positions(out);
    }

    /// The documents that hold the term, in any field.
    pub(crate) fn documents(&self) -> usize {
        self.documents
    }
}
