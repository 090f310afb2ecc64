//! Checks that the bytes of replies are complete values: the frames, not the meaning.

use russet_resp::{ReplyBounds, ReplyParser};

/// The number of values in `bytes`, including pushes. Panics if the last value is incomplete.
pub(super) fn count(mut bytes: &[u8]) -> usize {
    let mut parser = ReplyParser::new(ReplyBounds {
        bulk_max: usize::MAX / 2,
        values_max: usize::MAX / 2,
        depth_max: usize::MAX,
    });
    let mut values = 0;
    while let Some(_value) = parser.push(&mut bytes).expect("a reply of ours") {
        values += 1;
    }
    assert!(!parser.is_within(), "the last reply is not whole");
    values
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn whole_values_are_counted_and_others_refused() {
        assert_eq!(
            count(b"+OK\r\n*2\r\n$1\r\na\r\n%1\r\n:1\r\n_\r\n$-1\r\n"),
            3
        );
        for cut in [
            &b"$3\r\nab\r\n"[..],
            b"*2\r\n:1\r\n",
            b"+OK",
            b"?\r\n",
            b":1\r",
        ] {
            assert!(std::panic::catch_unwind(|| count(cut)).is_err(), "{cut:?}");
        }
    }
}
