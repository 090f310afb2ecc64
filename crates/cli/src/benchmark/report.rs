//! Figures as redis-benchmark prints them: in full, a line for each test (`-q`), or as CSV.
//!
//!     full   title, counts, settings of the server, two distributions of latencies, a summary
//!
//! The progress of a test is shown only to a terminal. Cost: the distribution is a search in the
//! sorted latencies for each line.

use std::io::{self, IsTerminal, Write};

use russet_resp::ReplyValue;

use super::Figures;
use super::options::BenchmarkOptions;
use super::requests::Test;
use crate::link::Link;

/// The distribution has a line for each tenth of a millisecond up to here, then for each
/// millisecond.
const FINE_US: u32 = 2000;

/// See the module.
pub(super) struct Report<'o> {
    options: &'o BenchmarkOptions,
    /// Settings of the server that matter for its speed; `None`: it does not say them.
    settings: Option<[String; 2]>,
    is_terminal: bool,
}

impl<'o> Report<'o> {
    /// Asks the server for its settings.
    pub(super) fn new(options: &'o BenchmarkOptions) -> Result<Report<'o>, String> {
        let mut link = Link::open(&options.connection).map_err(|why| why.to_string())?;
        let mut setting = |name: &str| {
            let reply = link.ask(&["CONFIG", "GET", name]).ok()?;
            let value = match reply {
                ReplyValue::Array(mut parts) | ReplyValue::Map(mut parts) if parts.len() == 2 => {
                    parts.pop()
                }
                _ => None,
            };
            match value? {
                ReplyValue::Bulk(text) => Some(String::from_utf8_lossy(&text).into_owned()),
                _ => None,
            }
        };
        let settings = match (setting("save"), setting("appendonly")) {
            (Some(save), Some(log)) => Some([save, log]),
            _ => {
                eprintln!("WARNING: Could not fetch server CONFIG");
                None
            }
        };
        Ok(Report {
            options,
            settings,
            is_terminal: io::stdout().is_terminal(),
        })
    }

    /// Before the first test.
    pub(super) fn begin(&self) {
        if self.options.is_csv {
            println!(
                "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
                 \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\""
            );
        }
    }

    /// After the last test: redis-benchmark's empty line.
    pub(super) fn end(&self) {
        if !self.options.is_csv && self.options.command.is_empty() {
            println!();
        }
    }

    /// The figures so far, over the line before; only a terminal gets them.
    pub(super) fn progress(&self, test: &Test, figures: &Figures) {
        if self.is_terminal && !self.options.is_csv {
            let (rate, mean) = (figures.rate(), figures.latencies.mean_ms());
            let title = &test.title;
            print!("\r{title}: rps={rate:.1} avg_msec={mean:.3}\x1b[K");
            // A terminal that takes nothing fails at the next line.
            let _ = io::stdout().flush();
        }
    }

    /// The figures of a test that has ended.
    pub(super) fn print(&self, test: &Test, figures: &Figures) -> io::Result<()> {
        let mut out = Vec::new();
        if self.is_terminal && !self.options.is_csv {
            out.extend(b"\r\x1b[K");
        }
        if self.options.is_csv {
            self.csv(&mut out, test, figures)?;
        } else if self.options.is_quiet {
            let (rate, digits) = (figures.rate(), self.options.precision);
            let half = figures.latencies.percentile(50.0);
            let title = &test.title;
            writeln!(
                out,
                "{title}: {rate:.2} requests per second, p50={half:.digits$} msec"
            )?;
        } else {
            self.full(&mut out, test, figures)?;
        }
        io::stdout().write_all(&out)
    }

    /// Mean, least, median, 95 and 99 percent, most; milliseconds.
    fn summary(figures: &Figures) -> [f64; 6] {
        let times = &figures.latencies;
        [
            times.mean_ms(),
            times.min_ms(),
            times.percentile(50.0),
            times.percentile(95.0),
            times.percentile(99.0),
            times.percentile(100.0),
        ]
    }

    fn csv(&self, out: &mut Vec<u8>, test: &Test, figures: &Figures) -> io::Result<()> {
        let title = test.title.replace('"', "\"\"");
        write!(out, "\"{title}\",\"{:.2}\"", figures.rate())?;
        let digits = self.options.precision;
        for value in Report::summary(figures) {
            write!(out, ",\"{value:.digits$}\"")?;
        }
        writeln!(out)
    }

    fn full(&self, out: &mut Vec<u8>, test: &Test, figures: &Figures) -> io::Result<()> {
        let (options, times) = (self.options, &figures.latencies);
        let count = times.count();
        writeln!(out, "====== {} ======", test.title)?;
        writeln!(
            out,
            "  {count} requests completed in {:.2} seconds",
            figures.seconds
        )?;
        writeln!(out, "  {} parallel clients", options.clients)?;
        writeln!(out, "  {} bytes payload", options.payload_bytes)?;
        writeln!(out, "  keep alive: 1")?;
        if let Some([save, log]) = &self.settings {
            writeln!(out, "  host configuration \"save\": {save}")?;
            writeln!(out, "  host configuration \"appendonly\": {log}")?;
        }
        writeln!(out, "  multi-thread: no\n")?;
        writeln!(out, "Latency by percentile distribution:")?;
        let digits = options.precision;
        let share = |part: usize| 100.0 * part as f64 / count.max(1) as f64;
        let line = |out: &mut Vec<u8>, percent: f64, time_us: u32, within: usize| {
            let time = f64::from(time_us) / 1000.0;
            writeln!(
                out,
                "{percent:.3}% <= {time:.digits$} milliseconds (cumulative count {within})"
            )
        };
        let (mut percent, mut step) = (0.0, 50.0);
        loop {
            let time_us = (times.percentile(percent) * 1000.0).round() as u32;
            let within = times.within(time_us);
            line(out, percent, time_us, within)?;
            if within == count {
                break;
            }
            percent += step;
            step /= 2.0;
        }
        line(out, 100.0, times.max_us(), count)?;
        writeln!(out, "\nCumulative distribution of latencies:")?;
        let (mut time_us, mut before) = (100, None);
        loop {
            let within = times.within(time_us);
            if before != Some(within) {
                line(out, share(within), time_us, within)?;
            }
            before = Some(within);
            if within == count {
                break;
            }
            time_us += if time_us < FINE_US { 100 } else { 1000 };
        }
        writeln!(out, "\nSummary:")?;
        writeln!(
            out,
            "  throughput summary: {:.2} requests per second",
            figures.rate()
        )?;
        writeln!(out, "  latency summary (msec):")?;
        writeln!(
            out,
            "          avg       min       p50       p95       p99       max"
        )?;
        write!(out, "  ")?;
        for value in Report::summary(figures) {
            write!(out, " {value:>9.digits$}")?;
        }
        writeln!(out)
    }
}
