//! Whether to trust a peer's certificate: a client's, or the certificate of a server to which this
//! process connects. As in Redis, a server's certificate need not have the name it was connected
//! by.
//!
//! webpki builds and verifies the chains, over the authorities that are currently valid. The
//! further checks of OpenSSL, and therefore of Redis, are made here:
//!
//!   - an issuer must be an authority (`usage`), in the files as well as in what the peer sends: a
//!     certificate that is no authority signs nothing, wherever it comes from;
//!   - a chain ends in an authority that is self-issued. Other authorities in the files are
//!     intermediates, like the intermediates that the peer sends;
//!   - the path length that the root allows is enforced;
//!   - the peer's certificate must be permitted for that end of a connection.
//!
//! Two kinds are accepted that webpki refuses:
//!
//!   - a certificate of version 1, as `openssl x509 -req` makes it without extensions, if a
//!     self-issued authority signed it directly;
//!   - a self-issued certificate that is in the files itself, whether it is an authority or not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath, anchor_from_trusted_cert};

use super::certificate::split_key_info;
pub(super) use super::usage::Purpose;
use super::{Certificate, TlsError};

/// See the module.
#[derive(Debug)]
pub(super) struct Verifier {
    authorities: Vec<CertificateDer<'static>>,
    purpose: Purpose,
    is_mandatory: bool,
    /// The name that a server's certificate must have; empty: any.
    peer_name: String,
    provider: Arc<CryptoProvider>,
    current: Mutex<Arc<ChainParts>>,
}

/// The parts of chains, valid until a time, Unix seconds.
#[derive(Debug)]
struct ChainParts {
    until: i64,
    /// Ends of chains, and the path length each allows (issuers between it and the leaf).
    roots: Vec<TrustAnchor<'static>>,
    path_lens: Vec<Option<usize>>,
    /// Intermediates: authorities signed by another authority.
    links: Vec<CertificateDer<'static>>,
}

