//! A state that scripts run in: compiled functions, called with keys and arguments.
//!
//!     stack  1 the error handler | 2 "KEYS" | 3 "ARGV"
//!
//! stays as it is between calls.

use std::ffi::{CStr, c_int};

use super::api::Use;
use super::errors::Failure;
use super::host::Host;
use super::lua::{Handle, Kind, Lua, Machine, Stack, watch};
use super::to_reply::reply_value;
use super::{basic, chunk, sandbox};
use crate::resp::{Args, Reply};

/// A compiled function in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compiled(pub(super) c_int);

/// See the module.
pub struct Vm {
    pub(super) lua: Lua,
    pub(super) of: Use,
}

/// What lies on the stack between calls.
const BASE: c_int = 3;

impl Vm {
    /// A new state with everything that scripts find; it may hold `limit` bytes.
    pub fn new(of: Use, limit: usize) -> Vm {
        let lua = Lua::new(limit);
        lua.machine().chunk.set(of.chunk_name());
        let stack = lua.stack();
        sandbox::build(stack, of);
        stack.push_function(basic::error_handler);
        stack.push_bytes(b"KEYS");
        stack.push_bytes(b"ARGV");
        stack.collect();
        Vm { lua, of }
    }

    /// Bytes that it holds.
    pub fn used(&self) -> usize {
        self.lua.machine().used()
    }

    pub fn set_limit(&self, bytes: usize) {
        self.lua.machine().set_limit(bytes);
    }

    /// Compiles a script; or gives Lua's message.
    pub fn compile(&self, code: &[u8]) -> Result<Compiled, Vec<u8>> {
        let stack = self.lua.stack();
        chunk::load(stack, code, self.of.chunk_name())?;
        let compiled = Compiled(stack.keep());
        self.collect_some();
        Ok(compiled)
    }

    /// Compiling leaves garbage behind, and the collector, left to itself, would let there be as
    /// much of it as there are functions.
    pub(super) fn collect_some(&self) {
        const STEP_KB: i32 = 4;
        self.lua.stack().collect_step(STEP_KB);
    }

    /// Forgets a function.
    pub fn release(&self, function: Compiled) {
        self.lua.stack().release(function.0);
    }

    /// A handle to call functions with.
    pub fn handle(&self) -> VmHandle {
        VmHandle {
            lua: self.lua.handle(),
            of: self.of,
        }
    }
}

impl Use {
    /// How its code is named in messages.
    pub fn chunk_name(self) -> &'static CStr {
        match self {
            Use::Eval => c"@user_script",
            Use::Functions => c"@user_function",
        }
    }
}

/// A state to run in, while its owner is borrowed by the host.
#[derive(Clone, Copy)]
pub struct VmHandle {
    lua: Handle,
    of: Use,
}

/// How a script ended.
pub enum Ended {
    /// Its value is on the stack: [`VmHandle::reply`] replies with it.
    Returned,
    Failed(Failed),
}

/// Why a script did not return.
pub enum Failed {
    /// An error table's content.
    Error(Failure),
    /// Not even that could be made: Lua's message.
    Bare(Vec<u8>),
}

impl VmHandle {
    /// Calls a function with these keys and arguments; scripts ask `host`. The state's owner
    /// must keep it until this returns.
    pub fn call(
        self,
        host: &mut dyn Host,
        function: Compiled,
        keys: Args<'_>,
        args: Args<'_>,
    ) -> Ended {
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
            let ok = {
                let _watched = watch(machine);
                stack.protected_call(count, 1, 1)
            };
            if ok {
                return Ended::Returned;
            }
            let failed = match stack.kind(-1) {
                Kind::Table => Failed::Error(Failure::read(stack)),
                _ => Failed::Bare(stack.bytes(-1).unwrap_or(b"execution failure").to_vec()),
            };
            stack.set_top(BASE);
            tidy(machine, stack);
            Ended::Failed(failed)
        })
    }

    /// Replies with what a script has returned, and forgets it. `resp3`: what it spoke last.
    pub fn reply(self, reply: &mut Reply, resp3: bool) {
        self.lua.with(|machine, stack| {
            reply_value(stack, reply, resp3);
            stack.set_top(BASE);
            tidy(machine, stack);
        });
    }
}

/// What was not collected yet must not be what the next script lacks.
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
