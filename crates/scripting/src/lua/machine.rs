//! The Rust side of a Lua state: memory, the host, the depth of calls, and the settings and buffers
//! of its libraries.
//!
//! A state's allocator has its machine as data, so every function of ours finds it
//! ([`machine_of`]), also from a coroutine.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_void};
use std::ptr::{self, NonNull};

use mlua_sys as ffi;

use super::memory::Memory;
use crate::debugger::session::Session;
use crate::functions::Registration;
use crate::host::Host;
use crate::stdlib::cjson::Config as JsonConfig;
use russet_config::Dialect;

/// The Rust side of a Lua state, reachable from it.
pub struct Machine {
    pub(super) memory: Memory,
    /// Current depth of calls from native code back into Lua, see [`Machine::deeper`].
    depth: Cell<u32>,
    pub(super) state: Cell<*mut ffi::lua_State>,
    /// The host that the running script calls.
    pub(super) host: Cell<Option<NonNull<dyn Host>>>,
    /// The script must stop: whatever it catches, the error is raised again.
    pub killed: Cell<bool>,
    /// A buffer for joining strings.
    pub scratch: RefCell<Vec<u8>>,
    /// Spans of the arguments in `scratch`.
    pub spans: RefCell<Vec<russet_resp::Span>>,
    /// The state of `math.random` plus one; 0: not seeded yet.
    pub random: Cell<u64>,
    /// Settings of `cjson`.
    pub json: Cell<JsonConfig>,
    /// The chunk name of its code.
    pub chunk: Cell<&'static CStr>,
    pub dialect: Cell<Dialect>,
    /// The session of SCRIPT DEBUG.
    pub debug: Session,
    /// Functions registered by the library that is loading.
    pub(crate) registering: RefCell<Option<Registration>>,
}

impl Machine {
    /// Of a state that holds at most `limit` bytes; the state is set when it is made.
    pub(super) fn new(limit: usize) -> Machine {
        Machine {
            memory: Memory::new(limit),
            depth: Cell::new(0),
            state: Cell::new(ptr::null_mut()),
            host: Cell::new(None),
            killed: Cell::new(false),
            dialect: Cell::default(),
            debug: Session::default(),
            scratch: RefCell::default(),
            spans: RefCell::default(),
            chunk: Cell::new(c"=?"),
            random: Cell::new(0),
            json: Cell::default(),
            registering: RefCell::new(None),
        }
    }

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
    pub(super) fn deeper<T>(&self, run: impl FnOnce() -> T) -> Option<T> {
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
    pub(crate) fn was_refused(&self) -> bool {
        self.memory.refused.take()
    }

    /// Whether it is time to collect, before the limit is reached.
    pub(crate) fn is_half_full(&self) -> bool {
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
pub(super) const TOO_DEEP: &[u8] = b"C stack overflow";

/// The machine that a state belongs to.
///
/// # Safety
///
/// `state` is a live state that [`Lua::new`](super::Lua::new) made, or a coroutine of such a state.
#[inline]
pub(super) unsafe fn machine_of<'m>(state: *mut ffi::lua_State) -> &'m Machine {
    let mut data: *mut c_void = ptr::null_mut();
    // SAFETY: a live state; every state has our allocator with its machine.
    unsafe {
        ffi::lua_getallocf(state, &mut data);
        &*data.cast::<Machine>()
    }
}
