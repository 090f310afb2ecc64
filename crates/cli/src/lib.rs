//! `russet cli`: a client for people and scripts, with redis-cli's options and output.
//!
//!     arguments -> options -> a mode, or a session of commands
//!
//!     options    the command line; it refuses further options of redis-cli by name
//!     link       the connection: TLS, login, database
//!     session    a command: sent, redirected, printed
//!     print      a reply as text, byte for byte redis-cli's
//!     words      lines into words, bytes into quoted text
//!     interrupt  Ctrl-C at a prompt
//!     prompt     a terminal's lines: history, completion, hints, `help`
//!     modes      --scan, --pipe, --rdb, --latency, --stat, --bigkeys and more
//!     cluster    --cluster: commands for a whole cluster
//!     benchmark  `russet benchmark`: a load, and its figures
//!
//! The client uses only the server's commands, so it works with Redis and Valkey as well.
#![warn(missing_docs)]

mod benchmark;
mod cluster;
mod docs;
mod interrupt;
mod link;
mod modes;
mod options;
mod print;
mod prompt;
mod session;
mod words;

pub use benchmark::benchmark;

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use modes::Measure;
use options::{Mode, Options};
use print::Form;
use session::Session;

const HELP: &str = "\
Usage: russet cli [OPTION ...] [COMMAND [ARGUMENT ...]]
Without a command, russet cli shows a prompt, or runs the commands of standard input, one a line.

Server
  -h HOST, -p PORT     server address [default: 127.0.0.1, 6379]
  -s PATH              Unix socket
  -u URI               redis://user:password@host:port/database; rediss:// is TLS
  -a, --pass PASSWORD  password; prefer $REDISCLI_AUTH, or --askpass, which asks for it
  --user NAME          user name
  -n NUMBER            database number
  --name NAME          name of the connection
  -2, -3               protocol version
  -t SECONDS           time limit for connecting
  -c                   follow -MOVED and -ASK redirections of a cluster
  --tls, --cacert FILE, --cacertdir FOLDER, --cert FILE, --key FILE, --sni NAME, --insecure
  --no-auth-warning    do not warn about a password on the command line
Output
  --raw, --no-raw      print bytes (the default without a terminal), or types and quotes
  --csv, --json, --quoted-json   print in this format
  -d TEXT, -D TEXT     delimiter between elements of a raw reply, and after the reply
  -e                   exit status 1 if the reply is an error
  --show-pushes YN     print RESP3 pushes
Input
  -x, -X TAG           read the last argument, or the argument TAG, from standard input
  -r TIMES, -i SECONDS repeat the command, with a pause; -r -1 repeats forever
  --quoted-input       unquote arguments in quotes
  --eval FILE          run a script; its keys, a comma and its arguments follow
Modes
  --scan [--pattern GLOB] [--type TYPE] [--count N]
  --pipe [--pipe-timeout SECONDS]      send standard input as raw requests
  --rdb FILE, --functions-rdb FILE     save a snapshot; - is standard output
  --latency, --latency-history [-i SECONDS]
  --stat [-i SECONDS]
  --bigkeys, --memkeys, --memkeys-samples N   the largest keys by elements, by memory
  --keystats, --keystats-samples N [--top N] [--cursor N]   both, with distributions
  --hotkeys                            the keys used most, if the policy is LFU
                                       each with [--pattern GLOB] [--count N] [-i SECONDS]
  --replica                            print the commands that replicas get
  --lru-test KEYS                      a load on a cache
  --intrinsic-latency SECONDS          of this machine
  --eval FILE --ldb, --ldb-sync-mode   run the script in the debugger
  --cluster COMMAND ...                manage a cluster; --cluster help lists the commands

russet cli refuses other options of redis-cli, and names an alternative.
";

/// Runs the client with the words after its name, and returns the exit status: 0, also when the
/// server's reply was an error (but with `-e`), and 1 when there is no answer.
///
/// `version` is what `--version` prints.
pub fn run(arguments: &[OsString], version: &str) -> u8 {
    let password = std::env::var_os("REDISCLI_AUTH");
    let mut options = match Options::read(arguments, password) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return 1;
        }
    };
    if options.asks_password {
        match prompt::ask_password() {
            Ok(password) => options.password = Some(password),
            Err(why) => {
                eprintln!("The password cannot be read: {why}");
                return 1;
            }
        }
    }
    if options.is_password_shown && options.warns {
        eprintln!(
            "Warning: Using a password with '-a' or '-u' option on the command line interface may \
             not be safe."
        );
    }
    match dispatch(options, version) {
        Ok(code) => code,
        // The reader of a pipe has gone: nothing is left to say.
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => 1,
        Err(why) => {
            eprintln!("Error: {why}");
            1
        }
    }
}

