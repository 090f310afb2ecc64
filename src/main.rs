//! The program: reads its arguments and hands the command table to the server.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use russet::daemon::{self, Startup};

/// Configuration text on standard input longer than this is refused, as in a file.
const STDIN_BYTES_MAX: u64 = 16 << 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_else(|| "russet".into());
    let mut arguments: Vec<OsString> = arguments.collect();
    if let Some(code) = tool(&program, &arguments) {
        return ExitCode::from(code);
    }
    if Path::new(&program).file_name() == Some(OsStr::new("redis-check-rdb")) {
        arguments.insert(0, "check-rdb".into());
    }
    ExitCode::from(match daemon::start(&arguments, read_stdin) {
        Startup::Print { text, code } => print(&text, code),
        Startup::Check(check) => {
            let (text, code) = daemon::check(check, &daemon::table());
            print(&text, code)
        }
        Startup::CheckRdb { file, with_stats } => {
            let (text, is_sound) = daemon::check_rdb(&file, with_stats);
            // The report is what was asked for, whatever it says.
            print(&text, 0).max(u8::from(!is_sound))
        }
        Startup::Restore { from, until, to } => {
            let (text, code) = daemon::restore_aof(&from, until.as_deref(), &to);
            print(&text, code)
        }
        Startup::Fail(problem) => daemon::fail(&problem),
        Startup::Run(run) => daemon::run(*run, &program, &daemon::table()),
    })
}

/// The tools that are names of this program.
fn tool(program: &OsStr, arguments: &[OsString]) -> Option<u8> {
    let name = Path::new(program).file_name()?;
    let arguments = match arguments {
        _ if name == "redis-check-aof" || name == "russet-check-aof" => arguments,
        [first, rest @ ..] if first == "check-aof" => rest,
        _ => return None,
    };
    Some(daemon::check_aof(
        arguments,
        &mut io::stdin().lock(),
        &mut io::stdout(),
    ))
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
