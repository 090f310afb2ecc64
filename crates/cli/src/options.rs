//! The command line: redis-cli's options; options that are missing here are refused by name.
//!
//!     [OPTION ...] [COMMAND [ARGUMENT ...]]
//!
//! Options end at the first word that is none. Nothing is read or opened here, but for the password
//! in the environment, which the caller hands over.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::ClusterOptions;
use crate::print::Form;
use crate::words::unquote;

/// The work to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The words after the options as a command; without any, commands of the standard input.
    Commands,
    /// The names of keys.
    Scan,
    /// Requests of the standard input, as they are.
    Pipe,
    /// A snapshot into a file; `-` is the standard output.
    Rdb {
        file: PathBuf,
        functions: bool,
    },
    Latency,
    LatencyHistory,
    Stat,
    BigKeys,
    /// `--memkeys`: how many elements of a key are measured; `None`: the server's default.
    MemoryKeys {
        samples: Option<u64>,
    },
    KeyStats {
        samples: Option<u64>,
    },
    HotKeys,
    /// `--intrinsic-latency`.
    Intrinsic(Duration),
    /// `--lru-test`: the number of keys.
    LruTest(u64),
    Replica,
    /// `--cluster`, with its own options.
    Cluster,
    /// A script's file. The words after the options are the script's keys, a comma, and its
    /// arguments.
    Eval(PathBuf),
    Help,
    Version,
}

/// The version of the protocol that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Unset,
    Two,
    Three,
}

/// An argument that stands on the standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FromInput {
    Nothing,
    /// `-x`: a further argument at the end.
    Last,
    /// `-X tag`: in the place of the argument `tag`.
    Tag(Vec<u8>),
}

/// Certificates, and what is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsOptions {
    pub(crate) ca_file: PathBuf,
    pub(crate) ca_dir: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) name: Option<String>,
    pub(crate) is_insecure: bool,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) socket: Option<PathBuf>,
    /// For connecting; `None`: the system's.
    pub(crate) limit: Option<Duration>,
    pub(crate) user: Option<Vec<u8>>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) asks_password: bool,
    /// A password stood on the command line, where other users of the machine see it.
    pub(crate) is_password_shown: bool,
    pub(crate) warns: bool,
    pub(crate) database: i64,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) protocol: Protocol,
    /// `None`: by the kind of the standard output.
    pub(crate) form: Option<Form>,
    pub(crate) tls: Option<TlsOptions>,
    /// Negative: for ever.
    pub(crate) repeat: i64,
    pub(crate) interval: Option<Duration>,
    pub(crate) from_input: FromInput,
    /// Between the elements of a raw reply.
    pub(crate) element_delimiter: Vec<u8>,
    /// After a raw reply.
    pub(crate) reply_delimiter: Vec<u8>,
    pub(crate) follows_redirects: bool,
    /// An error reply is exit status 1, and stands on the standard error.
    pub(crate) fails_by_errors: bool,
    pub(crate) shows_pushes: Option<bool>,
    pub(crate) pattern: Option<Vec<u8>>,
    pub(crate) count: Option<u64>,
    /// Only keys of this type.
    pub(crate) kind: Option<Vec<u8>>,
    /// Zero: none.
    pub(crate) pipe_timeout: Duration,
    pub(crate) is_verbose: bool,
    /// `--ldb`: the script of `--eval` runs in the debugger.
    pub(crate) debugs: bool,
    /// `--ldb-sync-mode`: in the server itself, whose changes stay.
    pub(crate) is_debug_sync: bool,
    /// Where `--keystats` begins.
    pub(crate) cursor: u64,
    /// Keys in the list of `--keystats`.
    pub(crate) top: usize,
    pub(crate) cluster: ClusterOptions,
    pub(crate) mode: Mode,
    pub(crate) words: Vec<Vec<u8>>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            host: "127.0.0.1".to_owned(),
            port: 6379,
            socket: None,
            limit: None,
            user: None,
            password: None,
            asks_password: false,
            is_password_shown: false,
            warns: true,
            database: 0,
            name: None,
            protocol: Protocol::Unset,
            form: None,
            tls: None,
            repeat: 1,
            interval: None,
            from_input: FromInput::Nothing,
            element_delimiter: b"\n".to_vec(),
            reply_delimiter: b"\n".to_vec(),
            follows_redirects: false,
            fails_by_errors: false,
            shows_pushes: None,
            pattern: None,
            count: None,
            kind: None,
            pipe_timeout: Duration::from_secs(30),
            is_verbose: false,
            debugs: false,
            is_debug_sync: false,
            cursor: 0,
            top: 10,
            cluster: ClusterOptions::default(),
            mode: Mode::Commands,
            words: Vec::new(),
        }
    }
}

