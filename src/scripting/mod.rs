//! Lua: the states that scripts run in, the libraries they see, the stored scripts and function
//! libraries. It does not depend on the server: a script calls a [`Host`].
//!
//!     lua/         raw stack, our C functions, memory, the hook: all the unsafe code
//!     sandbox      globals; guard, basic, tables, coroutines: what differs from LuaJIT's own
//!     pattern, strings, format  strings as in Lua 5.1; effort: makes long work stoppable
//!     api          the `redis` table; cjson, cmsgpack, structs: the libraries
//!     from_reply   replies to values; to_reply: values to replies
//!     chunk        text to functions
//!     vm           a state, called with keys and arguments
//!     scripts      the cache of EVAL; libraries: functions of FCALL
//!
//! A script is a text, named by its SHA-1. All its effects on the keyspace go through
//! [`Host::call`].

mod api;
mod basic;
mod chunk;
mod cjson;
mod cmsgpack;
mod coroutines;
mod effort;
mod errors;
mod flags;
mod format;
mod from_reply;
mod guard;
mod host;
mod libraries;
mod lua;
mod number;
mod pattern;
mod register;
mod sandbox;
mod scripts;
mod shebang;
mod sort;
mod strings;
mod structs;
mod tables;
mod to_reply;
mod vm;

pub use api::Use;
pub use flags::Flags;
pub use host::{Host, NoCommand};
pub use libraries::{Libraries, LoadError, Prepared};
pub use register::Registering;
#[cfg(test)]
pub use scripts::EVAL_SCRIPTS_MAX;
pub use scripts::{ScriptId, Scripts};
pub use shebang::of_script as shebang_of;
pub use vm::{Compiled, Ended, Failed, Setup, VmHandle};

use sha1::{Digest, Sha1};

/// A script's name: its SHA-1 as 40 lowercase digits.
pub type Sha = [u8; 40];

/// The SHA-1 of `text`, as scripts are named by it. O(length).
pub fn sha1_hex(text: &[u8]) -> Sha {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha1::digest(text);
    let mut hex = [0; 40];
    for (two, byte) in hex.chunks_exact_mut(2).zip(digest) {
        two[0] = DIGITS[usize::from(byte >> 4)];
        two[1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}
