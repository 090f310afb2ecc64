//! A state that scripts run in: compiled functions, called with keys and arguments.
//!
//!     stack  1 the error handler | 2 "KEYS" | 3 "ARGV"
//!
//! Between calls the stack holds just these.

use std::cell::Cell;
use std::ffi::{CStr, c_int};

use super::api::Use;
use super::debugger::{self, Debugger};
use super::errors::{Failure, KILLED};
use super::functions::CompiledFunction;
use super::host::Host;
use super::lua::{Frame, Handle, Lua, LuaType, Machine, Stack, disarm, set_line_hook, watch};
use super::to_reply::{ReplyError, reply_value};
use super::{chunk, sandbox, stdlib::basic};
use russet_base::clock;
use russet_config::{Config, Dialect};
use russet_resp::{Args, Reply};

/// The settings of a state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// Maximum bytes that it may hold.
    pub limit: usize,
    /// Redis or Valkey: the names and functions that scripts find.
    pub(crate) dialect: Dialect,
}

impl Setup {
    /// The setup of this configuration.
    pub fn of(config: &Config) -> Setup {
        Setup {
            limit: config.script_memory_limit as usize,
            dialect: config.dialect,
        }
    }
}

/// See the module.
pub struct Vm {
    pub(super) lua: Lua,
    pub(super) of: Use,
    garbage: Cell<Garbage>,
}

/// The garbage collection between scripts.
#[derive(Clone, Copy, Default)]
struct Garbage {
    /// Bytes held after the last collection.
    live: usize,
    /// Cycles of the collector until everything that is garbage now is freed: the cycle that the
    /// collector may be in has marked some garbage already.
    cycles_left: u8,
}

/// A collection is worth its time when there are this many bytes more than after the last
/// collection.
const GARBAGE_MIN: usize = 256 * 1024;

/// Stack height between calls.
const BASE: c_int = 3;

impl Vm {
    /// A new state with everything scripts see.
    pub fn new(of: Use, setup: Setup) -> Vm {
        let lua = Lua::new(setup.limit);
        lua.machine().chunk.set(of.chunk_name());
        lua.machine().dialect.set(setup.dialect);
        let stack = lua.stack();
        sandbox::build(stack, of, setup.dialect);
        stack.push_function(basic::error_handler);
        stack.push_bytes(b"KEYS");
        stack.push_bytes(b"ARGV");
        stack.collect();
        let garbage = Garbage {
            live: lua.machine().used(),
            ..Garbage::default()
        };
        Vm {
            lua,
            of,
            garbage: Cell::new(garbage),
        }
    }

    /// Between scripts: collects their garbage, if it is much, until `ticks` of the cycle counter
    /// have passed. The next call continues.
    pub fn collect_garbage(&self, ticks: u64) {
        let mut garbage = self.garbage.get();
        if garbage.cycles_left == 0 {
            let worth = garbage.live + (garbage.live / 2).max(GARBAGE_MIN);
            if self.used() <= worth {
                return;
            }
            garbage.cycles_left = 2;
        }
        let (stack, began) = (self.lua.stack(), clock::cycles());
        while garbage.cycles_left > 0 && clock::cycles().wrapping_sub(began) < ticks {
            garbage.cycles_left -= u8::from(stack.collect_step(0));
        }
        if garbage.cycles_left == 0 {
            garbage.live = self.used();
        }
        self.garbage.set(garbage);
    }

    /// Bytes it holds.
    pub fn used(&self) -> usize {
        self.lua.machine().used()
    }

    /// The same as the allocator counts them.
    pub fn allocated(&self) -> usize {
        self.lua.machine().allocated()
    }

    /// The maximum bytes that it may hold from now on.
    pub fn set_limit(&self, bytes: usize) {
        self.lua.machine().set_limit(bytes);
    }

    /// Compiles a script, or returns Lua's message.
    pub fn compile(&self, code: &[u8]) -> Result<CompiledFunction, Vec<u8>> {
        let stack = self.lua.stack();
        chunk::load(stack, code, self.of.chunk_name())?;
        let compiled = CompiledFunction(stack.keep());
        collect_some(stack);
        Ok(compiled)
    }

    /// Releases a function.
    pub fn release(&self, function: CompiledFunction) {
        self.lua.stack().release(function.0);
    }

    /// A handle for calling functions.
    pub fn handle(&self) -> VmHandle {
        VmHandle {
            lua: self.lua.handle(),
            of: self.of,
        }
    }
}

impl Use {
    /// The chunk name used in messages.
    pub(crate) fn chunk_name(self) -> &'static CStr {
        match self {
            Use::Eval => c"@user_script",
            Use::Functions => c"@user_function",
        }
    }
}

