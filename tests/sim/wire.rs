//! What goes over a connection between two nodes, read as its ends read it.

/// Requests and newlines of a replica.
#[derive(Debug, PartialEq)]
pub enum Said {
    Newline,
    Request(Vec<Vec<u8>>),
}

/// Takes the first request or newline. `Ok(None)`: it is not whole yet.
///
/// Error: it is neither.
pub fn take(bytes: &mut Vec<u8>) -> Result<Option<Said>, String> {
    let bad = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        Err(format!("neither a request nor a newline: {text:?}"))
    };
    match bytes.first() {
        None => return Ok(None),
        Some(b'\n') => {
            bytes.remove(0);
            return Ok(Some(Said::Newline));
        }
        Some(b'*') => {}
        Some(_) => return bad(bytes),
    }
    let mut at = 0;
    let number = |at: &mut usize, mark: u8| -> Result<Option<usize>, String> {
        let rest = &bytes[*at..];
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&rest[1..end]).ok();
        match (rest[0] == mark, text.and_then(|text| text.parse().ok())) {
            (true, Some(n)) => {
                *at += end + 2;
                Ok(Some(n))
            }
            _ => Err(format!(
                "no number: {:?}",
                String::from_utf8_lossy(&rest[..end])
            )),
        }
    };
    let Some(count) = number(&mut at, b'*')? else {
        return Ok(None);
    };
    let mut words = Vec::new();
    for _ in 0..count {
        if at >= bytes.len() {
            return Ok(None);
        }
        let Some(len) = number(&mut at, b'$')? else {
            return Ok(None);
        };
        if bytes.len() < at + len + 2 {
            return Ok(None);
        }
        words.push(bytes[at..at + len].to_vec());
        at += len + 2;
    }
    bytes.drain(..at);
    Ok(Some(Said::Request(words)))
}

/// A request's bytes.
pub fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}
