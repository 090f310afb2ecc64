//! The fields of a certificate that the server reports or checks: serial number, validity, names,
//! permitted usage (`usage`). Crate `der` splits the bytes into elements and checks every length.
//! Its types for numbers, booleans and times refuse forms that OpenSSL accepts and that
//! certificates have: this module reads such forms from an element's contents.
//!
//!     Certificate = SEQUENCE { tbs, signature algorithm, signature }
//!     tbs         = SEQUENCE { [0] version, serial, algorithm, issuer, validity, subject,
//!                              public key, [1] and [2] identifiers, [3] extensions }
//!     Extension   = SEQUENCE { id, critical, value }
//!
//! Whether a certificate is trusted is decided elsewhere (`verify`); do not rely on these fields
//! before that. O(bytes).

use der::asn1::{AnyRef, BitStringRef};
use der::{
    Decode, DecodeValue, ErrorKind, Header, Reader, Sequence, SliceReader, Tag, TagMode, TagNumber,
    Tagged,
};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::usage::{Purpose, Usage};

/// The bytes of an object identifier.
macro_rules! oid {
    ($dotted:literal) => {
        const { &der::oid::ObjectIdentifier::new_unwrap($dotted) }.as_bytes()
    };
}
pub(super) use oid;

const COMMON_NAME: &[u8] = oid!("2.5.4.3");
const SUBJECT_ALT_NAME: &[u8] = oid!("2.5.29.17");
/// The tag of a URI in the subject's alternative names.
const URI: Tag = Tag::ContextSpecific {
    constructed: false,
    number: TagNumber(6),
};

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
    /// Without header, like `algorithm`.
    pub(crate) issuer: &'a [u8],
    pub(crate) subject: &'a [u8],
    /// SubjectPublicKeyInfo, with header.
    pub(crate) public_key: &'a [u8],
    /// The signed part, with header.
    pub(crate) signed: &'a [u8],
    pub(crate) algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
    /// The first common name of the subject.
    pub common_name: Option<&'a [u8]>,
    /// URIs among the subject's alternative names, in order.
    pub uris: Vec<&'a [u8]>,
    pub(super) usage: Usage,
}

/// See the module.
pub(super) struct Extension<'a> {
    pub(super) id: &'a [u8],
    pub(super) is_critical: bool,
    pub(super) value: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// `None`: not a certificate. Bytes after it are not looked at.
    pub fn read(der: &'a [u8]) -> Option<Certificate<'a>> {
        let mut reader = SliceReader::new(der).ok()?;
        reader.sequence(Certificate::read_parts).ok()
    }

    fn read_parts(parts: &mut SliceReader<'a>) -> der::Result<Certificate<'a>> {
        let signed = parts.tlv_bytes()?;
        let algorithm = contents(parts, Tag::Sequence)?;
        let signature = BitStringRef::decode(parts)?.raw_bytes();
        SliceReader::new(signed)?.sequence(|fields| {
            let version = fields.context_specific::<u8>(TagNumber(0), TagMode::Explicit)?;
            let serial = contents(fields, Tag::Integer)?;
            contents(fields, Tag::Sequence)?;
            let issuer = contents(fields, Tag::Sequence)?;
            let (not_before, not_after) = fields.sequence(read_validity)?;
            let subject = contents(fields, Tag::Sequence)?;
            Tag::peek(fields)?.assert_eq(Tag::Sequence)?;
            let public_key = fields.tlv_bytes()?;
            for number in [1, 2] {
                let number = TagNumber(number);
                fields.context_specific::<BitStringRef<'a>>(number, TagMode::Implicit)?;
            }
            let extensions: Option<Vec<Extension<'a>>> =
                fields.context_specific(TagNumber(3), TagMode::Explicit)?;
            let extensions = extensions.unwrap_or_default();
            Ok(Certificate {
                version: version.unwrap_or(0).saturating_add(1),
                serial,
                not_before,
                not_after,
                issuer,
                subject,
                public_key,
                signed,
                algorithm,
                signature,
                common_name: common_name(subject).ok().flatten(),
                uris: uris(&extensions),
                usage: Usage::read(&extensions)?,
            })
        })
    }

    /// The algorithm of its key (without header), and the key.
    pub(super) fn key(&self) -> Option<(&'a [u8], &'a [u8])> {
        let mut reader = SliceReader::new(self.public_key).ok()?;
        split_key_info(contents(&mut reader, Tag::Sequence).ok()?)
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

impl<'a> Sequence<'a> for Extension<'a> {}

impl<'a> DecodeValue<'a> for Extension<'a> {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(parts: &mut R, _: Header) -> der::Result<Extension<'a>> {
        Ok(Extension {
            id: contents(parts, Tag::ObjectIdentifier)?,
            is_critical: read_flag(parts)?,
            value: contents(parts, Tag::OctetString)?,
        })
    }
}

/// The contents of the next element, which must have this tag.
pub(super) fn contents<'a>(reader: &mut impl Reader<'a>, tag: Tag) -> der::Result<&'a [u8]> {
    let element = AnyRef::decode(reader)?;
    element.tag().assert_eq(tag)?;
    Ok(element.value())
}

