//! Our functions that Lua calls: the frame of a call, how it ends, and the C entry point.
//!
//! A function runs to its end and returns its error, which [`enter`] raises (invariant 1 of `lua`);
//! the allocator refuses nothing meanwhile (invariant 2).

use std::borrow::Cow;
use std::ffi::c_int;
use std::ptr::NonNull;

use mlua_sys as ffi;

use super::hook;
use super::machine::{Machine, machine_of};
use super::stack::Stack;

/// How a function of ours ends if it does not return values.
pub enum Raise {
    /// A text, prefixed with the place of the caller in the script.
    Text(Cow<'static, str>),
    /// The same for arbitrary bytes.
    Bytes(Vec<u8>),
    /// A text without a prefix.
    Plain(Cow<'static, str>),
    /// This argument is invalid, with the reason.
    Argument(c_int, Cow<'static, str>),
    /// The value on top of the stack.
    Top,
}

impl Raise {
    pub fn text(text: impl Into<Cow<'static, str>>) -> Raise {
        Raise::Text(text.into())
    }
}

/// The number of values on top of the stack that a function returns.
pub type ReturnCount = Result<c_int, Raise>;

/// The context of a call of our function: its arguments are the stack's values from 1 on.
#[derive(Clone, Copy)]
pub struct Frame<'m> {
    pub stack: Stack,
    pub machine: &'m Machine,
}

impl Frame<'_> {
    /// Whether the script must stop; long work checks this now and then. The host serves others
    /// meanwhile.
    pub(crate) fn is_stopped(&self) -> bool {
        hook::is_stopped(self.machine)
    }
}

impl std::ops::Deref for Frame<'_> {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

/// A function of ours: a function item, which has no size.
pub trait Function: Fn(Frame<'_>) -> ReturnCount + Copy + 'static {}

impl<F: Fn(Frame<'_>) -> ReturnCount + Copy + 'static> Function for F {}

/// The C entry point of the function `F`.
pub(super) unsafe extern "C-unwind" fn enter<F: Function>(state: *mut ffi::lua_State) -> c_int {
    const { assert!(size_of::<F>() == 0, "a function's name, not a closure") };
    // SAFETY: Lua calls this with a live state.
    let machine = unsafe { machine_of(state) };
    // SAFETY: `F` is zero-sized and `Copy`, so any dangling pointer is a valid value of it;
    // `push_function` was given an `F`.
    let function = unsafe { NonNull::<F>::dangling().as_ref() };
    let stack = Stack::new(state);
    machine.memory.strict.set(false);
    let returned = function(Frame { stack, machine });
    let count = match returned {
        Ok(count) if !machine.memory.is_over() => {
            machine.memory.strict.set(true);
            return count;
        }
        // Stops with a fixed message, so that nothing is allocated.
        Ok(_) => {
            stack.push_bytes(b"not enough memory");
            0
        }
        Err(raise) => stack.push_raise(raise),
    };
    machine.memory.strict.set(true);
    // SAFETY: nothing with a destructor is left on this frame (invariant 1).
    unsafe {
        if count > 0 {
            return ffi::luaL_argerror(state, count, ffi::lua_tostring(state, -1));
        }
        ffi::lua_error(state)
    }
}
