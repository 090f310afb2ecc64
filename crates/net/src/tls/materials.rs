//! Certificates, keys and authorities from files, and the rustls configuration built from them.
//!
//! In three steps, so that the slow steps can run outside the loop: [`Settings`] name the files,
//! [`Files`] are their contents, [`Materials`] are built from both, completely or not at all.
//! Connections keep the materials they began with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ClientConfig, ServerConfig, SignatureScheme, SupportedCipherSuite};
use sha2::{Digest, Sha256};

use super::resume::{Sessions, Tickets};
use super::verify::{NoVerification, Purpose, Verifier};
use super::{Certificate, TlsError, ciphers, keys};
use russet_base::given_file::{self, WRITER_WAIT};
use russet_base::text::system_text;

/// Maximum size of a file, and maximum number of files in a folder of authorities.
const FILE_BYTES_MAX: u64 = 16 << 20;
const AUTHORITY_FILES_MAX: usize = 10_000;

/// Whether clients must present certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Not requested.
    None,
    /// A client may present no certificate; if it presents a certificate, this must be valid.
    Optional,
    /// A client must present a valid certificate.
    Mandatory,
}

/// The files of a certificate and its key; empty if not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the certificate, then the certificates of authorities up to the root's, which may be
    /// left out.
    pub certificate: PathBuf,
    /// PEM: the private key.
    pub key: PathBuf,
    /// The password of the key, if it is encrypted.
    pub password: Vec<u8>,
}

/// The configuration, as text. Empty means not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For connections that this process accepts.
    pub server: CertificateFiles,
    /// For clients that cannot verify signatures of the server's, or that prefer this
    /// certificate's; may be not set.
    pub alternative: CertificateFiles,
    /// For connections that this process opens; if not set, the server's.
    pub client: CertificateFiles,
    /// `tls-ca-cert-file`: PEM, any number of certificates.
    pub ca_file: PathBuf,
    /// `tls-ca-cert-dir`: a folder of such files; unreadable and other files are skipped.
    pub ca_dir: PathBuf,
    /// `tls-auth-clients`.
    pub authentication: Authentication,
    /// The name that certificates of servers must have to which this process connects; empty: any.
    pub peer_name: String,
    /// Authorities are also needed for outgoing connections.
    pub opens_links: bool,
    /// `tls-protocols`: versions separated by spaces.
    pub protocols: String,
    /// `tls-ciphers`, for TLS 1.2: a list as OpenSSL has it.
    pub ciphers: String,
    /// `tls-ciphersuites`, for TLS 1.3: names separated by colons.
    pub ciphersuites: String,
    /// `tls-groups`: key exchanges, a list as OpenSSL has it.
    pub groups: String,
    /// Whether the server's order of ciphers counts, not the client's.
    pub prefer_server_ciphers: bool,
    /// Whether clients may resume sessions.
    pub session_caching: bool,
    /// 0: unlimited.
    pub session_cache_size: u32,
    /// Seconds for which a session may be resumed.
    pub session_cache_timeout_s: u32,
}

/// The contents of the configured files.
#[derive(Debug, Default)]
pub struct Files {
    pub(super) server: [Vec<u8>; 2],
    pub(super) alternative: Option<[Vec<u8>; 2]>,
    pub(super) client: Option<[Vec<u8>; 2]>,
    /// Sorted by path.
    pub(super) authorities: Vec<(PathBuf, Vec<u8>)>,
}

/// The fields of a certificate that INFO reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Hexadecimal, uppercase.
    pub serial: String,
    /// The last second of its validity, Unix time.
    pub not_after: i64,
}

/// Everything that new connections need.
#[derive(Clone, Debug)]
pub struct Materials {
    /// For connections that this process accepts.
    pub server: Arc<ServerConfig>,
    /// For connections that this process opens; `None`: no authorities verify their peers.
    pub client: Option<Arc<ClientConfig>>,
    /// The certificate of `server`.
    pub server_facts: CertificateFacts,
    /// The alternative certificate; `None`: there is none.
    pub alternative_facts: Option<CertificateFacts>,
    /// The certificate of `client`; `None`: it has the server's.
    pub client_facts: Option<CertificateFacts>,
    /// The authority that expires first.
    pub authority_facts: Option<CertificateFacts>,
    /// A digest of the files' contents.
    pub fingerprint: [u8; 32],
}

