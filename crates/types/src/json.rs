//! A JSON document: the value of JSON.* commands.
//!
//! The bytes are those of [`Document`]; a key holds a single value, so its length is 1.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};

use super::block::BlockForm;
use super::{Container, Encoding, MemoryUsage, Relocate, Signature, Type};
use russet_base::memory::mover::Mover;
use russet_encodings::record::SchemaRef;
use russet_json::{Document, Format};

/// See the module.
#[derive(Clone)]
pub struct Json(Document);

impl From<Document> for Json {
    fn from(document: Document) -> Json {
        Json(document)
    }
}

impl Deref for Json {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.0
    }
}

impl DerefMut for Json {
    fn deref_mut(&mut self) -> &mut Document {
        &mut self.0
    }
}

impl MemoryUsage for Json {
    fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}

impl Relocate for Json {
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        self.0.relocate(mover, at, n)
    }
}

impl Container for Json {
    const TYPE: Type = Type::Json;
    const NAME: &str = "ReJSON-RL";
    /// Redis's number of values of modules.
    const NUMBER: u32 = 5;

    fn is_one_block(&self) -> bool {
        self.0.flat_bytes().is_some()
    }

    fn block(&self) -> Option<(BlockForm, &[u8])> {
        let bytes = self.0.flat_bytes()?;
        Some((BlockForm::of(self), bytes))
    }

    fn from_block(_form: &BlockForm, bytes: &[u8], _schema: Option<SchemaRef>) -> Option<Json> {
        Some(Json(Document::from_flat_bytes(bytes)))
    }

    fn into_word(self) -> (Encoding, u64) {
        (Encoding::OfModule, self.0.into_word())
    }

    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        assert_eq!(encoding, Encoding::OfModule);
        // SAFETY: the caller guarantees it.
        Json(unsafe { Document::from_word(word) })
    }

    fn encoding(&self) -> Encoding {
        Encoding::OfModule
    }

    fn len(&self) -> usize {
        1
    }

    fn check_invariants(&self) {
        self.0.check_invariants();
    }

    /// Redis has no signature of documents: this is of the compact text.
    fn sign(&self, signature: &mut Signature) {
        let mut text = Vec::new();
        self.0.root().print(&Format::default(), &mut text);
        signature.follow(&text);
    }

    fn free_effort(&self) -> usize {
        self.0.free_effort()
    }

    fn free_step(&mut self, n: usize) -> bool {
        self.0.free_step(n)
    }
}
