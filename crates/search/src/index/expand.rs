//! Queries with the stems and synonyms of their words, as FT.EXPLAIN shows them.
//!
//! Words of phrases stay as they are, and in RediSearch 2.10 those of what must not or need not be
//! there.

use super::Index;
use crate::query::{Fields, Kind, Node};
use crate::schema::FieldKind;
use crate::search::Search;
use crate::text::{Language, stem};

impl Index {
    /// The bits of text fields of some names.
    pub(crate) fn fields_of(&self, names: &[Vec<u8>]) -> Fields {
        let texts = self
            .schema
            .fields
            .iter()
            .filter(|field| matches!(field.kind, FieldKind::Text(_)));
        let named = texts
            .enumerate()
            .filter(|(_, field)| names.contains(&field.name));
        Fields(named.fold(0, |bits, (bit, _)| bits | 1 << bit))
    }

    /// A query whose words are looked for with their stems and synonyms. O(nodes).
    pub fn expand(&self, node: &Node, search: &Search) -> Node {
        let mut node = node.clone();
        if !search.verbatim {
            let language = search.language.unwrap_or(self.schema.language);
            self.expand_part(&mut node, language, search.is_2_10);
        }
        node
    }

    fn expand_part(&self, node: &mut Node, language: Language, is_2_10: bool) {
        if node.verbatim {
            return;
        }
        match &mut node.kind {
            Kind::Word(word) if !word.is_empty() => {
                let mut found = Vec::new();
                if let Some(groups) = self.synonyms.get(word.as_slice()) {
                    found.extend(groups.iter().map(|group| [b"~", &**group].concat()));
                }
                if self.stems(node.fields) {
                    let own = stem(language, word, 0);
                    let of_word = own.as_deref().unwrap_or(word);
                    if language.has_stems() {
                        found.push([b"+", of_word].concat());
                    }
                    found.extend(own);
                }
                if found.is_empty() {
                    return;
                }
                let fields = node.fields;
                let own = std::mem::replace(node, Node::new(Kind::Everything));
                let mut parts = vec![own];
                for text in found {
                    let mut part = Node::new(Kind::Expanded(text));
                    part.fields = fields;
                    parts.push(part);
                }
                *node = Node::new(Kind::Union(parts));
                node.fields = fields;
            }
            Kind::Union(parts)
            | Kind::Intersect {
                parts,
                is_exact: false,
            } => {
                parts
                    .iter_mut()
                    .for_each(|part| self.expand_part(part, language, is_2_10));
            }
            Kind::Not(part) | Kind::Optional(part) if !is_2_10 => {
                self.expand_part(part, language, is_2_10);
            }
            Kind::Vector(vector) => {
                if let Some(filter) = &mut vector.filter {
                    self.expand_part(filter, language, is_2_10);
                }
            }
            _ => {}
        }
    }

    /// Whether words of some fields are stemmed.
    fn stems(&self, fields: Fields) -> bool {
        let texts = self
            .schema
            .fields
            .iter()
            .filter_map(|field| match &field.kind {
                FieldKind::Text(text) => Some(text),
                _ => None,
            });
        let of_bits = texts
            .enumerate()
            .filter(|(bit, _)| fields.0 >> bit & 1 == 1);
        let mut none_stems = of_bits.map(|(_, text)| text.no_stem).peekable();
        // Fields that are none are stemmed, too: EXPLAIN shows it.
        none_stems.peek().is_none() || none_stems.any(|no_stem| !no_stem)
    }
}
