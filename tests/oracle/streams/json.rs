//! Documents, and paths into them, for the commands of JSON.
//!
//! Names, depths and indexes come from small pools, so that a path often finds a value, sometimes
//! several values, and sometimes a value inside another.
//!
//! The streams avoid arguments that end Redis Stack 7.4 (indexes beyond 64 bits, SET at matches
//! inside other matches), and arguments that mean something else since 8.10: docs/compatibility.md
//! lists the differences. So filters compare single nodes and never use `!=`, which 7.4 takes for
//! true of scalars, no text continues after its value, and no path begins with a bracket.

use crate::random::Random;

const NAMES: &[&str] = &["a", "b", "c", "s", "n", "x", "é", "a b", "long_name-1", ""];
const PLAIN_NAMES: &[&str] = &["a", "b", "c", "s", "n", "x", "long_name-1", "nope"];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "3",
    "10",
    "1.5",
    "-2.25",
    "1.0",
    "1e3",
    "0.1",
    "1e16",
    "1e-6",
    "0.00001",
    "123456789012",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-0",
    "-0.0",
    "5e-324",
    "1E5",
    "100000000000000000000000",
    "0.30000000000000004",
];
const STRINGS: &[&str] = &[
    "\"\"",
    "\"a\"",
    "\"b\"",
    "\"foo\"",
    "\"a\\\"b\\\\\"",
    "\"\\n\\t\\u0001/\"",
    "\"h\\u00e9\"",
    "\"é\u{1F600}\"",
    "\"\\ud83d\\ude00\"",
    "\"\u{2028}\u{7f}\"",
    "\"10\"",
    "\"A long text of more than sixteen bytes\"",
];
/// Texts that are no JSON, or nearly JSON.
const NO_JSON: &[&str] = &[
    "",
    " ",
    "{",
    "[1,",
    "{\"a\":}",
    "{a:1}",
    "nul",
    "tru",
    "01",
    "+1",
    "1.",
    ".5",
    "1e",
    "1e999",
    "-",
    "\"a",
    "\"\\x\"",
    "\"\\ud800\"",
    "'a'",
    "[1,]",
    "{\"a\":1,}",
    "NaN",
    "Infinity",
    "\"\n\"",
    "]",
    "{1:2}",
];
/// Texts that are no paths, or nearly paths.
const NO_PATHS: &[&str] = &[
    "$[",
    "$.",
    "$..",
    "$.[a]",
    "$.a[",
    "$.a[]",
    "$.a[1",
    "$.a[1:2:0]",
    "$.a[1:2:-1]",
    "$[?(",
    "$[?(@.a>)]",
    "$[?(@.a)",
    "$.a.",
    "$ ",
    "$a",
    "",
    " ",
    "..",
    "a..",
    ".a[",
    "[",
    "[]",
    "$['a]",
    "$[\"a']",
    "$.a b",
    "$[01]",
    "$[1.5]",
    "$[a]",
    "$[?(@.a==01)]",
    "$[?()]",
    "$[,]",
    "$[1,]",
    "$['a',]",
    "$[::]",
    "$[:::]",
];

/// A value as a JSON text.
pub fn value(random: &mut Random) -> Vec<u8> {
    if random.chance(4) {
        return pick(random, NO_JSON).as_bytes().to_vec();
    }
    let mut text = String::new();
    let depth = random.below(4);
    write_value(random, depth, &mut text);
    text.into_bytes()
}

/// A container as a JSON text.
pub fn document(random: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    if random.chance(80) {
        write_object(random, 3, &mut text);
    } else {
        write_array(random, 3, &mut text);
    }
    text.into_bytes()
}

pub fn number(random: &mut Random) -> Vec<u8> {
    if random.chance(6) {
        return value(random);
    }
    pick(random, NUMBERS).as_bytes().to_vec()
}

pub fn string(random: &mut Random) -> Vec<u8> {
    if random.chance(6) {
        return value(random);
    }
    pick(random, STRINGS).as_bytes().to_vec()
}

