//! The query of a request: the tree, changed by VERBATIM, NOSTOPWORDS, INFIELDS, SLOP, INORDER and
//! FILTER.

use super::{Options, SearchRequest};
use crate::error::{self, SearchError};
use crate::query::{self, Fields, Kind, Node, Reach};
use crate::schema::{FieldKind, Schema, Text};

impl Options {
    /// The tree of a query. `None`: no document matches, because all words are stop words.
    ///
    /// # Errors
    ///
    /// If the text is no query of the dialect, or asks for an order of words in fields that have
    /// none.
    pub fn query(&self, text: &[u8], schema: &Schema) -> Result<Option<Node>, SearchError> {
        let seen = RequestSchema {
            schema,
            keeps_stop_words: self.keeps_stop_words,
            is_strict: self.is_strict,
        };
        let root = query::parse(text, self.dialect, &seen, &self.params)?;
        let Some(mut root) = root else {
            return Ok(None);
        };
        if !self.fields.is_empty() {
            root.restrict(self.restricted_to(schema));
        }
        self.apply(&mut root);
        check_order(&root, schema)?;
        if self.dialect > query::Dialect::FIRST {
            check_ranges(&root, schema)?;
        }
        Ok(Some(root))
    }

    /// The text fields of INFIELDS; names of none are left out.
    fn restricted_to(&self, schema: &Schema) -> Fields {
        let names = texts(schema).enumerate();
        let bits = names.filter(|(_, (name, _))| self.fields.contains(name));
        Fields(bits.fold(0, |all, (bit, _)| all | 1 << bit))
    }

    fn apply(&self, node: &mut Node) {
        node.verbatim |= self.is_verbatim;
        if let Kind::Intersect {
            is_exact: false, ..
        } = node.kind
        {
            node.slop = node.slop.or(self.slop);
            node.in_order |= self.in_order;
        }
        for part in node.parts_mut() {
            self.apply(part);
        }
    }
}

impl SearchRequest {
    /// The tree of a query with the filters. `None`: no document matches.
    ///
    /// # Errors
    ///
    /// As [`Options::query`], and if a filter's range is the wrong way round, or words are to be
    /// marked but the index has no places of words.
    pub fn query(&self, text: &[u8], schema: &Schema) -> Result<Option<Node>, SearchError> {
        let marks = self.highlight.is_some() || self.summary.is_some();
        if marks && !(schema.has_offsets && schema.has_highlights) {
            let after = "because NOOFSETS was specified at index level";
            let text = format!("Cannot use HIGHLIGHT/SUMMARIZE {after}");
            return Err(SearchError::new(error::BAD_VALUE, text)
                .worded_before(format!("Cannot use highlight/summarize {after}")));
        }
        let root = self.options.query(text, schema)?;
        for filter in &self.filters {
            check_ranges(filter, schema)?;
        }
        Ok(root.map(|root| filtered(root, &self.filters, &self.options)))
    }
}

/// A query with filters before it, or before its parts if all of them must match; a query for
/// nearest vectors looks for them among the documents that pass.
fn filtered(root: Node, filters: &[Node], options: &Options) -> Node {
    if filters.is_empty() {
        return root;
    }
    let with = |rest: Option<Node>| {
        let mut parts = filters.to_vec();
        parts.extend(rest);
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let mut node = Node::new(Kind::Intersect {
            parts,
            is_exact: false,
        });
        (node.slop, node.in_order) = (options.slop, options.in_order);
        node
    };
    match root.kind {
        Kind::Vector(mut vector) if matches!(vector.reach, Reach::Nearest(_)) => {
            vector.filter = Some(with(vector.filter.take()));
            Node {
                kind: Kind::Vector(vector),
                ..root
            }
        }
        Kind::Intersect {
            mut parts,
            is_exact,
        } => {
            parts.splice(0..0, filters.iter().cloned());
            let kind = Kind::Intersect { parts, is_exact };
            Node { kind, ..root }
        }
        kind => with(Some(Node { kind, ..root })),
    }
}

/// A schema as a request has it seen.
struct RequestSchema<'s> {
    schema: &'s Schema,
    /// Every word counts.
    keeps_stop_words: bool,
    is_strict: bool,
}

impl query::Schema for RequestSchema<'_> {
    fn text_fields(&self) -> Vec<&[u8]> {
        query::Schema::text_fields(self.schema)
    }

    fn has(&self, name: &[u8]) -> bool {
        query::Schema::has(self.schema, name)
    }

    fn indexes_missing(&self, name: &[u8]) -> bool {
        query::Schema::indexes_missing(self.schema, name)
    }

    fn indexes_empty(&self, fields: Fields) -> bool {
        query::Schema::indexes_empty(self.schema, fields)
    }

    fn is_stop_word(&self, word: &[u8]) -> bool {
        !self.keeps_stop_words && query::Schema::is_stop_word(self.schema, word)
    }

    fn extends(&self) -> bool {
        self.is_strict
    }

    fn objection(&self, name: &[u8], type_name: Option<&str>) -> Option<String> {
        if !self.is_strict {
            return None;
        }
        let Some((_, field)) = self.schema.field(name) else {
            return Some("Unknown field".to_owned());
        };
        let wanted = type_name.filter(|wanted| field.kind.name() != *wanted)?;
        Some(format!("Expected a {wanted} field"))
    }
}

/// The text fields in the order of their bits.
fn texts(schema: &Schema) -> impl Iterator<Item = (&Vec<u8>, &Text)> {
    schema.fields.iter().filter_map(|field| match &field.kind {
        FieldKind::Text(text) => Some((&field.name, text)),
        _ => None,
    })
}

/// Refuses distances and orders of words in fields whose texts have no order.
fn check_order(node: &Node, schema: &Schema) -> Result<(), SearchError> {
    let orders = node.slop.is_some() || node.in_order;
    let mut asked = texts(schema)
        .enumerate()
        .filter(|(bit, _)| node.fields.0 >> bit & 1 == 1);
    if orders && let Some((_, (name, _))) = asked.find(|(_, (_, text))| text.has_no_order) {
        let pieces: [&[u8]; 3] = [
            b"slop/inorder are not supported for field `",
            name,
            b"` since it has undefined ordering",
        ];
        return Err(SearchError::of(error::NO_ORDER, &pieces));
    }
    node.parts()
        .iter()
        .try_for_each(|part| check_order(part, schema))
}

/// Refuses ranges of numbers that end before they begin.
fn check_ranges(node: &Node, schema: &Schema) -> Result<(), SearchError> {
    if let Kind::Range { field, range } = &node.kind
        && range.min > range.max
        && let Some((_, its)) = schema.field(field)
        && matches!(its.kind, FieldKind::Number)
    {
        let name = String::from_utf8_lossy(field);
        let (min, max) = (range.min, range.max);
        let text = format!("Invalid numeric range (min > max): @{name}:[{min:.6} {max:.6}]");
        return Err(SearchError::new(error::SYNTAX, text));
    }
    node.parts()
        .iter()
        .try_for_each(|part| check_ranges(part, schema))
}
