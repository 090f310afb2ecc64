//! The allocator and its figures.
//!
//! jemalloc counts, for every thread, the bytes that it ever allocated and freed (size classes, not
//! requests); reading the two counters costs two loads. `used_memory` is the difference of the two
//! over all threads (`ledger`). Raw blocks for the thin-pointer encodings come from this module
//! too, so that the size-class arithmetic is in a single place.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error, realloc};
use std::collections::VecDeque;
use std::ffi::CStr;
use std::io;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::mm::{Advice, madvise};

#[cfg(not(feature = "system-allocator"))]
use super::huge_pages;
use super::{cgroup, slabs};

pub use super::ledger::{
    ForReplies, LetGo, bytes_for_replies, exceeds, let_go, peak_memory, thread_balance, used_memory,
};

/// Bytes that a value owns, tracked by the allocator's balance at each change: for values with
/// parts of unknown size (ordered maps, tables of other crates). All changes must be made by the
/// owning thread, and must allocate nothing that outlives them elsewhere.
///
///     let before = alloc::thread_balance();
///     ... the change ...
///     self.bytes.add_since(before);
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnedBytes(i64);

impl OwnedBytes {
    /// The bytes owned; 0 if more have been subtracted than added.
    pub fn bytes(&self) -> usize {
        self.0.max(0) as usize
    }

    /// Adds the bytes allocated since `before`, minus the bytes freed.
    #[inline]
    pub fn add_since(&mut self, before: i64) {
        self.0 += thread_balance() - before;
    }

    /// Adds bytes that were allocated (or freed, if negative) before.
    pub fn add(&mut self, bytes: i64) {
        self.0 += bytes;
    }
}

/// A slice of zeros that is going to be read and written at random; the kernel provides the pages
/// of a large slice when they are first written (`huge_pages`). `None`: there is no room for the
/// slice, or it is larger than all memory of the machine, or of the process's group.
pub fn zeros(len: usize) -> Option<Box<[u8]>> {
    static AVAILABLE: OnceLock<u64> = OnceLock::new();
    if len == 0 {
        return Some(Box::default());
    }
    if len as u64 > *AVAILABLE.get_or_init(|| cgroup::available_bytes().0) {
        return None;
    }
    let layout = Layout::array::<u8>(len).ok()?;
    // SAFETY: the size is not zero.
    let at = NonNull::new(unsafe { alloc_zeroed(layout) })?;
    #[cfg(not(feature = "system-allocator"))]
    huge_pages::advise_large(at.as_ptr(), len);
    let slice = NonNull::slice_from_raw_parts(at, len);
    // SAFETY: a block of the global allocator with this layout, all of it initialised.
    Some(unsafe { Box::from_raw(slice.as_ptr()) })
}

/// Most of the zeros have been written, so their pages may be huge from now on.
#[cold]
pub fn filled(block: &mut [u8]) {
    #[cfg(not(feature = "system-allocator"))]
    huge_pages::advise_filled(block);
    #[cfg(feature = "system-allocator")]
    let _ = block;
}

/// Whether all bytes are 0: as many at once as the processor can compare.
pub fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(1 << 10).all(|part| {
        let (words, rest) = part.as_chunks::<8>();
        let any = words
            .iter()
            .fold(0, |any, word| any | u64::from_ne_bytes(*word));
        any == 0 && rest.iter().all(|byte| *byte == 0)
    })
}

/// Reserves room for more bytes at the end of a text, which will all be written: in huge pages, if
/// they are so many.
pub fn reserve_whole(text: &mut Vec<u8>, more: usize) {
    text.reserve_exact(more);
    #[cfg(not(feature = "system-allocator"))]
    huge_pages::advise_writing(text.spare_capacity_mut());
}

/// A block that [`zeros`] may have made is going to be read from end to end: the kernel maps pages
/// that no write has touched as huge pages.
pub fn reads_whole(block: &[u8]) {
    #[cfg(not(feature = "system-allocator"))]
    huge_pages::advise_reading(block);
    #[cfg(feature = "system-allocator")]
    let _ = block;
}

