//! The program: reads its arguments and hands the command table to the server.
//!
//!     name and arguments -> container's file, a tool's name -> daemon::start -> the work to run
//!
//! The name of the program chooses the mode (a Sentinel, Redis's and Valkey's tools, the entry
//! point of the container image) and the dialect. A report on standard output does not depend on
//! its result: the exit status does. `config` parses the arguments, `daemon` is the library's door;
//! nothing else of the server is known here.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use russet::daemon::{self, Called, Dialect, Startup};

/// Configuration text on standard input longer than this is refused, as in a file.
const STDIN_BYTES_MAX: u64 = 16 << 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let mut program = arguments.next().unwrap_or_else(|| "russet".into());
    let mut arguments: Vec<OsString> = arguments.collect();
    let is_container = Path::new(&program).file_name() == Some(OsStr::new("russet-container"));
    if is_container && arguments.first().is_some_and(|first| is_tool(first)) {
        program = arguments.remove(0);
    }
    let mut called = called_by(&program);
    if Path::new(&program).file_name() == Some(OsStr::new("russet-container")) {
        // The name of a Sentinel is an argument of its own, which is still to be read.
        called.dialect = arguments
            .first()
            .map_or(called.dialect, |first| called_by(first).dialect);
        arguments = in_container(arguments, Path::exists);
        if !make_sentinel_file(&arguments) {
            return ExitCode::FAILURE;
        }
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
fn called_by(program: &OsStr) -> Called {
    let name = Path::new(program).file_name().and_then(OsStr::to_str);
    let name = name.unwrap_or_default();
    Called {
        is_sentinel: SENTINEL_NAMES.contains(&name),
        dialect: Dialect::of_program(name),
    }
}

/// The configuration file of a container image.
const CONTAINER_FILE: &str = "/etc/russet/russet.conf";

/// A Sentinel's file in a container: in the volume, because it is the Sentinel's state as well.
const CONTAINER_SENTINEL_FILE: &str = "/data/sentinel.conf";

/// The initial content of that file.
const CONTAINER_SENTINEL_MODEL: &str = "/etc/russet/sentinel.conf";

const SENTINEL_NAMES: [&str; 3] = ["redis-sentinel", "valkey-sentinel", "russet-sentinel"];

/// The arguments after a container image's name, as Redis's image reads them: nothing or directives
/// for the image's own configuration, otherwise a file, or a server's name before either. A
/// Sentinel's name or `--sentinel` as the first word asks for a Sentinel.
fn in_container(mut arguments: Vec<OsString>, exists: impl Fn(&Path) -> bool) -> Vec<OsString> {
    let is_one_of = |first: &OsString, names: &[&str]| names.iter().any(|name| first == name);
    let servers = ["redis-server", "valkey-server", "russet"];
    if arguments
        .first()
        .is_some_and(|first| is_one_of(first, &servers))
    {
        arguments.remove(0);
    }
    if arguments
        .first()
        .is_some_and(|first| first == "--sentinel" || is_one_of(first, &SENTINEL_NAMES))
    {
        return sentinel_in_container(arguments.split_off(1), exists);
    }
    if names_no_file(&arguments) {
        arguments.insert(0, CONTAINER_FILE.into());
    }
    arguments
}

/// Whether these are directives or nothing.
fn names_no_file(arguments: &[OsString]) -> bool {
    let asks = |first: &OsString| first == "--help" || first == "--version";
    let is_option = |first: &OsString| first.as_encoded_bytes().starts_with(b"--");
    arguments
        .first()
        .is_none_or(|first| is_option(first) && !asks(first))
}

/// The arguments of a Sentinel. `--sentinel` directives for the image's file count only at its
/// first start: from then on they are in the file, with later changes.
fn sentinel_in_container(
    arguments: Vec<OsString>,
    exists: impl Fn(&Path) -> bool,
) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["--sentinel".into()];
    if !names_no_file(&arguments) {
        all.extend(arguments);
        return all;
    }
    all.push(CONTAINER_SENTINEL_FILE.into());
    let has_state = exists(Path::new(CONTAINER_SENTINEL_FILE));
    let mut is_known = false;
    for word in arguments {
        if word.as_encoded_bytes().starts_with(b"--") {
            is_known = has_state && word == "--sentinel";
        }
        if !is_known {
            all.push(word);
        }
    }
    all
}

/// Makes the file of a container's Sentinel, if that is to be used and does not exist. `false`: it
/// cannot be made; the reason is printed.
fn make_sentinel_file(arguments: &[OsString]) -> bool {
    let file = Path::new(CONTAINER_SENTINEL_FILE);
    let is_asked = arguments.first().is_some_and(|first| first == "--sentinel")
        && arguments
            .get(1)
            .is_some_and(|word| word == file.as_os_str());
    if !is_asked || file.exists() {
        return true;
    }
    let made = std::fs::read(CONTAINER_SENTINEL_MODEL).and_then(|text| std::fs::write(file, text));
    made.map_err(|error| eprintln!("{CONTAINER_SENTINEL_FILE} cannot be written: {error}"))
        .is_ok()
}

/// Programs of Redis and Valkey for which the image has this one.
const TOOLS: [&str; 6] = [
    "redis-check-aof",
    "redis-check-rdb",
    "redis-cli",
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
    fn an_image_takes_directives_a_file_or_a_server_in_front() {
        let taken = |words: &[&str]| {
            let words = in_container(words.iter().map(OsString::from).collect(), |_| false);
            words.join(OsStr::new(" ")).into_string().expect("UTF-8")
        };
        assert_eq!(taken(&[]), CONTAINER_FILE);
        assert_eq!(taken(&["redis-server"]), CONTAINER_FILE);
        let own = format!("{CONTAINER_FILE} --port 7");
        assert_eq!(taken(&["--port", "7"]), own);
        assert_eq!(taken(&["valkey-server", "--port", "7"]), own);
        assert_eq!(taken(&["/my.conf", "--port", "7"]), "/my.conf --port 7");
        assert_eq!(taken(&["redis-server", "/my.conf"]), "/my.conf");
        assert_eq!(taken(&["redis-server", "--version"]), "--version");
        assert_eq!(taken(&["ping"]), "ping");
    }

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

    #[test]
    fn an_image_is_a_sentinel_by_its_first_word() {
        let taken = |words: &str, has_file: bool| {
            let words = words.split(' ').map(OsString::from).collect();
            let words = in_container(words, |_| has_file);
            words.join(OsStr::new(" ")).into_string().expect("UTF-8")
        };
        let own = format!("--sentinel {CONTAINER_SENTINEL_FILE}");
        for words in [
            "--sentinel",
            "russet-sentinel",
            "redis-sentinel",
            "valkey-sentinel",
            "russet --sentinel",
            "redis-server --sentinel",
        ] {
            assert_eq!(taken(words, false), own, "{words}");
            let with_file = format!("{words} /my.conf --port 7");
            assert_eq!(taken(&with_file, false), "--sentinel /my.conf --port 7");
        }
        let all = "--sentinel --sentinel monitor m 10.0.0.1 6379 2 --port 7";
        let first = format!("{own} --sentinel monitor m 10.0.0.1 6379 2 --port 7");
        assert_eq!(taken(all, false), first);
        let later = format!("{own} --port 7");
        assert_eq!(taken(all, true), later, "the file has them");
        let after_file = "redis-server /my.conf --sentinel";
        assert_eq!(taken(after_file, false), "/my.conf --sentinel");
    }
}
