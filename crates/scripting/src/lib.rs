//! Lua: the states that scripts run in, the libraries they see, the stored scripts and function
//! libraries. It does not depend on the server: a script calls a [`Host`].
//!
//!     lua/         raw stack, our C functions, memory, the hook: all the unsafe code
//!     sandbox      globals; guard, basic, tables, coroutines: differences from LuaJIT's own
//!     pattern, strings, format  strings as in Lua 5.1; effort: makes long work stoppable
//!     api          the `redis` table; cjson, cmsgpack, structs: the libraries
//!     from_reply   replies to values; to_reply: values to replies
//!     chunk        text to functions
//!     debugger     SCRIPT DEBUG: stops at lines, and the commands of the client that debugs
//!     functions    compiled and registered functions; vm: a state, called with keys and arguments
//!     scripts      the cache of EVAL; libraries: functions of FCALL
//!
//! A script is a text, named by its SHA-1. All effects of a script on the keyspace go through
//! [`Host::call`].
//!
//! # Scripts
//!
//! `scripting` knows Lua, but no server: a script calls a `Host`. EVAL's scripts and functions have
//! a LuaJIT state each, without JIT, FFI and unwinding (`.cargo/config.toml`; a test proves it):
//! Lua raises errors by `longjmp`, so a Rust function runs to its end and returns its error, and
//! `lua/function.rs::enter` raises the error when no value with a destructor is left. While such a
//! function runs the allocator refuses nothing; `enter` checks the memory limit after the function,
//! and functions that a script can make work for long check it in the middle (`effort.rs`).
//!
//! A table that is read-only for scripts is an empty table in front of the real table (`guard.rs`);
//! the globals are the real table, because code that assigns to a global is recognized by its byte
//! code (`chunk.rs`). That file also rewrites syntax that LuaJIT's parser refuses, and keeps calls
//! at the end of a function from being tail calls, which lose the line of an error. Pattern
//! matching and table sorting are russet's own code (`pattern.rs`, `sort.rs`), because LuaJIT's
//! could not be interrupted. The compiler gets a text in pieces for the same reason. All ways from
//! native code back into Lua, coroutines among them, share one depth limit of 195
//! (`Machine::deeper`), which bounds the thread's stack.
//!
//! `Call::run_script` runs a program with `ScriptHost`: each `redis.call` passes the gates for
//! scripts (`gates/script.rs`), then `World::run` as `Origin::Script` by a client of its own;
//! `from_reply` converts the reply from its RESP form into Lua values. Effects join the unit of the
//! command that runs the script. The script's result is written (`to_reply.rs`) while the script
//! still counts as running: the reply, like every buffer made for a script outside Lua's allocator,
//! counts against the script's memory limit, other clients are served meanwhile, and a script whose
//! reply is refused has failed.
//!
//! No hook is set while a script is quick. A thread checks every 20 ms whether a script runs; a
//! script that the thread sees twice gets a signal, whose handler sets the hook (`lua/hook.rs`),
//! and the hook calls the host (`script::interrupt`). The handler does nothing while the thread
//! itself changes the hook. From `busy-reply-threshold` on the host serves other clients: a guest,
//! which is a second loop without a poll, takes the engine's place for a round
//! (`server/execution/busy.rs`), with the script's effects and messages set aside. Libraries that
//! FUNCTION RESTORE loads count as such a script, too: their code runs before any of the libraries
//! can be found, so that all are loaded or none. A script that must end meets the hook at every
//! further instruction, so that `pcall` cannot keep it running.
//!
//! An atomic script (`server/execution/undo.rs`) logs each key before the key's first write, as a
//! DUMP payload, and the script's notifications wait: the journal is not drained, messages stay in
//! the outbox. If it fails, the keys are restored and the effects taken back, except removals that
//! the script did not cause: an expired key stays removed.
#![warn(missing_docs)]

mod api;
mod chunk;
mod debugger;
mod effort;
mod errors;
mod flags;
mod from_reply;
mod functions;
mod guard;
mod host;
mod libraries;
mod lua;
mod register;
mod sandbox;
mod scripts;
mod shebang;
mod stdlib;
mod to_reply;
mod vm;

pub use api::Use;
pub use debugger::{Debugger, encode as debugger_lines};
pub use flags::Flags;
pub use functions::CompiledFunction;
pub use host::{Host, NoCommand};
pub use libraries::{Libraries, LoadError, PreparedLibraries};
#[cfg(any(test, feature = "testing"))]
pub use scripts::EVAL_SCRIPTS_MAX;
pub use scripts::{ScriptId, Scripts};
pub use shebang::of_script as shebang_of;
pub use vm::{ScriptFailure, ScriptOutcome, Setup, VmHandle};

use sha1::{Digest, Sha1};

/// A script's name: its SHA-1 as 40 lowercase digits.
pub(crate) type Sha = [u8; 40];

/// The SHA-1 of `text`, as scripts are named by it. O(length).
pub(crate) fn sha1_hex(text: &[u8]) -> Sha {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha1::digest(text);
    let mut hex = [0; 40];
    for (two, byte) in hex.chunks_exact_mut(2).zip(digest) {
        two[0] = DIGITS[usize::from(byte >> 4)];
        two[1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}