/// A copy of bytes that are going to be read at random, as [`zeros`] has them. Where a large block
/// has zeros, the copy takes no memory.
pub fn copied(bytes: &[u8]) -> Box<[u8]> {
    #[cfg(not(feature = "system-allocator"))]
    const SEGMENT: usize = 1 << 16;
    #[cfg(not(feature = "system-allocator"))]
    if bytes.len() >= huge_pages::LARGE_MIN
        && let Some(mut copy) = zeros(bytes.len())
    {
        reads_whole(bytes);
        for (to, from) in copy.chunks_mut(SEGMENT).zip(bytes.chunks(SEGMENT)) {
            if !is_zero(from) {
                to.copy_from_slice(from);
            }
        }
        return copy;
    }
    bytes.into()
}

/// Lifetime of cached totals: as long as Redis's, whose cron updates them.
const TOTALS_HOLD: Duration = Duration::from_millis(100);

static TAKEN: Mutex<Option<(Instant, Totals)>> = Mutex::new(None);

/// The allocator's totals: allocated, active, resident (bytes), up to a tenth of a second old:
/// computing them takes jemalloc ten microseconds or more.
pub fn totals() -> Option<Totals> {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, totals)) = *taken
        && at.elapsed() < TOTALS_HOLD
    {
        return Some(totals);
    }
    let totals = totals_now()?;
    *taken = Some((Instant::now(), totals));
    Some(totals)
}

/// As [`totals`], but current.
pub fn fresh_totals() -> Option<Totals> {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let totals = totals_now()?;
    *taken = Some((Instant::now(), totals));
    Some(totals)
}

fn totals_now() -> Option<Totals> {
    use tikv_jemalloc_ctl::{epoch, stats};
    epoch::advance().ok()?;
    Some(Totals {
        allocated: stats::allocated::read().ok()?,
        active: stats::active::read().ok()?,
        resident: stats::resident::read().ok()?,
        unused: slabs::unused_bytes(),
    })
}

/// See [`totals`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Bytes of the blocks in use, as size classes.
    pub allocated: usize,
    /// Bytes of the pages that have blocks in use.
    pub active: usize,
    /// Bytes of the allocator's pages that are in physical memory.
    pub resident: usize,
    /// Bytes of small-block slabs that no block occupies.
    pub unused: usize,
}

/// The allocator's version, as `5.3.0`.
pub fn version() -> &'static str {
    let full = tikv_jemalloc_ctl::version::read().unwrap_or("0");
    full.split('-').next().unwrap_or(full)
}

/// The allocator's own report, for people.
pub fn report() -> Vec<u8> {
    use std::ffi::{c_char, c_void};
    unsafe extern "C" fn append(to: *mut c_void, text: *const c_char) {
        // SAFETY: the pointer that `report` gave to jemalloc, with no other access meanwhile.
        let to = unsafe { &mut *to.cast::<Vec<u8>>() };
        // SAFETY: jemalloc hands over NUL-terminated text that lives during this call.
        let text = unsafe { CStr::from_ptr(text) };
        to.extend_from_slice(text.to_bytes());
    }
    let mut text = Vec::<u8>::new();
    // SAFETY: `append` is called with the address of `text`, which outlives the call; no
    // options are a null pointer.
    unsafe {
        tikv_jemalloc_sys::malloc_stats_print(
            Some(append),
            (&raw mut text).cast(),
            std::ptr::null(),
        );
    }
    text
}

/// Whether an allocator thread returns freed pages to the system some seconds after they were
/// freed, even while nothing is allocated (`jemalloc-bg-thread`). A forked child has no such
/// thread.
pub fn give_back_by_thread(on: bool) -> io::Result<()> {
    tikv_jemalloc_ctl::background_thread::write(on)
        .map_err(|error| io::Error::other(error.to_string()))
}

/// Returns unused dirty pages to the system (MEMORY PURGE).
pub fn purge() -> bool {
    // 4096 is MALLCTL_ARENAS_ALL: every arena.
    perform(c"arena.4096.purge").is_ok()
}

/// The largest number of bytes that this thread has owned since [`reset_thread_peak`], beyond its
/// bytes then; allocations since the last 64 KiB may be missing. 0 without jemalloc.
pub fn thread_peak() -> u64 {
    control_number(c"thread.peak.read").unwrap_or(0)
}

