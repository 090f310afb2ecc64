//! HTTP for scrapes and probes: one request per connection, GET or HEAD, no body.
//!
//! It is stricter than the console's parser (`console::http`): no keep-alive, no session, no body.
//! Invariants
//!   1. A request has at most [`REQUEST_BYTES_MAX`] bytes and [`HEADERS_MAX`] headers; a longer one
//!      is refused with 431.
//!   2. Every response closes the connection; HEAD has the length of the body, not the body.
//!
//! Cost: each arrival of bytes parses the request from its start.
//! Elsewhere: `run::links::scrape` has the connections and their times, `metrics` the answers.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Limit of request line and headers; a longer request is refused.
pub const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Headers of one request.
const HEADERS_MAX: usize = 64;

/// A parsed request.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) struct Request<'a> {
    /// Without the query after `?`.
    pub path: &'a str,
    /// HEAD: only status line and headers are sent.
    pub is_head: bool,
    pub wants_open_metrics: bool,
    /// The password of `Authorization: Basic` or the token of `Bearer`.
    pub secret: Option<Vec<u8>>,
}

/// The result of parsing the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) enum Parsed<'a> {
    Whole(Request<'a>),
    /// The headers are incomplete.
    Part,
    /// The request is refused with this status.
    Refused(Status),
}

/// A status line's number and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Status(pub u16, pub &'static str);

pub(in crate::server) const OK: Status = Status(200, "OK");
pub(in crate::server) const BAD_REQUEST: Status = Status(400, "Bad Request");
pub(in crate::server) const UNAUTHORIZED: Status = Status(401, "Unauthorized");
pub(in crate::server) const FORBIDDEN: Status = Status(403, "Forbidden");
pub(in crate::server) const NOT_FOUND: Status = Status(404, "Not Found");
pub(in crate::server) const NOT_ALLOWED: Status = Status(405, "Method Not Allowed");
pub(in crate::server) const TIMED_OUT: Status = Status(408, "Request Timeout");
pub(in crate::server) const TOO_LONG: Status = Status(431, "Request Header Fields Too Large");
pub(in crate::server) const UNAVAILABLE: Status = Status(503, "Service Unavailable");

/// Parses a request. O(bytes): requests are short, so each arrival parses from the start.
pub(in crate::server) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) if bytes.len() >= REQUEST_BYTES_MAX => {
            return Parsed::Refused(TOO_LONG);
        }
        Ok(httparse::Status::Partial) => return Parsed::Part,
        Err(httparse::Error::TooManyHeaders) => return Parsed::Refused(TOO_LONG),
        Err(_) => return Parsed::Refused(BAD_REQUEST),
    }
    let is_head = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Parsed::Refused(NOT_ALLOWED),
    };
    let path = request.path.unwrap_or("/");
    let header = |name: &str| {
        let mut all = request.headers.iter();
        let found = all.find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value))
    };
    let accepts = header("accept").unwrap_or(Cow::Borrowed(""));
    Parsed::Whole(Request {
        path: path.split('?').next().unwrap_or(path),
        is_head,
        wants_open_metrics: accepts.contains("application/openmetrics-text"),
        secret: header("authorization").and_then(|value| secret(&value)),
    })
}

/// The user name is ignored: only the password counts.
fn secret(authorization: &str) -> Option<Vec<u8>> {
    let (scheme, rest) = authorization.trim().split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = STANDARD.decode(rest.trim()).ok()?;
    let colon = pair.iter().position(|&byte| byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

/// A complete response. With `is_head` it has the body's length, but no body.
pub(in crate::server) fn answer(status: Status, kind: &str, body: &str, is_head: bool) -> Vec<u8> {
    let Status(code, words) = status;
    let challenge = match status {
        UNAUTHORIZED => "WWW-Authenticate: Basic realm=\"russet\"\r\n",
        NOT_ALLOWED => "Allow: GET, HEAD\r\n",
        _ => "",
    };
    let length = body.len();
    let mut out = format!(
        "HTTP/1.1 {code} {words}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         {challenge}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    .into_bytes();
    if !is_head {
        out.extend_from_slice(body.as_bytes());
    }
    out
}

/// A refusal with its status text as body.
pub(in crate::server) fn refuse(status: Status) -> Vec<u8> {
    answer(status, TEXT, &format!("{}\n", status.1), false)
}

pub(in crate::server) const TEXT: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    fn get(text: &str) -> Request<'_> {
        match parse(text.as_bytes()) {
            Parsed::Whole(request) => request,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_however_it_comes() {
        let text = "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nAccept: application/openmetrics-text;version=1.0.0\r\n\
                    authorization: Basic bWU6YTpi\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), Parsed::Part, "{end}");
        }
        let request = get(text);
        assert_eq!(request.path, "/metrics");
        assert!(request.wants_open_metrics && !request.is_head);
        assert_eq!(request.secret.as_deref(), Some(&b"a:b"[..]));
        let bearer = get("HEAD / HTTP/1.0\r\nAuthorization: Bearer  t\r\n\r\n");
        assert!(bearer.is_head && !bearer.wants_open_metrics);
        assert_eq!(bearer.secret.as_deref(), Some(&b"t"[..]));
        for header in ["Basic %%%", "Basic YQ==", "Digest x", "x"] {
            let text = format!("GET / HTTP/1.1\r\nAuthorization: {header}\r\n\r\n");
            assert_eq!(get(&text).secret, None, "{header}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let refused = |text: &[u8]| match parse(text) {
            Parsed::Refused(Status(code, _)) => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(b"POST /metrics HTTP/1.1\r\n\r\n"), 405);
        assert_eq!(refused(b"*1\r\n$4\r\nPING\r\n"), 400);
        assert_eq!(refused(b"\x16\x03\x01\x02\x00\x01"), 400);
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(REQUEST_BYTES_MAX));
        assert_eq!(refused(long.as_bytes()), 431);
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "a: b\r\n".repeat(HEADERS_MAX + 1)
        );
        assert_eq!(refused(many.as_bytes()), 431);
    }
}
