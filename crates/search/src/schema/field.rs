//! A field of a schema, and the options of its type.
//! FT.INFO and files show all of them.

use crate::error::{self, SearchError};

/// A field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Where documents have it: a name in a hash, a path in JSON.
    pub path: Vec<u8>,
    /// How queries call it: the name after AS, else the path.
    pub name: Vec<u8>,
    pub kind: FieldKind,
    /// SORTABLE: the index keeps the values beside the document.
    pub is_sortable: bool,
    /// UNF: kept for sorting as they are, with the case of their letters.
    pub is_unnormalised: bool,
    /// NOINDEX: kept for sorting, not searched.
    pub no_index: bool,
    /// INDEXMISSING: `ismissing(@field)` may be asked.
    pub indexes_missing: bool,
    /// INDEXEMPTY: empty texts may be asked for.
    pub indexes_empty: bool,
}

impl Field {
    /// Whether the field's path may find several values in no order.
    pub fn has_no_order(&self) -> bool {
        match &self.kind {
            FieldKind::Text(text) => text.has_no_order,
            _ => false,
        }
    }
}

/// A field's type, with the options of the type.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldKind {
    Text(Text),
    Tag(Tag),
    Number,
    Geo,
    Shape(ShapeSpace),
    Vector(Vector),
}

impl FieldKind {
    /// As FT.CREATE and FT.INFO name it.
    pub fn name(&self) -> &'static str {
        match self {
            FieldKind::Text(_) => "TEXT",
            FieldKind::Tag(_) => "TAG",
            FieldKind::Number => "NUMERIC",
            FieldKind::Geo => "GEO",
            FieldKind::Shape(_) => "GEOSHAPE",
            FieldKind::Vector(_) => "VECTOR",
        }
    }
}

/// Options of TEXT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Text {
    /// May be negative.
    pub weight: f64,
    pub no_stem: bool,
    pub phonetic: Option<Phonetic>,
    /// WITHSUFFIXTRIE: parts within words are found quickly.
    pub has_suffixes: bool,
    /// The path may find several texts in no order, so there is no SLOP or INORDER.
    pub has_no_order: bool,
}

/// The language that PHONETIC names; all are double metaphones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phonetic {
    English,
    French,
    Portuguese,
    Spanish,
}

/// Options of TAG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// `None`: the whole text is a tag, as JSON has it if no separator is named.
    pub separator: Option<u8>,
    pub is_case_sensitive: bool,
    pub has_suffixes: bool,
}

/// The space of shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeSpace {
    Flat,
    Spherical,
}

/// Options of VECTOR.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vector {
    pub element: Element,
    /// Elements of a vector, at least 1.
    pub dimensions: usize,
    pub metric: Metric,
    pub algorithm: Algorithm,
    pub initial_cap: usize,
    /// The path may find several vectors of a document; the nearest vector counts.
    pub takes_several: bool,
}

impl Vector {
    /// Links of a row on the levels above the lowest, at most; on the lowest twice as many. No
    /// graph of RediSearch has more.
    pub const LINKS_MAX: usize = 32_767;
    /// The most bytes of a vector with links: as many as a string may have.
    pub const BYTES_MAX: usize = 512 << 20;

    /// Bytes of a vector with links, the least that the first vector costs; at most `usize::MAX`.
    pub fn bytes(&self) -> usize {
        let of_row = self.dimensions.saturating_mul(self.element.bytes());
        let links = self.algorithm.graph().map_or(0, |graph| {
            graph
                .m
                .saturating_mul(2)
                .saturating_add(3)
                .saturating_mul(4)
        });
        of_row.saturating_add(links)
    }

    /// Whether an index over such vectors can be made, if each may have `bytes_max` bytes with
    /// links; the definition may have any source.
    ///
    /// # Errors
    ///
    /// In the words of 8.10.
    pub fn check(&self, bytes_max: usize) -> Result<(), SearchError> {
        let bytes = self.bytes();
        let most = bytes_max.min(Vector::BYTES_MAX);
        let graph = self.algorithm.graph();
        let is_flat_or_sound = graph.is_none_or(|graph| (1..=Vector::LINKS_MAX).contains(&graph.m));
        if self.dimensions > 0 && is_flat_or_sound && bytes <= most {
            return Ok(());
        }
        let text = format!(
            "Vector index element size {bytes} exceeded maximum size allowed by server limit which \
             is {most}"
        );
        Err(SearchError::new(error::OVER_LIMIT, text))
    }
}

