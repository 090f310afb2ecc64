//! Huge pages (2 MiB) for memory that a large server grows by.
//!
//! A lookup among many keys reads memory at random. With pages of 4 KiB, most of these reads first
//! miss in the processor's table of pages, and each page of a growing heap is a fault of its own.
//! If the kernel leaves the choice to programs (`transparent_hugepage/enabled` is `madvise`), the
//! arena of the calling thread asks for huge pages when it maps more address space, in its `alloc`
//! hook. All other hooks are jemalloc's own.
//!
//!     | first 16 MiB | older regions          | newest region |
//!       small pages    keep what they have      huge pages when they are touched
//!
//! Only the newest region gets huge pages. In an older region the kernel's collector (khugepaged)
//! would fill the holes that the allocator has given back. A small server has none, so it does not
//! take 2 MiB when it needs a few pages.
//!
//! Cost: two system calls for each region, whose sizes grow with the arena; and the kernel clears 2
//! MiB when a huge page is first touched, for which it may have to move other pages first
//! (`transparent_hugepage/defrag`). In a virtual machine that gives free memory back to its host,
//! the host may have to find the 2 MiB, too: that takes 4 ms instead of 0.2, and the loop waits. So
//! the first huge page of a region is touched at once. If that takes longer than [`SLOW`], the rest
//! of the region and the next ones have small pages, until a later region tries again ([`TRIALS`]).
//!
//! Allocations of 8 MiB and more have an arena of jemalloc's own, without the hook: most of them
//! are written once and read in order. Blocks that are read at random (`alloc::zeros`) ask for
//! themselves: with a trial as regions have, and up to [`AT_ONCE_MAX`], since a single command may
//! touch all pages of a block. A larger block asks when it has been filled ([`advise_filled`]), and
//! the kernel's collector makes its pages huge; and before it is read from end to end
//! ([`advise_reading`]), because pages that were never written are then mapped by 2 MiB: a small
//! page for each 4 KiB takes some microseconds in a virtual machine. All bytes of blocks count as
//! used memory anyway, so that what is resident stays below it; jemalloc gives their pages back at
//! once when they are freed.
#![allow(unsafe_code)]

use std::ffi::{c_uint, c_void};
use std::fs;
use std::io;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::mm::{Advice, madvise};
use tikv_jemalloc_sys::{extent_hooks_t, mallctl};

use crate::backoff::Backoff;

const HUGE: usize = 2 << 20;
/// Address space that is mapped with small pages first.
const SMALL_MAX: usize = 16 << 20;
/// Blocks of this length are not mapped by the hook (jemalloc's `oversize_threshold`).
pub(super) const LARGE_MIN: usize = 8 << 20;

/// Larger blocks that are read at random have small pages first: these are 16 huge ones.
const AT_ONCE_MAX: usize = 32 << 20;

/// A huge page that takes longer is dearer than 512 small ones.
const SLOW: Duration = Duration::from_millis(1);
/// The most regions without a trial after a region with slow pages.
const SKIP_MAX: u32 = 4;

/// Decides which regions try huge pages: after a slow region none for a while.
static TRIALS: Mutex<Backoff<SKIP_MAX, 1>> = Mutex::new(Backoff::new());

/// Whether large blocks may ask for huge pages.
static LARGE_ASK: AtomicBool = AtomicBool::new(false);

fn are_left_to_programs() -> bool {
    let mode = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    mode.is_ok_and(|mode| mode.contains("[madvise]"))
}

/// jemalloc's hooks with another `alloc`, and its own `alloc`.
struct Hooks {
    /// Read by jemalloc for as long as the process lives.
    ours: extent_hooks_t,
    own_alloc: Alloc,
}

type Alloc = unsafe extern "C" fn(
    *mut extent_hooks_t,
    *mut c_void,
    usize,
    usize,
    *mut bool,
    *mut bool,
    c_uint,
) -> *mut c_void;

static HOOKS: OnceLock<Hooks> = OnceLock::new();
/// Bytes mapped by the hook.
static MAPPED: AtomicUsize = AtomicUsize::new(0);
/// The newest region.
static NEWEST: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static NEWEST_BYTES: AtomicUsize = AtomicUsize::new(0);