/// Believes every server: for a tool that was asked not to verify.
#[derive(Debug)]
pub(super) struct NoVerification(pub(super) Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _sent: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            leaf,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            leaf,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl Verifier {
    /// Verifies certificates of peers at this end of a connection.
    pub(super) fn new(
        authorities: Vec<CertificateDer<'static>>,
        purpose: Purpose,
        is_mandatory: bool,
        provider: Arc<CryptoProvider>,
        now: i64,
    ) -> Result<Verifier, TlsError> {
        let current = ChainParts::at(now, &authorities, purpose)
            .ok_or_else(|| TlsError::Authorities("none of them can be used".into()))?;
        Ok(Verifier {
            authorities,
            purpose,
            is_mandatory,
            peer_name: String::new(),
            provider,
            current: Mutex::new(Arc::new(current)),
        })
    }

    /// Requires a server's certificate to be for this name; an empty one requires none.
    pub(super) fn expecting(mut self, peer_name: &str) -> Verifier {
        peer_name.clone_into(&mut self.peer_name);
        self
    }

    /// Checks the name: an alternative name of the certificate, or without any its common name.
    fn check_name(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        if self.peer_name.is_empty() {
            return Ok(());
        }
        let refused = || Error::from(CertificateError::NotValidForName);
        let by_common_name = || {
            let read = Certificate::read(leaf)?;
            let name = read.common_name?;
            Some(name.eq_ignore_ascii_case(self.peer_name.as_bytes()))
        };
        let name = ServerName::try_from(self.peer_name.as_str()).map_err(|_| refused())?;
        let end = EndEntityCert::try_from(leaf).map_err(|_| refused())?;
        match end.verify_is_valid_for_subject_name(&name) {
            Ok(()) => Ok(()),
            Err(_) if end.valid_dns_names().next().is_none() && by_common_name() == Some(true) => {
                Ok(())
            }
            Err(_) => Err(refused()),
        }
    }

    fn at(&self, now: i64) -> Result<Arc<ChainParts>, Error> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now > current.until {
            let next = ChainParts::at(now, &self.authorities, self.purpose);
            *current = Arc::new(next.ok_or(CertificateError::UnknownIssuer)?);
        }
        Ok(Arc::clone(&current))
    }

    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        time: UnixTime,
    ) -> Result<(), Error> {
        let read = Certificate::read(leaf).ok_or(CertificateError::BadEncoding)?;
        check_time(&read, time)?;
        if !read.usage.may_present(self.purpose) {
            return Err(CertificateError::InvalidPurpose.into());
        }
        if read.is_self_issued() && self.authorities.contains(leaf) {
            return Ok(());
        }
        let current = self.at(seconds(time))?;
        if read.version < 3 {
            return self.verify_old(&read, &current);
        }
        self.verify_chain(leaf, sent, &current, time)
    }

    /// Checks that there is a chain from the certificate to one of the roots.
    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        current: &ChainParts,
        time: UnixTime,
    ) -> Result<(), Error> {
        let may_sign = |der: &&CertificateDer<'_>| {
            Certificate::read(der).is_some_and(|c| c.may_sign(self.purpose))
        };
        let sent = sent.iter().filter(may_sign).map(|der| borrowed(der));
        let links: Vec<CertificateDer<'_>> = sent
            .chain(current.links.iter().map(|der| borrowed(der)))
            .collect();
        let usage = match self.purpose {
            Purpose::Client => KeyUsage::client_auth(),
            Purpose::Server => KeyUsage::server_auth(),
        };
        let keeps_to_length = |path: &VerifiedPath<'_>| {
            if current.allows(path) {
                Ok(())
            } else {
                Err(webpki::Error::PathLenConstraintViolated)
            }
        };
        let end = EndEntityCert::try_from(leaf).map_err(in_rustls)?;
        let verified = end.verify_for_usage(
            self.algorithms().all,
            &current.roots,
            &links,
            time,
            usage,
            None,
            Some(&keeps_to_length),
        );
        verified.map(drop).map_err(in_rustls)
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
        // PKCS#1 signatures are not part of TLS 1.3.
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

    /// Checks that a certificate of version 1 or 2 is signed directly by a root.
    fn verify_old(&self, leaf: &Certificate<'_>, current: &ChainParts) -> Result<(), Error> {
        let roots = current.roots.iter();
        let mut roots = roots.filter(|root| root.subject.as_ref() == leaf.issuer);
        let algorithms = || {
            let known = self.algorithms().all.iter();
            known.filter(|known| known.signature_alg_id().as_ref() == leaf.algorithm)
        };
        let is_signed = roots.any(|root| {
            let key = split_key_info(&root.subject_public_key_info);
            algorithms().any(|known| {
                key.is_some_and(|(kind, key)| {
                    known.public_key_alg_id().as_ref() == kind
                        && known
                            .verify_signature(key, leaf.signed, leaf.signature)
                            .is_ok()
                })
            })
        });
        if is_signed {
            Ok(())
        } else {
            Err(CertificateError::UnknownIssuer.into())
        }
    }

    /// Checks that `message` is signed with the key of a certificate of version 1 or 2.
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
        // TLS 1.3 has one algorithm per scheme.
        let many = if is_tls13 { 1 } else { algorithms.len() };
        let (kind, key) = leaf.key().ok_or_else(refused)?;
        let is_right = algorithms[..many].iter().any(|known| {
            known.public_key_alg_id().as_ref() == kind
                && known
                    .verify_signature(key, message, signed.signature())
                    .is_ok()
        });
        if is_right {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(refused())
        }
    }
}

