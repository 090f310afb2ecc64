//! `used_memory`: the total bytes held by all threads of a server.
//!
//! A thread often frees a block that another thread allocated: buffers that the loop fills and a
//! helper thread writes to a file, values that are freed off the loop. So the balance of a single
//! thread is meaningless; memory in use is the sum over all threads that hand blocks to each other.
//! Such threads share a *ledger*: the loop's thread opens it, and every thread started from a
//! thread of the ledger joins it (`threads::start`, the only way to start a thread).
//!
//!     account     the allocator's counters of one thread: bytes ever allocated and freed
//!     ended       the final balances of ended threads
//!     let go      bytes that no longer count although they are not freed yet ([`let_go`])
//!     used        the sum of all accounts and of `ended`, minus `let go`
//!
//! Invariants
//!   1. An account is in its ledger from before its thread's work begins until after the
//!      thread's last destructor: no allocation or free is left out.
//!   2. Counters of other threads are read under the ledger's lock, which an ending thread takes to
//!      close its account: no counter is read after the end of its thread.
//!   3. For the loop's thread the sum is exact, except for allocations that another thread is
//!      making at that moment: such a block counts from then on or from the next read.
//!
//! Cost: a sum takes a lock that is hardly ever contended, and reads two counters of each thread.
//! [`exceeds`], called for each command, reads this thread's counters and a single number as long
//! as the result is no.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

/// The allocator's counters of a thread, in that thread's own storage.
#[derive(Clone, Copy, Debug)]
struct Counters {
    allocated: *mut u64,
    freed: *mut u64,
}

// SAFETY: other threads read the counters only while the counters' thread lives (invariant 2).
unsafe impl Send for Counters {}

/// The counters of a thread if the allocator has none.
static NOTHING: AtomicU64 = AtomicU64::new(0);

impl Counters {
    const NONE: Counters = Counters {
        allocated: NOTHING.as_ptr(),
        freed: NOTHING.as_ptr(),
    };

    /// The current thread's counters.
    fn mine() -> Counters {
        let at = |control: &CStr| {
            let mut at = ptr::null_mut::<u64>();
            let mut len = size_of_val(&at);
            let to: *mut c_void = (&raw mut at).cast();
            // SAFETY: the name is NUL-terminated; the controls requested here return addresses,
            // which fit in `at`, and read nothing.
            unsafe {
                tikv_jemalloc_sys::mallctl(control.as_ptr(), to, &mut len, ptr::null_mut(), 0)
            };
            (!at.is_null()).then_some(at)
        };
        match (at(c"thread.allocatedp"), at(c"thread.deallocatedp")) {
            (Some(allocated), Some(freed)) => Counters { allocated, freed },
            _ => Counters::NONE,
        }
    }

    /// The balance, read by the owning thread.
    #[inline]
    fn own(self) -> i64 {
        // SAFETY: this thread's own storage, which only this thread writes.
        let (allocated, freed) = unsafe { (*self.allocated, *self.freed) };
        allocated.wrapping_sub(freed) as i64
    }

    /// The balance, read by any thread, under the ledger's lock.
    fn any(self) -> i64 {
        // Freed bytes are read first: a block allocated and freed in between counts as
        // allocated, and a sum is never too small.
        // SAFETY: aligned counters of a live thread (invariant 2), which it writes as plain words;
        // reads of a word are not torn.
        let freed = unsafe { AtomicU64::from_ptr(self.freed) }.load(Ordering::Acquire);
        // SAFETY: as above.
        let allocated = unsafe { AtomicU64::from_ptr(self.allocated) }.load(Ordering::Relaxed);
        allocated.wrapping_sub(freed) as i64
    }
}

/// A thread's entry in its ledger.
#[derive(Debug)]
struct Account {
    counters: Counters,
    /// While the thread frees memory that was let go: the balance before, which counts until the
    /// memory is freed ([`LetGo::free_with`]).
    frozen: Option<i64>,
}

#[derive(Debug, Default)]
struct Accounts {
    open: Vec<Account>,
    ended: i64,
    let_go: i64,
}

