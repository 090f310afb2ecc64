//! What does the request parser cost for a command of a pipeline?
//!
//! At least 16 KiB of GETs and SETs as redis-benchmark writes them, whole in one buffer: only
//! parsed into spans.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use russet::testing::{Args, Bounds, ParseStep, Progress, Span, step};

const COMMANDS: usize = 512;

fn pipeline(args: &[&[u8]]) -> Vec<u8> {
    let mut one = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        one.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        one.extend_from_slice(arg);
        one.extend_from_slice(b"\r\n");
    }
    one.repeat(COMMANDS)
}

fn parser(c: &mut Criterion) {
    let mut group = c.benchmark_group("parser");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(COMMANDS as u64));
    let key: &[u8] = b"key:000000123456";
    let value = [b'x'; 64];
    for (name, args) in [
        ("GET", vec![b"GET", key]),
        ("SET 64 bytes", vec![b"SET", key, &value]),
    ] {
        let buf = pipeline(&args);
        group.bench_function(name, |b| {
            let mut spans = Vec::new();
            b.iter(|| parse(&buf, &mut spans));
        });
    }
    group.finish();
}

fn parse(buf: &[u8], spans: &mut Vec<Span>) {
    let bounds = Bounds {
        bulk_max: 512 << 20,
        unauthenticated: false,
        checks_bulk_ends: false,
        joins_quoted: false,
    };
    let (mut pos, mut progress) = (0, Progress::default());
    loop {
        spans.clear();
        match step(buf, &mut pos, spans, &mut progress, bounds) {
            ParseStep::Command => _ = black_box(Args::new(buf, spans)),
            ParseStep::Incomplete => return assert_eq!(pos, buf.len()),
            other => panic!("{other:?}"),
        }
    }
}

criterion_group!(benches, parser);
criterion_main!(benches);
