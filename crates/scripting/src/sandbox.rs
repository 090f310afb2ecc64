//! The globals of a script, and their write protection.
//!
//! LuaJIT has no read-only tables. For each library a script gets an empty table in front of the
//! real table:
//!
//!     script --> { } --metatable--> __index: the real table, __newindex: refuses
//!
//! and everything that would see through or bypass it (`next`, `pairs`, `rawset`,
//! `setmetatable`, `table.insert` ...) knows such tables (`guard`). The globals themselves are
//! the real table, for speed: only code that assigns to a global could change them. Its byte
//! code shows that, and such code gets an empty table in front as well (`chunk`).

use super::api::{self, Use};
use super::lua::{Library, Stack};
use super::{
    guard,
    stdlib::{basic, cjson, cmsgpack, structs, tables},
};
use russet_config::Dialect;

/// Lua's globals that scripts do not get.
const REMOVED: [&str; 13] = [
    "dofile", "loadfile", "print", "newproxy", "require", "module", "package", "jit", "ffi",
    "debug", "io", "getfenv", "setfenv",
];

/// Fills a new state: libraries, globals, their protection. Leaves the stack empty.
pub fn build(stack: Stack, of: Use, dialect: Dialect) {
    for library in [
        Library::Base,
        Library::Table,
        Library::String,
        Library::Math,
        Library::Os,
        Library::Bit,
    ] {
        stack.open(library);
        stack.set_top(0);
    }
    stack.push_value(Stack::GLOBALS);
    for name in REMOVED {
        stack.push_nil();
        stack.set_field(1, name);
    }
    basic::install(stack, 1);
    tables::install(stack, 1);
    type Push = fn(Stack);
    let own: [(&str, Push); 3] = [
        ("cjson", cjson::push),
        ("cmsgpack", cmsgpack::push),
        ("struct", structs::push),
    ];
    for (name, push) in own {
        push(stack);
        stack.set_field(1, name);
    }
    only_clock(stack);
    let libraries = [
        "string",
        "table",
        "math",
        "os",
        "bit",
        "coroutine",
        "cjson",
        "cmsgpack",
        "struct",
    ];
    for name in libraries {
        stack.get_field(1, name);
        guard::protect(stack);
        stack.set_field(1, name);
    }
    protect_strings(stack);
    api::push_table(stack, of, dialect, false);
    guard::protect(stack);
    stack.push_value(-1);
    // Valkey's clients also use this name.
    stack.set_field(1, "server");
    stack.set_field(1, "redis");
    guard::protect_globals(stack);
    stack.set_top(0);
}

/// Reduces `os` to `clock`.
fn only_clock(stack: Stack) {
    stack.get_field(1, "os");
    stack.push_table(0, 1);
    stack.get_field(-2, "clock");
    stack.set_field(-2, "clock");
    stack.set_field(1, "os");
    stack.pop(1);
}

/// Scripts reach the metatable of strings by `getmetatable('')`: they see a protected metatable.
fn protect_strings(stack: Stack) {
    stack.push_table(0, 1);
    stack.get_field(1, "string");
    stack.set_field(-2, "__index");
    guard::protect(stack);
    guard::show_metatable_of_strings(stack);
}