impl Accounts {
    fn used(&self) -> i64 {
        let of = |account: &Account| account.frozen.unwrap_or_else(|| account.counters.any());
        self.open.iter().map(of).sum::<i64>() + self.ended - self.let_go
    }

    fn account(&mut self, counters: Counters) -> Option<usize> {
        let is_it = |account: &Account| ptr::eq(account.counters.allocated, counters.allocated);
        self.open.iter().position(is_it)
    }
}

/// See the module. Never freed: a server has a single ledger, a test process a ledger for each
/// thread that is not a helper.
#[derive(Debug)]
pub(crate) struct Ledger {
    accounts: Mutex<Accounts>,
    /// The difference of `used_memory` and the balance of the thread that opened the ledger, at the
    /// last read.
    beside: AtomicI64,
    /// The highest `used_memory` at any read.
    peak: AtomicUsize,
    /// Bytes that only unsent replies keep ([`ForReplies`]).
    for_replies: AtomicI64,
}

struct ThreadLedger {
    counters: Cell<Counters>,
    ledger: Cell<Option<&'static Ledger>>,
}

thread_local! {
    // Without a destructor: available until the thread's storage is gone.
    static MINE: ThreadLedger = const {
        ThreadLedger { counters: Cell::new(Counters::NONE), ledger: Cell::new(None) }
    };
}

/// Bytes allocated minus bytes freed by this thread so far.
#[inline]
pub fn thread_balance() -> i64 {
    MINE.with(|mine| {
        if mine.ledger.get().is_none() {
            Ledger::open();
        }
        mine.counters.get().own()
    })
}

impl Ledger {
    /// The current thread's ledger; opens a new ledger if it has none yet.
    pub fn mine() -> &'static Ledger {
        MINE.with(|mine| mine.ledger.get())
            .unwrap_or_else(Ledger::open)
    }

    #[cold]
    fn open() -> &'static Ledger {
        let ledger = Box::leak(Box::new(Ledger {
            accounts: Mutex::default(),
            beside: AtomicI64::new(0),
            peak: AtomicUsize::new(0),
            for_replies: AtomicI64::new(0),
        }));
        ledger.join();
        ledger
    }

    /// Opens this thread's account; it is closed when the thread ends.
    pub fn join(&'static self) {
        let counters = Counters::mine();
        self.lock().open.push(Account {
            counters,
            frozen: None,
        });
        MINE.with(|mine| {
            mine.counters.set(counters);
            mine.ledger.set(Some(self));
        });
        close_at_end(self);
    }

    /// Closes the ending thread's account; its balance stays counted. Allocates and frees nothing.
    fn close(&self) {
        let counters = MINE.with(|mine| mine.counters.get());
        let mut accounts = self.lock();
        if let Some(at) = accounts.account(counters) {
            accounts.open.swap_remove(at);
            accounts.ended += counters.own();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> usize {
        let accounts = match self.accounts.try_lock() {
            Ok(accounts) => accounts,
            Err(TryLockError::Poisoned(accounts)) => accounts.into_inner(),
            // A thread that starts, frees or ends holds it. A forked child or a crash report may
            // never get the lock.
            Err(TryLockError::WouldBlock) => return self.estimate(),
        };
        let used = accounts.used();
        self.beside
            .store(used - thread_balance(), Ordering::Relaxed);
        let used = used.max(0) as usize;
        self.peak.fetch_max(used, Ordering::Relaxed);
        used
    }

    /// Estimates with the other threads' balances at the last read.
    #[inline]
    fn estimate(&self) -> usize {
        (thread_balance() + self.beside.load(Ordering::Relaxed)).max(0) as usize
    }
}

/// Makes [`Ledger::close`] run after this thread's last destructor.
///
/// This uses a pthreads key, because a destructor of `thread_local!` runs before the runtime frees
/// its own data of a thread: some hundred bytes for each thread that ever ended. The allocator
/// allows it: it keeps counting for a thread that it has cleaned up after.
fn close_at_end(ledger: &'static Ledger) {
    static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();
    unsafe extern "C" fn close(ledger: *mut c_void) {
        // SAFETY: set below to a ledger, which is never freed.
        unsafe { &*ledger.cast::<Ledger>() }.close();
    }
    let key = *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: writes the new key's number.
        let code = unsafe { libc::pthread_key_create(&mut key, Some(close)) };
        assert_eq!(code, 0, "a process has at least 128 keys");
        key
    });
    // SAFETY: the key was made above; its value is only passed to `close`.
    let code = unsafe { libc::pthread_setspecific(key, ptr::from_ref(ledger).cast()) };
    assert_eq!(code, 0, "memory for a thread's own value");
}

