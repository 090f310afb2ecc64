//! Read-only tables for scripts; see `sandbox`.
//!
//! A guard is an empty table whose metatable has the real table. Invariant: functions of ours that
//! change a table ask [`check_writable`] first. Cost: a read through a guard is one metatable
//! lookup more; the globals are no guard.

use super::effort::check_room;
use super::lua::{Frame, LuaType, Raise, ReturnCount, Stack};

/// The metatable field that holds the real table.
const REAL: &str = "__real";
/// The metatable field that `getmetatable` returns.
const SHOWN: &str = "__metatable";
/// Registry fields: the guard of the globals, and the metatable shown for strings.
const GLOBALS: &str = "russet.globals";
const STRINGS: &str = "russet.strings";

/// The error of every attempt to change such a table.
pub const READONLY: &str = "Attempt to modify a readonly table";

/// Replaces the table on top by its guard.
pub(crate) fn protect(stack: Stack) {
    stack.push_table(0, 0);
    stack.push_table(0, 4);
    stack.push_value(-3);
    stack.set_field(-2, "__index");
    stack.push_value(-3);
    stack.set_field(-2, REAL);
    stack.set_function(-1, "__newindex", refuse);
    stack.set_metatable(-2);
    stack.remove(-2);
}

/// Guards the globals: `_G` becomes a guard, and reading an unknown name is an error.
pub(crate) fn protect_globals(stack: Stack) {
    stack.push_value(Stack::GLOBALS);
    protect(stack);
    // `getmetatable(_G)` returns a table, as in Redis.
    stack.metatable(-1);
    stack.push_table(0, 1);
    stack.set_function(-1, "__index", no_such_global);
    protect(stack);
    stack.set_field(-2, SHOWN);
    stack.pop(1);
    stack.push_value(-1);
    stack.set_field(Stack::GLOBALS, "_G");
    stack.set_field(Stack::REGISTRY, GLOBALS);

    stack.push_value(Stack::GLOBALS);
    stack.push_table(0, 2);
    stack.set_function(-1, "__index", no_such_global);
    stack.set_function(-1, "__newindex", refuse);
    stack.set_metatable(-2);
    stack.pop(1);
}

/// Like [`protect`], but reading an unknown field is an error, as for a global.
pub(crate) fn protect_strictly(stack: Stack) {
    stack.push_table(0, 1);
    stack.set_function(-1, "__index", no_such_global);
    stack.set_metatable(-2);
    protect(stack);
}

/// Pushes the guard of the globals.
pub(crate) fn push_globals(stack: Stack) {
    stack.get_field(Stack::REGISTRY, GLOBALS);
}

/// Pops the guard on top and keeps it as the metatable that `getmetatable` returns for strings.
pub(crate) fn show_metatable_of_strings(stack: Stack) {
    stack.set_field(Stack::REGISTRY, STRINGS);
}

fn refuse(_: Frame<'_>) -> ReturnCount {
    Err(Raise::text(READONLY))
}

/// Raises the error for an unknown global.
fn no_such_global(f: Frame<'_>) -> ReturnCount {
    let mut text = b"Script attempted to access nonexistent global variable '".to_vec();
    if f.kind(2) == LuaType::String || f.kind(2) == LuaType::Number {
        let name = f.bytes(2).unwrap_or(b"");
        check_room(f, 4 * name.len())?;
        text.extend_from_slice(name);
    }
    text.push(b'\'');
    Err(Raise::Bytes(text))
}

/// Pushes the real table of the guard at `at`; `false`: not a guard, nothing is pushed.
pub(crate) fn push_real(stack: Stack, at: i32) -> bool {
    if stack.kind(at) != LuaType::Table || !stack.metatable(at) {
        return false;
    }
    let is_guard = stack.get_field(-1, REAL) == LuaType::Table;
    stack.remove(-2);
    if !is_guard {
        stack.pop(1);
    }
    is_guard
}

/// Whether the value is a guard, or the globals themselves.
pub(crate) fn is_protected(stack: Stack, at: i32) -> bool {
    let is_guard = push_real(stack, at);
    if is_guard {
        stack.pop(1);
    }
    is_guard || stack.is_same(at, Stack::GLOBALS)
}

/// Refuses to change the argument at `at` if it is protected.
pub(crate) fn check_writable(stack: Stack, at: i32) -> Result<(), Raise> {
    if is_protected(stack, at) {
        Err(Raise::Plain(READONLY.into()))
    } else {
        Ok(())
    }
}

/// `getmetatable(value)`.
pub fn getmetatable(f: Frame<'_>) -> ReturnCount {
    match f.kind(1) {
        LuaType::None => return Err(Raise::Argument(1, "value expected".into())),
        LuaType::String => {
            f.get_field(Stack::REGISTRY, STRINGS);
            return Ok(1);
        }
        _ => {}
    }
    if !f.metatable(1) {
        f.push_nil();
        return Ok(1);
    }
    let is_guard = f.get_field(-1, REAL) == LuaType::Table;
    f.pop(1);
    let shown = f.get_field(-1, SHOWN);
    if shown == LuaType::Nil && !is_guard {
        f.pop(1);
    }
    Ok(1)
}

/// `setmetatable(table, metatable or nil)`.
pub fn setmetatable(f: Frame<'_>) -> ReturnCount {
    f.table_argument(1)?;
    if !matches!(f.kind(2), LuaType::Nil | LuaType::Table) {
        return Err(Raise::Argument(2, "nil or table expected".into()));
    }
    check_writable(f.stack, 1)?;
    if f.metatable(1) {
        let is_locked = f.get_field(-1, SHOWN) != LuaType::Nil;
        f.pop(2);
        if is_locked {
            return Err(Raise::text("cannot change a protected metatable"));
        }
    }
    f.set_top(2);
    f.set_metatable(1);
    Ok(1)
}
