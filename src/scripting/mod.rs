//! Lua: states that scripts run in, what scripts find there, and what is kept of scripts and
//! libraries. It knows no server: a script asks a [`Host`].
//!
//!     lua/         the raw stack, functions of ours, memory, the hook: all the unsafe code
//!     sandbox      globals; guard, basic, tables, coroutines: what is different from LuaJIT's own
//!     pattern, strings, format  strings as Lua 5.1 has them; effort: whatever takes long can be stopped
//!     api          the `redis` table; cjson, cmsgpack, structs: the libraries
//!     from_reply   replies to values; to_reply: values to replies
//!     chunk        text to functions
//!     vm           a state, called with keys and arguments
//!     scripts      the cache of EVAL; libraries: functions of FCALL
//!
//! A script is a text, its SHA-1 its name. Everything that it does to the keyspace goes through
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
pub use host::Host;
pub use libraries::{Libraries, LoadError, Prepared};
pub use register::Registering;
#[cfg(test)]
pub use scripts::EVAL_SCRIPTS_MAX;
pub use scripts::{ScriptId, Scripts};
pub use shebang::of_script as shebang_of;
pub use vm::{Compiled, Ended, Failed, VmHandle};

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
