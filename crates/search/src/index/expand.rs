//! Queries with the synonyms, sounds and stems of their words, as FT.EXPLAIN shows them.
//!
//! Words of phrases stay as they are, and in RediSearch 2.10 those of what must not or need not be
//! there, and before `=>[KNN`.

use super::Index;
use crate::query::{Fields, Kind, Node, QueryError};
use crate::schema::{FieldKind, Text};
use crate::search::Search;
use crate::text::{IS_DIVIDED, Language, StopWords, Words, sound, stem};

impl Index {
    /// A query whose words are looked for with their synonyms, sounds and stems. O(nodes).
    ///
    /// # Errors
    ///
    /// A word has the attribute $phonetic, and none of its fields is PHONETIC.
    pub fn expand(&self, node: &Node, search: &Search) -> Result<Node, QueryError> {
        let mut node = node.clone();
        if !search.verbatim {
            let language = search.language.unwrap_or(self.schema.language);
            self.expand_part(&mut node, language, search.is_2_10)?;
        }
        Ok(node)
    }

    fn expand_part(
        &self,
        node: &mut Node,
        language: Language,
        is_2_10: bool,
    ) -> Result<(), QueryError> {
        if node.verbatim {
            return Ok(());
        }
        match &mut node.kind {
            Kind::Word(word) if !word.is_empty() => {
                let mut found = Vec::new();
                if let Some(groups) = self.synonyms.get(word.as_slice()) {
                    found.extend(groups.iter().map(|group| [b"~", &**group].concat()));
                }
                let sounds = self.texts(node.fields).any(|text| text.phonetic.is_some());
                if node.phonetic.is_some() && !sounds {
                    return Err(QueryError(b"field does not support phonetics".to_vec()));
                }
                // EXPLAIN shows sounds for fields that are none, too.
                let sounds = sounds || node.fields == Fields(0) && self.sounds();
                if sounds && node.phonetic != Some(false) {
                    let code = sound(word);
                    found.extend((!code.is_empty()).then(|| [b"<", code.as_slice()].concat()));
                }
                let divided = divided(language, word);
                if divided.is_none() && self.stems(node.fields) {
                    let own = stem(language, word, 0);
                    let of_word = own.as_deref().unwrap_or(word);
                    if language.has_stems() {
                        found.push([b"+", of_word].concat());
                    }
                    found.extend(own);
                }
                if found.is_empty() && divided.is_none() {
                    return Ok(());
                }
                let fields = node.fields;
                let own = std::mem::replace(node, Node::new(Kind::Everything));
                let mut parts = vec![own];
                for text in found {
                    let mut part = Node::new(Kind::Expanded(text));
                    part.fields = fields;
                    parts.push(part);
                }
                if let Some(mut all) = divided {
                    all.restrict(fields);
                    parts.push(all);
                }
                *node = Node::new(Kind::Union(parts));
                node.fields = fields;
            }
            Kind::Union(parts)
            | Kind::Intersect {
                parts,
                is_exact: false,
            } => {
                for part in parts {
                    self.expand_part(part, language, is_2_10)?;
                }
            }
            Kind::Not(part) | Kind::Optional(part) if !is_2_10 => {
                self.expand_part(part, language, is_2_10)?;
            }
            Kind::Vector(vector) if !is_2_10 => {
                if let Some(filter) = &mut vector.filter {
                    self.expand_part(filter, language, is_2_10)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The bits of the text fields with WITHSUFFIXTRIE; `None`: no field has it.
    pub(crate) fn fields_with_suffixes(&self) -> Option<Fields> {
        let texts = self.texts(Fields::ALL).enumerate();
        let with = texts.filter(|(_, text)| text.has_suffixes);
        let bits = with.fold(0, |bits, (bit, _)| bits | 1 << bit);
        (bits != 0).then_some(Fields(bits))
    }

    /// The options of the text fields of some bits.
    fn texts(&self, fields: Fields) -> impl Iterator<Item = &Text> {
        let all = self.schema.fields.iter();
        let texts = all.filter_map(|field| match &field.kind {
            FieldKind::Text(text) => Some(text),
            _ => None,
        });
        let texts = texts.enumerate();
        texts.filter_map(move |(bit, text)| (fields.0 >> bit & 1 == 1).then_some(text))
    }

    /// Whether words of a field are found by their sound.
    fn sounds(&self) -> bool {
        self.texts(Fields::ALL).any(|text| text.phonetic.is_some())
    }

    /// Whether words of some fields are stemmed.
    fn stems(&self, fields: Fields) -> bool {
        let mut none_stems = self.texts(fields).map(|text| text.no_stem).peekable();
        // Fields that are none are stemmed, too: EXPLAIN shows it.
        none_stems.peek().is_none() || none_stems.any(|no_stem| !no_stem)
    }
}

/// A word of Chinese as all of the words that it is made of, as Redis has it; `None`: of another
/// language, or without the dictionary.
fn divided(language: Language, word: &[u8]) -> Option<Node> {
    if language != Language::Chinese || !IS_DIVIDED {
        return None;
    }
    let stop_words = StopWords::own([]);
    let words = Words::in_language(language, word, &stop_words);
    let parts = words.map(|word| Node::new(Kind::Expanded(word.text.into_owned())));
    Some(Node::new(Kind::Intersect {
        parts: parts.collect(),
        is_exact: false,
    }))
}