/// Options of redis-cli that are missing here, with what serves instead.
const MISSING: &[(&str, &str)] = &[
    ("--latency-dist", "LATENCY HISTOGRAM has the distribution"),
    ("--latency-percentiles", "INFO latencystats has percentiles"),
    ("--vset-recall", "it is a test of vector sets"),
    ("--tls-ciphers", "the server's list decides"),
    ("--tls-ciphersuites", "the server's list decides"),
    ("--tls-groups", "the server's list decides"),
];

impl Options {
    /// Reads the words after the program's name. An error is a line for people.
    pub(crate) fn read(
        arguments: &[OsString],
        password: Option<OsString>,
    ) -> Result<Options, String> {
        let mut options = Options {
            password: password.map(OsString::into_vec),
            ..Options::default()
        };
        let mut is_quoted = false;
        let mut rest = arguments.iter();
        while let Some(word) = rest.clone().next() {
            if !word.as_bytes().starts_with(b"-") {
                break;
            }
            rest.next();
            options.read_option(&word.to_string_lossy(), &mut rest, &mut is_quoted)?;
        }
        let words = rest.map(|word| {
            if is_quoted {
                unquote(word.as_bytes()).ok_or_else(|| refused(&word.to_string_lossy()))
            } else {
                Ok(word.as_bytes().to_vec())
            }
        });
        options.words = words.collect::<Result<_, _>>()?;
        if options.debugs && !matches!(options.mode, Mode::Eval(_)) {
            return Err(
                "Options --ldb and --ldb-sync-mode require --eval.\nTry redis-cli --help for more \
                 information."
                    .to_owned(),
            );
        }
        if options.asks_password {
            options.password = None;
        }
        Ok(options)
    }

