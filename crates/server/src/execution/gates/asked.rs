//! A command at the gates: its flags, with the flags of commands that it runs, and how a gate stops
//! it.

use crate::clients::client::{Client, ClientFlags};
use crate::origin::Origin;
use crate::parts::execution::gates::RUNS_SCRIPT;
use crate::state::Server;
use crate::state::call::Spec;
use crate::state::world::World;
use russet_command::{CommandError, Flags};
use russet_resp::Args;
use russet_scripting::shebang_of;

use super::script;

/// A command at the gates.
#[derive(Clone, Copy)]
pub struct GatedCommand<'a> {
    pub spec: &'static Spec,
    /// The number of the command's row.
    pub row: usize,
    pub args: Args<'a>,
    pub origin: Origin,
    /// The command's flags; for a command that runs a script, the flags that the script declares.
    pub flags: Flags,
}

impl<'a> GatedCommand<'a> {
    pub fn new(server: &Server, row: usize, args: Args<'a>, origin: Origin) -> GatedCommand<'a> {
        let spec = server.table.row(row).spec;
        GatedCommand {
            spec,
            row,
            args,
            origin,
            flags: effective(server, spec, args),
        }
    }
}

/// Why a command does not run now.
pub enum Stop {
    Refused(CommandError),
    /// Another node of the cluster is to run the command, or no node can. A transaction ends with
    /// this reply.
    Elsewhere(CommandError),
    Postponed(Wait),
}

impl From<CommandError> for Stop {
    fn from(error: CommandError) -> Stop {
        Stop::Refused(error)
    }
}

/// The condition that a postponed command waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The end of CLIENT PAUSE, or room in the append only file's buffer.
    Pause,
    /// A snapshot must first save the keys that the command would change.
    Snapshot,
}

pub(crate) const MASTERDOWN: &str =
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";

/// A command's flags; for a command that runs a script, the flags that the script declares.
fn effective(server: &Server, spec: &Spec, args: Args<'_>) -> Flags {
    if !spec.flags.intersects(RUNS_SCRIPT) {
        return spec.flags;
    }
    let text = args.at(1);
    let scripting = &server.scripting;
    let script = if spec.flags.contains(Flags::RUNS_TEXT) {
        match scripting.scripts.find(text) {
            Some(id) => scripting.scripts.get(id).map(|script| script.flags),
            None => shebang_of(text, server.config.dialect)
                .ok()
                .map(|head| head.flags),
        }
    } else if spec.flags.contains(Flags::RUNS_SHA) {
        let id = scripting.scripts.find_sha(text);
        id.and_then(|id| scripting.scripts.get(id).map(|script| script.flags))
    } else {
        scripting.libraries.function(text).map(|f| f.flags)
    };
    script::flags_of(spec.flags, script)
}

/// Whether the command waits for EXEC.
pub(crate) fn queues(client: &Client, spec: &Spec) -> bool {
    client.flags.contains(ClientFlags::MULTI) && !spec.flags.contains(Flags::NOT_QUEUED)
}

/// Whether the command, or for EXEC any command that it runs, has any of these flags.
pub(super) fn has(world: &World<'_>, asked: &GatedCommand<'_>, flags: Flags) -> bool {
    asked.flags.intersects(flags)
        || asked.flags.contains(Flags::RUNS_QUEUE) && queue_has(world.server, world.client, flags)
}

/// Whether a command without these flags waits in the client's transaction.
pub(super) fn queue_lacks(server: &Server, client: &Client, flags: Flags) -> bool {
    queued_flags(server, client).any(|its| !its.contains(flags))
}

/// Whether a command with any of these flags waits in the client's transaction.
pub(super) fn queue_has(server: &Server, client: &Client, flags: Flags) -> bool {
    queued_flags(server, client).any(|its| its.intersects(flags))
}

/// The flags of each command in the client's transaction.
fn queued_flags<'a>(server: &'a Server, client: &'a Client) -> impl Iterator<Item = Flags> + 'a {
    let queued = client.transaction.as_deref();
    let queued = queued.map_or(&[][..], |t| &t.commands);
    queued.iter().map(|q| {
        let spec = server.table.row(q.row).spec;
        effective(server, spec, q.args.args())
    })
}
