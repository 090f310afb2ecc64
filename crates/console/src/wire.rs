//! HTTP/1.1, as far as the console and the endpoints of `metrics-port` share it: statuses, the head
//! of a request within [`HEADERS_MAX`] and a limit of bytes, the bytes of an answer.
//!
//! How strict a request must be is decided by its readers: `console::http` refuses what two readers
//! could understand differently ([`Head::only`], [`Head::has_bare_line_feed`]), the metrics serve
//! probes that send less than they should ([`Head::first`]).
//!
//! Cost: a head is parsed from its start with each arrival, O(its bytes), which are few.

use std::borrow::Cow;
use std::fmt;

/// Maximum headers of one request.
pub const HEADERS_MAX: usize = 64;

/// A status line's number and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16, pub &'static str);

pub const OK: Status = Status(200, "OK");
pub const NOT_MODIFIED: Status = Status(304, "Not Modified");
pub const BAD_REQUEST: Status = Status(400, "Bad Request");
pub const UNAUTHORIZED: Status = Status(401, "Unauthorized");
pub const FORBIDDEN: Status = Status(403, "Forbidden");
pub const NOT_FOUND: Status = Status(404, "Not Found");
pub const NOT_ALLOWED: Status = Status(405, "Method Not Allowed");
pub const TIMED_OUT: Status = Status(408, "Request Timeout");
pub const LENGTH_REQUIRED: Status = Status(411, "Length Required");
pub const TOO_LARGE: Status = Status(413, "Content Too Large");
pub const WRONG_TYPE: Status = Status(415, "Unsupported Media Type");
pub const EXPECTATION: Status = Status(417, "Expectation Failed");
pub const MISDIRECTED: Status = Status(421, "Misdirected Request");
pub const TOO_MANY: Status = Status(429, "Too Many Requests");
pub const HEAD_TOO_LARGE: Status = Status(431, "Request Header Fields Too Large");
pub const UNAVAILABLE: Status = Status(503, "Service Unavailable");
pub const VERSION: Status = Status(505, "HTTP Version Not Supported");

/// The methods that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Post,
}

/// Room for the headers of a request.
pub type Headers<'b> = [httparse::Header<'b>; HEADERS_MAX];

pub const NO_HEADERS: Headers<'_> = [httparse::EMPTY_HEADER; HEADERS_MAX];

/// The head of a request, in the bytes that it was read from.
#[derive(Debug)]
pub struct Head<'h, 'b> {
    /// The head's bytes, with its empty line.
    pub bytes: &'b [u8],
    request: httparse::Request<'h, 'b>,
}

/// Reads the head of a request; `None`: it is incomplete.
pub fn read<'h, 'b>(
    bytes: &'b [u8],
    bytes_max: usize,
    headers: &'h mut Headers<'b>,
) -> Result<Option<Head<'h, 'b>>, Status> {
    let mut request = httparse::Request::new(headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < bytes_max => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(HEAD_TOO_LARGE),
        Err(httparse::Error::TooManyHeaders) => return Err(HEAD_TOO_LARGE),
        Err(httparse::Error::Version) => return Err(VERSION),
        Err(_) => return Err(BAD_REQUEST),
    };
    if length > bytes_max {
        return Err(HEAD_TOO_LARGE);
    }
    Ok(Some(Head {
        bytes: &bytes[..length],
        request,
    }))
}

impl<'b> Head<'_, 'b> {
    pub fn method(&self) -> Result<Method, Status> {
        match self.request.method {
            Some("GET") => Ok(Method::Get),
            Some("HEAD") => Ok(Method::Head),
            Some("POST") => Ok(Method::Post),
            _ => Err(NOT_ALLOWED),
        }
    }

    /// Without the query after `?`.
    pub fn path(&self) -> &'b str {
        let path = self.request.path.unwrap_or("/");
        path.split('?').next().unwrap_or(path)
    }

    /// Whether it is HTTP/1.1, not 1.0.
    pub fn is_current(&self) -> bool {
        self.request.version == Some(1)
    }

    /// The names of all headers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.request.headers.iter().map(|header| header.name)
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        let headers = self.request.headers.iter();
        let all = headers.filter(move |header| header.name.eq_ignore_ascii_case(name));
        all.map(|header| header.value)
    }

    /// The value of the first header of this name.
    pub fn first(&self, name: &str) -> Option<Cow<'b, str>> {
        self.all(name).next().map(String::from_utf8_lossy)
    }

    /// The value of a header that may occur once, of printable ASCII.
    pub fn only(&self, name: &str) -> Result<Option<String>, Status> {
        let mut all = self.all(name);
        let Some(value) = all.next() else {
            return Ok(None);
        };
        let is_text = value.iter().all(|&b| b == b'\t' || matches!(b, 0x20..0x7f));
        if all.next().is_some() || !is_text {
            return Err(BAD_REQUEST);
        }
        Ok(Some(String::from_utf8_lossy(value).trim().to_owned()))
    }

    /// Whether a line ends without CR, which the parser accepts, or it begins with an empty line.
    pub fn has_bare_line_feed(&self) -> bool {
        let head = self.bytes;
        let mut ends = memchr::memchr_iter(b'\n', head);
        head.starts_with(b"\r") || ends.any(|at| at == 0 || head[at - 1] != b'\r')
    }
}

/// The bytes of an answer. `lines`: the header lines, each with its end. The answer to HEAD has the
/// length of the body among its lines, but no body.
pub fn answer(
    Status(code, words): Status,
    lines: fmt::Arguments<'_>,
    body: &[u8],
    method: Method,
) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {code} {words}\r\n{lines}\r\n").into_bytes();
    if method != Method::Head {
        out.extend_from_slice(body);
    }
    out
}
