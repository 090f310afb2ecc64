//! Definitions in the form of version 23, with SVS-VAMANA of version 25, with SQ8 of version 28.
//!
//! Cost: O(fields).

use super::{
    COMPRESSED, Definition, INDEX_ALL, Item, NO_END, NONE, SHORTER, bits_of, flags, options, types,
};
use crate::schema::{Algorithm, Element, Field, FieldKind, KeyType, Metric, Schema, ShapeSpace};

/// The version that is written, and the version if an index has vectors of SVS-VAMANA, because
/// older versions cannot have such vectors; [`COMPRESSED`] if a graph is to be compressed.
pub(super) const VERSION: u64 = 23;
pub(super) const WITH_SVS: u64 = SHORTER;

const FLAT: u64 = 0;
/// A graph beside vectors that it has not taken yet; then the kind of graph.
const TIERED: u64 = 2;
const HNSW: u64 = 1;
const SVS: u64 = 3;

/// The fields of module data that define some indexes, and their version.
pub fn write(all: &[Definition]) -> (u64, Vec<Item>) {
    let is_svs = |field: &Field| match &field.kind {
        FieldKind::Vector(vector) => matches!(vector.algorithm, Algorithm::Svs(_)),
        _ => false,
    };
    let is_compressed = |field: &Field| match &field.kind {
        FieldKind::Vector(vector) => {
            matches!(vector.algorithm, Algorithm::Hnsw(graph) if graph.sq8.is_some())
        }
        _ => false,
    };
    let mut fields = all.iter().flat_map(|one| &one.schema.fields);
    let version = if fields.clone().any(is_compressed) {
        COMPRESSED
    } else if fields.any(is_svs) {
        WITH_SVS
    } else {
        VERSION
    };
    let items = vec![Item::Number(all.len() as u64)];
    let mut out = Writer { version, items };
    all.iter().for_each(|one| out.index(one));
    (version, out.items)
}

struct Writer {
    version: u64,
    items: Vec<Item>,
}

impl Writer {
    fn number(&mut self, n: u64) {
        self.items.push(Item::Number(n));
    }

    /// A text and a NUL.
    fn text(&mut self, text: &[u8]) {
        self.items.push(Item::Text([text, b"\0"].concat()));
    }

