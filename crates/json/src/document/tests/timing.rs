//! Times, to look at. They are the thread's own, so that other work on the machine counts little:
//!
//!     cargo test --release -p russet-json timing -- --ignored --nocapture

use super::{parsed, text};
use crate::document::{Document, Format};
use crate::view::{Number, View};
use std::hint::black_box;
use std::time::Instant;

/// Nanoseconds that this thread has run.
fn thread_ns() -> u64 {
    russet_base::usage::thread_time().as_nanos() as u64
}

fn best(name: &str, mut run: impl FnMut()) {
    let (mut best, mut count) = (f64::MAX, 10);
    for _ in 0..40 {
        let start = thread_ns();
        (0..count).for_each(|_| run());
        let ns = thread_ns() - start;
        best = best.min(ns as f64 / f64::from(count));
        count = (4e6 / best) as u32 + 1;
    }
    println!("{name}: {best:.0} ns");
}

fn order() -> String {
    let item = |n: usize| {
        format!(
            r#"{{"sku":"SKU-{n:05}","title":"Stainless bottle {n}","quantity":{},"price":{}.99,"tax":0.25}}"#,
            1 + n % 3,
            19 + n
        )
    };
    let items: Vec<String> = (1..7).map(item).collect();
    format!(
        r#"{{"order":100234,"status":"shipped","customer":{{"id":7781,"name":"Jonas Berg","address":{{"street":"Kungsgatan 12","city":"Stockholm","zip":"111 35","country":"SE"}}}},"items":[{}],"shipping":{{"carrier":"PostNord","price":49.0,"address":{{"street":"Kungsgatan 12","city":"Stockholm","zip":"111 35","country":"SE"}}}},"total":412.94,"currency":"SEK","notes":["leave at door","call first"],"created":"2024-03-18T09:24:11Z","updated":"2024-03-19T10:00:00Z"}}"#,
        items.join(",")
    )
}

#[test]
#[ignore = "measures"]
fn small() {
    let given = order();
    let mut document = parsed(&given);
    println!(
        "{} bytes of text, {} in memory",
        given.len(),
        document.memory_bytes()
    );
    best("parse", || {
        black_box(Document::parse(black_box(given.as_bytes())).unwrap());
    });
    best("serde_json::Value", || {
        black_box(
            serde_json::from_slice::<serde_json::Value>(black_box(given.as_bytes())).unwrap(),
        );
    });
    let mut out = Vec::new();
    best("print", || {
        out.clear();
        black_box(&document)
            .root()
            .print(&Format::default(), &mut out);
    });
    best("member, second", || {
        black_box(black_box(&document).root().member("status"));
    });
    best("member, last", || {
        black_box(black_box(&document).root().member("updated"));
    });
    best("three steps by name", || {
        let shipping = black_box(&document).root().member("shipping").unwrap().1;
        let address = shipping.member("address").unwrap().1;
        black_box(address.member("zip").unwrap().1.text());
    });
    let mut number = 0;
    best("set a number", || {
        number = (number + 1) % 1000;
        assert!(document.set_number(&[0], Number::Signed(100_000 + number)));
    });
    best("replace a string", || {
        let new = Document::parse(b"\"paid\"").unwrap();
        assert!(document.replace(&[1], new.root()));
    });
    let mut tags = parsed(r#"{"tags":[]}"#);
    let tag = Document::parse(b"\"x\"").unwrap();
    best("append", || {
        let len = tags.get(&[0]).unwrap().len();
        assert!(tags.insert_elements(&[0], len, std::slice::from_ref(&tag)));
    });
}

#[test]
#[ignore = "measures"]
fn large() {
    let given = order();
    let tag = Document::parse(b"\"x\"").unwrap();
    let count = 100_000_000 / given.len();
    let large = format!("{{\"orders\":[{}]}}", vec![given; count].join(","));
    println!("{} bytes of text", large.len());
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap();
        line.to_owned()
    };
    println!("{}", peak());
    drop(Document::parse(large.as_bytes()).unwrap());
    println!("{} after parsing", peak());
    let start = Instant::now();
    let value: serde_json::Value = serde_json::from_str(&large).unwrap();
    println!("serde_json::Value: {:?}", start.elapsed());
    drop(value);
    let start = Instant::now();
    let mut document = Document::parse(large.as_bytes()).unwrap();
    println!(
        "parse: {:?}, {} in memory",
        start.elapsed(),
        document.memory_bytes()
    );
    let start = Instant::now();
    assert_eq!(text(&document).len(), large.len());
    println!("print: {:?}", start.elapsed());
    let mut at = 0;
    best("set a number in 100 MB", || {
        at = (at + 7919) % count as u32;
        assert!(document.set_number(&[0, at, 0], Number::Signed(at.into())));
    });
    best("append in 100 MB", || {
        let len = document.get(&[0]).unwrap().len();
        assert!(document.insert_elements(&[0], len, std::slice::from_ref(&tag)));
    });
    best("insert in 100 MB", || {
        at = (at + 7919) % count as u32;
        assert!(document.insert_elements(&[0], at as usize, std::slice::from_ref(&tag)));
    });
    let start = Instant::now();
    black_box(document.clone());
    println!("clone and drop: {:?}", start.elapsed());
}

#[test]
#[ignore = "profiles"]
fn profile() {
    let given = order();
    let document = parsed(&given);
    let mut out = Vec::new();
    for _ in 0..2000 {
        black_box(Document::parse(black_box(given.as_bytes())).unwrap());
        out.clear();
        black_box(&document)
            .root()
            .print(&Format::default(), &mut out);
    }
}
