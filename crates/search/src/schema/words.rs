//! A schema as the words of FT.CREATE that make it: for logs of commands.
//!
//! Cost: O(fields).

use super::{
    Algorithm, Field, FieldKind, Hnsw, KeyType, Phonetic, Schema, ShapeSpace, Svs, Vector,
};

/// The words after the index's name.
pub fn words(schema: &Schema) -> Vec<Vec<u8>> {
    let mut out = Words(Vec::new());
    out.options(schema);
    out.word("SCHEMA");
    schema
        .fields
        .iter()
        .for_each(|field| out.field(schema, field));
    out.0
}

struct Words(Vec<Vec<u8>>);

impl Words {
    fn word(&mut self, word: &str) {
        self.0.push(word.as_bytes().to_vec());
    }

    fn pair(&mut self, name: &str, value: impl ToString) {
        self.word(name);
        self.word(&value.to_string());
    }

    fn named(&mut self, name: &str, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.word(name);
            self.0.push(value.to_vec());
        }
    }

    fn flags(&mut self, flags: &[(bool, &str)]) {
        for (is_set, name) in flags {
            if *is_set {
                self.word(name);
            }
        }
    }

    fn list<'w>(&mut self, name: &str, all: impl Iterator<Item = &'w [u8]>) {
        let all: Vec<&[u8]> = all.collect();
        self.pair(name, all.len());
        self.0.extend(all.into_iter().map(<[u8]>::to_vec));
    }

    fn options(&mut self, schema: &Schema) {
        self.pair(
            "ON",
            match schema.key_type {
                KeyType::Hash => "HASH",
                KeyType::Json => "JSON",
            },
        );
        if let Some(database) = schema.named_database {
            self.pair("DB", database);
        }
        self.list("PREFIX", schema.prefixes.iter().map(Vec::as_slice));
        self.named(
            "FILTER",
            schema.filter.as_ref().map(|filter| filter.text.as_slice()),
        );
        if schema.names_language {
            self.pair("LANGUAGE", schema.language.name());
        }
        self.named("LANGUAGE_FIELD", schema.language_field.as_deref());
        self.pair("SCORE", schema.score);
        self.named("SCORE_FIELD", schema.score_field.as_deref());
        self.named("PAYLOAD_FIELD", schema.payload_field.as_deref());
        if let Some(seconds) = schema.temporary_s {
            self.pair("TEMPORARY", seconds);
        }
        self.flags(&[
            (schema.is_wide, "MAXTEXTFIELDS"),
            (!schema.has_offsets, "NOOFFSETS"),
            (schema.has_offsets && !schema.has_highlights, "NOHL"),
            (!schema.has_fields, "NOFIELDS"),
            (!schema.has_frequencies, "NOFREQS"),
            (schema.skips_scan, "SKIPINITIALSCAN"),
            (schema.is_async, "ASYNC"),
        ]);
        if schema.indexes_all {
            self.pair("INDEXALL", "ENABLE");
        }
        if let Some(stop_words) = schema.stop_words.named() {
            self.list("STOPWORDS", stop_words);
        }
    }

    fn field(&mut self, schema: &Schema, field: &Field) {
        self.0.push(field.path.clone());
        if field.path != field.name {
            self.named("AS", Some(&field.name));
        }
        self.word(field.kind.name());
        match &field.kind {
            FieldKind::Text(text) => {
                self.pair("WEIGHT", text.weight);
                self.flags(&[
                    (text.no_stem, "NOSTEM"),
                    (text.has_suffixes, "WITHSUFFIXTRIE"),
                ]);
                if let Some(phonetic) = text.phonetic {
                    self.pair(
                        "PHONETIC",
                        match phonetic {
                            Phonetic::English => "dm:en",
                            Phonetic::French => "dm:fr",
                            Phonetic::Portuguese => "dm:pt",
                            Phonetic::Spanish => "dm:es",
                        },
                    );
                }
            }
            FieldKind::Tag(tag) => {
                // On hashes a comma is usual, on JSON there is no separator.
                let usual = (schema.key_type == KeyType::Hash).then_some(b',');
                if tag.separator != usual
                    && let Some(separator) = tag.separator
                {
                    self.named("SEPARATOR", Some(&[separator]));
                }
                self.flags(&[
                    (tag.is_case_sensitive, "CASESENSITIVE"),
                    (tag.has_suffixes, "WITHSUFFIXTRIE"),
                ]);
            }
            FieldKind::Shape(ShapeSpace::Flat) => self.word("FLAT"),
            FieldKind::Vector(vector) => self.vector(vector),
            FieldKind::Number | FieldKind::Geo | FieldKind::Shape(ShapeSpace::Spherical) => {}
        }
        self.flags(&[
            (field.indexes_missing, "INDEXMISSING"),
            (field.indexes_empty, "INDEXEMPTY"),
            (field.is_sortable, "SORTABLE"),
            (field.is_sortable && field.is_unnormalised, "UNF"),
            (field.no_index, "NOINDEX"),
        ]);
    }

    fn vector(&mut self, vector: &Vector) {
        self.word(vector.algorithm.name());
        let mut parameters = Words(Vec::new());
        parameters.pair("TYPE", vector.element.name());
        parameters.pair("DIM", vector.dimensions);
        parameters.pair("DISTANCE_METRIC", vector.metric.name());
        match vector.algorithm {
            Algorithm::Flat { block_size } => {
                parameters.pair("INITIAL_CAP", vector.initial_cap);
                parameters.pair("BLOCK_SIZE", block_size);
            }
            Algorithm::Hnsw(its) => {
                parameters.pair("INITIAL_CAP", vector.initial_cap);
                parameters.hnsw(its);
            }
            Algorithm::Svs(its) => parameters.svs(its),
        }
        self.word(&parameters.0.len().to_string());
        self.0.append(&mut parameters.0);
    }

    fn hnsw(&mut self, its: Hnsw) {
        self.pair("M", its.m);
        self.pair("EF_CONSTRUCTION", its.ef_construction);
        self.pair("EF_RUNTIME", its.ef_runtime);
        self.pair("EPSILON", its.epsilon);
        if let Some(threshold) = its.sq8 {
            self.pair("COMPRESSION", "SQ8");
            self.pair("TRAINING_THRESHOLD", threshold);
        }
    }

    fn svs(&mut self, its: Svs) {
        self.pair("GRAPH_MAX_DEGREE", its.graph_max_degree);
        self.pair("CONSTRUCTION_WINDOW_SIZE", its.construction_window);
        self.pair("SEARCH_WINDOW_SIZE", its.search_window);
        self.pair("EPSILON", its.epsilon);
        self.named("COMPRESSION", its.compression.map(str::as_bytes));
        if let Some(threshold) = its.training_threshold {
            self.pair("TRAINING_THRESHOLD", threshold);
        }
        if let Some(dimensions) = its.reduced_dimensions {
            self.pair("REDUCE", dimensions);
        }
    }
}