/// `used_memory`: bytes in the allocator's size classes that are in use, by all threads of this
/// thread's server. No system call.
pub fn used_memory() -> usize {
    Ledger::mine().used()
}

/// Whether more than `limit` bytes are in use; for the thread that opened the ledger. Allocations
/// of other threads since the last read of `used_memory` may be missed; a result of yes is exact.
#[inline]
pub fn exceeds(limit: usize) -> bool {
    let ledger = Ledger::mine();
    ledger.estimate() > limit && ledger.used() > limit
}

/// The highest `used_memory` seen so far.
pub fn peak_memory() -> usize {
    let ledger = Ledger::mine();
    ledger.used();
    ledger.peak.load(Ordering::Relaxed)
}

/// Bytes that only unsent replies keep, and that no client's own buffers hold: messages to several
/// clients, each once, and strings that have left the keyspace. O(1).
pub fn bytes_for_replies() -> usize {
    let bytes = Ledger::mine().for_replies.load(Ordering::Relaxed);
    bytes.max(0) as usize
}

/// Bytes that only unsent replies keep, until this is dropped, by whichever thread.
#[derive(Debug)]
pub struct ForReplies {
    bytes: i64,
    ledger: &'static Ledger,
}

impl ForReplies {
    /// Counts `bytes` as kept by replies, from now on.
    pub fn new(bytes: usize) -> ForReplies {
        let (bytes, ledger) = (bytes as i64, Ledger::mine());
        ledger.for_replies.fetch_add(bytes, Ordering::Relaxed);
        ForReplies { bytes, ledger }
    }
}