/// See [`thread_peak`].
pub fn reset_thread_peak() {
    // Without jemalloc there is nothing to reset.
    let _ = perform(c"thread.peak.reset");
}

/// Runs a jemalloc control that has no value: a purge, a decay, a flush of the thread's cache, a
/// reset of the thread's peak. Others are refused: some invalidate memory that is in use.
pub fn perform(control: &CStr) -> io::Result<()> {
    let name = control.to_bytes();
    let harmless = [
        &b".purge"[..],
        b".decay",
        b"thread.tcache.flush",
        b"thread.peak.reset",
    ];
    if !harmless.iter().any(|end| name.ends_with(end)) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let (nothing, none) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the name is NUL-terminated, and these controls take no value in either direction.
    outcome(unsafe { tikv_jemalloc_sys::mallctl(control.as_ptr(), nothing, none, nothing, 0) })
}

/// The value of a numeric control (also a boolean or an address).
pub fn control_number(control: &CStr) -> io::Result<u64> {
    let mut refused = io::ErrorKind::InvalidInput.into();
    for bytes in [8usize, 4, 1] {
        let (mut value, mut len) = (0u64, bytes);
        // SAFETY: the name is NUL-terminated; jemalloc writes at most `len` bytes, which fit in
        // `value`, and reads nothing.
        let code = unsafe {
            let to = (&raw mut value).cast();
            tikv_jemalloc_sys::mallctl(control.as_ptr(), to, &mut len, std::ptr::null_mut(), 0)
        };
        match outcome(code) {
            Ok(()) => return Ok(value),
            // The control's value has another length.
            Err(error) if code == libc::EINVAL => refused = error,
            Err(error) => return Err(error),
        }
    }
    Err(refused)
}

