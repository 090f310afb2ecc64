//! HIGHLIGHT and SUMMARIZE of the rows of FT.SEARCH.

use super::output::{FieldName, OutputRow};
use super::step::Pipeline;
use crate::expression::Value;
use crate::highlight::Marker;
use crate::request::{Highlight, SearchRequest, Summary};
use crate::schema::{FieldKind, Schema};

/// Fields that are marked or cut, and how.
#[derive(Debug)]
pub(super) struct RowHighlighter {
    marker: Marker,
    /// The text fields of the schema: only their words can match.
    texts: Vec<Vec<u8>>,
    summary: Option<Summary>,
    highlight: Option<Highlight>,
}

/// Texts of a row that are read when it is pulled, at most: a few milliseconds.
const AT_ONCE_BYTES: usize = 64 << 10;

impl Pipeline {
    /// Marks and cuts the texts of a row that was left as it is ([`OutputRow::is_unmarked`]), as
    /// far as their words are found before `is_over`. O(texts).
    pub fn mark_row(&self, row: &mut OutputRow, is_over: &dyn Fn() -> bool) {
        let Some(marking) = self.marking.as_ref().filter(|_| row.is_unmarked) else {
            return;
        };
        row.is_unmarked = false;
        for (name, value) in &mut row.fields {
            let name = name.bytes(|place| self.name(place));
            *value = marking.marked(name, std::mem::replace(value, Value::Null), is_over);
        }
    }

    /// Marks and cuts texts as a request says; without HIGHLIGHT or SUMMARIZE nothing.
    pub fn mark(&mut self, request: &SearchRequest, schema: &Schema, marker: Marker) {
        if request.summary.is_none() && request.highlight.is_none() {
            return;
        }
        let texts = schema.fields.iter();
        let texts = texts.filter(|field| matches!(field.kind, FieldKind::Text(_)));
        self.marking = Some(RowHighlighter {
            marker,
            texts: texts.map(|field| field.name.clone()).collect(),
            summary: request.summary.clone(),
            highlight: request.highlight.clone(),
        });
    }
}

impl RowHighlighter {
    /// Whether the words of a row's texts are so many that they take long to find.
    pub(super) fn takes_long(&self, fields: &[(FieldName, Value)]) -> bool {
        let lengths = fields.iter().map(|(_, value)| match value {
            Value::Text(text) => text.len(),
            _ => 0,
        });
        lengths.sum::<usize>() > AT_ONCE_BYTES
    }

    /// The value of a field as the row has it; words that are not found before `is_over` stay as
    /// they are.
    fn marked(&self, name: &[u8], value: Value, is_over: &dyn Fn() -> bool) -> Value {
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
            (Some(summary), marks) if is_text => {
                self.marker.summarize(text, summary, marks, is_over)
            }
            (Some(summary), _) => Marker::beginning(text, summary),
            (None, Some(marks)) if is_text => self.marker.highlight(text, marks, is_over),
            (None, _) => return value,
        })
    }
}
