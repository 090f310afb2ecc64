//! TLS as configured: the certificates in use, and when their files are read again.
//!
//! At start and for CONFIG SET the files are read synchronously, because the caller needs the
//! result. With `tls-auto-reload-interval` a thread reads them and builds the materials, and cron
//! installs them; invalid files change nothing, and the reason is logged. Existing connections keep
//! the materials they began with.

mod expiry;
mod handshakes;
mod reload;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use rustls::ClientConfig;

use self::expiry::Warnings;
pub(crate) use self::handshakes::Handshakes;
use self::reload::{ReloadResult, read_again};

use russet_base::clock::Now;
use russet_config::{Config, TlsAuthClients};
use russet_net::tls::{
    Authentication, CertificateFiles, Files, Materials, Settings, TlsError, file_faults,
};

/// See the module.
#[derive(Default)]
pub struct Tls {
    /// None while nothing uses TLS.
    materials: Option<Materials>,
    pub handshakes: Handshakes,
    warnings: Warnings,
    /// When the files are checked next, monotonic milliseconds.
    reload_due_ms: u64,
    reloading: Option<Receiver<ReloadResult>>,
}

impl Tls {
    /// The materials of new connections; `None` while nothing uses TLS.
    pub fn materials(&self) -> Option<&Materials> {
        self.materials.as_ref()
    }

    /// Installs materials made by [`load`] before the start.
    pub fn install(&mut self, materials: Option<Materials>) {
        self.materials = materials;
    }

    /// Applies the configuration, or leaves everything as it was. Reads files.
    pub fn configure(&mut self, config: &Config, mono_ms: u64) -> Result<(), TlsSetupError> {
        self.materials = load(config)?;
        // A reload in progress is older.
        self.reloading = None;
        self.plan_reload(config, mono_ms);
        Ok(())
    }

    /// The TLS of connections to other servers of the cluster, and of MIGRATE.
    pub fn of_cluster(&self, config: &Config) -> Option<Arc<ClientConfig>> {
        let client = self.materials.as_ref()?.client.clone();
        client.filter(|_| config.tls_cluster)
    }

    /// The TLS of the link to the primary that this server follows.
    pub fn of_replication(&self, config: &Config) -> Option<Arc<ClientConfig>> {
        let client = self.materials.as_ref()?.client.clone();
        client.filter(|_| config.tls_replication)
    }

    fn plan_reload(&mut self, config: &Config, mono_ms: u64) {
        let interval_ms = u64::from(config.tls_auto_reload_interval) * 1000;
        self.reload_due_ms = mono_ms + interval_ms;
    }

    /// Cron: has files read again, and warns of certificates about to expire.
    pub fn watch(&mut self, config: &Config, now: &Now) {
        let Some(materials) = &self.materials else {
            return;
        };
        self.warnings.warn_when_due(materials, now.unix_s());
        match self.reloading.as_ref().map(Receiver::try_recv) {
            Some(Ok(reloaded)) => {
                self.reloading = None;
                self.plan_reload(config, now.mono_ms);
                self.take_reloaded(reloaded, config);
            }
            Some(Err(TryRecvError::Empty)) => {}
            // The thread ended without a result: try again.
            Some(Err(TryRecvError::Disconnected)) => self.reloading = None,
            None if config.tls_auto_reload_interval == 0 => {}
            None if now.mono_ms < self.reload_due_ms => {}
            None => {
                self.reloading = read_again(settings(config), materials.fingerprint);
                self.plan_reload(config, now.mono_ms);
            }
        }
    }

    fn take_reloaded(&mut self, reloaded: ReloadResult, config: &Config) {
        match reloaded {
            ReloadResult::Unchanged => tracing::debug!("TLS materials unchanged, not reloaded"),
            ReloadResult::Failed(error) => {
                tracing::warn!("TLS materials are not reloaded, the old ones stay in use: {error}");
            }
            // A CONFIG SET has overtaken the reload.
            ReloadResult::Changed(built) if built.0 != settings(config) => {}
            ReloadResult::Changed(built) => {
                self.materials = Some(built.1);
                tracing::info!("TLS materials reloaded successfully");
            }
        }
    }
}

