//! A document as a single word: the address of its buffer, or of a large document's tree, plus 1.
//!
//! Blocks are aligned to eight bytes, so that the lowest bit is free.
#![allow(unsafe_code)]

use super::{Document, Form, Tree};
use russet_encodings::buffer::Buffer;
use russet_encodings::thin::ThinPointer;
use std::sync::Arc;

const TREE: u64 = 1;

const _: () = assert!(align_of::<Tree>() == 8);

impl Document {
    /// Converts the document into a word, which owns it and is never zero.
    #[inline]
    pub fn into_word(self) -> u64 {
        match self.0 {
            Form::Flat(buffer) => buffer.into_word(),
            Form::Tree(tree) => Arc::into_raw(tree).expose_provenance() as u64 | TREE,
        }
    }

    /// Converts a word back.
    ///
    /// # Safety
    /// The word came from [`Document::into_word`], and a single document at a time is made from it.
    #[inline]
    pub unsafe fn from_word(word: u64) -> Document {
        if word & TREE == 0 {
            // SAFETY: the caller's promise; without the bit it is a buffer's word.
            return Document(Form::Flat(unsafe { Buffer::from_word(word) }));
        }
        let at = std::ptr::with_exposed_provenance((word & !TREE) as usize);
        // SAFETY: the caller's promise; with the bit it is a tree's address.
        Document(Form::Tree(unsafe { Arc::from_raw(at) }))
    }
}