impl Drop for ForReplies {
    fn drop(&mut self) {
        self.ledger
            .for_replies
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// About `bytes` bytes are no longer used, although they are not freed yet: they leave
/// `used_memory` until the returned value is dropped, which the caller must do when the bytes are
/// free.
pub fn let_go(bytes: usize) -> LetGo {
    let ledger = Ledger::mine();
    let bytes = bytes as i64;
    ledger.lock().let_go += bytes;
    LetGo { bytes, ledger }
}

/// See [`let_go`].
#[must_use = "it lasts until the bytes are free"]
pub struct LetGo {
    bytes: i64,
    ledger: &'static Ledger,
}

impl LetGo {
    /// Approximate bytes not freed yet.
    pub fn bytes(&self) -> usize {
        self.bytes as usize
    }

    /// Records that this many of the bytes have been freed.
    pub fn freed(&mut self, bytes: usize) {
        let freed = (bytes as i64).min(self.bytes);
        self.bytes -= freed;
        self.ledger.lock().let_go -= freed;
    }

    /// Frees the memory on this thread. `used_memory` does not change until the closure has ended,
    /// however long that takes.
    pub fn free_with(self, free: impl FnOnce()) {
        let counters = MINE.with(|mine| mine.counters.get());
        let freeze = |frozen: Option<i64>| {
            let mut accounts = self.ledger.lock();
            if let Some(at) = accounts.account(counters) {
                accounts.open[at].frozen = frozen;
            }
            accounts
        };
        drop(freeze(Some(counters.own())));
        free();
        freeze(None).let_go -= self.bytes;
        std::mem::forget(self);
    }
}

impl Drop for LetGo {
    fn drop(&mut self) {
        self.ledger.lock().let_go -= self.bytes;
    }
}

#[cfg(test)]
#[cfg(not(feature = "system-allocator"))]
mod tests {
    use super::*;
    use crate::threads;
    use std::sync::mpsc;

    const BYTES: usize = 8 << 20;
    /// Tolerance for the memory of channels and threads.
    const LITTLE: usize = 64 << 10;

    fn assert_near(got: usize, expected: usize) {
        assert!(got.abs_diff(expected) < LITTLE, "{got} {expected}");
    }

    /// Bug: each buffer that the loop handed to a thread, which freed it, stayed in `used_memory`.
    #[test]
    fn a_block_that_another_thread_frees_is_free() {
        let before = used_memory();
        let (give, given) = mpsc::channel::<Vec<u8>>();
        let (sender, reported) = mpsc::channel();
        let work = move || {
            for block in given {
                drop(block);
                let _ = sender.send(());
            }
        };
        let thread = threads::start("frees", work).expect("a thread");
        for _ in 0..4 {
            let block = vec![1u8; BYTES];
            assert_near(used_memory(), before + BYTES);
            give.send(block).expect("it waits for it");
            reported.recv().expect("it answers");
            assert_near(used_memory(), before);
            assert!(!exceeds(before + BYTES / 2));
        }
        drop(give);
        thread.join().expect("it ends");
        assert_near(used_memory(), before);
    }

    #[test]
    fn what_an_ended_thread_leaves_behind_counts_until_it_is_freed() {
        let before = used_memory();
        let work = || vec![1u8; BYTES];
        let block = threads::start("allocates", work).expect("a thread").join();
        assert_near(used_memory(), before + BYTES);
        assert!(exceeds(before + BYTES / 2));
        drop(block);
        assert_near(used_memory(), before);
    }

    /// Threads start and end with every snapshot: none may leave a trace.
    #[test]
    fn a_thread_that_ended_left_nothing_to_the_byte() {
        let run = || threads::start("short", || ()).expect("a thread").join();
        let accounts = || Ledger::mine().lock().open.len();
        // Waits for the end of the thread's storage, which is after `join`.
        let ended = || {
            while accounts() > 1 {
                std::thread::yield_now();
            }
        };
        run().expect("it ends");
        ended();
        let before = used_memory();
        for _ in 0..100 {
            run().expect("it ends");
        }
        ended();
        assert_eq!(used_memory(), before);
    }

    #[test]
    fn what_was_let_go_does_not_count_twice_while_it_is_freed() {
        let before = used_memory();
        let mut blocks: Vec<Vec<u8>> = (0..8).map(|_| vec![1u8; BYTES / 8]).collect();
        let gone = let_go(BYTES);
        assert_near(used_memory(), before);
        let ledger = Ledger::mine();
        let (advance, continues) = mpsc::channel::<()>();
        let (sender, reported) = mpsc::channel();
        let work = move || {
            gone.free_with(|| {
                blocks.truncate(4);
                let _ = sender.send(());
                let _ = continues.recv();
                drop(blocks);
            });
        };
        let thread = threads::start("frees", work).expect("a thread");
        reported.recv().expect("it is in the middle");
        assert_near(ledger.used(), before);
        drop(advance);
        thread.join().expect("it ends");
        assert_near(used_memory(), before);
    }

    #[test]
    fn what_is_freed_in_parts_leaves_the_figure_as_it_is() {
        let before = used_memory();
        let mut blocks: Vec<Vec<u8>> = (0..8).map(|_| vec![1u8; BYTES / 8]).collect();
        let mut gone = let_go(BYTES);
        while blocks.pop().is_some() {
            gone.freed(BYTES / 8);
            assert_near(used_memory(), before);
        }
        assert_eq!(gone.bytes(), 0);
    }

    #[test]
    fn another_servers_threads_are_not_counted() {
        let before = used_memory();
        let other = std::thread::spawn(|| {
            let block = vec![1u8; BYTES];
            (used_memory(), block)
        });
        let (theirs, block) = other.join().expect("it ends");
        assert!(theirs >= BYTES);
        assert_near(used_memory(), before);
        // A block of the other ledger, not to be freed in this ledger.
        std::mem::forget(block);
    }
}
