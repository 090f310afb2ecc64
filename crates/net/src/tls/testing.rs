//! Helpers for tests that make TLS connections.

#[path = "../../../../tests/support/certificates.rs"]
mod certificates;

use std::path::PathBuf;

pub use self::certificates::{Authority, IssuedCertificate, Subject};
use super::{Authentication, CertificateFiles, Files, Materials, Settings, TlsError};

/// Default settings.
pub fn settings(authentication: Authentication) -> Settings {
    Settings {
        server: CertificateFiles::default(),
        alternative: CertificateFiles::default(),
        client: CertificateFiles::default(),
        ca_file: PathBuf::new(),
        ca_dir: PathBuf::new(),
        authentication,
        peer_name: String::new(),
        opens_links: false,
        protocols: String::new(),
        ciphers: String::new(),
        ciphersuites: String::new(),
        groups: String::new(),
        prefer_server_ciphers: false,
        session_caching: true,
        session_cache_size: 100,
        session_cache_timeout_s: 300,
    }
}

/// Writes the files that `settings` lack, and builds.
pub fn build(
    settings: &mut Settings,
    authority: &Authority,
    server: &IssuedCertificate,
) -> Result<Materials, TlsError> {
    let now = jiff::Timestamp::now().as_second();
    build_at(settings, authority, server, now)
}

/// As [`build`], at another time.
pub(crate) fn build_at(
    settings: &mut Settings,
    authority: &Authority,
    server: &IssuedCertificate,
    now: i64,
) -> Result<Materials, TlsError> {
    let folder = tempfile::tempdir().expect("a folder");
    settings.ca_file = folder.path().join("ca.crt");
    std::fs::write(&settings.ca_file, &authority.pem).expect("a file");
    (settings.server.certificate, settings.server.key) = server.write(folder.path(), "server");
    let files = Files::read(settings)?;
    Materials::build(settings, &files, now)
}

impl Authority {
    /// For a server with a certificate of this authority, which clients must have too.
    pub fn materials(&self) -> Materials {
        let server = self.issue(&Subject::named("localhost"));
        build(&mut settings(Authentication::Mandatory), self, &server).expect("all is well")
    }
}
