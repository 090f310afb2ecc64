//! The oracle: a real server's answer is right.
//!
//! A seeded generator makes streams of commands, group by group: valid, borderline and wrong
//! arguments, wrong types, RESP2 and RESP3, bursts and single commands, inside and outside MULTI,
//! keys that expire. The test plays each stream to a real Redis 8.10 and to russet, and compares
//! the replies as bytes, and afterwards the whole contents of both. It shrinks a stream that
//! differs and prints it as redis-cli lines. It also plays some of the streams to Redis 8.0 and
//! 7.0, and to Valkey beside russet in Valkey's dialect.
//!
//! | module | holds |
//! |---|---|
//! | `streams::rows` | one line for each command |
//! | `streams::grammar`, `words`, `pools`, `json` | from lines to calls |
//! | `streams::source` | from calls to streams |
//! | `play` | a stream, and a server to which the test plays it |
//! | `compare`, `accepted` | whether two answers are the same |
//! | `search` | streams about indexes, and their comparison |
//! | `events`, `state` | keyspace events meanwhile; the contents afterwards |
//! | `expressions` | the results of Lua |
//! | `conversations` | conversations of several clients |
//! | `permissions` | categories and the commands that they allow, command by command |
//! | `misleading` | lines with misleading words: their keys, permissions, watchers |
//! | `soak` | a mixed load, whose files Redis loads afterwards |
//! | `caches` | the keys that a full cache loses to memory that goes away by itself |
//! | `followers` | a replica takes every write that the primary takes: russet and Redis |
//! | `shrink` | reduces a stream to the few commands that matter |
//!
//! Plays `RUSSET_ORACLE_STREAMS` streams per group (default 120) from `RUSSET_ORACLE_SEED`
//! (default 1), of documents, filters and sketches for `RUSSET_ORACLE_STACK_SECONDS` (default 20)
//! at least; `just oracle` plays for `RUSSET_ORACLE_SECONDS`.

mod accepted;
mod caches;
mod compare;
mod conversations;
mod events;
mod expressions;
mod followers;
mod misleading;
mod payloads;
mod permissions;
mod play;
mod search;
mod shrink;
mod soak;
mod state;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod touched;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write,
    time::{Duration, Instant},
};

use compare::{Difference, command_line, first_difference};
use play::{Side, Stream};
use random::Random;
use streams::{
    grammar::Row,
    rows::{self, Group},
    source::Source,
};
use support::{Daemon, peers, peers::Peer, random};

/// Maximum number of distinct mistakes reported for a group.
const REPORTED_MAX: usize = 12;

/// Maximum plays to shrink a stream.
const SHRINK_PLAYS_MAX: usize = 300;

/// Thresholds between encodings: the defaults, and small thresholds that streams cross often.
const DEFAULTS: &[(&str, &str)] = &[
    ("hash-max-listpack-entries", "512"),
    ("hash-max-listpack-value", "64"),
    ("set-max-intset-entries", "512"),
    ("set-max-listpack-entries", "128"),
    ("set-max-listpack-value", "64"),
    ("zset-max-listpack-entries", "128"),
    ("zset-max-listpack-value", "64"),
    ("list-max-listpack-size", "-2"),
    ("list-compress-depth", "0"),
    ("stream-node-max-bytes", "4096"),
    ("stream-node-max-entries", "100"),
    ("hll-sparse-max-bytes", "3000"),
    ("maxmemory", "0"),
    ("hz", "10"),
    ("slowlog-log-slower-than", "-1"),
];
const SMALL: &[(&str, &str)] = &[
    ("hash-max-listpack-entries", "4"),
    ("hash-max-listpack-value", "8"),
    ("set-max-intset-entries", "4"),
    ("set-max-listpack-entries", "4"),
    ("set-max-listpack-value", "8"),
    ("zset-max-listpack-entries", "4"),
    ("zset-max-listpack-value", "8"),
    ("list-max-listpack-size", "4"),
    ("list-compress-depth", "1"),
    ("stream-node-max-bytes", "200"),
    ("stream-node-max-entries", "3"),
    ("hll-sparse-max-bytes", "40"),
    ("maxmemory", "0"),
    ("hz", "10"),
    ("slowlog-log-slower-than", "-1"),
];

