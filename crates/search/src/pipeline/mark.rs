//! HIGHLIGHT and SUMMARIZE of the rows of FT.SEARCH.

use super::step::Pipeline;
use crate::expression::Value;
use crate::highlight::Marker;
use crate::request::{Highlight, SearchRequest, Summary};
use crate::schema::{FieldKind, Schema};

/// Fields that are marked or cut, and how.
#[derive(Debug)]
pub(super) struct Marking {
    marker: Marker,
    /// The text fields of the schema: only their words can match.
    texts: Vec<Vec<u8>>,
    summary: Option<Summary>,
    highlight: Option<Highlight>,
}

impl Pipeline {
    /// Marks and cuts texts as a request says; without HIGHLIGHT or SUMMARIZE nothing.
    pub fn mark(&mut self, request: &SearchRequest, schema: &Schema, marker: Marker) {
        if request.summary.is_none() && request.highlight.is_none() {
            return;
        }
        let texts = schema.fields.iter();
        let texts = texts.filter(|field| matches!(field.kind, FieldKind::Text(_)));
        self.marking = Some(Marking {
            marker,
            texts: texts.map(|field| field.name.clone()).collect(),
            summary: request.summary.clone(),
            highlight: request.highlight.clone(),
        });
    }
}

impl Marking {
    /// The value of a field as the row has it.
    pub(super) fn marked(&self, name: &[u8], value: Value) -> Value {
        let Value::Text(text) = &value else {
            return value;
        };
        let is_among = |names: &[Vec<u8>]| names.is_empty() || names.iter().any(|its| its == name);
        let summary = self
            .summary
            .as_ref()
            .filter(|summary| is_among(&summary.fields));
        let highlight = self.highlight.as_ref();
        let highlight = highlight.filter(|highlight| is_among(&highlight.fields));
        let is_text = self.texts.iter().any(|its| its == name);
        let marks = highlight.map(|highlight| &highlight.marks);
        Value::Text(match (summary, marks) {
            (Some(summary), marks) if is_text => self.marker.summarize(text, summary, marks),
            (Some(summary), _) => Marker::beginning(text, summary),
            (None, Some(marks)) if is_text => self.marker.highlight(text, marks),
            (None, _) => return value,
        })
    }
}
