//! The command line: `russet [FILE | -] [--env] [--directive value ...] [-]`, and for a Sentinel
//! `russet --sentinel FILE ...` or `russet FILE --sentinel ...`.
//!
//! Redis has its own grammar: any directive is an option, a value may begin with `--`,
//! name and value may share an argument, and everything is turned into configuration lines
//! and parsed as such. A parser of declared options cannot express that; it handles the fixed
//! part (`program.rs`), and this is written by hand. The rules, as in Redis:
//!
//!   - the first argument is the file unless it begins with `-`;
//!   - `-` alone, first or last, asks for standard input;
//!   - an argument that begins with `--` is an option if the previous option has a value,
//!     else it is that value; only `--save` may have none;
//!   - everything else is a value of the previous option.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::data_files;
use super::dialect::Dialect;
use super::problem::{Check, Problem};
use super::program::{self, Errand, ProgramRequest, ServerAddress};
use super::reader::{Sources, check, load};
use super::release::{Conversion, Release};
use super::table::Config;
use super::words;

/// The request of a command line.
#[derive(Debug)]
pub enum Startup {
    /// Run a server.
    Run(Box<Run>),
    /// Print what is wrong with the configuration and exit.
    Check(Check),
    /// Read this RDB file and report its contents and errors, or the parts a server cannot read.
    CheckRdb {
        /// The RDB file.
        file: PathBuf,
        /// Whether to report keys, bytes and the largest keys of each type.
        with_stats: bool,
        /// The server whose unreadable keys are named; `None`: the file is only checked.
        target: Option<Release>,
    },
    /// Check append only files; the arguments are `redis-check-aof`'s.
    CheckAof(Vec<OsString>),
    /// Write the append only file in `from`, as of a point in time, to another directory.
    Restore {
        /// The folder of the append only files.
        from: PathBuf,
        /// The point in time, as it was given; `None`: the end of the files.
        until: Option<String>,
        /// The directory to write to.
        to: PathBuf,
    },
    /// Make files for another server.
    Convert(Conversion),
    /// Query a running server.
    Ask(Errand, Box<ServerAddress>),
    /// Be a client, with these arguments of its own.
    Cli(Vec<OsString>),
    /// Put a load on a server, with the words after `benchmark`.
    Benchmark(Vec<OsString>),
    /// Print a text and exit.
    Print {
        /// The text, with its line ends.
        text: String,
        /// The exit status: 0 prints to standard output, any other to standard error.
        code: i32,
    },
    /// Stop: the configuration does not load. See the text of `Problem` for where to print it.
    Fail(Problem),
}

/// A server's settings and where they came from.
#[derive(Debug)]
pub struct Run {
    /// The settings.
    pub config: Config,
    /// The configuration file's absolute path: CONFIG REWRITE's target, INFO's `config_file`.
    pub file: Option<PathBuf>,
    /// Whether there was any configuration: a file, standard input or an option.
    pub configured: bool,
    /// Where the settings came from, to be read again.
    pub sources: Sources,
}

/// The mode and dialect that the program's name asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct NameDefaults {
    /// Whether the name is `redis-sentinel` or alike.
    pub is_sentinel: bool,
    /// The dialect if no directive sets another.
    pub dialect: Dialect,
    /// Lines that come before every other source: a container image's own.
    pub defaults: Option<&'static str>,
}

