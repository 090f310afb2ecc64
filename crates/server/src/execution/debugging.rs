//! Sessions of the script debugger: a client that has sent SCRIPT DEBUG and calls EVAL takes the
//! loop's place until its script ends.
//!
//!     SCRIPT DEBUG YES, SYNC    the client is marked
//!     EVAL -> Engine::debug     its socket is lent to the session; its earlier replies leave
//!          -> begin_session     YES: a fork; the child goes on, the parent closes its socket
//!          -> run_script        the script, with a `Debugger`: lines out, commands in, by `Wire`
//!          -> end_session       `<endsession>`, the reply; the child exits, SYNC closes the client
//!
//! A session of YES is a forked child. The child has all data as of the fork, and the parent serves
//! other clients as if the child were not there. The child's changes are lost with it, so no code
//! has to undo them. Two other designs were rejected. With the loop's guest beside a busy script,
//! and the undo of atomic scripts, other clients would see the changes, or each stop would have to
//! take them back. A script in a coroutine cannot yield from inside a callback. A fork costs time
//! by the pages of the process, once a session.
//!
//! Invariants
//!   1. A session begins in a handler that a client's own EVAL runs: not in MULTI, in a script, by
//!      the stream of a primary, or while the server loads; none of them has lent a socket.
//!   2. The session passes the gates of EVAL, and all commands of the session run as a script's
//!      commands: with the rights of the client's user.
//!   3. The child has no thread, touches no file and only its client's connection, and never
//!      returns to the loop. It ends with its parent, its client, or its time.
//!   4. The parent bounds the number of children, and kills a child that outlives its time.
//!
//! Elsewhere: `russet_scripting::Debugger` has the commands; `execution::script` runs the script.

use crate::parts::execution::scripting::ScriptState;
use crate::parts::persist::shutdown::Shutdown;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::clients::client::ClientFlags;
use crate::clients::session::Session;
use crate::execution::dispatch::Outcome;
use crate::parts::execution::debugging::{DebugSession, Stage, Wire};
use crate::process::{apply_oom_score_of_child, feed_watchdog};
use crate::state::Server;
use crate::state::call::Call;
use crate::state::world::Engine;
use russet_base::sys;
use russet_command::CommandError;
use russet_keyspace::{KeyHash, Keyspace};
use russet_resp::Args;
use russet_scripting::Debugger;

/// How long a session that holds the loop waits for its client's next command.
const SYNC_PATIENCE: Duration = Duration::from_secs(600);
/// How long a session in a child waits for a word of its client, and the longest time that a child
/// lives.
const CHILD_PATIENCE: Duration = Duration::from_secs(3600);
/// Address space that a child may use beyond its parent's address space at the fork, bytes; beside
/// it `maxmemory` and `script-memory-limit` hold.
const MEMORY_MORE: u64 = 1 << 30;

const ELSEWHERE: &str = "ERR a script is debugged by a client's own EVAL only, outside of MULTI";
const PIPELINED: &str = "ERR SCRIPT DEBUG must be called outside a pipeline";
const AUDITED: &str = "ERR SCRIPT DEBUG YES: its commands would be missing from the audit log, \
                       use SYNC";
const SAVING: &str = "ERR SCRIPT DEBUG YES cannot fork while a snapshot is being made";
const TOO_MANY: &str = "ERR too many scripts are being debugged";

impl Engine {
    /// Runs an EVAL of a client that debugs.
    #[cold]
    pub fn debug(
        &mut self,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) -> Outcome {
        let is_sync = session.client.flags.contains(ClientFlags::DEBUGS_HERE);
        let patience = if is_sync {
            SYNC_PATIENCE
        } else {
            CHILD_PATIENCE
        };
        let connections = &mut self.server.connections;
        if let Some(registry) = &connections.registry {
            connections.io_threads.fetch(session, registry);
        }
        let Some(stream) = session.stream.take() else {
            return self.dispatch_carefully(session, row, args, hashes);
        };
        let mut wire = Wire::new(stream, patience);
        wire.send_reply(&mut session.reply);
        self.server.scripting.debugging = Some(Box::new(DebugSession {
            wire,
            is_sync,
            stage: Stage::Offered,
            lines: Vec::new(),
        }));
        let outcome = self.dispatch_carefully(session, row, args, hashes);
        let debugging = self.server.scripting.debugging.take();
        let mut debugging = debugging.expect("given a moment ago");
        match debugging.stage {
            Stage::Offered => {}
            Stage::InChild => {
                debugging.wire.hand_over();
                session.client.flags.insert(ClientFlags::CLOSE_ASAP);
            }
            Stage::Here => {
                debugging.lines.push(b"<endsession>".to_vec());
                let lines = russet_scripting::debugger_lines(&debugging.lines);
                debugging.wire.send(&lines);
                if !debugging.is_sync {
                    debugging.wire.send_reply(&mut session.reply);
                    sys::end_child(0);
                }
                tracing::info!("A script is no longer debugged: others are served again");
                session.client.flags.insert(ClientFlags::CLOSE_AFTER_REPLY);
            }
        }
        session.stream = Some(debugging.wire.into_stream());
        outcome
    }
}

