//! The trees of both sides of FT.HYBRID.

use super::{HybridReach, HybridRequest};
use crate::error::{self, SearchError};
use crate::query::{Kind, Node, Reach, VectorQuery};
use crate::schema::{FieldKind, Schema};

/// The name of the distance within the vectors' query: no row has it.
const DISTANCE: &[u8] = b"__hybrid_distance";
/// Vectors that are looked for if neither KNN nor RANGE is given.
const NEAREST: u64 = 10;

impl HybridRequest {
    /// The tree of the query's side. `None`: no document matches.
    ///
    /// # Errors
    ///
    /// If the text is no query, or looks for vectors.
    pub fn text_query(&self, schema: &Schema) -> Result<Option<Node>, SearchError> {
        let root = self.aggregate.options.query(&self.text, schema)?;
        root.as_ref().map_or(Ok(()), refuse_vectors)?;
        Ok(root)
    }

    /// The tree of the vectors' side, which yields a single distance. `None`: no document matches.
    ///
    /// # Errors
    ///
    /// If the field or the parameter is not there, or the filter is wrong.
    pub fn vector_query(&self, schema: &Schema) -> Result<Option<Node>, SearchError> {
        match schema.field(&self.field) {
            Some((_, field)) if matches!(field.kind, FieldKind::Vector(_)) => {}
            Some(_) => {
                let pieces: [&[u8]; 3] = [b"Expected a VECTOR field `", &self.field, b"`"];
                return Err(SearchError::of(error::SYNTAX, &pieces));
            }
            None => {
                let pieces: [&[u8]; 3] = [b"Unknown field `", &self.field, b"`"];
                return Err(SearchError::of(error::SYNTAX, &pieces));
            }
        }
        let vector = self.aggregate.options.params.get(&self.param);
        let vector = vector.ok_or_else(|| {
            let pieces: [&[u8]; 3] = [b"Parameter not found `", &self.param, b"`"];
            SearchError::of(error::NO_PARAM, &pieces)
        })?;
        let mut filter = None;
        if let Some(text) = &self.filter {
            let Some(root) = self.aggregate.options.query(text, schema)? else {
                return Ok(None);
            };
            refuse_vectors(&root)?;
            refuse_weights(&root)?;
            filter = Some(root);
        }
        let reach = match self.reach {
            None => Reach::Nearest(NEAREST.min(self.window as u64)),
            Some(HybridReach::Nearest(k)) => Reach::Nearest(k),
            Some(HybridReach::Within(radius)) => Reach::Within(radius),
        };
        // Vectors within a distance have no filter of their own.
        let is_nearest = matches!(reach, Reach::Nearest(_));
        let inner = if is_nearest { filter.take() } else { None };
        let mut node = Node::new(Kind::Vector(Box::new(VectorQuery {
            field: self.field.clone(),
            vector: vector.clone(),
            vector_name: self.param.clone(),
            reach,
            options: self.vector_options.clone(),
            filter: inner,
        })));
        node.distance_field = Some(DISTANCE.to_vec());
        Ok(Some(match filter {
            None => node,
            Some(filter) => Node::new(Kind::Intersect {
                parts: vec![filter, node],
                is_exact: false,
            }),
        }))
    }
}

fn refuse_vectors(node: &Node) -> Result<(), SearchError> {
    if matches!(node.kind, Kind::Vector(_)) {
        let text = "Vector queries are not allowed";
        return Err(SearchError::new(error::VECTOR_NOT_ALLOWED, text));
    }
    node.parts().iter().try_for_each(refuse_vectors)
}

fn refuse_weights(node: &Node) -> Result<(), SearchError> {
    if node.weight != 1.0 {
        let text = "Weight attributes are not allowed";
        return Err(SearchError::new(error::WEIGHT_NOT_ALLOWED, text));
    }
    node.parts().iter().try_for_each(refuse_weights)
}