fn dispatch(options: Options, version: &str) -> io::Result<u8> {
    let is_terminal = io::stdout().is_terminal();
    let form = options.form.unwrap_or(if is_terminal {
        Form::Terminal
    } else {
        Form::Raw
    });
    match options.mode.clone() {
        Mode::Help => {
            io::stdout().write_all(HELP.as_bytes())?;
            Ok(0)
        }
        Mode::Version => {
            println!("{version}");
            Ok(0)
        }
        Mode::Commands if options.words.is_empty() => lines(options, form),
        Mode::Commands => Session::new(options, form, false).run_arguments(),
        Mode::Eval(file) if !options.debugs => eval(options, form, &file),
        Mode::Intrinsic(limit) => Ok(modes::intrinsic_latency(limit)),
        Mode::Cluster => Ok(cluster::run(&options, &options.cluster, form)),
        mode => Ok(in_mode(options, form, &mode)),
    }
}

fn in_mode(options: Options, form: Form, mode: &Mode) -> u8 {
    let mut session = Session::new(options, form, false);
    let options = session.options.clone();
    let link = match session.link() {
        Ok(link) => link,
        Err(why) => {
            eprintln!("{why}");
            return 1;
        }
    };
    let result = match mode {
        Mode::Scan => modes::scan(link, &options, form),
        Mode::Pipe => modes::pipe(link, &options),
        Mode::Rdb { file, functions } => modes::rdb(link, file, *functions),
        Mode::Latency => modes::latency(link, &options, form, false),
        Mode::LatencyHistory => modes::latency(link, &options, form, true),
        Mode::Stat => modes::stat(link, &options),
        Mode::BigKeys => modes::big_keys(link, &options, Measure::Length),
        &Mode::MemoryKeys { samples } => {
            modes::big_keys(link, &options, Measure::Memory { samples })
        }
        &Mode::KeyStats { samples } => modes::key_stats(link, &options, samples),
        Mode::HotKeys => modes::hot_keys(link, &options),
        &Mode::LruTest(keys) => modes::lru_test(link, keys),
        Mode::Replica => modes::replica(link, &options),
        Mode::Eval(file) => modes::debug(link, &options, file, options.is_debug_sync),
        Mode::Commands | Mode::Cluster | Mode::Intrinsic(_) | Mode::Help | Mode::Version => Ok(0),
    };
    result.unwrap_or_else(|why| {
        eprintln!("{why}");
        1
    })
}

/// `--eval`: the words before a comma of its own are keys.
fn eval(mut options: Options, form: Form, file: &Path) -> io::Result<u8> {
    let script = match std::fs::read(file) {
        Ok(script) => script,
        Err(why) => {
            let why = link::reason_of(&why);
            eprintln!("Can't open file '{}': {why}", file.display());
            return Ok(1);
        }
    };
    options.words = eval_words(script, &options.words);
    Session::new(options, form, false).run_arguments()
}

/// EVAL of a script with its keys and, after a comma of its own, its arguments.
fn eval_words(script: Vec<u8>, given: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let keys = given
        .iter()
        .position(|word| word == b",")
        .unwrap_or(given.len());
    let mut words = vec![b"EVAL".to_vec(), script, keys.to_string().into_bytes()];
    words.extend(given[..keys].iter().cloned());
    words.extend(given.iter().skip(keys + 1).cloned());
    words
}

/// The commands of the standard input: at a prompt, or as lines without a prompt.
fn lines(options: Options, form: Form) -> io::Result<u8> {
    if io::stdin().is_terminal() {
        return prompt::run(Session::new(options, form, true));
    }
    let mut session = Session::new(options, form, false);
    if let Err(why) = session.link() {
        eprintln!("{why}");
        return Ok(1);
    }
    let mut line = Vec::new();
    let mut input = io::stdin().lock();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(0);
        }
        if prompt::run_line(&mut session, &line)?.is_break() {
            return Ok(0);
        }
    }
}
