//! Fill of the allocator's slabs.
//!
//! jemalloc puts small blocks of equal size (a bin) next to each other into slabs. A slab with a
//! single block left keeps all of its pages; and a new block goes into the slab in use, then into
//! the oldest slab that has room, not into the emptiest. So random frees leave thinly filled slabs
//! as long as their last blocks live.
//!
//!     the slab of a block    free and all places, bytes     one query, no lock
//!     a bin of an arena      places in use, slabs, slabs with room      as of the last refresh
//!
//! The stock allocator provides all these figures: `experimental.utilization` and its statistics.
//! Cost: a query is the block's two lookups in the allocator's tree, some 50 ns when they miss; a
//! refresh adds up the allocator's statistics, 20 us or so.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_void};
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use tikv_jemalloc_sys::{mallctl, mallctlbymib, mallctlnametomib};

/// jemalloc's number for all arenas together.
const ALL_ARENAS: usize = 4096;
/// Small sizes are multiples of this.
const QUANTUM: usize = 8;
/// Longest control name used here, in components.
const MIB_MAX: usize = 8;

/// The slab of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Slab {
    /// Unused places.
    pub free: usize,
    /// Places: 1 for a large block, 0 if the allocator does not know the block.
    pub places: usize,
    pub bytes: usize,
}

impl Slab {
    /// Bytes of each block of the slab.
    pub fn block_bytes(self) -> usize {
        self.bytes.checked_div(self.places).unwrap_or(0)
    }
}

/// A control's name as the allocator's numbers.
#[derive(Clone, Copy)]
struct Control {
    mib: [usize; MIB_MAX],
    len: usize,
}

impl Control {
    fn named(name: &CStr) -> Option<Control> {
        let (mut mib, mut len) = ([0; MIB_MAX], MIB_MAX);
        // SAFETY: NUL-terminated; at most `len` numbers are written, which `mib` holds.
        let code = unsafe { mallctlnametomib(name.as_ptr(), mib.as_mut_ptr(), &mut len) };
        (code == 0).then_some(Control { mib, len })
    }

    fn with(mut self, at: usize, number: usize) -> Control {
        self.mib[at] = number;
        self
    }

    /// The control's value; `T` must consist of plain numbers.
    fn read<T: Copy + Default>(&self) -> Option<T> {
        let (mut value, mut len) = (T::default(), size_of::<T>());
        let to: *mut c_void = (&raw mut value).cast();
        // SAFETY: jemalloc accepts only the value's own length and writes no more.
        let code = unsafe {
            mallctlbymib(
                self.mib.as_ptr(),
                self.len,
                to,
                &mut len,
                ptr::null_mut(),
                0,
            )
        };
        (code == 0).then_some(value)
    }
}

/// Data that never changes while the process runs.
struct AllocatorFacts {
    query: Control,
    query_more: Control,
    in_use: Control,
    slabs: Control,
    slabs_with_room: Control,
    /// Bytes of a block and places of a slab, by the bin's number.
    bins: Vec<(usize, usize)>,
    /// The bin of a size, by eighths.
    by_size: Vec<u8>,
}

