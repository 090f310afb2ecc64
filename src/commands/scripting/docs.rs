//! COMMAND DOCS of the scripting commands, sorted by name: `command::docs::find` relies on the
//! order.
//!
//! Versions, arguments and O() terms are as recorded of Redis and Valkey; the wording is russet's.
//! Tests build command lines from the arguments. The rules for all groups: `commands::docs`.

use russet_command::docs::{Arg, Doc, Group};

const fn doc(
    name: &'static str,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
) -> Doc {
    Doc::new(Group::Scripting, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc("eval", "2.6.0", "That of the script", "Run a Lua script.").args(&[
        Arg::string("script"),
        Arg::integer("numkeys"),
        Arg::key("key", 0).optional().multiple(),
        Arg::string("arg").optional().multiple(),
    ]),
    doc(
        "eval_ro",
        "7.0.0",
        "That of the script",
        "Run a Lua script that only reads.",
    )
    .args(&[
        Arg::string("script"),
        Arg::integer("numkeys"),
        Arg::key("key", 0).optional().multiple(),
        Arg::string("arg").optional().multiple(),
    ]),
    doc(
        "evalsha",
        "2.6.0",
        "That of the script",
        "Run a cached Lua script by its digest.",
    )
    .args(&[
        Arg::string("sha1"),
        Arg::integer("numkeys"),
        Arg::key("key", 0).optional().multiple(),
        Arg::string("arg").optional().multiple(),
    ]),
    doc(
        "evalsha_ro",
        "7.0.0",
        "That of the script",
        "Run a cached Lua script by its digest; it may only read.",
    )
    .args(&[
        Arg::string("sha1"),
        Arg::integer("numkeys"),
        Arg::key("key", 0).optional().multiple(),
        Arg::string("arg").optional().multiple(),
    ]),
    doc("fcall", "7.0.0", "That of the function", "Call a function.").args(&[
        Arg::string("function"),
        Arg::integer("numkeys"),
        Arg::key("key", 0).optional().multiple(),
        Arg::string("arg").optional().multiple(),
    ]),
    doc(
        "fcall_ro",
        "7.0.0",
        "That of the function",
        "Call a function that only reads.",
    )
    .args(&[
        Arg::string("function"),
        Arg::integer("numkeys"),
        Arg::key("key", 0).optional().multiple(),
        Arg::string("arg").optional().multiple(),
    ]),
    doc(
        "function",
        "7.0.0",
        "That of the subcommand",
        "Manage function libraries.",
    ),
    doc(
        "function|delete",
        "7.0.0",
        "O(1)",
        "Delete a library with its functions.",
    )
    .args(&[Arg::string("library-name")]),
    doc(
        "function|dump",
        "7.0.0",
        "O(N), N = number of functions",
        "Serialize all libraries.",
    ),
    doc(
        "function|flush",
        "7.0.0",
        "O(N), N = number of functions deleted",
        "Delete all libraries.",
    )
    .args(&[Arg::one_of(
        "flush-type",
        &[Arg::word("async", "ASYNC"), Arg::word("sync", "SYNC")],
    )
    .optional()]),
    doc(
        "function|help",
        "7.0.0",
        "O(1)",
        "List the subcommands of FUNCTION.",
    ),
    doc(
        "function|kill",
        "7.0.0",
        "O(1)",
        "Stop the function that is running.",
    ),
    doc(
        "function|list",
        "7.0.0",
        "O(N), N = number of functions",
        "Describe the libraries.",
    )
    .args(&[
        Arg::string("library-name-pattern")
            .token("LIBRARYNAME")
            .optional(),
        Arg::word("withcode", "WITHCODE").optional(),
    ]),
    doc(
        "function|load",
        "7.0.0",
        "O(1), compilation left aside",
        "Create a library.",
    )
    .args(&[
        Arg::word("replace", "REPLACE").optional(),
        Arg::string("function-code"),
    ]),
    doc(
        "function|restore",
        "7.0.0",
        "O(N), N = number of functions on the payload",
        "Bring back serialized libraries.",
    )
    .args(&[
        Arg::string("serialized-value"),
        Arg::one_of(
            "policy",
            &[
                Arg::word("flush", "FLUSH"),
                Arg::word("append", "APPEND"),
                Arg::word("replace", "REPLACE"),
            ],
        )
        .optional(),
    ]),
    doc(
        "function|stats",
        "7.0.0",
        "O(1)",
        "Describe the function that is running and the engines.",
    ),
    doc(
        "script",
        "2.6.0",
        "That of the subcommand",
        "Manage the script cache.",
    ),
    doc(
        "script|debug",
        "3.2.0",
        "O(1)",
        "Choose how scripts of this connection are debugged.",
    )
    .args(&[Arg::one_of(
        "mode",
        &[
            Arg::word("yes", "YES"),
            Arg::word("sync", "SYNC"),
            Arg::word("no", "NO"),
        ],
    )]),
    doc(
        "script|exists",
        "2.6.0",
        "O(N), N = scripts to check; O(1) for one",
        "Check which scripts are cached.",
    )
    .args(&[Arg::string("sha1").multiple()]),
    doc(
        "script|flush",
        "2.6.0",
        "O(N), N = number of scripts in cache",
        "Empty the script cache.",
    )
    .history(&[("6.2.0", "New options `ASYNC` and `SYNC`.")])
    .args(&[Arg::one_of(
        "flush-type",
        &[Arg::word("async", "ASYNC"), Arg::word("sync", "SYNC")],
    )
    .since("6.2.0")
    .optional()]),
    doc(
        "script|help",
        "5.0.0",
        "O(1)",
        "List the subcommands of SCRIPT.",
    ),
    doc(
        "script|kill",
        "2.6.0",
        "O(1)",
        "Stop the script that is running.",
    ),
    doc(
        "script|load",
        "2.6.0",
        "O(N), N = the length in bytes of the script body",
        "Put a script into the cache.",
    )
    .args(&[Arg::string("script")]),
    doc(
        "script|show",
        "8.0.0",
        "O(1)",
        "Show the source of a cached script.",
    )
    .args(&[Arg::string("sha1")]),
];
