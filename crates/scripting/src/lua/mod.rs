//! All access to LuaJIT: a state, its stack, our functions that Lua calls.
//!
//!     Lua code --> enter::<F> (C) --> F (Rust: returns a count or a Raise) --> lua_error here
//!
//! Invariants
//!   1. LuaJIT raises errors as `longjmp` does (`LUAJIT_NO_UNWIND`): nothing on the frames
//!      between the raise and the call that catches it is dropped. So a function of ours runs
//!      to its end and *returns* its error; [`function::enter`] raises it as its last act, when
//!      nothing with a destructor is left.
//!   2. While a function of ours runs, the allocator never refuses, so that no push raises
//!      ([`memory::Memory::strict`]). The limit is checked when the function returns.
//!   3. Our functions use no call that may run Lua code or a metamethod, except
//!      [`Stack::protected_call`].
//!   4. Bytes returned by [`Stack::bytes`] are valid while their value stays on the stack.
//!
//! Cost: a call of ours from Lua and back is about 20 ns, without an allocation.
#![allow(unsafe_code)]

mod coroutine;
mod debug;
mod function;
mod hook;
mod machine;
mod memory;
mod stack;

use std::ptr::{self, NonNull};

use mlua_sys as ffi;

pub use coroutine::Status;
pub use debug::{set_line_hook, wake_hooks};
pub use function::{Frame, Raise, ReturnCount};
pub use hook::{WatchGuard, disarm, watch};
pub use machine::Machine;
pub(crate) use stack::{CodePlace, LuaType, Stack};
pub use stack::{Library, truncated};

use super::host::Host;

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
        let machine = Box::new(Machine::new(limit));
        let data = ptr::from_ref::<Machine>(&machine).cast_mut().cast();
        // SAFETY: `data` is boxed: its address is stable until the state is closed.
        let state = unsafe { ffi::lua_newstate(memory::allocate, data) };
        assert!(!state.is_null(), "memory for a Lua state");
        machine.state.set(state);
        Lua { machine }
    }

    /// The main stack.
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
    pub(crate) fn with_host<T>(
        self,
        host: &mut dyn Host,
        run: impl FnOnce(&Machine, Stack) -> T,
    ) -> T {
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