/// How vectors are searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Algorithm {
    Flat {
        block_size: usize,
    },
    Hnsw(Hnsw),
    /// Accepted, and searched as HNSW.
    Svs(Svs),
}

impl Algorithm {
    /// As FT.CREATE names it.
    pub fn name(&self) -> &'static str {
        match self {
            Algorithm::Flat { .. } => "FLAT",
            Algorithm::Hnsw(_) => "HNSW",
            Algorithm::Svs(_) => "SVS-VAMANA",
        }
    }

    /// The graph that it is searched by. `None`: every vector is looked at.
    pub fn graph(&self) -> Option<Hnsw> {
        match self {
            Algorithm::Flat { .. } => None,
            Algorithm::Hnsw(graph) => Some(*graph),
            Algorithm::Svs(svs) => Some(Hnsw {
                m: svs.graph_max_degree.div_ceil(2),
                ef_construction: svs.construction_window,
                ef_runtime: svs.search_window,
                epsilon: svs.epsilon,
                sq8: None,
            }),
        }
    }
}

/// Parameters of HNSW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hnsw {
    pub m: usize,
    pub ef_construction: usize,
    pub ef_runtime: usize,
    pub epsilon: f64,
    /// COMPRESSION SQ8 of Redis 8.12, with its TRAINING_THRESHOLD; vectors are kept whole all the
    /// same.
    pub sq8: Option<usize>,
}

impl Hnsw {
    /// The TRAINING_THRESHOLD of Redis 8.12, if none is given, and the highest.
    pub const TRAINING_THRESHOLD: usize = 10_240;
    pub(crate) const TRAINING_THRESHOLD_MAX: usize = 102_400;
}

impl Default for Hnsw {
    fn default() -> Hnsw {
        Hnsw {
            m: 16,
            ef_construction: 200,
            ef_runtime: 10,
            epsilon: 0.01,
            sq8: None,
        }
    }
}

/// Parameters of SVS-VAMANA.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Svs {
    pub graph_max_degree: usize,
    pub construction_window: usize,
    pub search_window: usize,
    pub epsilon: f64,
    /// As FT.INFO names it; vectors are kept whole all the same.
    pub compression: Option<&'static str>,
    pub training_threshold: Option<usize>,
    /// REDUCE: dimensions that LeanVec would leave.
    pub reduced_dimensions: Option<usize>,
}

impl Default for Svs {
    fn default() -> Svs {
        Svs {
            graph_max_degree: 32,
            construction_window: 200,
            search_window: 10,
            epsilon: 0.01,
            compression: None,
            training_threshold: None,
            reduced_dimensions: None,
        }
    }
}

/// The type of a vector's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Float32,
    Float64,
    BFloat16,
    Float16,
    Int8,
    Uint8,
}

impl Element {
    /// As FT.CREATE names it.
    pub fn name(self) -> &'static str {
        match self {
            Element::Float32 => "FLOAT32",
            Element::Float64 => "FLOAT64",
            Element::BFloat16 => "BFLOAT16",
            Element::Float16 => "FLOAT16",
            Element::Int8 => "INT8",
            Element::Uint8 => "UINT8",
        }
    }

    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        match self {
            Element::Float64 => 8,
            Element::Float32 => 4,
            Element::BFloat16 | Element::Float16 => 2,
            Element::Int8 | Element::Uint8 => 1,
        }
    }
}

/// The distance of two vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The square of the Euclidean distance.
    L2,
    /// 1 less the inner product.
    InnerProduct,
    /// 1 less the cosine.
    Cosine,
}

impl Metric {
    /// The metric by which a graph links vectors. Inner products are no distances (a vector is not
    /// the nearest to itself): the Euclidean distance takes their place.
    pub(crate) fn linking(self) -> Metric {
        match self {
            Metric::InnerProduct => Metric::L2,
            metric => metric,
        }
    }
}

impl Metric {
    /// As FT.CREATE names it.
    pub fn name(self) -> &'static str {
        match self {
            Metric::L2 => "L2",
            Metric::InnerProduct => "IP",
            Metric::Cosine => "COSINE",
        }
    }
}
