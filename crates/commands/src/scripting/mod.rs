//! The scripting commands: scripts by text and by SHA-1, functions of libraries.
//!
//! The server caches scripts by SHA-1, libraries by name; libraries may not change while a script
//! runs (`changes`). Libraries are data: FUNCTION propagates changes; SCRIPT does not propagate the
//! cache.
//!
//! A thread frees the memory of a whole cache, except with SYNC or few objects.
//!
//! Decided elsewhere: Lua and its sandbox: `russet_scripting`; running, undo and effects of a
//! script: `server::execution::script`.

mod changes;
mod eval;
mod fcall;
mod function;
mod function_dump;
mod function_list;
mod row;
mod script;

#[cfg(test)]
mod tests;

use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    eval::EVAL,
    eval::EVAL_RO,
    eval::EVALSHA,
    eval::EVALSHA_RO,
    fcall::FCALL,
    fcall::FCALL_RO,
    script::SCRIPT,
    function::FUNCTION,
];
