//! The debugger's side of LuaJIT: the hook of lines, and the call stack with its local variables.
//!
//! While a hook runs LuaJIT calls no other, so code that the debugger runs inside of a hook could
//! not be stopped. [`wake_hooks`] ends that state: the error of a coroutine does.

use std::ffi::{CStr, c_int};
use std::ptr::NonNull;

use mlua_sys as ffi;

use super::function::{Frame, Raise, ReturnCount};
use super::hook::set;
use super::machine::{Machine, machine_of};
use super::stack::Stack;

/// Instructions between two looks at the clock.
const INSTRUCTIONS: c_int = 100_000;

/// A level of the call stack.
pub struct CallLevel {
    /// The name that the caller has for the function.
    pub name: Option<Vec<u8>>,
    /// The line, if the function is of the script.
    pub line: Option<usize>,
}

/// Called before a line (`None`: of other code than the script), or (`true`) after many
/// instructions: a function item, which has no size. `false`: it has pushed the error with which
/// the script must end.
pub trait AtLine: Fn(Frame<'_>, Option<usize>, bool) -> bool + Copy + 'static {}

impl<F: Fn(Frame<'_>, Option<usize>, bool) -> bool + Copy + 'static> AtLine for F {}

/// Has `at_line` called from now on.
pub fn set_line_hook<F: AtLine>(machine: &Machine, _: F) {
    // SAFETY: a live state.
    unsafe {
        set(
            machine.state.get(),
            Some(line_hook::<F>),
            MASK,
            INSTRUCTIONS,
        )
    };
}

const MASK: c_int = ffi::LUA_MASKLINE | ffi::LUA_MASKCOUNT;

/// Has LuaJIT call hooks again although a hook is running.
pub fn wake_hooks(f: Frame<'_>) {
    fn fail(_: Frame<'_>) -> ReturnCount {
        Err(Raise::Plain("".into()))
    }
    f.stack.push_function(fail);
    f.stack.push_coroutine();
    if let Some(coroutine) = f.stack.coroutine(-1) {
        f.stack.resume(coroutine, 0);
    }
    f.stack.pop(1);
}

unsafe extern "C-unwind" fn line_hook<F: AtLine>(
    state: *mut ffi::lua_State,
    record: *mut ffi::lua_Debug,
) {
    const { assert!(size_of::<F>() == 0, "a function's name, not a closure") };
    // SAFETY: Lua calls this with a live state and its record, of the running function.
    let (machine, is_count, line) = unsafe {
        ffi::lua_getinfo(state, c"Sl".as_ptr(), record);
        let is_count = (*record).event == ffi::LUA_HOOKCOUNT;
        (machine_of(state), is_count, line_of_script(&*record))
    };
    // SAFETY: `F` is zero-sized and `Copy`, so any dangling pointer is a valid value of it;
    // `set_line_hook` was given an `F`.
    let at_line = unsafe { NonNull::<F>::dangling().as_ref() };
    machine.memory.strict.set(false);
    let stack = Stack::new(state);
    let goes_on = at_line(Frame { stack, machine }, line, is_count);
    machine.memory.strict.set(true);
    if !goes_on {
        // SAFETY: nothing with a destructor is left. The hook fires at every further instruction,
        // so the script gains nothing by catching the error.
        unsafe {
            set(state, Some(line_hook::<F>), MASK, 1);
            ffi::lua_error(state);
        }
    }
}

/// The current line, if the function is of the script.
///
/// # Safety
///
/// Source and line of the record have been filled.
unsafe fn line_of_script(record: &ffi::lua_Debug) -> Option<usize> {
    // SAFETY: as the caller says.
    let source = unsafe { CStr::from_ptr(record.source) };
    let line = usize::try_from(record.currentline).ok()?;
    (source == c"@user_script").then_some(line)
}

// SAFETY, for all blocks below: as for `Stack`.
impl Stack {
    /// Level `level` of the call stack: 0 is the running function.
    pub(crate) fn called(&self, level: c_int) -> Option<CallLevel> {
        // SAFETY: see above; the calls fill the record.
        unsafe {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.state, level, &mut record) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.state, c"nSl".as_ptr(), &mut record);
            let name = (!record.name.is_null()).then(|| CStr::from_ptr(record.name));
            Some(CallLevel {
                name: name.map(|name| name.to_bytes().to_vec()),
                line: line_of_script(&record),
            })
        }
    }

    /// Pushes local variable `number`, from 1, of a level, and returns its name.
    pub(crate) fn push_local(&self, level: c_int, number: c_int) -> Option<Vec<u8>> {
        // SAFETY: see above; the level's record is filled before it is used, and a name belongs to
        // a prototype on the stack.
        unsafe {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.state, level, &mut record) == 0 {
                return None;
            }
            let name = ffi::lua_getlocal(self.state, &record, number);
            (!name.is_null()).then(|| CStr::from_ptr(name).to_bytes().to_vec())
        }
    }

    /// The address of a function, a table, a thread or userdata; 0 for other values.
    pub(crate) fn pointer(&self, at: c_int) -> usize {
        // SAFETY: see above.
        unsafe { ffi::lua_topointer(self.state, at) as usize }
    }
}
