//! Stopping a script from outside: a thread that watches how long it runs, and the hook that
//! stops it.
//!
//! A hook that counts instructions costs a script a quarter of its speed, plus a call each time.
//! So no hook is set until a script has run for a while: then the watcher sends a signal to the
//! loop's thread, whose handler sets the hook (one serves all coroutines). The hook calls the
//! host, which serves other clients, and is removed until the watcher's next tick.
//!
//! LuaJIT lets a handler set hooks, but not while the thread itself sets a hook: `lua_sethook`
//! writes the mask and then the table of instructions that the mask asks for
//! (`lj_dispatch_update`), and a handler in between leaves a mask without its table: a hook that is
//! set and never called. So the thread sets a flag while it changes the hook ([`set`]); the handler
//! then does nothing, and the watcher's next signal sets the hook. There is no other race: the
//! handler runs on the same thread and to its end, and without the compiler and the profiler, which
//! scripts do not have, nothing else in LuaJIT writes that table.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering, compiler_fence};
use std::sync::{Once, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use mlua_sys as ffi;

use super::super::errors;
use super::machine::{Machine, machine_of};
use super::stack::Stack;
use russet_base::threads;

/// Interval of the watcher.
const TICK: Duration = Duration::from_millis(20);
/// Ticks without a script until the watcher sleeps; the next script wakes it.
const IDLE_TICKS: u32 = 50;

/// A script runs.
static RUNNING: AtomicBool = AtomicBool::new(false);
/// Number of scripts started so far.
static SCRIPTS: AtomicU64 = AtomicU64::new(0);
static ASLEEP: AtomicBool = AtomicBool::new(true);
static WATCHER: OnceLock<Thread> = OnceLock::new();
static START: Once = Once::new();

thread_local! {
    /// Whether this thread runs scripts: the watcher signals it.
    static OWNER: Cell<bool> = const { Cell::new(false) };
    /// The state of the script running on this thread; null between scripts.
    static STATE: AtomicPtr<ffi::lua_State> = const { AtomicPtr::new(ptr::null_mut()) };
    /// This thread is changing the hook.
    static CHANGING: AtomicBool = const { AtomicBool::new(false) };
}

/// The watcher's signal. Its default action is to ignore it, and nothing else sends it.
const SIGNAL: c_int = libc::SIGURG;

/// A script starts in `machine`: it can be stopped until the guard is dropped.
#[inline]
pub fn watch(machine: &Machine) -> WatchGuard<'_> {
    START.call_once(start);
    if !OWNER.get() {
        // Tests run several loops: the newest is watched.
        OWNER.set(true);
        // SAFETY: reads this thread's own id.
        LOOP_THREAD.store(unsafe { libc::pthread_self() } as u64, Ordering::Release);
    }
    SCRIPTS.fetch_add(1, Ordering::Relaxed);
    STATE.with(|state| state.store(machine.state.get(), Ordering::Relaxed));
    RUNNING.store(true, Ordering::Release);
    if ASLEEP.load(Ordering::Relaxed)
        && let Some(watcher) = WATCHER.get()
    {
        ASLEEP.store(false, Ordering::Relaxed);
        watcher.unpark();
    }
    WatchGuard { machine }
}

/// See [`watch`].
pub struct WatchGuard<'m> {
    machine: &'m Machine,
}

impl Drop for WatchGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        RUNNING.store(false, Ordering::Release);
        STATE.with(|state| state.store(ptr::null_mut(), Ordering::Relaxed));
        disarm(self.machine);
    }
}

/// Sets or removes the hook, on the thread that runs scripts. See the module.
///
/// # Safety
///
/// `state` is live.
pub(super) unsafe fn set(
    state: *mut ffi::lua_State,
    hook: Option<ffi::lua_Hook>,
    mask: c_int,
    count: c_int,
) {
    CHANGING.with(|changing| changing.store(true, Ordering::Relaxed));
    // The handler runs on this same thread: only the compiler must be kept from moving the change
    // out.
    compiler_fence(Ordering::SeqCst);
    // SAFETY: as the caller says.
    unsafe { ffi::lua_sethook(state, hook, mask, count) };
    compiler_fence(Ordering::SeqCst);
    CHANGING.with(|changing| changing.store(false, Ordering::Relaxed));
}

/// Removes the hook, if any.
#[inline]
pub fn disarm(machine: &Machine) {
    let state = machine.state.get();
    // SAFETY: a live state.
    unsafe {
        if ffi::lua_gethook(state).is_some() {
            set(state, None, 0, 0);
        }
    }
}

static LOOP_THREAD: AtomicU64 = AtomicU64::new(0);

