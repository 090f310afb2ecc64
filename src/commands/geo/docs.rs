//! COMMAND DOCS of the geo commands, sorted by name: `command::docs::find` relies on the order.
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
    Doc::new(Group::Geo, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "geoadd",
        "3.2.0",
        "O(log(N)) per member, N = number of elements in the sorted set",
        "Add positions to a geospatial index.",
    )
    .history(&[("6.2.0", "New options `CH`, `NX` and `XX`.")])
    .args(&[
        Arg::key("key", 0),
        Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")])
            .since("6.2.0")
            .optional(),
        Arg::word("change", "CH").since("6.2.0").optional(),
        Arg::block(
            "data",
            &[
                Arg::double("longitude"),
                Arg::double("latitude"),
                Arg::string("member"),
            ],
        )
        .multiple(),
    ]),
    doc(
        "geodist",
        "3.2.0",
        "O(1)",
        "Get the distance between two members.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("member1"),
        Arg::string("member2"),
        Arg::one_of(
            "unit",
            &[
                Arg::word("m", "M"),
                Arg::word("km", "KM"),
                Arg::word("ft", "FT"),
                Arg::word("mi", "MI"),
            ],
        )
        .optional(),
    ]),
    doc(
        "geohash",
        "3.2.0",
        "O(1) per member requested",
        "Get the positions of members as Geohash strings.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("member").optional().multiple(),
    ]),
    doc(
        "geopos",
        "3.2.0",
        "O(1) per member requested",
        "Get the longitude and latitude of members.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("member").optional().multiple(),
    ]),
    doc(
        "georadius",
        "3.2.0",
        "O(N+log(M)), N = number of elements inside the bounding box of the circular \
         area delimited by center and radius, M = number of items inside the index",
        "Find the members around a position, and optionally store them.",
    )
    .deprecated(
        "6.2.0",
        "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
    )
    .history(&[
        ("6.2.0", "`COUNT` may be followed by `ANY`."),
        ("7.0.0", "Units may be in upper case."),
    ])
    .args(&[
        Arg::key("key", 0),
        Arg::double("longitude"),
        Arg::double("latitude"),
        Arg::double("radius"),
        Arg::one_of(
            "unit",
            &[
                Arg::word("m", "M"),
                Arg::word("km", "KM"),
                Arg::word("ft", "FT"),
                Arg::word("mi", "MI"),
            ],
        ),
        Arg::word("withcoord", "WITHCOORD").optional(),
        Arg::word("withdist", "WITHDIST").optional(),
        Arg::word("withhash", "WITHHASH").optional(),
        Arg::block(
            "count-block",
            &[
                Arg::integer("count").token("COUNT"),
                Arg::word("any", "ANY").since("6.2.0").optional(),
            ],
        )
        .optional(),
        Arg::one_of(
            "order",
            &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
        )
        .optional(),
        Arg::one_of(
            "store",
            &[
                Arg::key("storekey", 1).token("STORE").shown_as("key"),
                Arg::key("storedistkey", 2)
                    .token("STOREDIST")
                    .shown_as("key"),
            ],
        )
        .optional(),
    ]),
    doc(
        "georadius_ro",
        "3.2.10",
        "O(N+log(M)), N = number of elements inside the bounding box of the circular \
         area delimited by center and radius, M = number of items inside the index",
        "Find the members around a position.",
    )
    .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")
    .history(&[
        ("6.2.0", "`COUNT` may be followed by `ANY`."),
        ("7.0.0", "Units may be in upper case."),
    ])
    .args(&[
        Arg::key("key", 0),
        Arg::double("longitude"),
        Arg::double("latitude"),
        Arg::double("radius"),
        Arg::one_of(
            "unit",
            &[
                Arg::word("m", "M"),
                Arg::word("km", "KM"),
                Arg::word("ft", "FT"),
                Arg::word("mi", "MI"),
            ],
        ),
        Arg::word("withcoord", "WITHCOORD").optional(),
        Arg::word("withdist", "WITHDIST").optional(),
        Arg::word("withhash", "WITHHASH").optional(),
        Arg::block(
            "count-block",
            &[
                Arg::integer("count").token("COUNT"),
                Arg::word("any", "ANY").since("6.2.0").optional(),
            ],
        )
        .optional(),
        Arg::one_of(
            "order",
            &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
        )
        .optional(),
    ]),
    doc(
        "georadiusbymember",
        "3.2.0",
        "O(N+log(M)), N = number of elements inside the bounding box of the circular \
         area delimited by center and radius, M = number of items inside the index",
        "Find the members around a member, and optionally store them.",
    )
    .deprecated(
        "6.2.0",
        "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
    )
    .history(&[
        ("6.2.0", "`COUNT` may be followed by `ANY`."),
        ("7.0.0", "Units may be in upper case."),
    ])
    .args(&[
        Arg::key("key", 0),
        Arg::string("member"),
        Arg::double("radius"),
        Arg::one_of(
            "unit",
            &[
                Arg::word("m", "M"),
                Arg::word("km", "KM"),
                Arg::word("ft", "FT"),
                Arg::word("mi", "MI"),
            ],
        ),
        Arg::word("withcoord", "WITHCOORD").optional(),
        Arg::word("withdist", "WITHDIST").optional(),
        Arg::word("withhash", "WITHHASH").optional(),
        Arg::block(
            "count-block",
            &[
                Arg::integer("count").token("COUNT"),
                Arg::word("any", "ANY").optional(),
            ],
        )
        .optional(),
        Arg::one_of(
            "order",
            &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
        )
        .optional(),
        Arg::one_of(
            "store",
            &[
                Arg::key("storekey", 1).token("STORE").shown_as("key"),
                Arg::key("storedistkey", 2)
                    .token("STOREDIST")
                    .shown_as("key"),
            ],
        )
        .optional(),
    ]),
    doc(
        "georadiusbymember_ro",
        "3.2.10",
        "O(N+log(M)), N = number of elements inside the bounding box of the circular \
         area delimited by center and radius, M = number of items inside the index",
        "Find the members around a member.",
    )
    .deprecated(
        "6.2.0",
        "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
    )
    .history(&[
        ("6.2.0", "`COUNT` may be followed by `ANY`."),
        ("7.0.0", "Units may be in upper case."),
    ])
    .args(&[
        Arg::key("key", 0),
        Arg::string("member"),
        Arg::double("radius"),
        Arg::one_of(
            "unit",
            &[
                Arg::word("m", "M"),
                Arg::word("km", "KM"),
                Arg::word("ft", "FT"),
                Arg::word("mi", "MI"),
            ],
        ),
        Arg::word("withcoord", "WITHCOORD").optional(),
        Arg::word("withdist", "WITHDIST").optional(),
        Arg::word("withhash", "WITHHASH").optional(),
        Arg::block(
            "count-block",
            &[
                Arg::integer("count").token("COUNT"),
                Arg::word("any", "ANY").optional(),
            ],
        )
        .optional(),
        Arg::one_of(
            "order",
            &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
        )
        .optional(),
    ]),
    doc(
        "geosearch",
        "6.2.0",
        "O(N+log(M)), N = number of elements in the grid-aligned bounding box area \
         around the shape provided as the filter, M = number of items inside the shape",
        "Find the members inside a circle or a box.",
    )
    .history(&[("7.0.0", "Units may be in upper case.")])
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "from",
            &[
                Arg::string("member").token("FROMMEMBER"),
                Arg::block(
                    "fromlonlat",
                    &[Arg::double("longitude"), Arg::double("latitude")],
                )
                .token("FROMLONLAT"),
            ],
        ),
        Arg::one_of(
            "by",
            &[
                Arg::block(
                    "circle",
                    &[
                        Arg::double("radius").token("BYRADIUS"),
                        Arg::one_of(
                            "unit",
                            &[
                                Arg::word("m", "M"),
                                Arg::word("km", "KM"),
                                Arg::word("ft", "FT"),
                                Arg::word("mi", "MI"),
                            ],
                        ),
                    ],
                ),
                Arg::block(
                    "box",
                    &[
                        Arg::double("width").token("BYBOX"),
                        Arg::double("height"),
                        Arg::one_of(
                            "unit",
                            &[
                                Arg::word("m", "M"),
                                Arg::word("km", "KM"),
                                Arg::word("ft", "FT"),
                                Arg::word("mi", "MI"),
                            ],
                        ),
                    ],
                ),
            ],
        ),
        Arg::one_of(
            "order",
            &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
        )
        .optional(),
        Arg::block(
            "count-block",
            &[
                Arg::integer("count").token("COUNT"),
                Arg::word("any", "ANY").optional(),
            ],
        )
        .optional(),
        Arg::word("withcoord", "WITHCOORD").optional(),
        Arg::word("withdist", "WITHDIST").optional(),
        Arg::word("withhash", "WITHHASH").optional(),
    ]),
    doc(
        "geosearchstore",
        "6.2.0",
        "O(N+log(M)), N = number of elements in the grid-aligned bounding box area \
         around the shape provided as the filter, M = number of items inside the shape",
        "Store the members inside a circle or a box.",
    )
    .history(&[("7.0.0", "Units may be in upper case.")])
    .args(&[
        Arg::key("destination", 0),
        Arg::key("source", 1),
        Arg::one_of(
            "from",
            &[
                Arg::string("member").token("FROMMEMBER"),
                Arg::block(
                    "fromlonlat",
                    &[Arg::double("longitude"), Arg::double("latitude")],
                )
                .token("FROMLONLAT"),
            ],
        ),
        Arg::one_of(
            "by",
            &[
                Arg::block(
                    "circle",
                    &[
                        Arg::double("radius").token("BYRADIUS"),
                        Arg::one_of(
                            "unit",
                            &[
                                Arg::word("m", "M"),
                                Arg::word("km", "KM"),
                                Arg::word("ft", "FT"),
                                Arg::word("mi", "MI"),
                            ],
                        ),
                    ],
                ),
                Arg::block(
                    "box",
                    &[
                        Arg::double("width").token("BYBOX"),
                        Arg::double("height"),
                        Arg::one_of(
                            "unit",
                            &[
                                Arg::word("m", "M"),
                                Arg::word("km", "KM"),
                                Arg::word("ft", "FT"),
                                Arg::word("mi", "MI"),
                            ],
                        ),
                    ],
                ),
            ],
        ),
        Arg::one_of(
            "order",
            &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
        )
        .optional(),
        Arg::block(
            "count-block",
            &[
                Arg::integer("count").token("COUNT"),
                Arg::word("any", "ANY").optional(),
            ],
        )
        .optional(),
        Arg::word("storedist", "STOREDIST").optional(),
    ]),
];
