//! Memory for segments: dense arenas, an arena for each full-grown size.
//!
//! Segments of equal size are contiguous in chunks; when a segment is freed the last of its arena
//! moves into the hole, so only the last chunk has free places. Without arenas, half of the
//! allocator's slabs of a size that goes out of use would stay half empty: 3-4 bytes an element. A
//! chunk has 1 place in a small table and up to 64 in a large table, so that free places are never
//! more than a few percent. A table's only segment is an allocation of its own.
//!
//! Moving costs a copy of a segment and its directory words.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use super::directory::Directory;
use super::line::CELLS;
use super::segment::{LINES_MAX, Segment};
use russet_base::memory::alloc::{good_size, vec_bytes};
use russet_base::memory::mover::Mover;

/// Lines of the smallest full-grown segment.
pub(super) const LINES_MIN: usize = 32;
/// Full-grown segments grow by this many lines.
pub(super) const LINES_STEP: usize = 8;
const CLASSES: usize = (LINES_MAX - LINES_MIN) / LINES_STEP + 1;
const LINE_BYTES: usize = 64;
const PLACES_MAX: usize = 64;

/// Uninitialised memory for `places` segments.
pub(super) fn allocate(lines: usize, places: usize) -> Segment {
    let layout = layout(lines, places);
    // SAFETY: the layout is not empty.
    let memory = unsafe { alloc(layout) };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    Segment(memory.cast())
}

/// # Safety
/// `segment` came from `allocate` with the same arguments and is not used after.
pub(super) unsafe fn free(segment: Segment, lines: usize, places: usize) {
    // SAFETY: the caller's promise.
    unsafe { dealloc(segment.0.cast(), layout(lines, places)) };
}

/// Offers the memory of `places` segments; returns whether it was moved.
///
/// # Safety
/// `segment` came from `allocate` with the same arguments, and the caller updates all references.
pub(super) unsafe fn relocate(
    segment: &mut Segment,
    lines: usize,
    places: usize,
    mover: &mut Mover,
) -> bool {
    let block = NonNull::new(segment.0).expect("segments have memory");
    // SAFETY: the caller's promise.
    let moved = unsafe { mover.layout(block.cast(), layout(lines, places)) };
    if let Some(new) = moved {
        *segment = Segment(new.cast().as_ptr());
    }
    moved.is_some()
}

/// Bytes that [`allocate`] takes from the allocator.
pub(super) fn allocated_bytes(lines: usize, places: usize) -> usize {
    good_size(lines * places * LINE_BYTES)
}

fn layout(lines: usize, places: usize) -> Layout {
    Layout::from_size_align(lines * places * LINE_BYTES, LINE_BYTES).expect("at most 256 KiB")
}

#[derive(Default)]
pub(super) struct Arenas {
    arenas: [Arena; CLASSES],
    /// Bytes of all chunks.
    chunk_bytes: usize,
}

#[derive(Default)]
struct Arena {
    chunks: Vec<Chunk>,
    /// Places in use in the last chunk; all others are full.
    used: usize,
}

struct Chunk {
    first: Segment,
    places: usize,
}

fn class(lines: usize) -> usize {
    debug_assert!((LINES_MIN..=LINES_MAX).contains(&lines) && lines.is_multiple_of(LINES_STEP));
    (lines - LINES_MIN) / LINES_STEP
}

fn lines_of(class: usize) -> usize {
    LINES_MIN + class * LINES_STEP
}

impl Chunk {
    fn place(&self, index: usize, lines: usize) -> Segment {
        debug_assert!(index < self.places);
        // SAFETY: a chunk has `places` segments of `lines` lines.
        Segment(unsafe { self.first.0.add(index * lines * CELLS) })
    }
}

impl Arenas {
    /// Memory for a segment of a table with `segments` segments.
    pub fn allocate(&mut self, lines: usize, segments: usize) -> Segment {
        let arena = &mut self.arenas[class(lines)];
        if arena
            .chunks
            .last()
            .is_none_or(|chunk| arena.used == chunk.places)
        {
            let places = (segments / 128).next_power_of_two().min(PLACES_MAX);
            arena.chunks.push(Chunk {
                first: allocate(lines, places),
                places,
            });
            self.chunk_bytes += allocated_bytes(lines, places);
            arena.used = 0;
        }
        arena.used += 1;
        arena.chunks[arena.chunks.len() - 1].place(arena.used - 1, lines)
    }

