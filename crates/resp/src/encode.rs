//! Encoding of requests: sent by clients, stored in the append only file, sent to replicas by a
//! primary.

/// Appends a request: an array of bulk strings.
#[inline]
pub fn write_request<'a>(out: &mut Vec<u8>, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    header(out, b'*', args.len());
    for arg in args {
        // At most a single growth for an argument and the bytes around it, as a rule none.
        out.reserve(arg.len() + AROUND_MAX);
        header(out, b'$', arg.len());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

/// More than a header and the end of an argument.
const AROUND_MAX: usize = 32;

/// A type, a number, and the end of their line.
#[inline]
fn header(out: &mut Vec<u8>, kind: u8, n: usize) {
    // Most are short: appended as a word, without formatting a number.
    match n {
        0..=9 => out.extend_from_slice(&[kind, b'0' + n as u8, b'\r', b'\n']),
        10..=99 => {
            let (tens, ones) = (b'0' + (n / 10) as u8, b'0' + (n % 10) as u8);
            out.extend_from_slice(&[kind, tens, ones, b'\r', b'\n']);
        }
        _ => long_header(out, kind, n),
    }
}

#[inline(never)]
fn long_header(out: &mut Vec<u8>, kind: u8, n: usize) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_argument_and_the_longest_header_fit() {
        let mut out = Vec::new();
        write_request(&mut out, [].into_iter());
        assert_eq!(out, b"*0\r\n");
        out.clear();
        header(&mut out, b'*', usize::MAX);
        assert!(out.len() + 2 <= AROUND_MAX);
        assert_eq!(out, format!("*{}\r\n", usize::MAX).as_bytes());
    }

    #[test]
    fn a_request_is_an_array_of_bulk_strings() {
        let long = vec![b'x'; 100];
        let words: [&[u8]; 3] = [b"SET", b"twelve bytes", &long];
        let mut out = Vec::new();
        write_request(&mut out, words.into_iter());
        let wanted = format!(
            "*3\r\n$3\r\nSET\r\n$12\r\ntwelve bytes\r\n$100\r\n{}\r\n",
            "x".repeat(100)
        );
        assert_eq!(out, wanted.as_bytes());
    }
}