/// From now on the calling thread's arena grows by huge pages, if the kernel leaves that to
/// programs, and so do the large blocks of all threads that are read at random.
///
/// # Errors
/// The allocator has no such hooks.
pub fn grow_by_huge_pages() -> io::Result<()> {
    if !are_left_to_programs() {
        return Ok(());
    }
    LARGE_ASK.store(true, Ordering::Relaxed);
    let arena = super::alloc::control_number(c"thread.arena")?;
    let name = format!("arena.{arena}.extent_hooks\0");
    let mut own: *mut extent_hooks_t = ptr::null_mut();
    let mut len = mem::size_of_val(&own);
    // SAFETY: the name is NUL-terminated, and the control's value is a pointer, as is `own`.
    let code = unsafe {
        let to = (&raw mut own).cast();
        mallctl(name.as_ptr().cast(), to, &mut len, ptr::null_mut(), 0)
    };
    // SAFETY: jemalloc's hooks are valid as long as it uses them, and these are a constant of the
    // allocator.
    let own = match (code, unsafe { own.as_ref() }) {
        (0, Some(own)) => *own,
        (code, _) => return Err(io::Error::from_raw_os_error(code)),
    };
    let own_alloc = own
        .alloc
        .ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
    let hooks = HOOKS.get_or_init(|| Hooks {
        ours: extent_hooks_t {
            alloc: Some(map),
            ..own
        },
        own_alloc,
    });
    let mut ours: *const extent_hooks_t = &raw const hooks.ours;
    // SAFETY: as above; the hooks are in a static, so they outlive the arena. jemalloc only reads
    // them.
    let code = unsafe {
        let from = (&raw mut ours).cast();
        let none = ptr::null_mut();
        mallctl(name.as_ptr().cast(), none, ptr::null_mut(), from, len)
    };
    match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Maps address space as jemalloc does, and advises it. jemalloc holds the arena's lock: nothing is
/// allocated here.
unsafe extern "C" fn map(
    hooks: *mut extent_hooks_t,
    at: *mut c_void,
    bytes: usize,
    alignment: usize,
    zero: *mut bool,
    commit: *mut bool,
    arena: c_uint,
) -> *mut c_void {
    let Some(own) = HOOKS.get() else {
        return ptr::null_mut();
    };
    // SAFETY: jemalloc's own arguments for its own function.
    let mapped = unsafe { (own.own_alloc)(hooks, at, bytes, alignment, zero, commit, arena) };
    if !mapped.is_null() {
        // SAFETY: jemalloc's argument, which its function has set. Under `vm.overcommit_memory` 2
        // the pages are not committed: they may not be touched yet.
        let may_touch = unsafe { commit.as_ref() }.is_some_and(|&committed| committed);
        advise(mapped, bytes, may_touch);
    }
    mapped
}

/// Asks for huge pages within a block of zeros that was just allocated, if the block is large, but
/// not too large. The kernel has not provided the block's pages yet.
pub(super) fn advise_large(at: *mut u8, bytes: usize) {
    if !(LARGE_MIN..=AT_ONCE_MAX).contains(&bytes) || !LARGE_ASK.load(Ordering::Relaxed) {
        return;
    }
    let (begin, whole) = whole_pages(at.cast(), bytes);
    let mut trials = TRIALS.lock().unwrap_or_else(PoisonError::into_inner);
    if !trials.skips() {
        trials.record_trial(try_huge(begin, whole, true) <= SLOW);
    }
}

/// Asks the kernel to make the pages of a block huge in the course of time, if the block is so
/// large that the pages were small at first. Most of them have been written by now.
pub fn advise_filled(block: &mut [u8]) {
    advise_whole(block.as_mut_ptr().cast(), block.len());
}

/// Asks for huge pages in a block that is going to be read from end to end, if the block is so
/// large that the pages were small at first. Pages that were written keep their size.
pub(super) fn advise_reading(block: &[u8]) {
    advise_whole(block.as_ptr().cast_mut().cast(), block.len());
}

/// Asks for huge pages in a block that is going to be written from end to end, if it is large.
pub(super) fn advise_writing(block: &mut [MaybeUninit<u8>]) {
    advise_whole(block.as_mut_ptr().cast(), block.len());
}

/// Asks for huge pages in all of a block, which the caller has borrowed.
fn advise_whole(at: *mut c_void, bytes: usize) {
    if bytes <= AT_ONCE_MAX || !LARGE_ASK.load(Ordering::Relaxed) {
        return;
    }
    let (begin, whole) = whole_pages(at, bytes);
    // SAFETY: within the block; the advice changes no content.
    unsafe {
        let _ = madvise(begin, whole, Advice::LinuxHugepage);
    }
}

/// The whole huge pages of a range: their beginning and their bytes.
fn whole_pages(at: *mut c_void, bytes: usize) -> (*mut c_void, usize) {
    let before = at.addr().next_multiple_of(HUGE) - at.addr();
    let whole = bytes.saturating_sub(before) / HUGE * HUGE;
    (at.wrapping_byte_add(before), whole)
}

/// A region was mapped: it is the newest now.
fn advise(at: *mut c_void, bytes: usize, may_touch: bool) {
    if MAPPED.fetch_add(bytes, Ordering::Relaxed) < SMALL_MAX {
        return;
    }
    let (begin, whole) = whole_pages(at, bytes);
    if whole == 0 {
        return;
    }
    let older = NEWEST.swap(begin, Ordering::Relaxed);
    let older_bytes = NEWEST_BYTES.swap(whole, Ordering::Relaxed);
    if !older.is_null() {
        // SAFETY: mapped by jemalloc, which never unmaps what it has (`opt.retain`); the advice
        // changes no content.
        unsafe {
            let _ = madvise(older, older_bytes, Advice::LinuxNoHugepage);
        }
    }
    let mut trials = TRIALS.lock().unwrap_or_else(PoisonError::into_inner);
    if !trials.skips() {
        trials.record_trial(try_huge(begin, whole, may_touch) <= SLOW);
    }
}

/// Asks for huge pages in zeros that were just mapped, and touches the first page, if it may;
/// returns how long the kernel took for it. If that is long, the rest of the region has small ones.
fn try_huge(begin: *mut c_void, whole: usize, may_touch: bool) -> Duration {
    // SAFETY: whole pages of the caller's region, which jemalloc has mapped (writable, if they may
    // be touched) and nothing uses yet; zero is what they contain. A kernel without huge pages
    // refuses, and all stays as it is.
    unsafe {
        let _ = madvise(begin, whole, Advice::LinuxHugepage);
        if !may_touch {
            return Duration::ZERO;
        }
        let began = Instant::now();
        begin.cast::<u8>().write_volatile(0);
        let took = began.elapsed();
        if took > SLOW {
            let _ = madvise(begin, whole, Advice::LinuxNoHugepage);
        }
        took
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of huge pages of this process.
    fn huge_bytes() -> usize {
        let text = fs::read_to_string("/proc/self/smaps_rollup").expect("a process");
        let line = text.lines().find_map(|l| l.strip_prefix("AnonHugePages:"));
        let kilobytes = line.expect("a field").trim().trim_end_matches(" kB");
        kilobytes.parse::<usize>().expect("a number") << 10
    }

    fn use_new_arena() {
        let mut arena: c_uint = 0;
        let mut len = mem::size_of_val(&arena);
        let to = (&raw mut arena).cast();
        // SAFETY: the names are NUL-terminated, and the values of both controls are of this type.
        let codes = unsafe {
            [
                mallctl(c"arenas.create".as_ptr(), to, &mut len, ptr::null_mut(), 0),
                mallctl(
                    c"thread.arena".as_ptr(),
                    ptr::null_mut(),
                    ptr::null_mut(),
                    to,
                    len,
                ),
            ]
        };
        assert_eq!(codes, [0, 0]);
    }

    #[test]
    fn a_large_block_that_is_read_at_random_has_huge_pages() {
        let fill = || {
            use_new_arena();
            grow_by_huge_pages().expect("jemalloc");
            let before = huge_bytes();
            let mut block = crate::memory::alloc::zeros(3 * LARGE_MIN).expect("room");
            block.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
            huge_bytes().saturating_sub(before)
        };
        let more = std::thread::spawn(fill).join().expect("it ends");
        // A trial may have found them slow.
        assert!(more == 0 || are_left_to_programs(), "{more}");
    }

    #[test]
    fn the_advice_about_a_filled_block_changes_no_content() {
        let fill = || {
            use_new_arena();
            grow_by_huge_pages().expect("jemalloc");
            let mut block = crate::memory::alloc::zeros(2 * AT_ONCE_MAX).expect("room");
            block.iter_mut().step_by(HUGE).for_each(|byte| *byte = 1);
            advise_filled(&mut block);
            advise_reading(&block);
            assert!(block.iter().step_by(HUGE).all(|byte| *byte == 1));
        };
        std::thread::spawn(fill).join().expect("it ends");
    }

    #[test]
    fn a_growing_arena_has_huge_pages() {
        // A separate thread with a separate arena: nothing is mapped there before, and other tests
        // find their arenas unchanged.
        let grow = || {
            use_new_arena();
            grow_by_huge_pages().expect("jemalloc");
            let before = huge_bytes();
            let blocks: Vec<Vec<u8>> = (0..3000).map(|n| vec![n as u8; 64 << 10]).collect();
            let after = huge_bytes();
            assert!(
                blocks
                    .iter()
                    .enumerate()
                    .all(|(n, b)| b.iter().all(|&x| x == n as u8))
            );
            after.saturating_sub(before)
        };
        let more = std::thread::spawn(grow).join().expect("it ends");
        // A fragmented machine has few.
        assert!(more >= HUGE || !are_left_to_programs(), "{more}");
    }
}
