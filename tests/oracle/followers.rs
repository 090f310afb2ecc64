//! Commands of all groups to a primary, alone, in transactions and in scripts. Afterwards every
//! replica must have the primary's data and must not have refused a command. The primary is russet
//! or Redis 8.10; the replicas are russet in both dialects and Redis.
//!
//! `RUSSET_FOLLOWERS_ROUNDS` (default 150) rounds from `RUSSET_ORACLE_SEED` (default 1).

use std::env;
use std::time::Duration;

use crate::random::Random;
use crate::soak::{GROUPS, different_keys, elements, far_arrays, persist_all};
use crate::streams::grammar::Row;
use crate::streams::rows;
use crate::support::wait::wait_within;
use crate::support::{Connection, Daemon, peers::Peer};

const ROUND: usize = 150;
/// The deadline for an answer, and for the replicas to have all data, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
/// Runs each command in ARGV, where the number of its words precedes it, and ignores errors.
const SCRIPT: &str = "local at = 1 \
    while ARGV[at] do \
      local last = at + tonumber(ARGV[at]) \
      redis.pcall(unpack(ARGV, at + 1, last)) \
      at = last + 1 \
    end";

/// Small nodes, so that few commands fill several.
const USUAL: &[&str] = &["--stream-node-max-entries", "3"];
const NO_DELAY: &[&str] = &["--repl-diskless-sync-delay", "0"];
const VALKEY: &[&str] = &["--dialect", "valkey"];

/// A Redis that replicates from Redis. The other replicas need not hold data on which these two
/// differ, such as a key that a failed BITFIELD leaves on the primary alone.
const JUDGE: &str = "judge";

type Words = Vec<Vec<u8>>;

#[test]
fn whatever_russet_takes_its_followers_take() {
    let Some(redis) = Peer::Redis810.program_for("followers") else {
        return;
    };
    let primary = Daemon::start(&[USUAL, NO_DELAY].concat());
    let followers = [
        ("russet", Daemon::start(USUAL)),
        ("russet as Valkey", Daemon::start(&[USUAL, VALKEY].concat())),
        ("Redis", Daemon::start_program(&redis, USUAL)),
    ];
    play(&primary, &followers);
}

#[test]
fn russet_takes_whatever_redis_has_taken() {
    let Some(redis) = Peer::Redis810.program_for("followers") else {
        return;
    };
    let primary = Daemon::start_program(&redis, &[USUAL, NO_DELAY].concat());
    let followers = [
        (JUDGE, Daemon::start_program(&redis, USUAL)),
        ("russet", Daemon::start(USUAL)),
        ("russet as Valkey", Daemon::start(&[USUAL, VALKEY].concat())),
    ];
    play(&primary, &followers);
}

