//! Refusals that a person may meet in a browser, in words to act on: a call gets `{"error":TEXT}`
//! as always, a page the same in a few lines of plain text, with the directives that open the way.
//!
//! Plain text, because plain text needs no escaping: it shows the peer's address, or the request's
//! `Host` if this is a plain name.

use super::http::{self, Answer, Method, RequestHead, Status};

/// A reason to show no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// `console-allow` does not have this address.
    Foreign(&'a str),
    /// The request would be without TLS, from this address of another machine or container.
    Open(&'a str),
    /// `Host` is no name of the console's.
    Name,
}

impl Refusal<'_> {
    fn status(self) -> Status {
        match self {
            Refusal::Foreign(_) | Refusal::Open(_) => http::FORBIDDEN,
            Refusal::Name => http::MISDIRECTED,
        }
    }

    /// A line with the fault and the directives that matter.
    pub fn line(self) -> &'static str {
        match self {
            Refusal::Foreign(_) => "console-allow does not permit this address",
            Refusal::Open(_) => {
                "passwords would cross the network: the console needs TLS (console-tls yes), or \
                 console-insecure yes"
            }
            Refusal::Name => "this name is not one of the console's: add it to console-hosts",
        }
    }

    /// The answer to this request.
    pub fn answer(self, head: &RequestHead) -> Answer {
        let is_page = head.method != Method::Post && !head.path.starts_with("/api/");
        if !is_page {
            return Answer::error(self.status(), self.line());
        }
        Answer {
            status: self.status(),
            kind: "text/plain; charset=utf-8",
            ..Answer::json(self.page(&head.host).into_bytes())
        }
    }

    fn page(self, host: &str) -> String {
        let line = self.line();
        match self {
            Refusal::Foreign(address) => format!(
                "russet's console: {line}.\n\n\
                 You come from {address}. To be let in, that address or its network must be listed:\n\n    \
                 console-allow 127.0.0.0/8 ::1 {address}\n\n\
                 in the configuration, or at once by: russet cli CONFIG SET console-allow \
                 \"127.0.0.0/8 ::1 {address}\"\n\n{TUNNEL}"
            ),
            Refusal::Open(address) => format!(
                "russet's console: {line}.\n\n\
                 You come from {address}, which is not the machine, or the container, that russet runs in.\n\n\
                 A container with a published port: give it a password and permit the way to it,\n\n    \
                 docker run -p 127.0.0.1:8001:8001 ... IMAGE --requirepass PASSWORD --console-insecure yes\n\n\
                 and log in as \"default\" with that password. Publish the port on 127.0.0.1 alone, as here.\n\n\
                 By TLS, also from other machines: tls-port, tls-cert-file, tls-key-file and console-tls yes; \
                 then https://.\n\n\
                 At once, on a network that is yours: russet cli CONFIG SET console-insecure yes\n\n{TUNNEL}"
            ),
            Refusal::Name => {
                let name = plain(host).unwrap_or("NAME");
                format!(
                    "russet's console: {line}.\n\n\
                     A page of another site can have its own name lead here, so names must be listed:\n\n    \
                     console-hosts {name}\n\n\
                     in the configuration, or at once by: russet cli CONFIG SET console-hosts {name}\n\n\
                     Without that, the address serves (http://127.0.0.1:PORT), and http://localhost:PORT.\n"
                )
            }
        }
    }
}

const TUNNEL: &str = "With no change of a server outside of containers: \
                      ssh -L 8001:127.0.0.1:8001 HOST, then http://localhost:8001\n";

/// The name of a `Host` without the port, if the name has only letters, digits, dots and hyphens.
fn plain(host: &str) -> Option<&str> {
    let name = host.split(':').next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    (!name.is_empty() && name.bytes().all(is_plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(refusal: Refusal<'_>, request: &str) -> (u16, &'static str, String) {
        let parsed = http::parse(request.as_bytes()).expect("well-formed");
        let answer = refusal.answer(&parsed.expect("whole"));
        let text = String::from_utf8(answer.body).expect("UTF-8");
        (answer.status.0, answer.kind, text)
    }

    #[test]
    fn a_page_is_refused_with_the_directives_that_open_the_way() {
        let page = "GET / HTTP/1.1\r\nHost: localhost:8001\r\n\r\n";
        let (status, kind, text) = body(Refusal::Open("10.88.0.1"), page);
        assert_eq!((status, kind), (403, "text/plain; charset=utf-8"));
        for part in [
            "10.88.0.1",
            "--requirepass PASSWORD --console-insecure yes",
            "console-tls yes",
            "ssh -L",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let (status, _, text) = body(Refusal::Foreign("10.88.0.1"), page);
        assert_eq!(status, 403);
        assert!(
            text.contains("console-allow 127.0.0.0/8 ::1 10.88.0.1\n"),
            "{text}"
        );
    }

    #[test]
    fn a_name_is_shown_only_if_it_is_one() {
        let (status, _, text) = body(
            Refusal::Name,
            "GET / HTTP/1.1\r\nHost: db.example:8001\r\n\r\n",
        );
        assert_eq!(status, 421);
        assert!(
            text.contains("CONFIG SET console-hosts db.example\n"),
            "{text}"
        );
        let (.., text) = body(Refusal::Name, "GET / HTTP/1.1\r\nHost: a;reboot\r\n\r\n");
        assert!(text.contains("console-hosts NAME\n") && !text.contains("reboot"));
    }

    #[test]
    fn a_call_is_refused_in_json() {
        let call = "POST /api/me HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
        let (status, kind, text) = body(Refusal::Open("10.88.0.1"), call);
        assert_eq!((status, kind), (403, http::JSON));
        assert!(text.starts_with("{\"error\":\"passwords would"), "{text}");
    }
}
