//! TLS as configured: the certificates in use, and when their files are read again.
//!
//! At start and for CONFIG SET the files are read synchronously, because the caller needs the
//! result. With `tls-auto-reload-interval` a thread reads them and builds the materials, and cron
//! installs them; invalid files change nothing, and the log says why. Existing connections keep the
//! materials they began with.

pub mod expiry;
pub mod handshakes;

use std::sync::mpsc::Receiver;

use self::expiry::Warnings;
pub(in crate::server) use self::handshakes::Handshakes;

use crate::config::{Config, TlsAuthClients};
use crate::net::tls::{Authentication, CertificateFiles, Files, Materials, Settings, TlsError};

/// See the module.
#[derive(Default)]
pub struct Tls {
    /// None while nothing uses TLS.
    pub materials: Option<Materials>,
    pub(in crate::server) handshakes: Handshakes,
    pub(in crate::server) warnings: Warnings,
    /// When the files are checked next, monotonic milliseconds.
    pub(in crate::server) reload_due_ms: u64,
    pub(in crate::server) reloading: Option<Receiver<Reloaded>>,
}

/// The result of the thread that reads the files again.
pub(in crate::server) enum Reloaded {
    Unchanged,
    Changed(Box<(Settings, Materials)>),
    Failed(TlsError),
}

/// TLS cannot be set up; the reason is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged;

/// The directives that materials are made from.
pub const SETTINGS: [&str; 21] = [
    "tls-cert-file",
    "tls-key-file",
    "tls-key-file-pass",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-client-key-file-pass",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "tls-dh-params-file",
    "tls-auth-clients",
    "tls-replication",
    "tls-cluster",
    "tls-protocols",
    "tls-ciphers",
    "tls-ciphersuites",
    "tls-prefer-server-ciphers",
    "tls-session-caching",
    "tls-session-cache-size",
    "tls-session-cache-timeout",
    "tls-auto-reload-interval",
    "tls-port",
];

/// Whether anything uses TLS.
fn is_wanted(config: &Config) -> bool {
    config.tls_port != 0 || config.tls_replication || config.tls_cluster
}

pub(in crate::server) fn settings(config: &Config) -> Settings {
    let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    Settings {
        server: CertificateFiles {
            certificate: config.tls_cert_file.path().into(),
            key: config.tls_key_file.path().into(),
            password: config.tls_key_file_pass.to_vec(),
        },
        client: CertificateFiles {
            certificate: config.tls_client_cert_file.path().into(),
            key: config.tls_client_key_file.path().into(),
            password: config.tls_client_key_file_pass.to_vec(),
        },
        ca_file: config.tls_ca_cert_file.path().into(),
        ca_dir: config.tls_ca_cert_dir.path().into(),
        authentication: match config.tls_auth_clients {
            TlsAuthClients::No => Authentication::None,
            TlsAuthClients::Optional => Authentication::Optional,
            TlsAuthClients::Yes => Authentication::Mandatory,
        },
        opens_links: config.tls_replication || config.tls_cluster,
        protocols: text(&config.tls_protocols),
        ciphers: text(&config.tls_ciphers),
        ciphersuites: text(&config.tls_ciphersuites),
        prefer_server_ciphers: config.tls_prefer_server_ciphers,
        session_caching: config.tls_session_caching,
        session_cache_size: config.tls_session_cache_size,
        session_cache_timeout_s: config.tls_session_cache_timeout,
    }
}

/// Reads the files and builds the materials; `None` if nothing uses TLS.
pub fn load(config: &Config) -> Result<Option<Materials>, Logged> {
    if !is_wanted(config) {
        return Ok(None);
    }
    let settings = settings(config);
    let built = Files::read(&settings)
        .and_then(|files| Materials::build(&settings, &files, jiff::Timestamp::now().as_second()));
    built.map(Some).map_err(|error| {
        tracing::warn!("{error}");
        Logged
    })
}
