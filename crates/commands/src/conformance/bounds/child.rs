//! Cases that run in a child process, because a command may hold the process for ever, overflow the
//! stack or abort.
//!
//! The parent starts the test again with the number of the first case; the child prints a line
//! before and after each. If the child dies, or computes for too long without a line, its current
//! case has failed, and another child begins with the next case.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The variable with the number of the first case of a child.
const FIRST: &str = "RUSSET_BOUNDS_FIRST";
/// A child that computes for so long without a line is at a case that does not end.
const WORK_MAX: Duration = Duration::from_secs(12);
/// A child that waits for so long does not end, either.
const SILENCE_MAX: Duration = Duration::from_secs(300);
/// Time between looks at a silent child.
const LOOK: Duration = Duration::from_millis(500);
/// Marks lines of a child among the lines of the test harness.
const MARK: &str = "@bounds ";
/// The stack of the server's first thread.
const STACK_BYTES: usize = 8 << 20;

/// A word about a case that has passed, or why it has failed.
pub type Outcome = Result<String, String>;

/// A case that was not passed.
#[derive(Debug)]
pub struct Failure {
    pub case: usize,
    pub reason: String,
}

/// Runs cases `0..count` in child processes of the test `name`; in a child, runs the cases on a new
/// thread with the function that `begin` makes there, and ends the process. Returns the failures.
pub fn run<F: FnMut(usize) -> Outcome>(
    name: &str,
    count: usize,
    begin: impl FnOnce() -> F + Send,
) -> Vec<Failure> {
    if let Ok(first) = std::env::var(FIRST) {
        let first = first.parse().expect("a number");
        run_here(first, count, begin);
        std::process::exit(0);
    }
    let mut failures = Vec::new();
    let mut first = 0;
    while first < count {
        let mut child = start(name, first);
        first = follow(&mut child, first, &mut failures);
        // The child has ended, or is at a case that does not end.
        let _ = child.kill();
        let _ = child.wait();
    }
    failures
}

fn start(name: &str, first: usize) -> Child {
    let program = std::env::current_exe().expect("the test itself");
    let mut command = Command::new(program);
    command.args([
        "--exact",
        name,
        "--include-ignored",
        "--nocapture",
        "--test-threads",
        "1",
    ]);
    command.env(FIRST, first.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("a child")
}

/// Reads a child's lines from a case on; the case that the next child begins with.
fn follow(child: &mut Child, first: usize, failures: &mut Vec<Failure>) -> usize {
    let lines = lines_of(child);
    let mut at = first;
    let mut last = (Instant::now(), work_of(child));
    let reason = loop {
        let line = match lines.recv_timeout(LOOK) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                let worked = work_of(child).saturating_sub(last.1);
                if worked > WORK_MAX || last.0.elapsed() > SILENCE_MAX {
                    break "does not end";
                }
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break "ends the process",
        };
        last = (Instant::now(), work_of(child));
        let mut words = line.splitn(3, ' ');
        let (kind, case) = (words.next(), words.next());
        let Some(case) = case.and_then(|case| case.parse::<usize>().ok()) else {
            continue;
        };
        let rest = words.next().unwrap_or_default();
        match kind {
            Some("end") => return case,
            Some("note") => println!("{rest}"),
            Some("passed") => {
                println!("{rest}");
                at = case + 1;
            }
            Some("failed") => {
                println!("FAILED {rest}");
                failures.push(Failure {
                    case,
                    reason: rest.to_owned(),
                });
                at = case + 1;
            }
            _ => {}
        }
    };
    println!("FAILED {at}: {reason}");
    failures.push(Failure {
        case: at,
        reason: reason.to_owned(),
    });
    at + 1
}

/// The processor time of a child; zero on systems without `/proc`.
fn work_of(child: &Child) -> Duration {
    let path = format!("/proc/{}/stat", child.id());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // After the name in parentheses: utime and stime are the 12th and 13th, in hundredths.
    let numbers = text.rsplit(')').next().unwrap_or_default();
    let numbers = numbers.split_whitespace().skip(11).take(2);
    let hundredths = numbers.filter_map(|number| number.parse::<u64>().ok());
    Duration::from_millis(10 * hundredths.sum::<u64>())
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let (send, lines) = channel();
    let output = child.stdout.take().expect("piped");
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // The harness's own text may be before it.
            let Some((_, line)) = line.split_once(MARK) else {
                continue;
            };
            if send.send(line.to_owned()).is_err() {
                break;
            }
        }
    });
    lines
}

/// A child does something that is no case.
pub fn announce(text: &str) {
    println!("\n{MARK}note 0 {text}");
}

fn run_here<F: FnMut(usize) -> Outcome>(
    first: usize,
    count: usize,
    begin: impl FnOnce() -> F + Send,
) {
    let report = |kind: &str, case: usize, text: &str| {
        let mut out = std::io::stdout().lock();
        let text = text.replace('\n', " ");
        writeln!(out, "\n{MARK}{kind} {case} {text}").expect("the parent reads");
        out.flush().expect("the parent reads");
    };
    let all = move || {
        let mut each = begin();
        for case in first..count {
            report("begins", case, "");
            match each(case) {
                Ok(text) => report("passed", case, &text),
                Err(text) => report("failed", case, &text),
            }
        }
        report("end", count, "");
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, all).expect("a thread");
        // A panic ends the child, as it ends a server.
        thread.join().unwrap_or_else(|_| std::process::exit(1));
    });
}
