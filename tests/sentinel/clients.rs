//! Clients that ask Sentinels for the primary continue to write through a failover: the `redis`
//! crate here, other libraries in `tests/clients/failover.py`.

use std::time::{Duration, Instant};

use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};

use crate::group::{Group, Server};
use crate::process::{Kind, NAME};
use crate::support::peers::Peer;

/// Longest time without a write.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_redis_crate_goes_on_writing() {
    println!(
        "three of russet: {:?} without writes",
        write_through(Kind::Russet)
    );
    if Peer::Redis8
        .program_for("a failover by Redis's Sentinels")
        .is_some()
    {
        println!(
            "three of Redis 8.0: {:?} without writes",
            write_through(Kind::Redis80)
        );
    }
}

/// The time between the last write to the old primary and the first write to the new primary.
fn write_through(kind: Kind) -> Duration {
    let mut group = Group::start(&[kind; 3], &[Server::Russet; 3]);
    let urls = group
        .sentinels
        .iter()
        .map(|one| format!("redis://127.0.0.1:{}", one.port()));
    let urls: Vec<String> = urls.collect();
    let info = SentinelNodeConnectionInfo::default();
    let made = SentinelClient::build(urls, NAME, Some(info), SentinelServerType::Master);
    let mut client = made.expect("three addresses");
    let mut write = || {
        let mut c = client.get_connection()?;
        redis::cmd("INCR").arg("n").query::<u64>(&mut c)
    };
    for _ in 0..20 {
        write().expect("all is well");
    }
    let old = group.nodes[0].port();
    let last = Instant::now();
    group.kill(0);
    while let Err(error) = write() {
        assert!(last.elapsed() < LIMIT, "{error}");
        std::thread::sleep(Duration::from_millis(5));
    }
    let gap = last.elapsed();
    let (new, _) = group.agree(&[old]);
    for _ in 0..20 {
        write().expect("all is well again");
    }
    let n: u64 = redis::cmd("GET")
        .arg("n")
        .query(&mut group.nodes[new].client())
        .expect("a number");
    assert!(n >= 20, "{n}");
    gap
}
