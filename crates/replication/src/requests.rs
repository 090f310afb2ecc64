//! The requests in a stretch of the stream.
//!
//!     *3\r\n$3\r\nSET\r\n...   \n\n\n   *1\r\n$4\r\nPING\r\n
//!     a request              fill     a request
//!
//! Newlines between requests stand for bytes that the primary has in its log alone.

use russet_base::numbers::number::parse_digits;

/// Limits of the words of a request and of the bytes of a word, as for clients of Redis.
const WORDS_MAX: u64 = 1 << 20;
const WORD_BYTES_MAX: u64 = 512 << 20;

/// A request at the beginning of a stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The command's name and its arguments.
    pub words: Vec<&'a [u8]>,
    /// Newlines before it.
    pub fill: usize,
    /// Bytes up to its end, the newlines included.
    pub len: usize,
}

impl Request<'_> {
    /// Whether its command has this name.
    pub fn is(&self, name: &[u8]) -> bool {
        self.words
            .first()
            .is_some_and(|word| word.eq_ignore_ascii_case(name))
    }

    /// The number of the database that it selects.
    pub fn selects(&self) -> Option<u32> {
        let db = self.words.get(1).filter(|_| self.is(b"SELECT"))?;
        parse_digits(db)?.try_into().ok()
    }
}

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRequest {
    /// The end has not come.
    Short,
    /// The bytes are none.
    Invalid,
}

/// The first request of `bytes`. O(its bytes).
pub fn first_request(bytes: &[u8]) -> Result<Request<'_>, NoRequest> {
    let fill = bytes.iter().take_while(|&&b| b == b'\n').count();
    let mut at = fill;
    let words = number(bytes, &mut at, b'*', WORDS_MAX)?;
    let mut found = Vec::new();
    for _ in 0..words {
        let len = number(bytes, &mut at, b'$', WORD_BYTES_MAX)? as usize;
        let word = bytes.get(at..at + len).ok_or(NoRequest::Short)?;
        at += len;
        match bytes.get(at..at + 2) {
            Some(b"\r\n") => at += 2,
            Some(_) => return Err(NoRequest::Invalid),
            None => return Err(NoRequest::Short),
        }
        found.push(word);
    }
    Ok(Request {
        words: found,
        fill,
        len: at,
    })
}

/// `<mark><digits>\r\n` at `at`.
fn number(bytes: &[u8], at: &mut usize, mark: u8, max: u64) -> Result<u64, NoRequest> {
    const LINE_MAX: usize = 24;
    match bytes.get(*at) {
        None => return Err(NoRequest::Short),
        Some(&byte) if byte != mark => return Err(NoRequest::Invalid),
        Some(_) => {}
    }
    let line = &bytes[*at + 1..bytes.len().min(*at + LINE_MAX)];
    let Some(end) = memchr::memchr(b'\r', line) else {
        return if line.len() < LINE_MAX - 1 {
            Err(NoRequest::Short)
        } else {
            Err(NoRequest::Invalid)
        };
    };
    let number = parse_digits(&line[..end]).filter(|n| *n <= max);
    match (number, line.get(end + 1)) {
        (Some(number), Some(b'\n')) => {
            *at += end + 3;
            Ok(number)
        }
        (Some(_), None) => Err(NoRequest::Short),
        _ => Err(NoRequest::Invalid),
    }
}

/// The place of the first request in a stretch that may begin inside of a request: the first place
/// from which a whole request can be read, and no invalid request after it. O(bytes), unless values
/// look like requests.
pub fn align(bytes: &[u8]) -> usize {
    let is_begin = |at: &usize| {
        let rest = &bytes[*at..];
        let first = first_request(rest);
        first.is_ok_and(|first| first_request(&rest[first.len..]) != Err(NoRequest::Invalid))
    };
    memchr::memchr_iter(b'*', bytes)
        .find(is_begin)
        .unwrap_or(bytes.len())
}

