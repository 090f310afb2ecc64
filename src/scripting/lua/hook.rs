//! Stopping a script from outside: a thread that watches how long it runs, and the hook that
//! it sets.
//!
//! A hook that counts instructions costs a script a quarter of its speed, and a call more each
//! time. So there is none until a script has run for a while: then the watcher sends a signal
//! to the loop's thread, whose handler sets the hook (LuaJIT allows that at any time, and one
//! hook serves all coroutines). The hook asks the host, which serves others meanwhile, and is gone
//! until the watcher's next look.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Once, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use mlua_sys as ffi;

use super::super::errors;
use super::{Machine, Stack, machine_of};

/// How often the watcher looks.
const TICK: Duration = Duration::from_millis(20);
/// Ticks without a script after which the watcher sleeps until there is one.
const IDLE_TICKS: u32 = 50;

/// The state that a script runs in; null between scripts.
static RUNNING: AtomicPtr<ffi::lua_State> = AtomicPtr::new(ptr::null_mut());
/// Counts scripts.
static SCRIPTS: AtomicU64 = AtomicU64::new(0);
static ASLEEP: AtomicBool = AtomicBool::new(true);
static WATCHER: OnceLock<Thread> = OnceLock::new();
static START: Once = Once::new();

thread_local! {
    /// The thread that scripts run on, as the watcher signals it.
    static OWNER: Cell<bool> = const { Cell::new(false) };
}

/// The signal that the watcher sends. It ends nobody by default, and nobody else sends it.
const SIGNAL: c_int = libc::SIGURG;

/// A script begins in `machine`: from now on it can be stopped, until the guard is dropped.
#[inline]
pub fn watch(machine: &Machine) -> Watched<'_> {
    START.call_once(start);
    if !OWNER.get() {
        // Tests run several loops: the newest is watched.
        OWNER.set(true);
        // SAFETY: asks for this thread's own number.
        LOOP_THREAD.store(unsafe { libc::pthread_self() } as u64, Ordering::Release);
    }
    SCRIPTS.fetch_add(1, Ordering::Relaxed);
    RUNNING.store(machine.state.get(), Ordering::Release);
    if ASLEEP.load(Ordering::Relaxed)
        && let Some(watcher) = WATCHER.get()
    {
        ASLEEP.store(false, Ordering::Relaxed);
        watcher.unpark();
    }
    Watched { machine }
}

/// See [`watch`].
pub struct Watched<'m> {
    machine: &'m Machine,
}

impl Drop for Watched<'_> {
    #[inline]
    fn drop(&mut self) {
        RUNNING.store(ptr::null_mut(), Ordering::Release);
        disarm(self.machine);
    }
}

/// Takes the hook away, if there is one.
#[inline]
pub fn disarm(machine: &Machine) {
    let state = machine.state.get();
    // SAFETY: a live state.
    unsafe {
        if ffi::lua_gethook(state).is_some() {
            ffi::lua_sethook(state, None, 0, 0);
        }
    }
}

static LOOP_THREAD: AtomicU64 = AtomicU64::new(0);

fn start() {
    // SAFETY: the handler does only what a handler may: loads an atomic and sets the hook.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(c_int) = arm;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(SIGNAL, &action, ptr::null_mut());
    }
    let thread = thread::Builder::new()
        .name("script-watcher".into())
        .spawn(look);
    match thread {
        Ok(handle) => {
            let _ = WATCHER.set(handle.thread().clone());
        }
        Err(e) => tracing::warn!("Scripts cannot be stopped, there is no thread to watch: {e}"),
    }
}

/// The watcher: a script that it meets at two looks is interrupted.
fn look() {
    let (mut last, mut idle) = (0, 0);
    loop {
        if idle >= IDLE_TICKS {
            ASLEEP.store(true, Ordering::Relaxed);
            if RUNNING.load(Ordering::Acquire).is_null() {
                thread::park();
            }
            ASLEEP.store(false, Ordering::Relaxed);
            idle = 0;
        }
        thread::sleep(TICK);
        let script = SCRIPTS.load(Ordering::Relaxed);
        if RUNNING.load(Ordering::Acquire).is_null() {
            idle += 1;
        } else if script == last {
            idle = 0;
            let thread = LOOP_THREAD.load(Ordering::Acquire);
            // SAFETY: the thread that runs scripts lives as long as the process.
            unsafe {
                libc::pthread_kill(thread as libc::pthread_t, SIGNAL);
            }
        }
        last = script;
    }
}

/// The signal's handler: the script that runs meets the hook at its next instruction.
extern "C" fn arm(_: c_int) {
    let state = RUNNING.load(Ordering::Acquire);
    if state.is_null() || !OWNER.get() {
        return;
    }
    // SAFETY: a script runs in it on this thread, so it is alive; LuaJIT lets a handler set
    // hooks. One that is there already stays. The mask is asked, not the function: LuaJIT saves
    // and restores the mask around errors, and this may fall between its read and its write,
    // which loses the mask and leaves the function.
    unsafe {
        if ffi::lua_gethookmask(state) & ffi::LUA_MASKCOUNT == 0 {
            ffi::lua_sethook(state, Some(hook), ffi::LUA_MASKCOUNT, 1);
        }
    }
}

/// Whether the script is to end, for a function of ours that takes long: hooks are for Lua's
/// code only.
#[inline]
pub(super) fn is_stopped(machine: &Machine) -> bool {
    // SAFETY: a live state.
    let is_slow = unsafe { ffi::lua_gethook(machine.state.get()).is_some() };
    if !is_slow {
        return false;
    }
    let strict = machine.memory.strict.get();
    let is_over = is_over(machine);
    machine.memory.strict.set(strict);
    if !is_over {
        disarm(machine);
    }
    is_over
}

/// Whether the script is to end; the host has been asked.
fn is_over(machine: &Machine) -> bool {
    if !machine.killed.get() {
        machine.memory.strict.set(false);
        // Inside a command nobody is asked.
        let killed = machine.ask(|host| host.interrupt()).unwrap_or(false);
        machine.memory.strict.set(true);
        machine.killed.set(killed);
    }
    machine.killed.get()
}

unsafe extern "C-unwind" fn hook(state: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls this with a live state.
    let machine = unsafe { machine_of(state) };
    if !is_over(machine) {
        // With a hook every instruction takes longer: the watcher sets it again at its next tick.
        // SAFETY: as above.
        unsafe { ffi::lua_sethook(state, None, 0, 0) };
        return;
    }
    machine.memory.strict.set(false);
    errors::push_error(Stack::new(state), errors::KILLED);
    machine.memory.strict.set(true);
    // SAFETY: nothing with a destructor is left. At every further instruction the script
    // meets the hook again, so that catching the error does not help it.
    unsafe {
        ffi::lua_sethook(state, Some(hook), ffi::LUA_MASKLINE | ffi::LUA_MASKCOUNT, 1);
        ffi::lua_error(state);
    }
}