    fn read_option<'a>(
        &mut self,
        option: &str,
        rest: &mut (impl Iterator<Item = &'a OsString> + Clone),
        is_quoted: &mut bool,
    ) -> Result<(), String> {
        if let Some((_, instead)) = MISSING.iter().find(|(name, _)| *name == option) {
            return Err(format!("russet cli has no {option}: {instead}"));
        }
        if self.read_flag(option, is_quoted) {
            return Ok(());
        }
        if option == "--cluster" || option.starts_with("--cluster-") {
            self.mode = Mode::Cluster;
            return self
                .cluster
                .read(option, rest)
                .ok_or_else(|| refused(option));
        }
        let value = rest.next().ok_or_else(|| refused(option))?;
        let bytes = value.as_bytes().to_vec();
        let text = value.to_string_lossy();
        let wrong = || format!("{option}: '{text}' is not a valid value");
        match option {
            "-h" => self.host = text.into_owned(),
            "-p" => self.port = text.parse().map_err(|_| "Invalid server port.")?,
            "-s" => self.socket = Some(value.into()),
            "-t" => self.limit = Some(seconds(&text).ok_or_else(wrong)?).filter(|t| !t.is_zero()),
            "-a" | "--pass" => self.show_password(bytes),
            "--user" => self.user = Some(bytes),
            "-u" => self.read_uri(&text)?,
            "-n" => self.database = text.parse().map_err(|_| wrong())?,
            "--name" => self.name = Some(bytes),
            "-r" => self.repeat = text.parse().map_err(|_| wrong())?,
            "-i" => self.interval = Some(seconds(&text).ok_or_else(wrong)?),
            "-X" => self.from_input = FromInput::Tag(bytes),
            "-d" => self.element_delimiter = bytes,
            "-D" => self.reply_delimiter = bytes,
            "--show-pushes" => self.shows_pushes = Some(text.starts_with(['y', 'Y'])),
            "--pattern" => self.pattern = Some(bytes),
            "--quoted-pattern" => self.pattern = Some(unquote(&bytes).ok_or_else(wrong)?),
            "--type" => self.kind = Some(bytes),
            "--count" => self.count = Some(text.parse().map_err(|_| wrong())?),
            "--memkeys-samples" => {
                let samples = Some(text.parse().map_err(|_| wrong())?);
                self.mode = Mode::MemoryKeys { samples };
            }
            "--keystats-samples" => {
                let samples = Some(text.parse().map_err(|_| wrong())?);
                self.mode = Mode::KeyStats { samples };
            }
            "--cursor" => self.cursor = text.parse().map_err(|_| wrong())?,
            "--top" => self.top = text.parse().map_err(|_| wrong())?,
            "--intrinsic-latency" => {
                self.mode = Mode::Intrinsic(seconds(&text).ok_or_else(wrong)?);
            }
            "--lru-test" => self.mode = Mode::LruTest(text.parse().map_err(|_| wrong())?),
            "--pipe-timeout" => self.pipe_timeout = seconds(&text).ok_or_else(wrong)?,
            "--eval" => self.mode = Mode::Eval(value.into()),
            "--rdb" | "--functions-rdb" => {
                self.mode = Mode::Rdb {
                    file: value.into(),
                    functions: option == "--functions-rdb",
                }
            }
            "--cacert" => self.tls_options().ca_file = value.into(),
            "--cacertdir" => self.tls_options().ca_dir = value.into(),
            "--cert" => self.tls_options().certificate = value.into(),
            "--key" => self.tls_options().key = value.into(),
            "--sni" => self.tls_options().name = Some(text.into_owned()),
            _ => return Err(refused(option)),
        }
        Ok(())
    }

    /// An option without a value; `false`: it is none of these.
    fn read_flag(&mut self, option: &str, is_quoted: &mut bool) -> bool {
        match option {
            "--help" => self.mode = Mode::Help,
            "-v" | "--version" => self.mode = Mode::Version,
            "-2" => self.protocol = Protocol::Two,
            "-3" => self.protocol = Protocol::Three,
            "--raw" => self.form = Some(Form::Raw),
            "--no-raw" => self.form = Some(Form::Terminal),
            "--csv" => self.form = Some(Form::Csv),
            "--json" => self.form = Some(Form::Json),
            "--quoted-json" => self.form = Some(Form::QuotedJson),
            "-x" => self.from_input = FromInput::Last,
            "-c" => self.follows_redirects = true,
            "-e" => self.fails_by_errors = true,
            // The order of the system's addresses is kept.
            "-4" | "-6" => {}
            "--verbose" => self.is_verbose = true,
            "--quoted-input" => *is_quoted = true,
            "--askpass" => self.asks_password = true,
            "--no-auth-warning" => self.warns = false,
            "--scan" => self.mode = Mode::Scan,
            "--pipe" => self.mode = Mode::Pipe,
            "--latency" => self.mode = Mode::Latency,
            "--latency-history" => self.mode = Mode::LatencyHistory,
            "--stat" => self.mode = Mode::Stat,
            "--bigkeys" => self.mode = Mode::BigKeys,
            "--memkeys" => self.mode = Mode::MemoryKeys { samples: None },
            "--keystats" => self.mode = Mode::KeyStats { samples: None },
            "--hotkeys" => self.mode = Mode::HotKeys,
            "--replica" | "--slave" => self.mode = Mode::Replica,
            "--ldb" | "--ldb-sync-mode" => {
                self.debugs = true;
                self.is_debug_sync |= option == "--ldb-sync-mode";
            }
            "--tls" => drop(self.tls_options()),
            "--insecure" => self.tls_options().is_insecure = true,
            _ => return false,
        }
        true
    }