    /// Frees a segment, to which the directory no longer refers. Another segment may move, whose
    /// directory words are updated.
    ///
    /// # Safety
    /// `segment` came from `allocate` of these arenas with the same `lines`.
    pub unsafe fn free(&mut self, segment: Segment, lines: usize, directory: &mut Directory) {
        let last = self
            .last(class(lines))
            .expect("a segment to be freed is in its arena");
        if last != segment {
            // SAFETY: both are segments of `lines` lines, in different places.
            unsafe { segment.0.copy_from_nonoverlapping(last.0, lines * CELLS) };
            directory.moved(segment);
        }
        self.pop(class(lines));
    }

    /// Whether freeing the segment would move no other.
    pub fn is_last(&self, segment: Segment, lines: usize) -> bool {
        self.last(class(lines)) == Some(segment)
    }

    fn last(&self, class: usize) -> Option<Segment> {
        let arena = &self.arenas[class];
        arena
            .chunks
            .last()
            .map(|chunk| chunk.place(arena.used - 1, lines_of(class)))
    }

    fn pop(&mut self, class: usize) {
        let arena = &mut self.arenas[class];
        arena.used -= 1;
        if arena.used == 0 {
            let chunk = arena.chunks.pop().expect("the arena has a segment");
            // SAFETY: allocated with these figures, and nothing is left in it.
            unsafe { free(chunk.first, lines_of(class), chunk.places) };
            self.chunk_bytes -= allocated_bytes(lines_of(class), chunk.places);
            arena.used = arena.chunks.last().map_or(0, |chunk| chunk.places);
        }
    }

    /// Must be called after `free`, with the table's number of segments. Replaces a last chunk that
    /// has many free places for this table by a chunk without any.
    pub(crate) fn tighten(&mut self, lines: usize, segments: usize, directory: &mut Directory) {
        let arena = &mut self.arenas[class(lines)];
        let Some(chunk) = arena.chunks.last_mut() else {
            return;
        };
        let unused = chunk.places - arena.used;
        if unused * 16 <= segments {
            return;
        }
        let smaller = Chunk {
            first: allocate(lines, arena.used),
            places: arena.used,
        };
        // SAFETY: `used` segments are initialised and fit in the new chunk.
        unsafe {
            smaller
                .first
                .0
                .copy_from_nonoverlapping(chunk.first.0, arena.used * lines * CELLS)
        };
        let old = std::mem::replace(chunk, smaller);
        for index in 0..arena.used {
            directory.moved(chunk.place(index, lines));
        }
        self.chunk_bytes += allocated_bytes(lines, arena.used);
        self.chunk_bytes -= allocated_bytes(lines, old.places);
        // SAFETY: allocated with these figures; its segments have moved away.
        unsafe { free(old.first, lines, old.places) };
    }

    /// Offers the chunks that are small enough to share a slab with others.
    pub fn relocate(&mut self, mover: &mut Mover, directory: &mut Directory) {
        for (class, arena) in self.arenas.iter_mut().enumerate() {
            let (lines, used) = (lines_of(class), arena.used);
            let last = arena.chunks.len().saturating_sub(1);
            mover.vec(&mut arena.chunks);
            for (at, chunk) in arena.chunks.iter_mut().enumerate() {
                // SAFETY: allocated with these figures; its segments' words are updated below.
                if !unsafe { relocate(&mut chunk.first, lines, chunk.places, mover) } {
                    continue;
                }
                let used = if at == last { used } else { chunk.places };
                for index in 0..used {
                    directory.moved(chunk.place(index, lines));
                }
            }
        }
    }

    /// Any segment and its number of lines, to be emptied and then freed by `drop_any_last`.
    pub(crate) fn any_last(&self) -> Option<(Segment, usize)> {
        (0..CLASSES).find_map(|class| Some((self.last(class)?, lines_of(class))))
    }

    /// Frees the segment that `any_last` returned, without updating any directory.
    pub(crate) fn drop_any_last(&mut self) {
        let class = (0..CLASSES).find(|&class| !self.arenas[class].chunks.is_empty());
        self.pop(class.expect("`any_last` found a segment"));
    }

    /// Bytes of segments and lists of them. O(1).
    pub fn memory_bytes(&self) -> usize {
        let lists = self.arenas.iter().map(|arena| vec_bytes(&arena.chunks));
        self.chunk_bytes + lists.sum::<usize>()
    }

    /// Segments in the arenas.
    pub fn segments(&self) -> usize {
        self.arenas
            .iter()
            .map(|arena| {
                let places: usize = arena.chunks.iter().map(|chunk| chunk.places).sum();
                places + arena.used - arena.chunks.last().map_or(0, |chunk| chunk.places)
            })
            .sum()
    }
}

impl Drop for Arenas {
    fn drop(&mut self) {
        for (class, arena) in self.arenas.iter().enumerate() {
            for chunk in &arena.chunks {
                // SAFETY: allocated with these figures, and the table is gone.
                unsafe { free(chunk.first, lines_of(class), chunk.places) };
            }
        }
    }
}