impl AllocatorFacts {
    /// `None` if the allocator does not provide it.
    fn get() -> Option<&'static AllocatorFacts> {
        static FACTS: OnceLock<Option<AllocatorFacts>> = OnceLock::new();
        FACTS.get_or_init(AllocatorFacts::load).as_ref()
    }

    fn load() -> Option<AllocatorFacts> {
        // jemalloc is linked all the same, and knows none of the blocks.
        if cfg!(feature = "system-allocator") {
            return None;
        }
        let count: u32 = Control::named(c"arenas.nbins")?.read()?;
        let (size, places) = (
            Control::named(c"arenas.bin.0.size")?,
            Control::named(c"arenas.bin.0.nregs")?,
        );
        let (mut bins, mut by_size) = (Vec::new(), Vec::new());
        for bin in 0..count as usize {
            let bytes: usize = size.with(2, bin).read()?;
            let places: u32 = places.with(2, bin).read()?;
            if !bytes.is_multiple_of(QUANTUM) || bin > usize::from(u8::MAX) {
                return None;
            }
            by_size.resize(bytes / QUANTUM + 1, bin as u8);
            bins.push((bytes, places as usize));
        }
        Some(AllocatorFacts {
            query: Control::named(c"experimental.utilization.batch_query")?,
            query_more: Control::named(c"experimental.utilization.query")?,
            in_use: Control::named(c"stats.arenas.0.bins.0.curregs")?,
            slabs: Control::named(c"stats.arenas.0.bins.0.curslabs")?,
            slabs_with_room: Control::named(c"stats.arenas.0.bins.0.nonfull_slabs")?,
            bins,
            by_size,
        })
    }

    fn of(&self, control: Control, arena: usize, bin: usize) -> usize {
        control.with(2, arena).with(4, bin).read().unwrap_or(0)
    }
}

/// Unoccupied bytes of small slabs, in all arenas, as of the last epoch of the allocator's
/// statistics.
pub(crate) fn unused_bytes() -> usize {
    let Some(facts) = AllocatorFacts::get() else {
        return 0;
    };
    let of = |(bin, &(bytes, places)): (usize, &(usize, usize))| {
        let slabs = facts.of(facts.slabs, ALL_ARENAS, bin);
        let in_use = facts.of(facts.in_use, ALL_ARENAS, bin);
        (slabs * places).saturating_sub(in_use) * bytes
    };
    facts.bins.iter().enumerate().map(of).sum()
}

/// The slab of a block of the allocator.
fn slab_of(facts: &AllocatorFacts, block: NonNull<u8>) -> Slab {
    let mut asked = block.as_ptr();
    let (mut slab, mut len) = (Slab::default(), size_of::<Slab>());
    let Control { mib, len: names } = &facts.query;
    // SAFETY: an address is read and three numbers are written, which is the layout of `Slab`; for
    // an address that is no block's, zeros are written.
    let code = unsafe {
        mallctlbymib(
            mib.as_ptr(),
            *names,
            (&raw mut slab).cast(),
            &mut len,
            (&raw mut asked).cast(),
            size_of::<*mut u8>(),
        )
    };
    if code == 0 { slab } else { Slab::default() }
}

/// The first byte of the slab for the next block of this block's size.
fn next_slab(facts: &AllocatorFacts, block: NonNull<u8>) -> usize {
    let mut asked = block.as_ptr();
    // That address, then the fields of `Slab`, then the bin's free and all places.
    let mut more = [0usize; 6];
    let mut len = size_of_val(&more);
    let Control { mib, len: names } = &facts.query_more;
    // SAFETY: an address is read; an address and five numbers are written, which fit in `more`.
    unsafe {
        mallctlbymib(
            mib.as_ptr(),
            *names,
            (&raw mut more).cast(),
            &mut len,
            (&raw mut asked).cast(),
            size_of::<*mut u8>(),
        )
    };
    more[0]
}

/// The slabs of a bin that have room, including the one in use.
#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    slabs: usize,
    in_use: usize,
    /// Address of the slab that new blocks go into, as far as known.
    current: usize,
}

/// The slabs of the arena that this thread's blocks come from.
#[derive(Default)]
pub(crate) struct Slabs {
    bins: Vec<Bin>,
}

impl Slabs {
    /// Updates the figures. Cached free blocks of the thread count as used.
    pub fn refresh(&mut self) {
        let Some(facts) = AllocatorFacts::get() else {
            return;
        };
        advance();
        let arena = Control::named(c"thread.arena").and_then(|c| c.read::<u32>());
        let arena = arena.map_or(0, |number| number as usize);
        self.bins.resize(facts.bins.len(), Bin::default());
        for (at, bin) in self.bins.iter_mut().enumerate() {
            let (_, places) = facts.bins[at];
            let with_room = facts.of(facts.slabs_with_room, arena, at);
            // The slab in use is not in that list, and its room is unknown: it is counted among
            // them.
            let full = facts
                .of(facts.slabs, arena, at)
                .saturating_sub(with_room + 1);
            let in_use = facts.of(facts.in_use, arena, at);
            bin.slabs = with_room + 1;
            bin.in_use = in_use.saturating_sub(full * places);
        }
    }

