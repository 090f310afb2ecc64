//! Generates an argument from the name of a vocabulary.

use super::json::{self, Reach};
use super::pools::{BORDER_FLOATS, BORDERED, EVEN, MEMBERS, VALUES};
use crate::random::Random;

/// Whether a word of a row names a vocabulary: uppercase, at least one letter.
pub fn is_vocabulary(word: &str) -> bool {
    word.bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Appends one argument, or a run of them for the `MANY` vocabularies, to `args`.
pub fn pick(vocabulary: &str, random: &mut Random, args: &mut Vec<Vec<u8>>) {
    match vocabulary {
        "MANYM" => many(random, args, |n| vec![n]),
        "MANYFV" => many(random, args, |n| vec![n.clone(), n]),
        "MANYSM" => many(random, args, |n| vec![n.len().to_string().into_bytes(), n]),
        "MANYG" => many(random, args, |n| {
            // Several members share each of these positions.
            let digits: usize = n[1..].iter().fold(0, |n, d| n * 10 + usize::from(d - b'0'));
            let degrees = |n: usize, most: usize| {
                format!("{}.{}", n as i64 - most as i64 / 2, n % 10).into_bytes()
            };
            vec![
                degrees(digits * 37 % 359, 358),
                degrees(digits * 11 % 169, 168),
                n,
            ]
        }),
        "MANYI" => {
            let count = random.pick(&[20usize, 130, 520, 600]);
            args.extend((0..*count).map(|n| (n * 37).to_string().into_bytes()));
        }
        "JSON" => args.push(json::value(random)),
        "JDOC" => args.push(json::document(random)),
        "JNUM" => args.push(json::number(random)),
        "JSTR" => args.push(json::string(random)),
        "JPATH" => args.push(json::path(random, Reach::Any)),
        "JAPART" => args.push(json::path(random, Reach::Apart)),
        "JONE" => args.push(json::path(random, Reach::One)),
        "K" => args.push(any_key(random)),
        "V" => args.push(value(random)),
        "M" | "F" => args.push(member(random)),
        _ => args.push(from_pool(vocabulary, random)),
    }
}

fn from_pool(vocabulary: &str, random: &mut Random) -> Vec<u8> {
    if let Some((_, words)) = EVEN.iter().find(|(name, _)| *name == vocabulary) {
        return random.pick(words).to_vec();
    }
    if let Some((_, usual, border, percent)) = BORDERED.iter().find(|row| row.0 == vocabulary) {
        let words = if random.chance(*percent) {
            border
        } else {
            usual
        };
        return random.pick(words).to_vec();
    }
    // KS, KL, KH ...: the keys of a family.
    match vocabulary.strip_prefix('K') {
        // Keys that rows of other families do not touch.
        Some(family @ ("V" | "W")) => own_key(random, &family.to_lowercase()),
        Some(family) if family.len() == 1 => typed_key(random, &family.to_lowercase()),
        _ => panic!("no vocabulary is called {vocabulary}"),
    }
}

/// Enough elements to cross the thresholds between encodings.
fn many(random: &mut Random, args: &mut Vec<Vec<u8>>, each: impl Fn(Vec<u8>) -> Vec<Vec<u8>>) {
    let count = *random.pick(&[10usize, 40, 127, 129, 140, 520]);
    let from = random.below(50);
    for n in from..from + count {
        args.extend(each(format!("m{n}").into_bytes()));
    }
}

/// A key of the family, `s1` to `s3`, or now and then a key of another family.
fn typed_key(random: &mut Random, family: &str) -> Vec<u8> {
    if random.chance(7) {
        any_key(random)
    } else {
        own_key(random, family)
    }
}

fn own_key(random: &mut Random, family: &str) -> Vec<u8> {
    format!("{family}{}", 1 + random.below(3)).into_bytes()
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
