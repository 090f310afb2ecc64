//! The words themselves: small pools, and in every pool the values at which servers go
//! wrong. `words.rs` picks from them.

/// Words of which one is picked.
type Words = &'static [&'static [u8]];

/// Vocabularies of which every word is as likely.
pub const EVEN: &[(&str, Words)] = &[
    ("T", &[b"a", b"b", b"10", b"", b"\x00\xff"]),
    ("STRANGE", STRANGE),
    // A count of random picks: large ones would only fill the wire.
    (
        "PICKS",
        &[
            b"1",
            b"3",
            b"-3",
            b"0",
            b"100",
            b"-20",
            b"abc",
            b"-9223372036854775808",
            b"",
        ],
    ),
    ("ALL", &[b"100000"]),
    ("PATTERN", PATTERNS),
    ("LEX", LEX),
    ("BOUND", SCORE_BOUNDS),
    ("TIMEOUT", TIMEOUTS),
    ("BIT", &[b"0", b"1", b"1", b"0", b"2", b"-1", b"abc"]),
    (
        "TYPE",
        &[
            b"u8", b"i8", b"u1", b"i64", b"u63", b"i16", b"u64", b"i65", b"u0", b"x8", b"u",
        ],
    ),
    (
        "BY",
        &[
            b"s*", b"h*->a", b"nosort", b"s1", b"*", b"h*->", b"w_*", b"*->x",
        ],
    ),
    ("RUNS", RUNS),
    ("UNIT", &[b"m", b"km", b"ft", b"mi", b"KM", b"xx"]),
    (
        "ID",
        &[
            b"3-3",
            b"1-1",
            b"2-0",
            b"5-5",
            b"1-*",
            b"7",
            b"0-0",
            b"abc",
            b"18446744073709551615-18446744073709551615",
            b"9-1",
        ],
    ),
    (
        "RANGEID",
        &[
            b"-", b"+", b"1-1", b"(1-1", b"5", b"(5-5", b"0", b"abc", b"(+",
        ],
    ),
    ("SCRIPT", SCRIPTS),
];

/// Vocabularies of usual words, and of those at the border for so many calls of a hundred.
pub const BORDERED: &[(&str, Words, Words, usize)] = &[
    ("INT", INTEGERS, BORDER_INTEGERS, 12),
    ("COUNT", COUNTS, BORDER_INTEGERS, 12),
    ("FLOAT", FLOATS, BORDER_FLOATS, 15),
    ("SCORE", FLOATS, BORDER_FLOATS, 15),
    ("SEC", SECONDS, BORDER_SECONDS, 15),
    ("MS", MILLISECONDS, BORDER_MILLISECONDS, 15),
    ("AT", UNIX_SECONDS, BORDER_SECONDS, 8),
    ("ATMS", UNIX_MILLISECONDS, BORDER_MILLISECONDS, 8),
    (
        "DB",
        &[b"0", b"1", b"2"],
        &[b"15", b"16", b"-1", b"abc", b""],
        15,
    ),
    (
        "CURSOR",
        &[b"0"],
        &[b"abc", b"-1", b"", b"18446744073709551616"],
        10,
    ),
    (
        "OFFSET",
        COUNTS,
        &[b"-1", b"536870912", b"4294967295", b"abc", b"536870911111"],
        10,
    ),
    (
        "BITAT",
        &[b"0", b"1", b"7", b"8", b"100", b"31"],
        &[b"-1", b"4294967296", b"abc", b"#1"],
        10,
    ),
    (
        "LON",
        &[
            b"13.361389",
            b"15.087269",
            b"-122.4",
            b"2.35",
            b"0",
            b"179.99",
            b"-179.99",
            b"90",
        ],
        &[
            b"180",
            b"-180",
            b"181",
            b"-181",
            b"nan",
            b"abc",
            b"inf",
            b"1e308",
            b"180.0000001",
        ],
        8,
    ),
    (
        "LAT",
        &[
            b"38.115556",
            b"37.502669",
            b"37.77",
            b"48.85",
            b"0",
            b"84.9",
            b"-67.5",
            b"-84",
        ],
        &[
            b"85.05112878",
            b"-85.05112878",
            b"85.05112879",
            b"85.06",
            b"-86",
            b"nan",
            b"abc",
            b"-inf",
        ],
        8,
    ),
    (
        "RADIUS",
        &[
            b"100", b"200", b"10000", b"1", b"1500", b"5000", b"20100", b"2.5",
        ],
        &[
            b"-1", b"abc", b"0", b"nan", b"inf", b"1e300", b"1e-9", b"-0", b"",
        ],
        8,
    ),
];

/// Whole runs of a sparse HyperLogLog.
pub const RUNS: Words = &[b"\x00", b"\x80", b"\x84\x84", b"\x3f\x00\x80", b"\xff"];

/// Text that a parser of numbers or options stumbles over.
const STRANGE: Words = &[
    b"",
    b" ",
    b"abc",
    b"-1",
    b"0",
    b"1.5",
    b"nan",
    b"inf",
    b"-inf",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551615",
    b"18446744073709551616",
    b"4294967296",
    b"2147483648",
    b"+1",
    b"01",
    b"-0",
    b" 1",
    b"1 ",
    b"0x10",
    b"1e3",
    b"\x00",
    b"\xff\xfe\r\n",
    b"*",
    b"(1",
    b"[a",
    b"nx",
];

