//! A pull does no more work than the budget allows, whatever the stages make of a few documents.
//!
//! Work is counted by calls and rows, not by a clock. A stage whose work does not count fails here:
//! the rows come in fewer calls than the budget allows.

use super::tests::{Server, defaults, fields, run, server};
use super::{Batch, BatchEnd, Context, Pipeline};
use crate::error::OVER_LIMIT;
use crate::hit::Hit;
use crate::query::{Kind, Node};
use crate::record::words;
use crate::request::{AggregateRequest, HybridRequest, STAGES_MAX};

fn aggregate(server: &Server, line: &str) -> Pipeline {
    let words = words(line);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let request = AggregateRequest::parse(&words, &defaults()).expect("a request");
    Pipeline::aggregate(&request, server.index.schema(), &[]).expect("a pipeline")
}

fn all_hits(server: &Server) -> std::vec::IntoIter<Hit> {
    server.hits(Some(&Node::new(Kind::Everything)))
}

/// `APPLY split(..)` of a text of ten parts, and GROUPBY by so many of them.
fn lists(count: usize) -> String {
    let names: Vec<String> = (0..count).map(|n| format!("l{n}")).collect();
    let applies = names.iter();
    let applies =
        applies.map(|name| format!("APPLY \"split('a,b,c,d,e,f,g,h,i,j', ',')\" AS {name} "));
    let by = names.iter().map(|name| format!(" @{name}"));
    let (applies, by) = (applies.collect::<String>(), by.collect::<String>());
    format!("{applies}GROUPBY {count}{by} REDUCE COUNT 0 AS c")
}

/// The product of lists held the loop for ever, and the end was not seen.
#[test]
fn a_product_of_lists_pauses_and_ends_when_the_time_is_up() {
    let server = Server::new("SCHEMA n NUMERIC", "d1 n 1\nd2 n 2");
    let mut pipeline = aggregate(&server, &lists(20));
    let mut hits = all_hits(&server);
    let mut next = |budget, is_over| -> Batch {
        let mut context = Context {
            hits: &mut hits,
            index: &server.index,
            loader: &server,
            budget,
            is_over,
        };
        pipeline.next_rows(1000, &mut context).expect("rows")
    };
    for _ in 0..10 {
        assert_eq!(next(100, false).ending, BatchEnd::Paused);
    }
    let mut rows = 0;
    let ended = (0..100).any(|_| {
        let batch = next(1000, true);
        rows += batch.rows.len();
        batch.ending == BatchEnd::Done
    });
    assert!(ended, "the groups that there are end");
    assert!((500..2000).contains(&rows), "{rows} groups of 1,000 units");
}

/// Each combination counts once for the row, however the product is divided.
#[test]
fn a_product_is_the_same_in_slices() {
    let server = Server::new("SCHEMA n NUMERIC", "d1 n 1\nd2 n 2");
    for budget in [1, 7, u64::MAX] {
        let mut pipeline = aggregate(&server, &lists(3));
        let rows = run(
            &mut pipeline,
            &mut all_hits(&server),
            &server,
            10_000,
            budget,
        );
        let rows = rows.expect("rows");
        assert_eq!(rows.len(), 1000);
        for row in &rows {
            assert!(fields(&pipeline, row).ends_with("'c' '2']"), "{row:?}");
        }
    }
}

/// Every kind of stage pauses: the calls are no fewer than the rows at the steps need.
#[test]
fn every_stage_counts_against_the_budget() {
    let lines: Vec<String> = (0..200)
        .map(|n| format!("d{n} n {n} m {}", n % 7))
        .collect();
    let server = Server::new("SCHEMA n NUMERIC SORTABLE m NUMERIC", &lines.join("\n"));
    for stages in [
        "SORTBY 1 @n LIMIT 0 200",
        "SORTBY 1 @m LIMIT 0 200 LOAD 1 @n",
        "LIMIT 100 100",
        "FILTER @n<0",
        "APPLY @n+1 AS x",
        "LOAD 1 @m",
        "LOAD *",
        "GROUPBY 1 @n REDUCE COUNT 0 AS c",
        "GROUPBY 2 @n @m REDUCE COUNT 0 AS c SORTBY 1 @n MAX 200",
        "LOAD 1 @m GROUPBY 1 @m REDUCE TOLIST 1 @n AS l",
    ] {
        let mut pipeline = aggregate(&server, stages);
        let mut hits = all_hits(&server);
        let mut calls = 0;
        loop {
            calls += 1;
            let mut context = Context {
                hits: &mut hits,
                index: &server.index,
                loader: &server,
                budget: 10,
                is_over: false,
            };
            let batch = pipeline.next_rows(10_000, &mut context).expect("rows");
            assert!(
                batch.rows.len() <= 10,
                "{stages}: {} at once",
                batch.rows.len()
            );
            if batch.ending == BatchEnd::Done {
                break;
            }
        }
        assert!(calls >= 20, "{stages}: {calls} calls for 200 documents");
    }
}

/// Steps nest on the stack: thousands of them ended the server.
#[test]
fn as_many_stages_as_may_be_run_and_more_are_refused() {
    let server = server();
    for stage in [
        "FILTER 1",
        "APPLY 1 AS x",
        "LOAD 1 @j",
        "LOAD *",
        "GROUPBY 0",
    ] {
        let line = |count: usize| vec![stage; count].join(" ");
        let mut pipeline = aggregate(&server, &line(STAGES_MAX));
        run(&mut pipeline, &mut all_hits(&server), &server, 100, 100).expect("rows");
        let line = line(STAGES_MAX + 1);
        let words = words(&line);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let refused = AggregateRequest::parse(&words, &defaults()).expect_err(stage);
        assert_eq!(refused.code, OVER_LIMIT);
        let hybrid: [&[u8]; 6] = [b"SEARCH", b"x", b"VSIM", b"@v", b"$b", b"NOSORT"];
        let words = [&hybrid, &*words].concat();
        let refused = HybridRequest::parse(&words, &defaults()).expect_err(stage);
        assert_eq!(refused.code, OVER_LIMIT);
    }
}

/// A row had a place for every name of every document.
#[test]
fn rows_of_documents_with_names_of_their_own_have_their_fields_alone() {
    let line = |n: usize| format!("d{n} n {n} a{n} x b{n} y");
    let lines: Vec<String> = (0..2000).map(line).collect();
    let server = Server::new("SCHEMA n NUMERIC SORTABLE", &lines.join("\n"));
    let mut pipeline = aggregate(&server, "LOAD * LIMIT 0 2000");
    let rows = run(&mut pipeline, &mut all_hits(&server), &server, 10_000, 1000).expect("rows");
    for (n, row) in rows.iter().enumerate() {
        let expected = format!("['n' '{n}' 'a{n}' 'x' 'b{n}' 'y']");
        assert_eq!(fields(&pipeline, row), expected);
    }
    assert!(pipeline.all_names().len() < 100, "places of all rows");
}
