//! The tests by name, in the order in which they run: requests as templates.
//!
//! `__rand_int__` in a word is replaced with 12 digits, another number in each request, if `-r`
//! asks for it.

use russet_resp::write_request;

use super::options::BenchmarkOptions;

/// A random number replaces it; its length is that of the digits.
const RANDOM: &[u8; 12] = b"__rand_int__";

/// Requests that are repeated.
#[derive(Debug)]
pub(super) struct Test {
    /// As reports have it.
    pub(super) title: String,
    request: Vec<u8>,
}

impl Test {
    fn new(title: &str, words: &[Vec<u8>]) -> Test {
        let mut request = Vec::new();
        write_request(&mut request, words.iter().map(Vec::as_slice));
        Test {
            title: title.to_owned(),
            request,
        }
    }

    /// A command of the command line.
    pub(super) fn of_command(words: &[Vec<u8>]) -> Test {
        let title: Vec<_> = words.iter().map(|it| String::from_utf8_lossy(it)).collect();
        Test::new(&title.join(" "), words)
    }

    /// A pipeline of this many requests, and where its random numbers are; without `is_random`
    /// there are none.
    pub(super) fn pipeline(&self, requests: usize, is_random: bool) -> (Vec<u8>, Vec<usize>) {
        let bytes = self.request.repeat(requests);
        let mut at = Vec::new();
        if is_random {
            let mut from = 0;
            while let Some(found) = bytes[from..].windows(12).position(|it| it == RANDOM) {
                at.push(from + found);
                from += found + RANDOM.len();
            }
        }
        (bytes, at)
    }
}

/// The names by which `-t` chooses, the title, and the words; `DATA` is the payload, `SCORE` is
/// random with `-r`.
const TESTS: &[(&[&str], &str, &str)] = &[
    (&["ping", "ping_inline"], "PING_INLINE", ""),
    (&["ping", "ping_mbulk"], "PING_MBULK", "PING"),
    (&["set"], "SET", "SET key:__rand_int__ DATA"),
    (&["get"], "GET", "GET key:__rand_int__"),
    (&["incr"], "INCR", "INCR counter:__rand_int__"),
    (&["lpush"], "LPUSH", "LPUSH mylist DATA"),
    (&["rpush"], "RPUSH", "RPUSH mylist DATA"),
    (&["lpop"], "LPOP", "LPOP mylist"),
    (&["rpop"], "RPOP", "RPOP mylist"),
    (&["sadd"], "SADD", "SADD myset element:__rand_int__"),
    (&["hset"], "HSET", "HSET myhash element:__rand_int__ DATA"),
    (&["spop"], "SPOP", "SPOP myset"),
    (&["zadd"], "ZADD", "ZADD myzset SCORE element:__rand_int__"),
    (&["zpopmin"], "ZPOPMIN", "ZPOPMIN myzset"),
    (
        &[
            "lrange",
            "lrange_100",
            "lrange_300",
            "lrange_500",
            "lrange_600",
        ],
        "LPUSH (needed to benchmark LRANGE)",
        "LPUSH mylist DATA",
    ),
    (
        &["lrange", "lrange_100"],
        "LRANGE_100 (first 100 elements)",
        "LRANGE mylist 0 99",
    ),
    (
        &["lrange", "lrange_300"],
        "LRANGE_300 (first 300 elements)",
        "LRANGE mylist 0 299",
    ),
    (
        &["lrange", "lrange_500"],
        "LRANGE_500 (first 500 elements)",
        "LRANGE mylist 0 499",
    ),
    (
        &["lrange", "lrange_600"],
        "LRANGE_600 (first 600 elements)",
        "LRANGE mylist 0 599",
    ),
    (&["mset"], "MSET (10 keys)", "MSET"),
    (&["xadd"], "XADD", "XADD mystream * myfield DATA"),
];

/// The tests that `-t` chooses; all if it chooses none.
///
/// # Errors
///
/// The line about a name that no test has.
pub(super) fn named(options: &BenchmarkOptions) -> Result<Vec<Test>, String> {
    let chosen = &options.tests;
    let known = |name: &str| TESTS.iter().any(|(names, ..)| names.contains(&name));
    if let Some(name) = chosen.iter().find(|name| !known(name)) {
        let all: Vec<&str> = TESTS
            .iter()
            .map(|(names, ..)| *names.last().unwrap_or(&""))
            .collect();
        return Err(format!("There is no test '{name}': {}", all.join(", ")));
    }
    let is_chosen = |names: &[&str]| {
        chosen.is_empty() || chosen.iter().any(|name| names.contains(&name.as_str()))
    };
    let data = vec![b'x'; options.payload_bytes];
    let score: &[u8] = if options.keys.is_some() { RANDOM } else { b"0" };
    let tests = TESTS.iter().filter(|(names, ..)| is_chosen(names));
    Ok(tests
        .map(|(_, title, words)| {
            if words.is_empty() {
                return Test {
                    title: (*title).to_owned(),
                    request: b"PING\r\n".to_vec(),
                };
            }
            let word = |word: &str| match word {
                "DATA" => data.clone(),
                "SCORE" => score.to_vec(),
                word => word.as_bytes().to_vec(),
            };
            let mut words: Vec<Vec<u8>> = words.split(' ').map(word).collect();
            if words[0] == b"MSET" {
                for _ in 0..10 {
                    words.extend([b"key:__rand_int__".to_vec(), data.clone()]);
                }
            }
            Test::new(title, &words)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(chosen: &[&str]) -> Result<Vec<String>, String> {
        let options = BenchmarkOptions {
            tests: chosen.iter().map(|&name| name.to_owned()).collect(),
            ..BenchmarkOptions::default()
        };
        Ok(named(&options)?
            .into_iter()
            .map(|test| test.title)
            .collect())
    }

    #[test]
    fn names_choose_tests_in_their_order() {
        assert_eq!(titles(&[]).expect("all").len(), 21);
        let some = titles(&["get", "set", "ping"]).expect("some");
        assert_eq!(some, ["PING_INLINE", "PING_MBULK", "SET", "GET"]);
        let range = titles(&["lrange_300"]).expect("some");
        assert!(
            range[0].starts_with("LPUSH (needed") && range.len() == 2,
            "{range:?}"
        );
        assert!(titles(&["nosuch"]).expect_err("none").contains("'nosuch'"));
    }

    #[test]
    fn random_numbers_are_found_in_each_request() {
        let test = Test::of_command(&[b"GET".to_vec(), b"a__rand_int__b__rand_int__".to_vec()]);
        let (bytes, at) = test.pipeline(3, true);
        assert_eq!(at.len(), 6);
        assert!(at.iter().all(|&at| &bytes[at..at + 12] == RANDOM));
        assert_eq!(test.pipeline(3, false).1, []);
    }
}
