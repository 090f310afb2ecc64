//! Scripts: processes without a shell. Each tick checks which have ended.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use rustix::fs::{Access, OFlags, access, fcntl_getfl, fcntl_setfl};

use crate::parts::run::signals::IGNORED;
use crate::parts::sentinel::SentinelDriver;
use russet_base::sys;
use russet_config::system_text;
use russet_host::Now;
use russet_sentinel::JobId;

/// Writes as much as the pipe takes now, and closes it, because a script need not read its input.
fn give(mut pipe: ChildStdin, input: &[u8]) {
    let flags = fcntl_getfl(&pipe);
    if flags.is_ok_and(|flags| fcntl_setfl(&pipe, flags | OFlags::NONBLOCK).is_ok()) {
        let _ = pipe.write_all(input);
    }
}

/// Whether a script can be run, in a process with this directory.
pub(crate) fn is_executable(dir: &Path, path: &[u8]) -> bool {
    access(dir.join(OsStr::from_bytes(path)), Access::EXEC_OK).is_ok()
}

impl SentinelDriver {
    /// Starts a script, with `input` on its standard input.
    pub(super) fn run_script(&mut self, now: Now, job: JobId, argv: &[Vec<u8>], input: &[u8]) {
        let Some((program, arguments)) = argv.split_first() else {
            return;
        };
        let mut command = Command::new(OsStr::from_bytes(program));
        command.args(arguments.iter().map(|word| OsStr::from_bytes(word)));
        command.stdin(Stdio::piped());
        sys::default_signals(&mut command, IGNORED);
        let mut started = command.spawn().map_err(|error| {
            let program = program.escape_ascii();
            tracing::warn!("Running the script {program}: {}", system_text(&error));
        });
        let pid = started.as_ref().ok().map(|child| i64::from(child.id()));
        if let Ok(script) = &mut started
            && let Some(pipe) = script.stdin.take()
        {
            give(pipe, input);
        }
        self.scripts.extend(started);
        self.core.script_started(now, job, pid);
    }

    /// Kills a script.
    pub(super) fn kill_script(&mut self, pid: i64) {
        let mut scripts = self.scripts.iter_mut();
        if let Some(script) = scripts.find(|script| i64::from(script.id()) == pid) {
            // The script may have ended already.
            let _ = script.kill();
        }
    }

    /// Scripts that have ended.
    pub(super) fn reap_scripts(&mut self, now: Now) {
        let core = &mut self.core;
        self.scripts.retain_mut(|script| match script.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                let (exit, signal) = (status.code().unwrap_or(0), status.signal().unwrap_or(0));
                core.script_ended(now, i64::from(script.id()), exit, signal);
                false
            }
            // The script's exit status cannot be known.
            Err(_) => {
                core.script_ended(now, i64::from(script.id()), 0, 0);
                false
            }
        });
    }
}
