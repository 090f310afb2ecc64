//! COMMAND DOCS of the connection commands, sorted by name: `command::docs::find` relies on the
//! order.
//!
//! Versions, arguments and O() terms are as recorded of Redis and Valkey; the wording is russet's.
//! Tests build command lines from the arguments. CLIENT CLOSED, which only russet has, bears
//! russet's version. The rules for all groups: `commands::docs`.

use russet_command::docs::{Arg, Doc, Group};

const fn doc(
    name: &'static str,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
) -> Doc {
    Doc::new(Group::Connection, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "auth",
        "1.0.0",
        "O(N), N = number of passwords defined for the user",
        "Authenticate the connection.",
    )
    .history(&[("6.0.0", "Takes a user name before the password.")])
    .args(&[
        Arg::string("username").since("6.0.0").optional(),
        Arg::string("password"),
    ]),
    doc(
        "client",
        "2.4.0",
        "That of the subcommand",
        "Inspect and control client connections.",
    ),
    doc(
        "client|caching",
        "6.0.0",
        "O(1)",
        "Say whether the next command's keys are tracked.",
    )
    .args(&[Arg::one_of(
        "mode",
        &[Arg::word("yes", "YES"), Arg::word("no", "NO")],
    )]),
    doc(
        "client|capa",
        "8.0.0",
        "O(1)",
        "Declare what the client can cope with.",
    )
    .args(&[Arg::string("capability").multiple()]),
    doc(
        "client|closed",
        "0.1.0",
        "O(N), N = number of connections returned",
        "List the connections that ended last, and why.",
    )
    .args(&[Arg::integer("count").optional()]),
    doc(
        "client|getname",
        "2.6.9",
        "O(1)",
        "Get the name of the connection.",
    ),
    doc(
        "client|getredir",
        "6.0.0",
        "O(1)",
        "Get the ID of the client that receives this one's invalidation messages.",
    ),
    doc(
        "client|help",
        "5.0.0",
        "O(1)",
        "List the subcommands of CLIENT.",
    ),
    doc(
        "client|id",
        "5.0.0",
        "O(1)",
        "Get the ID of the connection.",
    ),
    doc(
        "client|import-source",
        "8.1.0",
        "O(1)",
        "Mark the connection as the source of a data import.",
    )
    .args(&[Arg::one_of(
        "enabled",
        &[Arg::word("on", "ON"), Arg::word("off", "OFF")],
    )]),
    doc("client|info", "6.2.0", "O(1)", "Describe the connection."),
    doc(
        "client|kill",
        "2.4.0",
        "O(N), N = number of client connections",
        "Close connections.",
    )
    .history(&[
        ("2.8.12", "Takes filters."),
        ("2.8.12", "New option `ID`."),
        ("3.2.0", "`TYPE` knows `master`."),
        (
            "5.0.0",
            "`TYPE` says `replica`; `slave` is still understood.",
        ),
        ("6.2.0", "New option `LADDR`."),
        ("7.4.0", "New option `MAXAGE`."),
    ])
    .args(&[Arg::one_of(
        "filter",
        &[
            Arg::string("old-format")
                .shown_as("ip:port")
                .deprecated("2.8.12"),
            Arg::one_of(
                "new-format",
                &[
                    Arg::integer("client-id")
                        .token("ID")
                        .since("2.8.12")
                        .optional(),
                    Arg::one_of(
                        "client-type",
                        &[
                            Arg::word("normal", "NORMAL"),
                            Arg::word("master", "MASTER").since("3.2.0"),
                            Arg::word("slave", "SLAVE"),
                            Arg::word("replica", "REPLICA").since("5.0.0"),
                            Arg::word("pubsub", "PUBSUB"),
                        ],
                    )
                    .token("TYPE")
                    .since("2.8.12")
                    .optional(),
                    Arg::string("username").token("USER").optional(),
                    Arg::string("addr")
                        .token("ADDR")
                        .shown_as("ip:port")
                        .optional(),
                    Arg::string("laddr")
                        .token("LADDR")
                        .shown_as("ip:port")
                        .since("6.2.0")
                        .optional(),
                    Arg::one_of("skipme", &[Arg::word("yes", "YES"), Arg::word("no", "NO")])
                        .token("SKIPME")
                        .optional(),
                    Arg::integer("maxage")
                        .token("MAXAGE")
                        .since("7.4.0")
                        .optional(),
                ],
            )
            .multiple(),
        ],
    )]),
    doc(
        "client|list",
        "2.4.0",
        "O(N), N = number of client connections",
        "Describe the open connections.",
    )
    .history(&[
        ("2.8.12", "New field `id`."),
        ("5.0.0", "New filter `TYPE`."),
        ("6.0.0", "New field `user`."),
        (
            "6.2.0",
            "New fields `argv-mem`, `tot-mem`, `laddr` and `redir`, new filter `ID`.",
        ),
        ("7.0.0", "New fields `resp`, `multi-mem`, `rbs` and `rbp`."),
        ("7.0.3", "New field `ssub`."),
        ("7.2.0", "New fields `lib-name` and `lib-ver`."),
        ("7.4.0", "New field `watch`."),
        ("8.0.0", "New field `io-thread`."),
    ])
    .args(&[
        Arg::one_of(
            "client-type",
            &[
                Arg::word("normal", "NORMAL"),
                Arg::word("master", "MASTER"),
                Arg::word("replica", "REPLICA"),
                Arg::word("pubsub", "PUBSUB"),
            ],
        )
        .token("TYPE")
        .since("5.0.0")
        .optional(),
        Arg::integer("client-id")
            .token("ID")
            .since("6.2.0")
            .optional()
            .multiple(),
    ]),
    doc(
        "client|no-evict",
        "7.0.0",
        "O(1)",
        "Exempt the connection from client eviction, or not.",
    )
    .args(&[Arg::one_of(
        "enabled",
        &[Arg::word("on", "ON"), Arg::word("off", "OFF")],
    )]),
    doc(
        "client|no-touch",
        "7.2.0",
        "O(1)",
        "Keep the connection's commands from updating access times, or not.",
    )
    .args(&[Arg::one_of(
        "enabled",
        &[Arg::word("on", "ON"), Arg::word("off", "OFF")],
    )]),
    doc(
        "client|pause",
        "3.0.0",
        "O(1)",
        "Hold back commands of all clients for a while.",
    )
    .history(&[("6.2.0", "Takes a mode; `WRITE` pauses writes only.")])
    .args(&[
        Arg::integer("timeout"),
        Arg::one_of(
            "mode",
            &[Arg::word("write", "WRITE"), Arg::word("all", "ALL")],
        )
        .since("6.2.0")
        .optional(),
    ]),
    doc(
        "client|reply",
        "3.2.0",
        "O(1)",
        "Turn replies to this connection on or off.",
    )
    .args(&[Arg::one_of(
        "action",
        &[
            Arg::word("on", "ON"),
            Arg::word("off", "OFF"),
            Arg::word("skip", "SKIP"),
        ],
    )]),
    doc(
        "client|setinfo",
        "7.2.0",
        "O(1)",
        "Set information about the client library.",
    )
    .args(&[Arg::one_of(
        "attr",
        &[
            Arg::string("libname").token("LIB-NAME"),
            Arg::string("libver").token("LIB-VER"),
        ],
    )]),
    doc("client|setname", "2.6.9", "O(1)", "Name the connection.")
        .args(&[Arg::string("connection-name")]),
    doc(
        "client|tracking",
        "6.0.0",
        "O(1), more with some options",
        "Turn server-assisted client side caching on or off.",
    )
    .args(&[
        Arg::one_of("status", &[Arg::word("on", "ON"), Arg::word("off", "OFF")]),
        Arg::integer("client-id").token("REDIRECT").optional(),
        Arg::string("prefix")
            .token("PREFIX")
            .optional()
            .multiple()
            .multiple_token(),
        Arg::word("bcast", "BCAST").optional(),
        Arg::word("optin", "OPTIN").optional(),
        Arg::word("optout", "OPTOUT").optional(),
        Arg::word("noloop", "NOLOOP").optional(),
    ]),
    doc(
        "client|trackinginfo",
        "6.2.0",
        "O(1)",
        "Describe how the connection is tracked.",
    ),
    doc(
        "client|unblock",
        "5.0.0",
        "O(log N), N = number of client connections",
        "Wake a client that a blocking command holds.",
    )
    .args(&[
        Arg::integer("client-id"),
        Arg::one_of(
            "unblock-type",
            &[Arg::word("timeout", "TIMEOUT"), Arg::word("error", "ERROR")],
        )
        .optional(),
    ]),
    doc(
        "client|unpause",
        "6.2.0",
        "O(N), N = number of paused clients",
        "Let paused clients go on.",
    ),
    doc("echo", "1.0.0", "O(1)", "Return the given text.").args(&[Arg::string("message")]),
    doc(
        "hello",
        "6.0.0",
        "O(1)",
        "Shake hands: choose the protocol version, authenticate, name the connection.",
    )
    .history(&[(
        "6.2.0",
        "`protover` is optional; without arguments the connection is described.",
    )])
    .args(&[Arg::block(
        "arguments",
        &[
            Arg::integer("protover"),
            Arg::block("auth", &[Arg::string("username"), Arg::string("password")])
                .token("AUTH")
                .optional(),
            Arg::string("clientname").token("SETNAME").optional(),
        ],
    )
    .optional()]),
    doc("ping", "1.0.0", "O(1)", "Check that the server answers.")
        .args(&[Arg::string("message").optional()]),
    doc("quit", "1.0.0", "O(1)", "Close the connection.")
        .deprecated("7.2.0", "just closing the connection"),
    doc(
        "reset",
        "6.2.0",
        "O(1)",
        "Bring the connection back to its initial state.",
    ),
    doc(
        "select",
        "1.0.0",
        "O(1)",
        "Choose the database of the connection.",
    )
    .args(&[Arg::integer("index")]),
];
