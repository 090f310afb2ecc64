//! COMMAND DOCS of the vector set commands, sorted by name.

use russet_command::docs::{Arg, Doc, Group};

const fn doc(name: &'static str, since: &'static str, summary: &'static str) -> Doc {
    Doc::new(Group::Module, name, since, "", summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "VADD",
        "8.0.0",
        "Add an element with its vector, or give it another vector.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::block("reduce", &[Arg::integer("dim")])
            .token("REDUCE")
            .optional(),
        Arg::one_of(
            "format",
            &[Arg::word("fp32", "FP32"), Arg::word("values", "VALUES")],
        ),
        Arg::string("vector"),
        Arg::string("element"),
        Arg::word("cas", "CAS").optional(),
        Arg::one_of(
            "quant_type",
            &[
                Arg::word("noquant", "NOQUANT"),
                Arg::word("bin", "BIN"),
                Arg::word("q8", "Q8"),
            ],
        )
        .optional(),
        Arg::integer("build-exploration-factor")
            .token("EF")
            .optional(),
        Arg::string("attributes").token("SETATTR").optional(),
        Arg::integer("numlinks").token("M").optional(),
    ]),
    doc("VCARD", "8.0.0", "Count the elements of a vector set.").args(&[Arg::key("key", 0)]),
    doc("VDIM", "8.0.0", "Get the dimension of the vectors.").args(&[Arg::key("key", 0)]),
    doc("VEMB", "8.0.0", "Get the vector of an element.").args(&[
        Arg::key("key", 0),
        Arg::string("element"),
        Arg::word("raw", "RAW").optional(),
    ]),
    doc("VGETATTR", "8.0.0", "Get the attributes of an element.")
        .args(&[Arg::key("key", 0), Arg::string("element")]),
    doc("VINFO", "8.0.0", "Describe a vector set.").args(&[Arg::key("key", 0)]),
    doc(
        "VISMEMBER",
        "8.2.0",
        "Look whether an element is in a vector set.",
    )
    .args(&[Arg::key("key", 0), Arg::string("element")]),
    doc(
        "VLINKS",
        "8.0.0",
        "Get the neighbours of an element in the graph.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("element"),
        Arg::word("withscores", "WITHSCORES").optional(),
    ]),
    doc("VRANDMEMBER", "8.0.0", "Get random elements.")
        .args(&[Arg::key("key", 0), Arg::integer("count").optional()]),
    doc(
        "VRANGE",
        "8.4.0",
        "List elements by the bytes of their names.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("start"),
        Arg::string("end"),
        Arg::integer("count").optional(),
    ]),
    doc("VREM", "8.0.0", "Remove an element.").args(&[Arg::key("key", 0), Arg::string("element")]),
    doc("VSETATTR", "8.0.0", "Set the attributes of an element.").args(&[
        Arg::key("key", 0),
        Arg::string("element"),
        Arg::string("json"),
    ]),
    doc(
        "VSIM",
        "8.0.0",
        "Find the elements that are most similar to a vector.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "format",
            &[
                Arg::word("ele", "ELE"),
                Arg::word("fp32", "FP32"),
                Arg::word("values", "VALUES"),
            ],
        ),
        Arg::string("vector_or_element"),
        Arg::word("withscores", "WITHSCORES").optional(),
        Arg::word("withattribs", "WITHATTRIBS").optional(),
        Arg::integer("count").token("COUNT").optional(),
        Arg::double("max_distance").token("EPSILON").optional(),
        Arg::integer("search-exploration-factor")
            .token("EF")
            .optional(),
        Arg::string("expression").token("FILTER").optional(),
        Arg::integer("max-filtering-effort")
            .token("FILTER-EF")
            .optional(),
        Arg::word("truth", "TRUTH").optional(),
        Arg::word("nothread", "NOTHREAD").optional(),
    ]),
];
