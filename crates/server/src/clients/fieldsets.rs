//! A client's fieldsets (HIMPORT): lists of field names under a name, for hashes that share them.
//!
//! They are the connection's own: they count as its memory, and end with it and with RESET.

use std::collections::HashMap;

/// Memory of a name beside its bytes.
const NAME_BYTES: usize = size_of::<Box<[u8]>>() + size_of::<u32>();

/// Field names, and where their values are in a command.
#[derive(Debug)]
pub struct Fieldset {
    /// Each name with its index in the order given; ascending by length, then by bytes.
    names: Box<[(Box<[u8]>, u32)]>,
}

impl Fieldset {
    /// `None`: a name comes twice. O(n log n).
    pub fn new<'n>(names: impl Iterator<Item = &'n [u8]>) -> Option<Fieldset> {
        let indexed = names.zip(0..).map(|(name, at)| (name.into(), at));
        let mut names: Vec<(Box<[u8]>, u32)> = indexed.collect();
        names.sort_unstable_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        let all_differ = names.windows(2).all(|pair| pair[0].0 != pair[1].0);
        all_differ.then(|| Fieldset {
            names: names.into(),
        })
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The names, ascending by length, then by bytes, each with its index in the order given.
    pub fn names(&self) -> impl ExactSizeIterator<Item = (&[u8], usize)> + Clone {
        self.names.iter().map(|(name, at)| (&**name, *at as usize))
    }

    fn memory_bytes(&self) -> usize {
        let texts: usize = self.names.iter().map(|(name, _)| name.len()).sum();
        texts + self.names.len() * NAME_BYTES
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Fieldsets {
    sets: HashMap<Box<[u8]>, Fieldset>,
    bytes: usize,
}

impl Fieldsets {
    /// Bytes of the fieldset with its name.
    fn bytes_of(name: &[u8], set: &Fieldset) -> usize {
        size_of::<(Box<[u8]>, Fieldset)>() + name.len() + set.memory_bytes()
    }

    pub fn get(&self, name: &[u8]) -> Option<&Fieldset> {
        self.sets.get(name)
    }

    /// Adds a fieldset; it replaces a fieldset of the same name.
    pub fn insert(&mut self, name: &[u8], set: Fieldset) {
        self.remove(name);
        self.bytes += Fieldsets::bytes_of(name, &set);
        self.sets.insert(name.into(), set);
    }

    /// `false`: there is none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(set) = self.sets.remove(name) else {
            return false;
        };
        self.bytes -= Fieldsets::bytes_of(name, &set);
        true
    }

    /// Removes all; returns how many.
    pub fn clear(&mut self) -> usize {
        self.bytes = 0;
        std::mem::take(&mut self.sets).len()
    }

    /// Bytes that they hold.
    pub fn memory_bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&'static str]) -> Option<Fieldset> {
        Fieldset::new(names.iter().map(|name| name.as_bytes()))
    }

    #[test]
    fn names_are_sorted_with_their_places() {
        let set = set(&["bb", "c", "a", ""]).expect("all differ");
        let names: Vec<_> = set.names().collect();
        let expected: [(&[u8], usize); 4] = [(b"", 3), (b"a", 2), (b"c", 1), (b"bb", 0)];
        assert_eq!(names, expected);
    }

    #[test]
    fn memory_is_counted_until_the_last_is_gone() {
        assert!(set(&["a", "b", "a"]).is_none());
        let mut sets = Fieldsets::default();
        sets.insert(b"s", set(&["a", "b"]).expect("they differ"));
        let one = sets.memory_bytes();
        sets.insert(b"s", set(&["a", "b"]).expect("they differ"));
        assert_eq!(sets.memory_bytes(), one);
        sets.insert(b"t", set(&["c"]).expect("one"));
        assert!(sets.memory_bytes() > one);
        assert!(sets.remove(b"t") && !sets.remove(b"t"));
        assert_eq!(sets.memory_bytes(), one);
        assert_eq!((sets.clear(), sets.clear(), sets.memory_bytes()), (1, 0, 0));
        assert!(sets.get(b"s").is_none());
    }
}
