//! HTTP/1.1 of the console: requests with keep-alive and a body of known length, and answers.
//!
//! Strict: a request that two readers could understand differently is refused (a header twice, a
//! line that ends without CR, a transfer encoding). Bounds: [`HEAD_BYTES_MAX`], [`BODY_BYTES_MAX`].
//! Shared with the metrics: `crate::wire`.

pub use crate::wire::*;

/// Maximum bytes of request line and headers.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Maximum bytes of a body.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    pub method: Method,
    /// Without the query.
    pub path: String,
    pub host: String,
    pub origin: Option<String>,
    pub fetch_site: Option<String>,
    pub content_type: Option<String>,
    /// The own header that other pages cannot send.
    pub russet: Option<String>,
    /// A header shows that the request has come through a proxy.
    pub is_forwarded: bool,
    pub cookie: Option<String>,
    pub if_none_match: Option<String>,
    pub accepts_gzip: bool,
    /// The connection stays open after the answer.
    pub keep_alive: bool,
    /// Bytes of the head, with the empty line.
    pub bytes: usize,
    /// Bytes of the body that follows.
    pub body: usize,
}

/// Parses the head of a request; `None`: it is incomplete. The server closes the connection of a
/// refused request, because the end of the request is unknown.
pub fn parse(bytes: &[u8]) -> Result<Option<Box<RequestHead>>, Status> {
    let mut headers = NO_HEADERS;
    match read(bytes, HEAD_BYTES_MAX, &mut headers)? {
        Some(head) => Ok(Some(Box::new(own(&head)?))),
        None => Ok(None),
    }
}

fn own(head: &Head<'_, '_>) -> Result<RequestHead, Status> {
    if head.has_bare_line_feed() {
        return Err(BAD_REQUEST);
    }
    let method = head.method()?;
    let path = head.path();
    if !path.starts_with('/') {
        return Err(BAD_REQUEST);
    }
    let one = |name| head.only(name);
    if one("transfer-encoding")?.is_some() {
        return Err(LENGTH_REQUIRED);
    }
    if one("expect")?.is_some() {
        return Err(EXPECTATION);
    }
    let body = match one("content-length")? {
        Some(text) => number(&text).ok_or(BAD_REQUEST)?,
        None if method == Method::Post => return Err(LENGTH_REQUIRED),
        None => 0,
    };
    if body > BODY_BYTES_MAX {
        return Err(TOO_LARGE);
    }
    if method != Method::Post && body > 0 {
        return Err(BAD_REQUEST);
    }
    let is_closing = one("connection")?.is_some_and(|value| names(&value, "close"));
    let accepts_gzip = one("accept-encoding")?.is_some_and(|value| names(&value, "gzip"));
    Ok(RequestHead {
        method,
        path: path.to_owned(),
        host: one("host")?.ok_or(BAD_REQUEST)?,
        origin: one("origin")?,
        fetch_site: one("sec-fetch-site")?,
        content_type: one("content-type")?,
        russet: one("x-russet")?,
        is_forwarded: head.names().any(is_of_proxy),
        cookie: one("cookie")?,
        if_none_match: one("if-none-match")?,
        accepts_gzip,
        keep_alive: head.is_current() && !is_closing,
        bytes: head.bytes.len(),
        body,
    })
}

/// Whether proxies add this header. The server never believes the header's value.
fn is_of_proxy(name: &str) -> bool {
    const NAMES: [&str; 3] = ["forwarded", "via", "x-real-ip"];
    const PREFIX: &str = "x-forwarded-";
    let start = name.get(..PREFIX.len());
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
        || start.is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Digits alone: no sign, which `parse` would accept.
fn number(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(usize::MAX))
}

/// Whether a list has this word, with a quality other than 0.
fn names(list: &str, wanted: &str) -> bool {
    list.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_it = parts
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case(wanted));
        is_it && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// Headers of every answer. With `trusted-types 'none'` no text can become markup or code.
const SECURITY: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'\r\n\
     X-Content-Type-Options: nosniff\r\n\
     Referrer-Policy: no-referrer\r\n\
     Cross-Origin-Opener-Policy: same-origin\r\n\
     Cross-Origin-Resource-Policy: same-origin\r\n\
     X-Frame-Options: DENY\r\n";

pub const JSON: &str = "application/json";
pub const EVENTS: &str = "text/event-stream";
pub const NO_STORE: &str = "no-store";

