//! Coroutines: each is a stack of its own in the same state.
//!
//! LuaJIT's own `resume` enters its interpreter anew, on the thread's stack, without a limit, so
//! coroutines that resume each other could overflow that stack. Ours counts as a level of the
//! depth shared by all calls back from native code (`Machine::deeper`).

use std::ptr;

use mlua_sys as ffi;

use super::machine::{TOO_DEEP, machine_of};
use super::stack::Stack;

/// The status of a coroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Suspended,
    /// The coroutine that asks.
    Running,
    /// The coroutine has resumed another coroutine.
    Normal,
    Dead,
}

impl Status {
    /// The name in Lua's messages.
    pub fn name(self) -> &'static str {
        match self {
            Status::Suspended => "suspended",
            Status::Running => "running",
            Status::Normal => "normal",
            Status::Dead => "dead",
        }
    }
}

// SAFETY, for all blocks below: as for `Stack`; a coroutine lives while its value is on a stack
// or an upvalue of the running function.
impl Stack {
    /// Pops the function on top and pushes a coroutine that runs it.
    pub(crate) fn push_coroutine(&self) {
        // SAFETY: see above; the new stack has room for a value.
        unsafe {
            let coroutine = ffi::lua_newthread(self.state);
            self.insert(-2);
            ffi::lua_xmove(self.state, coroutine, 1);
        }
    }

    /// The stack of the coroutine at `at`.
    pub fn coroutine(&self, at: std::ffi::c_int) -> Option<Stack> {
        // SAFETY: see above.
        let state = unsafe { ffi::lua_tothread(self.state, at) };
        (!state.is_null()).then(|| Stack::new(state))
    }

    /// The status of `coroutine`, as seen from the running coroutine.
    pub fn status_of(&self, coroutine: Stack) -> Status {
        if ptr::eq(coroutine.state, self.state) {
            return Status::Running;
        }
        // SAFETY: see above; the record is only used to check whether there is a level.
        let (status, has_level) = unsafe {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            let status = ffi::lua_status(coroutine.state);
            let level = ffi::lua_getstack(coroutine.state, 0, &mut record);
            (status, level > 0)
        };
        match status {
            ffi::LUA_YIELD => Status::Suspended,
            ffi::LUA_OK if has_level => Status::Normal,
            ffi::LUA_OK if coroutine.top() > 0 => Status::Suspended,
            _ => Status::Dead,
        }
    }

    /// Moves the topmost `n` values to another stack of the same state, which has room.
    pub(crate) fn move_values(&self, to: Stack, n: std::ffi::c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_xmove(self.state, to.state, n) }
    }

    /// Resumes a suspended coroutine, with `args` arguments on its stack, until it yields, ends or
    /// fails. Then the stack holds the values or (`false`) the error.
    pub fn resume(&self, coroutine: Stack, args: std::ffi::c_int) -> bool {
        // SAFETY: Lua calls us with a live state.
        let machine = unsafe { machine_of(self.state) };
        let resumed = machine.deeper(|| {
            // SAFETY: see above; errors that Lua raises are caught here.
            unsafe { ffi::lua_resume_(coroutine.state, args) }
        });
        match resumed {
            Some(status) => matches!(status, ffi::LUA_OK | ffi::LUA_YIELD),
            None => {
                coroutine.push_bytes(TOO_DEEP);
                false
            }
        }
    }
}
