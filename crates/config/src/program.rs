//! The fixed part of the command line, defined with `clap`: help, version, `--check-config` and
//! subcommands. Shell completions and the man page are generated from the same definition.
//!
//! The rest, file and directives, has Redis's grammar (`cli.rs`) and passes through unchanged:
//! `clap` gets it after a `--`. It parses the whole line only if the first word is a subcommand.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use clap_complete::Shell;

use super::dialect::{Dialect, version_line};
use super::directive::{Directive, Flags, ValueKind};
use super::reader::SENTINEL_PORT;
use super::release::{Conversion, Release};
use super::table::{Config, DIRECTIVES};

const NAME: &str = "russet";
const CHECK_CONFIG: &str = "check-config";
/// In the order of the help.
pub(super) const SUBCOMMANDS: [&str; 11] = [
    "cli",
    "benchmark",
    "ping",
    "doctor",
    "tail",
    "check-rdb",
    "check-aof",
    "restore",
    "convert",
    "completions",
    "man",
];

const ENV: &str = "env";
const ARGUMENTS: &str = "ARGUMENT";
const SHELL: &str = "SHELL";
const FILE: &str = "FILE";
const STATS: &str = "stats";
const FROM: &str = "from";
const UNTIL: &str = "until";
const TO: &str = "to";
const FOR: &str = "for";
const SOURCE: &str = "FROM";
const RESULT: &str = "TO";
const SKIP: &str = "skip";
const FORCE: &str = "force";
const SENTINEL: &str = "sentinel";
const CLUSTER: &str = "cluster";
const PAGE: &str = "SUBCOMMAND";
const NODE_PORT: u16 = 6379;
const TLS: &str = "tls";
const CA: &str = "cacert";
const CERT: &str = "cert";
const KEY: &str = "key";
const NODE_USER: &str = "node-user";
const NODE_PASS: &str = "node-pass";

/// The request of the fixed part.
pub(super) enum ProgramRequest {
    /// Run a server, or only check its configuration, with these arguments.
    Server {
        checks_only: bool,
        /// `${NAME}` in the configuration stands for a variable of the environment.
        expands: bool,
        arguments: Vec<OsString>,
    },
    /// Check an RDB file, or report the parts a server cannot read.
    CheckRdb {
        file: PathBuf,
        with_stats: bool,
        target: Option<Release>,
    },
    /// Check append only files, with the arguments of `redis-check-aof`.
    CheckAof(Vec<OsString>),
    /// Restore append only files as of a point in time.
    Restore {
        from: PathBuf,
        until: Option<String>,
        to: PathBuf,
    },
    /// Make files for another server.
    Convert(Conversion),
    /// Query a running server.
    Ask(Errand, Box<ServerAddress>),
    /// Be a client, with these arguments of its own.
    Cli(Vec<OsString>),
    /// A load for a server, with the words after `benchmark`.
    Benchmark(Vec<OsString>),
    /// Print a text and exit with this status.
    Text { text: String, code: i32 },
}

/// Queries to a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Whether it answers.
    Ping,
    /// A report on its state, with advice.
    Doctor,
    /// The stream, from this offset on; without an offset from its end.
    Tail {
        /// An offset of the replication stream; `None`: its end.
        from: Option<u64>,
    },
}

/// The place of a running server, as far as the arguments give it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerAddress {
    /// The configuration file, which gives the rest.
    pub file: Option<PathBuf>,
    /// The host's name or address; `None`: the configuration file's `bind`, or 127.0.0.1.
    pub host: Option<String>,
    /// The TCP port; `None`: the configuration file's, or 6379.
    pub port: Option<u16>,
    /// The path of a Unix socket, instead of host and port.
    pub socket: Option<PathBuf>,
    /// The user to log in as; `None`: the default user.
    pub user: Option<String>,
    /// The password; `None`: the configuration file's `requirepass`, or no login.
    pub password: Option<Vec<u8>>,
    /// Instead of host, port and socket: wherever this process listens.
    pub pid: Option<u32>,
    /// Seconds for each step; `None`: 3.
    pub limit_s: Option<u32>,
    /// Host and port are those of a Sentinel, whose groups are meant: the login at their data
    /// nodes.
    pub group: Option<Login>,
    /// Host and port are those of a node of a cluster, all of whose nodes are meant.
    pub is_cluster: bool,
    /// The port is under TLS.
    pub tls: Option<TlsFiles>,
    /// All settings of the configuration file, secrets left out.
    pub settings: Vec<(String, String)>,
}

