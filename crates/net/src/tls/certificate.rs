//! The fields of a certificate that the server reports or checks, read from its DER: serial number,
//! validity, names, permitted usage (`usage`).
//!
//!     Certificate = SEQUENCE { tbs, signature algorithm, signature }
//!     tbs         = SEQUENCE { [0] version, serial, algorithm, issuer, validity, subject,
//!                              public key, ..., [3] extensions }
//!
//! Whether a certificate is trusted is decided elsewhere (`verify`); do not rely on these fields
//! before that. Every length is checked against the remaining bytes. O(bytes).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::usage::{Purpose, Usage};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BMP_STRING: u8 = 0x1e;
pub(super) const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// The tag of a URI in the subject's alternative names.
const URI: u8 = 0x86;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// See the module. Names are borrowed from the DER.
#[derive(Debug)]
pub struct Certificate<'a> {
    /// 1 to 3.
    pub(crate) version: u8,
    /// Big-endian, as encoded.
    pub(crate) serial: &'a [u8],
    /// Unix seconds, inclusive.
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    /// With header.
    pub(crate) issuer: &'a [u8],
    pub(crate) subject: &'a [u8],
    /// SubjectPublicKeyInfo, with header.
    pub(crate) public_key: &'a [u8],
    /// The signed part with header, the algorithm (without its header), and the signature.
    pub(crate) signed: &'a [u8],
    pub(crate) algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
    /// The first common name of the subject.
    pub common_name: Option<&'a [u8]>,
    /// URIs among the subject's alternative names, in order.
    pub uris: Vec<&'a [u8]>,
    pub(super) usage: Usage,
}

/// An iterator over consecutive elements.
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) contents: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let [tag, first, rest @ ..] = self.0 else {
            return None;
        };
        let (len, rest) = match first {
            0..=0x7f => (*first as usize, rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked((first & 0x7f) as usize)?;
                let len = bytes.iter().fold(0usize, |n, &b| n << 8 | b as usize);
                (len, rest)
            }
            _ => return None,
        };
        let (contents, behind) = rest.split_at_checked(len)?;
        let whole = &self.0[..self.0.len() - behind.len()];
        self.0 = behind;
        Some(Element {
            tag: *tag,
            contents,
            whole,
        })
    }
}

impl<'a> Elements<'a> {
    pub(super) fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        self.next().filter(|element| element.tag == tag)
    }

    pub(super) fn take_if(&mut self, tag: u8) -> Option<Element<'a>> {
        let before = self.0;
        let found = self.expect(tag);
        if found.is_none() {
            self.0 = before;
        }
        found
    }
}