/// An answer, without the part that depends on the request.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: Status,
    pub kind: &'static str,
    /// `Cache-Control`.
    pub cache: &'static str,
    /// Further header lines, each with the line end.
    pub headers: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer of a call.
    pub fn json(body: Vec<u8>) -> Answer {
        Answer {
            status: OK,
            kind: JSON,
            cache: NO_STORE,
            headers: String::new(),
            body,
        }
    }

    /// A refusal: `{"error":TEXT}`.
    pub fn error(status: Status, text: &str) -> Answer {
        let body = super::json::object().text("error", text).end();
        let headers = match status {
            NOT_ALLOWED => "Allow: GET, HEAD, POST\r\n".to_owned(),
            _ => String::new(),
        };
        Answer {
            status,
            headers,
            ..Answer::json(body)
        }
    }

    /// A refusal in the words of the status.
    pub fn refusal(status: Status) -> Answer {
        Answer::error(status, status.1)
    }

    /// The bytes to send.
    pub fn bytes(&self, keep_alive: bool, method: Method) -> Vec<u8> {
        // A 304 would have the length of the body that it leaves out.
        let length = (self.status != NOT_MODIFIED).then_some(self.body.len());
        self.write(keep_alive, method, length)
    }

    /// The head of an answer whose body ends with the connection.
    pub fn endless(&self) -> Vec<u8> {
        self.write(false, Method::Get, None)
    }

    fn write(&self, keep_alive: bool, method: Method, length: Option<usize>) -> Vec<u8> {
        let Answer {
            status,
            kind,
            cache,
            headers,
            body,
        } = self;
        let connection = if keep_alive {
            ""
        } else {
            "Connection: close\r\n"
        };
        let length = length.map_or(String::new(), |n| format!("Content-Length: {n}\r\n"));
        let lines = format_args!(
            "Content-Type: {kind}\r\nCache-Control: {cache}\r\n\
             {SECURITY}{headers}{connection}{length}"
        );
        answer(*status, lines, body, method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> RequestHead {
        match parse(text.as_bytes()) {
            Ok(Some(head)) => *head,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn refused(text: &str) -> u16 {
        match parse(text.as_bytes()) {
            Err(Status(code, _)) => code,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_head_is_read_however_it_comes() {
        let text = "POST /api/me?x HTTP/1.1\r\nHost: a:1\r\norigin: http://a:1\r\n\
                    Content-Length: 2\r\nAccept-Encoding: br, GZIP;q=0.5\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), Ok(None), "{end}");
        }
        let head = head(&format!("{text}{{}}"));
        assert_eq!((head.path.as_str(), head.host.as_str()), ("/api/me", "a:1"));
        assert_eq!(head.origin.as_deref(), Some("http://a:1"));
        assert_eq!((head.bytes, head.body), (text.len(), 2));
        assert!(head.accepts_gzip && head.keep_alive && !head.is_forwarded);
    }

    #[test]
    fn what_a_proxy_adds_is_seen() {
        for header in [
            "Forwarded: for=1",
            "via: 1.1 a",
            "X-Real-IP: 1",
            "x-forwarded-for: 1",
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
            assert!(head(&text).is_forwarded, "{header}");
        }
        assert!(!head("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded: 1\r\n\r\n").is_forwarded);
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused() {
        let post = |headers: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        for (code, text) in [
            (400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
            (400, "GET / HTTP/1.1\nHost: a\n\n".to_owned()),
            (400, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
            (400, "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
            (
                400,
                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
            ),
            (
                400,
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n".to_owned(),
            ),
            (400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n".to_owned()),
            (400, "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n".to_owned()),
            (400, post("Content-Length: +1\r\n")),
            (400, post("Content-Length: 1\r\nContent-Length: 1\r\n")),
            (400, post("Content-Length: 1, 1\r\n")),
            (400, post("Content-Length: 1\r\nCookie: \u{e9}\r\n")),
            (405, "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
            (405, "PUT / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
            (411, post("")),
            (411, post("Transfer-Encoding: chunked\r\n")),
            (
                411,
                post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
            ),
            (413, post("Content-Length: 1048577\r\n")),
            (413, post("Content-Length: 99999999999999999999999\r\n")),
            (417, post("Content-Length: 1\r\nExpect: 100-continue\r\n")),
            (
                431,
                format!("GET /{} HTTP/1.1\r\n", "x".repeat(HEAD_BYTES_MAX)),
            ),
            (431, post(&"a: b\r\n".repeat(HEADERS_MAX + 1))),
            (505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned()),
        ] {
            assert_eq!(refused(&text), code, "{text}");
        }
        assert_eq!(refused("*1\r\n$4\r\nPING\r\n"), 400);
        assert_eq!(refused("\u{16}\u{3}\u{1}"), 400);
    }

    #[test]
    fn a_connection_stays_open_if_both_want_it() {
        let keeps = |version: &str, more: &str| {
            head(&format!("GET / HTTP/{version}\r\nHost: a\r\n{more}\r\n")).keep_alive
        };
        assert!(keeps("1.1", ""));
        assert!(!keeps("1.1", "Connection: Close\r\n"));
        assert!(!keeps("1.0", ""));
    }

    #[test]
    fn every_answer_has_the_headers_of_security_and_none_for_other_origins() {
        let answers = [
            Answer::json(b"{}".to_vec()).bytes(true, Method::Post),
            Answer::refusal(FORBIDDEN).bytes(false, Method::Get),
            Answer::json(Vec::new()).endless(),
        ];
        for answer in answers {
            let text = String::from_utf8(answer).expect("ASCII");
            for part in [
                "default-src 'none'",
                "trusted-types 'none'",
                "nosniff",
                "X-Frame-Options: DENY",
                "no-store",
            ] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(!text.contains("Access-Control"));
        }
    }
}
