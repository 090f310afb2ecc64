//! Compiled functions in a state, and functions that a library registers while it loads.

use std::collections::HashSet;
use std::ffi::c_int;

use super::flags::Flags;

/// A compiled function in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompiledFunction(pub(super) c_int);

/// A registered function of a library.
#[derive(Clone, Debug)]
pub(crate) struct RegisteredFunction {
    pub name: Vec<u8>,
    pub description: Option<Vec<u8>>,
    pub flags: Flags,
    pub function: CompiledFunction,
}

/// The functions a library has registered so far, in order.
#[derive(Default)]
pub struct Registration {
    functions: Vec<RegisteredFunction>,
    names: HashSet<Box<[u8]>, ahash::RandomState>,
}

impl Registration {
    pub fn has(&self, name: &[u8]) -> bool {
        self.names.contains(name)
    }

    /// Adds a function whose name the library does not have yet.
    pub fn add(&mut self, function: RegisteredFunction) {
        self.names.insert(function.name.as_slice().into());
        self.functions.push(function);
    }

    pub(crate) fn into_functions(self) -> Vec<RegisteredFunction> {
        self.functions
    }
}
