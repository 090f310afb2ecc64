//! Queries with the synonyms, sounds and stems of their words, as FT.EXPLAIN shows them.
//!
//! Words of phrases stay as they are, and in RediSearch 2.10 also words that must not or need not
//! be there, and words before `=>[KNN`. EXPANDER names the terms that are looked for beside the
//! words: all, the synonyms, the sounds, or the stems alone; another name stands for none.

use super::Index;
use crate::query::{Fields, Kind, Node, QueryError};
use crate::schema::{FieldKind, Text};
use crate::search::{Expander, Search};
use crate::text::{IS_DIVIDED, Language, StopWords, Words, counted, sound, stem};

/// How words are expanded.
#[derive(Clone, Copy)]
struct Expansion {
    language: Language,
    expander: Expander,
    is_2_10: bool,
}

impl Index {
    /// A query whose words are looked for with their synonyms, sounds and stems. O(nodes).
    ///
    /// # Errors
    ///
    /// A word has the attribute $phonetic, and none of the word's fields is PHONETIC.
    pub fn expand(&self, node: &Node, search: &Search) -> Result<Node, QueryError> {
        let mut node = node.clone();
        if !search.verbatim {
            let language = search.language.unwrap_or(self.schema.language);
            let expansion = Expansion {
                language,
                expander: search.expander,
                is_2_10: search.is_2_10,
            };
            self.expand_part(&mut node, expansion)?;
        }
        Ok(node)
    }

    fn expand_part(&self, node: &mut Node, expansion: Expansion) -> Result<(), QueryError> {
        let Expansion {
            language,
            expander,
            is_2_10,
        } = expansion;
        if node.verbatim {
            return Ok(());
        }
        match &mut node.kind {
            Kind::Word(word) if !word.is_empty() => {
                word.truncate(counted(word).len());
                let mut found = Vec::new();
                if expander.finds(Expander::Synonyms)
                    && let Some(groups) = self.synonyms.get(word.as_slice())
                {
                    found.extend(groups.iter().map(|group| [b"~", &**group].concat()));
                }
                let sounds = self.texts(node.fields).any(|text| text.phonetic.is_some());
                if node.phonetic.is_some() && !sounds {
                    return Err(QueryError(b"field does not support phonetics".to_vec()));
                }
                // EXPLAIN shows sounds for unknown fields, too.
                let sounds = sounds || node.fields == Fields(0) && self.sounds();
                let finds_sounds = expander.finds(Expander::Sounds);
                if finds_sounds && sounds && node.phonetic != Some(false) {
                    let code = sound(word);
                    found.extend((!code.is_empty()).then(|| [b"<", code.as_slice()].concat()));
                }
                let finds_stems = expander.finds(Expander::Stems);
                let divided = divided(language, word).filter(|_| finds_stems);
                if finds_stems && divided.is_none() && self.stems(node.fields) {
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
                    self.expand_part(part, expansion)?;
                }
            }
            Kind::Not(part) | Kind::Optional(part) if !is_2_10 => {
                self.expand_part(part, expansion)?;
            }
            Kind::Vector(vector) if !is_2_10 => {
                if let Some(filter) = &mut vector.filter {
                    self.expand_part(filter, expansion)?;
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
        // Words of unknown fields are stemmed, too, because EXPLAIN shows the stems.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::testbed::{root, text};
    use crate::query::explain;
    use crate::schema::{FieldKind, KeyType, Phonetic, Schema};

    #[test]
    fn expander_names_what_words_are_looked_for_by() {
        let mut schema = Schema::new(KeyType::Hash);
        schema.fields = vec![text("t", 1.0)];
        if let FieldKind::Text(text) = &mut schema.fields[0].kind {
            text.phonetic = Some(Phonetic::English);
        }
        let mut index = Index::new(schema);
        index.set_synonyms(b"g1", [b"running".to_vec()]);
        let all = "UNION { running ~g1(expanded) <RNNK(expanded) +run(expanded) run(expanded) }";
        for (name, expected) in [
            ("DEFAULT", all),
            ("SYNONYM", "UNION { running ~g1(expanded) }"),
            ("PHONETIC", "UNION { running <RNNK(expanded) }"),
            ("SBSTEM", "UNION { running +run(expanded) run(expanded) }"),
            ("synonym", "running"),
            ("nope", "running"),
        ] {
            let search = Search {
                expander: Expander::named(name.as_bytes()),
                ..Search::default()
            };
            let root = index.expand(&root(&index, "running"), &search);
            let shown = explain(Some(&root.expect("a tree")), index.schema());
            let shown = String::from_utf8(shown).expect("text");
            let words: Vec<&str> = shown.split_ascii_whitespace().collect();
            assert_eq!(words.join(" "), expected, "{name}");
        }
    }
}