/// TLS cannot be set up; the reason is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsSetupError;

/// The directives that materials are made from.
pub const SETTINGS: [&str; 28] = [
    "tls-cert-file",
    "tls-key-file",
    "tls-key-file-pass",
    "tls-alt-cert-file",
    "tls-alt-key-file",
    "tls-alt-key-file-pass",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-client-key-file-pass",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "tls-dh-params-file",
    "tls-auth-clients",
    "tls-expected-peer-name",
    "tls-replication",
    "tls-cluster",
    "tls-protocols",
    "tls-ciphers",
    "tls-ciphersuites",
    "tls-groups",
    "tls-prefer-server-ciphers",
    "tls-session-caching",
    "tls-session-cache-size",
    "tls-session-cache-timeout",
    "tls-auto-reload-interval",
    "tls-port",
    "console-port",
    "console-tls",
];

/// Whether anything uses TLS.
fn is_wanted(config: &Config) -> bool {
    let console = config.console_tls && config.console_port != 0;
    config.tls_port != 0 || config.tls_replication || config.tls_cluster || console
}

fn settings(config: &Config) -> Settings {
    let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    Settings {
        server: CertificateFiles {
            certificate: config.tls_cert_file.path().into(),
            key: config.tls_key_file.path().into(),
            password: config.tls_key_file_pass.to_vec(),
        },
        alternative: CertificateFiles {
            certificate: config.tls_alt_cert_file.path().into(),
            key: config.tls_alt_key_file.path().into(),
            password: config.tls_alt_key_file_pass.to_vec(),
        },
        client: CertificateFiles {
            certificate: config.tls_client_cert_file.path().into(),
            key: config.tls_client_key_file.path().into(),
            password: config.tls_client_key_file_pass.to_vec(),
        },
        ca_file: config.tls_ca_cert_file.path().into(),
        ca_dir: config.tls_ca_cert_dir.path().into(),
        peer_name: text(&config.tls_expected_peer_name),
        authentication: match config.tls_auth_clients {
            TlsAuthClients::No => Authentication::None,
            TlsAuthClients::Optional => Authentication::Optional,
            TlsAuthClients::Yes => Authentication::Mandatory,
        },
        opens_links: config.tls_replication || config.tls_cluster,
        protocols: text(&config.tls_protocols),
        ciphers: text(&config.tls_ciphers),
        ciphersuites: text(&config.tls_ciphersuites),
        groups: text(&config.tls_groups),
        prefer_server_ciphers: config.tls_prefer_server_ciphers,
        session_caching: config.tls_session_caching,
        session_cache_size: config.tls_session_cache_size,
        session_cache_timeout_s: config.tls_session_cache_timeout,
    }
}

/// Reads the files and builds the materials; `None` if nothing uses TLS.
pub fn load(config: &Config) -> Result<Option<Materials>, TlsSetupError> {
    build(config).map_err(|error| {
        tracing::warn!("{error}");
        TlsSetupError
    })
}

/// All reasons why [`load`] would fail, each with the directive whose file is at fault; `TLS`: it
/// is no file's fault.
pub fn faults(config: &Config) -> Vec<(&'static str, TlsError)> {
    let Err(first) = build(config) else {
        return Vec::new();
    };
    let now = jiff::Timestamp::now().as_second();
    let mut found = file_faults(&settings(config), now);
    if found.is_empty() || !first.is_of_file() {
        found.push(("TLS", first));
    }
    found
}

/// As [`load`], with the reason of a failure.
fn build(config: &Config) -> Result<Option<Materials>, TlsError> {
    if !is_wanted(config) {
        return Ok(None);
    }
    let settings = settings(config);
    let now = jiff::Timestamp::now().as_second();
    let built = Files::read(&settings).and_then(|files| Materials::build(&settings, &files, now));
    built.map(Some)
}