/// Integers where a count, an index or a step is wanted.
const INTEGERS: Words = &[
    b"0", b"1", b"2", b"3", b"5", b"10", b"-1", b"-2", b"-3", b"-5", b"7", b"100",
];

/// Integers where there is rarely a use for negative ones.
const COUNTS: Words = &[b"0", b"1", b"2", b"3", b"5", b"10"];

const BORDER_INTEGERS: Words = &[
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"4611686018427387904",
    b"-9223372036854775807",
    b"4294967295",
    b"2147483647",
    b"-2147483648",
    b"65536",
    b"-100",
    b"",
    b"abc",
    b"1.0",
    b"+5",
    b"007",
    b"-0",
    b" 5",
    b"5 ",
];

const FLOATS: Words = &[
    b"0", b"1", b"2", b"-1", b"1.5", b"-2.25", b"3.14159", b"10", b"100", b"0.1", b"1e3", b"3",
];

pub const BORDER_FLOATS: Words = &[
    b"inf",
    b"-inf",
    b"+inf",
    b"infinity",
    b"nan",
    b"-nan",
    b"1e308",
    b"1.7976931348623157e308",
    b"1e309",
    b"5e-324",
    b"1e-400",
    b"0x1p3",
    b"0x10",
    b"",
    b"abc",
    b"1.5abc",
    b" 1",
    b"1 ",
    b"-0",
    b"3.0000000000000001",
    b"9007199254740993",
    b"12345678901234567890",
    b"0.30000000000000004",
    b"1e17",
    b"123456789.123456789",
    b".5",
    b"5.",
    b"+2",
];

pub const VALUES: Words = &[
    b"",
    b"a",
    b"b",
    b"hello",
    b"Hello World",
    b"0",
    b"1",
    b"10",
    b"-5",
    b"3.5",
    b"007",
    b" 12",
    b"9999",
    b"10000",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"1e5",
    b"5.0e3",
    b"nan",
    b"\x00\xff\r\n\x80",
    b"+1",
    b"-0",
    b"foobar",
    b"abcabcabc",
];

pub const MEMBERS: Words = &[
    b"a",
    b"b",
    b"c",
    b"d",
    b"e",
    b"1",
    b"2",
    b"3",
    b"-7",
    b"100",
    b"foo",
    b"",
    b"\x00\x01\xff",
    b"32768",
    b"-2147483649",
    b"1.5",
    b"01",
    b"9223372036854775807",
    b"9223372036854775808",
];

const PATTERNS: Words = &[
    b"*", b"s*", b"?1", b"[sl]?", b"h[^1]", b"\\*", b"", b"none*", b"[a-c]*", b"*1", b"**", b"[",
    b"[]", b"[^", b"a\\", b"[c-a]", b"s[1-", b"\\", b"*a*", b"z?",
];

const LEX: Words = &[
    b"-", b"+", b"[a", b"(a", b"[c", b"(c", b"[foo", b"[", b"(", b"a", b"", b"[zz", b"--", b"[\xff",
];

const SCORE_BOUNDS: Words = &[
    b"-inf", b"+inf", b"inf", b"0", b"1", b"(1", b"2", b"(2", b"-1", b"(inf", b"(-inf", b"1.5",
    b"(nan", b"nan", b"(", b"abc", b"", b"10", b"(10", b"((1", b"100",
];

/// Seconds: far enough away that no run reaches them, or already over.
const SECONDS: Words = &[b"100", b"1000", b"100000", b"5000"];
const BORDER_SECONDS: Words = &[
    b"0",
    b"-1",
    b"abc",
    b"",
    b"9223372036854775807",
    b"9223372036854775",
    b"9223372036854776",
    b"-9223372036854775808",
    b"1.5",
    b"-100",
    b"9223370000000000",
    b"1099511627776",
];
const MILLISECONDS: Words = &[b"100000", b"1000000", b"5000000"];
const BORDER_MILLISECONDS: Words = &[
    b"0",
    b"-1",
    b"abc",
    b"",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"1.5",
    b"-5000",
    b"9223370000000000000",
    b"281474976710656",
];
const UNIX_SECONDS: Words = &[
    b"4102444800",
    b"4102444801",
    b"1",
    b"0",
    b"-1",
    b"1000000000",
];
const UNIX_MILLISECONDS: Words = &[
    b"4102444800000",
    b"4102444800123",
    b"1",
    b"0",
    b"-1",
    b"1000000000000",
];

const TIMEOUTS: Words = &[
    b"0.001", b"0.002", b"0.001", b"-1", b"abc", b"-0.1", b"nan", b"",
];

const SCRIPTS: Words = &[
    b"return 1",
    b"return redis.call('type', KEYS[1])",
    b"return redis.call('set', KEYS[1], ARGV[1])",
    b"return {1, 2, 'x', {3, false, true}}",
    b"return redis.pcall('incr', KEYS[1])",
    b"return nosuch()",
    b"return redis.call('nosuch')",
    b"return {err='MY own'}",
    b"return {ok='fine'}",
    b"syntax error here",
    b"return 3.99",
    b"return redis.error_reply('x')",
    b"return #KEYS + #ARGV",
    b"return redis.call('get')",
    b"return redis.sha1hex('')",
    b"return tostring(1e15)",
    b"return cjson.encode({1, 'a', {b=2}})",
];
