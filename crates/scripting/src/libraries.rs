//! Libraries of functions: loaded as a whole, each called by its name, stored with the data.
//!
//!     code -> Head (name) -> runs once, registers functions (`register`) ->
//!             PreparedLibraries -> adopted
//!
//! Invariants
//!   1. A library is visible only once all of its code has run. A failed load changes nothing, and
//!      releases the functions that it compiled.
//!   2. `functions` holds each function under its name in lowercase; no two libraries share a name.
//!   3. All functions live in one state, which is created on first use and freed by a flush.
//!
//! Cost: a load O(its functions) and the run of its code, which FUNCTION LOAD bounds by
//! [`LOAD_MAX`]; a lookup one hash. Flags of a function and the right to call it are checked by the
//! commands.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::api::{self, Use};
use super::errors::Failure;
use super::flags::Flags;
use super::functions::{CompiledFunction, RegisteredFunction, Registration};
use super::host::Host;
use super::lua::{LuaType, Machine, Stack, watch};
use super::register::{BAD_NAME, is_name};
use super::vm::{self, Setup, Vm, VmHandle};
use super::{chunk, guard, shebang};

/// Time limit for a library to register its functions.
const LOAD_MAX: Duration = Duration::from_millis(500);

/// Errors of a library that exceeds it, and of a killed library.
const TIMEOUT: &str = "FUNCTION LOAD timeout";
const KILLED: &str = super::errors::KILLED;

/// A function that FCALL finds.
#[derive(Clone, Debug)]
pub struct LibraryFunction {
    pub name: Arc<[u8]>,
    pub library: Arc<[u8]>,
    pub description: Option<Vec<u8>>,
    pub flags: Flags,
    pub function: CompiledFunction,
}

/// A library: its text, and the functions that it registered.
#[derive(Clone, Debug)]
pub struct Library {
    pub name: Arc<[u8]>,
    pub code: Arc<[u8]>,
    pub functions: Vec<LibraryFunction>,
}

/// Why a library was not loaded: the error for the client, without its code.
pub type LoadError = Vec<u8>;

/// Libraries whose code has run but that are not visible yet.
pub struct PreparedLibraries {
    libraries: Vec<Library>,
}

fn already_there(name: &[u8], quoted: bool) -> LoadError {
    let quote: &[u8] = if quoted { b"'" } else { b"" };
    [b"Library ", quote, name, quote, b" already exists"].concat()
}

fn function_there(name: &[u8]) -> LoadError {
    [b"Function ", name, b" already exists"].concat()
}

/// The first line of a library.
struct FirstLine {
    name: Arc<[u8]>,
    len: usize,
}

impl FirstLine {
    fn read(code: &[u8]) -> Result<FirstLine, LoadError> {
        let head = shebang::of_library(code)?;
        if !is_name(&head.name) {
            return Err(BAD_NAME.into());
        }
        if !head.engine.eq_ignore_ascii_case(b"lua") {
            return Err([b"Engine '", head.engine.as_slice(), b"' not found"].concat());
        }
        Ok(FirstLine {
            name: head.name.into(),
            len: head.len,
        })
    }
}

impl Library {
    /// Runs a library's code, which registers its functions. `ended`: the error if `host` stops it.
    fn prepare(
        vm: VmHandle,
        host: &mut dyn Host,
        head: FirstLine,
        code: &[u8],
        ended: &str,
    ) -> Result<Library, LoadError> {
        let registered = registered_by(vm, host, &code[head.len..], ended)?;
        if !registered.iter().all(|f| is_name(&f.name)) {
            vm.release_all(registered.iter().map(|f| f.function));
            return Err(BAD_NAME.replace("Library", "Function").into());
        }
        if registered.is_empty() {
            return Err(b"No functions registered".to_vec());
        }
        let function = |f: RegisteredFunction| LibraryFunction {
            name: f.name.into(),
            library: head.name.clone(),
            description: f.description,
            flags: f.flags,
            function: f.function,
        };
        Ok(Library {
            functions: registered.into_iter().map(function).collect(),
            name: head.name.clone(),
            code: code.into(),
        })
    }

    fn compiled(&self) -> impl Iterator<Item = CompiledFunction> {
        self.functions.iter().map(|f| f.function)
    }
}