/// A tool's side of TLS; empty paths: not set.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the tool's certificate.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
    /// The password of the key, if it is encrypted.
    pub key_password: Vec<u8>,
    /// PEM: the authorities that certify the server.
    pub ca_file: PathBuf,
    /// A folder of such files.
    pub ca_dir: PathBuf,
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            certificate,
            key,
            ca_file,
            ca_dir,
            ..
        } = self;
        let shown = [certificate, key, ca_file, ca_dir];
        f.debug_tuple("TlsFiles").field(&shown).finish()
    }
}

impl TlsFiles {
    /// The server's own files: it accepts the same certificates from itself as from its peers.
    fn of(config: &Config) -> TlsFiles {
        let client = &config.tls_client_cert_file;
        let (certificate, key, password) = if client.is_empty() {
            (
                &config.tls_cert_file,
                &config.tls_key_file,
                &config.tls_key_file_pass,
            )
        } else {
            (
                client,
                &config.tls_client_key_file,
                &config.tls_client_key_file_pass,
            )
        };
        let has_authorities =
            !config.tls_ca_cert_file.is_empty() || !config.tls_ca_cert_dir.is_empty();
        // Without authorities the certificate may be its own authority.
        let ca_file = if has_authorities {
            &config.tls_ca_cert_file
        } else {
            &config.tls_cert_file
        };
        // Relative names are those of the server.
        let at = |name: &std::path::Path| {
            if name.as_os_str().is_empty() {
                PathBuf::new()
            } else {
                config.dir.0.path().join(name)
            }
        };
        TlsFiles {
            certificate: at(certificate.path()),
            key: at(key.path()),
            key_password: password.to_vec(),
            ca_file: at(ca_file.path()),
            ca_dir: at(config.tls_ca_cert_dir.path()),
        }
    }
}

/// A user and its password, as far as the arguments give them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The default user without.
    pub user: Option<String>,
    /// Without, there is no login.
    pub password: Option<Vec<u8>>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_password = self.password.is_some();
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("has_password", &has_password)
            .finish()
    }
}