impl Files {
    /// Reads all files that `settings` name.
    pub fn read(settings: &Settings) -> Result<Files, TlsError> {
        let Settings {
            server,
            alternative,
            client,
            ..
        } = settings;
        if server.certificate.as_os_str().is_empty() {
            return Err(TlsError::NoCertificate);
        }
        if server.key.as_os_str().is_empty() {
            return Err(TlsError::NoKey);
        }
        let has_authorities =
            !settings.ca_file.as_os_str().is_empty() || !settings.ca_dir.as_os_str().is_empty();
        let wants_some = settings.authentication != Authentication::None || settings.opens_links;
        if wants_some && !has_authorities {
            return Err(TlsError::NoAuthorities);
        }
        Ok(Files {
            server: read_pair(server)?,
            alternative: alternative
                .is_set()
                .then(|| read_pair(alternative))
                .transpose()?,
            client: client.is_set().then(|| read_pair(client)).transpose()?,
            authorities: read_authorities(&settings.ca_file, &settings.ca_dir)?,
        })
    }

    /// Equal for equal contents.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let mut add = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        self.server.iter().for_each(|text| add(text));
        self.client.iter().flatten().for_each(|text| add(text));
        if let Some(alternative) = &self.alternative {
            add(b"alternative");
            alternative.iter().for_each(|text| add(text));
        }
        self.authorities.iter().for_each(|(_, text)| add(text));
        digest.finalize().into()
    }
}

impl CertificateFiles {
    fn is_set(&self) -> bool {
        !self.certificate.as_os_str().is_empty() && !self.key.as_os_str().is_empty()
    }
}

fn read_pair(files: &CertificateFiles) -> Result<[Vec<u8>; 2], TlsError> {
    let CertificateFiles {
        certificate, key, ..
    } = files;
    Ok([
        read_file(certificate).map_err(|why| TlsError::Certificate {
            path: certificate.clone(),
            why,
        })?,
        read_file(key).map_err(|why| TlsError::Key {
            path: key.clone(),
            why,
        })?,
    ])
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    given_file::read(path, FILE_BYTES_MAX, WRITER_WAIT)
}

pub(super) fn read_authorities(
    file: &Path,
    dir: &Path,
) -> Result<Vec<(PathBuf, Vec<u8>)>, TlsError> {
    let failed =
        |path: &Path, why: String| TlsError::Authorities(format!("{}: {why}", path.display()));
    let mut all = Vec::new();
    if !file.as_os_str().is_empty() {
        let text = read_file(file).map_err(|why| failed(file, why))?;
        all.push((file.to_path_buf(), text));
    }
    if dir.as_os_str().is_empty() {
        return Ok(all);
    }
    let system = |error: std::io::Error| failed(dir, system_text(&error));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(system)? {
        let path = entry.map_err(system)?.path();
        if path.is_file() {
            paths.push(path);
        }
        if paths.len() > AUTHORITY_FILES_MAX {
            return Err(failed(
                dir,
                format!("more than {AUTHORITY_FILES_MAX} files"),
            ));
        }
    }
    paths.sort();
    // Unreadable files and files that are not certificates are skipped.
    let read = paths.into_iter().filter_map(|path| {
        let text = read_file(&path).ok()?;
        Some((path, text))
    });
    all.extend(read);
    Ok(all)
}

/// Which servers a tool believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Any, whatever it presents: nothing is verified.
    Anyone,
    /// One whose certificate an authority of these files has signed.
    Authorities {
        /// A PEM file; empty: none.
        file: PathBuf,
        /// A folder of PEM files; empty: none.
        dir: PathBuf,
        /// The name that the certificate must have; empty: any, as in `redis-cli` without `--sni`.
        peer_name: String,
    },
}

/// Where distributions keep the authorities that browsers believe.
const SYSTEM_AUTHORITIES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

impl Trust {
    /// The authorities of this machine. They sign for the whole world, so only the name in a
    /// certificate makes it that server's.
    pub fn of_system(peer_name: String) -> Trust {
        let mut there = SYSTEM_AUTHORITIES.iter().map(Path::new);
        let file = there.find(|path| path.exists());
        Trust::Authorities {
            file: file.unwrap_or(Path::new("")).to_owned(),
            dir: PathBuf::new(),
            peer_name,
        }
    }
}

