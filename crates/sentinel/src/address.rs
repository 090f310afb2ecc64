//! Addresses: the host as it was given, the IP address it has now, and a port.
//!
//! Names are resolved elsewhere (`Action::Resolve`); until then, or if that fails, the IP address
//! is empty, and addresses are compared by host.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Bytes of a host's name, as DNS has them.
pub(crate) const HOST_BYTES_MAX: usize = 253;

/// The address that a data node or a Sentinel listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, as it was given.
    pub host: Vec<u8>,
    /// Empty: not resolved.
    pub ip: Vec<u8>,
    /// 0: not reachable.
    pub port: u16,
}

/// Whether the text is an IP address.
pub fn is_ip(host: &[u8]) -> bool {
    std::str::from_utf8(host).is_ok_and(|text| text.parse::<IpAddr>().is_ok())
}

impl Address {
    /// The address with the IP address that is known for its host.
    pub fn new(host: &[u8], port: u16, names: &Names) -> Address {
        Address {
            host: host.to_vec(),
            ip: names.ip_of(host).unwrap_or_default(),
            port,
        }
    }

    /// Whether both are the same address: by IP address or by name, and by port.
    pub fn is_same(&self, other: &Address) -> bool {
        let same_ip = !self.ip.is_empty() && self.ip == other.ip;
        self.port == other.port && (same_ip || self.host.eq_ignore_ascii_case(&other.host))
    }

    /// The host as clients and Sentinels see it: as it was given if `by_name`, else the IP address.
    pub fn shown(&self, by_name: bool) -> &[u8] {
        if by_name || self.ip.is_empty() {
            &self.host
        } else {
            &self.ip
        }
    }

    /// `ip:port`, IPv6 in brackets: the name of a replica.
    pub(crate) fn with_port(&self, by_name: bool) -> Vec<u8> {
        let shown = self.shown(by_name);
        let port = self.port.to_string();
        if shown.contains(&b':') {
            [b"[", shown, b"]:", port.as_bytes()].concat()
        } else {
            [shown, b":", port.as_bytes()].concat()
        }
    }
}

/// The IP address of each host name that was resolved.
#[derive(Clone, Debug, Default)]
pub struct Names {
    known: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Names {
    /// The IP address of a host; an IP address is its own.
    pub(crate) fn ip_of(&self, host: &[u8]) -> Option<Vec<u8>> {
        if is_ip(host) {
            Some(host.to_vec())
        } else {
            self.known.get(&host.to_ascii_lowercase()).cloned()
        }
    }

    /// Remembers the answer; `None` forgets the name's old address.
    pub(crate) fn learn(&mut self, host: &[u8], ip: Option<Vec<u8>>) {
        let host = host.to_ascii_lowercase();
        match ip {
            Some(ip) => self.known.insert(host, ip),
            None => self.known.remove(&host),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_same_by_ip_address_or_by_name() {
        let mut names = Names::default();
        names.learn(b"db", Some(b"10.0.0.1".to_vec()));
        let named = Address::new(b"db", 1, &names);
        let plain = Address::new(b"10.0.0.1", 1, &names);
        assert!(named.is_same(&plain) && !named.is_same(&Address::new(b"db", 2, &names)));
        let unknown = Address::new(b"other", 1, &names);
        assert!(unknown.is_same(&Address::new(b"OTHER", 1, &names)));
        assert!(!unknown.is_same(&Address::new(b"another", 1, &names)));
        assert_eq!(named.shown(true), b"db");
        assert_eq!(named.with_port(false), b"10.0.0.1:1");
        assert_eq!(Address::new(b"::1", 1, &names).with_port(false), b"[::1]:1");
    }
}