/// Two servers side by side.
struct Bench {
    peer: Peer,
    reference: Side,
    subject: Side,
    dumps: bool,
}

impl Bench {
    fn new(peer: Peer, what: &str) -> Option<Bench> {
        let program = peer.program_for(what)?;
        // Compression has several valid results, so this peer compresses nothing. A peer that ends
        // starts again with the same arguments.
        let args: &[&str] = match peer {
            Peer::Stack7 => &["--rdbcompression", "no"],
            _ => &[],
        };
        let reference = Side::new(Daemon::start_program(&program, args));
        // In 7.4 an integer that is too large wraps around.
        let own: &[&str] = match peer {
            Peer::Stack7 => &["--json-integers-wrap", "yes"],
            _ => &[],
        };
        let mut subject = Side::new(Daemon::start(&[peer.arguments(), args, own].concat()));
        let dumps = subject.has_command("dump") && peer == Peer::Redis810;
        Some(Bench {
            peer,
            reference,
            subject,
            dumps,
        })
    }

    /// The rows of a group that both servers have. Adds commands that the subject lacks to
    /// `missing`.
    fn source(&mut self, group: &Group, missing: &mut BTreeSet<&'static str>) -> Source {
        let mut both = |rows: Vec<Row>| -> Vec<Row> {
            let mut known: BTreeMap<&str, bool> = BTreeMap::new();
            rows.into_iter()
                .filter(|row| {
                    *known.entry(row.name()).or_insert_with(|| {
                        let subject = self.subject.has_command(row.name());
                        if !subject {
                            missing.insert(row.name());
                        }
                        subject && self.reference.has_command(row.name())
                    })
                })
                .collect()
        };
        Source {
            rows: both(group.rows()),
            beside: both(group.beside()),
            waiting: both(group.waiting()),
            second_client: group.second_client,
            pauses: group.pauses,
            one_sided: self.one_sided_subcommands(),
            // Redis's filters send no events.
            events: matches!(self.peer, Peer::Redis810 | Peer::Valkey9)
                || group.name == rows::JSON.name,
            too_new: match self.peer {
                Peer::Redis7 => &[rows::NEW, rows::NEWER_THAN_REDIS_7],
                Peer::Redis8 => &[rows::NEW, rows::NEWER_THAN_REDIS_8],
                Peer::Valkey9 => &[rows::NEW, rows::NEWER_THAN_VALKEY_9],
                Peer::Redis810 | Peer::Stack7 => &[],
            },
        }
    }

    fn one_sided_subcommands(&mut self) -> BTreeSet<String> {
        let mut of = |side: fn(&mut Bench) -> &mut Side| -> BTreeSet<String> {
            let names = side(self).commands().unwrap_or_default();
            names
                .into_iter()
                .filter(|name| name.contains('|'))
                .collect()
        };
        let reference = of(|bench| &mut bench.reference);
        let subject = of(|bench| &mut bench.subject);
        reference.symmetric_difference(&subject).cloned().collect()
    }

    /// Plays a stream to both and returns the first difference.
    fn play(&mut self, stream: &Stream) -> Option<Difference> {
        self.reference.reset(stream);
        self.subject.reset(stream);
        let (expected, got) = std::thread::scope(|scope| {
            let expected = scope.spawn(|| self.reference.play(stream));
            let got = self.subject.play(stream);
            (expected.join().expect("the reference plays"), got)
        });
        let (reference, subject) = (&mut self.reference, &mut self.subject);
        let reported = if stream.events {
            events::difference(stream, reference, subject)
        } else {
            None
        };
        let replied = first_difference(self.peer, &stream.steps, &expected, &got).or(reported);
        if stream.is_search {
            return replied;
        }
        replied.or_else(|| state::difference(self.peer, reference, subject, self.dumps))
    }
}

/// How much to play, and from which seed.
struct Plan {
    streams: u64,
    /// Seconds that the streams last at least.
    seconds_min: u64,
    seed: u64,
    seconds: Option<u64>,
}

