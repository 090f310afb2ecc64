//! Tables that scripts can read and not change; see `sandbox`.

use super::lua::{Frame, Kind, Raise, Returned, Stack};
use super::sandbox::no_such_global;

/// The metatable's field that has the real table.
const REAL: &str = "__real";
/// The metatable's field with what `getmetatable` shows of it.
const SHOWN: &str = "__metatable";
/// The registry's fields for the globals' guard and for what strings show.
const GLOBALS: &str = "russet.globals";
const STRINGS: &str = "russet.strings";

/// What everybody gets who would change such a table.
pub const READONLY: &str = "Attempt to modify a readonly table";

/// Replaces the table on top by a guard of it.
pub fn protect(stack: Stack) {
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

/// The globals: `_G` becomes a guard, and a name that there is not is refused.
pub fn protect_globals(stack: Stack) {
    stack.push_value(Stack::GLOBALS);
    protect(stack);
    // It shows a metatable, as Redis's globals do.
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

/// As [`protect`], but a name that the table on top has not is refused as a global is.
pub fn protect_strictly(stack: Stack) {
    stack.push_table(0, 1);
    stack.set_function(-1, "__index", no_such_global);
    stack.set_metatable(-2);
    protect(stack);
}

/// Pushes the guard of the globals.
pub fn push_globals(stack: Stack) {
    stack.get_field(Stack::REGISTRY, GLOBALS);
}

/// Keeps the guard on top, which is taken, as what `getmetatable` shows of strings.
pub fn show_metatable_of_strings(stack: Stack) {
    stack.set_field(Stack::REGISTRY, STRINGS);
}

fn refuse(_: Frame<'_>) -> Returned {
    Err(Raise::text(READONLY))
}

/// Pushes the table behind the guard at `at`; `false`: it is none, and nothing is pushed.
pub fn push_real(stack: Stack, at: i32) -> bool {
    if stack.kind(at) != Kind::Table || !stack.metatable(at) {
        return false;
    }
    let is_guard = stack.get_field(-1, REAL) == Kind::Table;
    stack.remove(-2);
    if !is_guard {
        stack.pop(1);
    }
    is_guard
}

/// Whether the value is a guard, or the globals themselves.
pub fn is_protected(stack: Stack, at: i32) -> bool {
    let is_guard = push_real(stack, at);
    if is_guard {
        stack.pop(1);
    }
    is_guard || stack.is_same(at, Stack::GLOBALS)
}

/// The refusal of a change of the argument at `at`, if it is protected.
pub fn check_writable(stack: Stack, at: i32) -> Result<(), Raise> {
    match is_protected(stack, at) {
        true => Err(Raise::Plain(READONLY.into())),
        false => Ok(()),
    }
}

/// `getmetatable(value)`.
pub fn getmetatable(f: Frame<'_>) -> Returned {
    match f.kind(1) {
        Kind::None => return Err(Raise::Argument(1, "value expected".into())),
        Kind::String => {
            f.get_field(Stack::REGISTRY, STRINGS);
            return Ok(1);
        }
        _ => {}
    }
    if !f.metatable(1) {
        f.push_nil();
        return Ok(1);
    }
    let is_guard = f.get_field(-1, REAL) == Kind::Table;
    f.pop(1);
    let shown = f.get_field(-1, SHOWN);
    if shown == Kind::Nil && !is_guard {
        f.pop(1);
    }
    Ok(1)
}

/// `setmetatable(table, metatable or nil)`.
pub fn setmetatable(f: Frame<'_>) -> Returned {
    f.table_argument(1)?;
    if !matches!(f.kind(2), Kind::Nil | Kind::Table) {
        return Err(Raise::Argument(2, "nil or table expected".into()));
    }
    check_writable(f.stack, 1)?;
    if f.metatable(1) {
        let is_locked = f.get_field(-1, SHOWN) != Kind::Nil;
        f.pop(2);
        if is_locked {
            return Err(Raise::text("cannot change a protected metatable"));
        }
    }
    f.set_top(2);
    f.set_metatable(1);
    Ok(1)
}
