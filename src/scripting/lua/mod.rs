//! All access to LuaJIT: a state, its stack, our functions that Lua calls.
//!
//!     Lua code --> enter::<F> (C) --> F (Rust: returns a count or a Raise) --> lua_error here
//!
//! Invariants
//!   1. LuaJIT raises errors as `longjmp` does (`LUAJIT_NO_UNWIND`): nothing on the frames
//!      between the raise and the call that catches it is dropped. So a function of ours runs
//!      to its end and *returns* its error; [`enter`] raises it as its last act, when nothing
//!      with a destructor is left.
//!   2. While a function of ours runs, the allocator never refuses, so that no push raises
//!      ([`Memory::strict`]). The limit is checked when the function returns.
//!   3. Our functions use no call that may run Lua code or a metamethod, except
//!      [`Stack::protected_call`].
//!   4. Bytes returned by [`Stack::bytes`] are valid while their value stays on the stack.
//!
//! Cost: a call of ours from Lua and back is about 20 ns, without an allocation.
#![allow(unsafe_code)]

mod coroutine;
mod hook;
mod memory;
mod stack;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_void};
use std::ptr::{self, NonNull};

use mlua_sys as ffi;

pub use coroutine::Status;
pub use hook::{Watched, watch};
use memory::Memory;
pub use stack::{CodePlace, Library, LuaType, Stack, truncated};

use super::host::Host;
use crate::config::Dialect;

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
pub type Returned = Result<c_int, Raise>;

/// The context of a call of our function: its arguments are the stack's values from 1 on.
#[derive(Clone, Copy)]
pub struct Frame<'m> {
    pub stack: Stack,
    pub machine: &'m Machine,
}

impl Frame<'_> {
    /// Whether the script must stop; long work checks this now and then. The host serves others
    /// meanwhile.
    pub fn is_stopped(&self) -> bool {
        hook::is_stopped(self.machine)
    }
}

impl std::ops::Deref for Frame<'_> {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

/// The Rust side of a Lua state, reachable from it.
pub struct Machine {
    memory: Memory,
    /// Current depth of calls from native code back into Lua, see [`Machine::deeper`].
    depth: Cell<u32>,
    state: Cell<*mut ffi::lua_State>,
    /// The host that the running script calls.
    host: Cell<Option<NonNull<dyn Host>>>,
    /// The script must stop: whatever it catches, the error is raised again.
    pub killed: Cell<bool>,
    /// A buffer for joining strings.
    pub scratch: RefCell<Vec<u8>>,
    /// Spans of the arguments in `scratch`.
    pub spans: RefCell<Vec<crate::resp::Span>>,
    /// The state of `math.random` plus one; 0: not seeded yet.
    pub random: Cell<u64>,
    /// Settings of `cjson`.
    pub json: Cell<super::stdlib::cjson::Config>,
    /// The chunk name of its code.
    pub chunk: Cell<&'static CStr>,
    pub dialect: Cell<Dialect>,
    /// Functions registered by the library that is loading.
    pub registering: RefCell<Option<super::Registering>>,
}

/// A Lua state. Dropping it frees everything.
pub struct Lua {
    machine: Box<Machine>,
}

// SAFETY: only this value refers to the state and its machine while no script runs in it,
// and neither depends on the thread that uses it.
unsafe impl Send for Lua {}

impl Lua {
    /// An empty state; it holds at most `limit` bytes.
    pub fn new(limit: usize) -> Lua {
        let machine = Box::new(Machine {
            memory: Memory::new(limit),
            depth: Cell::new(0),
            state: Cell::new(ptr::null_mut()),
            host: Cell::new(None),
            killed: Cell::new(false),
            dialect: Cell::default(),
            scratch: RefCell::default(),
            spans: RefCell::default(),
            chunk: Cell::new(c"=?"),
            random: Cell::new(0),
            json: Cell::default(),
            registering: RefCell::new(None),
        });
        let data = ptr::from_ref::<Machine>(&machine).cast_mut().cast();
        // SAFETY: `data` is boxed: its address is stable until the state is closed.
        let state = unsafe { ffi::lua_newstate(memory::allocate, data) };
        assert!(!state.is_null(), "memory for a Lua state");
        machine.state.set(state);
        Lua { machine }
    }

    /// Its main stack.
    pub fn stack(&self) -> Stack {
        Stack::new(self.machine.state.get())
    }

    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// A handle to run scripts with while this value is borrowed elsewhere.
    pub fn handle(&self) -> Handle {
        Handle(NonNull::from(&*self.machine))
    }
}

impl Drop for Lua {
    fn drop(&mut self) {
        hook::disarm(&self.machine);
        // SAFETY: the state is no longer in use; a running script keeps its `Lua` alive.
        unsafe { ffi::lua_close(self.machine.state.get()) }
    }
}

/// A reference to a Lua state that must outlive it.
#[derive(Clone, Copy)]
pub struct Handle(NonNull<Machine>);

