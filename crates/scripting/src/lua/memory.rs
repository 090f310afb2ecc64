//! The memory of a Lua state: counted, and limited while a script runs.

use std::alloc::Layout;
use std::cell::Cell;
use std::ffi::c_void;

use super::machine::Machine;
use russet_base::memory::alloc;

/// Memory used by a state, and its limit.
pub struct Memory {
    used: Cell<usize>,
    /// The same in the allocator's size classes.
    allocated: Cell<usize>,
    limit: Cell<usize>,
    /// Lua code runs: an allocation beyond the limit fails, which Lua raises as an error.
    pub(super) strict: Cell<bool>,
    /// A value was too long for any state; reported once.
    pub(super) refused: Cell<bool>,
}

/// LuaJIT's allocations are aligned to eight bytes.
const ALIGN: usize = 8;

impl Memory {
    pub(super) fn new(limit: usize) -> Memory {
        Memory {
            used: Cell::new(0),
            allocated: Cell::new(0),
            limit: Cell::new(limit),
            strict: Cell::new(false),
            refused: Cell::new(false),
        }
    }

    pub fn used(&self) -> usize {
        self.used.get()
    }

    pub fn allocated(&self) -> usize {
        self.allocated.get()
    }

    pub(super) fn set_limit(&self, bytes: usize) {
        self.limit.set(bytes);
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.get()
    }

    pub(super) fn room(&self) -> usize {
        self.limit.get().saturating_sub(self.used.get())
    }

    pub(super) fn is_half_full(&self) -> bool {
        self.used.get() > self.limit.get() / 2
    }

    /// Whether usage exceeds the limit, or a value was refused.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.used.get() > self.limit.get() || self.refused.take()
    }
}

fn class_of(bytes: usize) -> usize {
    alloc::slice_bytes(bytes)
}

/// `lua_Alloc`: allocates, resizes or frees a block.
pub(super) unsafe extern "C" fn allocate(
    data: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: `data` is the machine that the state was made with.
    let memory = unsafe { &(*data.cast::<Machine>()).memory };
    let old = if block.is_null() { 0 } else { old };
    let used = memory.used.get();
    if new > old && memory.strict.get() && used.saturating_add(new - old) > memory.limit.get() {
        return std::ptr::null_mut();
    }
    // LuaJIT asks for at most 2 GiB at a time; it raises its own errors for lengths beyond that.
    let Ok(layout) = Layout::from_size_align(new.max(old), ALIGN) else {
        return std::ptr::null_mut();
    };
    // SAFETY: `block` came from here with `old` bytes; no size below is zero.
    let given = unsafe {
        match (old, new) {
            (0, 0) => return std::ptr::null_mut(),
            (0, _) => std::alloc::alloc(layout),
            (_, 0) => {
                std::alloc::dealloc(block.cast(), layout);
                std::ptr::null_mut()
            }
            _ => {
                let before = Layout::from_size_align_unchecked(old, ALIGN);
                std::alloc::realloc(block.cast(), before, new)
            }
        }
    };
    if new == 0 || !given.is_null() {
        memory.used.set(used.wrapping_sub(old).wrapping_add(new));
        let before = memory.allocated.get().wrapping_sub(class_of(old));
        memory.allocated.set(before.wrapping_add(class_of(new)));
    }
    given.cast()
}
