//! The language of command generators: a line for each command.
//!
//!     zadd KZ [nx|xx] {ch incr (gt|lt)} (SCORE M)+
//!
//! | piece | generates |
//! |---|---|
//! | `word` | itself |
//! | `WORD` | a random word of that vocabulary (`words.rs`) |
//! | `( a b )` | both |
//! | `a\|b` inside brackets | one of them |
//! | `[ ... ]` | nothing, half of the time |
//! | `{ a b }` | some of the pieces, in any order |
//! | `(...)+` | one to four times |
//! | `#(...)` | a count, then one to four of them; the count is sometimes wrong |
//!
//! Spaces separate the pieces; brackets need none. Most generated calls are valid; `mutate` adds
//! mistakes that are possible with any command.

use super::{filters, json, pools::RUNS, words};
use crate::random::Random;

/// A parsed line.
#[derive(Debug, Clone)]
enum Piece {
    Word(&'static str),
    Pick(&'static str),
    Sequence(Vec<Piece>),
    OneOf(Vec<Piece>),
    Maybe(Box<Piece>),
    SomeOf(Vec<Piece>),
    Repeated(Box<Piece>),
    Counted(Box<Piece>),
}

/// The generator of a command's calls.
#[derive(Debug, Clone)]
pub struct Row {
    line: &'static str,
    piece: Piece,
}

impl Row {
    pub fn parse(line: &'static str) -> Row {
        let mut tokens = tokens(line);
        tokens.reverse();
        let piece = sequence(&mut tokens, None);
        assert!(tokens.is_empty(), "a bracket too many in {line:?}");
        Row { line, piece }
    }

    /// The command's name, in lowercase.
    pub fn name(&self) -> &'static str {
        self.line
            .split(' ')
            .next()
            .expect("a line begins with a name")
    }

    /// The literal words of the line, without the name.
    pub fn words(&self) -> Vec<&'static str> {
        let words = tokens(self.line).into_iter().skip(1);
        let is_word = |word: &&str| word.starts_with(|first: char| first.is_ascii_lowercase());
        words.filter(is_word).collect()
    }

    /// A call of the command according to its line, without added mistakes.
    pub fn generate_plain(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let mut args = Vec::new();
        emit(&self.piece, random, &mut args);
        args
    }

    /// As [`Row::generate_plain`], without arguments on which real servers differ or at which they
    /// crash.
    pub fn generate_tame(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let mut args = self.generate_plain(random);
        tame(&mut args);
        args
    }

    /// A call of the command, with mistakes.
    pub fn generate(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let mut args = self.generate_plain(random);
        mutate(&mut args, random);
        tame(&mut args);
        args
    }
}

fn tokens(line: &'static str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' => {
                rest = &rest[1..];
                continue;
            }
            ')' if rest.starts_with(")+") => 2,
            '#' if rest.starts_with("#(") => 2,
            '(' | ')' | '[' | ']' | '{' | '}' | '|' => 1,
            _ => rest
                .find([' ', '(', ')', '[', ']', '{', '}', '|'])
                .unwrap_or(rest.len()),
        };
        found.push(&rest[..length]);
        rest = &rest[length..];
    }
    found
}

/// Parses pieces up to the closing bracket, which is consumed. Alternatives bind weaker
/// than sequences.
fn sequence(tokens: &mut Vec<&'static str>, close: Option<&str>) -> Piece {
    let mut alternatives = vec![Vec::new()];
    while let Some(token) = tokens.pop() {
        if Some(token) == close || (close == Some(")") && token == ")+") {
            let piece = join(alternatives);
            return if token == ")+" {
                Piece::Repeated(Box::new(piece))
            } else {
                piece
            };
        }
        let piece = match token {
            "|" => {
                alternatives.push(Vec::new());
                continue;
            }
            "(" => sequence(tokens, Some(")")),
            "#(" => Piece::Counted(Box::new(sequence(tokens, Some(")")))),
            "[" => Piece::Maybe(Box::new(sequence(tokens, Some("]")))),
            "{" => match sequence(tokens, Some("}")) {
                Piece::Sequence(pieces) => Piece::SomeOf(pieces),
                piece => Piece::SomeOf(vec![piece]),
            },
            word if words::is_vocabulary(word) => Piece::Pick(word),
            word => Piece::Word(word),
        };
        alternatives.last_mut().expect("never empty").push(piece);
    }
    assert!(
        close.is_none(),
        "an open bracket is not closed by {close:?}"
    );
    join(alternatives)
}

