//! COMMAND DOCS of the array commands, sorted by name.

use russet_command::docs::{Arg, Doc, Group};

const fn doc(name: &'static str, complexity: &'static str, summary: &'static str) -> Doc {
    Doc::new(Group::Array, name, "8.8.0", complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc("arcount", "O(1)", "Count the values of an array.").args(&[Arg::key("key", 0)]),
    doc("ardel", "O(N), N = indexes given", "Remove values by their indexes.").args(&[Arg::key("key", 0), Arg::integer("index").multiple()]),
    doc("ardelrange", "By the slices and values in the ranges, not by their length", "Remove all values of ranges of indexes.").args(&[Arg::key("key", 0), Arg::block("range", &[Arg::integer("start"), Arg::integer("end")]).multiple()]),
    doc("arget", "O(1)", "Get the value at an index.").args(&[Arg::key("key", 0), Arg::integer("index")]),
    doc("argetrange", "O(N), N = length of the range", "Get all positions of a range, null for those without a value.").args(&[Arg::key("key", 0), Arg::integer("start"), Arg::integer("end")]),
    doc("argrep", "O(P * C), P = positions in the slices of the range, C = work of the predicates on a value", "Find values by their text.").args(&[Arg::key("key", 0), Arg::string("start"), Arg::string("end"), Arg::one_of("predicate", &[Arg::block("exact", &[Arg::word("exact", "EXACT"), Arg::string("string")]), Arg::block("match", &[Arg::word("match", "MATCH"), Arg::string("string")]), Arg::block("glob", &[Arg::word("glob", "GLOB"), Arg::string("pattern")]), Arg::block("re", &[Arg::word("re", "RE"), Arg::string("pattern")])]).multiple(), Arg::one_of("options", &[Arg::word("and", "AND"), Arg::word("or", "OR"), Arg::integer("limit").token("LIMIT"), Arg::word("withvalues", "WITHVALUES"), Arg::word("nocase", "NOCASE")]).optional().multiple()]),
    doc("arinfo", "O(1), with FULL O(N), N = slices", "Describe the structure of an array.").args(&[Arg::key("key", 0), Arg::word("full", "FULL").optional()]),
    doc("arinsert", "O(N), N = values given", "Write values after the last one inserted.").args(&[Arg::key("key", 0), Arg::string("value").multiple()]),
    doc("arlastitems", "O(N), N = count", "Get the values inserted last.").args(&[Arg::key("key", 0), Arg::integer("count"), Arg::word("rev", "REV").optional()]),
    doc("arlen", "O(1)", "Get the highest index in use, plus one.").args(&[Arg::key("key", 0)]),
    doc("armget", "O(N), N = indexes given", "Get the values at several indexes.").args(&[Arg::key("key", 0), Arg::integer("index").multiple()]),
    doc("armset", "O(N), N = pairs given", "Set values at several indexes.").args(&[Arg::key("key", 0), Arg::block("data", &[Arg::integer("index"), Arg::string("value")]).multiple()]),
    doc("arnext", "O(1)", "Get the index that the next insertion writes.").args(&[Arg::key("key", 0)]),
    doc("arop", "O(P), P = positions in the slices of the range; O(|end-start|+1) if all are in use; close to O(N), N = values, if few are", "Compute a number of the values in a range.").args(&[Arg::key("key", 0), Arg::integer("start"), Arg::integer("end"), Arg::one_of("operation", &[Arg::word("sum", "SUM"), Arg::word("min", "MIN"), Arg::word("max", "MAX"), Arg::word("and", "AND"), Arg::word("or", "OR"), Arg::word("xor", "XOR"), Arg::block("match", &[Arg::word("match", "MATCH"), Arg::string("value")]), Arg::word("used", "USED")])]),
    doc("arring", "O(M), M = values given; O(N+M) if the size changes, N = the larger of both sizes", "Write values into a ring of a fixed size.").args(&[Arg::key("key", 0), Arg::integer("size"), Arg::string("value").multiple()]),
    doc("arscan", "O(P), P = positions in the slices of the range; O(|end-start|+1) if all are in use; close to O(N), N = values, if few are", "List the indexes and values of a range.").args(&[Arg::key("key", 0), Arg::integer("start"), Arg::integer("end"), Arg::integer("limit").token("LIMIT").optional()]),
    doc("arseek", "O(1)", "Choose the index that the next insertion writes.").args(&[Arg::key("key", 0), Arg::integer("index")]),
    doc("arset", "O(N), N = values given", "Set values at successive indexes.").args(&[Arg::key("key", 0), Arg::integer("index"), Arg::string("value").multiple()]),
];
