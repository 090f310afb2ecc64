//! The permitted usage of a certificate, by its extensions: whether it may sign others, and
//! whether a client or server may present it. The rules are OpenSSL's, which are stricter than
//! rustls's: rustls checks nothing for trust anchors, and no key usage for issuers.
//!
//! An issuer, for the purpose at hand:
//!
//!   - has the key usage `keyCertSign` or no key usage at all, and the purpose's extended key
//!     usage or none at all;
//!   - has `CA:TRUE` in its basic constraints. Without basic constraints it must be of version 1
//!     and self-issued, or have the key usage, or Netscape's type of an authority.
//!
//! A certificate with an unknown critical extension may do neither.

use super::certificate::{BIT_STRING, Element, Elements, INTEGER, OCTET_STRING, OID, SEQUENCE};

const BOOLEAN: u8 = 0x01;

const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const NETSCAPE_TYPE: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x42, 0x01, 0x01];
/// Other extensions under id-ce that may be critical: names, name constraints, distribution
/// points, policies, their mappings and constraints, and the inhibition of any policy.
const UNDERSTOOD: [u8; 7] = [0x11, 0x1e, 0x1f, 0x20, 0x21, 0x24, 0x36];

const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

// Bits of the first byte of a key usage.
const DIGITAL_SIGNATURE: u8 = 0x80;
const KEY_ENCIPHERMENT: u8 = 0x20;
const KEY_AGREEMENT: u8 = 0x08;
const KEY_CERT_SIGN: u8 = 0x04;
// Bits of Netscape's type.
const NETSCAPE_CLIENT: u8 = 0x80;
const NETSCAPE_SERVER: u8 = 0x40;
const NETSCAPE_SSL_AUTHORITY: u8 = 0x04;

/// The end of a connection that the leaf certificate of a chain belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Client,
    Server,
}

/// The extensions that restrict the usage of a certificate. `None`: it does not have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    basic_constraints: Option<BasicConstraints>,
    /// The first byte.
    key_usage: Option<u8>,
    extended: Option<Extended>,
    netscape: Option<u8>,
    /// There is an unknown critical extension.
    has_unknown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BasicConstraints {
    is_authority: bool,
    path_len: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Extended {
    client: bool,
    server: bool,
}

impl Usage {
    /// Reads the elements of the extensions' sequence. `None`: one of those above is malformed or
    /// occurs twice.
    pub(super) fn read<'a>(extensions: Elements<'a>) -> Option<Usage> {
        let mut usage = Usage::default();
        for extension in extensions {
            let mut parts = Elements(extension.contents);
            let id = parts.expect(OID)?.contents;
            let critical = parts.take_if(BOOLEAN).map(|flag| flag.contents != [0]);
            let value = parts.expect(OCTET_STRING)?.contents;
            let value = || Elements(value).next();
            let is_first = match id {
                KEY_USAGE => put(&mut usage.key_usage, first_bits(&value()?)?),
                NETSCAPE_TYPE => put(&mut usage.netscape, first_bits(&value()?)?),
                BASIC_CONSTRAINTS => put(&mut usage.basic_constraints, constraints(&value()?)?),
                EXTENDED_KEY_USAGE => put(&mut usage.extended, purposes(&value()?)?),
                _ => {
                    let is_known = matches!(id, [0x55, 0x1d, last] if UNDERSTOOD.contains(last));
                    usage.has_unknown |= critical == Some(true) && !is_known;
                    true
                }
            };
            if !is_first {
                return None;
            }
        }
        Some(usage)
    }

    /// Whether it may sign the certificates of a chain for `purpose`; `is_old_root`: it is of
    /// version 1 and self-issued.
    pub(super) fn may_sign(&self, purpose: Purpose, is_old_root: bool) -> bool {
        if self.has_unknown || !self.extends_to(purpose) {
            return false;
        }
        if self.key_usage.is_some_and(|bits| bits & KEY_CERT_SIGN == 0) {
            return false;
        }
        match self.basic_constraints {
            Some(constraints) => constraints.is_authority,
            None => {
                let netscape = self.netscape.unwrap_or(0);
                is_old_root || self.key_usage.is_some() || netscape & NETSCAPE_SSL_AUTHORITY != 0
            }
        }
    }

    /// Whether a peer may present it for `purpose`.
    pub(super) fn may_present(&self, purpose: Purpose) -> bool {
        let (usages, netscape) = match purpose {
            Purpose::Client => (DIGITAL_SIGNATURE | KEY_AGREEMENT, NETSCAPE_CLIENT),
            Purpose::Server => (
                DIGITAL_SIGNATURE | KEY_ENCIPHERMENT | KEY_AGREEMENT,
                NETSCAPE_SERVER,
            ),
        };
        !self.has_unknown
            && self.extends_to(purpose)
            && self.key_usage.is_none_or(|bits| bits & usages != 0)
            && self.netscape.is_none_or(|bits| bits & netscape != 0)
    }

    /// The maximum number of issuers between it and the leaf of the chain.
    pub(super) fn path_len(&self) -> Option<usize> {
        self.basic_constraints?.path_len
    }

    fn extends_to(&self, purpose: Purpose) -> bool {
        self.extended.is_none_or(|extended| match purpose {
            Purpose::Client => extended.client,
            Purpose::Server => extended.server,
        })
    }
}

