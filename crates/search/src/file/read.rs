//! Definitions of versions 17 to 28.
//!
//! A field has a path from version 18 on. There are vectors from version 19 on, and 20, 21, 22
//! (tiered graphs) add numbers to them; 25 drops two and adds a double, 27 adds a number, 28 two.
//! The rule has another number from 24 on.
//!
//! Cost: O(bytes); nothing is allocated for a length before the items are there.

use super::{
    COMPRESSED, COMPRESSIONS, DecodeError, Definition, Groups, INDEX_ALL, Item, NO_END, SHORTER,
    flags, options, types,
};
use crate::expression;
use crate::schema::{
    Algorithm, Element, Field, FieldKind, Filter, Hnsw, KeyType, Metric, Phonetic, Schema,
    ShapeSpace, Svs, Tag, Text, Vector,
};
use crate::text::{Language, StopWords};

const OLDEST: u64 = 17;
const NEWEST: u64 = COMPRESSED;
/// Versions from which on files have paths, vectors, their lengths, whether a document has several,
/// tiered graphs, spaces of shapes, RERANK.
const PATHS: u64 = 18;
const VECTORS: u64 = 19;
const LENGTHS: u64 = 20;
const SEVERAL: u64 = 21;
const TIERED: u64 = 22;
const SPACES: u64 = 23;
const RERANK: u64 = 27;

/// The indexes that the fields of module data of a version define. Numbers are as the file has
/// them: before the caller makes an index, it checks them as it checks the numbers of FT.CREATE.
///
/// # Errors
///
/// If the version is unknown, or a field has not the type that the place demands.
pub fn read(version: u64, items: &[Item]) -> Result<Vec<Definition>, DecodeError> {
    if !(OLDEST..=NEWEST).contains(&version) {
        return Err(DecodeError(
            "definitions of indexes have an unknown version",
        ));
    }
    let mut reader = Reader { version, items };
    let count = reader.count()?;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(reader.index()?);
    }
    Ok(all)
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

struct Reader<'i> {
    version: u64,
    items: &'i [Item],
}