fn outcome(code: i32) -> io::Result<()> {
    match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// The bytes that an allocation of `n` actually occupies: jemalloc's size class.
/// Every 8 bytes up to 64, every 16 up to 128, then four classes a doubling.
#[inline]
pub const fn good_size(n: usize) -> usize {
    if n <= 64 {
        if n == 0 { 8 } else { (n + 7) & !7 }
    } else if n <= 128 {
        (n + 15) & !15
    } else if n > SMALL_MAX {
        // Large allocations are whole pages.
        (n + PAGE - 1) & !(PAGE - 1)
    } else {
        let step = 1usize << (usize::BITS - 1 - (n - 1).leading_zeros() - 2);
        (n + step - 1) & !(step - 1)
    }
}

/// Bytes of a list in the allocator, without the memory that its elements own.
#[inline]
pub fn vec_bytes<T>(list: &Vec<T>) -> usize {
    array_bytes::<T>(list.capacity())
}

/// As [`vec_bytes`], for a queue.
#[inline]
pub fn deque_bytes<T>(queue: &VecDeque<T>) -> usize {
    array_bytes::<T>(queue.capacity())
}

/// Bytes of a text in the allocator.
#[inline]
pub fn slice_bytes(len: usize) -> usize {
    array_bytes::<u8>(len)
}

/// Bytes of room for `n` elements in the allocator; 0 for none.
#[inline]
pub const fn array_bytes<T>(n: usize) -> usize {
    match n * size_of::<T>() {
        0 => 0,
        bytes => good_size(bytes),
    }
}

/// Bytes of a boxed value in the allocator.
#[inline]
pub const fn boxed_bytes<T>() -> usize {
    array_bytes::<T>(1)
}

/// The upper bound of jemalloc's small classes.
pub(crate) const SMALL_MAX: usize = 14 * 1024;
const PAGE: usize = 4096;

/// Requests the whole size class, so that everything that fits into it may be written.
#[inline]
pub fn layout(size: usize) -> Layout {
    Layout::from_size_align(good_size(size), 8).expect("sizes are bounded far below isize::MAX")
}

/// An uninitialised, 8-byte aligned block of `good_size(size)` bytes.
#[inline]
pub fn block(size: usize) -> NonNull<u8> {
    let layout = layout(size);
    // SAFETY: a size class is never zero.
    let at = unsafe { alloc(layout) };
    NonNull::new(at).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Frees a block of [`block`] or [`resize`].
///
/// # Safety
/// `at` came from this module with the same `size` and is not used again.
#[inline]
pub unsafe fn free(at: NonNull<u8>, size: usize) {
    // SAFETY: the caller's promise; the layout is computed from the same size.
    unsafe { dealloc(at.as_ptr(), layout(size)) }
}

/// Resizes a block of `old` bytes to `new` bytes, keeping the common prefix.
///
/// # Safety
/// As [`free`]; the old address is dead afterwards.
#[inline]
pub unsafe fn resize(at: NonNull<u8>, old: usize, new: usize) -> NonNull<u8> {
    if good_size(old) == good_size(new) {
        return at;
    }
    // SAFETY: the caller's promise; neither layout is of size zero.
    let moved = unsafe { realloc(at.as_ptr(), layout(old), layout(new).size()) };
    NonNull::new(moved).unwrap_or_else(|| handle_alloc_error(layout(new)))
}

/// Bytes that are appended to a block of fixed capacity, all of which are expected to come.
///
/// The kernel provides the block's pages at once, because as they are written singly, they cost a
/// page fault each.
///
/// Invariant: `len <= layout.size()`, and the first `len` bytes are initialised.
#[derive(Debug)]
pub struct AppendBlock {
    at: NonNull<u8>,
    len: usize,
    layout: Layout,
}

// SAFETY: the block is this value's own.
unsafe impl Send for AppendBlock {}
// SAFETY: a shared reference only reads.
unsafe impl Sync for AppendBlock {}

impl AppendBlock {
    /// An empty block. `capacity` must not be 0.
    pub fn with_capacity(capacity: usize) -> AppendBlock {
        assert!(capacity > 0);
        let layout = layout(capacity);
        // SAFETY: the size is not zero.
        let at = unsafe { alloc(layout) };
        let at = NonNull::new(at).unwrap_or_else(|| handle_alloc_error(layout));
        let before = at.as_ptr().addr() % PAGE;
        let first = at.as_ptr().wrapping_sub(before);
        // SAFETY: only the block's own pages; existing ones do not change. A kernel without this
        // call refuses, and the pages are provided when they are written.
        let _ = unsafe {
            madvise(
                first.cast(),
                layout.size() + before,
                Advice::LinuxPopulateWrite,
            )
        };
        AppendBlock { at, len: 0, layout }
    }

    /// Bytes that the block can hold: the size class of the requested capacity.
    pub fn capacity(&self) -> usize {
        self.layout.size()
    }

    /// Appends as many of the bytes as there is room for; returns the others.
    #[inline]
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let room = self.layout.size() - self.len;
        let (here, rest) = bytes.split_at(room.min(bytes.len()));
        // SAFETY: no further than the block's end (the invariant).
        let end = unsafe { self.at.add(self.len) };
        // SAFETY: the block has room for as many bytes, and is this value's own.
        unsafe {
            end.as_ptr()
                .copy_from_nonoverlapping(here.as_ptr(), here.len())
        };
        self.len += here.len();
        rest
    }
}

impl Deref for AppendBlock {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: initialised (the invariant), and this value's own.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl Drop for AppendBlock {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and not used again.
        unsafe { dealloc(self.at.as_ptr(), self.layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_filled_to_its_end() {
        for capacity in [8, 16 * 1024, 128 * 1024] {
            let mut block = AppendBlock::with_capacity(capacity);
            let piece: Vec<u8> = (0..capacity.div_ceil(2) + 7).map(|i| i as u8).collect();
            assert!(block.is_empty());
            assert_eq!(block.push(b""), b"");
            let mut wanted = Vec::new();
            while block.len() < block.capacity() {
                let rest = block.push(&piece).len();
                wanted.extend_from_slice(&piece[..piece.len() - rest]);
            }
            assert_eq!(block.push(b"ab"), b"ab");
            assert!(wanted.len() == capacity && *block == wanted[..]);
        }
    }

    #[test]
    fn good_size_is_the_allocators_own_rounding() {
        for n in (1..40_000).chain([1_000_000]) {
            // SAFETY: nallocx only computes; flags 0.
            let real = unsafe { tikv_jemalloc_sys::nallocx(n, 0) };
            assert_eq!(good_size(n), real, "{n}");
        }
    }
}
