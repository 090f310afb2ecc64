//! Scripts: the caches, the record of the running script, and how its commands are run.
//!
//!     handler (EVAL, FCALL) -> Call::run_script -> Lua -> ScriptHost::call -> World::run
//!
//! A script's commands pass gates of their own (`admit`), in Redis's order, and run as
//! [`Origin::Script`] by a separate client; their effects join the unit of the command that runs
//! the script. One script runs at a time, and its state is kept until it has ended
//! ([`ScriptState::is_running`] keeps other commands from changing it).
//!
//! An atomic script is undone if it fails. So, until it has ended, the server notifies none of its
//! changes and holds its messages, also while it serves other clients; the record has this fact.
//! After `busy-reply-threshold` the loop serves others meanwhile (`execution::busy`).

use crate::clients::client::Client;
use crate::parts::execution::debugging::{Children, DebugSession};
use russet_base::clock::Cycles;
use russet_command::CommandError;
use russet_config::Dialect;
use russet_keyspace::ClientId;
use russet_resp::{OwnedArgs, Reply};
use russet_scripting::{Libraries, Scripts, Use};

/// The share of a turn of cron for collecting the garbage of one Lua state.
const GARBAGE_NANOS: u64 = 2_000_000;

/// Capacity of the buffer for replies to a script's commands that is kept between scripts.
pub(crate) const REPLY_KEPT: usize = 64 * 1024;

/// See the module.
#[derive(Default)]
pub struct ScriptState {
    pub scripts: Scripts,
    pub libraries: Libraries,
    /// The running script.
    pub running: Option<ScriptRun>,
    /// The client that a script's commands run as; kept between scripts.
    pub(crate) spare: Option<Box<Spare>>,
    /// The debugger session that the running EVAL belongs to, and the sessions of forked children.
    pub debugging: Option<Box<DebugSession>>,
    pub children: Children,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS: scripts may call any command.
    pub denies_nothing: bool,
    /// The uses of keys by the running script that are counted because a cluster would refuse them.
    pub sample: Sample,
}

/// The use of keys by a script that is counted (`cluster-compatibility-sample-ratio`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sample {
    /// None: the script is not in the sample, or has been counted.
    #[default]
    Over,
    /// The use of a key outside this slot, or of a second slot if no key has been used before.
    Slot(Option<u16>),
}

/// The running script, as other clients see it: that it runs, and whether it can be ended. The
/// script's own commands see `state::script::RunningScript`.
#[derive(Debug)]
pub struct ScriptRun {
    pub of: Use,
    /// When the script began, in ticks of the cycle counter.
    pub began: u64,
    /// Other clients are served meanwhile.
    pub is_slow: bool,
    /// The script's changes are undone if it fails, so they are not notified before it ends.
    is_atomic: bool,
    /// The script has written, no undo log would undo the writes, and the script's code has not
    /// ended.
    cannot_end: bool,
    /// A client has asked the script to end.
    pub is_killed: bool,
    /// The script's name and command, set once the script is slow.
    pub reported: Option<Box<(Vec<u8>, OwnedArgs)>>,
}

impl ScriptRun {
    pub fn cannot_end(&self) -> bool {
        self.cannot_end
    }
}

pub struct Spare {
    pub client: Client,
    pub reply: Reply,
}

impl Spare {
    pub fn new() -> Box<Spare> {
        let client = Client::fake(ClientId(u64::MAX));
        let mut reply = Reply::new();
        reply.copy_pieces();
        Box::new(Spare { client, reply })
    }
}

impl ScriptState {
    /// A script begins at `began`, in ticks of the cycle counter.
    pub fn begin(&mut self, of: Use, is_atomic: bool, began: u64) {
        self.running = Some(ScriptRun {
            of,
            began,
            is_slow: false,
            is_atomic,
            cannot_end: false,
            is_killed: false,
            reported: None,
        });
    }

    /// The script has ended; returns whether others were served meanwhile.
    pub fn end(&mut self) -> bool {
        self.running.take().is_some_and(|script| script.is_slow)
    }

    /// The script has written.
    pub fn record_write(&mut self) {
        if let Some(script) = &mut self.running {
            script.cannot_end = !script.is_atomic;
        }
    }

    /// The script's code has ended: only the reply is left to be made.
    pub fn record_code_end(&mut self) {
        if let Some(script) = &mut self.running {
            script.cannot_end = false;
        }
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Changes by the script are not notified until it has ended.
    #[inline]
    pub fn holds_news(&self) -> bool {
        self.running.as_ref().is_some_and(|script| script.is_atomic)
    }

    /// Other clients get the BUSY error until the script ends.
    pub fn is_busy(&self) -> bool {
        self.running.as_ref().is_some_and(|script| script.is_slow)
    }

    /// The error for others meanwhile.
    pub fn busy_error(&self, dialect: Dialect) -> CommandError {
        let kind = match self.running.as_ref().map(|script| script.of) {
            Some(Use::Functions) => "FUNCTION",
            _ => "SCRIPT",
        };
        CommandError::owned(format!(
            "BUSY {} is busy running a script. You can only call {kind} KILL or SHUTDOWN NOSAVE.",
            dialect.product()
        ))
    }

    /// SCRIPT KILL and FUNCTION KILL: ends the running script of that kind.
    pub fn kill(&mut self, of: Use, dialect: Dialect) -> Result<(), CommandError> {
        const IDLE: &str = "NOTBUSY No scripts in execution right now.";
        const WRITTEN: &str = "UNKILLABLE Sorry the script already executed write commands \
                               against the dataset. You can either wait the script termination \
                               or kill the server in a hard way using the SHUTDOWN NOSAVE command.";
        let busy = self.busy_error(dialect);
        let Some(running) = &mut self.running else {
            return Err(CommandError::Text(IDLE));
        };
        if running.cannot_end {
            return Err(CommandError::Text(WRITTEN));
        }
        if running.of != of {
            return Err(busy);
        }
        running.is_killed = true;
        Ok(())
    }

    /// Cron: collects the garbage that scripts have left in their states, a slice each time.
    pub(crate) fn collect_garbage(&self, cycles: &Cycles) {
        if self.is_running() {
            return;
        }
        let ticks = cycles.ticks(GARBAGE_NANOS);
        self.scripts.collect_garbage(ticks);
        self.libraries.collect_garbage(ticks);
    }
}
