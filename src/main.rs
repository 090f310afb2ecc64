//! The program: reads its arguments and hands the command table to the server.
//!
//!     name and arguments -> container's file, a tool's name -> daemon::start -> the work to run
//!
//! The name of the program chooses the mode (a Sentinel, Redis's and Valkey's tools, the entry
//! point of the container image) and the dialect. A report on standard output does not depend on
//! its result: the exit status does. `config` parses the arguments, `daemon` is the library's door;
//! nothing else of the server is known here.

mod container;

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use russet::daemon::{self, Dialect, NameDefaults, Startup};

/// Configuration text on standard input longer than this is refused, as in a file.
const STDIN_BYTES_MAX: u64 = 16 << 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let mut program = arguments.next().unwrap_or_else(|| "russet".into());
    let mut arguments: Vec<OsString> = arguments.collect();
    if container::is_entry(&program) && arguments.first().is_some_and(|first| is_tool(first)) {
        program = arguments.remove(0);
    }
    let mut called = called_by(&program);
    if container::is_server(&program) {
        if let Err(why) = container::check_first(&arguments) {
            return ExitCode::from(print(&why, 127));
        }
        // The name of a Sentinel is an argument of its own, which is still to be read.
        if container::is_entry(&program) {
            called.dialect = arguments
                .first()
                .map_or(called.dialect, |first| called_by(first).dialect);
        } else {
            arguments.insert(0, program.clone());
        }
        arguments = container::in_container(arguments, Path::exists);
        if let Err(why) = container::add_variables(&mut arguments, |name| std::env::var_os(name)) {
            return ExitCode::from(print(&why, 1));
        }
        if !container::make_sentinel_file(&arguments) {
            return ExitCode::FAILURE;
        }
        called.defaults = Some(container::DEFAULTS);
    }
    if let Some(code) = tool(&program, &mut arguments) {
        return ExitCode::from(code);
    }
    ExitCode::from(match daemon::start(&arguments, called, read_stdin) {
        Startup::Print { text, code } => print(&text, code),
        Startup::Check(check) => {
            let (text, code) = daemon::check(check);
            print(&text, code)
        }
        Startup::CheckRdb {
            file,
            target: Some(target),
            ..
        } => daemon::check_for(&file, target, &mut io::stdout()),
        Startup::CheckRdb {
            file, with_stats, ..
        } => {
            let (text, is_sound) = daemon::check_rdb(&file, with_stats);
            // The report is the output, whatever its result.
            print(&text, 0).max(u8::from(!is_sound))
        }
        Startup::CheckAof(words) => check_aof(&words),
        Startup::Restore { from, until, to } => {
            let (text, code) = daemon::restore_aof(&from, until.as_deref(), &to);
            print(&text, code)
        }
        Startup::Convert(asked) => daemon::convert(&asked, &mut io::stdout()),
        Startup::Cli(words) => client(&words, "russet cli"),
        Startup::Benchmark(words) => benchmark(&words, "russet benchmark"),
        Startup::Ask(errand, place) => {
            let target = daemon::Target::from(*place);
            let (text, code) = match errand {
                daemon::Errand::Ping => daemon::ping(&target),
                daemon::Errand::Doctor => daemon::doctor(&target),
                daemon::Errand::Tail { from } => {
                    let (text, code) = daemon::tail(&target, from, &mut io::stdout());
                    return ExitCode::from(print(&text, code));
                }
            };
            // The findings are the output, whatever the result.
            print(&text, 0).max(u8::try_from(code).unwrap_or(1))
        }
        Startup::Fail(problem) => daemon::fail(&problem),
        Startup::Run(run) => daemon::run(*run, &program),
    })
}

/// The mode and dialect that the program's name asks for.
fn called_by(program: &OsStr) -> NameDefaults {
    let name = Path::new(program).file_name().and_then(OsStr::to_str);
    let name = name.unwrap_or_default();
    NameDefaults {
        is_sentinel: container::SENTINEL_NAMES.contains(&name),
        dialect: Dialect::of_program(name),
        defaults: None,
    }
}

/// Programs of Redis and Valkey for which the image has this one.
const TOOLS: [&str; 8] = [
    "redis-benchmark",
    "redis-check-aof",
    "redis-check-rdb",
    "redis-cli",
    "valkey-benchmark",
    "valkey-check-aof",
    "valkey-check-rdb",
    "valkey-cli",
];

/// Whether the first argument of an image is a tool's name.
fn is_tool(word: &OsStr) -> bool {
    TOOLS.iter().any(|name| word == *name)
}

/// The tools that are names of this program. `redis-check-rdb` is the subcommand of that name, but
/// with the exit status that scripts expect for wrong arguments.
fn tool(program: &OsStr, arguments: &mut Vec<OsString>) -> Option<u8> {
    let name = Path::new(program).file_name()?.to_str()?;
    if ["redis-cli", "valkey-cli"].contains(&name) {
        return Some(client(arguments, name));
    }
    if ["redis-benchmark", "valkey-benchmark"].contains(&name) {
        return Some(benchmark(arguments, name));
    }
    let (checks_aof, checks_rdb) = (
        ["redis-check-aof", "valkey-check-aof"].contains(&name),
        ["redis-check-rdb", "valkey-check-rdb"].contains(&name),
    );
    let asks_version = |word: &OsString| word == "-v" || word == "--version";
    if (checks_aof || checks_rdb) && arguments.len() == 1 && asks_version(&arguments[0]) {
        return Some(print(
            &format!("{name} {}\n", daemon::version(Dialect::of_program(name))),
            0,
        ));
    }
    if checks_rdb {
        if arguments.is_empty() {
            return Some(print(
                &format!("Usage: {name} [--stats] <rdb-file-name>\n"),
                1,
            ));
        }
        arguments.insert(0, "check-rdb".into());
        return None;
    }
    checks_aof.then(|| check_aof(arguments))
}

/// The client by one of its names.
fn client(words: &[OsString], name: &str) -> u8 {
    let version = daemon::version(Dialect::of_program(name));
    russet_cli::run(words, &format!("{name} {version}"))
}

/// The load generator by one of its names.
fn benchmark(words: &[OsString], name: &str) -> u8 {
    let version = daemon::version(Dialect::of_program(name));
    russet_cli::benchmark(words, &format!("{name} {version}"))
}

fn check_aof(words: &[OsString]) -> u8 {
    daemon::check_aof(words, &mut io::stdin().lock(), &mut io::stdout())
}

/// A closed pipe is no reason for another message.
fn print(text: &str, code: i32) -> u8 {
    let _ = match code {
        0 => io::stdout().write_all(text.as_bytes()),
        _ => io::stderr().write_all(text.as_bytes()),
    };
    u8::try_from(code).unwrap_or(1)
}

fn read_stdin() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(STDIN_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > STDIN_BYTES_MAX {
        return Err(io::Error::other("more than 16 MiB"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_tools_by_name() {
        assert!(is_tool(OsStr::new("redis-check-rdb")) && is_tool(OsStr::new("redis-cli")));
        assert!(!is_tool(OsStr::new("redis-server")));
    }

    #[test]
    fn a_name_asks_for_a_role_and_a_dialect() {
        for (name, is_sentinel, dialect) in [
            ("russet", false, Dialect::Redis),
            ("/usr/bin/redis-sentinel", true, Dialect::Redis),
            ("/usr/bin/valkey-server", false, Dialect::Valkey),
            ("valkey-sentinel", true, Dialect::Valkey),
        ] {
            let called = called_by(OsStr::new(name));
            assert_eq!((called.is_sentinel, called.dialect), (is_sentinel, dialect));
        }
    }
}
