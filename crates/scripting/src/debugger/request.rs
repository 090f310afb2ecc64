//! Requests of a client that debugs: RESP arrays of bulk strings, none of them empty.
//!
//! Inline commands are refused, as in Redis. A request holds at most [`WORDS_MAX`] words and
//! [`BYTES_MAX`] bytes.

use russet_base::numbers::number::parse_i64;

const WORDS_MAX: i64 = 1024;
const BYTES_MAX: usize = 64 * 1024;

/// The first request of some bytes.
#[derive(Debug, PartialEq)]
pub(super) enum ParsedRequest {
    Words(Vec<Vec<u8>>),
    /// The beginning of a request.
    Part,
    Bad,
}

/// Takes the first request out of `input`.
pub(super) fn take(input: &mut Vec<u8>) -> ParsedRequest {
    let mut rest = &input[..];
    let words = match words(&mut rest) {
        Ok(words) => words,
        Err(ParseStop::Bad) => return ParsedRequest::Bad,
        Err(ParseStop::Part) if input.len() > BYTES_MAX => return ParsedRequest::Bad,
        Err(ParseStop::Part) => return ParsedRequest::Part,
    };
    let used = input.len() - rest.len();
    input.drain(..used);
    ParsedRequest::Words(words)
}

enum ParseStop {
    Part,
    Bad,
}

fn words(rest: &mut &[u8]) -> Result<Vec<Vec<u8>>, ParseStop> {
    let count = number(rest, b'*', WORDS_MAX)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let len = number(rest, b'$', BYTES_MAX as i64)?;
        let (word, left) = rest.split_at_checked(len).ok_or(ParseStop::Part)?;
        let (end, left) = left.split_at_checked(2).ok_or(ParseStop::Part)?;
        if end != b"\r\n" {
            return Err(ParseStop::Bad);
        }
        words.push(word.to_vec());
        *rest = left;
    }
    Ok(words)
}

/// A line of this mark and a number from 1 to `max`.
fn number(rest: &mut &[u8], mark: u8, max: i64) -> Result<usize, ParseStop> {
    const LINE_MAX: usize = 24;
    match rest.first() {
        None => return Err(ParseStop::Part),
        Some(first) if *first != mark => return Err(ParseStop::Bad),
        Some(_) => {}
    }
    let Some(end) = memchr::memchr(b'\n', rest) else {
        let is_open = rest.len() < LINE_MAX;
        return Err(if is_open {
            ParseStop::Part
        } else {
            ParseStop::Bad
        });
    };
    let line = rest[1..end].strip_suffix(b"\r").ok_or(ParseStop::Bad)?;
    let n = parse_i64(line).filter(|n| (1..=max).contains(n));
    *rest = &rest[end + 1..];
    n.map(|n| n as usize).ok_or(ParseStop::Bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_when_it_is_whole() {
        let whole = b"*2\r\n$1\r\nb\r\n$2\r\n10\r\n";
        for cut in 0..whole.len() {
            assert_eq!(
                take(&mut whole[..cut].to_vec()),
                ParsedRequest::Part,
                "{cut}"
            );
        }
        let mut two = [&whole[..], b"*1"].concat();
        let words = vec![b"b".to_vec(), b"10".to_vec()];
        assert_eq!(take(&mut two), ParsedRequest::Words(words));
        assert_eq!(two, b"*1");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bad in [
            &b"s\r\n"[..],
            b"\r\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"*x\r\n",
            b"*1\n",
            b"*1\r\n+x\r\n",
            b"*1\r\n$0\r\n\r\n",
            b"*2\r\n$1\r\ne\r\n$-1\r\n",
            b"*100000\r\n",
            b"*1\r\n$2000000\r\n",
            b"*1\r\n$1\r\nsxx",
            b"*1111111111111111111111111111",
        ] {
            assert_eq!(take(&mut bad.to_vec()), ParsedRequest::Bad, "{bad:?}");
        }
    }
}
