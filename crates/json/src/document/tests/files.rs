//! CBOR in both directions.

use super::model::ModelValue;
use super::{Random, parsed, text, with_chunks};
use crate::document::{CborError, Document, Fpha};

#[test]
fn cbor_gives_the_document_again() {
    for chunk in [48, 8192] {
        with_chunks(chunk, || {
            for seed in 0..300 {
                let wanted = ModelValue::random(&mut Random(seed), 4).text();
                let document = Document::from_cbor(&parsed(&wanted).to_cbor()).unwrap();
                document.check_invariants();
                assert_eq!(text(&document), wanted);
            }
        });
    }
}

#[test]
fn cbor_has_the_bytes_of_the_standard() {
    let document = parsed(r#"{"a":[1,-1,300,18446744073709551615,1.5,0.1,"x"],"b":null,"c":true}"#);
    let wanted = b"\xa3\x61a\x87\x01\x20\x19\x01\x2c\x1b\xff\xff\xff\xff\xff\xff\xff\xff\
                   \xf9\x3e\x00\xfb\x3f\xb9\x99\x99\x99\x99\x99\x9a\x61x\x61b\xf6\x61c\xf5";
    assert_eq!(document.to_cbor(), wanted);
    let cases: &[(Fpha, &[u8])] = &[
        (Fpha::Fp16, b"\xd8\x54\x44\x00\x3c\x00\x3e"),
        (Fpha::Bf16, b"\xda\x00\x01\x00\x00\x44\x80\x3f\xc0\x3f"),
        (Fpha::Fp32, b"\xd8\x55\x48\x00\x00\x80\x3f\x00\x00\xc0\x3f"),
        (Fpha::Fp64, b"\x82\xf9\x3c\x00\xf9\x3e\x00"),
    ];
    for (fpha, wanted) in cases {
        let document = Document::parse_with(b"[1,1.5]", Some(*fpha)).unwrap();
        assert_eq!(document.to_cbor(), *wanted, "{fpha:?}");
        let again = Document::from_cbor(wanted).unwrap();
        assert_eq!(text(&again), "[1.0,1.5]");
        assert_eq!(again.has_fpha(), *fpha != Fpha::Fp64);
    }
}

#[test]
fn typed_arrays_of_integers_are_read() {
    let cases: &[(&[u8], &str)] = &[
        (b"\xd8\x40\x42\x01\xff", "[1,255]"),
        (b"\xd8\x48\x42\x01\xff", "[1,-1]"),
        (b"\xd8\x45\x42\x01\xff", "[65281]"),
        (b"\xd8\x4d\x42\x01\xff", "[-255]"),
        (b"\xd8\x46\x44\x01\x00\x00\x80", "[2147483649]"),
        (b"\xd8\x4e\x44\x01\x00\x00\x80", "[-2147483647]"),
        (
            b"\xd8\x47\x48\xff\xff\xff\xff\xff\xff\xff\xff",
            "[18446744073709551615]",
        ),
        (b"\xd8\x4f\x48\xff\xff\xff\xff\xff\xff\xff\xff", "[-1]"),
        (b"\xd8\x56\x48\x00\x00\x00\x00\x00\x00\xf8\x3f", "[1.5]"),
        (b"\xd8\x40\x40", "[]"),
        (
            b"\x9f\x01\x9f\xff\x7f\x61a\x61b\xff\xbf\x61a\x02\xff\xff",
            r#"[1,[],"ab",{"a":2}]"#,
        ),
    ];
    for (bytes, wanted) in cases {
        let document = Document::from_cbor(bytes);
        assert_eq!(text(&document.unwrap()), *wanted, "{bytes:x?}");
    }
}

#[test]
fn damaged_cbor_is_an_error() {
    let cases: &[(&[u8], CborError)] = &[
        (b"", CborError::Short),
        (b"\x82\x01", CborError::Short),
        (b"\x01\x01", CborError::Trailing),
        (b"\x61\xff", CborError::Utf8),
        (b"\xa1\x01\x01", CborError::Value),
        (b"\x41a", CborError::Value),
        (b"\xf7", CborError::Value),
        (b"\xf9\x7c\x00", CborError::Value),
        (b"\xd8\x54\x42\x00\x7c", CborError::Value),
        (b"\xd8\x54\x41\x00", CborError::Value),
        (b"\xc0\x61a", CborError::Value),
        (b"\xff", CborError::Value),
        (b"\x1c", CborError::Value),
        (b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff", CborError::Value),
        (
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            CborError::Short,
        ),
        (b"\x7b\xff\xff\xff\xff\xff\xff\xff\xff", CborError::Short),
        (&[0x81; 600], CborError::Depth),
        (&[0x9f; 600], CborError::Depth),
    ];
    for (bytes, wanted) in cases {
        let error = Document::from_cbor(bytes).map(|document| text(&document));
        assert_eq!(error, Err(*wanted), "{bytes:x?}");
    }
}

#[test]
fn changed_cbor_never_panics() {
    let random = &mut Random(5);
    for seed in 0..400 {
        let document = parsed(&ModelValue::random(&mut Random(seed), 3).text());
        let bytes = document.to_cbor();
        for _ in 0..20 {
            let mut bytes = bytes.clone();
            for _ in 0..1 + random.below(3) {
                let at = random.below(bytes.len());
                match random.below(3) {
                    0 => bytes[at] = random.next() as u8,
                    1 => bytes.truncate(at + 1),
                    _ => bytes.insert(at, random.next() as u8),
                }
            }
            if let Ok(document) = Document::from_cbor(&bytes) {
                document.check_invariants();
                parsed(&text(&document));
            }
        }
    }
}
