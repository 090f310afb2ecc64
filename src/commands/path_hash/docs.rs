//! COMMAND DOCS of the path hash commands, sorted by name.

use russet_command::docs::{Arg, Doc, Group};

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
    doc("phdel", "O(L + F*U), L = length of the path, F = fields named, U = finding one; O(L + S) for a path of S fields", "Remove fields of a path of a path hash, or the path.").args(&[KEY, Arg::string("path"), Arg::string("field").optional().multiple()]),
    doc("phdelprefix", "O(L + sum(P_i + F_i)), L = length of the prefix, P_i, F_i = length and fields of each path removed", "Remove all paths of a path hash that begin with a prefix.").args(&[KEY, Arg::string("prefix")]),
    doc("phexists", "O(L), L = length of the path", "Tell whether a path hash has exactly this path.").args(&[KEY, Arg::string("path")]),
    doc("phget", "O(L + F*U), L = length of the path, F = fields named, U = finding one", "Get fields of a path of a path hash.").args(&[KEY, Arg::string("path"), Arg::string("field").multiple()]),
    doc("phgetall", "O(L + O), L = length of the path, O = length of the reply", "Get all fields of a path of a path hash.").args(&[KEY, Arg::string("path")]),
    doc("phlongest", "O(L + O), L = length of the query, O = length of the reply", "Find the longest path of a path hash that is a prefix of a query.").args(&[KEY, Arg::string("query"), Arg::word("length", "LENGTH").optional(), VALUES]),
    doc("phmget", "O(sum(L) + M*U), L = length of each path, M = fields of all groups, U = finding one", "Get fields of several paths of a path hash.").args(&[KEY, Arg::block("data", &[Arg::string("path"), Arg::block("fields", NAMES).token("FIELDS")]).multiple()]),
    doc("phmset", "O(sum(L) + M*U), L = length of each path, M = fields of all groups, U = finding one", "Set fields of several paths of a path hash, all or nothing.").args(&[KEY, Arg::block("data", &[Arg::string("path"), Arg::block("fields", &[Arg::integer("numfields"), PAIRS]).token("FIELDS")]).multiple()]),
    doc("phprefixes", "O(L + O), L = length of the query, O = length of the reply", "Find all paths of a path hash that are prefixes of a query.").args(&[KEY, Arg::string("query"), Arg::word("lengths", "LENGTHS").optional(), VALUES, Arg::integer("count").token("COUNT").optional(), Arg::integer("max-path-bytes").token("MAXPATHLEN").optional()]),
    doc("phscan", "O(L + C + O) for each page, L = length of cursor and prefix, C = paths of the page, O = length of the reply", "Read the paths of a path hash in the order of their bytes, page by page.").args(&[KEY, Arg::string("cursor"), Arg::string("prefix").token("PREFIX").optional(), Arg::integer("count").token("COUNT").optional(), Arg::word("withvalues", "WITHVALUES").optional()]),
    doc("phset", "O(L + F*U), L = length of the path, F = fields given, U = finding one", "Set fields of a path of a path hash, all or nothing.").args(&[KEY, Arg::string("path"), Arg::one_of("condition", &[Arg::word("fnx", "FNX"), Arg::word("fxx", "FXX")]).optional(), Arg::block("fields", &[Arg::integer("numfields"), PAIRS]).token("FIELDS")]),
];
