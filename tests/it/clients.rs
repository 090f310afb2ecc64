//! The `redis` crate with the daemon: the first commands of an application.

use redis::{Commands, ExistenceCheck, RedisResult, SetExpiry, SetOptions, Value};

use crate::support::{Daemon, wait_until};

#[test]
fn strings_and_counters() {
    let server = Daemon::start(&[]);
    let mut c = server.client();
    let _: () = c.set("greeting", "hello").expect("SET");
    let text: String = c.get("greeting").expect("GET");
    assert_eq!(text, "hello");
    let n: i64 = c.incr("counter", 41).expect("INCRBY");
    assert_eq!(n, 41);
    let all: Vec<Option<String>> = c.mget(&["greeting", "missing"]).expect("MGET");
    assert_eq!(all, [Some("hello".to_owned()), None]);
    let wrong: RedisResult<i64> = c.incr("greeting", 1);
    assert!(wrong.is_err());
}

#[test]
fn a_lock_is_held_by_one_and_ends_by_itself() {
    let server = Daemon::start(&[]);
    let (mut a, mut b) = (server.client(), server.client());
    let options = SetOptions::default()
        .conditional_set(ExistenceCheck::NX)
        .with_expiration(SetExpiry::PX(80));
    let first: Option<String> = a.set_options("lock", "a", options.clone()).expect("SET NX");
    let second: Option<String> = b.set_options("lock", "b", options.clone()).expect("SET NX");
    assert_eq!((first.as_deref(), second), (Some("OK"), None));
    wait_until("the lock ends", || {
        let got: Option<String> = b.set_options("lock", "b", options.clone()).expect("SET NX");
        got.is_some()
    });
}

#[test]
fn pipelines_and_transactions() {
    let server = Daemon::start(&[]);
    let mut c = server.client();
    let mut pipe = redis::pipe();
    for i in 0..5000 {
        pipe.set(format!("k{i}"), i).ignore();
    }
    let _: () = pipe.query(&mut c).expect("a pipeline");
    let size: usize = redis::cmd("DBSIZE").query(&mut c).expect("DBSIZE");
    assert_eq!(size, 5000);
    let (n, text): (i64, String) = redis::transaction(&mut c, &["k1"], |c, pipe| {
        let old: i64 = c.get("k1")?;
        pipe.atomic()
            .set("k1", old + 1)
            .ignore()
            .incr("k1", 1)
            .get("k1")
            .query(c)
    })
    .expect("a transaction");
    assert_eq!((n, text.as_str()), (3, "3"));
}

#[test]
fn collections() {
    let server = Daemon::start(&[]);
    let mut c = server.client();
    let _: () = c.rpush("queue", &["a", "b", "c"]).expect("RPUSH");
    let popped: Option<String> = c.lpop("queue", None).expect("LPOP");
    assert_eq!(popped.as_deref(), Some("a"));
    let _: () = c
        .hset_multiple("user", &[("name", "x"), ("age", "7")])
        .expect("HSET");
    let age: i64 = c.hget("user", "age").expect("HGET");
    assert_eq!(age, 7);
    let _: () = c
        .zadd_multiple("board", &[(2.5, "b"), (1.0, "a")])
        .expect("ZADD");
    let best: Vec<(String, f64)> = c.zrevrange_withscores("board", 0, 0).expect("ZREVRANGE");
    assert_eq!(best, [("b".to_owned(), 2.5)]);
    let _: () = c.sadd("tags", &["x", "y"]).expect("SADD");
    let there: bool = c.sismember("tags", "y").expect("SISMEMBER");
    assert!(there);
    let mut keys: Vec<String> = c.scan().expect("SCAN").map(|k| k.expect("a key")).collect();
    keys.sort();
    assert_eq!(keys, ["board", "queue", "tags", "user"]);
}

#[test]
fn resp3_speaks_maps() {
    let server = Daemon::start(&[]);
    let url = format!("redis://127.0.0.1:{}/?protocol=resp3", server.port());
    let mut c = redis::Client::open(url)
        .and_then(|c| c.get_connection())
        .expect("RESP3");
    let _: () = c.hset("h", "f", "v").expect("HSET");
    let value: Value = redis::cmd("HGETALL")
        .arg("h")
        .query(&mut c)
        .expect("HGETALL");
    assert!(matches!(value, Value::Map(_)), "{value:?}");
}