/// The materials of a tool that connects to a server: its own certificate, if set, and the
/// authorities that certify the server's. The name in a certificate is not checked, as in
/// `redis-cli` without `--sni`.
pub fn client_alone(
    own: &CertificateFiles,
    ca_file: &Path,
    ca_dir: &Path,
) -> Result<Arc<ClientConfig>, TlsError> {
    let trust = Trust::Authorities {
        file: ca_file.to_owned(),
        dir: ca_dir.to_owned(),
        peer_name: String::new(),
    };
    client_trusting(own, &trust)
}

/// The materials of a tool that connects to a server, by what it believes of that server.
pub fn client_trusting(
    own: &CertificateFiles,
    trust: &Trust,
) -> Result<Arc<ClientConfig>, TlsError> {
    let now = jiff::Timestamp::now().as_second();
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Anyone => Arc::new(NoVerification(Arc::clone(&provider))),
        Trust::Authorities {
            file,
            dir,
            peer_name,
        } => {
            let authorities = authorities_alone(own, file, dir, now)?;
            let purpose = Purpose::Server;
            let verifier = Verifier::new(authorities, purpose, true, Arc::clone(&provider), now)?;
            Arc::new(verifier.expecting(peer_name))
        }
    };
    let built = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&ciphers::protocols("")?)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let built = if own.is_set() {
        let (key, _) = certified_key("Client", own, &read_pair(own)?, &provider, now)?;
        built.with_client_cert_resolver(Arc::new(SingleCertificate(key)))
    } else {
        built.with_no_client_auth()
    };
    Ok(Arc::new(built))
}

/// The certificates of the authorities in these files; at least 1.
fn authorities_alone(
    own: &CertificateFiles,
    ca_file: &Path,
    ca_dir: &Path,
    now: i64,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let settings = Settings {
        server: CertificateFiles::default(),
        alternative: CertificateFiles::default(),
        client: own.clone(),
        ca_file: ca_file.to_owned(),
        ca_dir: ca_dir.to_owned(),
        authentication: Authentication::None,
        peer_name: String::new(),
        opens_links: true,
        protocols: String::new(),
        ciphers: String::new(),
        ciphersuites: String::new(),
        groups: String::new(),
        prefer_server_ciphers: false,
        session_caching: false,
        session_cache_size: 0,
        session_cache_timeout_s: 0,
    };
    let files = Files {
        authorities: read_authorities(ca_file, ca_dir)?,
        ..Files::default()
    };
    if files.authorities.is_empty() {
        return Err(TlsError::NoAuthorities);
    }
    let (authorities, _) = authorities(&settings, &files, now)?;
    Ok(authorities)
}

impl Settings {
    /// Lets clients resume sessions, if the settings allow it.
    fn remember_sessions(&self, server: &mut ServerConfig) -> Result<(), TlsError> {
        if self.session_caching {
            let max = match self.session_cache_size {
                0 => usize::MAX,
                size => size as usize,
            };
            let lifetime_s = self.session_cache_timeout_s;
            server.session_storage = Arc::new(Sessions::new(max, lifetime_s));
            server.ticketer = Arc::new(Tickets::new(lifetime_s)?);
            server.send_tls13_tickets = 1;
        } else {
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
        }
        Ok(())
    }
}

impl Materials {
    /// Builds everything; `now` in Unix seconds. Refuses a certificate outside of its validity, and
    /// a certificate that does not fit the key.
    pub fn build(settings: &Settings, files: &Files, now: i64) -> Result<Materials, TlsError> {
        let protocols = ciphers::protocols(&settings.protocols)?;
        let provider = Arc::new(CryptoProvider {
            cipher_suites: ciphers::ciphers(&settings.ciphersuites, &settings.ciphers)?,
            kx_groups: ciphers::groups(&settings.groups)?,
            ..ring::default_provider()
        });
        let (server_key, server_facts) =
            certified_key("Server", &settings.server, &files.server, &provider, now)?;
        let alternative = files
            .alternative
            .as_ref()
            .map(|texts| certified_key("Alternative", &settings.alternative, texts, &provider, now))
            .transpose()?;
        let (alternative, alternative_facts) = alternative.unzip();
        let client_key = files
            .client
            .as_ref()
            .map(|texts| certified_key("Client", &settings.client, texts, &provider, now))
            .transpose()?;
        let (authorities, authority_facts) = authorities(settings, files, now)?;

        let judge = |purpose, is_mandatory| {
            let (authorities, provider) = (authorities.clone(), Arc::clone(&provider));
            let verifier = Verifier::new(authorities, purpose, is_mandatory, provider, now)?;
            Ok::<_, TlsError>(Arc::new(match purpose {
                Purpose::Server => verifier.expecting(&settings.peer_name),
                Purpose::Client => verifier,
            }))
        };
        let verifier: Arc<dyn ClientCertVerifier> = match settings.authentication {
            Authentication::None => WebPkiClientVerifier::no_client_auth(),
            asked => judge(Purpose::Client, asked == Authentication::Mandatory)?,
        };
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&protocols)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(match alternative {
                None => Arc::new(SingleCertificate(Arc::clone(&server_key))),
                Some(other) => {
                    let suites = provider.cipher_suites.iter().copied();
                    let is_in_use = |suite: &SupportedCipherSuite| {
                        protocols
                            .iter()
                            .any(|protocol| suite.version() == *protocol)
                    };
                    Arc::new(EitherKey {
                        keys: [Arc::clone(&server_key), other],
                        suites: suites.filter(is_in_use).collect(),
                    })
                }
            });
        server.ignore_client_order = settings.prefer_server_ciphers;
        settings.remember_sessions(&mut server)?;