impl Plan {
    fn from_environment(name: &str, peer: Peer) -> Plan {
        let number = |name| {
            env::var(name)
                .ok()
                .and_then(|text| text.parse::<u64>().ok())
        };
        Plan {
            streams: number("RUSSET_ORACLE_STREAMS").unwrap_or(120) / share(peer),
            // Texts, paths and fill levels have more forms than the words of other commands.
            seconds_min: if [rows::JSON.name, rows::FILTERS.name, rows::SKETCHES.name]
                .contains(&name)
            {
                number("RUSSET_ORACLE_STACK_SECONDS").unwrap_or(20)
            } else {
                0
            },
            seed: number("RUSSET_ORACLE_SEED").unwrap_or(1),
            seconds: number("RUSSET_ORACLE_SECONDS").map(|seconds| seconds / share(peer)),
        }
    }
}

/// Divides the streams of a group: older servers get a part, as 8.10 shows most of the same.
fn share(peer: Peer) -> u64 {
    match peer {
        Peer::Redis7 | Peer::Valkey9 => 4,
        Peer::Redis8 => 8,
        _ => 1,
    }
}

/// Plays a group's streams; fails with every distinct mistake found, shrunk.
fn check(group: &Group, peer: Peer) {
    let Some(mut bench) = Bench::new(peer, "the oracle") else {
        return;
    };
    let mut missing = BTreeSet::new();
    let source = bench.source(group, &mut missing);
    if !missing.is_empty() {
        let names: Vec<&str> = missing.into_iter().collect();
        println!(
            "oracle {}: russet does not have {}",
            group.name,
            names.join(", ")
        );
    }
    if source.rows.is_empty() {
        return;
    }
    let plan = Plan::from_environment(group.name, peer);
    play_all(bench, group.name, &plan, |seed| source.stream(seed));
}

/// Plays the streams of a plan; fails with every distinct mistake found, shrunk.
fn play_all(mut bench: Bench, name: &str, plan: &Plan, stream_of: impl Fn(u64) -> Stream) {
    let peer = bench.peer;
    let begun = Instant::now();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut played = 0;
    for seed in plan.seed.. {
        let has_lasted = |seconds| begun.elapsed() >= Duration::from_secs(seconds);
        let over = match plan.seconds {
            Some(seconds) => has_lasted(seconds),
            None => played >= plan.streams && has_lasted(plan.seconds_min),
        };
        if over || found.len() >= REPORTED_MAX {
            break;
        }
        played += 1;
        let stream = stream_of(seed);
        let Some(difference) = bench.play(&stream) else {
            continue;
        };
        if found.contains_key(&difference.signature()) {
            continue;
        }
        // Play it again, to separate chance from lasting differences.
        if bench.play(&stream).is_none() && bench.play(&stream).is_none() {
            println!("oracle {}: seed {seed} differed once: {difference:?}", name);
            continue;
        }
        let small = shrink::shrink(&stream, SHRINK_PLAYS_MAX, |stream| {
            bench.play(stream).is_some()
        });
        let difference = bench.play(&small).unwrap_or(difference);
        found
            .entry(difference.signature())
            .or_insert_with(|| report(&small, &difference));
    }
    println!(
        "oracle {}: {played} streams beside {}, {} differences",
        name,
        peer.name(),
        found.len()
    );
    // Ends the servers before the verdict, because then a healthy server does not print its log.
    drop(bench);
    let report: String = found.into_values().collect();
    assert!(
        report.is_empty(),
        "{} answers otherwise than {}:\n{report}",
        name,
        peer.name()
    );
}

/// A failing stream as redis-cli lines.
fn report(stream: &Stream, difference: &Difference) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\n# seed {}{}",
        stream.seed,
        if stream.burst { ", in one burst" } else { "" }
    );
    if stream.config.as_slice() != DEFAULTS {
        for (name, value) in stream.config.iter().filter(|pair| !DEFAULTS.contains(pair)) {
            let _ = writeln!(text, "config set {name} {value}");
        }
    }
    if stream.resp3 {
        let _ = writeln!(text, "hello 3");
    }
    for (at, step) in stream.steps.iter().enumerate() {
        if step.pause_ms > 0 {
            let _ = writeln!(text, "# {} ms later", step.pause_ms);
        }
        let other = match step.client {
            0 => String::new(),
            1 => "   # on a second connection".to_string(),
            waiter => format!("   # waits, on connection {}", waiter + 1),
        };
        let _ = writeln!(text, "{}{other}", command_line(&step.args));
        // A waiting client's answer depends on the steps that follow.
        if difference.step == Some(at) && step.client < 2 {
            break;
        }
    }
    if difference.step.is_none() {
        let _ = writeln!(text, "# {}", difference.what);
    }
    let _ = writeln!(
        text,
        "#   expected {}\n#   got      {}",
        difference.expected, difference.got
    );
    text
}