impl ServerAddress {
    /// Takes missing options from a server's settings.
    pub(super) fn fill(&mut self, config: &Config) {
        if config.port == 0 && self.port.is_none() && !config.unixsocket.is_empty() {
            self.socket
                .get_or_insert_with(|| config.unixsocket.path().to_owned());
        }
        let secret = |name: &str| {
            let directive = super::table::find(name.as_bytes());
            directive.is_none_or(|directive| directive.flags.contains(Flags::SENSITIVE))
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let all = config.get(&[&b"*"[..]]).into_iter();
        let all = all.map(|(name, value)| (text(name), text(&value)));
        self.settings = all.filter(|(name, _)| !secret(name)).collect();
        if config.port == 0 && config.tls_port != 0 && self.port.is_none() && self.socket.is_none()
        {
            self.port = Some(config.tls_port);
        }
        let no_files = |files: &TlsFiles| *files == TlsFiles::default();
        let is_open = self.tls.as_ref().is_none_or(no_files);
        if is_open && config.tls_port != 0 && self.port == Some(config.tls_port) {
            self.tls = Some(TlsFiles::of(config));
        }
        self.port.get_or_insert(config.port);
        let first = config.bind.0.first().map(|word| word.lossy().into_owned());
        let host = first.map(|word| word.trim_start_matches('-').to_owned());
        // A wildcard address is reached on the default host.
        let host = host.filter(|host| !matches!(host.as_str(), "*" | "0.0.0.0" | "::*" | "::"));
        self.host = self.host.take().or(host);
        if self.password.is_none() && !config.requirepass.is_empty() {
            self.password = Some(config.requirepass.to_vec());
        }
    }
}

/// Parses the arguments, without the program's name.
pub(super) fn read(arguments: &[OsString], dialect: Dialect) -> ProgramRequest {
    // The options are those of redis-cli and redis-benchmark, `-h` among them: none of `clap`'s
    // business.
    if let [first, rest @ ..] = arguments
        && (first == "cli" || first == "benchmark")
    {
        return if first == "cli" {
            ProgramRequest::Cli(rest.to_vec())
        } else {
            ProgramRequest::Benchmark(rest.to_vec())
        };
    }
    let matches = match command().try_get_matches_from(words(arguments)) {
        Ok(matches) => matches,
        Err(said) => {
            return ProgramRequest::Text {
                text: said.to_string(),
                code: said.exit_code(),
            };
        }
    };
    let text = match matches.subcommand() {
        Some(("completions", asked)) => completions(asked),
        Some(("man", asked)) => man_page(asked.get_one::<String>(PAGE).map(String::as_str)),
        Some(("check-rdb", asked)) => {
            return ProgramRequest::CheckRdb {
                file: asked.get_one::<PathBuf>(FILE).cloned().unwrap_or_default(),
                with_stats: asked.get_flag(STATS),
                target: target(asked, FOR),
            };
        }
        Some(("check-aof", asked)) => return ProgramRequest::CheckAof(check_aof_words(asked)),
        Some(("restore", asked)) => {
            let path = |name| asked.get_one::<PathBuf>(name).cloned().unwrap_or_default();
            return ProgramRequest::Restore {
                from: path(FROM),
                until: asked.get_one::<String>(UNTIL).cloned(),
                to: path(TO),
            };
        }
        Some(("convert", asked)) => {
            let path = |name| asked.get_one::<PathBuf>(name).cloned().unwrap_or_default();
            let Some(target) = target(asked, TO) else {
                unreachable!("a required option");
            };
            return ProgramRequest::Convert(Conversion {
                target,
                from: path(SOURCE),
                to: path(RESULT),
                skips: asked.get_flag(SKIP),
                replaces: asked.get_flag(FORCE),
            });
        }
        Some(("ping", asked)) => return ProgramRequest::Ask(Errand::Ping, Box::new(place(asked))),
        Some(("doctor", asked)) => {
            return ProgramRequest::Ask(Errand::Doctor, Box::new(patient(asked)));
        }
        Some(("tail", asked)) => {
            let from = asked.get_one::<u64>(FROM).copied();
            return ProgramRequest::Ask(Errand::Tail { from }, Box::new(place(asked)));
        }
        _ if matches.get_flag("version") => format!("{}\n", version_line(dialect)),
        _ => {
            let rest = matches.get_many(ARGUMENTS).unwrap_or_default();
            return ProgramRequest::Server {
                checks_only: matches.get_flag(CHECK_CONFIG),
                expands: matches.get_flag(ENV),
                arguments: rest.cloned().collect(),
            };
        }
    };
    ProgramRequest::Text { text, code: 0 }
}

/// The words for `clap`. As in Redis, help and version are recognised only as the first word;
/// `--check-config` and `--env` may be anywhere.
fn words(arguments: &[OsString]) -> Vec<&OsStr> {
    let mut words: Vec<&OsStr> = vec![NAME.as_ref()];
    let first = arguments.first().map_or(OsStr::new(""), |word| word);
    if [&b"-h"[..], b"--help", b"-v", b"--version"].contains(&first.as_bytes()) {
        words.push(first);
    } else if command().find_subcommand(first).is_some() {
        words.extend(arguments.iter().map(OsString::as_os_str));
    } else {
        let is_mode = |word: &&OsStr| ["--check-config", "--env"].iter().any(|mode| word == mode);
        let given = || arguments.iter().map(OsString::as_os_str);
        for mode in ["--check-config", "--env"] {
            words.extend(given().find(|word| *word == mode));
        }
        words.push("--".as_ref());
        words.extend(given().filter(|word| !is_mode(word)));
    }
    words
}

fn command() -> Command {
    Command::new(NAME)
        .about("A Redis-compatible server daemon.")
        .override_usage(
            "russet [FILE | -] [--DIRECTIVE VALUE ...] [-]\n       \
             russet --sentinel FILE [--DIRECTIVE VALUE ...]\n       \
             russet --check-config [FILE | -] [--DIRECTIVE VALUE ...] [-]\n       \
             russet --data-files [FILE | -] [--DIRECTIVE VALUE ...] [-]",
        )
        .after_help(AFTER_HELP)
        .disable_help_subcommand(true)
        .args_conflicts_with_subcommands(true)
        .arg(
            Arg::new(ARGUMENTS)
                .help("Configuration file, '-' for standard input, directives as options")
                .num_args(0..)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::FilePath),
        )
        .arg(
            Arg::new(CHECK_CONFIG)
                .long(CHECK_CONFIG)
                .help("Check the configuration, print each problem with its line, and exit")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new(ENV)
                .long(ENV)
                .help("Replace ${NAME} in the configuration by environment variables")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("version")
                .short('v')
                .long("version")
                .help("Print version")
                .action(ArgAction::SetTrue),
        )
        .subcommand(client_command(
            "cli",
            "Send commands from the arguments, standard input or a prompt",
            "redis-cli's options, then a command; --help lists them",
        ))
        .subcommand(client_command(
            "benchmark",
            "Measure how many requests a server answers, and how soon",
            "redis-benchmark's options, then a command; --help lists them",
        ))
        .subcommand(ping_command())
        .subcommand(doctor_command())
        .subcommand(tail_command())
        .subcommand(check_rdb_command())
        .subcommand(check_aof_command())
        .subcommand(restore_command())
        .subcommand(convert_command())
        .subcommand(completions_command())
        .subcommand(man_command())
}

