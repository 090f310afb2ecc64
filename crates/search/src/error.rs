//! Why a command is refused, with the code word that Redis 8.8 and later put before the text.
//!
//! Texts are 8.10's. If 2.10 has another text, the error has both; every such pair is made in this
//! file:
//!
//! | 8.10 | 2.10 |
//! |---|---|
//! | ``Parameter not found `p` `` | ``No such parameter `p` `` |
//! | `Index not found: i` | three, by the command |
//! | ``FLAT index `DIM`: ..`` | `FLAT index dim: ..` |
//! | `vector similarity: not enough arguments` | `Expected 6 parameters but got 0` |
//! | `'Field cannot be defined with both ...` | `'Field `f` cannot be defined with both ...` |
//!
//! Source: the error codes of RediSearch 8.10; texts of Redis Stack 7.4.

use std::fmt;

use crate::expression::ExpressionError;
use crate::query::QueryError;

pub const SYNTAX: &str = "SEARCH_SYNTAX";
pub const PARSE_ARGS: &str = "SEARCH_PARSE_ARGS";
pub const ADD_ARGS: &str = "SEARCH_ADD_ARGS";
pub const EXPRESSION: &str = "SEARCH_EXPR";
pub const BAD_ATTRIBUTE: &str = "SEARCH_ATTR_BAD";
/// Also a schema that contradicts itself.
pub const BAD_QUERY: &str = "SEARCH_QUERY_BAD";
pub const NO_REDUCER: &str = "SEARCH_REDUCER_NOT_FOUND";
pub const NO_CURSOR: &str = "SEARCH_CURSOR_ALLOC_FAILED";
pub const NO_PROPERTY: &str = "SEARCH_PROP_NOT_FOUND";
pub const BAD_OPTION: &str = "SEARCH_OPTION_INVALID";
pub const BAD_PATH: &str = "SEARCH_PATH_BAD";
pub const INDEX_EXISTS: &str = "SEARCH_INDEX_EXISTS";
pub const NO_ORDER: &str = "SEARCH_ORDER_OPTION_BAD";
pub const OVER_LIMIT: &str = "SEARCH_LIMIT_OVER";
pub const NO_INDEX: &str = "SEARCH_INDEX_NOT_FOUND";
pub const DUPLICATE_FIELD: &str = "SEARCH_FIELD_DUP";
pub const NOT_NUMERIC: &str = "SEARCH_NUMERIC_VALUE_INVALID";
pub const TIMEOUT: &str = "SEARCH_TIMEOUT";
pub const NO_PARAM: &str = "SEARCH_PARAM_NOT_FOUND";
pub const DUPLICATE_PARAM: &str = "SEARCH_PARAM_DUP";
pub const BAD_VALUE: &str = "SEARCH_VALUE_BAD";
pub const NOT_MISSING: &str = "SEARCH_FIELD_MISSING_REQ";
pub const ALIAS_CONFLICT: &str = "SEARCH_ALIAS_CONFLICT";
pub const UNRECOGNIZED: &str = "SEARCH_ARG_UNRECOGNIZED";
pub const VECTOR_SIZE: &str = "SEARCH_VECTOR_BLOB_SIZE_MISMATCH";
pub const INDEX_DROPPED: &str = "SEARCH_INDEX_DROPPED_BG";
pub const OUT_OF_MEMORY: &str = "SEARCH_OOM";
pub const WEIGHT_NOT_ALLOWED: &str = "SEARCH_WEIGHT_NOT_ALLOWED";
pub const VECTOR_NOT_ALLOWED: &str = "SEARCH_VECTOR_NOT_ALLOWED";

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchError {
    /// Empty if 8.10 sends only the text.
    pub code: &'static str,
    /// As 8.10 words it; may hold any bytes of the command.
    pub text: Vec<u8>,
    /// The text of 2.10, if it differs.
    old_text: Option<Vec<u8>>,
}

/// Whose errors clients are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStyle {
    /// The code word, a blank, the text.
    Redis8,
    /// The text alone.
    Stack7,
}

impl SearchError {
    pub fn new(code: &'static str, text: impl Into<Vec<u8>>) -> SearchError {
        SearchError {
            code,
            text: text.into(),
            old_text: None,
        }
    }

    /// A text made of pieces.
    pub(crate) fn of(code: &'static str, pieces: &[&[u8]]) -> SearchError {
        SearchError::new(code, pieces.concat())
    }

    /// The same error, which 2.10 words differently.
    #[must_use]
    pub fn worded_before(mut self, text: impl Into<Vec<u8>>) -> SearchError {
        self.old_text = Some(text.into());
        self
    }

    /// The line after `-` in the reply; line breaks in it are the reply writer's to strip.
    pub fn wire(&self, wording: ErrorStyle) -> Vec<u8> {
        match wording {
            ErrorStyle::Stack7 => self.old_text.as_ref().unwrap_or(&self.text).clone(),
            ErrorStyle::Redis8 if self.code.is_empty() => self.text.clone(),
            ErrorStyle::Redis8 => [self.code.as_bytes(), b" ", &self.text].concat(),
        }
    }