    fn optional(&mut self, text: Option<&[u8]>) {
        self.number(text.is_some().into());
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn index(&mut self, of: &Definition) {
        let schema = &of.schema;
        self.text(&of.name);
        self.number(flags_of(of));
        self.number(schema.fields.len() as u64);
        let (mut texts, mut sortable) = (0, 0);
        for field in &schema.fields {
            self.field(field, &mut texts, &mut sortable);
        }
        self.rule(schema);
        if let Some(words) = schema.stop_words.named() {
            let words: Vec<&[u8]> = words.collect();
            self.number(words.len() as u64);
            let texts = words.into_iter().map(|word| Item::Text(word.to_vec()));
            self.items.extend(texts);
        }
        if !of.synonyms.is_empty() {
            self.number(of.synonyms.len() as u64);
            for (term, groups) in &of.synonyms {
                self.text(term);
                self.number(groups.len() as u64);
                groups.iter().for_each(|group| self.text(group));
            }
        }
        self.number(of.left_ms.unwrap_or(NO_END));
        self.number(of.aliases.len() as u64);
        of.aliases.iter().for_each(|alias| self.text(alias));
    }

    fn field(&mut self, field: &Field, texts: &mut u64, sortable: &mut u64) {
        self.text(&field.name);
        let path = (field.path != field.name).then_some(field.path.as_slice());
        self.optional(path);
        self.number(type_of(&field.kind));
        self.number(options_of(field));
        self.number(if field.is_sortable { *sortable } else { NONE });
        *sortable += u64::from(field.is_sortable);
        match &field.kind {
            FieldKind::Text(text) => {
                self.number(*texts);
                *texts += 1;
                self.items.push(Item::Double(text.weight));
            }
            FieldKind::Tag(tag) => {
                self.number(6 | u64::from(tag.is_case_sensitive));
                let separator = tag.separator.unwrap_or(0);
                self.items.push(Item::Text(vec![separator]));
            }
            FieldKind::Number | FieldKind::Geo => {}
            FieldKind::Shape(space) => self.number(match space {
                ShapeSpace::Flat => 0,
                ShapeSpace::Spherical => 1,
            }),
            FieldKind::Vector(vector) => {
                self.number((vector.dimensions * vector.element.bytes()) as u64);
                let common = [
                    element_of(vector.element),
                    vector.dimensions as u64,
                    metric_of(vector.metric),
                    vector.takes_several.into(),
                ];
                match vector.algorithm {
                    Algorithm::Flat { block_size } => {
                        self.number(FLAT);
                        common.into_iter().for_each(|n| self.number(n));
                        if self.version < SHORTER {
                            self.number(vector.initial_cap as u64);
                            self.number(block_size as u64);
                        }
                    }
                    Algorithm::Hnsw(its) => {
                        [TIERED, HNSW, 0].into_iter().for_each(|n| self.number(n));
                        common.into_iter().for_each(|n| self.number(n));
                        if self.version < SHORTER {
                            self.number(vector.initial_cap as u64);
                        }
                        let sizes = [its.m, its.ef_construction, its.ef_runtime];
                        sizes.into_iter().for_each(|n| self.number(n as u64));
                        if self.version >= SHORTER {
                            self.items.push(Item::Double(its.epsilon));
                        }
                        if self.version >= COMPRESSED {
                            // No RERANK.
                            let threshold = its.sq8.unwrap_or(0) as u64;
                            let numbers = [0, its.sq8.is_some().into(), threshold];
                            numbers.into_iter().for_each(|n| self.number(n));
                        }
                    }
                    Algorithm::Svs(its) => {
                        let threshold = its.training_threshold.unwrap_or(0) as u64;
                        [TIERED, SVS, threshold]
                            .into_iter()
                            .for_each(|n| self.number(n));
                        common.into_iter().for_each(|n| self.number(n));
                        self.number(bits_of(its.compression));
                        let sizes = [
                            its.graph_max_degree,
                            its.construction_window,
                            its.reduced_dimensions.unwrap_or(0),
                            its.search_window,
                        ];
                        sizes.into_iter().for_each(|n| self.number(n as u64));
                        self.items.push(Item::Double(its.epsilon));
                    }
                }
            }
        }
    }

    fn rule(&mut self, schema: &Schema) {
        self.text(match schema.key_type {
            KeyType::Hash => b"HASH",
            KeyType::Json => b"JSON",
        });
        self.number(schema.prefixes.len() as u64);
        schema.prefixes.iter().for_each(|prefix| self.text(prefix));
        self.optional(schema.filter.as_ref().map(|filter| filter.text.as_slice()));
        self.optional(schema.language_field.as_deref());
        self.optional(schema.score_field.as_deref());
        self.optional(schema.payload_field.as_deref());
        self.items.push(Item::Double(schema.score));
        self.number(schema.language.number());
        if self.version >= INDEX_ALL {
            self.number(schema.indexes_all.into());
        }
    }
}

fn flags_of(of: &Definition) -> u64 {
    let schema = &of.schema;
    let any = |is: &dyn Fn(&Field) -> bool| schema.fields.iter().any(is);
    let all = [
        (schema.has_offsets, flags::OFFSETS),
        (schema.has_fields, flags::FIELDS),
        (schema.stop_words.named().is_some(), flags::STOP_WORDS),
        (schema.has_frequencies, flags::FREQUENCIES),
        (schema.has_highlights, flags::HIGHLIGHTS),
        (schema.is_wide, flags::WIDE),
        (!of.synonyms.is_empty(), flags::SYNONYMS),
        (schema.temporary_s.is_some(), flags::TEMPORARY),
        (
            any(&|field| options_of(field) & options::PHONETIC != 0),
            flags::PHONETIC,
        ),
        (schema.is_async, flags::ASYNC),
        (schema.skips_scan, flags::SKIPS_SCAN),
        (!of.aliases.is_empty(), flags::ALIASES),
        (
            any(&|field| matches!(field.kind, FieldKind::Vector(_))),
            flags::VECTORS,
        ),
        (
            any(&|field| options_of(field) & options::SUFFIXES != 0),
            flags::SUFFIXES,
        ),
        (
            any(&|field| options_of(field) & options::NO_ORDER != 0),
            flags::NO_ORDER,
        ),
        (
            any(&|field| matches!(field.kind, FieldKind::Shape(_))),
            flags::SHAPES,
        ),
        (any(&|field| !field.indexes_empty), flags::NOT_EMPTY),
    ];
    all.iter()
        .map(|(is_set, bit)| if *is_set { *bit } else { 0 })
        .sum()
}

fn type_of(kind: &FieldKind) -> u64 {
    match kind {
        FieldKind::Text(_) => types::TEXT,
        FieldKind::Tag(_) => types::TAG,
        FieldKind::Number => types::NUMBER,
        FieldKind::Geo => types::GEO,
        FieldKind::Shape(_) => types::SHAPE,
        FieldKind::Vector(_) => types::VECTOR,
    }
}

fn options_of(field: &Field) -> u64 {
    let (mut no_stem, mut phonetic, mut suffixes) = (false, false, false);
    match &field.kind {
        FieldKind::Text(text) => {
            (no_stem, phonetic) = (text.no_stem, text.phonetic.is_some());
            suffixes = text.has_suffixes;
        }
        FieldKind::Tag(tag) => suffixes = tag.has_suffixes,
        _ => {}
    }
    let all = [
        (field.is_sortable, options::SORTABLE),
        (no_stem, options::NO_STEM),
        (field.no_index, options::NO_INDEX),
        (phonetic, options::PHONETIC),
        (field.is_unnormalised, options::UNNORMALISED),
        (suffixes, options::SUFFIXES),
        (field.has_no_order(), options::NO_ORDER),
        (field.indexes_empty, options::EMPTY),
        (field.indexes_missing, options::MISSING),
    ];
    all.iter()
        .map(|(is_set, bit)| if *is_set { *bit } else { 0 })
        .sum()
}

fn element_of(element: Element) -> u64 {
    match element {
        Element::Float32 => 0,
        Element::Float64 => 1,
        Element::BFloat16 => 2,
        Element::Float16 => 3,
        Element::Int8 => 4,
        Element::Uint8 => 5,
    }
}

fn metric_of(metric: Metric) -> u64 {
    match metric {
        Metric::L2 => 0,
        Metric::InnerProduct => 1,
        Metric::Cosine => 2,
    }
}
