//! A slab: the connections of one role, by the slot and generation in their tokens.
//!
//! A slot is reused after its connection is gone, with a new generation, so that a late event for
//! the old connection finds nothing. Generation 0 is never used.
//!
//! A connection is taken out while it is served, then put back; it keeps its slot.
//!
//! Cost: each operation O(1); iteration O(the maximum number of slots ever in use at once).

/// A slot.
#[derive(Debug)]
struct SlabEntry<T> {
    generation: u32,
    /// `None` in a free slot, and while the connection is taken out.
    value: Option<T>,
}

/// See the module.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<SlabEntry<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    /// Reserves a slot for a connection that is put there next ([`Slab::put_back`]); returns slot
    /// and generation.
    pub fn reserve(&mut self) -> (u32, u32) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(SlabEntry {
                generation: 0,
                value: None,
            });
            u32::try_from(self.places.len() - 1).expect("fewer connections than a token counts")
        });
        let place = &mut self.places[slot as usize];
        place.generation = next(place.generation);
        (slot, place.generation)
    }

    /// Number of slots in use, including slots taken out.
    #[allow(
        clippy::len_without_is_empty,
        reason = "callers compare it with a maximum"
    )]
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Number of slots, in use or free: all slots are below it.
    pub fn slots(&self) -> u32 {
        self.places.len() as u32
    }

    /// Bytes of the slab itself.
    pub fn table_bytes(&self) -> usize {
        russet_base::memory::alloc::vec_bytes(&self.places)
            + russet_base::memory::alloc::vec_bytes(&self.free)
    }

    /// Takes a connection out to serve it; `None` if it is gone, or already taken out.
    #[inline]
    pub fn take_at(&mut self, slot: u32, generation: u32) -> Option<T> {
        let place = self.places.get_mut(slot as usize)?;
        if place.generation != generation {
            return None;
        }
        place.value.take()
    }

    /// The same for any connection at `slot`.
    pub fn take(&mut self, slot: u32) -> Option<T> {
        self.places.get_mut(slot as usize)?.value.take()
    }

    /// Whether a connection is there that is taken out.
    pub fn is_taken_out(&self, slot: u32, generation: u32) -> bool {
        let place = self.places.get(slot as usize);
        place.is_some_and(|place| place.generation == generation && place.value.is_none())
    }

    /// Puts a connection back into its slot.
    #[inline]
    pub fn put_back(&mut self, slot: u32, value: T) {
        self.places[slot as usize].value = Some(value);
    }

    /// Frees the slot of a connection that was taken out.
    pub fn free(&mut self, slot: u32) {
        let place = &mut self.places[slot as usize];
        place.value = None;
        // Late events carry the old generation.
        place.generation = next(place.generation);
        self.free.push(slot);
    }

    /// The connection at `slot`; `None` while it is taken out.
    pub fn at(&self, slot: u32) -> Option<&T> {
        self.places.get(slot as usize)?.value.as_ref()
    }

    /// As [`Slab::at`], to change it.
    pub fn at_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.places.get_mut(slot as usize)?.value.as_mut()
    }

    /// All connections not taken out, with slot and generation, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, &T)> {
        (0..).zip(&self.places).filter_map(|(slot, place)| {
            let value = place.value.as_ref()?;
            Some((slot, place.generation, value))
        })
    }

    /// All connections not taken out, by slot, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places
            .iter_mut()
            .filter_map(|place| place.value.as_mut())
    }
}

fn next(generation: u32) -> u32 {
    generation.wrapping_add(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_for_a_gone_connection_finds_nothing() {
        let mut slab = Slab::default();
        let (slot, generation) = slab.reserve();
        slab.put_back(slot, 'a');
        assert_eq!(slab.take_at(slot, generation), Some('a'));
        assert_eq!((slab.take_at(slot, generation), slab.len()), (None, 1));
        slab.free(slot);
        let (again, later) = slab.reserve();
        slab.put_back(again, 'b');
        assert_eq!(again, slot);
        assert_eq!(slab.take_at(slot, generation), None);
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(again, later, &'b')]);
        assert_eq!((slab.len(), slab.places.len()), (1, 1));
        assert_eq!(slab.take_at(slot + 1, later), None);
    }

    #[test]
    fn generation_zero_is_never_given_out() {
        assert_eq!(next(u32::MAX), 1);
    }
}
