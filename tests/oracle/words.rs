//! What arguments are made of: small pools, so that commands meet on the same keys, and
//! in every pool the values at which servers go wrong.

use crate::random::Random;

/// Whether a word of a row names a vocabulary: upper case, at least one letter.
pub fn is_vocabulary(word: &str) -> bool {
    word.bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Text that a parser of numbers or options stumbles over.
const STRANGE: &[&[u8]] = &[
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
const INTEGERS: &[&[u8]] = &[
    b"0", b"1", b"2", b"3", b"5", b"10", b"-1", b"-2", b"-3", b"-5", b"7", b"100",
];

const BORDER_INTEGERS: &[&[u8]] = &[
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

const FLOATS: &[&[u8]] = &[
    b"0", b"1", b"2", b"-1", b"1.5", b"-2.25", b"3.14159", b"10", b"100", b"0.1", b"1e3", b"3",
];

const BORDER_FLOATS: &[&[u8]] = &[
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

const VALUES: &[&[u8]] = &[
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

const MEMBERS: &[&[u8]] = &[
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

const PATTERNS: &[&[u8]] = &[
    b"*", b"s*", b"?1", b"[sl]?", b"h[^1]", b"\\*", b"", b"none*", b"[a-c]*", b"*1", b"**", b"[",
    b"[]", b"[^", b"a\\", b"[c-a]", b"s[1-", b"\\", b"*a*", b"z?",
];

const LEX: &[&[u8]] = &[
    b"-", b"+", b"[a", b"(a", b"[c", b"(c", b"[foo", b"[", b"(", b"a", b"", b"[zz", b"--", b"[\xff",
];

const SCORE_BOUNDS: &[&[u8]] = &[
    b"-inf", b"+inf", b"inf", b"0", b"1", b"(1", b"2", b"(2", b"-1", b"(inf", b"(-inf", b"1.5",
    b"(nan", b"nan", b"(", b"abc", b"", b"10", b"(10", b"((1", b"100",
];

/// Seconds: far enough away that no run reaches them, or already over.
const SECONDS: &[&[u8]] = &[b"100", b"1000", b"100000", b"5000"];
const BORDER_SECONDS: &[&[u8]] = &[
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
const MILLISECONDS: &[&[u8]] = &[b"100000", b"1000000", b"5000000"];
const BORDER_MILLISECONDS: &[&[u8]] = &[
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
const UNIX_SECONDS: &[&[u8]] = &[
    b"4102444800",
    b"4102444801",
    b"1",
    b"0",
    b"-1",
    b"1000000000",
];
const UNIX_MILLISECONDS: &[&[u8]] = &[
    b"4102444800000",
    b"4102444800123",
    b"1",
    b"0",
    b"-1",
    b"1000000000000",
];

const TIMEOUTS: &[&[u8]] = &[
    b"0.001", b"0.002", b"0.001", b"-1", b"abc", b"-0.1", b"nan", b"",
];

const SCRIPTS: &[&[u8]] = &[
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

/// Adds one argument, or for the `MANY` vocabularies a run of them, to `args`.
pub fn pick(vocabulary: &str, random: &mut Random, args: &mut Vec<Vec<u8>>) {
    let word: Vec<u8> = match vocabulary {
        "K" => any_key(random),
        "KS" => typed_key(random, "s"),
        "KL" => typed_key(random, "l"),
        "KH" => typed_key(random, "h"),
        "KT" => typed_key(random, "t"),
        "KZ" => typed_key(random, "z"),
        "KX" => typed_key(random, "x"),
        "KB" => typed_key(random, "b"),
        "KP" => typed_key(random, "p"),
        "KG" => typed_key(random, "g"),
        "V" => value(random),
        "M" | "F" => member(random),
        "T" => random
            .pick(&[&b"a"[..], b"b", b"10", b"", b"\x00\xff"])
            .to_vec(),
        "STRANGE" => random.pick(STRANGE).to_vec(),
        "INT" => bordered(random, INTEGERS, BORDER_INTEGERS, 12),
        "COUNT" => bordered(random, &INTEGERS[..6], BORDER_INTEGERS, 12),
        // A count of random picks: large ones would only fill the wire.
        "PICKS" => random
            .pick(&[
                &b"1"[..],
                b"3",
                b"-3",
                b"0",
                b"100",
                b"-20",
                b"abc",
                b"-9223372036854775808",
                b"",
            ])
            .to_vec(),
        "ALL" => b"100000".to_vec(),
        "FLOAT" | "SCORE" => bordered(random, FLOATS, BORDER_FLOATS, 15),
        "PATTERN" => random.pick(PATTERNS).to_vec(),
        "LEX" => random.pick(LEX).to_vec(),
        "BOUND" => random.pick(SCORE_BOUNDS).to_vec(),
        "SEC" => bordered(random, SECONDS, BORDER_SECONDS, 15),
        "MS" => bordered(random, MILLISECONDS, BORDER_MILLISECONDS, 15),
        "AT" => bordered(random, UNIX_SECONDS, BORDER_SECONDS, 8),
        "ATMS" => bordered(random, UNIX_MILLISECONDS, BORDER_MILLISECONDS, 8),
        "TIMEOUT" => random.pick(TIMEOUTS).to_vec(),
        "DB" => bordered(
            random,
            &[b"0", b"1", b"2"],
            &[b"15", b"16", b"-1", b"abc", b""],
            15,
        ),
        "CURSOR" => bordered(
            random,
            &[b"0"],
            &[b"abc", b"-1", b"", b"18446744073709551616"],
            10,
        ),
        "OFFSET" => bordered(
            random,
            &INTEGERS[..6],
            &[b"-1", b"536870912", b"4294967295", b"abc", b"536870911111"],
            10,
        ),
        "BIT" => random
            .pick(&[&b"0"[..], b"1", b"1", b"0", b"2", b"-1", b"abc"])
            .to_vec(),
        "BITAT" => bordered(
            random,
            &[b"0", b"1", b"7", b"8", b"100", b"31"],
            &[b"-1", b"4294967296", b"abc", b"#1"],
            10,
        ),
        "TYPE" => random
            .pick(&[
                &b"u8"[..],
                b"i8",
                b"u1",
                b"i64",
                b"u63",
                b"i16",
                b"u64",
                b"i65",
                b"u0",
                b"x8",
                b"u",
            ])
            .to_vec(),
        "BY" => random
            .pick(&[
                &b"s*"[..],
                b"h*->a",
                b"nosort",
                b"s1",
                b"*",
                b"h*->",
                b"w_*",
                b"*->x",
            ])
            .to_vec(),
        "LON" => bordered(
            random,
            &[b"13.361389", b"15.087269", b"-122.4", b"2.35"],
            &[b"180", b"181", b"-181", b"nan", b"abc"],
            8,
        ),
        "LAT" => bordered(
            random,
            &[b"38.115556", b"37.502669", b"37.77", b"48.85"],
            &[b"85.06", b"-86", b"nan", b"abc"],
            8,
        ),
        "RADIUS" => bordered(
            random,
            &[b"100", b"200", b"10000", b"1"],
            &[b"-1", b"abc", b"0", b"nan"],
            8,
        ),
        "UNIT" => random
            .pick(&[&b"m"[..], b"km", b"ft", b"mi", b"KM", b"xx"])
            .to_vec(),
        "ID" => random
            .pick(&[
                &b"3-3"[..],
                b"1-1",
                b"2-0",
                b"5-5",
                b"1-*",
                b"7",
                b"0-0",
                b"abc",
                b"18446744073709551615-18446744073709551615",
                b"9-1",
            ])
            .to_vec(),
        "RANGEID" => random
            .pick(&[
                &b"-"[..],
                b"+",
                b"1-1",
                b"(1-1",
                b"5",
                b"(5-5",
                b"0",
                b"abc",
                b"(+",
            ])
            .to_vec(),
        "SCRIPT" => random.pick(SCRIPTS).to_vec(),
        "MANYM" => return many(random, args, |n| vec![n]),
        "MANYFV" => return many(random, args, |n| vec![n.clone(), n]),
        "MANYSM" => return many(random, args, |n| vec![n.len().to_string().into_bytes(), n]),
        "MANYI" => {
            let count = random.pick(&[20usize, 130, 520, 600]);
            args.extend((0..*count).map(|n| (n * 37).to_string().into_bytes()));
            return;
        }
        _ => panic!("no vocabulary is called {vocabulary}"),
    };
    args.push(word);
}

/// Enough elements to cross the thresholds between encodings.
fn many(random: &mut Random, args: &mut Vec<Vec<u8>>, each: impl Fn(Vec<u8>) -> Vec<Vec<u8>>) {
    let count = *random.pick(&[10usize, 40, 127, 129, 140, 520]);
    let from = random.below(50);
    for n in from..from + count {
        args.extend(each(format!("m{n}").into_bytes()));
    }
}

fn bordered(random: &mut Random, usual: &[&[u8]], border: &[&[u8]], percent: usize) -> Vec<u8> {
    if random.chance(percent) {
        random.pick(border).to_vec()
    } else {
        random.pick(usual).to_vec()
    }
}

/// A key of that family: `s1` to `s3`; now and then a key of another.
fn typed_key(random: &mut Random, family: &str) -> Vec<u8> {
    if random.chance(7) {
        any_key(random)
    } else {
        format!("{family}{}", 1 + random.below(3)).into_bytes()
    }
}

fn any_key(random: &mut Random) -> Vec<u8> {
    match random.below(30) {
        0 => b"missing".to_vec(),
        1 => b"".to_vec(),
        2 => b"\x00bin\xff".to_vec(),
        _ => {
            let family = random.pick(&["s", "l", "h", "t", "z"]);
            format!("{family}{}", 1 + random.below(3)).into_bytes()
        }
    }
}

/// A value, with lengths on both sides of the limits between encodings.
fn value(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => vec![b'x'; *random.pick(&[20usize, 43, 44, 45, 63, 64, 65, 128])],
        1 => vec![b'y'; *random.pick(&[255usize, 256, 1024, 4096, 9000])],
        2 => random.pick(BORDER_FLOATS).to_vec(),
        _ => random.pick(VALUES).to_vec(),
    }
}

fn member(random: &mut Random) -> Vec<u8> {
    if random.chance(6) {
        let length = *random.pick(&[63usize, 64, 65, 100]);
        return vec![*random.pick(b"pqr"); length];
    }
    random.pick(MEMBERS).to_vec()
}