/// A subcommand that reads its words itself, because it has the options of Redis's program.
fn client_command(name: &'static str, about: &'static str, words: &'static str) -> Command {
    Command::new(name).about(about).disable_help_flag(true).arg(
        Arg::new(ARGUMENTS)
            .help(words)
            .num_args(0..)
            .trailing_var_arg(true)
            .allow_hyphen_values(true)
            .value_parser(value_parser!(OsString)),
    )
}

fn ping_command() -> Command {
    ask_command(
        "ping",
        "Check that a server answers; exit status 0 if it does",
    )
    .arg(
        Arg::new("pid")
            .long("pid")
            .value_name("PID")
            .value_parser(value_parser!(u32))
            .conflicts_with_all(["host", "port", "socket"])
            .help("Check the server with this process ID, wherever it listens"),
    )
}

fn tail_command() -> Command {
    ask_command(
        "tail",
        "Print the replication stream of a running server as it grows",
    )
    .arg(
        Arg::new(FROM)
            .long(FROM)
            .value_name("OFFSET")
            .value_parser(value_parser!(u64).range(..1 << 62))
            .help("Start at this offset, if the backlog still has it [default: the next command]"),
    )
}

fn check_rdb_command() -> Command {
    Command::new("check-rdb")
        .about("Check an RDB file and name its first error")
        .arg(file_to_check())
        .arg(
            Arg::new(STATS)
                .long(STATS)
                .help("Print keys, bytes and the largest keys of each type")
                .action(ArgAction::SetTrue),
        )
        .arg(
            target_option(FOR)
                .conflicts_with(STATS)
                .help("List every key that this server cannot read, and why"),
        )
}

fn completions_command() -> Command {
    Command::new("completions")
        .about("Print the completion script of a shell")
        .arg(
            Arg::new(SHELL)
                .required(true)
                .value_parser(value_parser!(Shell)),
        )
}

const DOCTOR: &str = "Diagnose this machine and its server, Sentinels or a cluster; exit status 1 \
                      if there is a problem";

fn doctor_command() -> Command {
    let option =
        |name: &'static str, value, help| Arg::new(name).long(name).value_name(value).help(help);
    ask_command("doctor", DOCTOR)
        .arg(
            option(
                SENTINEL,
                "HOST[:PORT]",
                "Diagnose all groups of this Sentinel instead: what prevents a failover. User and \
                 password are the login at the Sentinels [default port: 26379]",
            )
            .value_parser(sentinel_place)
            .conflicts_with_all([FILE, "host", "port", "socket"]),
        )
        .arg(
            option(
                CLUSTER,
                "HOST[:PORT]",
                "Diagnose all nodes of this node's cluster instead: what is wrong, and which failovers \
                 would not happen [default port: 6379]",
            )
            .value_parser(node_place)
            .conflicts_with_all([FILE, "host", "port", "socket", SENTINEL]),
        )
        .arg(
            option(NODE_USER, "NAME", "User name at the data nodes").requires(SENTINEL),
        )
        .arg(
            option(
                NODE_PASS,
                "PASSWORD",
                "Password at the data nodes; prefer $RUSSET_NODE_AUTH",
            )
            .requires(SENTINEL),
        )
}

fn sentinel_place(text: &str) -> Result<(String, u16), String> {
    address(text, SENTINEL_PORT)
}

fn node_place(text: &str) -> Result<(String, u16), String> {
    address(text, NODE_PORT)
}

/// Parses `HOST`, `HOST:PORT`, `[IPv6]:PORT` or a bare IPv6 address.
fn address(text: &str, usual_port: u16) -> Result<(String, u16), String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port = match port {
        None => usual_port,
        Some(port) => port.parse().map_err(|_| format!("'{port}' is no port"))?,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host {
        "" => Err("no host".to_owned()),
        host => Ok((host.to_owned(), port)),
    }
}

/// The password of the first environment variable that is set.
fn from_environment(names: &[&str]) -> Option<Vec<u8>> {
    let mut found = names.iter().filter_map(std::env::var_os);
    found.next().map(|value| value.as_bytes().to_vec())
}