    fn tls_options(&mut self) -> &mut TlsOptions {
        self.tls.get_or_insert_default()
    }

    fn show_password(&mut self, password: Vec<u8>) {
        self.password = Some(password);
        self.is_password_shown = true;
    }

    /// `redis://[[user]:password@]host[:port][/database]`; `rediss` is TLS.
    fn read_uri(&mut self, uri: &str) -> Result<(), String> {
        let (scheme, rest) = uri.split_once("://").ok_or("Invalid URI scheme")?;
        match scheme {
            "redis" | "valkey" => {}
            "rediss" | "valkeys" => drop(self.tls_options()),
            _ => return Err("Invalid URI scheme".to_owned()),
        }
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let rest = match rest.rsplit_once('@') {
            None => rest,
            Some((login, rest)) => {
                let password = match login.split_once(':') {
                    Some((user, password)) => {
                        self.user = Some(decoded(user)).filter(|user| !user.is_empty());
                        password
                    }
                    None => login,
                };
                self.show_password(decoded(password));
                rest
            }
        };
        let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match place
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or("")),
            None => place.split_once(':').unwrap_or((place, "")),
        };
        if !host.is_empty() {
            self.host = host.to_owned();
        }
        if !port.is_empty() {
            self.port = port.parse().map_err(|_| "Invalid server port.")?;
        }
        if !database.is_empty() {
            let wrong = |_| format!("'{database}' is not a database number");
            self.database = database.parse().map_err(wrong)?;
        }
        Ok(())
    }
}

fn refused(option: &str) -> String {
    format!("Unrecognized option or bad number of args for: '{option}'")
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

/// Bytes with `%HH` in the place of some.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digits = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match digits.map(|hex| u8::from_str_radix(hex, 16)) {
            Some(Ok(coded)) if byte == b'%' => {
                bytes.push(coded);
                rest = &after[2..];
            }
            _ => bytes.push(byte),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        Options::read(&words, None)
    }

    #[test]
    fn options_end_at_the_command() {
        let options = read("-h ::1 -p 7 -n 3 -3 --json --no-auth-warning get -h").expect("valid");
        assert_eq!((options.host.as_str(), options.port), ("::1", 7));
        assert_eq!((options.database, options.protocol), (3, Protocol::Three));
        assert_eq!(options.form, Some(Form::Json));
        assert_eq!(options.words, [b"get".to_vec(), b"-h".to_vec()]);
        assert!(!options.warns && !options.is_password_shown);
    }

    #[test]
    fn a_uri_has_place_login_and_database() {
        let options = read("-u rediss://al%20ice:p%40ss@[::1]:7000/4?x=1 ping").expect("valid");
        assert_eq!((options.host.as_str(), options.port), ("::1", 7000));
        assert_eq!(options.user.as_deref(), Some(&b"al ice"[..]));
        assert_eq!(options.password.as_deref(), Some(&b"p@ss"[..]));
        assert!(options.database == 4 && options.tls.is_some() && options.is_password_shown);
        let options = read("-u redis://secret@host").expect("valid");
        assert_eq!(options.password.as_deref(), Some(&b"secret"[..]));
        assert_eq!((options.user, options.port), (None, 6379));
        assert!(read("-u http://x").is_err());
    }

    #[test]
    fn a_password_of_the_environment_is_not_shown() {
        let options = Options::read(&["ping".into()], Some("x".into())).expect("valid");
        assert_eq!(options.password.as_deref(), Some(&b"x"[..]));
        assert!(!options.is_password_shown);
        let asked = Options::read(&["--askpass".into()], Some("x".into())).expect("valid");
        assert_eq!(asked.password, None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let said = read("--vset-recall k").expect_err("missing");
        let begin = "russet cli has no --vset-recall: ";
        assert!(said.starts_with(begin), "{said}");
        let wanted = "Unrecognized option or bad number of args for: '--foo'";
        assert_eq!(read("--foo x"), Err(wanted.to_owned()));
        assert_eq!(read("-p"), Err(refused("-p")));
        assert!(read("-p x").is_err() && read("-i -1").is_err());
    }
}
