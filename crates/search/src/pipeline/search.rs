//! FT.SEARCH as steps: rows by score or by SORTBY, LIMIT, then the fields of RETURN or all of them.
//!
//! Only rows of the reply are loaded, unless SORTBY needs a field that is not SORTABLE.

use super::arrange::{Key, RowSorter};
use super::names::{Names, Origin};
use super::step::{Pipeline, Source, Step};
use crate::error::{self, SearchError};
use crate::request::{ReturnedField, SearchRequest};
use crate::schema::{KeyType, Schema};

impl Pipeline {
    /// The pipeline of FT.SEARCH over documents of an index; `distances` are the names that the
    /// query yields, in the order of [`crate::hit::Hit::distances`]. [`Pipeline::total`] says how
    /// many documents match.
    ///
    /// # Errors
    ///
    /// If SORTBY, or without RETURN also HIGHLIGHT or SUMMARIZE, names a field that is not there.
    pub fn search(
        request: &SearchRequest,
        schema: &Schema,
        distances: &[Vec<u8>],
    ) -> Result<Pipeline, SearchError> {
        let mut names = Names::of(&request.options);
        let mut steps = Vec::new();
        let source = Source {
            distances: distances.iter().map(|name| names.place(name)).collect(),
            score: None,
            rows: None,
        };
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let limit = request.limit();
        let skipped = size(limit.offset);
        let kept = match limit.count {
            0 => 0,
            count => size(limit.offset.saturating_add(count)),
        };
        let arranged = match &request.sort {
            None => RowSorter::by_score(skipped, kept),
            Some(key) => {
                let mut loads = Vec::new();
                let place = names.field(&key.name, Some(schema), &mut loads);
                let place = place.ok_or_else(|| SearchError::not_in_schema(&key.name))?;
                if !loads.is_empty() {
                    steps.push((0, Step::Load(loads)));
                }
                let is_descending = key.is_descending;
                RowSorter::by_keys(
                    vec![Key {
                        place,
                        is_descending,
                    }],
                    skipped,
                    kept,
                )
            }
        };
        steps.push((0, Step::Arrange(Box::new(arranged))));
        match &request.returned {
            _ if !request.options.has_content || limit.count == 0 => {
                for place in &mut names.places {
                    place.is_shown = false;
                }
            }
            None => {
                for name in marked_fields(request) {
                    // A whole JSON document has no fields but SORTABLE fields.
                    let is_hash = schema.key_type == KeyType::Hash;
                    let field = schema.field(name);
                    let field = field.filter(|(_, field)| is_hash || field.is_sortable);
                    let Some((at, field)) = field else {
                        let pieces: [&[u8]; 3] = [b"No such property `", name, b"`"];
                        return Err(SearchError::of(error::NO_PROPERTY, &pieces));
                    };
                    if field.is_sortable {
                        names.place_from(name, Origin::Stored(at));
                    } else {
                        names.place(name);
                    }
                }
                steps.push((0, Step::LoadAll));
            }
            Some(fields) => {
                for place in &mut names.places {
                    place.is_shown = false;
                }
                // Fields that are named to be marked come first.
                let marked = marked_fields(request);
                let marked = marked.filter_map(|name| fields.iter().find(|its| its.name == *name));
                let fields = marked.chain(fields);
                steps.push((0, returned(&mut names, fields, schema)));
            }
        }
        Ok(Pipeline::new(vec![names], steps, source).without_settings(schema))
    }
}

/// The fields that HIGHLIGHT and SUMMARIZE name.
fn marked_fields(request: &SearchRequest) -> impl Iterator<Item = &Vec<u8>> {
    let summary = request.summary.iter().flat_map(|summary| &summary.fields);
    let highlight = request.highlight.iter();
    summary.chain(highlight.flat_map(|highlight| &highlight.fields))
}

/// Reads the fields of RETURN; if a name is there twice, the first counts.
fn returned<'r>(
    names: &mut Names,
    fields: impl Iterator<Item = &'r ReturnedField>,
    schema: &Schema,
) -> Step {
    let mut loads = Vec::new();
    for ReturnedField { path, name } in fields {
        if names
            .find(name)
            .is_some_and(|place| names.places[place].is_shown)
        {
            continue;
        }
        let is_yielded = path == name && names.find(name).is_some() && schema.field(path).is_none();
        if is_yielded {
            names.place(name);
        } else {
            loads.extend(names.load(path, name, Some(schema)));
        }
    }
    Step::Load(loads)
}