/// The doctor's options beside the place of a server.
fn patient(asked: &ArgMatches) -> ServerAddress {
    let place = place(asked);
    if let Some((host, port)) = asked.get_one::<(String, u16)>(CLUSTER).cloned() {
        return ServerAddress {
            host: Some(host),
            port: Some(port),
            is_cluster: true,
            ..place
        };
    }
    let Some((host, port)) = asked.get_one::<(String, u16)>(SENTINEL).cloned() else {
        return place;
    };
    let text = |name| asked.get_one::<String>(name).cloned();
    let password = text(NODE_PASS).map(String::into_bytes);
    ServerAddress {
        host: Some(host),
        port: Some(port),
        group: Some(Login {
            user: text(NODE_USER),
            password: password.or_else(|| from_environment(&["RUSSET_NODE_AUTH"])),
        }),
        ..place
    }
}

fn ask_command(name: &'static str, about: &'static str) -> Command {
    let option = |name: &'static str, short, value, help| {
        Arg::new(name)
            .long(name)
            .short(short)
            .value_name(value)
            .help(help)
    };
    Command::new(name)
        .about(about)
        .disable_help_flag(true)
        .arg(
            Arg::new(FILE)
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("The server's configuration file, for its address and password"),
        )
        .arg(option(
            "host",
            'h',
            "HOST",
            "Server host [default: 127.0.0.1]",
        ))
        .arg(
            option("port", 'p', "PORT", "Server port [default: 6379]")
                .value_parser(value_parser!(u16)),
        )
        .arg(option("socket", 's', "PATH", "Unix socket").value_parser(value_parser!(PathBuf)))
        .arg(option("user", 'u', "NAME", "User name"))
        .arg(option(
            "pass",
            'a',
            "PASSWORD",
            "Password; prefer $REDISCLI_AUTH",
        ))
        .arg(
            Arg::new(TLS)
                .long(TLS)
                .action(ArgAction::SetTrue)
                .help("Use TLS; a configuration file with TLS implies it"),
        )
        .args(
            [
                (
                    CA,
                    "Certificate authorities that sign the server's certificate [default: the system's]",
                ),
                (CERT, "Client certificate"),
                (KEY, "Key of the client certificate"),
            ]
            .map(|(name, help)| {
                let path = Arg::new(name).long(name).value_name("FILE").help(help);
                path.value_parser(value_parser!(PathBuf)).requires(TLS)
            }),
        )
        .arg(
            option(
                "timeout",
                't',
                "SECONDS",
                "Time limit of each step [default: 3]",
            )
            .value_parser(value_parser!(u32)),
        )
        .arg(
            Arg::new("help")
                .long("help")
                .action(ArgAction::Help)
                .help("Print help"),
        )
}

fn place(asked: &ArgMatches) -> ServerAddress {
    let text = |name| asked.get_one::<String>(name).cloned();
    let password = text("pass").map(String::into_bytes);
    let by_environment = || from_environment(&["RUSSET_AUTH", "REDISCLI_AUTH"]);
    ServerAddress {
        file: asked.get_one::<PathBuf>(FILE).cloned(),
        host: text("host"),
        port: asked.get_one::<u16>("port").copied(),
        socket: asked.get_one::<PathBuf>("socket").cloned(),
        user: text("user"),
        password: password.or_else(by_environment),
        pid: asked.try_get_one::<u32>("pid").ok().flatten().copied(),
        limit_s: asked.get_one::<u32>("timeout").copied(),
        group: None,
        is_cluster: false,
        tls: asked.get_flag(TLS).then(|| {
            let path = |name| asked.get_one::<PathBuf>(name).cloned().unwrap_or_default();
            TlsFiles {
                certificate: path(CERT),
                key: path(KEY),
                key_password: Vec::new(),
                ca_file: path(CA),
                ca_dir: PathBuf::new(),
            }
        }),
        settings: Vec::new(),
    }
}

const FIX: &str = "fix";
const CUT_AFTER: &str = "truncate-to-timestamp";

/// The file to check.
fn file_to_check() -> Arg {
    Arg::new(FILE)
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::FilePath)
}

fn check_aof_command() -> Command {
    Command::new("check-aof")
        .about("Check an append only file, or all files of a manifest, and name the first error")
        .arg(file_to_check())
        .arg(
            Arg::new(FIX)
                .long(FIX)
                .conflicts_with(CUT_AFTER)
                .help("Cut off the damaged end, after confirmation")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new(CUT_AFTER)
                .long(CUT_AFTER)
                .value_name("SECONDS")
                .help("Cut off everything after this Unix time"),
        )
}