fn join(alternatives: Vec<Vec<Piece>>) -> Piece {
    let mut sequences: Vec<Piece> = alternatives
        .into_iter()
        .map(|mut pieces| {
            if pieces.len() == 1 {
                pieces.remove(0)
            } else {
                Piece::Sequence(pieces)
            }
        })
        .collect();
    if sequences.len() == 1 {
        sequences.remove(0)
    } else {
        Piece::OneOf(sequences)
    }
}

fn emit(piece: &Piece, random: &mut Random, args: &mut Vec<Vec<u8>>) {
    match piece {
        Piece::Word(word) => args.push(word.as_bytes().to_vec()),
        Piece::Pick(vocabulary) => words::pick(vocabulary, random, args),
        Piece::Sequence(pieces) => pieces.iter().for_each(|piece| emit(piece, random, args)),
        Piece::OneOf(pieces) => emit(random.pick(pieces), random, args),
        Piece::Maybe(piece) => {
            if random.chance(50) {
                emit(piece, random, args);
            }
        }
        Piece::SomeOf(pieces) => {
            let mut chosen: Vec<&Piece> = pieces.iter().filter(|_| random.chance(35)).collect();
            random.shuffle(&mut chosen);
            chosen
                .into_iter()
                .for_each(|piece| emit(piece, random, args));
        }
        Piece::Repeated(piece) => {
            for _ in 0..random.few() {
                emit(piece, random, args);
            }
        }
        Piece::Counted(piece) => {
            let count = random.few();
            if random.chance(4) {
                words::pick("INT", random, args);
            } else {
                args.push(count.to_string().into_bytes());
            }
            for _ in 0..count {
                emit(piece, random, args);
            }
        }
    }
}

/// Mistakes and freedoms of every command: letter case, a missing, surplus or strange argument.
fn mutate(args: &mut Vec<Vec<u8>>, random: &mut Random) {
    if random.chance(20) {
        let upper = random.chance(50);
        for arg in args
            .iter_mut()
            .filter(|arg| arg.iter().all(u8::is_ascii_lowercase))
        {
            // Keys and members are in lower case, too; a changed key is just another key.
            if upper && (arg.len() > 2) {
                arg.make_ascii_uppercase();
            } else if let Some(first) = arg.first_mut() {
                first.make_ascii_uppercase();
            }
        }
    }
    if random.chance(6) && args.len() > 1 {
        args.pop();
    } else if random.chance(3) {
        words::pick("V", random, args);
    } else if random.chance(5) && args.len() > 1 {
        let at = 1 + random.below(args.len() - 1);
        let mut strange = Vec::new();
        words::pick("STRANGE", random, &mut strange);
        args[at] = strange.remove(0);
    }
}