/// Runs a library's code and returns the registered functions.
fn registered_by(
    vm: VmHandle,
    host: &mut dyn Host,
    code: &[u8],
    ended: &str,
) -> Result<Vec<RegisteredFunction>, LoadError> {
    let begin = |machine: &Machine, stack: Stack| -> Result<(), LoadError> {
        let name = Use::Functions.chunk_name();
        chunk::load(stack, code, name)
            .map_err(|message| [b"Error compiling function: ", message.as_slice()].concat())?;
        // Loading code sees the same globals as the functions, except for its own `redis` table.
        stack.push_table(0, 64);
        stack.move_fields(Stack::GLOBALS, -1);
        for name in ["redis", "server"] {
            api::push_table(stack, Use::Functions, machine.dialect.get(), true);
            guard::protect_strictly(stack);
            stack.set_field(Stack::GLOBALS, name);
        }
        machine.registering.replace(Some(Registration::default()));
        stack.push_value(-2);
        Ok(())
    };
    vm.lua.with_host(host, |machine, stack| {
        let top = stack.top();
        begin(machine, stack)?;
        let ok = {
            let _watched = watch(machine);
            stack.protected_call(0, 0, 0)
        };
        let registered = machine.registering.take().unwrap_or_default();
        let registered = registered.into_functions();
        let failure = (!ok).then(|| match (machine.killed.replace(false), stack.kind(-1)) {
            (true, _) => [b"ERR ", ended.as_bytes()].concat(),
            (_, LuaType::Table) => Failure::read(stack, machine.room()).line,
            _ => [b"ERR ", stack.bytes(-1).unwrap_or(b"")].concat(),
        });
        stack.set_top(top + 2);
        stack.move_fields(-1, Stack::GLOBALS);
        stack.set_top(top);
        vm::collect_some(stack);
        match failure {
            None => Ok(registered),
            Some(line) => {
                registered.iter().for_each(|f| stack.release(f.function.0));
                Err([b"Error registering functions: ", line.as_slice()].concat())
            }
        }
    })
}

/// All libraries and their state.
#[derive(Default)]
pub struct Libraries {
    vm: Option<Vm>,
    libraries: BTreeMap<Arc<[u8]>, Library>,
    /// Keyed by the name in lowercase.
    functions: HashMap<Box<[u8]>, LibraryFunction, ahash::RandomState>,
}

impl Libraries {
    /// The state, created on first use.
    pub fn vm(&mut self, setup: Setup) -> &Vm {
        self.vm
            .get_or_insert_with(|| Vm::new(Use::Functions, setup))
    }

    /// Bytes that Lua holds; 0 before the first use.
    pub fn vm_bytes(&self) -> usize {
        self.vm.as_ref().map_or(0, Vm::used)
    }

    /// Bytes held by the state as the allocator counts them.
    pub fn vm_allocated(&self) -> usize {
        self.vm.as_ref().map_or(0, Vm::allocated)
    }

    /// Between scripts: collects garbage for `ticks` of the cycle counter, if there is much.
    pub fn collect_garbage(&self, ticks: u64) {
        if let Some(vm) = &self.vm {
            vm.collect_garbage(ticks);
        }
    }

    /// Bytes of names and code.
    pub fn bytes(&self) -> usize {
        let each = |library: &Library| {
            library.code.len() + library.functions.len() * 2 * size_of::<LibraryFunction>()
        };
        self.libraries.values().map(each).sum()
    }

