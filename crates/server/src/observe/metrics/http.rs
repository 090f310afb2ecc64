//! HTTP for scrapes and probes: a single request per connection, GET or HEAD, no body.
//!
//! Invariants
//!   1. A request has at most [`REQUEST_BYTES_MAX`] bytes; a longer request is refused with 431.
//!   2. Every response closes the connection; HEAD has the length of the body, not the body.
//!
//! Elsewhere: `run::http` has the connections and their times, `metrics` the answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use russet_console::wire::{self as http, Head, Method, NO_HEADERS};

pub(crate) use russet_console::wire::{
    BAD_REQUEST, NOT_ALLOWED, NOT_FOUND, OK, Status, UNAUTHORIZED, UNAVAILABLE,
};

/// Limit of request line and headers; a longer request is refused.
pub const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// A parsed request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Without the query after `?`.
    pub path: &'a str,
    pub method: Method,
    pub wants_open_metrics: bool,
    /// The password of `Authorization: Basic` or the token of `Bearer`.
    pub secret: Option<Vec<u8>>,
}

/// Parses a request; `None`: it is incomplete.
pub fn parse(bytes: &[u8]) -> Result<Option<Request<'_>>, Status> {
    let mut headers = NO_HEADERS;
    let head = match http::read(bytes, REQUEST_BYTES_MAX, &mut headers) {
        Err(http::VERSION) => return Err(BAD_REQUEST),
        read => read?,
    };
    let Some(head) = head else {
        return Ok(None);
    };
    let method = head.method()?;
    if method == Method::Post {
        return Err(NOT_ALLOWED);
    }
    Ok(Some(request(&head, method)))
}

fn request<'b>(head: &Head<'_, 'b>, method: Method) -> Request<'b> {
    let accepts = head.first("accept").unwrap_or_default();
    let authorization = head.first("authorization");
    Request {
        path: head.path(),
        method,
        wants_open_metrics: accepts.contains("application/openmetrics-text"),
        secret: authorization.and_then(|value| secret(&value)),
    }
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

/// A complete response.
pub fn answer(status: Status, kind: &str, body: &str, method: Method) -> Vec<u8> {
    let challenge = match status {
        UNAUTHORIZED => "WWW-Authenticate: Basic realm=\"russet\"\r\n",
        NOT_ALLOWED => "Allow: GET, HEAD\r\n",
        _ => "",
    };
    let length = body.len();
    let lines = format_args!(
        "Content-Type: {kind}\r\nContent-Length: {length}\r\n\
         {challenge}Cache-Control: no-store\r\nConnection: close\r\n"
    );
    http::answer(status, lines, body.as_bytes(), method)
}

/// A refusal with its status text as body.
pub(crate) fn refuse(status: Status) -> Vec<u8> {
    answer(status, TEXT, &format!("{}\n", status.1), Method::Get)
}

pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    fn get(text: &str) -> Request<'_> {
        match parse(text.as_bytes()) {
            Ok(Some(request)) => request,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_however_it_comes() {
        let text = "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nAccept: application/openmetrics-text;version=1.0.0\r\n\
                    authorization: Basic bWU6YTpi\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), Ok(None), "{end}");
        }
        let request = get(text);
        assert_eq!(request.path, "/metrics");
        assert!(request.wants_open_metrics && request.method == Method::Get);
        assert_eq!(request.secret.as_deref(), Some(&b"a:b"[..]));
        let bearer = get("HEAD / HTTP/1.0\r\nAuthorization: Bearer  t\r\n\r\n");
        assert!(bearer.method == Method::Head && !bearer.wants_open_metrics);
        assert_eq!(bearer.secret.as_deref(), Some(&b"t"[..]));
        for header in ["Basic %%%", "Basic YQ==", "Digest x", "x"] {
            let text = format!("GET / HTTP/1.1\r\nAuthorization: {header}\r\n\r\n");
            assert_eq!(get(&text).secret, None, "{header}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let refused = |text: &[u8]| match parse(text) {
            Err(Status(code, _)) => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(b"POST /metrics HTTP/1.1\r\n\r\n"), 405);
        assert_eq!(refused(b"*1\r\n$4\r\nPING\r\n"), 400);
        assert_eq!(refused(b"GET / HTTP/2.0\r\n\r\n"), 400);
        assert_eq!(refused(b"\x16\x03\x01\x02\x00\x01"), 400);
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(REQUEST_BYTES_MAX));
        assert_eq!(refused(long.as_bytes()), 431);
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "a: b\r\n".repeat(http::HEADERS_MAX + 1)
        );
        assert_eq!(refused(many.as_bytes()), 431);
    }
}