        let (client_key, client_facts) = client_key.unzip();
        let client = if authorities.is_empty() {
            None
        } else {
            let verifier = judge(Purpose::Server, true)?;
            let key = client_key.unwrap_or(server_key);
            let config = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&protocols)?
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_client_cert_resolver(Arc::new(SingleCertificate(key)));
            Some(Arc::new(config))
        };
        Ok(Materials {
            server: Arc::new(server),
            client,
            server_facts,
            alternative_facts,
            client_facts,
            authority_facts,
            fingerprint: files.fingerprint(),
        })
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())
}

/// Why a certificate is not valid now.
fn invalidity(certificate: &Certificate<'_>, now: i64) -> Option<String> {
    let at =
        |s: i64| jiff::Timestamp::from_second(s).map_or_else(|_| s.to_string(), |t| t.to_string());
    if now < certificate.not_before {
        return Some(format!("not valid before {}", at(certificate.not_before)));
    }
    (now > certificate.not_after).then(|| format!("expired {}", at(certificate.not_after)))
}

impl CertificateFacts {
    fn of(certificate: &Certificate<'_>) -> CertificateFacts {
        CertificateFacts {
            serial: certificate.serial_text(),
            not_after: certificate.not_after,
        }
    }
}

pub(super) fn certified_key(
    owner: &'static str,
    files: &CertificateFiles,
    [certificate, key]: &[Vec<u8>; 2],
    provider: &CryptoProvider,
    now: i64,
) -> Result<(Arc<CertifiedKey>, CertificateFacts), TlsError> {
    let path = || files.certificate.clone();
    let bad_certificate = |why: String| TlsError::Certificate { path: path(), why };
    let bad_key = |why: String| TlsError::Key {
        path: files.key.clone(),
        why,
    };
    let chain = certificates(certificate).map_err(bad_certificate)?;
    let Some(first) = chain.first() else {
        return Err(bad_certificate("no certificate in PEM form".into()));
    };
    let read = Certificate::read(first)
        .ok_or_else(|| bad_certificate("not an X.509 certificate".into()))?;
    if let Some(why) = invalidity(&read, now) {
        return Err(TlsError::Invalid {
            owner,
            why,
            path: path(),
        });
    }
    let key = keys::private_key(key, &files.password).map_err(bad_key)?;
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|error| bad_key(error.to_string()))?;
    if key
        .public_key()
        .is_some_and(|public| public.as_ref() != read.public_key)
    {
        return Err(bad_key(
            "key values mismatch: it is not the certificate's".into(),
        ));
    }
    let facts = CertificateFacts::of(&read);
    Ok((Arc::new(CertifiedKey::new(chain, key)), facts))
}