    /// No index has the name: for `FT.SEARCH` and similar commands.
    pub fn no_such_index(name: &[u8]) -> SearchError {
        SearchError::of(NO_INDEX, &[b"Index not found: ", name])
            .worded_before([name, b": no such index"].concat())
    }

    /// No index has the name; commands that 2.10 answers with `old`, as `Unknown index name`.
    pub fn unknown_index(name: &[u8], old: &str) -> SearchError {
        SearchError::of(NO_INDEX, &[b"Index not found: ", name]).worded_before(old)
    }

    /// ``Unknown argument `x` ``.
    pub fn unknown_argument(word: &[u8]) -> SearchError {
        SearchError::of(UNRECOGNIZED, &[b"Unknown argument `", word, b"`"])
    }

    /// `Bad arguments for NAME: why`.
    pub(crate) fn bad_arguments(name: &str, why: &str) -> SearchError {
        SearchError::new(PARSE_ARGS, format!("Bad arguments for {name}: {why}"))
    }

    /// A parameter of a vector index is wrong; `key` as 8.10 shows it, `old` as 2.10 does.
    pub(crate) fn bad_parameter(kind: &str, key: &str, old: &str, why: &str) -> SearchError {
        let before = format!("Bad arguments for vector similarity {kind} index");
        SearchError::new(PARSE_ARGS, format!("{before} `{key}`: {why}"))
            .worded_before(format!("{before} {old}: {why}"))
    }

    /// A vector index announces more parameters than there are words.
    pub(crate) fn too_few_parameters(announced: u64, got: usize) -> SearchError {
        let text = "Bad arguments for vector similarity: not enough arguments";
        let old = format!("Expected {announced} parameters but got {got}");
        SearchError::new(PARSE_ARGS, text).worded_before(old)
    }

    /// A field is NOINDEX and INDEXMISSING.
    pub(crate) fn missing_without_index(field: &[u8]) -> SearchError {
        let both = b"cannot be defined with both `NOINDEX` and `INDEXMISSING`".as_slice();
        SearchError::of(PARSE_ARGS, &[b"'Field ", both, b" `", field, b"` '"])
            .worded_before([b"'Field `", field, b"` ", both, b"'"].concat())
    }

    /// FT.SEARCH sorts by a property that is neither a field nor loaded.
    pub fn not_in_schema(name: &[u8]) -> SearchError {
        SearchError::of(
            NO_PROPERTY,
            &[b"Property `", name, b"` not loaded nor in schema"],
        )
    }

    /// A stage uses a property that no earlier stage has made.
    pub fn not_in_pipeline(name: &[u8]) -> SearchError {
        let after = b"` not loaded nor in pipeline";
        SearchError::of(NO_PROPERTY, &[b"Property `", name, after])
    }
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.wire(ErrorStyle::Redis8)))
    }
}

impl std::error::Error for SearchError {}

/// The codes of queries' errors, by a part of the text; all others are of the syntax.
const OF_QUERIES: [(&str, &str); 13] = [
    ("Invalid attribute ", BAD_ATTRIBUTE),
    ("Invalid value (", BAD_VALUE),
    ("Invalid value was given", BAD_VALUE),
    ("'ismissing' requires", NOT_MISSING),
    ("query vector blob size (", VECTOR_SIZE),
    ("already exists in schema", INDEX_EXISTS),
    ("parameters: Invalid option", BAD_OPTION),
    (
        "hybrid query attributes were sent",
        "SEARCH_HYBRID_ATTR_NON_HYBRID",
    ),
    (
        "invalid hybrid policy was given",
        "SEARCH_HYBRID_POLICY_BAD",
    ),
    (
        "'batch size' is irrelevant",
        "SEARCH_ADHOC_BATCH_SIZE_IRRELEVANT",
    ),
    (
        "'EF_RUNTIME' is irrelevant",
        "SEARCH_ADHOC_EF_RUNTIME_IRRELEVANT",
    ),
    (
        "range query attributes were sent",
        "SEARCH_RANGE_ATTR_NON_RANGE",
    ),
    ("undefined ordering", NO_ORDER),
];

impl From<QueryError> for SearchError {
    fn from(QueryError(text): QueryError) -> SearchError {
        if let Some(name) = text.strip_prefix(b"No such parameter ") {
            return SearchError::of(NO_PARAM, &[b"Parameter not found ", name])
                .worded_before(text.clone());
        }
        let has = |part: &str| memchr::memmem::find(&text, part.as_bytes()).is_some();
        let code = OF_QUERIES.iter().find(|(part, _)| has(part));
        SearchError::new(code.map_or(SYNTAX, |(_, code)| code), text)
    }
}

impl From<ExpressionError> for SearchError {
    fn from(ExpressionError(text): ExpressionError) -> SearchError {
        let code = if text.starts_with(b"Syntax error") {
            SYNTAX
        } else if text.starts_with(b"Could not convert") {
            NOT_NUMERIC
        } else {
            EXPRESSION
        };
        SearchError::new(code, text)
    }
}
