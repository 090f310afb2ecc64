//! `russet benchmark`: how many requests a server answers in a second, and how soon.
//!
//!     options    the command line, redis-benchmark's
//!     requests   the requests of each test by name, as templates with random numbers
//!     load       connections in one thread: each sends a pipeline, and the next after its replies
//!     latencies  times of replies, their percentiles
//!     report     the figures, printed as redis-benchmark prints them
//!
//! A request's time runs from the write of its pipeline to the first bytes of an answer, as in
//! redis-benchmark. It uses only commands, so it measures Redis and Valkey as well. One thread
//! generates the load: beyond what it can generate, the figures are its own.

mod latencies;
mod load;
mod options;
mod report;
mod requests;

use std::ffi::OsString;
use std::io::{self, Write};

use self::latencies::Latencies;
use self::load::Load;
use self::options::BenchmarkOptions;
use self::report::Report;
use self::requests::Test;

/// Runs the load generator with the words after its name, and returns the exit status: 1 if the
/// command line is wrong, a connection failed, or the server replied an error.
///
/// `version` is what `--version` prints.
pub fn benchmark(arguments: &[OsString], version: &str) -> u8 {
    let password = std::env::var_os("REDISCLI_AUTH");
    let options = match BenchmarkOptions::read(arguments, password) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return 1;
        }
    };
    let text = match (options.asks_help, options.asks_version) {
        (true, _) => Some(options::HELP.to_owned()),
        (_, true) => Some(format!("{version}\n")),
        _ => None,
    };
    if let Some(text) = text {
        return u8::from(io::stdout().write_all(text.as_bytes()).is_err());
    }
    match run(&options) {
        Ok(is_fine) => u8::from(!is_fine),
        Err(why) => {
            eprintln!("{why}");
            1
        }
    }
}

/// Runs all tests that are asked for. Whether the server answered all requests without an error.
fn run(options: &BenchmarkOptions) -> Result<bool, String> {
    let tests = if options.command.is_empty() {
        requests::named(options)?
    } else {
        vec![Test::of_command(&options.command)]
    };
    let report = Report::new(options)?;
    let mut is_fine = true;
    loop {
        report.begin();
        for test in &tests {
            let figures = Load::new(options, test)?.run(|done| report.progress(test, done))?;
            if let Some(why) = &figures.first_error {
                eprintln!("Error from server: {}", String::from_utf8_lossy(why));
                is_fine = false;
            }
            report
                .print(test, &figures)
                .map_err(|why| why.to_string())?;
        }
        report.end();
        if !options.repeats {
            return Ok(is_fine);
        }
    }
}

/// The result of a test.
#[derive(Debug)]
struct Figures {
    latencies: Latencies,
    /// From the first request to the last reply, seconds.
    seconds: f64,
    /// The text of the first error that the server replied.
    first_error: Option<Vec<u8>>,
}

impl Figures {
    /// Requests a second; 0 if nothing was measured.
    fn rate(&self) -> f64 {
        if self.seconds > 0.0 {
            self.latencies.count() as f64 / self.seconds
        } else {
            0.0
        }
    }
}
