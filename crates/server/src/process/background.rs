//! `daemonize`: leaving the terminal.

use std::fs::OpenOptions;
use std::io;

use russet_base::sys::{Fork, fork_single_threaded};

/// Continues in a child without a terminal; the calling process exits with status 0.
///
/// To be called before the first thread. Standard input, output and error are `/dev/null`
/// afterwards.
pub fn enter_background() -> io::Result<()> {
    if fork_single_threaded()? == Fork::Parent {
        std::process::exit(0);
    }
    rustix::process::setsid()?;
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
