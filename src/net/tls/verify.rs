//! Whom a peer's certificate is believed: a client's, and a server's to which this process
//! connects. As in Redis, a server need not have the name that it was looked for under.
//!
//! rustls's own verifiers decide, over the authorities that are valid at the moment (they do
//! not look at their time themselves; OpenSSL does). Two things that OpenSSL takes are judged here:
//!
//!   - a certificate of version 1, as `openssl x509 -req` makes it without extensions, if an
//!     authority signed it directly;
//!   - one that stands among the authorities itself, such as a self-signed one.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

use super::{Certificate, TlsError};

/// See the module.
#[derive(Debug)]
pub(super) struct Verifier {
    authorities: Vec<CertificateDer<'static>>,
    is_mandatory: bool,
    provider: Arc<CryptoProvider>,
    current: Mutex<Current>,
}

/// The verifier over the authorities that are valid up to a time, Unix seconds.
#[derive(Clone, Debug)]
struct Current {
    until: i64,
    roots: Arc<RootCertStore>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Verifier {
    pub(super) fn new(
        authorities: Vec<CertificateDer<'static>>,
        is_mandatory: bool,
        provider: Arc<CryptoProvider>,
        now: i64,
    ) -> Result<Verifier, TlsError> {
        let current = Current::at(now, &authorities, &provider)
            .ok_or_else(|| TlsError::Authorities("none of them can be used".into()))?;
        Ok(Verifier {
            authorities,
            is_mandatory,
            provider,
            current: Mutex::new(current),
        })
    }

    fn at(&self, now: i64) -> Result<Current, Error> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now > current.until {
            *current = Current::at(now, &self.authorities, &self.provider)
                .ok_or(CertificateError::UnknownIssuer)?;
        }
        Ok(current.clone())
    }

    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }

    /// `by_rustls` judges a certificate that is not among those of the module's comment.
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        now: UnixTime,
        by_rustls: impl FnOnce(&Current) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let read = Certificate::read(leaf).ok_or(CertificateError::BadEncoding)?;
        if read.version < 3 {
            return self.verify_old(&read, now);
        }
        match by_rustls(&self.at(now)?) {
            Err(_) if self.authorities.contains(leaf) => check_time(&read, now),
            judged => judged,
        }
    }

    fn verify_tls12(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match Certificate::read(leaf).filter(|leaf| leaf.version < 3) {
            Some(old) => self.verify_signature(&old, message, signed, false),
            None => verify_tls12_signature(message, leaf, signed, self.algorithms()),
        }
    }

    fn verify_tls13(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Some(old) = Certificate::read(leaf).filter(|leaf| leaf.version < 3) else {
            return verify_tls13_signature(message, leaf, signed, self.algorithms());
        };
        // PKCS#1 signatures are no part of TLS 1.3.
        if matches!(
            signed.scheme,
            SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
        ) {
            return Err(CertificateError::BadSignature.into());
        }
        self.verify_signature(&old, message, signed, true)
    }

    /// Whether a certificate of version 1 or 2 is signed by an authority.
    fn verify_old(&self, leaf: &Certificate<'_>, now: i64) -> Result<(), Error> {
        check_time(leaf, now)?;
        let authorities = self.authorities.iter();
        let mut authorities = authorities
            .filter_map(|der| Certificate::read(der))
            .filter(|authority| authority.subject == leaf.issuer && authority.is_valid_at(now));
        let algorithms = || {
            let known = self.algorithms().all.iter();
            known.filter(|known| known.signature_alg_id().as_ref() == leaf.algorithm)
        };
        let is_signed = authorities.any(|authority| {
            algorithms().any(|known| {
                key_of(&authority).is_some_and(|(kind, key)| {
                    known.public_key_alg_id().as_ref() == kind
                        && known
                            .verify_signature(key, leaf.signed, leaf.signature)
                            .is_ok()
                })
            })
        });
        match is_signed {
            true => Ok(()),
            false => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    /// Whether the owner of an old certificate's key signed `message`.
    fn verify_signature(
        &self,
        leaf: &Certificate<'_>,
        message: &[u8],
        signed: &DigitallySignedStruct,
        is_tls13: bool,
    ) -> Result<HandshakeSignatureValid, Error> {
        let refused = || Error::from(CertificateError::BadSignature);
        let mapping = self.algorithms().mapping.iter();
        let mut found = mapping.filter(|(scheme, _)| *scheme == signed.scheme);
        let (_, algorithms) = found.next().ok_or_else(refused)?;
        // TLS 1.3 has one algorithm a scheme.
        let many = if is_tls13 { 1 } else { algorithms.len() };
        let (kind, key) = key_of(leaf).ok_or_else(refused)?;
        let is_right = algorithms[..many].iter().any(|known| {
            known.public_key_alg_id().as_ref() == kind
                && known
                    .verify_signature(key, message, signed.signature())
                    .is_ok()
        });
        match is_right {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(refused()),
        }
    }
}

impl Current {
    /// `None`: none of the authorities is valid.
    fn at(
        now: i64,
        authorities: &[CertificateDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Option<Current> {
        let (mut roots, mut until) = (RootCertStore::empty(), i64::MAX);
        for der in authorities {
            let Some(authority) = Certificate::read(der) else {
                continue;
            };
            if now > authority.not_after {
                continue;
            }
            if now < authority.not_before {
                // It is asked again when its time begins.
                until = until.min(authority.not_before - 1);
            } else if roots.add(der.clone()).is_ok() {
                until = until.min(authority.not_after);
            }
        }
        let roots = Arc::new(roots);
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider))
                // Redis sends no names either; of a whole folder they would be many.
                .clear_root_hint_subjects()
                .build()
                .ok()?;
        Some(Current {
            until,
            roots,
            verifier,
        })
    }
}

fn check_time(leaf: &Certificate<'_>, now: i64) -> Result<(), Error> {
    if now < leaf.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > leaf.not_after {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// The algorithm of a certificate's key, and the key.
fn key_of<'a>(certificate: &Certificate<'a>) -> Option<(&'a [u8], &'a [u8])> {
    super::certificate::split_public_key(certificate.public_key)
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(leaf, now, |current| {
            let verified = current
                .verifier
                .verify_client_cert(leaf, intermediates, now);
            verified.map(drop)
        })?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls13(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(leaf, now, |current| {
            let parsed = ParsedCertificate::try_from(leaf)?;
            let (roots, all) = (&current.roots, self.algorithms().all);
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, all)
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls13(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}
