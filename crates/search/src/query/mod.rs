//! The query language of FT.SEARCH: two grammars, the same tree.
//!
//! Dialect 1 binds `|` more strongly than neighbours, and `-`, `~` and a field take everything up
//! to the next mark; dialects 2 to 4 bind as other languages do, and have parameters, vectors,
//! shapes, patterns and comparisons.
//!
//! | module | what |
//! |---|---|
//! | `lexer` | tokens |
//! | `parser` | the part that both grammars share: tokens, errors, attributes, ranges |
//! | `levels` | units and what joins them, as both grammars read them |
//! | `first` | the grammar of dialect 1 |
//! | `later` | the grammar of dialects 2 to 4 |
//! | `tree` | what a query is |
//! | `explain` | the tree as FT.EXPLAIN shows it |
//!
//! Source: FT.SEARCH and FT.EXPLAIN of Redis Stack 7.4 (RediSearch 2.10).

mod explain;
mod first;
mod later;
mod levels;
mod lexer;
mod parser;
mod tree;

#[cfg(test)]
mod tests;

pub use explain::{explain, explain_with};
pub(crate) use parser::unescaped;
pub use tree::{Circle, Fields, Kind, Node, Range, Reach, Relation, Unit, VectorQuery};

use std::collections::HashMap;
use std::fmt;

/// Which of the grammars a query is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dialect(u8);

impl Dialect {
    /// The oldest, which counts if no dialect is named.
    pub const FIRST: Dialect = Dialect(1);

    /// 1 to 4.
    pub fn new(number: u8) -> Option<Dialect> {
        (1..=4).contains(&number).then_some(Dialect(number))
    }

    /// 1 to 4.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Whether values of JSON are arrays of all that a path finds: 3 and 4.
    pub fn returns_all(self) -> bool {
        self.0 > 2
    }

    /// Whether FT.SEARCH counts no more documents than it shows: 4.
    pub fn counts_shown(self) -> bool {
        self.0 == 4
    }

    pub(crate) fn has_params(self) -> bool {
        self.0 > 1
    }
}

/// The facts of an index that decide how a query is read.
pub trait Schema {
    /// The names of the text fields, in the order of their bits; at most 128.
    fn text_fields(&self) -> Vec<&[u8]>;
    /// Whether the schema has a field of this name.
    fn has(&self, name: &[u8]) -> bool;
    /// Whether it knows which documents lack the field.
    fn indexes_missing(&self, name: &[u8]) -> bool;
    /// Whether any of some text fields knows which documents have it empty.
    fn indexes_empty(&self, fields: Fields) -> bool;
    /// Whether a word is too common to be looked for.
    fn is_stop_word(&self, word: &[u8]) -> bool;
    /// Whether values of a field of tags count in small letters.
    fn folds_tags(&self, _field: &[u8]) -> bool {
        false
    }
    /// Whether queries may have what Redis has not: a phrase that ends with the beginning of a
    /// word.
    fn extends(&self) -> bool {
        false
    }
    /// Why a part of a query may not look for a field of a type, as `Unknown field`. `None`: it
    /// may, as before Redis 8 and in dialect 1 all may.
    fn objection(&self, _name: &[u8], _type_name: Option<&str>) -> Option<String> {
        None
    }
}

/// Values that a query names, `$name`.
pub type Params = HashMap<Vec<u8>, Vec<u8>>;

/// Why a query is refused, in the words of RediSearch 2.10.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError(pub Vec<u8>);

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl std::error::Error for QueryError {}

/// The tree of a query; `None`: it matches nothing, because all words are stop words.
///
/// # Errors
///
/// If the text is not of the dialect's grammar, the tree is deeper than 1,024 nodes or has more
/// than 1,048,576 tokens, it names a parameter that is not given, or gives a value that the place
/// does not take.
pub fn parse(
    text: &[u8],
    dialect: Dialect,
    schema: &dyn Schema,
    params: &Params,
) -> Result<Option<Node>, QueryError> {
    let mut parser = parser::Parser::new(text, dialect, schema, params)?;
    let mut root = if dialect.has_params() {
        later::query(&mut parser)?
    } else {
        first::query(&mut parser)?
    };
    if parser.restricts
        && let Some(root) = &mut root
    {
        root.spread_fields();
    }
    parser.end()?;
    Ok(root)
}