/// As [`contents`]; `None`: there is no next element, or it has another tag.
pub(super) fn optional<'a>(
    reader: &mut impl Reader<'a>,
    tag: Tag,
) -> der::Result<Option<&'a [u8]>> {
    if reader.is_finished() || Tag::peek(reader)? != tag {
        return Ok(None);
    }
    contents(reader, tag).map(Some)
}

/// An optional boolean. Any byte but 0 is true, not 255 alone.
pub(super) fn read_flag<'a>(reader: &mut impl Reader<'a>) -> der::Result<bool> {
    Ok(optional(reader, Tag::Boolean)?.is_some_and(|flag| flag != [0]))
}

/// The elements in a sequence's contents, up to a malformed element.
fn elements(contents: &[u8]) -> impl Iterator<Item = AnyRef<'_>> {
    let mut reader = SliceReader::new(contents).ok();
    std::iter::from_fn(move || AnyRef::decode(reader.as_mut()?).ok())
}

/// Splits the contents of a SubjectPublicKeyInfo into the algorithm (without its header) and
/// the key.
pub(super) fn split_key_info(info: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = SliceReader::new(info).ok()?;
    let algorithm = contents(&mut parts, Tag::Sequence).ok()?;
    let key = BitStringRef::decode(&mut parts).ok()?;
    Some((algorithm, key.raw_bytes()))
}

fn read_validity<'a>(times: &mut impl Reader<'a>) -> der::Result<(i64, i64)> {
    let mut next = || {
        let time = AnyRef::decode(times)?;
        seconds(time).ok_or_else(|| der::Error::from(ErrorKind::DateTime))
    };
    Ok((next()?, next()?))
}

/// Unix seconds of `YYMMDDhhmmssZ`, where years below 50 are in this century, or of
/// `YYYYMMDDhhmmssZ`. The types of `der` begin in 1970, certificates do not.
fn seconds(time: AnyRef<'_>) -> Option<i64> {
    let digits = time.value().strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |text: &[u8]| text.iter().fold(0, |n, d| n * 10 + i16::from(d - b'0'));
    let (year, rest) = match time.tag() {
        Tag::UtcTime => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year);
            (if year < 50 { 2000 } else { 1900 } + year, rest)
        }
        Tag::GeneralizedTime => {
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

/// Fails if the name is malformed up to its first common name.
fn common_name(subject: &[u8]) -> der::Result<Option<&[u8]>> {
    let mut sets = SliceReader::new(subject)?;
    while !sets.is_finished() {
        let mut pairs = SliceReader::new(contents(&mut sets, Tag::Set)?)?;
        while !pairs.is_finished() {
            let mut pair = SliceReader::new(contents(&mut pairs, Tag::Sequence)?)?;
            if contents(&mut pair, Tag::ObjectIdentifier)? == COMMON_NAME {
                let name = AnyRef::decode(&mut pair)?;
                // Names in UTF-16 are not supported.
                return Ok((name.tag() != Tag::BmpString).then(|| name.value()));
            }
        }
    }
    Ok(None)
}

fn uris<'a>(extensions: &[Extension<'a>]) -> Vec<&'a [u8]> {
    let is_names = |e: &&Extension<'a>| e.id == SUBJECT_ALT_NAME;
    let names = extensions.iter().find(is_names);
    let names = names.and_then(|e| elements(e.value).next());
    let names = names.into_iter().flat_map(|names| elements(names.value()));
    let uris = names.filter(|name| name.tag() == URI);
    uris.map(|uri| uri.value()).collect()
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
        let time =
            |tag, text: &str| seconds(AnyRef::new(tag, text.as_bytes()).expect("not too long"));
        assert_eq!(time(Tag::UtcTime, "700101000000Z"), Some(0));
        assert_eq!(time(Tag::UtcTime, "500101000000Z"), Some(-631_152_000));
        assert_eq!(time(Tag::UtcTime, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(
            time(Tag::GeneralizedTime, "20500101000000Z"),
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
            assert_eq!(time(Tag::UtcTime, wrong), None, "{wrong}");
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