/// `false`: there was a value already.
fn put<T>(place: &mut Option<T>, value: T) -> bool {
    place.replace(value).is_none()
}

/// The first eight bits of a bit string; 0 if it is empty.
fn first_bits(value: &Element<'_>) -> Option<u8> {
    if value.tag != BIT_STRING {
        return None;
    }
    let (_, bits) = value.contents.split_first()?;
    Some(bits.first().copied().unwrap_or(0))
}

fn constraints(value: &Element<'_>) -> Option<BasicConstraints> {
    if value.tag != SEQUENCE {
        return None;
    }
    let mut parts = Elements(value.contents);
    let is_authority = parts.take_if(BOOLEAN).is_some_and(|b| b.contents != [0]);
    let path_len = match parts.take_if(INTEGER) {
        None => None,
        Some(n) => match n.contents {
            // Negative.
            [] => return None,
            [first, ..] if *first >= 0x80 => return None,
            digits => Some(digits.iter().fold(0usize, |n, &digit| {
                n.saturating_mul(256).saturating_add(usize::from(digit))
            })),
        },
    };
    parts.0.is_empty().then_some(BasicConstraints {
        is_authority,
        path_len,
    })
}

fn purposes(value: &Element<'_>) -> Option<Extended> {
    if value.tag != SEQUENCE {
        return None;
    }
    let mut all = Extended::default();
    for id in Elements(value.contents) {
        all.client |= id.contents == CLIENT_AUTH;
        all.server |= id.contents == SERVER_AUTH;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        [&[tag, contents.len() as u8], contents].concat()
    }

    fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
        let critical = if critical { &[1, 1, 0xff][..] } else { &[] };
        let parts = [&element(OID, id), critical, &element(OCTET_STRING, value)].concat();
        element(SEQUENCE, &parts)
    }

    fn usage(extensions: &[Vec<u8>]) -> Option<Usage> {
        Usage::read(Elements(&extensions.concat()))
    }

    #[test]
    fn lengths_of_paths_are_read_and_nonsense_is_refused() {
        let constraints = |bytes: &[u8]| usage(&[extension(BASIC_CONSTRAINTS, true, bytes)]);
        let path_len = |bytes: &[u8]| constraints(bytes).map(|usage| usage.path_len());
        assert_eq!(path_len(&[0x30, 3, 1, 1, 0xff]), Some(None));
        assert_eq!(path_len(&[0x30, 6, 1, 1, 0xff, 2, 1, 3]), Some(Some(3)));
        assert_eq!(path_len(&[0x30, 6, 1, 1, 0xff, 2, 1, 0xff]), None);
        assert_eq!(path_len(&[0x30, 5, 1, 1, 0xff, 2, 0]), None);
        assert_eq!(path_len(&[0x04, 0]), None);
        assert_eq!(path_len(&[]), None);
        let huge = [&[0x30, 13, 1, 1, 0xff, 2, 8][..], &[0x7f; 8]].concat();
        assert_eq!(path_len(&huge), Some(Some(0x7f7f_7f7f_7f7f_7f7f)));
    }

    #[test]
    fn one_that_stands_twice_or_is_unknown_and_critical_serves_nothing() {
        let authority = extension(BASIC_CONSTRAINTS, true, &[0x30, 3, 1, 1, 0xff]);
        let leaf = extension(BASIC_CONSTRAINTS, true, &[0x30, 0]);
        assert_eq!(usage(&[leaf, authority.clone()]), None);
        for (critical, serves) in [(false, true), (true, false)] {
            let unknown = extension(&[0x2a, 3, 4], critical, &[5, 0]);
            let read = usage(&[authority.clone(), unknown]).expect("well formed");
            assert_eq!(read.may_sign(Purpose::Client, false), serves);
            assert_eq!(read.may_present(Purpose::Client), serves);
        }
    }
}
