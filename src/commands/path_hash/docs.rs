//! COMMAND DOCS of the path hash commands, sorted by name.

use crate::command::docs::{Arg, Doc, Group};

const fn doc(name: &'static str, complexity: &'static str, summary: &'static str) -> Doc {
    Doc::new(Group::PathHash, name, "9.2.0", complexity, summary)
}

const KEY: Arg = Arg::key("key", 0);
const PAIRS: Arg = Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple();
const NAMES: &[Arg] = &[Arg::integer("numfields"), Arg::string("field").multiple()];
const VALUES: Arg = Arg::one_of(
    "values",
    &[
        Arg::word("withvalues", "WITHVALUES"),
        Arg::block("fields", NAMES).token("FIELDS"),
    ],
)
.optional();

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc("phcard", "O(1)", "Count the paths of a path hash.").args(&[KEY]),
    doc("phdel", "O(L + F), L = length of the path, F = fields named, or of the whole path", "Remove fields of a path of a path hash, or the path.").args(&[KEY, Arg::string("path"), Arg::string("field").optional().multiple()]),
    doc("phdelprefix", "O(L + N), L = length of the prefix, N = paths removed", "Remove all paths of a path hash that begin with a prefix.").args(&[KEY, Arg::string("prefix")]),
    doc("phexists", "O(L), L = length of the path", "Tell whether a path hash has exactly this path.").args(&[KEY, Arg::string("path")]),
    doc("phget", "O(L + F), L = length of the path, F = fields named", "Get fields of a path of a path hash.").args(&[KEY, Arg::string("path"), Arg::string("field").multiple()]),
    doc("phgetall", "O(L + F), L = length of the path, F = its fields", "Get all fields of a path of a path hash.").args(&[KEY, Arg::string("path")]),
    doc("phlongest", "O(L + F), L = length of the query, F = fields told", "Find the longest path of a path hash that is a prefix of a query.").args(&[KEY, Arg::string("query"), Arg::word("length", "LENGTH").optional(), VALUES]),
    doc("phmget", "O(L + F), L = lengths of all paths, F = fields named", "Get fields of several paths of a path hash.").args(&[KEY, Arg::block("data", &[Arg::string("path"), Arg::block("fields", NAMES).token("FIELDS")]).multiple()]),
    doc("phmset", "O(L + F), L = lengths of all paths, F = fields given", "Set fields of several paths of a path hash, all or nothing.").args(&[KEY, Arg::block("data", &[Arg::string("path"), Arg::block("fields", &[Arg::integer("numfields"), PAIRS]).token("FIELDS")]).multiple()]),
    doc("phprefixes", "O(L + F), L = length of the query, F = fields told", "Find all paths of a path hash that are prefixes of a query.").args(&[KEY, Arg::string("query"), Arg::word("lengths", "LENGTHS").optional(), VALUES, Arg::integer("count").token("COUNT").optional(), Arg::integer("max-path-bytes").token("MAXPATHLEN").optional()]),
    doc("phscan", "O(L + P + F) for each page, L = length of cursor and prefix, P = paths of the page, F = fields told", "Read the paths of a path hash in the order of their bytes, page by page.").args(&[KEY, Arg::string("cursor"), Arg::string("prefix").token("PREFIX").optional(), Arg::integer("count").token("COUNT").optional(), Arg::word("withvalues", "WITHVALUES").optional()]),
    doc("phset", "O(L + F), L = length of the path, F = fields given", "Set fields of a path of a path hash, all or nothing.").args(&[KEY, Arg::string("path"), Arg::one_of("condition", &[Arg::word("fnx", "FNX"), Arg::word("fxx", "FXX")]).optional(), Arg::block("fields", &[Arg::integer("numfields"), PAIRS]).token("FIELDS")]),
];
