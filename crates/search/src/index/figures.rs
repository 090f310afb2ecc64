//! The figures of an index that FT.INFO shows: sizes in bytes, counts, refused documents.
//!
//! Each change updates the figures of terms and tags, so that FT.INFO takes no longer if there are
//! more terms.

use super::{Index, Part};

/// Documents that were refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub count: u64,
    pub last_message: Vec<u8>,
    pub last_key: Vec<u8>,
}

impl Faults {
    pub(super) fn count(&mut self, message: &[u8], key: &[u8]) {
        self.count += 1;
        self.last_message = message.to_vec();
        self.last_key = key.to_vec();
    }
}

/// Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub documents: usize,
    /// The highest number that a document has had so far.
    pub document_id_max: usize,
    pub terms: usize,
    /// Entries of terms, tags and numbers.
    pub records: usize,
    pub inverted_bytes: usize,
    pub inverted_blocks: usize,
    pub vector_bytes: usize,
    pub document_table_bytes: usize,
    pub key_table_bytes: usize,
    pub sortable_bytes: usize,
    pub shape_bytes: usize,
    pub tag_bytes: usize,
    pub number_bytes: usize,
    /// The dictionary of terms.
    pub text_bytes: usize,
    pub faults: Faults,
    /// Of each field.
    pub field_faults: Vec<Faults>,
}

impl Figures {
    /// All bytes.
    pub fn bytes(&self) -> usize {
        self.inverted_bytes
            + self.vector_bytes
            + self.document_table_bytes
            + self.key_table_bytes
            + self.sortable_bytes
            + self.shape_bytes
            + self.tag_bytes
            + self.number_bytes
            + self.text_bytes
    }
}

impl Index {
    /// The figures of FT.INFO. O(fields + parts of numbers + pairs of bytes of WITHSUFFIXTRIE).
    pub fn figures(&self) -> Figures {
        let (inverted_bytes, inverted_blocks, terms) = self.terms.posting_figures();
        let (document_table_bytes, key_table_bytes) = self.documents.bytes();
        let mut figures = Figures {
            documents: self.documents.len(),
            document_id_max: self.documents.end() as usize,
            terms,
            records: self.records,
            inverted_bytes,
            inverted_blocks,
            document_table_bytes,
            key_table_bytes,
            text_bytes: self.terms.bytes() + self.terms.text_bytes(),
            faults: self.faults.clone(),
            field_faults: self
                .fields
                .iter()
                .map(|field| field.faults.clone())
                .collect(),
            ..Figures::default()
        };
        for field in &self.fields {
            figures.tag_bytes += field.long.bytes();
            figures.sortable_bytes += field.column.as_ref().map_or(0, |column| column.bytes());
            match &field.part {
                Part::Tags(tags) => {
                    figures.tag_bytes += tags.bytes();
                    figures.records += tags.records();
                    figures.inverted_blocks += tags.len();
                }
                Part::Numbers(numbers) => {
                    figures.number_bytes += numbers.bytes();
                    figures.records += numbers.len();
                }
                Part::Vectors(vectors) => figures.vector_bytes += vectors.bytes(),
                Part::Shapes(shapes) => figures.shape_bytes += shapes.bytes(),
                Part::Text(_) | Part::None => {}
            }
        }
        figures
    }
}
