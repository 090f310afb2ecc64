//! Bytes on their way to clients, which several replies may share.

use bytes::Bytes;

use russet_base::memory::alloc::{self, ForReplies};

/// Messages shorter than this are copied into each reply.
pub(super) const SHARED_MIN: usize = 1024;

/// Text that counts as kept for replies until the last reply has sent it.
struct CountedText {
    text: Vec<u8>,
    _counted: ForReplies,
}

impl AsRef<[u8]> for CountedText {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// A text to be sent, by [`crate::Reply::shared`] or to a reply alone: its memory counts as memory
/// that goes away by itself (`alloc::bytes_for_replies`).
pub fn message(text: Vec<u8>) -> Bytes {
    // Replies copy it.
    if text.len() < SHARED_MIN {
        return text.into();
    }
    let _counted = ForReplies::new(alloc::vec_bytes(&text));
    Bytes::from_owner(CountedText { text, _counted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_once_until_nobody_has_it() {
        let before = alloc::bytes_for_replies();
        let one = message(vec![b'x'; 4096]);
        let others = [one.clone(), one.slice(1..)];
        assert_eq!(alloc::bytes_for_replies(), before + 4096);
        drop(one);
        assert_eq!(alloc::bytes_for_replies(), before + 4096);
        drop(others);
        assert_eq!(alloc::bytes_for_replies(), before);
    }
}