/// Parses the arguments (without the program's name) and reads all sources they name.
///
/// `called`: the mode and dialect of the program's name. `stdin` is called at most once, if
/// standard input is requested.
pub fn start(
    arguments: &[OsString],
    called: NameDefaults,
    stdin: impl FnOnce() -> std::io::Result<Vec<u8>>,
) -> Startup {
    let first = arguments.first().map_or(&b""[..], |a| a.as_bytes());
    match first {
        b"--test-memory" => return print(NO_TEST_MEMORY.to_owned(), 1),
        b"--check-system" => return print(NO_CHECK_SYSTEM.to_owned(), 1),
        _ => {}
    }
    let asks_for_sentinel = |word: &OsString| word.as_bytes() == b"--sentinel";
    let lists_data = first == data_files::OPTION;
    let arguments = &arguments[usize::from(lists_data)..];
    let is_sentinel = called.is_sentinel || arguments.iter().any(asks_for_sentinel);
    // Before the file it is only the mode; after it, it may be a directive as well.
    let mut rest = arguments.to_vec();
    for at in [0, 1] {
        let follows_check = at == 0 || rest.first().is_some_and(|word| word == "--check-config");
        if follows_check && rest.get(at).is_some_and(asks_for_sentinel) {
            rest.remove(at);
        }
    }
    let (checks_only, expands, arguments) = match program::read(&rest, called.dialect) {
        ProgramRequest::Server {
            checks_only,
            expands,
            arguments,
        } => (checks_only, expands, arguments),
        ProgramRequest::CheckRdb {
            file,
            with_stats,
            target,
        } => {
            return Startup::CheckRdb {
                file,
                with_stats,
                target,
            };
        }
        ProgramRequest::CheckAof(words) => return Startup::CheckAof(words),
        ProgramRequest::Restore { from, until, to } => return Startup::Restore { from, until, to },
        ProgramRequest::Convert(asked) => return Startup::Convert(asked),
        ProgramRequest::Ask(errand, place) => return place_from_file(errand, *place),
        ProgramRequest::Cli(words) => return Startup::Cli(words),
        ProgramRequest::Benchmark(words) => return Startup::Benchmark(words),
        ProgramRequest::Text { text, code } => return print(text, code),
    };
    let line = CommandLine::parse(&arguments);
    let mut sources = Sources {
        defaults: called.defaults,
        file: line.file,
        stdin: None,
        options: line.options,
        is_sentinel,
        dialect: called.dialect,
        expands,
        here: std::env::current_dir().ok(),
        is_running: false,
    };
    if line.reads_stdin {
        match stdin() {
            Ok(bytes) => sources.stdin = Some(bytes),
            Err(error) => {
                return Startup::Fail(Problem::Whole(format!(
                    "can't read the configuration from standard input: {error}"
                )));
            }
        }
    }
    let file = sources.file.clone();
    if lists_data {
        return data_files::list(check(&sources), sources.here.as_deref());
    }
    if checks_only {
        return Startup::Check(check(&sources));
    }
    match load(&sources) {
        Err(mut problems) => Startup::Fail(problems.swap_remove(0)),
        Ok(config) => Startup::Run(Box::new(Run {
            config,
            file,
            configured: !arguments.is_empty(),
            sources,
        })),
    }
}

/// A tool's place, completed from its configuration file.
fn place_from_file(errand: Errand, mut place: ServerAddress) -> Startup {
    if let Some(file) = place.file.take() {
        let sources = Sources {
            file: Some(absolute(&file)),
            ..Sources::default()
        };
        match load(&sources) {
            // The doctor's 1 means that it has looked and found something.
            Err(problems) if errand == Errand::Doctor => {
                let findings = problems.iter().map(|its| its.finding().to_string());
                return print(findings.collect(), 2);
            }
            Err(mut problems) => return Startup::Fail(problems.swap_remove(0)),
            Ok(config) => place.fill(&config),
        }
    }
    Startup::Ask(errand, Box::new(place))
}

const NO_TEST_MEMORY: &str = "russet does not test memory; use memtest86 or memtester.\n";
const NO_CHECK_SYSTEM: &str = "russet does not check the system.\n";

fn print(text: String, code: i32) -> Startup {
    Startup::Print { text, code }
}

/// The arguments, sorted into sources.
#[derive(Debug, Default, PartialEq, Eq)]
struct CommandLine {
    file: Option<PathBuf>,
    reads_stdin: bool,
    /// The options as configuration lines; present, even if empty, if there was any argument.
    options: Option<Vec<u8>>,
}

impl CommandLine {
    fn parse(arguments: &[OsString]) -> CommandLine {
        let mut line = CommandLine::default();
        let Some(first) = arguments.first() else {
            return line;
        };
        let mut rest = 0;
        if !first.as_bytes().starts_with(b"-") {
            line.file = Some(absolute(Path::new(first)));
            rest = 1;
        }
        let mut options = Vec::new();
        let mut has_value = true;
        for at in rest..arguments.len() {
            let argument = arguments[at].as_bytes();
            let is_end = at == 0 || at == arguments.len() - 1;
            if argument == b"-" && is_end {
                line.reads_stdin = true;
            } else if has_value && argument.starts_with(b"--") {
                if !options.is_empty() {
                    options.push(b'\n');
                }
                options.extend_from_slice(&argument[2..]);
                options.push(b' ');
                has_value = words::split(argument).is_none_or(|words| words.len() != 1);
                // The mode alone, which was decided before.
                has_value |= argument.eq_ignore_ascii_case(b"--sentinel");
                let next = arguments.get(at + 1).map(|next| next.as_bytes());
                // `--save` before another option or at the end means no save points.
                if !has_value
                    && argument.eq_ignore_ascii_case(b"--save")
                    && next.is_none_or(|next| next.starts_with(b"--"))
                {
                    options.extend_from_slice(b"\"\"");
                    has_value = true;
                }
            } else {
                words::quote(&mut options, argument);
                options.push(b' ');
                has_value = true;
            }
        }
        line.options = Some(options);
        line
    }
}