    /// Whether a block should be moved: the block's slab is not fuller than the average for its
    /// size plus an eighth (otherwise slabs that are all equally full would stay), and is not the
    /// slab that the copy would go into.
    #[inline]
    pub fn is_thin(&mut self, block: NonNull<u8>) -> bool {
        let Some(facts) = AllocatorFacts::get() else {
            return false;
        };
        let slab = slab_of(facts, block);
        if slab.places <= 1 || slab.free == 0 {
            return false;
        }
        let number = facts.by_size.get(slab.block_bytes() / QUANTUM);
        let Some(bin) = number.and_then(|&number| self.bins.get_mut(usize::from(number))) else {
            return false;
        };
        let used = slab.places - slab.free;
        if bin.slabs < 3 || used * bin.slabs * 8 > bin.in_use * 9 {
            return false;
        }
        let inside = |first: usize| (first..first + slab.bytes).contains(&block.addr().get());
        if inside(bin.current) {
            // The slab may be full by now.
            bin.current = next_slab(facts, block);
            return !inside(bin.current);
        }
        true
    }

    /// Whether a block and its new place are in the same slab. Updates the known slab in use.
    #[inline]
    pub(crate) fn is_same_slab(&mut self, old: NonNull<u8>, new: NonNull<u8>) -> bool {
        let Some(facts) = AllocatorFacts::get() else {
            return false;
        };
        let slab = slab_of(facts, new);
        let (old, at) = (old.addr().get(), new.addr().get());
        if old.abs_diff(at) >= slab.bytes {
            return false;
        }
        let first = next_slab(facts, new);
        let number = facts.by_size.get(slab.block_bytes() / QUANTUM);
        if let Some(bin) = number.and_then(|&number| self.bins.get_mut(usize::from(number))) {
            bin.current = first;
        }
        (first..first + slab.bytes).contains(&old)
    }
}

/// Makes the allocator update its statistics.
fn advance() {
    let (mut epoch, len) = (1u64, size_of::<u64>());
    // SAFETY: the control reads eight bytes and writes none.
    unsafe {
        mallctl(
            c"epoch".as_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
            (&raw mut epoch).cast(),
            len,
        )
    };
}

#[cfg(test)]
#[cfg(not(feature = "system-allocator"))]
mod tests {
    use super::*;
    use crate::memory::alloc;

    #[test]
    fn slabs_report_how_full_they_are() {
        let facts = AllocatorFacts::get().expect("the stock allocator tells");
        let blocks: Vec<_> = (0..200).map(|_| alloc::block(640)).collect();
        for &block in &blocks {
            let slab = slab_of(facts, block);
            assert_eq!(slab.block_bytes(), 640);
            assert!(slab.free < slab.places);
        }
        // SAFETY: made above, not used after.
        blocks
            .into_iter()
            .for_each(|block| unsafe { alloc::free(block, 640) });
        let large = alloc::block(100_000);
        assert_eq!(slab_of(facts, large).places, 1);
        // SAFETY: as above.
        unsafe { alloc::free(large, 100_000) };
    }

    #[test]
    fn every_small_size_has_its_bin() {
        let facts = AllocatorFacts::get().expect("the stock allocator tells");
        for &(bytes, places) in &facts.bins {
            let bin = usize::from(facts.by_size[bytes / QUANTUM]);
            assert_eq!(facts.bins[bin], (bytes, places));
            assert_eq!(alloc::good_size(bytes), bytes);
        }
    }
}