fn pick(random: &mut Random, words: &[&'static str]) -> &'static str {
    words[random.below(words.len())]
}

fn write_value(random: &mut Random, depth: usize, text: &mut String) {
    match random.below(if depth == 0 { 6 } else { 10 }) {
        0 => text.push_str("null"),
        1 => text.push_str(pick(random, &["true", "false"])),
        2 | 3 => text.push_str(pick(random, NUMBERS)),
        4 | 5 => text.push_str(pick(random, STRINGS)),
        6 | 7 => write_array(random, depth - 1, text),
        _ => write_object(random, depth - 1, text),
    }
}

fn write_array(random: &mut Random, depth: usize, text: &mut String) {
    text.push('[');
    // Both servers store runs of a single type in their own form.
    let is_run = random.chance(30);
    for at in 0..random.below(if is_run { 12 } else { 5 }) {
        if at > 0 {
            text.push_str(pick(random, &[",", ", "]));
        }
        if is_run {
            text.push_str(&(random.below(300) as i64 - 20).to_string());
        } else {
            write_value(random, depth, text);
        }
    }
    text.push(']');
}

fn write_object(random: &mut Random, depth: usize, text: &mut String) {
    text.push('{');
    for at in 0..random.below(6) {
        if at > 0 {
            text.push_str(pick(random, &[",", " ,\n"]));
        }
        text.push_str(&format!("\"{}\":", pick(random, NAMES)));
        write_value(random, depth, text);
    }
    text.push('}');
}

/// The number of values that a path may find.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A single value: the path has names and indexes alone.
    One,
    /// Several values. None is inside another, and none moves when an earlier value is deleted.
    Apart,
    /// Any values.
    Any,
}

/// A path of either dialect.
pub fn path(random: &mut Random, reach: Reach) -> Vec<u8> {
    if random.chance(3) {
        return pick(random, NO_PATHS).as_bytes().to_vec();
    }
    let mut text = String::new();
    let is_legacy = random.chance(30);
    let steps = random.below(4);
    for _ in 0..steps {
        write_step(random, reach, &mut text);
    }
    let text = match (is_legacy, steps) {
        (false, _) => format!("${text}"),
        (true, 0) => ".".to_owned(),
        // `a.b` means the same as `.a.b`.
        (true, _) if text.starts_with('.') && !text.starts_with("..") && random.chance(50) => {
            text[1..].to_owned()
        }
        (true, _) => text,
    };
    text.into_bytes()
}

fn write_step(random: &mut Random, reach: Reach, text: &mut String) {
    let index = |random: &mut Random| {
        random
            .pick(&["0", "1", "2", "-1", "-2", "-9", "9"])
            .to_string()
    };
    let name = |random: &mut Random| pick(random, PLAIN_NAMES).to_string();
    let any_name = |random: &mut Random| pick(random, NAMES).replace('"', "\\\"");
    let choices = match reach {
        Reach::One => 7,
        Reach::Apart => 10,
        Reach::Any => 20,
    };
    let step = match random.below(choices) {
        0..=3 => format!(".{}", name(random)),
        4 => format!("[\"{}\"]", any_name(random)),
        5 => format!("['{}']", any_name(random)),
        6 => format!("[{}]", index(random)),
        7 | 8 => pick(random, &[".*", "[*]"]).to_string(),
        9 => random
            .pick(&["[\"a\",\"b\"]", "[\"b\",\"b\"]", "[0,0]", "[1,0]", "[-1,0]"])
            .to_string(),
        10 | 11 => format!("..{}", name(random)),
        12 => random
            .pick(&["..*", "..[0]", "..[*]", "..[\"a\"]", "..[-1]"])
            .to_string(),
        13 => pick(random, &["[0,1]", "[2,0]", "[1,9]"]).to_owned(),
        14 | 15 => {
            let step = pick(random, &["", "", ":", ":1", ":2", ":3"]);
            let start = if random.chance(50) {
                index(random)
            } else {
                String::new()
            };
            let end = if random.chance(50) {
                index(random)
            } else {
                String::new()
            };
            format!("[{start}:{end}{step}]")
        }
        _ => format!("[?({})]", filter(random, 2)),
    };
    text.push_str(&step);
}

fn filter(random: &mut Random, depth: usize) -> String {
    if depth > 0 && random.chance(20) {
        let (left, right) = (filter(random, depth - 1), filter(random, depth - 1));
        return match random.below(4) {
            0 => format!("({left} || {right})"),
            1 => format!("{left} || {right}"),
            _ => format!("{left} && {right}"),
        };
    }
    let left = format!("@.{}", pick(random, PLAIN_NAMES));
    if random.chance(20) {
        return left;
    }
    if random.chance(15) {
        let pattern = pick(
            random,
            &["\"^a\"", "\"o+\"", "\"(\"", "\"\"", "\".*[a-f]$\"", "@.s"],
        );
        return format!("{left} =~ {pattern}");
    }
    let operator = pick(random, &["==", "<", "<=", ">", ">="]);
    let right = match random.below(5) {
        0 => random
            .pick(&["\"a\"", "\"foo\"", "'b'", "\"\""])
            .to_string(),
        1 => pick(random, &["true", "false", "null"]).to_string(),
        2 => format!("@.{}", pick(random, PLAIN_NAMES)),
        3 => format!("$.{}", pick(random, PLAIN_NAMES)),
        _ => random
            .pick(&["0", "1", "2", "-1", "1.5", "10", "100"])
            .to_string(),
    };
    format!("{left}{operator}{right}")
}

/// Removes arguments that the module of 7.4 ignores and the module of 8.10 refuses, text after a
/// value that 7.4 accepts, and cases in which 7.4 has no order.
pub fn tame(name: &[u8], args: &mut Vec<Vec<u8>>) {
    let most = match name {
        b"json.clear" | b"json.toggle" => 3,
        b"json.numincrby" | b"json.nummultby" | b"json.numpowby" => 4,
        b"json.arrtrim" => 5,
        _ => usize::MAX,
    };
    args.truncate(most);
    if name == b"json.mset" {
        // A path that existed before an earlier triplet with the same key ends 7.4, or sends no
        // event.
        for at in (1..args.len()).step_by(3) {
            let is_repeated = (1..at).step_by(3).any(|before| args[before] == args[at]);
            if let Some(path) = args.get_mut(at + 1).filter(|_| is_repeated) {
                *path = b"$".to_vec();
            }
        }
    }
    for arg in args.iter_mut().skip(2).filter(|arg| arg.starts_with(b"(")) {
        *arg = b"x".to_vec();
    }
    // If a text takes the place of a path, the error of 7.4 shows the low byte of each character,
    // and a zero byte ends the server.
    let is_path = args.len() > 3 || name != b"json.strappend";
    if let Some(path) = args.get_mut(2).filter(|_| is_path)
        && path.starts_with(b"\"")
    {
        path.retain(u8::is_ascii);
    }
    for arg in args.iter_mut().skip(2) {
        let text = String::from_utf8_lossy(arg).into_owned();
        let parsed = serde_json::from_str::<serde_json::Value>(&text);
        let is_followed =
            parsed.is_err_and(|error| error.to_string().starts_with("trailing characters"));
        if is_followed {
            *arg = b"1".to_vec();
        }
    }
}
