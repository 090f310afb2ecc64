//! `create`, `wrap` and `resume` of `coroutine` as in Lua 5.1: LuaJIT's own `resume` and `wrap` do
//! not limit how deep coroutines nest. The other functions are LuaJIT's.

use super::super::lua::{Frame, LuaType, Raise, ReturnCount, Stack, Status};

/// Replaces these functions in the table on top.
pub fn install(stack: Stack) {
    stack.set_function(-1, "create", create);
    stack.set_function(-1, "wrap", wrap);
    stack.set_function(-1, "resume", resume);
}

/// `coroutine.create(function)`.
fn create(f: Frame<'_>) -> ReturnCount {
    if f.kind(1) != LuaType::Function || f.is_native(1) {
        return Err(Raise::Argument(1, "Lua function expected".into()));
    }
    f.push_value(1);
    f.push_coroutine();
    Ok(1)
}

/// `coroutine.wrap(function)`: a function that resumes the coroutine and raises its errors.
fn wrap(f: Frame<'_>) -> ReturnCount {
    create(f)?;
    f.push_closure(resume_wrapped, 1);
    Ok(1)
}

/// `coroutine.resume(coroutine, ...)`: true and the values it yields or returns, or false and the
/// error.
fn resume(f: Frame<'_>) -> ReturnCount {
    let Some(coroutine) = f.coroutine(1) else {
        return Err(Raise::Argument(1, "coroutine expected".into()));
    };
    match advance(f, coroutine, f.top() - 1) {
        Ok(count) => {
            f.push_boolean(true);
            f.insert(-count - 1);
            Ok(count + 1)
        }
        // The stop of a script must not be caught.
        Err(raise) if f.machine.killed.get() => Err(raise),
        Err(_) => {
            f.push_boolean(false);
            f.insert(-2);
            Ok(2)
        }
    }
}

fn resume_wrapped(f: Frame<'_>) -> ReturnCount {
    let coroutine = f.coroutine(Stack::upvalue(1)).expect("a coroutine");
    advance(f, coroutine, f.top()).map_err(|raise| match f.kind(-1) {
        LuaType::String | LuaType::Number if !f.machine.killed.get() => {
            Raise::Bytes(f.bytes(-1).expect("a string").to_vec())
        }
        _ => raise,
    })
}

/// Resumes a coroutine with the topmost `args` values; pushes its values and returns their count,
/// or pushes the error.
fn advance(f: Frame<'_>, coroutine: Stack, args: i32) -> ReturnCount {
    let failed = |text: String| {
        f.push_bytes(text.as_bytes());
        Err(Raise::Top)
    };
    let status = f.status_of(coroutine);
    if status != Status::Suspended {
        return failed(format!("cannot resume {} coroutine", status.name()));
    }
    if !coroutine.has_room(args + 1) {
        return Err(Raise::text("too many arguments to resume"));
    }
    f.move_values(coroutine, args);
    if !f.resume(coroutine, args) {
        coroutine.move_values(f.stack, 1);
        return Err(Raise::Top);
    }
    let count = coroutine.top();
    if !f.has_room(count + 1) {
        coroutine.set_top(0);
        return Err(Raise::text("too many results to resume"));
    }
    coroutine.move_values(f.stack, count);
    Ok(count)
}