/// Removes arguments with several right answers (a random member, the order of a set), and
/// arguments that only cost time (a blocking command that waits, a bit hundreds of megabytes away).
fn tame(args: &mut Vec<Vec<u8>>) {
    let name = args[0].to_ascii_lowercase();
    let last = args.len() - 1;
    let timeout_at = match name.as_slice() {
        b"blpop" | b"brpop" | b"bzpopmin" | b"bzpopmax" | b"blmove" | b"brpoplpush" => Some(last),
        b"blmpop" | b"bzmpop" => Some(1.min(last)),
        b"xread" | b"xreadgroup" => args
            .iter()
            .position(|arg| arg.eq_ignore_ascii_case(b"block"))
            .map(|at| (at + 1).min(last)),
        _ => None,
    };
    if let Some(at) = timeout_at.filter(|&at| at > 0) {
        let seconds = std::str::from_utf8(&args[at])
            .ok()
            .and_then(|text| text.trim().parse::<f64>().ok());
        let hexadecimal = args[at].starts_with(b"0x");
        if hexadecimal
            || seconds.is_some_and(|seconds| seconds == 0.0 || (0.01..1e9).contains(&seconds))
        {
            args[at] = if name.starts_with(b"x") {
                b"1".to_vec()
            } else {
                b"0.001".to_vec()
            };
        }
    }
    let has = |args: &[Vec<u8>], word: &[u8]| args.iter().any(|arg| arg.eq_ignore_ascii_case(word));
    if name.starts_with(b"json.") {
        json::tame(&name, args);
    }
    let families = [&b"bf."[..], b"cf.", b"cms.", b"topk.", b"tdigest."];
    if families.iter().any(|its| name.starts_with(its)) {
        filters::tame(&name, args);
    }
    match name.as_slice() {
        // Redis uses only the lowest 32 bits of the index, and overwrites a wrong element;
        // russet refuses.
        b"lset" if args.len() == 4 => {
            let index = std::str::from_utf8(&args[2])
                .ok()
                .and_then(|text| text.parse::<i64>().ok());
            if index.is_some_and(|index| i32::try_from(index).is_err()) {
                args[2] = b"65536".to_vec();
            }
        }
        // With OVERFLOW SAT Redis turns a value far below the minimum into the maximum.
        b"bitfield" => args
            .iter_mut()
            .filter(|arg| arg.starts_with(b"-9223372036854775"))
            .for_each(|arg| *arg = b"-4611686018427387904".to_vec()),
        // Redis's check of a name ends at a NUL byte, russet's does not. Invalid numbers after ID
        // and NOT-ID have other errors in Valkey than in Redis.
        b"client" | b"hello" => {
            args.iter_mut()
                .for_each(|arg| arg.retain(|&byte| byte != 0));
            let names_ids =
                |arg: &Vec<u8>| [&b"id"[..], b"not-id"].contains(&&arg.to_ascii_lowercase()[..]);
            if let Some(at) = args.iter().skip(2).position(names_ids) {
                let is_id = |arg: &Vec<u8>| {
                    arg.first()
                        .is_some_and(|first| (b'1'..=b'9').contains(first))
                        && arg.len() < 18
                        && arg.iter().all(u8::is_ascii_digit)
                };
                let numbers = args[at + 3..].iter().take_while(|arg| is_id(arg)).count();
                args.truncate(at + 3 + numbers);
                if numbers == 0 {
                    args.push(b"99999".to_vec());
                }
            }
        }
        // Truncated runs of a HyperLogLog: Redis reads beyond the end.
        b"append" | b"setrange" if args.len() > 2 && args[1].starts_with(b"p") => {
            let value = args.last_mut().expect("there are three");
            if !RUNS.contains(&value.as_slice()) {
                *value = b"\x80".to_vec();
            }
        }
        // With a centre beyond the map's edge, Valkey's result is arbitrary.
        b"geosearch" | b"geosearchstore"
            if has(args, b"bypolygon") && middle_is_off_the_map(args) =>
        {
            args.truncate(1);
        }
        // A time to live of a few milliseconds would leave the result to chance.
        b"restore" if args.len() > 2 => {
            let ttl = std::str::from_utf8(&args[2]).ok();
            let ttl = ttl.and_then(|text| text.trim().parse::<u64>().ok());
            if ttl.is_some_and(|ms| (1..100_000).contains(&ms)) {
                args[2] = b"100000".to_vec();
            }
        }
        // A single random member would leave the servers in different states.
        b"spop" if args.len() == 2 => args.push(b"100000".to_vec()),
        // A cursor of one server is meaningless to another.
        b"scan" | b"sscan" | b"hscan" | b"zscan" => {
            let at = if name == b"scan" { 1 } else { 2 };
            let number = |arg: &Vec<u8>| {
                std::str::from_utf8(arg).is_ok_and(|text| text.trim().parse::<u64>().is_ok())
            };
            if args.get(at).is_some_and(number) {
                let digits = args[at].iter_mut().filter(|byte| byte.is_ascii_digit());
                digits.for_each(|byte| *byte = b'0');
            }
        }
        // Ties, and unordered results, are deterministic only for lists.
        b"sort" | b"sort_ro" if args.len() > 2 && !args[1].starts_with(b"l") => {
            let by = args.iter().position(|arg| arg.eq_ignore_ascii_case(b"by"));
            let unordered = by
                .and_then(|by| args.get(by + 1))
                .is_some_and(|by| !by.contains(&b'*'));
            // With GET, ties (texts equal up to a NUL) are unpredictable.
            let alpha = has(args, b"alpha") && (by.is_some() || has(args, b"get"));
            if unordered || alpha {
                args[1] = b"l3".to_vec();
            }
        }
        _ => {}
    }
    // With LIMIT Redis sorts only a part, and ties end up anywhere, even those of a list.
    if name.starts_with(b"sort") && has(args, b"by") && has(args, b"limit") {
        args.iter_mut()
            .filter(|arg| arg.eq_ignore_ascii_case(b"alpha"))
            .for_each(|arg| *arg = b"asc".to_vec());
    }
    match name.as_slice() {
        // This key is always a list, except after RENAME and COPY.
        b"zadd" | b"sadd" if args.len() > 1 && args[1] == b"l3" => args[1] = b"l2".to_vec(),
        _ => {}
    }
    // Valkey does not accept hexadecimal numbers.
    if name.starts_with(b"geo") {
        let hexadecimal = args.iter_mut().filter(|arg| arg.starts_with(b"0x"));
        hexadecimal.for_each(|arg| *arg = b"16".to_vec());
    }
    if name == b"setbit" || name == b"bitfield" {
        for arg in args
            .iter_mut()
            .filter(|arg| arg.as_slice() == b"2147483648")
        {
            *arg = b"4294967296".to_vec();
        }
    }
}

