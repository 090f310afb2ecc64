//! Queries from a client's view: the memory that queries keep, the reasons why they end, and the
//! documents that count.
//!
//! Nothing wakes the loop here, so each query runs all slices in one command.

use crate::testbed::{AllCommands as _, Testbed};

/// An index over documents of so many bytes each.
fn bed(documents: usize, bytes: usize) -> Testbed {
    let mut t = Testbed::new();
    t.run("FT.CREATE i PREFIX 1 d: SCHEMA n NUMERIC SORTABLE t TEXT NOINDEX");
    let text = "x".repeat(bytes);
    for n in 0..documents {
        t.run(&format!("HSET d:{n} n {n} t {text}"));
    }
    t
}

/// Cursors by an alias had no limit.
#[test]
fn cursors_by_an_alias_count_for_their_index() {
    let mut t = bed(5, 1);
    t.run("CONFIG SET search-index-cursor-limit 3");
    t.run("FT.ALIASADD a i");
    for (n, name) in ["i", "a", "a", "a", "i"].into_iter().enumerate() {
        let reply = t.run(&format!("FT.AGGREGATE {name} * WITHCURSOR COUNT 1"));
        let is_refused = reply.starts_with("-SEARCH_CURSOR_ALLOC_FAILED");
        assert_eq!(is_refused, n >= 3, "{n}: {reply}");
    }
}

/// The number of a cursor, the last line of a reply.
fn number(reply: &str) -> u64 {
    let last = reply.trim_end().rsplit("\r\n").next().unwrap_or_default();
    last.trim_start_matches(':').parse().expect(reply)
}

/// Rows that cursors kept counted as data: a few queries evicted every key.
#[test]
fn cursors_end_before_keys_go_and_a_query_beyond_the_bound_is_refused() {
    let mut t = bed(4000, 1000);
    t.run("CONFIG SET maxmemory-clients 10mb");
    let sorted = |count: usize| {
        format!(
            "FT.AGGREGATE i * LOAD 1 @t SORTBY 1 @n LIMIT 0 {count} WITHCURSOR COUNT 1 TIMEOUT 60000"
        )
    };
    let [first, second] = [(); 2].map(|()| number(&t.run(&sorted(4000))));
    assert!(first > 0 && second > 0);
    let third = number(&t.run(&sorted(4000)));
    let mut read = |id: u64| t.run(&format!("FT.CURSOR READ i {id}"));
    assert!(
        read(first).starts_with("-SEARCH_CURSOR_NOT_FOUND"),
        "the oldest has ended"
    );
    assert!(read(third).starts_with('*'));
    t.run("CONFIG SET maxmemory-clients 2mb");
    let refused = t.run(&sorted(4000));
    assert!(refused.starts_with("-SEARCH_OOM"), "{refused:.200}");
    assert!(
        t.run(&sorted(100)).starts_with('*'),
        "a small one is served"
    );
    assert_eq!(t.run("DBSIZE"), ":4000\r\n");
}

/// A product of lists of few bytes went on for ever.
#[test]
fn a_product_of_lists_ends_by_the_time_and_by_the_budget_of_its_user() {
    let mut t = bed(3, 1);
    let lists = (0..20).map(|n| format!(" APPLY split('a,b,c,d,e,f,g,h,i,j') AS l{n}"));
    let names = (0..20).map(|n| format!(" @l{n}"));
    let (lists, names) = (lists.collect::<String>(), names.collect::<String>());
    let line = |ms: u32| format!("FT.AGGREGATE i *{lists} GROUPBY 20{names} TIMEOUT {ms}");
    assert!(
        t.run(&line(20)).starts_with('*'),
        "the groups that there are"
    );
    t.run("CONFIG SET search-on-timeout fail");
    assert!(t.run(&line(20)).starts_with("-SEARCH_TIMEOUT"));
    t.run("ACL SETUSER u on nopass ~* +@all work=1000");
    let client = t.connect();
    t.run_as(client, "AUTH u x");
    let refused = t.run_as(client, &line(60_000));
    assert!(refused.starts_with("-OVERBUDGET"), "{refused}");
}

/// Documents were found until their keys were removed, on a cut-off replica for ever.
#[test]
fn documents_whose_keys_have_expired_do_not_count() {
    let mut t = Testbed::new();
    t.run(
        "FT.CREATE i PREFIX 1 d: SCHEMA n NUMERIC SORTABLE t TEXT v VECTOR FLAT 6 TYPE FLOAT32 DIM 1 \
         DISTANCE_METRIC L2",
    );
    for n in 0..10 {
        t.run(&format!("HSET d:{n} n {n} t word v 0000"));
    }
    for n in [2, 3, 5, 7] {
        t.run(&format!("PEXPIRE d:{n} 50"));
    }
    let queries = [
        ("FT.SEARCH i * LIMIT 0 0", "*1\r\n:"),
        ("FT.SEARCH i word NOCONTENT LIMIT 0 1", "*2\r\n:"),
        ("FT.SEARCH i @n:[0\t9] SORTBY n LIMIT 0 0", "*1\r\n:"),
    ];
    for (line, head) in queries {
        assert!(t.run(line).starts_with(&format!("{head}10\r\n")), "{line}");
    }
    t.advance_ms(100);
    for (line, head) in queries {
        let reply = t.run(line);
        assert!(
            reply.starts_with(&format!("{head}6\r\n")),
            "{line}: {reply}"
        );
    }
    let counted = t.run("FT.AGGREGATE i * GROUPBY 0 REDUCE COUNT 0 AS c");
    assert!(counted.ends_with("$1\r\nc\r\n$1\r\n6\r\n"), "{counted}");
    let rows = t.run("FT.HYBRID i SEARCH word VSIM @v $b LIMIT 0 100 PARAMS 2 b 0000");
    for n in 0..10 {
        let is_found = rows.contains(&format!("d:{n}\r\n"));
        assert_eq!(is_found, ![2, 3, 5, 7].contains(&n), "d:{n} in {rows}");
    }
}

/// The query once chose the nearest documents first, and dropped documents whose keys have expired
/// afterwards: it found too few.
#[test]
fn the_nearest_are_chosen_among_documents_whose_keys_have_not_expired() {
    for algorithm in ["FLAT", "HNSW"] {
        let mut t = Testbed::new();
        t.run(&format!(
            "FT.CREATE i PREFIX 1 d: SCHEMA n NUMERIC v VECTOR {algorithm} 6 TYPE FLOAT32 DIM 1 \
             DISTANCE_METRIC L2"
        ));
        for n in 0..300 {
            t.run(&format!("HSET d:{n} n {n} v {n:04}"));
        }
        let near = |filter: &str| {
            format!("FT.SEARCH i {filter}=>[KNN\t3\t@v\t$b] NOCONTENT PARAMS 2 b 0007 DIALECT 2")
        };
        let nearest = t.run(&near("*"));
        assert!(
            nearest.starts_with("*4\r\n:3\r\n"),
            "{algorithm}: {nearest}"
        );
        let keys: Vec<&str> = nearest
            .lines()
            .filter(|line| line.starts_with("d:"))
            .collect();
        assert_eq!(keys.len(), 3);
        for key in &keys {
            t.run(&format!("PEXPIRE {key} 50"));
        }
        t.advance_ms(100);
        for filter in ["*", "@n:[0\t299]"] {
            let others = t.run(&near(filter));
            assert!(
                others.starts_with("*4\r\n:3\r\n"),
                "{algorithm} {filter}: {others}"
            );
            for key in &keys {
                assert!(!others.contains(&format!("{key}\r\n")), "{key} in {others}");
            }
        }
    }
}