impl<'i> Reader<'i> {
    fn next(&mut self) -> Result<&'i Item, DecodeError> {
        let (first, rest) = self
            .items
            .split_first()
            .ok_or(DecodeError("definitions of indexes end early"))?;
        self.items = rest;
        Ok(first)
    }

    fn number(&mut self) -> Result<u64, DecodeError> {
        match self.next()? {
            Item::Number(n) => Ok(*n),
            _ => Err(DecodeError("a field of a definition is no number")),
        }
    }

    /// A size that words of FT.CREATE may have, too.
    fn size(&mut self) -> Result<usize, DecodeError> {
        let size = i64::try_from(self.number()?).ok();
        let size = size.and_then(|size| usize::try_from(size).ok());
        size.ok_or(DecodeError("a size is too large"))
    }

    /// The number of things that follow, each has at least an item.
    fn count(&mut self) -> Result<usize, DecodeError> {
        let count = self.size()?;
        if count > self.items.len() {
            return Err(DecodeError("definitions of indexes end early"));
        }
        Ok(count)
    }

    fn flag(&mut self) -> Result<bool, DecodeError> {
        self.number().map(|n| n != 0)
    }

    fn double(&mut self) -> Result<f64, DecodeError> {
        match self.next()? {
            Item::Double(n) => Ok(*n),
            _ => Err(DecodeError("a field of a definition is no double")),
        }
    }

    fn bytes(&mut self) -> Result<&'i [u8], DecodeError> {
        match self.next()? {
            Item::Text(text) => Ok(text),
            _ => Err(DecodeError("a field of a definition is no string")),
        }
    }

    /// A text, without the NUL at the end.
    fn text(&mut self) -> Result<Vec<u8>, DecodeError> {
        let text = self.bytes()?;
        Ok(text.strip_suffix(b"\0").unwrap_or(text).to_vec())
    }

    fn optional(&mut self) -> Result<Option<Vec<u8>>, DecodeError> {
        Ok(if self.flag()? {
            Some(self.text()?)
        } else {
            None
        })
    }

    fn texts(&mut self) -> Result<Vec<Vec<u8>>, DecodeError> {
        let count = self.count()?;
        (0..count).map(|_| self.text()).collect()
    }

    fn index(&mut self) -> Result<Definition, DecodeError> {
        let name = self.text()?;
        let bits = self.number()?;
        let has = |bit: u64| bits & bit != 0;
        let mut schema = Schema::new(KeyType::Hash);
        schema.has_offsets = has(flags::OFFSETS);
        schema.has_fields = has(flags::FIELDS);
        schema.has_frequencies = has(flags::FREQUENCIES);
        schema.has_highlights = has(flags::HIGHLIGHTS);
        schema.is_wide = has(flags::WIDE);
        schema.is_async = has(flags::ASYNC);
        schema.skips_scan = has(flags::SKIPS_SCAN);
        for _ in 0..self.count()? {
            let field = self.field()?;
            schema.fields.push(field);
        }
        let unread_filter = self.rule(&mut schema)?;
        if has(flags::STOP_WORDS) {
            schema.stop_words = StopWords::own(self.texts()?);
        }
        let mut synonyms = Groups::new();
        if has(flags::SYNONYMS) {
            for _ in 0..self.count()? {
                let term = self.text()?;
                synonyms.insert(term, self.texts()?);
            }
        }
        let left = self.number()?;
        let left_ms = (has(flags::TEMPORARY) && left != NO_END).then_some(left);
        if has(flags::TEMPORARY) {
            schema.temporary_s = Some(left_ms.unwrap_or(0) as f64 / 1000.0);
        }
        Ok(Definition {
            name,
            schema,
            synonyms,
            aliases: self.texts()?,
            left_ms,
            unread_filter,
        })
    }

    fn field(&mut self) -> Result<Field, DecodeError> {
        let name = self.text()?;
        let path = if self.version >= PATHS {
            self.optional()?
        } else {
            None
        };
        let (kind, bits) = (self.number()?, self.number()?);
        let has = |bit: u64| bits & bit != 0;
        // The place of the field's value among a document's values.
        self.number()?;
        let kind = match kind {
            types::TEXT => {
                self.number()?;
                FieldKind::Text(Text {
                    weight: self.double()?,
                    no_stem: has(options::NO_STEM),
                    phonetic: has(options::PHONETIC).then_some(Phonetic::English),
                    has_suffixes: has(options::SUFFIXES),
                    has_no_order: has(options::NO_ORDER),
                })
            }
            types::TAG => {
                let bits = self.number()?;
                let separator = self.bytes()?.first().copied();
                FieldKind::Tag(Tag {
                    separator: separator.filter(|byte| *byte != 0),
                    is_case_sensitive: bits & 1 != 0,
                    has_suffixes: has(options::SUFFIXES),
                })
            }
            types::NUMBER => FieldKind::Number,
            types::GEO => FieldKind::Geo,
            // Version 22 had a single space, which it did not write.
            types::SHAPE if self.version < SPACES => FieldKind::Shape(ShapeSpace::Flat),
            types::SHAPE => FieldKind::Shape(match self.number()? {
                0 => ShapeSpace::Flat,
                _ => ShapeSpace::Spherical,
            }),
            types::VECTOR => FieldKind::Vector(self.vector(path.as_deref())?),
            _ => return Err(DecodeError("a field has several types, or an unknown one")),
        };
        Ok(Field {
            path: path.unwrap_or_else(|| name.clone()),
            name,
            kind,
            is_sortable: has(options::SORTABLE),
            is_unnormalised: has(options::UNNORMALISED),
            no_index: has(options::NO_INDEX),
            indexes_missing: has(options::MISSING),
            indexes_empty: has(options::EMPTY),
        })
    }

    fn vector(&mut self, path: Option<&[u8]>) -> Result<Vector, DecodeError> {
        if self.version < VECTORS {
            return Err(DecodeError("indexes before version 19 have no vectors"));
        }
        if self.version >= LENGTHS {
            // Bytes of a vector.
            self.number()?;
        }
        let is_tiered = self.version >= TIERED;
        let is_flat = match self.number()? {
            0 => true,
            1 if !is_tiered => false,
            2 if is_tiered => false,
            _ => return Err(DecodeError("an algorithm of vectors is not known")),
        };
        let (mut is_svs, mut threshold) = (false, 0);
        if !is_flat && is_tiered {
            match self.number()? {
                1 => {}
                3 if self.version >= SHORTER => is_svs = true,
                _ => return Err(DecodeError("an algorithm of vectors is not known")),
            }
            // After how many vectors it learns to compress; of HNSW, when it takes vectors.
            threshold = self.size()?;
        }
        let element = match self.number()? {
            0 => Element::Float32,
            1 => Element::Float64,
            2 => Element::BFloat16,
            3 => Element::Float16,
            4 => Element::Int8,
            5 => Element::Uint8,
            _ => return Err(DecodeError("a type of vectors is not known")),
        };
        let dimensions = self.size()?;
        let metric = match self.number()? {
            0 => Metric::L2,
            1 => Metric::InnerProduct,
            2 => Metric::Cosine,
            _ => return Err(DecodeError("a distance of vectors is not known")),
        };
        // In files from before this fact was written, the path shows it.
        let is_manifold = |path: &[u8]| has(path, b"[*]") || has(path, b"..");
        let says_several = self.version >= SEVERAL && self.flag()?;
        let takes_several = says_several || path.is_some_and(is_manifold);
        let is_longer = self.version < SHORTER;
        let initial_cap = if is_longer && !is_svs {
            self.size()?
        } else {
            1024
        };
        let algorithm = if is_svs {
            Algorithm::Svs(self.svs(threshold)?)
        } else if is_flat {
            let block_size = if is_longer { self.size()? } else { 1024 };
            Algorithm::Flat { block_size }
        } else {
            Algorithm::Hnsw(self.hnsw(is_longer)?)
        };
        Ok(Vector {
            element,
            dimensions,
            metric,
            algorithm,
            initial_cap,
            takes_several,
        })
    }

    fn hnsw(&mut self, is_longer: bool) -> Result<Hnsw, DecodeError> {
        let (m, ef_construction, ef_runtime) = (self.size()?, self.size()?, self.size()?);
        let epsilon = if is_longer { 0.01 } else { self.double()? };
        if self.version >= RERANK {
            self.number()?;
        }
        let mut sq8 = None;
        if self.version >= COMPRESSED {
            let (compression, threshold) = (self.number()?, self.size()?);
            sq8 = (compression != 0).then_some(threshold);
        }
        Ok(Hnsw {
            m,
            ef_construction,
            ef_runtime,
            epsilon,
            sq8,
        })
    }

    fn svs(&mut self, threshold: usize) -> Result<Svs, DecodeError> {
        let bits = self.number()?;
        let compression = COMPRESSIONS.iter().find(|(_, its)| *its == bits);
        let (graph_max_degree, construction_window) = (self.size()?, self.size()?);
        let reduced = self.size()?;
        Ok(Svs {
            graph_max_degree,
            construction_window,
            search_window: self.size()?,
            epsilon: self.double()?,
            compression: compression.map(|(name, _)| *name),
            training_threshold: (threshold > 0).then_some(threshold),
            reduced_dimensions: (reduced > 0).then_some(reduced),
        })
    }

    /// The rule for keys; the text of the filter if the filter cannot be read.
    fn rule(&mut self, schema: &mut Schema) -> Result<Option<Vec<u8>>, DecodeError> {
        schema.key_type = match self.text()?.as_slice() {
            b"HASH" => KeyType::Hash,
            b"JSON" => KeyType::Json,
            _ => return Err(DecodeError("the type of an index's keys is not known")),
        };
        schema.prefixes = self.texts()?;
        if schema.prefixes.is_empty() {
            schema.prefixes.push(Vec::new());
        }
        let mut unread_filter = None;
        if let Some(text) = self.optional()? {
            match expression::parse(&text) {
                Ok(expression) => schema.filter = Some(Filter { text, expression }),
                Err(_) => unread_filter = Some(text),
            }
        }
        schema.language_field = self.optional()?;
        schema.score_field = self.optional()?;
        schema.payload_field = self.optional()?;
        schema.score = self.double()?;
        let language = Language::numbered(self.number()?);
        schema.language = language.ok_or(DecodeError("the language of an index is not known"))?;
        schema.names_language = schema.language != Language::English;
        if self.version >= INDEX_ALL {
            schema.indexes_all = self.flag()?;
        }
        Ok(unread_filter)
    }
}
