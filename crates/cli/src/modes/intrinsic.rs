//! `--intrinsic-latency SECONDS`: how long this machine keeps a busy process from running. It talks
//! to no server, and is to be run on the server's machine.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Rounds of work between two looks at the clock: well under a microsecond.
const ROUNDS: u32 = 64;

/// Works for `limit`, prints each new longest run, and the figures at the end.
pub(crate) fn intrinsic_latency(limit: Duration) -> u8 {
    let begun = Instant::now();
    let (mut runs, mut longest_us) = (0_u64, 0);
    loop {
        let start = Instant::now();
        work();
        let end = Instant::now();
        runs += 1;
        let run_us = (end - start).as_micros();
        if run_us > longest_us {
            longest_us = run_us;
            println!("Max latency so far: {longest_us} microseconds.");
        }
        if end - begun >= limit {
            break;
        }
    }
    let average_us = begun.elapsed().as_secs_f64() * 1e6 / runs as f64;
    println!(
        "\n{runs} total runs (avg latency: {average_us:.4} microseconds / {:.2} nanoseconds per run).",
        average_us * 1e3
    );
    println!(
        "Worst run took {:.0}x longer than the average latency.",
        longest_us as f64 / average_us
    );
    0
}

fn work() {
    let mut state = black_box(0x2545_f491_u64);
    for _ in 0..ROUNDS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    black_box(state);
}