impl<'a> Certificate<'a> {
    /// `None`: not a certificate.
    pub fn read(der: &'a [u8]) -> Option<Certificate<'a>> {
        let mut all = Elements(Elements(der).expect(SEQUENCE)?.contents);
        let tbs = all.expect(SEQUENCE)?;
        let algorithm = all.expect(SEQUENCE)?;
        let signature = all.expect(BIT_STRING)?;
        let (_, signature) = signature.contents.split_first()?;

        let mut fields = Elements(tbs.contents);
        let version = match fields.take_if(VERSION) {
            None => 1,
            Some(version) => {
                let [n] = Elements(version.contents).expect(INTEGER)?.contents else {
                    return None;
                };
                n.checked_add(1)?
            }
        };
        let serial = fields.expect(INTEGER)?.contents;
        fields.expect(SEQUENCE)?;
        let issuer = fields.expect(SEQUENCE)?.whole;
        let mut validity = Elements(fields.expect(SEQUENCE)?.contents);
        let not_before = read_time(&validity.next()?)?;
        let not_after = read_time(&validity.next()?)?;
        let subject = fields.expect(SEQUENCE)?;
        let public_key = fields.expect(SEQUENCE)?.whole;
        let extensions = match fields.find(|field| field.tag == EXTENSIONS) {
            None => &[],
            Some(extensions) => Elements(extensions.contents).expect(SEQUENCE)?.contents,
        };
        Some(Certificate {
            version,
            serial,
            not_before,
            not_after,
            issuer,
            subject: subject.whole,
            public_key,
            signed: tbs.whole,
            algorithm: algorithm.contents,
            signature,
            common_name: common_name(subject.contents),
            uris: uris(extensions),
            usage: Usage::read(Elements(extensions))?,
        })
    }

    /// The serial number as tools print it: hexadecimal, uppercase.
    pub(crate) fn serial_text(&self) -> String {
        let digits = match self.serial {
            // Skip a leading zero that only keeps the number non-negative.
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        digits.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// Whether issuer and subject are the same.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether it may sign the certificates of a chain for `purpose`.
    pub(super) fn may_sign(&self, purpose: Purpose) -> bool {
        let is_old_root = self.version == 1 && self.is_self_issued();
        self.usage.may_sign(purpose, is_old_root)
    }
}

/// The contents of a sequence.
pub(super) fn contents(whole: &[u8]) -> Option<&[u8]> {
    Some(Elements(whole).expect(SEQUENCE)?.contents)
}

/// Splits the contents of a SubjectPublicKeyInfo into the algorithm (without its header) and
/// the key.
pub(super) fn split_key_info(contents: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = Elements(contents);
    let algorithm = parts.expect(SEQUENCE)?.contents;
    let (_, key) = parts.expect(BIT_STRING)?.contents.split_first()?;
    Some((algorithm, key))
}

/// `YYMMDDhhmmssZ`, where years below 50 are in this century, or `YYYYMMDDhhmmssZ`.
fn read_time(element: &Element<'_>) -> Option<i64> {
    let digits = element.contents.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |text: &[u8]| text.iter().fold(0, |n, d| n * 10 + i16::from(d - b'0'));
    let (year, rest) = match element.tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year);
            (if year < 50 { 2000 } else { 1900 } + year, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year), rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let part = |at: usize| number(&rest[at..at + 2]) as i8;
    let time = DateTime::new(year, part(0), part(2), part(4), part(6), part(8), 0).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

fn common_name(subject: &[u8]) -> Option<&[u8]> {
    let sets = Elements(subject).filter(|set| set.tag == SET);
    for pair in sets.flat_map(|set| Elements(set.contents)) {
        let mut pair = Elements(pair.contents);
        if pair.expect(OID)?.contents == COMMON_NAME {
            // Names in UTF-16 are not supported.
            return pair
                .next()
                .filter(|v| v.tag != BMP_STRING)
                .map(|v| v.contents);
        }
    }
    None
}

fn uris(extensions: &[u8]) -> Vec<&[u8]> {
    for extension in Elements(extensions) {
        let mut parts = Elements(extension.contents);
        let id = parts.expect(OID);
        if id.is_none_or(|id| id.contents != SUBJECT_ALT_NAME) {
            continue;
        }
        let Some(value) = parts.find(|part| part.tag == OCTET_STRING) else {
            continue;
        };
        let names = Elements(value.contents)
            .next()
            .map_or(&[][..], |e| e.contents);
        let uris = Elements(names).filter(|name| name.tag == URI);
        return uris.map(|name| name.contents).collect();
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Authority, Subject};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_fields_of_a_certificate_are_read() {
        let authority = Authority::new();
        let made = authority.issue(&Subject {
            name: "alice",
            uris: &["urn:a:first", "urn:a:second"],
            days: -1..30,
        });
        let read = Certificate::read(&made.der).expect("a certificate");
        assert_eq!(read.version, 3);
        assert_eq!(read.common_name, Some(&b"alice"[..]));
        assert_eq!(read.uris, [&b"urn:a:first"[..], b"urn:a:second"]);
        assert_eq!(read.not_after - read.not_before, 31 * 86_400);
        let ca = Certificate::read(&authority.der).expect("a certificate");
        assert_eq!(read.issuer, ca.subject);
        assert!(read.serial_text().bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(read.uris.iter().all(|uri| !uri.is_empty()));
    }

    #[test]
    fn times_of_both_forms_are_read() {
        let time = |tag, text: &str| {
            read_time(&Element {
                tag,
                contents: text.as_bytes(),
                whole: &[],
            })
        };
        assert_eq!(time(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(time(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(
            time(GENERALIZED_TIME, "20500101000000Z"),
            Some(2_524_608_000)
        );
        for wrong in [
            "",
            "Z",
            "700101000000",
            "701301000000Z",
            "7001010000Z",
            "+00101000000Z",
        ] {
            assert_eq!(time(UTC_TIME, wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let _ = Certificate::read(&bytes);
            let mut der = Authority::shared().der.clone();
            let at = at.index(der.len());
            der[at] = byte;
            let _ = Certificate::read(&der);
            let _ = Certificate::read(&der[..at]);
        }
    }
}