/// The same as arguments of `redis-check-aof`.
fn check_aof_words(asked: &ArgMatches) -> Vec<OsString> {
    let mut words = Vec::new();
    if asked.get_flag(FIX) {
        words.push("--fix".into());
    }
    if let Some(time) = asked.get_one::<String>(CUT_AFTER) {
        words.extend(["--truncate-to-timestamp".into(), time.into()]);
    }
    words.extend(asked.get_one::<PathBuf>(FILE).map(OsString::from));
    words
}

fn restore_command() -> Command {
    let folder = |name| {
        Arg::new(name)
            .long(name)
            .value_name("DIR")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::AnyPath)
    };
    Command::new("restore")
        .about("Restore the append only file as of a point in time into a new folder")
        .arg(
            folder(FROM)
                .default_value("appendonlydir")
                .help("Backup, folder with a manifest, or manifest; it is not changed"),
        )
        .arg(
            Arg::new(UNTIL)
                .long(UNTIL)
                .value_name("TIME|FILE:BYTES|offset:OFFSET")
                .help(
                    "Leave out what is later: Unix seconds, 2026-01-31T12:00:00Z, a position as \
                     error messages name it, or an offset as in master_repl_offset",
                ),
        )
        .arg(
            folder(TO)
                .required(true)
                .help("New or empty folder for the server to start in, or its appendonlydir"),
        )
}

fn target_option(name: &'static str) -> Arg {
    let names = Release::ALL.map(|(name, _)| name);
    Arg::new(name)
        .long(name)
        .value_name("SERVER")
        .value_parser(PossibleValuesParser::new(names))
}

/// The server that an option names.
fn target(asked: &ArgMatches, name: &str) -> Option<Release> {
    Release::parse(asked.get_one::<String>(name)?)
}

fn convert_command() -> Command {
    let place = |name| {
        Arg::new(name)
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::AnyPath)
    };
    Command::new("convert")
        .about("Convert a snapshot or an append only file for another server")
        .arg(
            target_option(TO)
                .required(true)
                .help("Target server: this release, and later ones up to the next name"),
        )
        .arg(place(SOURCE).help(
            "RDB file; or a folder with a manifest, a manifest, or an old single file, whose data \
             must fit in memory. It is not changed",
        ))
        .arg(place(RESULT).help("New file; for an append only file the new folder"))
        .arg(
            Arg::new(SKIP)
                .long(SKIP)
                .help("Leave out what the target cannot read, instead of writing nothing")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new(FORCE)
                .long(FORCE)
                .help("Replace an existing file; an existing folder is renamed")
                .action(ArgAction::SetTrue),
        )
}

const AFTER_HELP: &str = "\
Every directive of redis.conf is also an option: --port 7777, --bind 127.0.0.1 ::1.
russet reads the file first, then standard input, then the options; the last value wins.

Examples:
  russet                                start the server with the default configuration
  echo 'maxmemory 128mb' | russet -
  russet /etc/redis/6379.conf
  russet --port 7777
  russet /etc/myredis.conf --loglevel verbose -
  russet --sentinel /etc/russet/sentinel.conf
  russet cli -p 7777 SET greeting hello
  russet ping /etc/russet/russet.conf   exit status 0 if that server answers
  russet doctor                         diagnose this machine and its server
  russet man | man -l -                 the man page; russet completions bash, zsh or fish";

/// The line before the examples at the end of [`AFTER_HELP`].
const EXAMPLES: &str = "Examples:\n";