fn start() {
    // SAFETY: the handler is async-signal-safe: it loads atomics and sets the hook.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(c_int) = arm;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(SIGNAL, &action, ptr::null_mut());
    }
    match threads::start("script-watcher", look) {
        Ok(handle) => {
            let _ = WATCHER.set(handle.thread().clone());
        }
        Err(e) => tracing::warn!("Scripts cannot be stopped, there is no thread to watch: {e}"),
    }
}

/// The watcher: interrupts a script that is still running one tick later.
fn look() {
    let (mut last, mut idle) = (0, 0);
    loop {
        if idle >= IDLE_TICKS {
            ASLEEP.store(true, Ordering::Relaxed);
            if !RUNNING.load(Ordering::Acquire) {
                thread::park();
            }
            ASLEEP.store(false, Ordering::Relaxed);
            idle = 0;
        }
        thread::sleep(TICK);
        let script = SCRIPTS.load(Ordering::Relaxed);
        if !RUNNING.load(Ordering::Acquire) {
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

/// The signal handler: the running script calls the hook at its next instruction.
extern "C" fn arm(_: c_int) {
    let state = STATE.with(|state| state.load(Ordering::Relaxed));
    if state.is_null() || CHANGING.with(|changing| changing.load(Ordering::Relaxed)) {
        return;
    }
    // SAFETY: a script runs in this state on this thread, so it is alive, and the thread is not
    // setting a hook now. An existing hook stays. Check the mask, not the function: LuaJIT saves
    // and restores the mask around errors, and this handler may run between its read and its
    // write, which loses the mask and leaves the function and the table.
    unsafe {
        if ffi::lua_gethookmask(state) & ffi::LUA_MASKCOUNT == 0 {
            ffi::lua_sethook(state, Some(hook), ffi::LUA_MASKCOUNT, 1);
        }
    }
}

/// Whether the script must stop, for our own functions that take long: hooks run only for Lua code.
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
    // The debugger keeps its hook.
    if !is_over && !machine.debug.is_on() {
        disarm(machine);
    }
    is_over
}

/// Whether the script must stop; asks the host.
fn is_over(machine: &Machine) -> bool {
    if !machine.killed.get() {
        machine.memory.strict.set(false);
        // Inside a command there is no host to ask.
        let killed = machine.ask(|host| host.interrupt()).unwrap_or(false);
        machine.memory.strict.set(true);
        machine.killed.set(killed || machine.debug.is_late());
    }
    machine.killed.get()
}

unsafe extern "C-unwind" fn hook(state: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls this with a live state.
    let machine = unsafe { machine_of(state) };
    if !is_over(machine) {
        // A hook slows every instruction: the watcher sets it again at its next tick.
        // SAFETY: as above.
        unsafe { set(state, None, 0, 0) };
        return;
    }
    machine.memory.strict.set(false);
    errors::push_error(Stack::new(state), errors::KILLED);
    machine.memory.strict.set(true);
    // SAFETY: nothing with a destructor is left. The hook fires at every further instruction, so
    // the script gains nothing by catching the error.
    unsafe {
        set(state, Some(hook), ffi::LUA_MASKLINE | ffi::LUA_MASKCOUNT, 1);
        ffi::lua_error(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::lua::Lua;

    /// Counts the calls of `interrupt`.
    struct CountingHost<'c>(&'c Cell<usize>);

    impl Host for CountingHost<'_> {
        fn interrupt(&mut self) -> bool {
            self.0.set(self.0.get() + 1);
            false
        }
    }

    /// A signal in the middle of `lua_sethook` used to leave a hook that was set and never called;
    /// no later signal set it again, so nothing could stop the script.
    #[test]
    fn a_signal_that_meets_a_change_of_the_hook_does_not_lose_it() {
        const ROUNDS: usize = 20_000;
        let lua = Lua::new(1 << 20);
        assert!(lua.stack().load(b"for i = 1, 100 do end", c"=loop"), "Lua");
        // SAFETY: reads this thread's own id.
        let this = unsafe { libc::pthread_self() };
        let is_over = AtomicBool::new(false);
        let calls = Cell::new(0);
        let mut host = CountingHost(&calls);
        let reported = std::thread::scope(|scope| {
            let reported = lua.handle().with_host(&mut host, |machine, stack| {
                let _watched = watch(machine);
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        // SAFETY: the signalled thread waits for this thread.
                        unsafe { libc::pthread_kill(this, SIGNAL) };
                    }
                });
                let mut unasked = 0;
                for _ in 0..ROUNDS {
                    disarm(machine);
                    arm(SIGNAL);
                    calls.set(0);
                    stack.push_value(1);
                    let ok = stack.protected_call(0, 0, 0);
                    unasked += usize::from(!ok || calls.get() == 0);
                    stack.set_top(1);
                }
                unasked
            });
            is_over.store(true, Ordering::Relaxed);
            reported
        });
        assert_eq!(reported, 0, "rounds in which the hook was not called");
    }
}
