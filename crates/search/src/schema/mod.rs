//! The schema of an index: the documents that the index has, and how it has their fields.
//!
//! | module | what |
//! |---|---|
//! | `field` | a field and the options of its type |
//! | `parse` | the words of FT.CREATE and FT.ALTER |
//! | `words` | a schema as words of FT.CREATE |
//!
//! Source: FT.CREATE, FT.ALTER and FT.INFO of Redis 8.10 and Redis Stack 7.4.

mod field;
pub mod parse;
mod words;

pub use field::{
    Algorithm, Element, Field, FieldKind, Hnsw, Metric, Phonetic, ShapeSpace, Svs, Tag, Text,
    Vector,
};

pub use words::words;

use crate::expression::Expression;
use crate::query;
use crate::text::{Language, StopWords};

/// The type of the keys that an index reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    #[default]
    Hash,
    Json,
}

/// A condition of FILTER: the text as it was given, and the expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub text: Vec<u8>,
    pub expression: Expression,
}

/// The arguments of FT.CREATE after the name, with the fields that FT.ALTER added.
#[derive(Clone, Debug)]
pub struct Schema {
    pub key_type: KeyType,
    /// The database of the keys, if DB was given.
    pub named_database: Option<u32>,
    /// The beginnings of keys; never empty: `""` is all keys.
    pub prefixes: Vec<Vec<u8>>,
    pub filter: Option<Filter>,
    pub language: Language,
    /// Whether LANGUAGE was given: FT.INFO and files have it then.
    pub names_language: bool,
    pub language_field: Option<Vec<u8>>,
    /// 0 to 1.
    pub score: f64,
    pub score_field: Option<Vec<u8>>,
    pub payload_field: Option<Vec<u8>>,
    /// MAXTEXTFIELDS: more than 32 text fields may come.
    pub is_wide: bool,
    /// TEMPORARY: the index ends so many seconds after the last use.
    pub temporary_s: Option<f64>,
    /// Positions of words are kept: not NOOFFSETS.
    pub has_offsets: bool,
    /// The index keeps the places of words in texts: neither NOHL nor NOOFFSETS.
    pub has_highlights: bool,
    /// The fields of words are kept: not NOFIELDS.
    pub has_fields: bool,
    /// Frequencies are kept: not NOFREQS.
    pub has_frequencies: bool,
    pub stop_words: StopWords,
    /// SKIPINITIALSCAN: keys that are there already are not read.
    pub skips_scan: bool,
    /// ASYNC was given; it has no effect.
    pub is_async: bool,
    /// INDEXALL ENABLE.
    pub indexes_all: bool,
    /// At most 1,024, 128 of them texts.
    pub fields: Vec<Field>,
}

impl Schema {
    /// An index without fields over all keys of a type.
    pub fn new(key_type: KeyType) -> Schema {
        Schema {
            key_type,
            named_database: None,
            prefixes: vec![Vec::new()],
            filter: None,
            language: Language::English,
            names_language: false,
            language_field: None,
            score: 1.0,
            score_field: None,
            payload_field: None,
            is_wide: false,
            temporary_s: None,
            has_offsets: true,
            has_highlights: true,
            has_fields: true,
            has_frequencies: true,
            stop_words: StopWords::default(),
            skips_scan: false,
            is_async: false,
            indexes_all: false,
            fields: Vec::new(),
        }
    }

    /// The database of the keys: 0 in Redis.
    pub fn database(&self) -> u32 {
        self.named_database.unwrap_or(0)
    }

    /// Whether a key begins with a prefix of the index. O(prefixes).
    pub fn covers(&self, key: &[u8]) -> bool {
        self.prefixes.iter().any(|prefix| key.starts_with(prefix))
    }

    /// The field of a name, and the field's place. O(fields).
    pub fn field(&self, name: &[u8]) -> Option<(usize, &Field)> {
        let mut fields = self.fields.iter().enumerate();
        fields.find(|(_, field)| field.name == name)
    }
}

impl query::Schema for Schema {
    fn folds_tags(&self, field: &[u8]) -> bool {
        let found = self.field(field).map(|(_, field)| &field.kind);
        matches!(found, Some(FieldKind::Tag(tag)) if !tag.is_case_sensitive)
    }

    fn text_fields(&self) -> Vec<&[u8]> {
        let texts = self
            .fields
            .iter()
            .filter(|field| matches!(field.kind, FieldKind::Text(_)));
        texts.map(|field| field.name.as_slice()).collect()
    }

    fn has(&self, name: &[u8]) -> bool {
        self.field(name).is_some()
    }

    fn indexes_missing(&self, name: &[u8]) -> bool {
        self.field(name)
            .is_some_and(|(_, field)| field.indexes_missing)
    }

    fn indexes_empty(&self, fields: query::Fields) -> bool {
        let texts = self
            .fields
            .iter()
            .filter(|field| matches!(field.kind, FieldKind::Text(_)));
        let mut of_bits = texts
            .enumerate()
            .filter(|(bit, _)| fields.0 >> bit & 1 == 1);
        of_bits.any(|(_, field)| field.indexes_empty)
    }

    fn is_stop_word(&self, word: &[u8]) -> bool {
        self.stop_words.has(word)
    }
}
