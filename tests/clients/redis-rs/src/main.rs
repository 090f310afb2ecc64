//! A program that uses a cluster through redis-rs: `redis-rs-check PORT ...`. cluster.py drives it.
//!
//! It prints `checked` when its checks have passed, and continues to write. After `killed` on its
//! standard input it must write every key again; then it prints `over` with the longest time
//! without a write.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::cluster::{ClusterClient, ClusterClientBuilder, ClusterConnection, cluster_pipe};
use redis::cluster_read_routing::RandomReplicaStrategy;
use redis::{Commands, RedisResult, Value, cmd};

const KEYS: usize = 100;
const DEADLINE: Duration = Duration::from_secs(120);
const TIMEOUT: Duration = Duration::from_secs(2);

fn main() {
    let ports: Vec<String> = std::env::args().skip(1).collect();
    let nodes: Vec<String> = ports
        .iter()
        .map(|port| format!("redis://127.0.0.1:{port}"))
        .collect();
    let mut connection = connect(&ClusterClient::new(nodes.clone()).expect("addresses"));
    if let Err(error) = check(&mut connection) {
        println!("failed {error}");
        std::process::exit(1);
    }
    let replicas =
        ClusterClientBuilder::new(nodes.clone()).read_routing_strategy(RandomReplicaStrategy);
    check_replicas(
        &mut connection,
        &mut connect(&replicas.build().expect("addresses")),
    );
    println!("checked");
    let patient = ClusterClientBuilder::new(nodes)
        .retries(20)
        .response_timeout(TIMEOUT);
    let patient = patient.connection_timeout(TIMEOUT);
    write_on(&patient.build().expect("addresses"));
}

fn connect(client: &ClusterClient) -> ClusterConnection {
    let connection = client.get_connection().expect("a cluster");
    connection
        .set_read_timeout(Some(TIMEOUT))
        .expect("a timeout");
    connection
        .set_write_timeout(Some(TIMEOUT))
        .expect("a timeout");
    connection
}

fn check(c: &mut ClusterConnection) -> RedisResult<()> {
    for n in 0..KEYS {
        () = c.set(format!("rs:{n}"), n)?;
    }
    for n in 0..KEYS {
        assert_eq!(c.get::<_, usize>(format!("rs:{n}"))?, n);
    }
    // The client itself divides these commands by nodes.
    let pairs: Vec<(String, usize)> = (0..20).map(|n| (format!("rs:m:{n}"), n)).collect();
    () = c.mset(&pairs)?;
    let names: Vec<&String> = pairs.iter().map(|(name, _)| name).collect();
    assert_eq!(
        c.mget::<_, Vec<usize>>(&names)?,
        (0..20).collect::<Vec<_>>()
    );
    assert_eq!(c.del::<_, usize>(&names)?, 20);
    let crossed: RedisResult<Value> = cmd("SUNION").arg("rs:{1}").arg("rs:{2}").query(c);
    let crossed = crossed.expect_err("keys of two slots").to_string();
    assert!(crossed.to_lowercase().contains("slot"), "{crossed}");

    let mut pipe = cluster_pipe();
    for n in 0..50 {
        pipe.incr(format!("rs:p:{}", n % 10), 1);
    }
    assert_eq!(pipe.query::<Vec<u64>>(c)?.len(), 50);
    let script = redis::Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    () = c.set("{rs}1", 2)?;
    assert_eq!(script.key("{rs}1").arg(3).invoke::<u64>(c)?, 5);
    let fields: BTreeMap<String, u64> = [("a".to_owned(), 1), ("b".to_owned(), 2)].into();
    () = c.hset_multiple("{rs}h", &fields.clone().into_iter().collect::<Vec<_>>())?;
    assert_eq!(c.hgetall::<_, BTreeMap<String, u64>>("{rs}h")?, fields);
    () = c.xadd("{rs}x", "1-1", &[("f", "v")])?;
    assert_eq!(c.xlen::<_, u64>("{rs}x")?, 1);
    assert_eq!(c.zadd::<_, _, _, u64>("{rs}z", "m", 1.5)?, 1);
    assert_eq!(c.zscore::<_, _, f64>("{rs}z", "m")?, 1.5);

    // Goes to all primaries, and the client adds their answers.
    let known: usize = cmd("DBSIZE").query(c)?;
    assert!(known >= KEYS, "{known}");
    let pong: String = cmd("PING").query(c)?;
    assert_eq!(pong, "PONG");
    Ok(())
}

/// A client that reads from replicas reads the values that a primary has taken.
fn check_replicas(writer: &mut ClusterConnection, reader: &mut ClusterConnection) {
    () = writer.set("rs:copied", "yes").expect("a write");
    let end = Instant::now() + DEADLINE;
    while reader
        .get::<_, Option<String>>("rs:copied")
        .ok()
        .flatten()
        .as_deref()
        != Some("yes")
    {
        assert!(Instant::now() < end, "a replica never had it");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Increments keys until each has been written after the word `killed`.
fn write_on(client: &ClusterClient) {
    let was_killed = Arc::new(AtomicBool::new(false));
    let reported = Arc::clone(&was_killed);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            reported.store(line.is_ok(), Ordering::Relaxed);
        }
    });
    let mut connection = connect(client);
    let mut after = BTreeSet::new();
    let (mut longest, mut last) = (Duration::ZERO, Instant::now());
    let end = Instant::now() + DEADLINE;
    for n in (0..KEYS).cycle() {
        if after.len() == KEYS || Instant::now() > end {
            break;
        }
        let key = format!("redis-rs:w:{n}");
        let is_after = was_killed.load(Ordering::Relaxed);
        if connection.incr::<_, _, u64>(&key, 1).is_err() {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        longest = longest.max(last.elapsed());
        last = Instant::now();
        if is_after {
            after.insert(key);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    if after.len() == KEYS { println!("over {:.2} s without a write", longest.as_secs_f64()) } else { println!("stuck") }
}
