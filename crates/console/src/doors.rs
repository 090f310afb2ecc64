//! The admission of requests: checks before the server does anything for a request.
//!
//! A page of another site can have a browser send requests here, and can make its own name resolve
//! to this machine. So the request's host must be `localhost` or an address, because no foreign
//! name can be these, or a host listed in `console-hosts`. A call must come from the console's own
//! page: its `Origin` is this host, and it has a header and a type that another page may send only
//! after a preflight, which the server refuses. Addresses are checked where connections are
//! accepted.

use std::net::{IpAddr, Ipv6Addr};

use super::http::{self, Answer, Method, RequestHead};
use super::refusals::Refusal;

/// The settings that decide about admission.
#[derive(Clone, Copy, Debug)]
pub struct Doors<'a> {
    /// `console-hosts`.
    pub hosts: &'a [russet_config::Text],
    /// The connection is under TLS.
    pub is_tls: bool,
}

/// The value of `X-Russet` in calls that a page makes by itself: they do not keep a session alive.
pub const AUTOMATIC: &str = "auto";

/// How a request names this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// As this machine: `localhost` or a loopback address.
    Here,
    /// By an address of the network.
    Address,
    /// By a name of `console-hosts`: perhaps through a proxy.
    Listed,
}

impl Doors<'_> {
    /// How `Host` names this server; `None`: it names another server.
    pub fn named(&self, host: &str) -> Option<HostKind> {
        let name = without_port(host)?;
        if name.eq_ignore_ascii_case("localhost") {
            return Some(HostKind::Here);
        }
        if let Some(address) = address(name) {
            return Some(if address.to_canonical().is_loopback() {
                HostKind::Here
            } else {
                HostKind::Address
            });
        }
        let is_listed = |listed: &russet_config::Text| listed.eq_ignore_ascii_case(name.as_bytes());
        self.hosts.iter().any(is_listed).then_some(HostKind::Listed)
    }

    /// Refuses requests for other hosts, and calls that do not come from our page.
    pub fn pass(&self, head: &RequestHead) -> Result<HostKind, Answer> {
        let Some(named) = self.named(&head.host) else {
            return Err(Refusal::Name.answer(head));
        };
        if head.method == Method::Post {
            self.pass_call(head, named)?;
        }
        Ok(named)
    }

    fn pass_call(&self, head: &RequestHead, named: HostKind) -> Result<(), Answer> {
        let refused = |text| Err(Answer::error(http::FORBIDDEN, text));
        if let Some(origin) = &head.origin
            && !self.is_own(origin, &head.host, named)
        {
            return refused("the call comes from a page of another origin");
        }
        if !matches!(
            head.fetch_site.as_deref(),
            None | Some("same-origin" | "none")
        ) {
            return refused("the call comes from a page of another site");
        }
        if !matches!(head.russet.as_deref(), Some("1" | AUTOMATIC)) {
            return refused("the header X-Russet is missing");
        }
        let is_json = head.content_type.as_deref().is_some_and(is_json);
        if is_json {
            Ok(())
        } else {
            Err(Answer::refusal(http::WRONG_TYPE))
        }
    }

    /// Whether an origin is that of our page. A proxy for a listed name may add TLS.
    fn is_own(&self, origin: &str, host: &str, named: HostKind) -> bool {
        let Some((scheme, from)) = origin.split_once("://") else {
            return false;
        };
        let is_scheme = match scheme {
            "https" => self.is_tls || named == HostKind::Listed,
            "http" => !self.is_tls,
            _ => false,
        };
        is_scheme && from.eq_ignore_ascii_case(host)
    }
}

fn is_json(kind: &str) -> bool {
    let mut parts = kind.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case(http::JSON));
    is_json && parts.all(|part| part.eq_ignore_ascii_case("charset=utf-8"))
}