fn play(primary: &Daemon, followers: &[(&str, Daemon)]) {
    let number = |name: &str, usual| {
        let text = env::var(name).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let mut control = primary.connect();
    control.reply_limit(LIMIT);
    let mut connections = Vec::new();
    for (name, follower) in followers {
        let mut connection = follower.connect();
        connection.reply_limit(LIMIT);
        let line = format!("REPLICAOF 127.0.0.1 {}", primary.port());
        assert_eq!(connection.ask(&line), "+OK\r\n", "{name}");
        connections.push((*name, follower, connection));
    }
    let groups: Vec<Vec<Row>> = GROUPS
        .iter()
        .filter(|group| !std::ptr::eq(**group, &rows::TRANSACTION))
        .map(|group| group.rows())
        .collect();
    let seed = number("RUSSET_ORACLE_SEED", 1);
    let mut random = Random::new(seed);
    let rounds = number("RUSSET_FOLLOWERS_ROUNDS", 150);
    let mut compared = 0;
    for round in 0..rounds {
        let mut sent = Vec::new();
        while sent.len() < ROUND {
            let rows = random.pick(&groups);
            let few = 1 + random.few();
            let commands: Vec<Words> = (0..few)
                .map(|_| random.pick(rows).generate(&mut random))
                .filter(|line| !keeps_from_followers(line))
                .collect();
            for line in together(commands, &mut random) {
                let reply = control.call(&line);
                sent.push((line, reply));
            }
        }
        let is_judged = compare(primary, &mut control, &mut connections, |why| {
            let shown: Vec<String> = sent.iter().map(show).collect();
            panic!("seed {seed}, round {round}: {why}\n{}", shown.join("\n"));
        });
        compared += u64::from(is_judged);
    }
    assert!(2 * compared > rounds, "{compared} of {rounds} rounds");
}

fn show((line, reply): &(Words, Vec<u8>)) -> String {
    let words: Vec<String> = line.iter().map(|w| w.escape_ascii().to_string()).collect();
    let reply: String = reply.escape_ascii().to_string().chars().take(60).collect();
    format!("{} -> {reply}", words.join(" "))
}

/// A script that keeps its writes from replicas and from the append only file.
pub(crate) fn keeps_from_followers(line: &[Vec<u8>]) -> bool {
    let is_set_repl = |word: &Vec<u8>| word.windows(8).any(|part| part == b"set_repl");
    line.iter().any(is_set_repl)
}

/// A command that waits for a key, perhaps for ever, outside of transactions and scripts.
fn may_wait(line: &[Vec<u8>]) -> bool {
    let has_b = line[0]
        .first()
        .is_some_and(|b| b.eq_ignore_ascii_case(&b'b'));
    has_b || line.iter().any(|word| word.eq_ignore_ascii_case(b"block"))
}

/// The commands one by one, as a transaction, or by a script.
fn together(commands: Vec<Words>, random: &mut Random) -> Vec<Words> {
    let word = |text: &str| vec![text.as_bytes().to_vec()];
    match random.below(3) {
        0 if !commands.iter().any(|line| may_wait(line)) => commands,
        0 | 1 => {
            let mut lines = vec![word("MULTI")];
            lines.extend(commands);
            lines.push(word("EXEC"));
            lines
        }
        _ => {
            let mut line: Words = [&b"EVAL"[..], SCRIPT.as_bytes(), b"0"]
                .map(<[u8]>::to_vec)
                .to_vec();
            for command in commands {
                line.push(command.len().to_string().into_bytes());
                line.extend(command);
            }
            vec![line]
        }
    }
}

/// Waits until all replicas have the primary's data. `fails` receives the differences that remain.
/// `false`: the judge differs from the primary, so the caller begins again.
fn compare(
    primary: &Daemon,
    control: &mut Connection,
    followers: &mut [(&str, &Daemon, Connection)],
    fails: impl Fn(String),
) -> bool {
    control.ask("DISCARD");
    persist_all(control);
    let far = far_arrays(control);
    let offset = |server: &Daemon, field: &str| {
        let text = server.info(field);
        text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    };
    for (name, follower, connection) in followers.iter_mut() {
        wait_within(LIMIT, &format!("{name} to have everything"), || {
            follower.info("master_link_status").as_deref() == Some("up")
                && offset(follower, "slave_repl_offset") == offset(primary, "master_repl_offset")
        });
        for (db, key) in &far {
            let ours = elements(control, *db, key);
            if elements(connection, *db, key) != ours {
                fails(format!("{name}: array {} of {db}", key.escape_ascii()));
            }
        }
        let refused = follower.info("unexpected_error_replies");
        if *name != JUDGE && refused.as_deref() != Some("0") {
            fails(format!("{name} refused {refused:?}: {}", follower.log()));
        }
    }
    for (db, key) in &far {
        control.ask(&format!("SELECT {db}"));
        control.call(&[&b"DEL"[..], key]);
    }
    let digest = control.ask("DEBUG DIGEST");
    for (name, follower, connection) in followers {
        wait_within(LIMIT, &format!("{name} to have everything"), || {
            offset(follower, "slave_repl_offset") == offset(primary, "master_repl_offset")
        });
        if connection.ask("DEBUG DIGEST") != digest {
            if *name == JUDGE {
                control.ask("FLUSHALL");
                return false;
            }
            fails(format!(
                "{name}: {:#?}",
                different_keys(control, connection)
            ));
        }
    }
    control.ask("SELECT 0");
    true
}