/// All authorities, and the authority that expires first.
pub(super) fn authorities(
    settings: &Settings,
    files: &Files,
    now: i64,
) -> Result<(Vec<CertificateDer<'static>>, Option<CertificateFacts>), TlsError> {
    let (mut all, mut first): (Vec<_>, Option<CertificateFacts>) = Default::default();
    for (path, text) in &files.authorities {
        let found = match certificates(text) {
            Ok(found) => found,
            Err(why) if *path == settings.ca_file => {
                return Err(TlsError::Authorities(format!("{}: {why}", path.display())));
            }
            Err(_) => continue,
        };
        for der in found {
            let read = Certificate::read(&der).ok_or_else(|| {
                TlsError::Authorities(format!("{}: no certificate", path.display()))
            })?;
            if let Some(why) = invalidity(&read, now) {
                return Err(TlsError::InvalidAuthorities(format!(
                    "{}: {why}",
                    path.display()
                )));
            }
            if first
                .as_ref()
                .is_none_or(|first| read.not_after < first.not_after)
            {
                first = Some(CertificateFacts::of(&read));
            }
            all.push(der);
        }
    }
    if all.is_empty() && !files.authorities.is_empty() {
        let (file, dir) = (&settings.ca_file, &settings.ca_dir);
        let named = if file.as_os_str().is_empty() {
            dir
        } else {
            file
        };
        let why = format!("{}: no certificate in PEM form", named.display());
        return Err(TlsError::Authorities(why));
    }
    Ok((all, first))
}

/// The same certificate for every client.
#[derive(Debug)]
struct SingleCertificate(Arc<CertifiedKey>);

impl ResolvesServerCert for SingleCertificate {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Chooses from two certificates by the signature that the client prefers; the first, if it can
/// verify neither.
#[derive(Debug)]
struct EitherKey {
    keys: [Arc<CertifiedKey>; 2],
    /// The cipher suites of the protocols in use.
    suites: Vec<SupportedCipherSuite>,
}

impl EitherKey {
    fn choose(&self, schemes: &[SignatureScheme], suites: &[CipherSuite]) -> &Arc<CertifiedKey> {
        let signs = |key: &CertifiedKey, scheme| key.key.choose_scheme(&[scheme]).is_some();
        // Suites of TLS 1.2 name the kind of the key.
        let fits = |key: &CertifiedKey| {
            let mut common = self
                .suites
                .iter()
                .filter(|own| suites.contains(&own.suite()));
            common.any(|own| match own {
                SupportedCipherSuite::Tls12(own) => {
                    own.sign.iter().any(|&scheme| signs(key, scheme))
                }
                SupportedCipherSuite::Tls13(_) => true,
            })
        };
        let usable: Vec<_> = self.keys.iter().filter(|key| fits(key)).collect();
        let mut preferred = schemes
            .iter()
            .filter_map(|&scheme| usable.iter().find(|key| signs(key, scheme)));
        preferred.next().map_or(&self.keys[0], |key| key)
    }
}

impl ResolvesServerCert for EitherKey {
    fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.choose(hello.signature_schemes(), hello.cipher_suites());
        Some(Arc::clone(chosen))
    }
}

