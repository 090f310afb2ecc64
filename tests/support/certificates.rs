//! Authorities and certificates for tests, generated on demand.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// The subject of a certificate, and its validity.
pub struct Subject<'a> {
    /// The common name.
    pub name: &'a str,
    /// URIs among the subject's alternative names.
    pub uris: &'a [&'a str],
    /// Days from now.
    pub days: Range<i64>,
}

impl<'a> Subject<'a> {
    /// A subject without URIs, valid for a year from yesterday on.
    pub fn named(name: &'a str) -> Subject<'a> {
        Subject {
            name,
            uris: &[],
            days: -1..365,
        }
    }
}

/// A certificate and its key.
pub struct IssuedCertificate {
    /// The certificate in DER.
    pub der: Vec<u8>,
    /// The certificate in PEM.
    pub pem: String,
    /// Its private key in PEM.
    pub key_pem: String,
}

impl IssuedCertificate {
    /// Writes `name.crt` and `name.key`; returns their paths.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let paths = (
            folder.join(format!("{name}.crt")),
            folder.join(format!("{name}.key")),
        );
        std::fs::write(&paths.0, &self.pem).expect("a folder to write to");
        std::fs::write(&paths.1, &self.key_pem).expect("a folder to write to");
        paths
    }
}

/// An issuer of certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The authority's own certificate in DER.
    pub der: Vec<u8>,
    /// The authority's own certificate in PEM.
    pub pem: String,
}

fn at(days: i64) -> SystemTime {
    let now = SystemTime::now();
    let span = Duration::from_secs(days.unsigned_abs() * 86_400);
    if days < 0 { now - span } else { now + span }
}

fn params(subject: &Subject<'_>) -> CertificateParams {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, subject.name);
    for uri in subject.uris {
        let uri = (*uri).try_into().expect("ASCII");
        params.subject_alt_names.push(SanType::URI(uri));
    }
    params.not_before = at(subject.days.start).into();
    params.not_after = at(subject.days.end).into();
    params
}

impl Default for Authority {
    fn default() -> Self {
        Authority::new()
    }
}

impl Authority {
    /// A new authority, valid now.
    pub fn new() -> Authority {
        Authority::valid(-20..730)
    }

    /// An authority whose own certificate is valid on these days from now.
    pub fn valid(days: Range<i64>) -> Authority {
        let mut params = params(&Subject {
            name: "An authority",
            uris: &[],
            days,
        });
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        Authority::of(params)
    }

    /// A self-signed certificate without authority, whose key still signs others.
    pub fn pretended(subject: &Subject<'_>) -> Authority {
        let mut params = params(subject);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        Authority::of(params)
    }

    fn of(params: CertificateParams) -> Authority {
        let key = KeyPair::generate().expect("random numbers");
        let certificate = params.self_signed(&key).expect("signed");
        Authority {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// An authority that all tests of a process share.
    pub fn shared() -> &'static Authority {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(Authority::new)
    }

    /// The authority's own certificate, for a peer that presents it.
    pub fn itself(&self) -> IssuedCertificate {
        IssuedCertificate {
            der: self.der.clone(),
            pem: self.pem.clone(),
            key_pem: self.issuer.key().serialize_pem(),
        }
    }

    /// A certificate signed by this authority, with an ECDSA key on P-256.
    pub fn issue(&self, subject: &Subject<'_>) -> IssuedCertificate {
        self.issue_by(subject, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    /// A certificate with a key of this kind.
    pub fn issue_by(
        &self,
        subject: &Subject<'_>,
        kind: &'static rcgen::SignatureAlgorithm,
    ) -> IssuedCertificate {
        let key = KeyPair::generate_for(kind).expect("random numbers");
        let certificate = params(subject)
            .signed_by(&key, &self.issuer)
            .expect("signed");
        IssuedCertificate {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }
}