/// The commands of a stretch that change data, for a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// With a SELECT first; empty if there are no commands.
    pub bytes: Vec<u8>,
    /// The number of commands, without SELECT, MULTI and EXEC.
    pub commands: u64,
}

/// The changes of a stretch of the stream from `from` on. Earlier requests only select databases;
/// `db` is the database selected at the stretch's beginning. Both positions are starts of requests.
pub fn changes(stretch: &[u8], from: usize, mut db: u32) -> Changes {
    const LEFT_OUT: [&[u8]; 4] = [b"PING", b"REPLCONF", b"PUBLISH", b"SPUBLISH"];
    const FRAME: [&[u8]; 3] = [b"SELECT", b"MULTI", b"EXEC"];
    let mut at = 0;
    while at < from {
        let Ok(request) = first_request(&stretch[at..]) else {
            break;
        };
        db = request.selects().unwrap_or(db);
        at += request.len;
    }
    let mut found = Changes::default();
    super::write_select(russet_keyspace::DbIndex(db), &mut found.bytes);
    at = from;
    while let Ok(request) = first_request(&stretch[at..]) {
        if !LEFT_OUT.iter().any(|name| request.is(name)) {
            let bytes = &stretch[at + request.fill..at + request.len];
            found.bytes.extend_from_slice(bytes);
            found.commands += u64::from(!FRAME.iter().any(|name| request.is(name)));
        }
        at += request.len;
    }
    match found.commands {
        0 => Changes::default(),
        _ => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_resp::write_request;

    fn stream(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            write_request(&mut bytes, words.into_iter());
        }
        bytes
    }

    #[test]
    fn a_request_is_found_with_its_last_byte() {
        let bytes = [b"\n\n", &stream(&["SET k *3", "PING"])[..]].concat();
        let first = first_request(&bytes).expect("whole");
        assert_eq!((first.fill, first.words.len()), (2, 3));
        assert!(first.is(b"set") && first.selects().is_none());
        for len in 0..first.len {
            assert_eq!(first_request(&bytes[..len]), Err(NoRequest::Short), "{len}");
        }
        assert!(
            first_request(&bytes[first.len..])
                .expect("whole")
                .is(b"ping")
        );
        for damaged in [
            &b"+OK\r\n"[..],
            b"*x\r\n",
            b"*1\r\n$1\r\nabc",
            b"*1\rx",
            &[b'*'; 40],
        ] {
            assert_eq!(first_request(damaged), Err(NoRequest::Invalid));
        }
        assert_eq!(stream(&["SELECT 3"]).len(), 23);
        assert_eq!(
            first_request(&stream(&["SELECT 3"]))
                .expect("whole")
                .selects(),
            Some(3)
        );
    }

    #[test]
    fn a_stretch_that_begins_inside_of_a_request_is_aligned() {
        let bytes = stream(&["SET k *9 x", "DEL k"]);
        let second = stream(&["SET k *9 x"]).len();
        assert_eq!(align(&bytes), 0);
        assert_eq!(align(&bytes[5..]), second - 5);
        assert_eq!(align(b"abc*1"), 5);
    }

    #[test]
    fn changes_have_their_database_and_no_pings() {
        let before = stream(&["SELECT 2", "SET a 1"]);
        let lost = stream(&[
            "PING",
            "MULTI",
            "SET b 1",
            "SELECT 0",
            "INCR c",
            "EXEC",
            "PUBLISH x y",
        ]);
        let all = [&before[..], b"\n\n", &lost].concat();
        let found = changes(&all, before.len(), 7);
        let wanted = ["SELECT 2", "MULTI", "SET b 1", "SELECT 0", "INCR c", "EXEC"];
        assert_eq!(found.bytes, stream(&wanted));
        assert_eq!(found.commands, 2);
        assert_eq!(
            changes(&stream(&["PING", "SELECT 1"]), 0, 0),
            Changes::default()
        );
        let own = changes(&stream(&["SET a 1"]), 0, 7);
        assert_eq!(own.bytes, stream(&["SELECT 7", "SET a 1"]));
    }
}