macro_rules! groups {
    ($($test:ident: $group:ident;)*) => {
        $(
            #[test]
            fn $test() {
                check(&rows::$group, Peer::Redis810);
            }
        )*

        mod redis8 {
            $(
                #[test]
                fn $test() {
                    super::check(&super::rows::$group, super::Peer::Redis8);
                }
            )*
        }

        mod redis7 {
            $(
                #[test]
                fn $test() {
                    super::check(&super::rows::$group, super::Peer::Redis7);
                }
            )*
        }

        /// Beside Valkey, in Valkey's dialect. Without payloads of RESTORE, because they are of
        /// Redis's newer versions.
        mod valkey9 {
            $(
                #[test]
                fn $test() {
                    super::check(&super::rows::$group, super::Peer::Valkey9);
                }
            )*

            #[test]
            fn waiting_clients_are_served_as_by_valkey() {
                super::check(&super::rows::BLOCKING, super::Peer::Valkey9);
            }

            #[test]
            fn stream_commands_answer_as_valkey() {
                super::check(&super::rows::STREAM, super::Peer::Valkey9);
            }

            #[test]
            fn users_and_rules_answer_as_valkey() {
                super::check(&super::rows::ACL, super::Peer::Valkey9);
            }

            #[test]
            fn valkeys_own_commands_answer_as_valkey() {
                super::check(&super::rows::VALKEY, super::Peer::Valkey9);
            }

            #[test]
            fn polygons_answer_as_valkeys() {
                super::check(&super::rows::VALKEY_GEO, super::Peer::Valkey9);
            }

            #[test]
            fn rules_about_databases_answer_as_valkeys() {
                super::check(&super::rows::VALKEY_ACL, super::Peer::Valkey9);
            }
        }
    };
}

groups! {
    string_commands_answer_as_redis: STRING;
    generic_commands_answer_as_redis: GENERIC;
    expiring_keys_answer_as_redis: EXPIRE;
    list_commands_answer_as_redis: LIST;
    set_commands_answer_as_redis: SET;
    hash_commands_answer_as_redis: HASH;
    hash_field_ttl_commands_answer_as_redis: HASH_FIELD_TTL;
    sorted_set_commands_answer_as_redis: ZSET;
    sort_answers_as_redis: SORT;
    transactions_answer_as_redis: TRANSACTION;
    connection_commands_answer_as_redis: CONNECTION;
    server_commands_answer_as_redis: SERVER;
    bitmap_commands_answer_as_redis: BITMAP;
    hyperloglog_commands_answer_as_redis: HYPERLOGLOG;
    geo_commands_answer_as_redis: GEO;
    pubsub_queries_answer_as_redis: PUBSUB;
    scripts_answer_as_redis: SCRIPTING;
    dumps_answer_as_redis: DUMP;
}

/// Not compared with Redis 7.0: since 7.2 a waiting client's command reruns when any of the
/// command's keys becomes ready, so the first keys decide, not the ready key.
#[test]
fn waiting_clients_are_served_as_by_redis() {
    check(&rows::BLOCKING, Peer::Redis810);
}

/// Not compared with Redis 7.0: its lag ignores deleted entries, and an empty stream wakes waiting
/// clients.
#[test]
fn stream_commands_answer_as_redis() {
    check(&rows::STREAM, Peer::Redis810);
}

/// Not compared with Redis 7.0, which has no arrays.
#[test]
fn array_commands_answer_as_redis() {
    check(&rows::ARRAY, Peer::Redis8);
}

#[test]
fn arrays_answer_as_redis() {
    check(&rows::ARRAY, Peer::Redis810);
}

#[test]
fn fieldsets_answer_as_redis() {
    check(&rows::FIELDSET, Peer::Redis810);
}

/// Compared with Redis 8.10 alone: others have no vector sets, or fewer commands of them.
#[test]
fn vector_set_commands_answer_as_redis() {
    check(&rows::VECTOR_SET, Peer::Redis810);
}

/// Compared with Redis Stack alone, because no other peer has the module.
#[test]
fn documents_answer_as_redis_stacks() {
    check(&rows::JSON, Peer::Stack7);
}

