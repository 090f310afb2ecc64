//! Whether reply bytes are whole values: their frames, not their meaning.

/// The number of values in `bytes`, pushes included. Panics when they are not whole.
pub(super) fn count(bytes: &[u8]) -> usize {
    let (mut at, mut values) = (0, 0);
    while at < bytes.len() {
        at = end(bytes, at);
        values += 1;
    }
    values
}

/// Where the value that begins at `at` ends.
fn end(bytes: &[u8], at: usize) -> usize {
    let cr = memchr::memchr(b'\r', &bytes[at..]).expect("a line has an end") + at;
    assert_eq!(bytes.get(cr + 1), Some(&b'\n'));
    let line = std::str::from_utf8(&bytes[at + 1..cr]);
    let length = || line.expect("digits").parse::<i64>().expect("a length");
    let next = cr + 2;
    match bytes[at] {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => next,
        b'$' | b'=' | b'!' => match length() {
            -1 => next,
            len => {
                let behind = next + usize::try_from(len).expect("not negative");
                assert_eq!(&bytes[behind..behind + 2], b"\r\n");
                behind + 2
            }
        },
        b'*' | b'~' | b'>' => parts(bytes, next, length()),
        b'%' => parts(bytes, next, 2 * length()),
        other => panic!("no value begins with {:?}", char::from(other)),
    }
}

fn parts(bytes: &[u8], at: usize, count: i64) -> usize {
    (0..count).fold(at, |at, _| end(bytes, at))
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
