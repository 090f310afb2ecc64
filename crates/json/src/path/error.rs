//! How a path fails: its text, or its evaluation.

use super::budget::{DEPTH_MAX, STEPS_MAX, TEXT_BYTES_MAX};

/// A text that is no path. `Display` is the line that clients get, after `-`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PathError {
    /// The path does not follow the grammar: Redis's text, with the position and what may be there.
    #[error("{0}")]
    Syntax(Box<str>),
    /// More bytes than [`TEXT_BYTES_MAX`].
    #[error("ERR path is longer than {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// Filters, parentheses, literals or calls nested deeper than [`DEPTH_MAX`].
    #[error("ERR path is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// An index of more than 64 bits.
    #[error("ERR an index in the path is out of range")]
    IndexRange,
    /// More than [`STEPS_MAX`] steps that may lead to several values.
    #[error("ERR path has more than {STEPS_MAX} steps that lead to several values")]
    TooManySteps,
}

/// A path that could not be evaluated to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EvalError {
    /// The evaluation visited as many values as it may.
    #[error("ERR path visits too many values")]
    TooMuchWork,
    /// The path computes a value and so names no place in the document.
    #[error("ERR a path that computes a value is for JSON.GET, JSON.MGET and JSON.RESP only")]
    Projection,
}