/// A shell's completions: the fixed part, and every directive as an option.
fn completions(asked: &ArgMatches) -> String {
    let Some(&shell) = asked.get_one::<Shell>(SHELL) else {
        unreachable!("a required argument");
    };
    let shown = |directive: &&Directive| !directive.flags.contains(Flags::HIDDEN);
    let mut whole = command().args(DIRECTIVES.iter().filter(shown).map(option));
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut whole, NAME, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn option(directive: &Directive) -> Arg {
    let option = Arg::new(directive.name).long(directive.name).num_args(1..);
    match directive.kind {
        ValueKind::Bool { .. } => option.value_parser(["yes", "no"]),
        ValueKind::Choice { names, .. } => {
            option.value_parser(PossibleValuesParser::new(names(&Config::default())))
        }
        _ => option,
    }
}

fn man_command() -> Command {
    Command::new("man").about("Print a man page").arg(
        Arg::new(PAGE)
            .value_parser(PossibleValuesParser::new(SUBCOMMANDS))
            .help("That of a subcommand"),
    )
}

/// The page of the program, or of a subcommand ([`SUBCOMMANDS`]). Each names all others.
fn man_page(of: Option<&str>) -> String {
    let mut program = command();
    // Gives the subcommands their names in full.
    program.build();
    let about = of.and_then(|name| program.find_subcommand(name)).cloned();
    let page = clap_mangen::Man::new(about.unwrap_or(program))
        .source(format!("russet {}", env!("CARGO_PKG_VERSION")))
        .manual("Russet");
    let mut text = Vec::new();
    page.render(&mut text)
        .expect("memory takes what is written");
    let mut text = String::from_utf8_lossy(&text).into_owned();
    // Lines stay as they are, in columns.
    if let Some(at) = text.find(EXAMPLES) {
        text.insert_str(at + EXAMPLES.len(), ".nf\n");
        text.push_str("\n.fi\n");
    }
    let others = SUBCOMMANDS.iter().map(|name| Some(*name));
    let others = std::iter::once(None).chain(others);
    let others = others.filter(|other| *other != of).map(|other| {
        let end = other.map_or_else(String::new, |name| format!("-{name}"));
        format!("\\fB{}{}\\fR(1)", NAME, end).replace('-', "\\-")
    });
    let others: Vec<String> = others.collect();
    text.push_str(".SH \"SEE ALSO\"\n");
    text.push_str(&others.join(", "));
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> ProgramRequest {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        read(&words, Dialect::Redis)
    }

    fn text(words: &[&str]) -> (String, i32) {
        match asked(words) {
            ProgramRequest::Text { text, code } => (text, code),
            _ => panic!("{words:?} prints nothing"),
        }
    }

    #[test]
    fn the_definition_holds_together() {
        command().debug_assert();
        command().args(DIRECTIVES.iter().map(option)).debug_assert();
    }

    #[test]
    fn redis_grammar_passes_through() {
        for words in [
            &[][..],
            &["-"],
            &["--port", "7777"],
            &["x.conf", "--help", "-v", "man"],
            &["-hz", "20"],
            &["--", "--version", "--", "-"],
            &["help"],
        ] {
            let ProgramRequest::Server {
                checks_only: false,
                arguments,
                ..
            } = asked(words)
            else {
                panic!("{words:?}");
            };
            assert_eq!(arguments, words);
        }
    }

    #[test]
    fn a_check_may_be_asked_for_anywhere() {
        let ProgramRequest::Server {
            checks_only: true,
            arguments,
            ..
        } = asked(&["x.conf", "--check-config", "--port", "1"])
        else {
            panic!();
        };
        assert_eq!(arguments, ["x.conf", "--port", "1"]);
    }

    #[test]
    fn help_and_version_are_asked_for_by_the_first_word() {
        let (help, code) = text(&["--help", "--nosuch"]);
        assert!(help.contains("russet --check-config") && help.contains("--port 7777"));
        assert_eq!((text(&["-h"]), code), ((help, 0), 0));
        assert_eq!(
            text(&["-v", "x"]),
            (format!("{}\n", version_line(Dialect::Redis)), 0)
        );
    }

    #[test]
    fn shells_complete_directives_and_their_values() {
        for shell in ["bash", "zsh", "fish"] {
            let (script, code) = text(&["completions", shell]);
            assert_eq!(code, 0);
            for word in ["check-config", "maxmemory-policy", "allkeys-lru"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
        let (problem, code) = text(&["completions", "nosuch"]);
        assert!(code != 0 && problem.contains("'nosuch'"), "{problem}");
    }

    #[test]
    fn a_file_is_checked_with_figures_if_they_are_asked_for() {
        for (words, stats) in [
            (&["check-rdb", "x.rdb"][..], false),
            (&["check-rdb", "--stats", "x.rdb"], true),
        ] {
            let ProgramRequest::CheckRdb {
                file,
                with_stats,
                target: None,
            } = asked(words)
            else {
                panic!("{words:?}");
            };
            assert_eq!((file, with_stats), ("x.rdb".into(), stats));
        }
        let ProgramRequest::CheckRdb { target, .. } =
            asked(&["check-rdb", "--for", "redis-7.2", "x.rdb"])
        else {
            panic!("a check");
        };
        assert_eq!(target, Some(Release::Redis72));
        assert_ne!(text(&["check-rdb", "--for", "redis-1.0", "x.rdb"]).1, 0);
        assert_ne!(text(&["check-rdb"]).1, 0);
        for words in [
            &["--fix", "x.aof"][..],
            &["--truncate-to-timestamp", "9", "x.aof"],
        ] {
            let ProgramRequest::CheckAof(got) = asked(&[&["check-aof"], words].concat()) else {
                panic!("{words:?}");
            };
            assert_eq!(got, words);
        }
        assert_eq!(text(&["check-aof", "--help"]).1, 0);
    }

    #[test]
    fn a_conversion_names_server_source_and_result() {
        let words = ["convert", "--to", "valkey-9.1", "a.rdb", "b.rdb", "--skip"];
        let ProgramRequest::Convert(asked) = asked(&words) else {
            panic!("{words:?}");
        };
        let wanted = Conversion {
            target: Release::Valkey91,
            from: "a.rdb".into(),
            to: "b.rdb".into(),
            skips: true,
            replaces: false,
        };
        assert_eq!(asked, wanted);
        for words in [
            &["convert", "a", "b"][..],
            &["convert", "--to", "redis-7.2", "a"],
            &["convert", "--to", "redis-9.9", "a", "b"],
        ] {
            assert_ne!(text(words).1, 0, "{words:?}");
        }
    }

    #[test]
    fn a_group_is_reached_by_one_of_its_sentinels() {
        let asked = |words: &[&str]| match asked(&[&["doctor"], words].concat()) {
            ProgramRequest::Ask(Errand::Doctor, place) => *place,
            _ => panic!("{words:?}"),
        };
        for (text, host, port) in [
            ("10.0.0.1:5000", "10.0.0.1", 5000),
            ("s1.example", "s1.example", 26379),
            ("[::1]:7", "::1", 7),
            ("[::1]", "::1", 26379),
            ("2001:db8::1", "2001:db8::1", 26379),
        ] {
            let place = asked(&[&format!("--sentinel={text}"), "-a", "s", "--node-pass", "n"]);
            assert_eq!(
                (place.host.as_deref(), place.port),
                (Some(host), Some(port))
            );
            let login = place.group.expect("a group");
            assert_eq!(login.password.as_deref(), Some(&b"n"[..]));
            assert_eq!(place.password.as_deref(), Some(&b"s"[..]));
            assert!(
                !format!("{login:?}").contains("110"),
                "no password is logged"
            );
        }
        assert_eq!(asked(&["-p", "7"]).group, None);
        for words in [
            &["doctor", "--sentinel", "a:b"][..],
            &["doctor", "--sentinel", ":7"],
            &["doctor", "--sentinel", "a", "-p", "7"],
            &["doctor", "--node-pass", "x"],
            &["ping", "--sentinel", "a"],
        ] {
            assert_ne!(text(words).1, 0, "{words:?}");
        }
    }

    #[test]
    fn the_man_page_is_one() {
        let (page, code) = text(&["man"]);
        assert_eq!(code, 0);
        assert!(
            page.contains(".TH russet 1") && page.contains("check\\-config"),
            "{page}"
        );
        let (_, rest) = page.split_once("Examples:\n.nf\n").expect("examples");
        let (examples, _) = rest.split_once("\n.fi\n").expect("their end");
        assert!(examples.contains("russet ping") && examples.contains("zsh"));
    }

    /// Regression: the page named pages of subcommands that could not be printed.
    #[test]
    fn every_page_that_a_page_names_can_be_printed() {
        let subcommands: Vec<String> = command()
            .get_subcommands()
            .map(|its| its.get_name().to_owned())
            .collect();
        assert_eq!(subcommands, SUBCOMMANDS);
        let refers = regex::Regex::new(r"russet(?:\\-([a-z\\-]+))?(?:\\fR)?\(1\)").expect("one");
        let own = std::iter::once(None).chain(SUBCOMMANDS.map(Some));
        for page in own {
            let words: Vec<&str> = ["man"].into_iter().chain(page).collect();
            let (printed, code) = text(&words);
            assert_eq!(code, 0, "{words:?}");
            let title = page.map_or("russet".into(), |name| format!("russet-{name}"));
            let start = format!(".TH {title} 1");
            assert!(printed.contains(&start), "{printed}");
            let mut named = std::collections::BTreeSet::new();
            for found in refers.captures_iter(&printed) {
                let name = found.get(1).map(|name| name.as_str().replace('\\', ""));
                let is_there = name.as_ref().is_none_or(|name| subcommands.contains(name));
                assert!(is_there, "{title} names {name:?}");
                named.insert(name);
            }
            assert!(named.len() >= SUBCOMMANDS.len(), "{title} names {named:?}");
        }
    }
}
