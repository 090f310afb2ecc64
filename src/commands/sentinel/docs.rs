//! COMMAND DOCS of SENTINEL, sorted by name: `command::docs::find` relies on the order.
//!
//! Only a Sentinel has these rows, so only a Sentinel shows this list. The rules for all groups:
//! `commands::docs`; SENTINEL's replies: `russet_sentinel`.

use russet_command::docs::{Arg, Doc, Group};

const fn doc(
    name: &'static str,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
) -> Doc {
    Doc::new(Group::Sentinel, name, since, complexity, summary)
}

const DOWN: &[Arg] = &[
    Arg::string("ip"),
    Arg::integer("port"),
    Arg::integer("current-epoch"),
    Arg::string("runid"),
];

const CONFIG: &[Arg] = &[Arg::one_of(
    "action",
    &[
        Arg::block("set", &[Arg::string("parameter"), Arg::string("value")])
            .token("SET")
            .multiple(),
        Arg::string("parameter").token("GET").multiple(),
    ],
)];

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "sentinel",
        "2.8.4",
        "That of the subcommand",
        "Ask a Sentinel, or change what it watches.",
    ),
    doc(
        "sentinel|ckquorum",
        "2.8.4",
        "",
        "Say whether enough Sentinels are reachable for a failover.",
    )
    .args(&[Arg::string("primary-name")]),
    doc(
        "sentinel|config",
        "6.2.0",
        "O(N), N = number of parameters",
        "Read or set the parameters of the Sentinel itself.",
    )
    .args(CONFIG)
    .history(&[("7.2.0", "Takes several parameters.")]),
    doc(
        "sentinel|debug",
        "7.0.0",
        "O(N), N = number of periods",
        "List or set the periods of a Sentinel's activities.",
    )
    .args(&[
        Arg::block("data", &[Arg::string("parameter"), Arg::string("value")])
            .optional()
            .multiple(),
    ]),
    doc(
        "sentinel|explain",
        "0.1.0",
        "O(N), N = number of lines",
        "Say in words why the last failovers happened or did not.",
    )
    .args(&[
        Arg::string("primary-name"),
        Arg::integer("count").token("COUNT").optional(),
    ]),
    doc(
        "sentinel|failover",
        "2.8.4",
        "",
        "Fail over without asking other Sentinels.",
    )
    .args(&[
        Arg::string("primary-name"),
        Arg::word("coordinated", "COORDINATED")
            .since("9.0.0")
            .optional(),
    ])
    .history(&[("9.0.0", "Takes `COORDINATED`.")]),
    doc(
        "sentinel|flushconfig",
        "2.8.4",
        "O(1)",
        "Write the file with all that is known.",
    ),
    doc(
        "sentinel|get-master-addr-by-name",
        "2.8.4",
        "O(1)",
        "Tell the address of the primary with this name.",
    )
    .args(&[Arg::string("primary-name")])
    .deprecated("8.0.0", "`SENTINEL GET-PRIMARY-ADDR-BY-NAME`"),
    doc(
        "sentinel|get-primary-addr-by-name",
        "8.0.0",
        "O(1)",
        "Tell the address of the primary with this name.",
    )
    .args(&[Arg::string("primary-name")]),
    doc(
        "sentinel|help",
        "6.2.0",
        "O(1)",
        "List the subcommands of SENTINEL.",
    ),
    doc(
        "sentinel|info-cache",
        "3.2.0",
        "O(N), N = number of instances",
        "Return the last INFO of a primary and its replicas.",
    )
    .args(&[Arg::string("nodename").multiple()]),
    doc(
        "sentinel|is-master-down-by-addr",
        "2.8.4",
        "O(1)",
        "Say whether a primary is seen as down, and vote.",
    )
    .args(DOWN)
    .deprecated("8.0.0", "`SENTINEL IS-PRIMARY-DOWN-BY-ADDR`"),
    doc(
        "sentinel|is-primary-down-by-addr",
        "8.0.0",
        "O(1)",
        "Say whether a primary is seen as down, and vote.",
    )
    .args(DOWN),
    doc(
        "sentinel|master",
        "2.8.4",
        "O(1)",
        "Show what is known of a primary.",
    )
    .args(&[Arg::string("primary-name")])
    .deprecated("8.0.0", "`SENTINEL PRIMARY`"),
    doc(
        "sentinel|masters",
        "2.8.4",
        "O(N), N = number of primaries",
        "Show what is known of all primaries.",
    )
    .deprecated("8.0.0", "`SENTINEL PRIMARIES`"),
    doc(
        "sentinel|monitor",
        "2.8.4",
        "O(1)",
        "Begin to watch a primary.",
    )
    .args(&[
        Arg::string("name"),
        Arg::string("ip"),
        Arg::integer("port"),
        Arg::integer("quorum"),
    ]),
    doc(
        "sentinel|myid",
        "6.2.0",
        "O(1)",
        "Tell the id of this Sentinel.",
    ),
    doc(
        "sentinel|pending-scripts",
        "2.8.4",
        "",
        "List the scripts that run or wait.",
    ),
    doc(
        "sentinel|primaries",
        "8.0.0",
        "O(N), N = number of primaries",
        "Show what is known of all primaries.",
    ),
    doc(
        "sentinel|primary",
        "8.0.0",
        "O(1)",
        "Show what is known of a primary.",
    )
    .args(&[Arg::string("primary-name")]),
    doc(
        "sentinel|remove",
        "2.8.4",
        "O(1)",
        "Stop watching a primary.",
    )
    .args(&[Arg::string("primary-name")]),
    doc(
        "sentinel|replicas",
        "5.0.0",
        "O(N), N = number of replicas",
        "Show what is known of a primary's replicas.",
    )
    .args(&[Arg::string("primary-name")]),
    doc(
        "sentinel|reset",
        "2.8.4",
        "O(N), N = number of primaries",
        "Forget replicas and Sentinels of the matching primaries.",
    )
    .args(&[Arg::pattern("pattern")]),
    doc(
        "sentinel|sentinels",
        "2.8.4",
        "O(N), N = number of Sentinels",
        "Show what is known of the other Sentinels.",
    )
    .args(&[Arg::string("primary-name")]),
    doc(
        "sentinel|set",
        "2.8.4",
        "O(1)",
        "Change how a primary is watched.",
    )
    .args(&[
        Arg::string("primary-name"),
        Arg::block("data", &[Arg::string("option"), Arg::string("value")]).multiple(),
    ]),
    doc(
        "sentinel|simulate-failure",
        "3.2.0",
        "",
        "End this Sentinel at a given moment of a failover.",
    )
    .args(&[Arg::one_of(
        "mode",
        &[
            Arg::word("crash-after-election", "CRASH-AFTER-ELECTION"),
            Arg::word("crash-after-promotion", "CRASH-AFTER-PROMOTION"),
            Arg::word("help", "HELP"),
        ],
    )
    .optional()
    .multiple()]),
    doc(
        "sentinel|slaves",
        "2.8.0",
        "O(N), N = number of replicas",
        "Show what is known of a primary's replicas.",
    )
    .args(&[Arg::string("primary-name")])
    .deprecated("5.0.0", "`SENTINEL REPLICAS`"),
];
