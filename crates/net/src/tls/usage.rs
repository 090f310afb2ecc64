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

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, DecodeValue, Header, Reader, Sequence, Tag};

use super::certificate::{Extension, oid, optional, read_flag};

const KEY_USAGE: &[u8] = oid!("2.5.29.15");
const BASIC_CONSTRAINTS: &[u8] = oid!("2.5.29.19");
const EXTENDED_KEY_USAGE: &[u8] = oid!("2.5.29.37");
const NETSCAPE_TYPE: &[u8] = oid!("2.16.840.1.113730.1.1");
/// Others that may be critical: names, name constraints, distribution points, policies, their
/// mappings and constraints, and the inhibition of any policy.
const UNDERSTOOD: [&[u8]; 7] = [
    oid!("2.5.29.17"),
    oid!("2.5.29.30"),
    oid!("2.5.29.31"),
    oid!("2.5.29.32"),
    oid!("2.5.29.33"),
    oid!("2.5.29.36"),
    oid!("2.5.29.54"),
];

const CLIENT_AUTH: &[u8] = oid!("1.3.6.1.5.5.7.3.2");
const SERVER_AUTH: &[u8] = oid!("1.3.6.1.5.5.7.3.1");

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
    extended: Option<ExtendedUsage>,
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
struct ExtendedUsage {
    client: bool,
    server: bool,
}

impl Usage {
    /// Fails if one of the extensions above is malformed or occurs twice.
    pub(super) fn read(extensions: &[Extension<'_>]) -> der::Result<Usage> {
        let mut usage = Usage::default();
        for extension in extensions {
            let value = extension.value;
            let is_first = match extension.id {
                KEY_USAGE => put(&mut usage.key_usage, first_bits(value)?),
                NETSCAPE_TYPE => put(&mut usage.netscape, first_bits(value)?),
                BASIC_CONSTRAINTS => put(&mut usage.basic_constraints, first(value)?),
                EXTENDED_KEY_USAGE => put(&mut usage.extended, first(value)?),
                other => {
                    usage.has_unknown |= extension.is_critical && !UNDERSTOOD.contains(&other);
                    true
                }
            };
            if !is_first {
                return Err(Tag::Sequence.value_error().into());
            }
        }
        Ok(usage)
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

/// The element that a value begins with; like OpenSSL, whatever is after it.
fn first<'a, T: Decode<'a>>(value: &'a [u8]) -> Result<T, T::Error> {
    T::from_der_partial(value).map(|(read, _)| read)
}

/// The first eight bits of a bit string; 0 if it is empty.
fn first_bits(value: &[u8]) -> der::Result<u8> {
    let bits: BitStringRef<'_> = first(value)?;
    Ok(bits.raw_bytes().first().copied().unwrap_or(0))
}

impl Sequence<'_> for BasicConstraints {}

impl<'a> DecodeValue<'a> for BasicConstraints {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(parts: &mut R, _: Header) -> der::Result<BasicConstraints> {
        let is_authority = read_flag(parts)?;
        let path_len = match optional(parts, Tag::Integer)? {
            None => None,
            // Negative.
            Some([] | [0x80..=0xff, ..]) => return Err(Tag::Integer.value_error().into()),
            Some(digits) => Some(digits.iter().fold(0usize, |n, &digit| {
                n.saturating_mul(256).saturating_add(usize::from(digit))
            })),
        };
        Ok(BasicConstraints {
            is_authority,
            path_len,
        })
    }
}

impl Sequence<'_> for ExtendedUsage {}

impl<'a> DecodeValue<'a> for ExtendedUsage {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(ids: &mut R, _: Header) -> der::Result<ExtendedUsage> {
        let mut all = ExtendedUsage::default();
        while !ids.is_finished() {
            let id = AnyRef::decode(ids)?.value();
            all.client |= id == CLIENT_AUTH;
            all.server |= id == SERVER_AUTH;
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension<'a>(id: &'a [u8], is_critical: bool, value: &'a [u8]) -> Extension<'a> {
        Extension {
            id,
            is_critical,
            value,
        }
    }

    #[test]
    fn lengths_of_paths_are_read_and_nonsense_is_refused() {
        let path_len = |bytes: &[u8]| {
            let usage = Usage::read(&[extension(BASIC_CONSTRAINTS, true, bytes)]);
            usage.ok().map(|usage| usage.path_len())
        };
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
    fn any_byte_but_zero_makes_an_authority() {
        for (byte, is_authority) in [(0, false), (1, true), (0xff, true)] {
            let value = [0x30, 3, 1, 1, byte];
            let read = Usage::read(&[extension(BASIC_CONSTRAINTS, true, &value)]);
            let read = read.expect("well formed");
            assert_eq!(
                read.may_sign(Purpose::Server, false),
                is_authority,
                "{byte}"
            );
        }
    }

    #[test]
    fn one_that_stands_twice_or_is_unknown_and_critical_serves_nothing() {
        let constraints = |value| extension(BASIC_CONSTRAINTS, true, value);
        let authority = || constraints(&[0x30, 3, 1, 1, 0xff]);
        let leaf = constraints(&[0x30, 0]);
        assert!(Usage::read(&[leaf, authority()]).is_err());
        for (critical, serves) in [(false, true), (true, false)] {
            let unknown = extension(&[0x2a, 3, 4], critical, &[5, 0]);
            let read = Usage::read(&[authority(), unknown]).expect("well formed");
            assert_eq!(read.may_sign(Purpose::Client, false), serves);
            assert_eq!(read.may_present(Purpose::Client), serves);
        }
    }
}
