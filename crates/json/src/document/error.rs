//! Why bytes are no document.

use thiserror::Error;

/// Why a text is no document. `Display` is what Redis replies.
#[derive(Debug, Error)]
pub enum ParseError {
    /// The text is not UTF-8.
    #[error("Couldn't parse as UTF-8 string")]
    Utf8,
    /// The text has 4 GB or more.
    #[error("JSON text is too large")]
    Large,
    /// Nothing waits for the document any more.
    #[error("JSON text is not wanted any more")]
    Cancelled,
    /// The text is not JSON, is nested too deeply, or has a number out of range.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// Why bytes of a file are no document.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CborError {
    /// The bytes end within a value.
    #[error("the bytes end within a value")]
    Short,
    /// Bytes follow the value.
    #[error("bytes follow the value")]
    Trailing,
    /// A value that no document has.
    #[error("a value that no document has")]
    Value,
    /// A string or a name is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
    /// Values are nested too deeply.
    #[error("nested too deeply")]
    Depth,
}
