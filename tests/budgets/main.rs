//! Budgets: the CPU time and memory that a server may spend on inputs that grow.
//!
//! The test measures each row of `rows` with `n` and with `2n` of something, in a fresh server: CPU
//! must not grow much faster than the input, memory and the loop's longest turn have stated bounds,
//! and nothing may cost many times as much as in a real Redis 8.0, if it is installed. Quadratic
//! costs show here; `benches/` measures the speed of linear commands.
//!
//! The test prints a table (`-- --nocapture`). `RUSSET_BUDGETS=WATCH,DEL` runs the rows whose names
//! have these prefixes.

mod measure;
mod rows;
#[path = "../support/mod.rs"]
mod support;

use std::{env, fmt::Write, path::Path};

use measure::{Cost, World};
use rows::{ROWS, Row};
use support::{Reply, daemon::russet, peers::Peer};

/// CPU at 2n over CPU at n. A quadratic cost gives 4.
const GROWTH_MAX: f64 = 3.0;
/// Noise of the machine, in milliseconds of CPU.
const CPU_SLACK_MS: f64 = 15.0;
/// Buffers, tables and the allocator's reserve that do not grow with the input.
const BYTES_SLACK: f64 = 8.0 * 1024.0 * 1024.0;
/// CPU over the CPU of Redis: russet is a debug build, and Redis is optimised.
const BESIDE_MAX: f64 = 8.0;
const BESIDE_SLACK_MS: f64 = 60.0;
/// The test measures a row over budget again; the lowest figures count.
const TRIES: usize = 6;

/// A row with n and with 2n.
#[derive(Clone, Copy)]
struct Costs {
    once: Cost,
    twice: Cost,
}

fn measured(program: &Path, row: &Row) -> Costs {
    let cost = |n: usize| {
        let mut world = World::new(program);
        (row.before)(&mut world, n);
        world.cost_of(|world| (row.run)(world, n))
    };
    Costs {
        once: cost(row.n),
        twice: cost(2 * row.n),
    }
}

/// The exceeded budgets, a clause each.
fn overrun(row: &Row, costs: &Costs, beside: Option<&Costs>) -> Vec<String> {
    let Costs { once, twice } = costs;
    let mut over = Vec::new();
    if twice.cpu_ms > GROWTH_MAX * once.cpu_ms + CPU_SLACK_MS {
        over.push(format!("CPU {:.1} -> {:.1} ms", once.cpu_ms, twice.cpu_ms));
    }
    if let Some(beside) = beside
        && twice.cpu_ms > BESIDE_MAX * beside.twice.cpu_ms + BESIDE_SLACK_MS
    {
        over.push(format!(
            "CPU {:.1} ms, Redis {:.1}",
            twice.cpu_ms, beside.twice.cpu_ms
        ));
    }
    if twice.turn_ms > row.turn_ms {
        over.push(format!("a turn of {:.1} ms", twice.turn_ms));
    }
    let allowed = BYTES_SLACK + (2 * row.n * row.bytes_each) as f64;
    if twice.bytes > allowed {
        over.push(format!("{:.1} MB", twice.bytes / 1e6));
    }
    over
}

fn judged(row: &Row, beside: Option<&Costs>) -> (Costs, Vec<String>) {
    let mut lowest = measured(&russet(), row);
    for _ in 1..TRIES {
        if !row.open.is_empty() || overrun(row, &lowest, beside).is_empty() {
            break;
        }
        let again = measured(&russet(), row);
        lowest.once = lowest.once.lower(again.once);
        lowest.twice = lowest.twice.lower(again.twice);
    }
    (lowest, overrun(row, &lowest, beside))
}

fn line(name: &str, costs: &Costs) -> String {
    let Costs { once, twice } = costs;
    format!(
        "{name:42}{:9.1}{:9.1}{:8.1}{:8.1}{:8.1}{:8.1}",
        once.cpu_ms,
        twice.cpu_ms,
        once.turn_ms,
        twice.turn_ms,
        once.bytes / 1e6,
        twice.bytes / 1e6
    )
}

#[test]
fn costs_grow_no_faster_than_their_input() {
    let redis = Peer::Redis8.program_for("budgets beside a real Redis");
    let only = env::var("RUSSET_BUDGETS").unwrap_or_default();
    let mut mistakes = String::new();
    println!(
        "{:42}{:>9}{:>9}{:>8}{:>8}{:>8}{:>8}",
        "n, then 2n", "CPU ms", "", "turn ms", "", "MB", ""
    );
    for row in ROWS {
        if !only.split(',').any(|begin| row.name.starts_with(begin)) {
            continue;
        }
        if !has(&russet(), row.needs) {
            println!("{:42} needs {}", row.name, row.needs);
            continue;
        }
        let beside = redis.as_deref().map(|program| measured(program, row));
        let (costs, over) = judged(row, beside.as_ref());
        println!("{}", line(row.name, &costs));
        if let Some(beside) = &beside {
            println!("{}", line("  Redis 8.0", beside));
        }
        match (over.is_empty(), row.open.is_empty()) {
            (true, true) => {}
            (true, false) => println!("  no longer open: {}", row.open),
            (false, false) => println!("  open: {}: {}", row.open, over.join("; ")),
            (false, true) => {
                let _ = writeln!(mistakes, "{}: {}", row.name, over.join("; "));
            }
        }
    }
    assert!(mistakes.is_empty(), "over budget:\n{mistakes}");
}

fn has(program: &Path, name: &str) -> bool {
    let mut world = World::new(program);
    let row = world.control.value(&format!("COMMAND INFO {name}"));
    row.items() != Some(&[Reply::Null])
}
