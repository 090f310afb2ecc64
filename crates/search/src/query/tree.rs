//! A query as a tree: parts that match documents, in some text fields, with their attributes.
//!
//! Both grammars make this tree, which says nothing about how a part is found.

use std::any::Any;
use std::fmt::{Debug, Formatter};

/// The text fields that a part of a query looks in: a bit for each of the schema's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields(pub u128);

impl Fields {
    /// Every text field, also fields that are added later.
    pub const ALL: Fields = Fields(u128::MAX);
}

/// A part of a query, with the attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub kind: Kind,
    pub fields: Fields,
    /// The factor of the part's score.
    pub weight: f64,
    /// How many other words may stand between the words of an intersection. `None`: as the query
    /// says.
    pub slop: Option<u32>,
    /// Whether words must stand in the order of the query.
    pub in_order: bool,
    /// Whether words are also found by their sound; `None`: as the field has it.
    pub phonetic: Option<bool>,
    /// Words are taken as they are, without their stems.
    pub verbatim: bool,
    /// The name that a distance has among a row's fields.
    pub distance_field: Option<Vec<u8>>,
    /// The work of an index on it: `iterate::prepare` has the type.
    pub(crate) found: Memo,
}

/// The work of an index on a part of a query, kept for the next time.
///
/// It is no part of the query: copies are empty, and all are equal.
#[derive(Default)]
pub(crate) struct Memo(Option<Box<dyn Any + Send + Sync>>);

impl Memo {
    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.0.as_ref()?.downcast_ref()
    }

    /// Takes the work, if it is of this type; work of another type stays.
    pub(crate) fn take<T: Any>(&mut self) -> Option<T> {
        let found = self.0.take_if(|found| found.is::<T>())?;
        found.downcast().ok().map(|found| *found)
    }

    pub(crate) fn put(&mut self, found: impl Any + Send + Sync) {
        self.0 = Some(Box::new(found));
    }
}

impl Debug for Memo {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.write_str(if self.0.is_some() { "found" } else { "-" })
    }
}

impl Clone for Memo {
    fn clone(&self) -> Memo {
        Memo::default()
    }
}

impl PartialEq for Memo {
    fn eq(&self, _: &Memo) -> bool {
        true
    }
}

/// The documents that a part of a query matches.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `*`
    Everything,
    Word(Vec<u8>),
    /// A term that stands for a word: `+` and the stem, the stem alone, or `~` and a group of
    /// synonyms.
    Expanded(Vec<u8>),
    /// All parts, in any order and distance, or as a phrase.
    Intersect {
        parts: Vec<Node>,
        is_exact: bool,
    },
    Union(Vec<Node>),
    Not(Box<Node>),
    Optional(Box<Node>),
    /// `ab*`, `*ab`, `*ab*`: `leading` and `trailing` say where anything may stand.
    Affix {
        text: Vec<u8>,
        leading: bool,
        trailing: bool,
    },
    /// `w'a?b*'`
    Pattern(Vec<u8>),
    /// `%word%`
    Fuzzy {
        text: Vec<u8>,
        distance: u8,
    },
    Tag {
        field: Vec<u8>,
        values: Vec<Node>,
    },
    Range {
        field: Vec<u8>,
        range: Range,
    },
    Near {
        field: Vec<u8>,
        circle: Circle,
    },
    Shape {
        field: Vec<u8>,
        relation: Relation,
        text: Vec<u8>,
    },
    Missing(Vec<u8>),
    Vector(Box<VectorQuery>),
}

/// Numbers between two, with or without each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub min: f64,
    pub max: f64,
    pub with_min: bool,
    pub with_max: bool,
}

/// The places within a circle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circle {
    pub longitude: f64,
    pub latitude: f64,
    pub radius: f64,
    pub unit: Unit,
}

/// A unit of length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Metres,
    Kilometres,
    Feet,
    Miles,
}

impl Unit {
    /// As the commands name it.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Metres => "m",
            Unit::Kilometres => "km",
            Unit::Feet => "ft",
            Unit::Miles => "mi",
        }
    }

    /// Of a name in letters of any case.
    pub fn named(name: &[u8]) -> Option<Unit> {
        let all = [Unit::Metres, Unit::Kilometres, Unit::Feet, Unit::Miles];
        all.into_iter()
            .find(|unit| name.eq_ignore_ascii_case(unit.name().as_bytes()))
    }
}

/// The relation of an indexed shape to the shape of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Contains,
    Within,
    Disjoint,
    Intersects,
}

/// A search for vectors near to `vector`.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorQuery {
    pub field: Vec<u8>,
    pub vector: Vec<u8>,
    /// The parameter that has it, as EXPLAIN shows it.
    pub vector_name: Vec<u8>,
    pub reach: Reach,
    /// Names and values as they were given, in order.
    pub options: Vec<(Vec<u8>, Vec<u8>)>,
    /// Documents that it is asked about; `None`: all.
    pub filter: Option<Node>,
}

impl VectorQuery {
    /// The name of the distances if the query gives none.
    pub fn usual_distance_field(&self) -> Vec<u8> {
        [b"__", self.field.as_slice(), b"_score"].concat()
    }
}

/// Which vectors are near.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reach {
    Nearest(u64),
    Within(f64),
}

impl VectorQuery {
    /// Whether so many are looked for, not all within a radius.
    pub(crate) fn is_nearest(&self) -> bool {
        matches!(self.reach, Reach::Nearest(_))
    }
}

impl Node {
    /// A part without attributes, in all fields.
    pub fn new(kind: Kind) -> Node {
        Node {
            kind,
            fields: Fields::ALL,
            weight: 1.0,
            slop: None,
            in_order: false,
            phonetic: None,
            verbatim: false,
            distance_field: None,
            found: Memo::default(),
        }
    }

    pub(super) fn word(text: Vec<u8>) -> Node {
        Node::new(Kind::Word(text))
    }

    /// The parts of this node.
    pub fn parts(&self) -> &[Node] {
        match &self.kind {
            Kind::Intersect { parts, .. } | Kind::Union(parts) => parts,
            Kind::Tag { values, .. } => values,
            Kind::Not(part) | Kind::Optional(part) => std::slice::from_ref(part),
            Kind::Vector(vector) => vector.filter.as_slice(),
            _ => &[],
        }
    }

    pub(crate) fn parts_mut(&mut self) -> &mut [Node] {
        match &mut self.kind {
            Kind::Intersect { parts, .. } | Kind::Union(parts) => parts,
            Kind::Tag { values, .. } => values,
            Kind::Not(part) | Kind::Optional(part) => std::slice::from_mut(part),
            Kind::Vector(vector) => vector.filter.as_mut_slice(),
            _ => &mut [],
        }
    }

    /// Whether documents have distances: a part has a name for them.
    pub(crate) fn has_distances(&self) -> bool {
        self.distance_field.is_some() || self.parts().iter().any(Node::has_distances)
    }

    /// Forgets the results of the preparation, because the index may have changed.
    pub fn forget(&mut self) {
        self.found = Memo::default();
        self.parts_mut().iter_mut().for_each(Node::forget);
    }

    /// Restricts the fields of each part to the fields of the whole.
    pub(super) fn spread_fields(&mut self) {
        let fields = self.fields.0;
        for part in self.parts_mut() {
            part.fields.0 &= fields;
            part.spread_fields();
        }
    }

    /// Restricts the fields of this part, and of all parts in it, to `fields`.
    pub(crate) fn restrict(&mut self, fields: Fields) {
        self.fields.0 &= fields.0;
        for part in self.parts_mut() {
            part.restrict(fields);
        }
    }
}