/// The name in `name:port`; brackets of an IPv6 address stay.
fn without_port(host: &str) -> Option<&str> {
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    let end = if host.starts_with('[') {
        host.find(']')? + 1
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let (name, port) = host.split_at(end);
    match port.strip_prefix(':') {
        None if port.is_empty() => Some(name),
        Some(port) if is_port(port) => Some(name),
        _ => None,
    }
}

fn address(name: &str) -> Option<IpAddr> {
    match name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
    {
        Some(inside) => inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => name.parse().ok().filter(IpAddr::is_ipv4),
    }
}

/// The value of a cookie.
pub fn cookie<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = header
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(its, value)| (its == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_config::Text;

    const ADMIN: &str = "admin.example";

    fn doors(hosts: &[Text], is_tls: bool) -> Doors<'_> {
        Doors { hosts, is_tls }
    }

    fn call(host: &str, headers: &str) -> RequestHead {
        let text =
            format!("POST /api/me HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n{headers}\r\n");
        match http::parse(text.as_bytes()) {
            Ok(Some(head)) => *head,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn only_names_that_no_other_site_can_have_are_ours() {
        let hosts: [Text; 1] = [ADMIN.into()];
        for (host, named) in [
            ("localhost", Some(HostKind::Here)),
            ("LocalHost:8001", Some(HostKind::Here)),
            ("127.0.0.1:8001", Some(HostKind::Here)),
            ("[::1]:8001", Some(HostKind::Here)),
            ("[::ffff:127.0.0.1]", Some(HostKind::Here)),
            ("192.0.2.7:8001", Some(HostKind::Address)),
            ("[2001:db8::1]", Some(HostKind::Address)),
            ("admin.example", Some(HostKind::Listed)),
            ("ADMIN.example:443", Some(HostKind::Listed)),
            ("evil.example", None),
            ("localhost.evil.example", None),
            ("127.0.0.1.evil.example", None),
            ("admin.example.", None),
            ("localhost:80:80", None),
            ("localhost:x", None),
            ("[::1", None),
            ("[::1]x", None),
            ("::1", None),
            ("", None),
        ] {
            assert_eq!(doors(&hosts, false).named(host), named, "{host}");
        }
    }

    #[test]
    fn a_call_of_another_page_is_refused() {
        let hosts: [Text; 1] = [ADMIN.into()];
        let own = "X-Russet: 1\r\nContent-Type: application/json\r\n";
        let status = |is_tls, host: &str, headers: &str| {
            let passed = doors(&hosts, is_tls).pass(&call(host, headers));
            passed.map_or_else(|answer| answer.status.0, |_| 200)
        };
        for (code, host, more) in [
            (200, "localhost:1", ""),
            (200, "localhost:1", "Origin: http://localhost:1\r\n"),
            (200, "localhost:1", "Sec-Fetch-Site: same-origin\r\n"),
            (200, "localhost:1", "Sec-Fetch-Site: none\r\n"),
            (200, ADMIN, "Origin: https://admin.example\r\n"),
            (403, "localhost:1", "Origin: https://localhost:1\r\n"),
            (403, "localhost:1", "Origin: http://localhost:2\r\n"),
            (403, "localhost:1", "Origin: http://localhost\r\n"),
            (403, "localhost:1", "Origin: http://127.0.0.1:1\r\n"),
            (403, "localhost:1", "Origin: null\r\n"),
            (403, "localhost:1", "Origin: http://evil.example\r\n"),
            (403, "localhost:1", "Sec-Fetch-Site: same-site\r\n"),
            (403, "localhost:1", "Sec-Fetch-Site: cross-site\r\n"),
            (421, "evil.example", "Origin: http://evil.example\r\n"),
        ] {
            assert_eq!(
                status(false, host, &format!("{own}{more}")),
                code,
                "{host} {more}"
            );
        }
        let secure = format!("{own}Origin: https://localhost:1\r\n");
        assert_eq!(status(true, "localhost:1", &secure), 200);
        let plain = format!("{own}Origin: http://localhost:1\r\n");
        assert_eq!(status(true, "localhost:1", &plain), 403);
        assert_eq!(
            status(false, "localhost", "Content-Type: application/json\r\n"),
            403
        );
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; a=b",
        ] {
            let headers = format!("X-Russet: 1\r\nContent-Type: {kind}\r\n");
            assert_eq!(status(false, "localhost", &headers), 415, "{kind}");
        }
        assert_eq!(status(false, "localhost", "X-Russet: 1\r\n"), 415);
        let charset = "X-Russet: 1\r\nContent-Type: application/json;charset=UTF-8\r\n";
        assert_eq!(status(false, "localhost", charset), 200);
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        assert_eq!(cookie("a=1; russet-1=xy;b=", "russet-1"), Some("xy"));
        assert_eq!(cookie("xrusset-1=xy", "russet-1"), None);
        assert_eq!(cookie("", "russet-1"), None);
    }
}