impl Call<'_> {
    /// `SCRIPT DEBUG`: the client's scripts are debugged from now on, in this process or in a
    /// child, or no more.
    pub fn set_debugging(&mut self, mode: Option<DebugMode>) -> Result<(), CommandError> {
        if self.client.flags.contains(ClientFlags::MULTI) || self.reply.pending_len() > 0 {
            return Err(CommandError::Text(PIPELINED));
        }
        if mode.is_some() && self.client.flags.intersects(ClientFlags::BETWEEN_SERVERS) {
            return Err(CommandError::Text(ELSEWHERE));
        }
        let flags = &mut self.client.flags;
        flags.set(ClientFlags::DEBUGS, mode.is_some());
        flags.set(ClientFlags::DEBUGS_HERE, mode == Some(DebugMode::Sync));
        Ok(())
    }

    /// Whether the client's scripts are to be debugged.
    pub fn debugs(&self) -> bool {
        self.script.is_none() && self.client.flags.contains(ClientFlags::DEBUGS)
    }

    /// Begins the session of this EVAL. `false`: a child has the session, and this process has
    /// nothing to do.
    ///
    /// # Errors
    ///
    /// There can be no session here or now.
    pub fn begin_session(&mut self) -> Result<bool, CommandError> {
        let server = &mut *self.server;
        let Some(debugging) = &mut server.scripting.debugging else {
            return Err(CommandError::Text(ELSEWHERE));
        };
        if debugging.is_sync {
            debugging.stage = Stage::Here;
            tracing::info!("A script is being debugged: nothing else is done until it ends");
            return Ok(true);
        }
        if server.gates.is_audited {
            return Err(CommandError::Text(AUDITED));
        }
        if server.persist.snapshots.in_progress() {
            return Err(CommandError::Text(SAVING));
        }
        if !server.scripting.children.has_room() {
            return Err(CommandError::Text(TOO_MANY));
        }
        let forked = server.scripting.children.fork(server.now.mono_ms);
        let forked = forked.map_err(|why| CommandError::owned(format!("ERR fork: {why}")))?;
        if forked {
            debugging.stage = Stage::InChild;
            return Ok(false);
        }
        debugging.stage = Stage::Here;
        let kept = debugging.wire.descriptor();
        become_child(self.db.keyspace(), server, kept);
        Ok(true)
    }

    /// The debugger of a script with this text, if the session is this process's.
    pub fn debugger(&self, script: &[u8]) -> Option<Debugger> {
        let debugging = self.server.scripting.debugging.as_ref()?;
        let patience_ms = self.server.config.busy_reply_threshold;
        let is_here = self.script.is_none() && debugging.stage == Stage::Here;
        is_here.then(|| Debugger::new(script, patience_ms))
    }
}

/// Where a session runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugMode {
    /// In a child: other clients are served, and the script's changes are lost.
    Child,
    /// In the loop: no other client is served, and the script's changes stay.
    Sync,
}

/// Reduces the forked process to its data and the descriptor `kept`.
fn become_child(keyspace: &mut Keyspace, server: &mut Server, kept: i32) {
    use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGTERM};
    sys::close_all_but(kept);
    // The signals are meant for the server, which ends its children.
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let _ = sys::ignore_signal(signal);
    }
    // If the child ends because memory is short, the server has not crashed.
    let _ = sys::reset_signal(SIGABRT);
    apply_oom_score_of_child(&server.config);
    keyspace.lazyfree.stay_here();
    // No loop serves others from here.
    // Their descriptors are closed already, and must not be closed again.
    std::mem::forget(server.connections.registry.take());
    std::mem::forget(server.connections.guest.take());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib = size.and_then(|size| size.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let most = kib.unwrap_or(0) * 1024 + MEMORY_MORE;
    let Rlimit { maximum, .. } = getrlimit(Resource::As);
    let current = Some(maximum.map_or(most, |max| max.min(most)));
    let _ = setrlimit(Resource::As, Rlimit { current, maximum });
}

impl ScriptState {
    /// A script is being debugged by this process.
    pub(crate) fn is_debugging(&self) -> bool {
        let debugging = self.debugging.as_ref();
        debugging.is_some_and(|debugging| debugging.stage == Stage::Here)
    }

    /// Sends lines to the client that debugs.
    pub(crate) fn send_to_debugger(&mut self, lines: &[u8]) {
        if let Some(debugging) = &mut self.debugging {
            debugging.wire.send(lines);
        }
    }

    /// Keeps the lines that a script has logged since its last stop.
    pub(crate) fn keep_debugger_lines(&mut self, lines: Vec<Vec<u8>>) {
        if let Some(debugging) = &mut self.debugging {
            debugging.lines = lines;
        }
    }

    /// Waits for bytes of that client. `false`: the client has gone or has sent nothing for too
    /// long, or the server is to end.
    pub(crate) fn receive_of_debugger(&mut self, shutdown: &Shutdown, into: &mut Vec<u8>) -> bool {
        let Some(debugging) = &mut self.debugging else {
            return false;
        };
        let is_sync = debugging.is_sync;
        debugging.wire.receive(into, || {
            if is_sync {
                feed_watchdog();
            }
            shutdown.signals.stop.load(Ordering::Acquire) == 0
        })
    }
}
