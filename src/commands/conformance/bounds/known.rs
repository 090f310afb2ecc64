//! Cases that are not bounded yet: the test, the row, a part of the case's name, and the reason.
//! The list only sinks: a test fails, too, when no case of an entry fails any more.

/// See the module.
pub const KNOWN: &[Known] = &[
    known(
        "small",
        "FT.AGGREGATE",
        "",
        "cursors are made at once, replies written at once",
    ),
    known(
        "small",
        "FT.DEBUG",
        "DUMP_TAGIDX",
        "a reply is written at once",
    ),
    known(
        "small",
        "_FT.DEBUG",
        "DUMP_TAGIDX",
        "a reply is written at once",
    ),
    known("small", "FT.EXPLAIN", "", "ANALYZE is one piece"),
    known(
        "small",
        "FT.HYBRID",
        "",
        "cursors are made at once, lists merged at once",
    ),
    known(
        "small",
        "FT.PROFILE",
        "",
        "a query that is counted is one piece",
    ),
    known(
        "small",
        "FT.SEARCH",
        "",
        "cursors are made at once, replies written at once",
    ),
    known("small", "FT.SUGGET", "", "all suggestions at once"),
    known("small", "json.", "", "paths are walked at once"),
    known("small", "ts.", "", "a series is read at once"),
    known(
        "small",
        "bf.reserve",
        "",
        "memory is not bounded by the value's size",
    ),
    known(
        "small",
        "cms.initbydim",
        "",
        "memory is not bounded by the value's size",
    ),
    known(
        "small",
        "topk.reserve",
        "",
        "memory is not bounded by the value's size",
    ),
    known(
        "small",
        "cms.merge",
        "",
        "a large source is read as often as it is named",
    ),
    known(
        "small",
        "tdigest.merge",
        "",
        "a large source is read as often as it is named",
    ),
    known("small", "VRANDMEMBER", "", "a million picks at once"),
    known(
        "crowd",
        "FT.",
        "",
        "each client has a slice of its own in a turn",
    ),
    known(
        "numbers",
        "bf.reserve",
        "",
        "memory is taken before it is refused",
    ),
    known(
        "numbers",
        "cf.reserve",
        "",
        "memory is taken before it is refused",
    ),
    known(
        "numbers",
        "cms.initbydim",
        "",
        "DUMP makes a copy as large as the sketch",
    ),
    known(
        "numbers",
        "topk.reserve",
        "",
        "memory is taken before it is refused",
    ),
];

/// An entry of the list.
pub struct Known {
    /// `small`, `ends`, `crowd`, `numbers` or `long`.
    pub test: &'static str,
    /// The row; with a point at its end all rows that begin so.
    pub row: &'static str,
    pub part: &'static str,
    pub reason: &'static str,
}

impl Known {
    /// Whether it is about a case of the test, by the case's name.
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
) -> Known {
    Known {
        test,
        row,
        part,
        reason,
    }
}