impl ChainParts {
    /// `None`: no certificate of the files is valid.
    fn at(now: i64, files: &[CertificateDer<'static>], purpose: Purpose) -> Option<ChainParts> {
        let mut current = ChainParts {
            until: i64::MAX,
            roots: Vec::new(),
            path_lens: Vec::new(),
            links: Vec::new(),
        };
        let mut any = false;
        for der in files {
            let Some(read) = Certificate::read(der) else {
                continue;
            };
            if now > read.not_after {
                continue;
            }
            if now < read.not_before {
                // Checked again when its validity begins.
                current.until = current.until.min(read.not_before - 1);
                continue;
            }
            current.until = current.until.min(read.not_after);
            any = true;
            if !read.may_sign(purpose) {
                continue;
            }
            if !read.is_self_issued() {
                current.links.push(der.clone());
            } else if let Ok(root) = anchor_from_trusted_cert(der) {
                current.roots.push(root.to_owned());
                current.path_lens.push(read.usage.path_len());
            }
        }
        any.then_some(current)
    }

    /// Whether the root of a path allows its length. Self-issued intermediates do not count.
    fn allows(&self, path: &VerifiedPath<'_>) -> bool {
        let is_its = |root: &TrustAnchor<'_>| {
            let its = path.anchor();
            root.subject == its.subject
                && root.subject_public_key_info == its.subject_public_key_info
        };
        let between = path.intermediate_certificates();
        let between = between
            .filter(|issuer| issuer.subject() != issuer.issuer())
            .count();
        let mut ends = self
            .roots
            .iter()
            .zip(&self.path_lens)
            .filter(|(root, _)| is_its(root));
        ends.any(|(_, max)| max.is_none_or(|max| between <= max))
    }
}

fn borrowed<'a>(der: &'a CertificateDer<'_>) -> CertificateDer<'a> {
    CertificateDer::from(der.as_ref())
}

fn in_rustls(error: webpki::Error) -> Error {
    match error {
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer.into(),
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature.into(),
        other => CertificateError::Other(OtherError(Arc::new(other))).into(),
    }
}