/// Compiling leaves garbage; the collector alone would let it grow with the number of functions.
pub(super) fn collect_some(stack: Stack) {
    const STEP_KB: i32 = 4;
    stack.collect_step(STEP_KB);
}

/// A state to run in, while its owner is borrowed by the host.
#[derive(Clone, Copy)]
pub struct VmHandle {
    pub(super) lua: Handle,
    of: Use,
}

/// How a script ended.
pub enum ScriptOutcome {
    /// The value is on the stack until [`VmHandle::reply`] replies with it.
    Returned,
    /// The script raised an error and did not catch it.
    Failed(ScriptFailure),
}

/// Why a script did not return.
pub enum ScriptFailure {
    /// The content of an error table.
    Error(Failure),
    /// There was no memory for an error table: Lua's message.
    Bare(Vec<u8>),
}

impl VmHandle {
    /// Calls a function with these keys and arguments; the script calls `host`, and stops
    /// as its `debugger` wants. The state's owner
    /// must keep it alive until this returns.
    pub fn call(
        self,
        host: &mut dyn Host,
        function: CompiledFunction,
        (keys, args): (Args<'_>, Args<'_>),
        debugger: Option<Debugger>,
    ) -> ScriptOutcome {
        self.lua.with_host(host, |machine, stack| {
            stack.push_kept(function.0);
            let count = match self.of {
                Use::Eval => {
                    for (name, args) in [(2, keys), (3, args)] {
                        stack.push_value(name);
                        push_array(stack, args);
                        stack.raw_set(Stack::GLOBALS);
                    }
                    0
                }
                Use::Functions => {
                    push_array(stack, keys);
                    push_array(stack, args);
                    2
                }
            };
            // Keys or arguments that exceed the memory limit were not pushed.
            if machine.was_refused() {
                stack.set_top(BASE);
                return ScriptOutcome::Failed(ScriptFailure::Bare(b"not enough memory".to_vec()));
            }
            let ok = if let Some(record) = debugger {
                machine.debug.begin(record);
                set_line_hook(machine, debugger::at_hook);
                let ok = stack.protected_call(count, 1, 1);
                disarm(machine);
                let lines = machine.debug.end();
                machine.ask(|host| host.debugger_ends(lines));
                ok
            } else {
                let _watched = watch(machine);
                stack.protected_call(count, 1, 1)
            };
            if ok {
                return ScriptOutcome::Returned;
            }
            let failed = match stack.kind(-1) {
                // The line exists three times: in Lua, in this copy, and in the reply.
                LuaType::Table => ScriptFailure::Error(Failure::read(stack, machine.room() / 2)),
                _ => ScriptFailure::Bare(stack.bytes(-1).unwrap_or(b"execution failure").to_vec()),
            };
            stack.set_top(BASE);
            tidy(machine, stack);
            ScriptOutcome::Failed(failed)
        })
    }

    /// Releases functions.
    pub(super) fn release_all(self, functions: impl Iterator<Item = CompiledFunction>) {
        self.lua
            .with(|_, stack| functions.for_each(|f| stack.release(f.0)));
    }

    /// Replies with the value a script returned, and pops it. Fails, leaving the reply unchanged,
    /// if the script is stopped meanwhile or the value is too large. `resp3`: the protocol that the
    /// script set last.
    pub fn reply(self, host: &mut dyn Host, reply: &mut Reply, resp3: bool) -> ScriptOutcome {
        self.lua.with_host(host, |machine, stack| {
            let written = reply_value(Frame { stack, machine }, reply, resp3);
            stack.set_top(BASE);
            tidy(machine, stack);
            let Err(unfinished) = written else {
                return ScriptOutcome::Returned;
            };
            ScriptOutcome::Failed(ScriptFailure::Error(Failure::new(match unfinished {
                ReplyError::Stopped => KILLED,
                ReplyError::TooLarge => TOO_LARGE,
                ReplyError::Full => TOO_LARGE_FOR_CLIENT,
            })))
        })
    }
}

const TOO_LARGE: &str = "not enough memory: what the script holds and its reply are more than \
                         script-memory-limit";
/// The client is closed before it reads this; it appears in the error statistics.
const TOO_LARGE_FOR_CLIENT: &str = "the script's reply is more than client-output-buffer-limit";

/// Uncollected garbage of a script must not use up the memory of the next.
#[inline]
fn tidy(machine: &Machine, stack: Stack) {
    if machine.is_half_full() {
        stack.collect();
    }
}

#[inline]
fn push_array(stack: Stack, args: Args<'_>) {
    stack.push_table(args.len(), 0);
    for (i, arg) in args.iter().enumerate() {
        stack.push_bytes(arg);
        stack.raw_set_at(-2, i + 1);
    }
}
