//! The command line of `russet benchmark`. Options of the connection are read as `russet cli` reads
//! them.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::options::Options;

/// Connections, requests in a pipeline, bytes of a payload: more would be a mistake of typing, and
/// take the memory of this machine.
const CLIENTS_MAX: usize = 100_000;
const PIPELINE_MAX: usize = 100_000;
const PAYLOAD_MAX: usize = 1 << 30;

pub(super) const HELP: &str = "\
Usage: russet benchmark [OPTION ...] [COMMAND [ARGUMENT ...]]
Measures how many requests a server answers in a second, and how soon.
Without a command, it runs the tests of -t, or all.

  -h HOST, -p PORT     server address [default: 127.0.0.1, 6379]
  -s PATH              Unix socket
  -u URI               redis://user:password@host:port/database; rediss:// is TLS
  -a PASSWORD          password; prefer $REDISCLI_AUTH
  --user NAME          user name
  --dbnum NUMBER       database number
  -3                   protocol version 3
  --tls, --cacert FILE, --cacertdir FOLDER, --cert FILE, --key FILE, --sni NAME, --insecure
  -c CLIENTS           connections [default: 50]
  -n REQUESTS          requests of each test [default: 100000]
  -d BYTES             payload of SET and others [default: 3]
  -P REQUESTS          requests that a connection sends at once [default: 1]
  -r KEYS              random keys, elements and scores: __rand_int__ in a word becomes 12 digits,
                       a number below KEYS
  -t TESTS             names, separated by commas: ping, set, get, incr, lpush, rpush, lpop, rpop,
                       sadd, hset, spop, zadd, zpopmin, lrange, mset, xadd
  -q                   a line for each test
  --csv                as CSV
  --precision DIGITS   decimals of latencies [default: 3]
  --seed NUMBER        of the random numbers
  -l                   repeat the tests forever

The tests write keys such as key:__rand_int__, mylist and myset into the database, and leave them.
";

/// The load, and the form of its figures.
#[derive(Debug)]
pub(super) struct BenchmarkOptions {
    pub(super) connection: Options,
    pub(super) clients: usize,
    pub(super) requests: usize,
    pub(super) payload_bytes: usize,
    pub(super) pipeline: usize,
    /// `-r`: random numbers are below it.
    pub(super) keys: Option<u64>,
    /// Names; empty: all tests.
    pub(super) tests: Vec<String>,
    pub(super) is_quiet: bool,
    pub(super) is_csv: bool,
    pub(super) precision: usize,
    pub(super) seed: u64,
    pub(super) repeats: bool,
    pub(super) asks_help: bool,
    pub(super) asks_version: bool,
    /// Empty: the tests.
    pub(super) command: Vec<Vec<u8>>,
}

impl Default for BenchmarkOptions {
    fn default() -> BenchmarkOptions {
        BenchmarkOptions {
            connection: Options::default(),
            clients: 50,
            requests: 100_000,
            payload_bytes: 3,
            pipeline: 1,
            keys: None,
            tests: Vec::new(),
            is_quiet: false,
            is_csv: false,
            precision: 3,
            seed: 1,
            repeats: false,
            asks_help: false,
            asks_version: false,
            command: Vec::new(),
        }
    }
}

/// Options of redis-benchmark that are missing here, with what serves instead.
const MISSING: &[(&str, &str)] = &[
    ("--threads", "start several at once"),
    ("--cluster", "measure each node by its port"),
    ("--enable-tracking", "give CLIENT TRACKING to russet cli"),
    ("-k", "connections are kept"),
    ("-I", "connections without requests show nothing"),
    ("-x", "write the argument on the command line"),
    ("--tls-ciphers", "the server's list decides"),
    ("--tls-ciphersuites", "the server's list decides"),
];

/// Options of the connection, which `russet cli` has as well, and whether a value follows.
const OF_CONNECTION: &[(&str, bool)] = &[
    ("-h", true),
    ("-p", true),
    ("-s", true),
    ("-u", true),
    ("-a", true),
    ("--user", true),
    ("-3", false),
    ("--tls", false),
    ("--insecure", false),
    ("--cacert", true),
    ("--cacertdir", true),
    ("--cert", true),
    ("--key", true),
    ("--sni", true),
];

