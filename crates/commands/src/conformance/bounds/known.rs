//! Cases that are not bounded yet: the test, the row, a part of the case's name, and the reason.
//! The list only shrinks: a test also fails if no case of an entry fails any more.

/// See the module.
pub const KNOWN: &[UnboundedCase] = &[
    known(
        "small",
        "FT.AGGREGATE",
        "",
        "patterns are prepared at once; groups of groups, and by lists",
    ),
    known(
        "small",
        "FT.EXPLAIN",
        "",
        "ANALYZE of patterns is prepared at once",
    ),
    known(
        "small",
        "FT.HYBRID",
        "",
        "patterns of FILTER are prepared at once",
    ),
    known(
        "small",
        "FT.PROFILE",
        "",
        "cursors of thousands of terms are made at once",
    ),
    known(
        "small",
        "FT.SEARCH",
        "",
        "patterns and ranges are prepared at once; long phrases",
    ),
    known("ends", "FT.SPELLCHECK", "misspelled", "it has no TIMEOUT"),
    known(
        "small",
        "argrep",
        "",
        "many predicates on each value of a step",
    ),
    known(
        "small",
        "json.",
        "",
        "many short edits by paths of many steps",
    ),
    known(
        "small",
        "ts.",
        "",
        "buckets of a series are computed at once",
    ),
    known(
        "small",
        "bf.reserve",
        "",
        "memory is not bounded by the value's size",
    ),
];

/// An entry of the list.
pub struct UnboundedCase {
    /// `small`, `ends`, `crowd`, `numbers` or `long`.
    pub test: &'static str,
    /// The row; a name with a point at the end means all rows that begin so.
    pub row: &'static str,
    pub part: &'static str,
    pub reason: &'static str,
}

impl UnboundedCase {
    /// Whether the entry is about a case of the test, by the case's name.
    pub fn is_of(&self, name: &str) -> bool {
        let row = name.split(' ').next().unwrap_or_default();
        let row = row.to_ascii_lowercase();
        let is_row = match self.row.to_ascii_lowercase() {
            all if all.ends_with('.') => row.starts_with(&all),
            one => row == one,
        };
        is_row && name.contains(self.part)
    }
}

const fn known(
    test: &'static str,
    row: &'static str,
    part: &'static str,
    reason: &'static str,
) -> UnboundedCase {
    UnboundedCase {
        test,
        row,
        part,
        reason,
    }
}