    /// All libraries, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Library> {
        self.libraries.values()
    }

    /// Number of libraries.
    pub fn len(&self) -> usize {
        self.libraries.len()
    }

    /// Whether there is no library.
    pub fn is_empty(&self) -> bool {
        self.libraries.is_empty()
    }

    /// `script-memory-limit` from now on, bytes.
    pub fn set_memory_limit(&self, bytes: usize) {
        if let Some(vm) = &self.vm {
            vm.set_limit(bytes);
        }
    }

    /// Number of functions, of all libraries.
    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// The function of this name, in any case.
    pub fn function(&self, name: &[u8]) -> Option<&LibraryFunction> {
        let folded: SmallVec<[u8; 64]> = name.iter().map(u8::to_ascii_lowercase).collect();
        self.functions.get(folded.as_slice())
    }

    /// Loads a library and returns its name. `replace`: it replaces a library of the same name,
    /// unless loading fails. `in_time`: loading must end within [`LOAD_MAX`].
    pub fn load(
        &mut self,
        code: &[u8],
        replace: bool,
        in_time: bool,
        setup: Setup,
    ) -> Result<Arc<[u8]>, LoadError> {
        let head = FirstLine::read(code)?;
        if !replace && self.libraries.contains_key(&head.name) {
            return Err(already_there(&head.name, true));
        }
        let mut clock = Clock {
            until: in_time.then(|| Instant::now() + LOAD_MAX),
        };
        let vm = self.vm(setup).handle();
        let library = Library::prepare(vm, &mut clock, head, code, TIMEOUT)?;
        let name = library.name.clone();
        let prepared = PreparedLibraries {
            libraries: vec![library],
        };
        self.adopt(prepared, replace)?;
        Ok(name)
    }

    /// Runs the code of new libraries in the state `vm`, all or none, and asks `host` now and then
    /// whether to stop. The state must live until this returns.
    ///
    /// The libraries stay invisible until the state's owner adopts them ([`Libraries::adopt`]).
    pub fn prepare(
        vm: VmHandle,
        host: &mut dyn Host,
        codes: &[&[u8]],
    ) -> Result<PreparedLibraries, LoadError> {
        let mut libraries: Vec<Library> = Vec::new();
        let (mut names, mut functions) = (HashSet::new(), HashSet::new());
        for code in codes {
            let prepared = FirstLine::read(code).and_then(|head| {
                if !names.insert(head.name.clone()) {
                    return Err(already_there(&head.name, true));
                }
                Library::prepare(vm, host, head, code, KILLED)
            });
            let taken = prepared.and_then(|library| {
                let of_others = |f: &&LibraryFunction| functions.contains(&folded(&f.name));
                let taken = library.functions.iter().find(of_others);
                let taken = taken.map(|f| function_there(&f.name));
                functions.extend(library.functions.iter().map(|f| folded(&f.name)));
                libraries.push(library);
                taken.map_or(Ok(()), Err)
            });
            if let Err(why) = taken {
                vm.release_all(libraries.iter().flat_map(Library::compiled));
                return Err(why);
            }
        }
        Ok(PreparedLibraries { libraries })
    }

    /// Makes libraries prepared in this state visible, all or none. `replaces`: they replace
    /// libraries of the same names.
    pub fn adopt(&mut self, prepared: PreparedLibraries, replaces: bool) -> Result<(), LoadError> {
        let PreparedLibraries { libraries } = prepared;
        let fits = self.check(&libraries, replaces);
        if fits.is_err() {
            if let Some(vm) = &self.vm {
                let compiled = libraries.iter().flat_map(Library::compiled);
                vm.handle().release_all(compiled);
            }
            return fits;
        }
        for library in &libraries {
            self.remove(&library.name);
        }
        for library in libraries {
            for function in &library.functions {
                let name = folded(&function.name);
                self.functions.insert(name, function.clone());
            }
            self.libraries.insert(library.name.clone(), library);
        }
        Ok(())
    }

    /// Checks that the new libraries do not collide with the libraries that stay.
    fn check(&self, new: &[Library], replaces: bool) -> Result<(), LoadError> {
        let there = |library: &&Library| self.libraries.contains_key(&library.name);
        if !replaces && let Some(both) = new.iter().find(there) {
            return Err(already_there(&both.name, false));
        }
        let going: HashSet<&[u8]> = new.iter().map(|library| &*library.name).collect();
        for function in new.iter().flat_map(|library| &library.functions) {
            let other = self.function(&function.name);
            if other.is_some_and(|other| !going.contains(&*other.library)) {
                return Err(function_there(&function.name));
            }
        }
        Ok(())
    }

    /// Removes a library; `false`: there is none of this name.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.libraries.remove(name) else {
            return false;
        };
        for function in library.functions {
            self.functions.remove(&folded(&function.name));
            if let Some(vm) = &self.vm {
                vm.release(function.function);
            }
        }
        true
    }

    /// Removes all libraries; the next use creates a new state. Returns the removed libraries, to
    /// be freed.
    pub fn flush(&mut self) -> Libraries {
        std::mem::take(self)
    }
}

fn folded(name: &[u8]) -> Box<[u8]> {
    name.to_ascii_lowercase().into()
}

/// The host of a library while it loads: it runs no commands and has a time limit.
struct Clock {
    until: Option<Instant>,
}

impl Host for Clock {
    fn interrupt(&mut self) -> bool {
        self.until.is_some_and(|until| Instant::now() > until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: each function was compared with all others, both with the functions of its
    /// library at its registration and with the names of the replaced library at the check of its
    /// name.
    #[test]
    fn loading_a_library_costs_as_much_as_it_has_functions() {
        let took = |n: usize| {
            let code = format!(
                "#!lua name=l\nfor i = 1, {n} do redis.register_function('f' .. i, \
                 function() end) end"
            );
            let setup = Setup {
                limit: 512 << 20,
                ..Setup::default()
            };
            let mut libraries = Libraries::default();
            let began = Instant::now();
            for replace in [false, true] {
                let loaded = libraries.load(code.as_bytes(), replace, false, setup);
                loaded.expect("a library");
            }
            assert_eq!(libraries.functions(), n);
            began.elapsed()
        };
        const N: usize = 20_000;
        // Four times the input takes four times as long if linear, sixteen times if quadratic.
        let fits = || took(4 * N) < 9 * took(N);
        assert!((0..3).any(|_| fits()), "more than linear");
    }
}