impl BenchmarkOptions {
    /// Reads the words after the program's name. An error is a line for people.
    pub(super) fn read(
        arguments: &[OsString],
        password: Option<OsString>,
    ) -> Result<BenchmarkOptions, String> {
        let mut options = BenchmarkOptions::default();
        let mut of_connection: Vec<OsString> = Vec::new();
        let mut rest = arguments.iter();
        while let Some(word) = rest.clone().next() {
            if !word.as_bytes().starts_with(b"-") {
                break;
            }
            rest.next();
            let option = word.to_string_lossy();
            let mut value = || {
                rest.next()
                    .ok_or_else(|| format!("{option}: a value is missing"))
            };
            if let Some((_, has_value)) = OF_CONNECTION.iter().find(|(name, _)| *name == option) {
                of_connection.push(word.clone());
                if *has_value {
                    of_connection.push(value()?.clone());
                }
            } else if option == "--dbnum" {
                of_connection.extend(["-n".into(), value()?.clone()]);
            } else if !options.read_flag(&option) {
                if let Some((_, instead)) = MISSING.iter().find(|(name, _)| *name == option) {
                    return Err(format!("russet benchmark has no {option}: {instead}"));
                }
                let unknown = || format!("Unknown option {option}: russet benchmark --help");
                let takes_value = "-c -n -d -P -r -t --precision --seed";
                if !takes_value.split(' ').any(|name| name == option) {
                    return Err(unknown());
                }
                let value = value()?.to_string_lossy();
                let wrong = || format!("{option}: '{value}' is not a valid value");
                options.read_value(&option, &value).ok_or_else(wrong)?;
            }
        }
        options.command = rest.map(|word| word.clone().into_vec()).collect();
        options.connection = Options::read(&of_connection, password)?;
        Ok(options)
    }

    fn read_flag(&mut self, option: &str) -> bool {
        match option {
            "-q" => self.is_quiet = true,
            "--csv" => self.is_csv = true,
            "-l" => self.repeats = true,
            "--help" => self.asks_help = true,
            "-v" | "--version" => self.asks_version = true,
            _ => return false,
        }
        true
    }

    /// An option with a value; `None`: the value is none for it.
    fn read_value(&mut self, option: &str, value: &str) -> Option<()> {
        let number = |most: usize| {
            let number = value.parse::<usize>().ok()?;
            (1..=most).contains(&number).then_some(number)
        };
        match option {
            "-c" => self.clients = number(CLIENTS_MAX)?,
            // Each takes 4 bytes.
            "-n" => self.requests = number(u32::MAX as usize)?,
            "-d" => self.payload_bytes = number(PAYLOAD_MAX)?,
            "-P" => self.pipeline = number(PIPELINE_MAX)?,
            // 12 digits.
            "-r" => self.keys = Some(number(1_000_000_000_000)? as u64),
            "-t" => self.tests = value.split(',').map(str::to_lowercase).collect(),
            "--precision" => self.precision = value.parse().ok().filter(|digits| *digits <= 3)?,
            "--seed" => self.seed = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<BenchmarkOptions, String> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        BenchmarkOptions::read(&words, None)
    }

    #[test]
    fn options_are_read_up_to_the_command() {
        let options = read("-h ::1 -p 7 -a secret --dbnum 2 -n 10 -c 2 -P 4 -r 9 -d 8 -q SET a -b")
            .expect("options");
        assert_eq!(
            (options.connection.host.as_str(), options.connection.port),
            ("::1", 7)
        );
        assert_eq!(options.connection.password.as_deref(), Some(&b"secret"[..]));
        assert_eq!(options.connection.database, 2);
        assert_eq!(
            (options.requests, options.clients, options.pipeline),
            (10, 2, 4)
        );
        assert_eq!((options.keys, options.payload_bytes), (Some(9), 8));
        assert_eq!(options.command, [&b"SET"[..], b"a", b"-b"]);
        let tests = read("-t SET,get --csv").expect("options").tests;
        assert_eq!(tests, ["set", "get"]);
    }

    #[test]
    fn wrong_options_are_named() {
        for (line, wanted) in [
            ("-c 0", "-c: '0' is not"),
            ("-n x", "-n: 'x' is not"),
            ("-P", "-P: a value is missing"),
            ("--threads 2", "has no --threads"),
            ("--nosuch", "Unknown option --nosuch"),
            ("-p x", "Invalid server port"),
        ] {
            let why = read(line).expect_err(line);
            assert!(why.contains(wanted), "{line}: {why}");
        }
    }
}
