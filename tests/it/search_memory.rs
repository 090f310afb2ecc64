//! Indexes of a server at its memory limit: definitions whose vectors take too much of the limit,
//! and indexes over more documents than the limit has room for.

use crate::support::{Connection, Daemon, wait_until};

fn run(c: &mut Connection, line: &str) {
    let reply = c.ask(line);
    assert!(!reply.starts_with('-'), "{line}: {reply}");
}

fn used_memory(c: &mut Connection) -> usize {
    let info = c.ask("INFO memory");
    let line = info.lines().find(|line| line.starts_with("used_memory:"));
    let bytes = line.and_then(|line| line.split(':').nth(1));
    bytes.and_then(|n| n.parse().ok()).expect("used_memory")
}

/// Documents without common words, so their index is larger than the documents.
fn fill(c: &mut Connection) {
    for document in 0..4000 {
        let words: Vec<String> = (0..20).map(|at| format!("w{document}x{at}")).collect();
        run(c, &format!("HSET d:{document} t {}", words.join("_")));
        run(c, &format!("HSET d:{document} g {}", words.join(",")));
    }
}

/// When an index would exceed maxmemory the server stops filling it and reports that. Queries reply
/// with the documents in the index.
#[test]
fn an_index_that_is_made_ends_at_the_limit_of_memory() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    fill(&mut c);
    let limit = used_memory(&mut c) + (2 << 20);
    run(&mut c, &format!("CONFIG SET maxmemory {limit}"));
    run(&mut c, "FT.CREATE i PREFIX 1 d: SCHEMA g TAG t TAG");
    wait_until("the reading to end", || {
        c.ask("FT.INFO i").contains("+OOM failure\r\n")
    });
    let used = used_memory(&mut c);
    assert!(used < limit + (1 << 20), "{used} of {limit}");
    assert!(
        c.ask("FT.INFO i").contains(
            "+Used memory is more than 100 percent of max memory, cancelling the scan\r\n"
        )
    );
    let info = c.ask("INFO search");
    assert!(info.contains("search_OOM_indexing_failures_indexes_count:1\r\n"));
    run(&mut c, "CONFIG SET maxmemory 0");
    c.ask("HELLO 3");
    let warned = c.ask("FT.SEARCH i * LIMIT 0 0");
    let warning = "Index contains partial data due to an indexing failure caused by insufficient \
                   memory";
    assert!(warned.contains(warning), "{warned}");
    // The index leaves later documents out until an operator makes it again.
    run(&mut c, "HSET d:new g fresh");
    let found = |c: &mut Connection| {
        let reply = c.ask("FT.SEARCH i @g:{fresh} NOCONTENT");
        reply.contains("total_results\r\n:1\r\n")
    };
    assert!(!found(&mut c));
    run(&mut c, "FT.DROPINDEX i");
    run(&mut c, "FT.CREATE i PREFIX 1 d: SCHEMA g TAG t TAG");
    wait_until("all to be read", || found(&mut c));
    let whole = c.ask("FT.SEARCH i * LIMIT 0 0");
    assert!(!whole.contains(warning), "{whole}");
}

/// Neither a definition nor its first document may take more than a tenth of the limit.
#[test]
fn vectors_of_a_definition_are_bounded_by_the_limit_of_memory() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let limit = used_memory(&mut c) + (8 << 20);
    run(&mut c, &format!("CONFIG SET maxmemory {limit}"));
    let fields = [
        ("HNSW 8", "DIM 2", "M 100000000"),
        ("HNSW 8", "DIM 2", "M 9223372036854775807"),
        ("HNSW 6", "DIM 4611686018427387904", ""),
        ("FLAT 6", "DIM 1000000", ""),
        ("SVS-VAMANA 8", "DIM 2", "GRAPH_MAX_DEGREE 4294967296"),
    ];
    let definition = |(algorithm, dimensions, more): (&str, &str, &str)| {
        format!("v VECTOR {algorithm} TYPE FLOAT32 {dimensions} DISTANCE_METRIC L2 {more}")
    };
    run(&mut c, "FT.CREATE j SCHEMA t TEXT");
    for field in fields.map(definition) {
        let field = field.trim_end();
        for line in [
            format!("FT.CREATE i SCHEMA {field}"),
            format!("FT.ALTER j SCHEMA ADD {field}"),
        ] {
            let reply = c.ask(&line);
            assert!(reply.starts_with("-SEARCH_"), "{line}: {reply}");
        }
    }
    // The greatest M that the server accepts: each row costs the memory of its links.
    let greatest = definition(("HNSW 8", "DIM 2", "M 32767"));
    run(&mut c, &format!("FT.CREATE i SCHEMA {greatest}"));
    let before = used_memory(&mut c);
    run(&mut c, "HSET a v 12345678");
    let more = used_memory(&mut c) - before;
    assert!(more < 2 << 20, "{more}");
}
