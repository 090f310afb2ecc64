//! The memory of a Lua state: counted, and limited while a script runs.
//!
//! Small blocks that Lua frees are kept, up to 64 KiB a state, and given out again; all others come
//! from the program's allocator. Kept blocks count as allocated, not as used. Each is O(1).

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
    free: FreeLists,
}

/// LuaJIT's allocations are aligned to eight bytes.
const ALIGN: usize = 8;

/// The largest block that is kept for its size: a table of eight elements.
const FREE_BLOCK_MAX: usize = 128;

/// Bytes of blocks that a state keeps. The tables and strings of a script's arguments, which are
/// garbage after each call, are freed by the hundred and allocated again each by itself.
const FREE_BYTES_MAX: usize = 64 << 10;

/// Freed small blocks, in a list for each size; the first word of a block points to the next.
struct FreeLists {
    /// By size in units of [`ALIGN`]; the first is empty.
    lists: [Cell<*mut c_void>; FREE_BLOCK_MAX / ALIGN + 1],
    bytes: Cell<usize>,
}

impl FreeLists {
    fn new() -> FreeLists {
        FreeLists {
            lists: [const { Cell::new(std::ptr::null_mut()) }; FREE_BLOCK_MAX / ALIGN + 1],
            bytes: Cell::new(0),
        }
    }

    /// A block for `bytes`, uninitialised.
    #[inline]
    fn take(&self, bytes: usize) -> Option<*mut c_void> {
        let units = bytes.div_ceil(ALIGN);
        let list = self.lists.get(units)?;
        let block = list.get();
        if block.is_null() {
            return None;
        }
        // SAFETY: a block in a list is free, aligned, and begins with the address of the next.
        list.set(unsafe { block.cast::<*mut c_void>().read() });
        self.bytes.set(self.bytes.get() - units * ALIGN);
        Some(block)
    }

    /// Keeps a block of `bytes` for later; false if it is too large, or enough are kept.
    ///
    /// # Safety
    ///
    /// `block` came from [`allocate`] with `bytes`, which are not 0, and nothing refers to it.
    #[inline]
    unsafe fn keep(&self, block: *mut c_void, bytes: usize) -> bool {
        let units = bytes.div_ceil(ALIGN);
        let kept = self.bytes.get() + units * ALIGN;
        let Some(list) = self.lists.get(units).filter(|_| kept <= FREE_BYTES_MAX) else {
            return false;
        };
        // SAFETY: the block is free, aligned, and has room for an address.
        unsafe { block.cast::<*mut c_void>().write(list.get()) };
        list.set(block);
        self.bytes.set(kept);
        true
    }
}

impl Drop for FreeLists {
    fn drop(&mut self) {
        for units in 1..self.lists.len() {
            while let Some(block) = self.take(units * ALIGN) {
                // SAFETY: the block was allocated with this alignment, and a size that rounds up to
                // this size: of the same size class, for classes are multiples of `ALIGN`.
                unsafe {
                    let layout = Layout::from_size_align_unchecked(units * ALIGN, ALIGN);
                    std::alloc::dealloc(block.cast(), layout);
                }
            }
        }
    }
}

impl Memory {
    pub(super) fn new(limit: usize) -> Memory {
        Memory {
            used: Cell::new(0),
            allocated: Cell::new(0),
            limit: Cell::new(limit),
            strict: Cell::new(false),
            refused: Cell::new(false),
            free: FreeLists::new(),
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

    /// Whether an allocation may take `bytes` more.
    #[inline]
    fn may_grow(&self, bytes: usize) -> bool {
        !self.strict.get() || bytes <= self.room()
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
    let used = memory.used.get();
    if block.is_null() {
        if memory.may_grow(new)
            && let Some(kept) = memory.free.take(new)
        {
            memory.used.set(used.wrapping_add(new));
            return kept;
        }
    // SAFETY: `block` came from here with `old` bytes, and Lua lets go of it.
    } else if new == 0 && unsafe { memory.free.keep(block, old) } {
        memory.used.set(used.wrapping_sub(old));
        return std::ptr::null_mut();
    }
    // SAFETY: as above.
    unsafe { memory.resize(block, old, new) }
}

impl Memory {
    /// The part of [`allocate`] that asks the program's allocator.
    ///
    /// # Safety
    ///
    /// `block` is null, or came from [`allocate`] with `old` bytes.
    #[inline(never)]
    unsafe fn resize(&self, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        let old = if block.is_null() { 0 } else { old };
        let used = self.used.get();
        if new > old && !self.may_grow(new - old) {
            return std::ptr::null_mut();
        }
        // LuaJIT asks for at most 2 GiB at a time; it raises its own errors for lengths beyond
        // that.
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
            self.used.set(used.wrapping_sub(old).wrapping_add(new));
            let before = self.allocated.get().wrapping_sub(class_of(old));
            self.allocated.set(before.wrapping_add(class_of(new)));
        }
        given.cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lua::Lua;

    #[test]
    fn freed_blocks_are_kept_within_bounds_and_go_with_the_state() {
        const ROUNDS: usize = 10_000;
        let before = alloc::thread_balance();
        {
            let lua = Lua::new(1 << 20);
            let (stack, memory) = (lua.stack(), &lua.machine().memory);
            let at_first = memory.used();
            for i in 0..ROUNDS {
                stack.push_bytes(format!("a text, number {i}").as_bytes());
                stack.push_table(i % 20, 0);
                stack.pop(2);
            }
            stack.collect();
            assert!(memory.used() < at_first + 4096, "{}", memory.used());
            let kept = memory.free.bytes.get();
            assert!(kept > 0 && kept <= FREE_BYTES_MAX, "{kept}");
            assert!(memory.allocated() >= memory.used() + kept);

            let held = memory.allocated();
            stack.push_table(2, 0);
            assert!(memory.free.bytes.get() < kept, "a kept block is used");
            assert_eq!(memory.allocated(), held);
        }
        assert_eq!(alloc::thread_balance(), before);
    }
}