impl Handle {
    /// # Safety
    ///
    /// The `Lua` of this handle is alive until `'m` ends.
    unsafe fn machine<'m>(self) -> &'m Machine {
        // SAFETY: as the caller says.
        unsafe { self.0.as_ref() }
    }

    /// Runs `run` with `host` as the target of the scripts' calls.
    ///
    /// The state must not be dropped meanwhile: its owner, `Scripts`, prevents that.
    pub fn with_host<T>(self, host: &mut dyn Host, run: impl FnOnce(&Machine, Stack) -> T) -> T {
        // SAFETY: the caller keeps the state alive, see above.
        let machine = unsafe { self.machine() };
        let host = NonNull::from(host);
        // SAFETY: only the lifetime changes; the pointer is removed before `host` ends.
        let host: NonNull<dyn Host> = unsafe { std::mem::transmute(host) };
        let outer = machine.host.replace(Some(host));
        machine.killed.set(false);
        let result = run(machine, Stack::new(machine.state.get()));
        machine.host.set(outer);
        result
    }
}

impl Handle {
    /// Works on the stack while no script runs; otherwise like [`Handle::with_host`].
    pub fn with<T>(self, work: impl FnOnce(&Machine, Stack) -> T) -> T {
        // SAFETY: as above.
        let machine = unsafe { self.machine() };
        work(machine, Stack::new(machine.state.get()))
    }
}

impl Machine {
    /// Bytes the state holds.
    pub fn used(&self) -> usize {
        self.memory.used()
    }

    /// The same as the allocator counts them, by which used memory grows.
    pub fn allocated(&self) -> usize {
        self.memory.allocated()
    }

    pub fn set_limit(&self, bytes: usize) {
        self.memory.set_limit(bytes);
    }

    /// The maximum bytes the state may hold.
    pub fn limit(&self) -> usize {
        self.memory.limit()
    }

    /// Bytes left until the limit.
    pub fn room(&self) -> usize {
        self.memory.room()
    }

    /// Runs Lua code from native code: `run` catches whatever it raises. `None`: such calls are
    /// nested too deep, and `run` was not called.
    ///
    /// Each of them uses some of the thread's stack, so one limit bounds all of them: `pcall`,
    /// `xpcall` and its handler, coroutines, comparisons of `sort`, callbacks of `gsub`, readers of
    /// `load`. Metamethods that LuaJIT's interpreter calls use none, and it has no `__gc` that a
    /// script could set.
    #[inline]
    fn deeper<T>(&self, run: impl FnOnce() -> T) -> Option<T> {
        let depth = self.depth.get();
        if depth >= CALLS_MAX {
            return None;
        }
        self.depth.set(depth + 1);
        let outer = self.memory.strict.replace(true);
        let result = run();
        self.memory.strict.set(outer);
        self.depth.set(depth);
        Some(result)
    }

    /// Whether a value was too long to be pushed; reported once.
    pub fn was_refused(&self) -> bool {
        self.memory.refused.take()
    }

    /// Whether it is time to collect, before the limit is reached.
    pub fn is_half_full(&self) -> bool {
        self.memory.is_half_full()
    }

    /// Calls the host; `None` if no script runs, or within such a call.
    pub fn ask<T>(&self, question: impl FnOnce(&mut dyn Host) -> T) -> Option<T> {
        let mut host = self.host.take()?;
        // SAFETY: `with_host` borrows it, and `take` makes this the only reference.
        let answer = question(unsafe { host.as_mut() });
        self.host.set(Some(host));
        Some(answer)
    }
}

/// Maximum nesting of native calls back into Lua, as in Lua 5.1: each uses some thread stack.
const CALLS_MAX: u32 = 195;
/// The error of a call beyond that.
const TOO_DEEP: &[u8] = b"C stack overflow";

/// A function of ours: a function item, which has no size.
pub trait Function: Fn(Frame<'_>) -> Returned + Copy + 'static {}

impl<F: Fn(Frame<'_>) -> Returned + Copy + 'static> Function for F {}

/// The machine that a state belongs to.
///
/// # Safety
///
/// `state` is a live state that [`Lua::new`] made, or a coroutine of one.
#[inline]
unsafe fn machine_of<'m>(state: *mut ffi::lua_State) -> &'m Machine {
    let mut data: *mut c_void = ptr::null_mut();
    // SAFETY: a live state; every state has our allocator with its machine.
    unsafe {
        ffi::lua_getallocf(state, &mut data);
        &*data.cast::<Machine>()
    }
}

/// The C entry point of the function `F`.
unsafe extern "C-unwind" fn enter<F: Function>(state: *mut ffi::lua_State) -> c_int {
    const { assert!(size_of::<F>() == 0, "a function's name, not a closure") };
    // SAFETY: Lua calls this with a live state.
    let machine = unsafe { machine_of(state) };
    // SAFETY: `F` is zero-sized and `Copy`, so any dangling pointer is a valid value of it;
    // `push_function` was given one.
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