/// Compared with Redis Stack alone, because no other peer has the module.
#[test]
fn filters_answer_as_redis_stacks() {
    check(&rows::FILTERS, Peer::Stack7);
}

#[test]
fn sketches_answer_as_redis_stacks() {
    check(&rows::SKETCHES, Peer::Stack7);
}

/// Compared with Redis Stack alone, because no other peer has the module; `search::differences` has
/// the differences.
#[test]
fn indexes_answer_as_redis_stacks() {
    let Some(bench) = Bench::new(Peer::Stack7, "indexes beside Redis Stack") else {
        return;
    };
    let mut plan = Plan::from_environment("indexes", Peer::Stack7);
    let seconds = env::var("RUSSET_ORACLE_STACK_SECONDS").ok();
    plan.seconds_min = seconds.and_then(|text| text.parse().ok()).unwrap_or(20);
    // A stream takes longer than others, because the collector runs before the questions.
    plan.streams = plan.streams.min(20);
    play_all(bench, "indexes", &plan, search::stream);
}

#[test]
fn time_series_answer_as_redis_stacks() {
    check(&rows::TIME_SERIES, Peer::Stack7);
}

/// Not compared with Redis 7.0, which does not know the payloads' version.
#[test]
fn payloads_are_restored_as_by_redis() {
    check(&rows::RESTORE, Peer::Redis810);
}

/// Compared with Redis 7.0, since Redis 8.0.2 merges runs beyond the last register: it lacks
/// the fix of CVE-2025-32023.
#[test]
fn damaged_hyperloglogs_are_refused_as_by_redis() {
    check(&rows::HYPERLOGLOG_DAMAGED, Peer::Redis7);
}

/// Not compared with Redis 7.0: no `sanitize-payload`, and DRYRUN's errors do not name the user.
#[test]
fn users_and_rules_answer_as_redis() {
    check(&rows::ACL, Peer::Redis810);
}

/// Commands that the rows generate, including subcommands (`client|id`).
fn generated() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let groups = rows::GROUPS.iter().copied().chain([
        &rows::VALKEY,
        &rows::VALKEY_GEO,
        &rows::VALKEY_ACL,
        &rows::VECTOR_SET,
        &rows::JSON,
        &rows::FILTERS,
        &rows::TIME_SERIES,
        &rows::SKETCHES,
    ]);
    for row in groups.flat_map(|group| group.rows()) {
        let mut random = Random::new(1);
        for _ in 0..CALLS_A_ROW {
            let call = row.generate_plain(&mut random);
            let word = |at: usize| call.get(at).map(|arg| String::from_utf8_lossy(arg));
            names.insert(row.name().to_string());
            names.extend(word(1).map(|sub| format!("{}|{sub}", row.name())));
        }
    }
    let steps = (1..=CALLS_A_ROW as u64).flat_map(|seed| search::stream(seed).steps);
    let of_indexes = steps.filter(|step| search::is_of_indexes(&step.args));
    names.extend(of_indexes.map(|step| String::from_utf8_lossy(&step.args[0]).to_lowercase()));
    names
}

/// Enough calls of a row to produce each alternative.
const CALLS_A_ROW: usize = 200;

/// A command that is not generated is never compared.
#[test]
fn every_command_has_a_generator() {
    let mut russet = Side::new(Daemon::start(&[]));
    let Some(commands) = russet.commands() else {
        peers::left_out("the oracle's completeness: the server has no COMMAND LIST");
        return;
    };
    let covered = generated();
    let excused = |name: &str| {
        rows::NOT_GENERATED
            .iter()
            .any(|(excused, _)| *excused == name)
    };
    let uncovered: Vec<&String> = commands
        .iter()
        .filter(|name| {
            let container = name.split('|').next().expect("split gives at least one");
            !covered.contains(*name) && !excused(name) && !excused(container)
        })
        .collect();
    assert!(uncovered.is_empty(), "no line in rows.rs for {uncovered:?}");
}

/// An excuse in `NOT_GENERATED` must not be obsolete.
#[test]
fn no_command_is_both_generated_and_excused() {
    let generated = generated();
    for (name, reason) in rows::NOT_GENERATED {
        assert!(
            !generated.contains(*name),
            "{name} has a line, and an excuse: {reason}"
        );
    }
}