impl rustls::client::ResolvesClientCert for SingleCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Authority, IssuedCertificate, Subject, build, build_at, settings};
    use super::*;

    fn why(settings: &mut Settings, authority: &Authority, server: &IssuedCertificate) -> String {
        let built = build(settings, authority, server);
        built
            .err()
            .map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_file() {
        let authority = Authority::shared();
        let (good, other) = (Subject::named("localhost"), Subject::named("other"));
        let good = authority.issue(&good);
        let mut wanted = settings(Authentication::Mandatory);
        assert_eq!(why(&mut wanted, authority, &good), "");

        let misfit = IssuedCertificate {
            key_pem: authority.issue(&other).key_pem,
            ..authority.issue(&other)
        };
        let text = why(&mut wanted, authority, &misfit);
        assert!(text.starts_with("Failed to load private key: "), "{text}");
        assert!(text.contains("server.key: key values mismatch"), "{text}");

        let empty = IssuedCertificate {
            pem: "no certificate".into(),
            ..authority.issue(&other)
        };
        let text = why(&mut wanted, authority, &empty);
        assert!(text.starts_with("Failed to load certificate: "), "{text}");

        wanted.ciphers = "AES128-SHA".into();
        let text = why(&mut wanted, authority, &good);
        assert!(
            text.starts_with("Failed to configure ciphers: AES128-SHA"),
            "{text}"
        );
    }

    #[test]
    fn a_client_gets_the_certificate_that_it_prefers() {
        use rustls::SignatureScheme as Scheme;
        let provider = ring::default_provider();
        let key = |algorithm| {
            let pair = rcgen::KeyPair::generate_for(algorithm).expect("a key");
            let der = rustls::pki_types::PrivateKeyDer::try_from(pair.serialize_der());
            let key = provider.key_provider.load_private_key(der.expect("a key"));
            Arc::new(CertifiedKey::new(Vec::new(), key.expect("a key")))
        };
        let ecdsa = key(&rcgen::PKCS_ECDSA_P256_SHA256);
        let ed25519 = key(&rcgen::PKCS_ED25519);
        let either = EitherKey {
            keys: [Arc::clone(&ecdsa), Arc::clone(&ed25519)],
            suites: provider.cipher_suites.clone(),
        };
        let tls13 = [CipherSuite::TLS13_AES_128_GCM_SHA256];
        let (p256, ed) = (Scheme::ECDSA_NISTP256_SHA256, Scheme::ED25519);
        for (schemes, wanted) in [
            (&[p256, ed][..], &ecdsa),
            (&[ed, p256], &ed25519),
            (&[Scheme::RSA_PSS_SHA256, ed], &ed25519),
            (&[Scheme::RSA_PSS_SHA256], &ecdsa),
        ] {
            assert!(Arc::ptr_eq(either.choose(schemes, &tls13), wanted));
        }
        // No suite of TLS 1.2 for RSA keys has a signature by these.
        let rsa = [CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
        assert!(Arc::ptr_eq(either.choose(&[ed], &rsa), &ecdsa));
        let own = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
        assert!(Arc::ptr_eq(either.choose(&[ed], &own), &ed25519));
    }

    #[test]
    fn what_is_over_or_has_not_begun_is_refused() {
        let authority = Authority::shared();
        let at = |days| {
            let server = authority.issue(&Subject {
                days,
                ..Subject::named("localhost")
            });
            why(&mut settings(Authentication::None), authority, &server)
        };
        assert!(at(-10..-1).starts_with("Server TLS certificate is invalid (expired "));
        assert!(at(1..10).starts_with("Server TLS certificate is invalid (not valid before "));
        let old = Authority::valid(-10..-1);
        let server = authority.issue(&Subject::named("localhost"));
        let text = why(&mut settings(Authentication::Mandatory), &old, &server);
        assert!(
            text.starts_with("One or more loaded CA certificates are invalid"),
            "{text}"
        );
    }

    #[test]
    fn nothing_is_built_of_what_is_not_there() {
        let mut wanted = settings(Authentication::Mandatory);
        let read = |wanted: &Settings| Files::read(wanted).map(drop).map_err(|e| e.to_string());
        assert_eq!(read(&wanted), Err("No tls-cert-file configured!".into()));
        wanted.server.certificate = "/nowhere/a.crt".into();
        assert_eq!(read(&wanted), Err("No tls-key-file configured!".into()));
        wanted.server.key = "/nowhere/a.key".into();
        let why = read(&wanted).expect_err("refused");
        assert!(
            why.starts_with("Either tls-ca-cert-file or tls-ca-cert-dir must"),
            "{why}"
        );
        wanted.ca_dir = "/nowhere".into();
        assert_eq!(
            read(&wanted),
            Err("Failed to load certificate: /nowhere/a.crt: No such file or directory".into())
        );
    }

    /// The owner may still present it.
    #[test]
    fn a_file_without_an_authority_is_taken() {
        let alone = Authority::pretended(&Subject::named("alone"));
        let server = Authority::shared().issue(&Subject::named("localhost"));
        let mut wanted = settings(Authentication::Mandatory);
        assert_eq!(why(&mut wanted, &alone, &server), "");
    }

    #[test]
    fn a_folder_of_authorities_may_hold_other_things() {
        let (one, two) = (Authority::valid(-1..10), Authority::valid(-1..20));
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("a.0", &one.pem),
            ("b.0", &two.pem),
            ("README", &"hello".into()),
        ] {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let mut wanted = settings(Authentication::Mandatory);
        wanted.ca_dir = folder.path().into();
        let server = one.issue(&Subject::named("localhost"));
        let built = build(&mut wanted, Authority::shared(), &server).expect("all is well");
        let first = Certificate::read(&one.der).expect("a certificate");
        assert_eq!(built.authority_facts, Some(CertificateFacts::of(&first)));
        // Authorities expire.
        let later = first.not_after + 86_400 / 2;
        let refused = build_at(&mut wanted, Authority::shared(), &server, later);
        assert!(matches!(refused, Err(TlsError::InvalidAuthorities(_))));
    }
}
