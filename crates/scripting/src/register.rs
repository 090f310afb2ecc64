//! `redis.register_function`: a library declares its functions while it loads.
//!
//!     register_function(name, callback)
//!     register_function{function_name=, callback=, flags=, description=}
//!
//! Invariant: a function is either in `Registration` with its reference to the callback, or the
//! reference has been released. Outside of a load there is no `Registration`, and the call is an
//! error. Names are unique within the library, whatever other libraries have: `libraries` checks
//! the other libraries. Redis checks a name here, Valkey after the load.

use super::errors::raised;
use super::flags::Flags;
use super::functions::{CompiledFunction, RegisteredFunction};
use super::lua::{Frame, LuaType, ReturnCount};

/// The parsed arguments.
#[derive(Default)]
struct RegisterArguments {
    name: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    function: Option<CompiledFunction>,
    flags: Flags,
}

/// `redis.register_function(name, callback)` or `redis.register_function{function_name=...,
/// callback=..., flags={...}, description=...}`.
pub fn register_function(f: Frame<'_>) -> ReturnCount {
    if f.machine.registering.borrow().is_none() {
        const LATE: &str = "redis.register_function can only be called on FUNCTION LOAD command";
        return Err(raised(f, LATE));
    }
    let mut given = RegisterArguments::default();
    let read = match f.top() {
        1 => named(f, &mut given),
        2 => positional(f, &mut given),
        _ => Err("wrong number of arguments to redis.register_function"),
    };
    let added = read.and_then(|()| add(f, &mut given));
    match added {
        Ok(()) => Ok(0),
        Err(text) => {
            if let Some(function) = given.function {
                f.release(function.0);
            }
            Err(raised(f, text))
        }
    }
}

fn add(f: Frame<'_>, given: &mut RegisterArguments) -> Result<(), &'static str> {
    let Some(name) = given.name.take() else {
        return Err("redis.register_function must get a function name argument");
    };
    let Some(function) = given.function else {
        return Err("redis.register_function must get a callback argument");
    };
    let is_checked = !f.machine.dialect.get().checks_names_later();
    if is_checked && !is_name(&name) {
        return Err(BAD_NAME);
    }
    let mut registering = f.machine.registering.borrow_mut();
    let all = registering.get_or_insert_default();
    if all.has(&name) {
        return Err("Function already exists in the library");
    }
    all.add(RegisteredFunction {
        name,
        description: given.description.take(),
        flags: given.flags,
        function,
    });
    Ok(())
}

/// The error for an invalid name of a library or function.
pub const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) \
                            and must be at least one character long";

/// Whether this is a valid name of a library or function.
pub fn is_name(name: &[u8]) -> bool {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    !name.is_empty() && name.iter().all(fits)
}

fn positional(f: Frame<'_>, given: &mut RegisterArguments) -> Result<(), &'static str> {
    given.name = f.bytes(1).map(<[u8]>::to_vec);
    if given.name.is_none() {
        return Err("first argument to redis.register_function must be a string");
    }
    if f.kind(2) != LuaType::Function {
        return Err("second argument to redis.register_function must be a function");
    }
    given.function = Some(CompiledFunction(f.keep()));
    Ok(())
}

fn named(f: Frame<'_>, given: &mut RegisterArguments) -> Result<(), &'static str> {
    if f.kind(1) != LuaType::Table {
        return Err(
            "calling redis.register_function with a single argument is only applicable to Lua \
             table (representing named arguments).",
        );
    }
    f.push_nil();
    while f.next(1) {
        if !matches!(f.kind(-2), LuaType::String | LuaType::Number) {
            return Err("named argument key given to redis.register_function is not a string");
        }
        // Convert a copy: `bytes` must not change the key during the iteration.
        f.push_value(-2);
        let key = f.bytes(-1).expect("a string").to_ascii_lowercase();
        f.pop(1);
        match key.as_slice() {
            b"function_name" => {
                given.name = f.bytes(-1).map(<[u8]>::to_vec);
                if given.name.is_none() {
                    return Err(
                        "function_name argument given to redis.register_function must be a string",
                    );
                }
            }
            b"description" => {
                given.description = f.bytes(-1).map(<[u8]>::to_vec);
                if given.description.is_none() {
                    return Err(
                        "description argument given to redis.register_function must be a string",
                    );
                }
            }
            b"callback" => {
                if f.kind(-1) != LuaType::Function {
                    return Err(
                        "callback argument given to redis.register_function must be a function",
                    );
                }
                f.push_value(-1);
                given.function = Some(CompiledFunction(f.keep()));
            }
            b"flags" => {
                if f.kind(-1) != LuaType::Table {
                    return Err(
                        "flags argument to redis.register_function must be a table representing \
                         function flags",
                    );
                }
                given.flags = flags(f)?;
            }
            _ => return Err("unknown argument given to redis.register_function"),
        }
        f.pop(1);
    }
    Ok(())
}

/// The flags that the array on top names.
fn flags(f: Frame<'_>) -> Result<Flags, &'static str> {
    let mut flags = Flags::empty();
    for at in 1.. {
        f.raw_get_at(-1, at);
        if f.kind(-1) == LuaType::Nil {
            f.pop(1);
            break;
        }
        let flag = match f.kind(-1) {
            LuaType::String => Flags::named(&f.bytes(-1).expect("a string").to_ascii_lowercase()),
            _ => None,
        };
        f.pop(1);
        flags |= flag.ok_or("unknown flag given")?;
    }
    Ok(flags)
}