fn check_time(leaf: &Certificate<'_>, time: UnixTime) -> Result<(), Error> {
    let now = seconds(time);
    let at = |s: i64| UnixTime::since_unix_epoch(Duration::from_secs(s.max(0) as u64));
    if now < leaf.not_before {
        let not_before = at(leaf.not_before);
        return Err(CertificateError::NotValidYetContext { time, not_before }.into());
    }
    if now > leaf.not_after {
        let not_after = at(leaf.not_after);
        return Err(CertificateError::ExpiredContext { time, not_after }.into());
    }
    Ok(())
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
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
        self.verify(leaf, intermediates, now)?;
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
        self.verify(leaf, intermediates, now)?;
        self.check_name(leaf)?;
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

#[cfg(test)]
mod tests {
    use rcgen::ExtendedKeyUsagePurpose as ExtendedUsage;
    use rcgen::KeyUsagePurpose::{DigitalSignature, KeyCertSign, KeyEncipherment};
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    type Authority = Issuer<'static, KeyPair>;
    type Der = CertificateDer<'static>;

    const CLIENT: Purpose = Purpose::Client;
    const SERVER: Purpose = Purpose::Server;

    fn params(name: &str, edit: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        edit(&mut params);
        params
    }

    /// A self-signed certificate and its signing key.
    fn root(name: &str, edit: impl FnOnce(&mut CertificateParams)) -> (Der, Authority) {
        let (params, key) = (params(name, edit), KeyPair::generate().expect("a key"));
        let der = params.self_signed(&key).expect("signed").der().clone();
        (der, Issuer::new(params, key))
    }

    fn issue(
        by: &Authority,
        name: &str,
        edit: impl FnOnce(&mut CertificateParams),
    ) -> (Der, Authority) {
        let (params, key) = (params(name, edit), KeyPair::generate().expect("a key"));
        let der = params.signed_by(&key, by).expect("signed").der().clone();
        (der, Issuer::new(params, key))
    }

    fn authority(params: &mut CertificateParams) {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }

    fn leaf(by: &Authority) -> Der {
        issue(by, "a leaf", |_| {}).0
    }

    /// Whether a peer at this end is trusted with a certificate, which it sends with others, when
    /// `files` are the authorities.
    fn believed(purpose: Purpose, files: &[&Der], shown: &Der, sent: &[&Der]) -> bool {
        let now = UnixTime::now();
        let files = files.iter().map(|&der| der.clone()).collect();
        let provider = Arc::new(ring::default_provider());
        let judge = Verifier::new(files, purpose, true, provider, now.as_secs() as i64);
        let sent: Vec<Der> = sent.iter().map(|&der| der.clone()).collect();
        judge.expect("valid").verify(shown, &sent, now).is_ok()
    }

    /// Regression: certificates signed by the key of a certificate that is no authority were
    /// accepted.
    #[test]
    fn a_certificate_that_is_no_authority_may_be_shown_and_signs_nothing() {
        let kinds: [fn(&mut CertificateParams); 4] = [
            |p| p.is_ca = IsCa::ExplicitNoCa,
            |p| p.is_ca = IsCa::NoCa,
            |p| {
                p.is_ca = IsCa::ExplicitNoCa;
                p.key_usages = vec![DigitalSignature];
            },
            |p| {
                authority(p);
                p.key_usages = vec![DigitalSignature];
            },
        ];
        let (ca, by_ca) = root("an authority", authority);
        for (n, edit) in kinds.into_iter().enumerate() {
            let (alone, by_alone) = root("alone", edit);
            assert!(!believed(CLIENT, &[&alone], &leaf(&by_alone), &[]), "{n}");
            assert!(
                !believed(CLIENT, &[&alone, &ca], &leaf(&by_alone), &[&alone]),
                "{n}"
            );
            // A leaf is no issuer either; webpki accepts no authority as a leaf, except a
            // certificate that is in the file.
            assert!(believed(CLIENT, &[&alone], &alone, &[]), "{n}");
            assert!(!believed(CLIENT, &[&ca], &alone, &[]), "{n}");
            let (between, by_between) = issue(&by_ca, "between", edit);
            assert!(
                !believed(CLIENT, &[&ca], &leaf(&by_between), &[&between]),
                "{n}"
            );
            assert!(
                !believed(CLIENT, &[&ca, &between], &leaf(&by_between), &[]),
                "{n}"
            );
        }
    }

    #[test]
    fn authorities_sign_directly_and_through_others() {
        let (ca, by_ca) = root("an authority", authority);
        let (strict, by_strict) = root("strict", |p| {
            authority(p);
            p.key_usages = vec![KeyCertSign];
        });
        let (between, by_between) = issue(&by_ca, "between", authority);
        for purpose in [CLIENT, SERVER] {
            assert!(believed(purpose, &[&ca], &leaf(&by_ca), &[]));
            assert!(believed(purpose, &[&strict], &leaf(&by_strict), &[]));
            assert!(believed(purpose, &[&ca], &leaf(&by_between), &[&between]));
            assert!(believed(purpose, &[&ca, &between], &leaf(&by_between), &[]));
            // A chain must end in a self-issued authority; a leaf in the files is none.
            assert!(!believed(purpose, &[&between], &leaf(&by_between), &[]));
            let end = leaf(&by_between);
            assert!(!believed(purpose, &[&end], &end, &[]));
            assert!(!believed(purpose, &[&ca, &end], &end, &[]));
            // The certificate may sign, but a peer may not present it.
            assert!(!believed(purpose, &[&strict], &strict, &[]));
            assert!(believed(purpose, &[&ca], &ca, &[]));
        }
        assert!(!believed(CLIENT, &[&strict], &leaf(&by_ca), &[&ca]));
    }

    #[test]
    fn the_length_of_the_path_is_kept_to() {
        let limited = |n| {
            move |p: &mut CertificateParams| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(n))
        };
        for (n, most) in [(0, 0), (1, 1), (2, 2)] {
            let (ca, mut by) = root("limited", limited(n));
            let mut sent = Vec::new();
            for between in 0..4 {
                let all: Vec<&Der> = sent.iter().collect();
                let (fits, end) = (between <= most, leaf(&by));
                assert_eq!(believed(CLIENT, &[&ca], &end, &all), fits, "{n}: {between}");
                let files: Vec<&Der> = [&ca].into_iter().chain(all).collect();
                assert_eq!(believed(CLIENT, &files, &end, &[]), fits, "{n}: {between}");
                let (next, by_next) = issue(&by, &format!("between {between}"), authority);
                sent.push(next);
                by = by_next;
            }
        }
        let (ca, by_ca) = root("an authority", authority);
        let (one, by_one) = issue(&by_ca, "one", limited(0));
        let (two, by_two) = issue(&by_one, "two", authority);
        assert!(believed(CLIENT, &[&ca], &leaf(&by_one), &[&one]));
        assert!(!believed(CLIENT, &[&ca], &leaf(&by_two), &[&one, &two]));
    }

    #[test]
    fn purposes_hold_for_all_of_a_chain() {
        let only = |usage: ExtendedUsage| {
            move |p: &mut CertificateParams| p.extended_key_usages = vec![usage]
        };
        for (usage, client, server) in [
            (ExtendedUsage::ClientAuth, true, false),
            (ExtendedUsage::ServerAuth, false, true),
            (ExtendedUsage::Any, false, false),
            (ExtendedUsage::CodeSigning, false, false),
        ] {
            let (plain, by_plain) = root("plain", authority);
            let (ca, by_ca) = root("an authority", |p| {
                authority(p);
                only(usage.clone())(p);
            });
            let (between, by_between) = issue(&by_plain, "between", |p| {
                authority(p);
                only(usage.clone())(p);
            });
            let (end, _) = issue(&by_plain, "end", only(usage.clone()));
            for (purpose, fits) in [(CLIENT, client), (SERVER, server)] {
                let judged = [
                    believed(purpose, &[&ca], &leaf(&by_ca), &[]),
                    believed(purpose, &[&plain], &leaf(&by_between), &[&between]),
                    believed(purpose, &[&plain], &end, &[]),
                ];
                assert_eq!(judged, [fits; 3], "{usage:?} {purpose:?}");
            }
        }
        let (ca, by_ca) = root("an authority", authority);
        let (end, _) = issue(&by_ca, "end", |p| p.key_usages = vec![KeyEncipherment]);
        assert!(!believed(CLIENT, &[&ca], &end, &[]) && believed(SERVER, &[&ca], &end, &[]));
    }

    #[test]
    fn of_version_1_a_self_issued_one_signs_and_no_other() {
        let pem = include_bytes!("testdata/version1.pem");
        let all: Vec<Der> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .expect("certificates");
        let [root, new, old, by_leaf, old_by_leaf] = &all[..] else {
            panic!("five certificates");
        };
        for purpose in [CLIENT, SERVER] {
            for shown in [root, new, old] {
                assert!(believed(purpose, &[root], shown, &[]));
            }
            for shown in [by_leaf, old_by_leaf] {
                assert!(!believed(purpose, &[root, old], shown, &[]));
                assert!(!believed(purpose, &[root], shown, &[old]));
                assert!(!believed(purpose, &[old], shown, &[]));
            }
        }
    }

    #[test]
    fn an_authority_signs_while_it_is_valid() {
        let (ca, by_ca) = root("an authority", authority);
        let read = Certificate::read(&ca).expect("a certificate");
        let provider = Arc::new(ring::default_provider());
        let files = || vec![ca.clone()];
        let long = |p: &mut CertificateParams| p.not_after = rcgen::date_time_ymd(4096, 1, 2);
        let (end, _) = issue(&by_ca, "end", long);
        let at = |s: i64| UnixTime::since_unix_epoch(Duration::from_secs(s as u64));
        let now = UnixTime::now().as_secs() as i64;
        let judge = Verifier::new(files(), CLIENT, true, Arc::clone(&provider), now);
        let judge = judge.expect("valid");
        assert!(judge.verify(&end, &[], at(read.not_after)).is_ok());
        assert!(judge.verify(&end, &[], at(read.not_after + 1)).is_err());
        assert!(Verifier::new(files(), CLIENT, true, provider, read.not_after + 1).is_err());
    }
}
