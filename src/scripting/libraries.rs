//! Libraries of functions: loaded as a whole, called one by one, kept with the data.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::api::{self, Use};
use super::errors::Failure;
use super::flags::Flags;
use super::host::Host;
use super::lua::{Kind, Stack, watch};
use super::register::{BAD_NAME, Registered, is_name};
use super::vm::{Compiled, Vm};
use super::{chunk, guard, shebang};
use crate::resp::{Args, CommandError};

/// A library must have said what it has within this time.
const LOAD_MAX: Duration = Duration::from_millis(500);

/// A function that FCALL finds.
#[derive(Clone, Debug)]
pub struct LibraryFunction {
    pub name: Arc<[u8]>,
    pub description: Option<Vec<u8>>,
    pub flags: Flags,
    pub function: Compiled,
}

/// A library: its text, and the functions that it registered.
#[derive(Clone, Debug)]
pub struct Library {
    pub name: Arc<[u8]>,
    pub code: Arc<[u8]>,
    pub functions: Vec<LibraryFunction>,
}

/// Why a library was not loaded, for the client; without the code.
pub type LoadError = Vec<u8>;

/// All libraries and their state.
#[derive(Default)]
pub struct Libraries {
    vm: Option<Vm>,
    libraries: BTreeMap<Arc<[u8]>, Library>,
    /// By their names in lowercase.
    functions: HashMap<Box<[u8]>, LibraryFunction, ahash::RandomState>,
}

impl Libraries {
    /// The state, made when it is needed first.
    pub fn vm(&mut self, limit: usize) -> &Vm {
        self.vm
            .get_or_insert_with(|| Vm::new(Use::Functions, limit))
    }

    pub fn vm_bytes(&self) -> usize {
        self.vm.as_ref().map_or(0, Vm::used)
    }

    pub fn set_limit(&self, bytes: usize) {
        if let Some(vm) = &self.vm {
            vm.set_limit(bytes);
        }
    }

