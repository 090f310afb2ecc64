//! Upkeep: memory limits and eviction, clients over their limits, defragmentation, TLS materials.
//!
//! # Memory that is returned
//!
//! jemalloc keeps the pages of a slab while any block in it lives, so memory freed at random stays
//! resident. Active defragmentation moves blocks out of thinly filled slabs. `base/memory/slabs.rs`
//! asks the stock allocator how full the slab of a block is (`experimental.utilization`), and reads
//! the statistics of the slabs of that size; `base/memory/mover.rs` copies a block whose slab is
//! thinner than the average, bypassing the thread's cache, which would reuse the place just left.
//! The owner of a block offers it: `types::Relocate` for containers, `HashTable::relocate_words`
//! and `relocate_lines` for tables, which keep every element in its place, so that cursors remain
//! valid. `keyspace/passes/defrag.rs` is the walk over everything; it lists what may hold an
//! address between turns, and why that is safe: pins, the entry that a snapshot saves in slices,
//! values being freed. `server/parts/memory/defrag` schedules it: by the unused bytes of small
//! slabs, once a second, and in slices after the replies of a turn; without `activedefrag` only
//! while no command comes. `server/memory/defrag.rs` makes the steps.
//!
//! An eager mover moves all blocks that it is offered, under any allocator:
//! `commands/conformance/moved.rs`, the snapshots' property test and the fuzzer of commands run
//! with it between commands, under AddressSanitizer too.
//!
//! Memory beyond the first 16 MiB is asked for in huge pages (`base/memory/huge_pages.rs`,
//! `huge-pages`), if the kernel leaves that to programs: a read at random misses in the processor's
//! table of pages less often, and a growing heap has a fault for 2 MiB instead of 4 KiB. A SET of a
//! million new keys costs 0.71 us instead of 0.82 (pipeline 64, medians of nine), GET and SET of
//! known keys 2 to 6 % less, 2 MB more stay resident. Pages that were cleared first for a whole
//! heap (`thp:always`) had cost a quarter while it grew. Vector sets gain nothing: their large
//! blocks are in an arena of jemalloc's own. So are the large blocks of filters, which ask for huge
//! pages by themselves: BF.MEXISTS of ten among ten million items takes 2.8 us instead of 4.0. From
//! a fork on (`snapshot-method fork`) kernels before 5.8 copy 2 MiB at the first write to a page:
//! `huge-pages no` is for them. It is jemalloc's `alloc` hook of the loop's arena that asks, for
//! the newest region alone; an older region gets no new huge pages, so that the kernel's collector
//! does not fill pages that were given back. If a huge page takes longer than 1 ms (a virtual
//! machine whose host must find the memory first: 4 ms), the region and the next regions have small
//! pages, because a SET of a million new keys took a sixth more with such huge pages, and each of
//! them stopped the loop. jemalloc's own `thp:always` would ask for huge pages for all memory from
//! the first byte on.
//!
//! jemalloc's own thread returns unused pages (`jemalloc-bg-thread`); for MEMORY PURGE the
//! lazy-free thread returns them at once; only the client waits for that, not the loop.

pub mod client_eviction;
pub mod defrag;
pub mod limits;
pub mod memory_limit;
pub mod packing;
pub mod tls;