/// Whether the centre of a polygon's vertices is nearer to a pole than any position can be.
fn middle_is_off_the_map(args: &[Vec<u8>]) -> bool {
    let at = args
        .iter()
        .position(|arg| arg.eq_ignore_ascii_case(b"bypolygon"));
    let number = |arg: &Vec<u8>| {
        let text = std::str::from_utf8(arg).ok()?;
        text.parse::<f64>().ok()
    };
    let mut numbers = args[at.unwrap_or(0) + 1..].iter().map_while(number);
    let vertices = numbers.next().unwrap_or(0.0).min(100.0) as usize;
    let degrees: Vec<f64> = numbers.take(vertices * 2).map(f64::to_radians).collect();
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for vertex in degrees.chunks_exact(2) {
        x += vertex[1].cos() * vertex[0].cos();
        y += vertex[1].cos() * vertex[0].sin();
        z += vertex[1].sin();
    }
    f64::atan2(z, x.hypot(y)).to_degrees().abs() > 85.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_generates_calls_of_its_command() {
        let row = Row::parse("zadd KZ [nx|xx] {ch incr (gt|lt)} (SCORE M)+");
        assert_eq!(row.name(), "zadd");
        let mut random = Random::new(1);
        let calls: Vec<_> = (0..200).map(|_| row.generate(&mut random)).collect();
        assert!(
            calls
                .iter()
                .all(|call| call[0].eq_ignore_ascii_case(b"zadd"))
        );
        for option in [&b"nx"[..], b"xx", b"ch", b"incr", b"gt", b"lt"] {
            assert!(
                calls
                    .iter()
                    .any(|call| call.iter().any(|arg| arg == option))
            );
        }
        assert!(calls.iter().any(|call| call.len() == 4));
    }

    #[test]
    fn the_same_seed_gives_the_same_call() {
        let row = Row::parse("zunion #(KZ) {weights aggregate (sum|min|max)} [withscores]");
        let calls = |seed| {
            let mut random = Random::new(seed);
            (0..50)
                .map(|_| row.generate(&mut random))
                .collect::<Vec<_>>()
        };
        assert_eq!(calls(7), calls(7));
        assert_ne!(calls(7), calls(8));
    }
}