    /// Bytes of names and texts.
    pub fn bytes(&self) -> usize {
        let each = |library: &Library| {
            library.code.len() + library.functions.len() * 2 * size_of::<LibraryFunction>()
        };
        self.libraries.values().map(each).sum()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Library> {
        self.libraries.values()
    }

    pub fn len(&self) -> usize {
        self.libraries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.libraries.is_empty()
    }

    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// The function of this name, whose letters may be of any case.
    pub fn function(&self, name: &[u8]) -> Option<&LibraryFunction> {
        let folded: SmallVec<[u8; 64]> = name.iter().map(u8::to_ascii_lowercase).collect();
        self.functions.get(folded.as_slice())
    }

    /// Loads a library; gives its name. `replace`: one of the same name goes for it, unless
    /// this one cannot be loaded. `in_time`: it must be quick.
    pub fn load(
        &mut self,
        code: &[u8],
        replace: bool,
        in_time: bool,
        limit: usize,
    ) -> Result<Arc<[u8]>, LoadError> {
        let head = shebang::of_library(code)?;
        if !is_name(&head.name) {
            return Err(BAD_NAME.into());
        }
        if !head.engine.eq_ignore_ascii_case(b"lua") {
            return Err([b"Engine '", head.engine.as_slice(), b"' not found"].concat());
        }
        let name: Arc<[u8]> = head.name.into();
        let old = self.libraries.get(&name);
        if old.is_some() && !replace {
            return Err([b"Library '", &*name, b"' already exists"].concat());
        }
        let old_functions: Vec<Arc<[u8]>> = old.map_or_else(Vec::new, |old| {
            old.functions.iter().map(|f| f.name.clone()).collect()
        });
        let registered = self.registered_by(&code[head.len..], in_time, limit)?;
        if registered.is_empty() {
            return Err(b"No functions registered".to_vec());
        }
        let taken = registered.iter().find(|f| {
            let is_old = old_functions
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&f.name));
            !is_old && self.function(&f.name).is_some()
        });
        if let Some(function) = taken {
            let text = [b"Function ", function.name.as_slice(), b" already exists"].concat();
            self.release(&registered);
            return Err(text);
        }
        self.remove(&name);
        let functions: Vec<LibraryFunction> = registered
            .into_iter()
            .map(|f| LibraryFunction {
                name: f.name.into(),
                description: f.description,
                flags: f.flags,
                function: f.function,
            })
            .collect();
        for function in &functions {
            self.functions
                .insert(folded(&function.name), function.clone());
        }
        let library = Library {
            name: name.clone(),
            code: code.into(),
            functions,
        };
        self.libraries.insert(name.clone(), library);
        Ok(name)
    }

    fn release(&self, registered: &[Registered]) {
        if let Some(vm) = &self.vm {
            registered.iter().for_each(|f| vm.release(f.function));
        }
    }

    /// Runs a library's code, and gives what it registered.
    fn registered_by(
        &mut self,
        code: &[u8],
        in_time: bool,
        limit: usize,
    ) -> Result<Vec<Registered>, LoadError> {
        let vm = self.vm(limit);
        let (machine, stack) = (vm.lua.machine(), vm.lua.stack());
        let top = stack.top();
        chunk::load(stack, code, Use::Functions.chunk_name())
            .map_err(|message| [b"Error compiling function: ", message.as_slice()].concat())?;
        // It finds nothing but another `redis` than the functions will.
        stack.push_table(0, 64);
        stack.move_fields(Stack::GLOBALS, -1);
        for name in ["redis", "server"] {
            api::push_table(stack, Use::Functions, true);
            guard::protect_strictly(stack);
            stack.set_field(Stack::GLOBALS, name);
        }
        machine.registering.replace(Some(Vec::new()));
        let mut clock = Clock {
            until: in_time.then(|| Instant::now() + LOAD_MAX),
        };
        stack.push_value(-2);
        let ok = vm.lua.handle().with_host(&mut clock, |machine, stack| {
            let _watched = watch(machine);
            stack.protected_call(0, 0, 0)
        });
        let registered = machine.registering.take().unwrap_or_default();
        let failure = (!ok).then(|| match (machine.killed.replace(false), stack.kind(-1)) {
            (true, _) => b"ERR FUNCTION LOAD timeout".to_vec(),
            (_, Kind::Table) => Failure::read(stack).line,
            _ => [b"ERR ", stack.bytes(-1).unwrap_or(b"")].concat(),
        });
        stack.set_top(top + 2);
        stack.move_fields(-1, Stack::GLOBALS);
        stack.set_top(top);
        vm.collect_some();
        match failure {
            None => Ok(registered),
            Some(line) => {
                registered.iter().for_each(|f| stack.release(f.function.0));
                Err([b"Error registering functions: ", line.as_slice()].concat())
            }
        }
    }

    /// Loads the libraries of a dump, all or none: in place of all there are (`flushes`), or
    /// besides them, where `replaces` says that those of the same name go.
    pub fn restore(
        &mut self,
        codes: &[&[u8]],
        flushes: bool,
        replaces: bool,
        limit: usize,
    ) -> Result<(), LoadError> {
        // They are tried out in a state of their own.
        let mut fresh = Libraries::default();
        for code in codes {
            fresh.load(code, false, false, limit)?;
        }
        if flushes {
            *self = fresh;
            return Ok(());
        }
        let is_there = |name: &Arc<[u8]>| self.libraries.contains_key(name);
        if !replaces && let Some(both) = fresh.libraries.keys().find(|name| is_there(name)) {
            return Err([b"Library ", &**both, b" already exists"].concat());
        }
        let stays = |owner: &Library| !fresh.libraries.contains_key(&owner.name);
        for owner in self.libraries.values().filter(|owner| stays(owner)) {
            let taken = |f: &&LibraryFunction| fresh.function(&f.name).is_some();
            if let Some(function) = owner.functions.iter().find(taken) {
                return Err([b"Function ", &*function.name, b" already exists"].concat());
            }
        }
        for name in fresh.libraries.keys() {
            self.remove(name);
        }
        for code in codes {
            self.load(code, true, false, limit)?;
        }
        Ok(())
    }

    /// Forgets a library; `false`: there is none of this name.
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

    /// Forgets all; the state begins anew. Gives what is to be freed.
    pub fn flush(&mut self) -> Libraries {
        std::mem::take(self)
    }
}

fn folded(name: &[u8]) -> Box<[u8]> {
    name.to_ascii_lowercase().into()
}

/// The host of a library that is loaded: it runs no command and has little time.
struct Clock {
    until: Option<Instant>,
}

impl Host for Clock {
    fn call(&mut self, _: Args<'_>) -> Result<&[u8], CommandError> {
        Err(CommandError::Text(
            "ERR no commands while a library is loaded",
        ))
    }

    fn may_run(&mut self, _: Args<'_>) -> Option<bool> {
        None
    }

    fn set_resp3(&mut self, _: bool) {}

    fn set_repl(&mut self, _: bool, _: bool) {}

    fn interrupt(&mut self) -> bool {
        self.until.is_some_and(|until| Instant::now() > until)
    }
}
