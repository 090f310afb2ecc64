//! Encoding of requests: sent by clients, stored in the append only file, sent to replicas by a
//! primary.

/// Appends a request: an array of bulk strings.
#[inline]
pub fn write_request<'a>(out: &mut Vec<u8>, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    let mut between = Between::new();
    between.header(b'*', args.len());
    for arg in args {
        between.header(b'$', arg.len());
        // One growth for an argument and the bytes around it, as a rule none.
        let n = arg.len() + BETWEEN_MAX;
        if out.capacity() - out.len() < n {
            out.reserve(n);
        }
        out.extend_from_slice(between.bytes());
        out.extend_from_slice(arg);
        between = Between::new();
        between.end();
    }
    out.extend_from_slice(between.bytes());
}

/// More than the end of an argument and two headers.
const BETWEEN_MAX: usize = 64;

/// The bytes between two arguments, which are appended at once.
struct Between {
    bytes: [u8; BETWEEN_MAX],
    len: usize,
}

impl Between {
    #[inline(always)]
    fn new() -> Between {
        Between {
            bytes: [0; BETWEEN_MAX],
            len: 0,
        }
    }

    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    #[inline(always)]
    fn add<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes[self.len..self.len + N].copy_from_slice(&bytes);
        self.len += N;
    }

    #[inline(always)]
    fn end(&mut self) {
        self.add(*b"\r\n");
    }

    #[inline(always)]
    fn header(&mut self, kind: u8, n: usize) {
        // Most are short: encode them without formatting a number.
        match n {
            0..=9 => self.add([kind, b'0' + n as u8, b'\r', b'\n']),
            10..=99 => {
                let (tens, ones) = (b'0' + (n / 10) as u8, b'0' + (n % 10) as u8);
                self.add([kind, tens, ones, b'\r', b'\n']);
            }
            _ => {
                self.add([kind]);
                let mut digits = itoa::Buffer::new();
                for digit in digits.format(n).bytes() {
                    self.add([digit]);
                }
                self.end();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_argument_and_the_longest_header_fit() {
        let mut out = Vec::new();
        write_request(&mut out, [].into_iter());
        assert_eq!(out, b"*0\r\n");
        let mut between = Between::new();
        between.end();
        between.header(b'*', usize::MAX);
        between.header(b'$', usize::MAX);
        let wanted = format!("\r\n*{0}\r\n${0}\r\n", usize::MAX);
        assert_eq!(between.bytes(), wanted.as_bytes());
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