/// The absolute path: the server may change its directory before it rewrites the file.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start_with(words: &[&str], stdin: &str) -> Startup {
        let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
        start(&arguments, NameDefaults::default(), || {
            Ok(stdin.as_bytes().to_vec())
        })
    }

    fn get(words: &[&str], names: &[&str]) -> Vec<String> {
        let Startup::Run(run) = start_with(words, "") else {
            panic!("{words:?} does not run")
        };
        let names: Vec<&[u8]> = names.iter().map(|n| n.as_bytes()).collect();
        let found = run.config.get(&names).into_iter();
        found
            .map(|(_, value)| String::from_utf8(value).unwrap())
            .collect()
    }

    fn failure(words: &[&str]) -> String {
        let Startup::Fail(problem) = start_with(words, "") else {
            panic!("{words:?} starts")
        };
        problem.to_string()
    }

    #[test]
    fn a_server_is_configured_by_anything_but_nothing() {
        let configured = |words: &[&str]| match start_with(words, "hz 20\n") {
            Startup::Run(run) => run.configured,
            _ => panic!("{words:?} does not run"),
        };
        assert!(!configured(&[]));
        assert!(configured(&["--hz", "20"]));
        assert!(configured(&["-"]));
    }

    #[test]
    fn name_and_value_come_apart_or_together() {
        let words = [
            "--maxmemory 700mb",
            "--maxmemory-policy 'volatile-lru'",
            "--bind",
            "a",
            "b",
        ];
        let names = ["maxmemory", "maxmemory-policy", "bind"];
        assert_eq!(get(&words, &names), ["734003200", "volatile-lru", "a b"]);
    }

    #[test]
    fn a_value_may_begin_with_two_dashes() {
        let words = [
            "--proc-title-template",
            "--my--title--template",
            "--loglevel",
            "verbose",
        ];
        let names = ["proc-title-template", "loglevel"];
        assert_eq!(get(&words, &names), ["--my--title--template", "verbose"]);
        let words = [
            "--proc-title-template --my--title--template",
            "--loglevel verbose",
        ];
        assert_eq!(get(&words, &names), ["--my--title--template", "verbose"]);
    }

    #[test]
    fn save_without_a_value_means_no_save_points() {
        for words in [
            &["--save", "--loglevel", "verbose"][..],
            &["--loglevel", "verbose", "--save"],
            &["--save", "", "--loglevel", "verbose"],
            &["--loglevel", "verbose", "--save", ""],
        ] {
            assert_eq!(
                get(words, &["save", "loglevel"]),
                ["", "verbose"],
                "{words:?}"
            );
        }
        let words = [
            "--proc-title-template",
            "--save",
            "--save",
            "",
            "--loglevel",
            "verbose",
        ];
        assert_eq!(
            get(&words, &["proc-title-template", "save"]),
            ["--save", ""]
        );
        assert_eq!(get(&["--save", "100", "100"], &["save"]), ["100 100"]);
        assert_eq!(get(&["--save", "100 100 5 6"], &["save"]), ["100 100 5 6"]);
    }

    #[test]
    fn one_argument_may_hold_the_words_of_a_directive() {
        let words = [
            "--shutdown-on-sigint",
            "nosave",
            "force",
            "now",
            "--shutdown-on-sigterm",
            "nosave force",
        ];
        let names = ["shutdown-on-sigint", "shutdown-on-sigterm"];
        assert_eq!(get(&words, &names), ["nosave now force", "nosave force"]);
    }

    #[test]
    fn mistakes_are_reported_in_redis_form() {
        assert_eq!(
            failure(&["--port", "foo"]),
            "\n*** FATAL CONFIG FILE ERROR (russet 0.1.0, Redis 8.10.2) ***\n\
             Reading the configuration file, at line 2\n\
             >>> 'port \"foo\"'\nargument couldn't be parsed into an integer\n\
             It is an option of the command line: --port \"foo\"\n"
        );
        let one_of = "argument(s) must be one of the following";
        let cases: &[(&[&str], &str, &str)] = &[
            (
                &["--invalid"],
                ">>> 'invalid'",
                "Bad directive or wrong number of arguments",
            ),
            (&["--port"], "'port'", "wrong number of arguments"),
            (
                &["--port", "6380", "--loglevel"],
                "'loglevel'",
                "wrong number of arguments",
            ),
            (
                &["--port", "6379", "6380"],
                "'port \"6379\" \"6380\"'",
                "wrong number of arguments",
            ),
            (
                &["--port", "--loglevel", "verbose"],
                "'port \"--loglevel\" \"verbose\"'",
                "wrong number of arguments",
            ),
            (
                &["--port", "--bla", "--loglevel", "verbose"],
                "'port \"--bla\"'",
                "argument couldn't be parsed into an integer",
            ),
            (
                &["--logfile", "--my--log", "--loglevel", "--bla"],
                "'loglevel \"--bla\"'",
                one_of,
            ),
            (&["--shutdown-on-sigint"], "'shutdown-on-sigint'", one_of),
            (
                &["--shutdown-on-sigint", "now force", "--shutdown-on-sigterm"],
                "'shutdown-on-sigterm'",
                one_of,
            ),
            (
                &["--replicaof", "127.0.0.1", "abc"],
                "'replicaof \"127.0.0.1\" \"abc\"'",
                "Invalid master port",
            ),
            (
                &["--replicaof", "--127.0.0.1", "--abc"],
                "'replicaof \"--127.0.0.1\"'",
                "wrong number of arguments",
            ),
            (
                &["--user", "foo", "--user", "foo"],
                "'user \"foo\"'",
                "Duplicate user",
            ),
        ];
        for (words, line, reason) in cases {
            let text = failure(words);
            assert!(
                text.contains(line) && text.contains(reason),
                "{words:?}: {text}"
            );
        }
    }

    #[test]
    fn file_then_standard_input_then_options() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redis.conf");
        std::fs::write(&path, "port 1\nhz 11\ntimeout 5").unwrap();
        let words = [path.to_str().unwrap(), "--port", "3", "-"];
        let Startup::Run(run) = start_with(&words, "hz 12\nport 2\n") else {
            panic!()
        };
        assert_eq!(
            (run.config.port, run.config.hz, run.config.timeout),
            (3, 12, 5)
        );
        assert_eq!(run.file.unwrap(), path);
    }

    #[test]
    fn a_check_prints_every_problem_and_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redis.conf");
        std::fs::write(&path, "port x\n\nhz \"1\nfoo bar\ninclude none.conf\n").unwrap();
        let words = ["--check-config", path.to_str().unwrap()];
        let Startup::Check(check) = start_with(&words, "") else {
            panic!()
        };
        let file = path.display();
        let expected = [
            format!("{file}:1: argument couldn't be parsed into an integer: 'port x'"),
            format!("{file}:3: Unbalanced quotes in configuration line: 'hz \"1'"),
            format!("{file}:4: Bad directive or wrong number of arguments: 'foo bar'"),
            format!("{file}:5: can't open config file 'none.conf': No such file or directory"),
            "4 problems\n".to_owned(),
        ];
        assert_eq!(check.report(), (expected.join("\n"), 1));
        let Startup::Check(check) = start_with(&["--check-config"], "") else {
            panic!()
        };
        assert_eq!(check.report(), ("configuration OK\n".to_owned(), 0));
    }

    #[test]
    fn a_sentinel_is_asked_for_before_or_behind_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sentinel.conf");
        std::fs::write(&path, "sentinel monitor m 127.0.0.1 6379 2\n").unwrap();
        let path = path.to_str().unwrap();
        for words in [
            &["--sentinel", path][..],
            &[path, "--sentinel"],
            &[path, "--sentinel", "--loglevel", "verbose"],
            &["--sentinel", path, "--port", "26380"],
        ] {
            let Startup::Run(run) = start_with(words, "") else {
                panic!("{words:?}")
            };
            assert!(run.config.is_sentinel, "{words:?}");
            assert_eq!(run.config.sentinel_lines.len(), 1, "{words:?}");
            assert_eq!(run.file.as_deref(), Some(Path::new(path)));
        }
        let Startup::Check(check) = start_with(&["--check-config", "--sentinel", path], "") else {
            panic!()
        };
        assert_eq!(check.sentinel_lines.map(|lines| lines.len()), Some(1));
        assert!(matches!(start_with(&[path], ""), Startup::Fail(_)));
    }

    #[test]
    fn modes_that_do_not_exist_are_refused() {
        assert!(matches!(
            start_with(&["--test-memory"], ""),
            Startup::Print { code: 1, .. }
        ));
        let Startup::Print { text, code: 0 } = start_with(&["-v"], "") else {
            panic!()
        };
        assert!(text.starts_with("Redis server v=8.10.2 sha="));
    }
}
