//! Scripts: the caches, the running script, and how its commands are run.
//!
//!     handler (EVAL, FCALL) -> Call::run_script -> Lua -> Running::call -> World::run
//!
//! A script's commands pass gates of their own (`admit`), in Redis's order, and run as
//! [`Origin::Script`] by a separate client; their effects join the unit of the command that runs
//! the script. One script runs at a time, and its state is kept until it has ended
//! ([`Scripting::is_running`] keeps others from changing it).
//!
//! An atomic script is undone if it fails: its changes are not notified and its messages are held
//! until it has ended. After `busy-reply-threshold` the loop serves others meanwhile
//! (`execution::busy`).

use crate::command::CommandError;
use crate::config::Dialect;
use crate::keyspace::ClientId;
use crate::resp::{OwnedArgs, Reply};
use crate::scripting::{Flags, Libraries, Scripts, Use};
use crate::server::clients::client::Client;

/// Capacity of the buffer for replies to a script's commands that is kept between scripts.
pub(in crate::server) const REPLY_KEPT: usize = 64 * 1024;

/// See the module.
#[derive(Default)]
pub struct Scripting {
    pub scripts: Scripts,
    pub libraries: Libraries,
    /// The running script.
    pub current: Option<Current>,
    /// The client that its commands run as; kept between scripts.
    pub(in crate::server) spare: Option<Box<Spare>>,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS: scripts may call any command.
    pub denies_nothing: bool,
    /// The uses of keys by the running script that are counted because a cluster would refuse them.
    pub(in crate::server) sample: Sample,
}

/// The use of keys by a script that is counted (`cluster-compatibility-sample-ratio`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::server) enum Sample {
    /// None: the script is not in the sample, or has been counted.
    #[default]
    Over,
    /// The use of keys of another slot than this one, or of a second slot if none has been used.
    Slot(Option<u16>),
}

/// The running script, as others see it.
#[derive(Debug)]
pub struct Current {
    pub of: Use,
    pub flags: Flags,
    /// When it began, in ticks of the cycle counter.
    pub began: u64,
    /// Other clients are served meanwhile.
    pub is_slow: bool,
    /// The client that called it.
    pub caller: ClientId,
    /// Its changes are undone if it fails: they are not notified before it ends.
    pub is_atomic: bool,
    /// It has written.
    pub has_written: bool,
    /// Its code has ended: only the reply is left to be made.
    pub is_replying: bool,
    /// It has been asked to end.
    pub is_killed: bool,
    /// The slot that its keys must have, in a cluster: of those that it declares, else of the first
    /// used.
    pub slot: Option<u16>,
    /// Commands that it has called.
    pub calls: u64,
    /// Elements that they touched, if its caller has a budget of them.
    pub touched: u64,
    /// Its name and command, set once it is slow or runs a command that may be.
    pub reported: Option<Box<(Vec<u8>, OwnedArgs)>>,
}

impl Current {
    /// One that begins at `began`, in ticks of the cycle counter.
    pub(in crate::server) fn new(
        (of, flags, is_atomic): (Use, Flags, bool),
        began: u64,
        caller: ClientId,
    ) -> Current {
        Current {
            of,
            flags,
            began,
            is_slow: false,
            caller,
            is_atomic,
            has_written: false,
            is_replying: false,
            is_killed: false,
            slot: None,
            calls: 0,
            touched: 0,
            reported: None,
        }
    }

    /// It has written, and nothing would undo that.
    pub(in crate::server) fn cannot_end(&self) -> bool {
        self.has_written && !self.is_atomic && !self.is_replying
    }
}

pub(in crate::server) struct Spare {
    pub(in crate::server) client: Client,
    pub(in crate::server) reply: Reply,
}

impl Spare {
    pub(in crate::server) fn new() -> Box<Spare> {
        let client = Client::fake(ClientId(u64::MAX));
        let mut reply = Reply::new();
        reply.copy_pieces();
        Box::new(Spare { client, reply })
    }
}

impl Scripting {
    pub fn is_running(&self) -> bool {
        self.current.is_some()
    }

    /// Changes by the script are not notified until it has ended.
    #[inline]
    pub fn holds_news(&self) -> bool {
        self.current.as_ref().is_some_and(|c| c.is_atomic)
    }

    /// Other clients get the BUSY error until the script ends.
    pub fn is_busy(&self) -> bool {
        self.current.as_ref().is_some_and(|c| c.is_slow)
    }

    /// The error for others meanwhile.
    pub fn busy_error(&self, dialect: Dialect) -> CommandError {
        let kind = match self.current.as_ref().map(|c| c.of) {
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
        let Some(current) = &mut self.current else {
            return Err(CommandError::Text(IDLE));
        };
        if current.cannot_end() {
            return Err(CommandError::Text(WRITTEN));
        }
        if current.of != of {
            return Err(busy);
        }
        current.is_killed = true;
        Ok(())
    }
}
