//! Bytes that a link has received and that are not used up yet: appended at the end, taken from the
//! front.
//!
//! Cost: O(1) a byte, independent of the bytes that wait and of the bytes taken at a time. After
//! [`Inbox::use_up`] there are never more used bytes than waiting bytes.

/// See the module.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    used: usize,
}

impl Inbox {
    pub fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    /// Bytes of memory.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The first `n` waiting bytes have been used.
    pub fn use_up(&mut self, n: usize) {
        self.used += n;
        if self.used == self.bytes.len() {
            self.bytes.clear();
            self.used = 0;
        } else if self.used > self.len() {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_what_has_come_in_its_order() {
        let mut inbox = Inbox::default();
        let (mut next, mut expected) = (0u8, 0u8);
        for round in 0..1000usize {
            let came: Vec<u8> = (0..round % 7).map(|n| next.wrapping_add(n as u8)).collect();
            next = next.wrapping_add(came.len() as u8);
            inbox.append(&came);
            let n = (round % 5).min(inbox.len());
            for &byte in &inbox.waiting()[..n] {
                assert_eq!(byte, expected);
                expected = expected.wrapping_add(1);
            }
            inbox.use_up(n);
            assert!(inbox.used <= inbox.len());
        }
        assert_eq!(next.wrapping_sub(expected), inbox.len() as u8);
    }

    /// Otherwise replaying the writes of a long snapshot's time takes the square of their length.
    #[test]
    fn little_is_moved_when_little_is_taken_of_much() {
        let mut inbox = Inbox::default();
        inbox.append(&[0; 1 << 20]);
        let (mut moved, mut drains) = (0, 0);
        while inbox.len() > 0 {
            let used = inbox.used;
            inbox.use_up(16.min(inbox.len()));
            if inbox.used < used {
                drains += 1;
                moved += inbox.len();
            }
        }
        assert!(moved <= 1 << 20, "{moved} in {drains} drains");
    }
}
