//! TLS as configured: the certificates in use, and when their files are read again.
//!
//! At start and for CONFIG SET the files are read synchronously, because the caller needs the
//! result. With `tls-auto-reload-interval` a thread reads them and builds the materials, and cron
//! installs them; invalid files change nothing, and the log says why. Existing connections keep the
//! materials they began with.

mod expiry;
mod handshakes;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use rustls::ClientConfig;

use self::expiry::Warnings;
pub(super) use self::handshakes::Handshakes;
use super::Server;
use crate::base::threads;
use crate::config::{Config, TlsAuthClients};
use crate::net::tls::{Authentication, CertificateFiles, Files, Materials, Settings, TlsError};

/// See the module.
#[derive(Default)]
pub struct Tls {
    /// None while nothing uses TLS.
    pub materials: Option<Materials>,
    pub(super) handshakes: Handshakes,
    warnings: Warnings,
    /// When the files are checked next, monotonic milliseconds.
    reload_due_ms: u64,
    reloading: Option<Receiver<Reloaded>>,
}

/// The result of the thread that reads the files again.
enum Reloaded {
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

fn settings(config: &Config) -> Settings {
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

impl Server {
    /// Applies the current configuration, or leaves everything as it was.
    pub fn configure_tls(&mut self) -> Result<(), Logged> {
        self.tls.materials = load(&self.config)?;
        // A reload in progress is older, and so are links to other servers.
        self.tls.reloading = None;
        self.migrate_links = Default::default();
        self.plan_tls_reload();
        Ok(())
    }

    /// The TLS of connections to other servers of the cluster, and of MIGRATE.
    pub fn cluster_tls(&self) -> Option<Arc<ClientConfig>> {
        let materials = self.tls.materials.as_ref()?;
        materials.client.clone().filter(|_| self.config.tls_cluster)
    }

    fn plan_tls_reload(&mut self) {
        let interval_ms = u64::from(self.config.tls_auto_reload_interval) * 1000;
        self.tls.reload_due_ms = self.now.mono_ms + interval_ms;
    }

    /// Cron's part: reads files again, ends handshakes that take too long, warns of certificates
    /// about to expire.
    pub(super) fn watch_tls(&mut self) {
        self.end_overdue_handshakes();
        let Some(materials) = &self.tls.materials else {
            return;
        };
        self.tls.warnings.look_at(materials, self.now.unix_s());
        match self.tls.reloading.as_ref().map(Receiver::try_recv) {
            Some(Ok(reloaded)) => {
                self.tls.reloading = None;
                self.plan_tls_reload();
                self.take_reloaded(reloaded);
            }
            Some(Err(TryRecvError::Empty)) => {}
            // The thread ended without a result: try again.
            Some(Err(TryRecvError::Disconnected)) => self.tls.reloading = None,
            None if self.config.tls_auto_reload_interval == 0 => {}
            None if self.now.mono_ms < self.tls.reload_due_ms => {}
            None => {
                let (settings, fingerprint) = (settings(&self.config), materials.fingerprint);
                self.tls.reloading = read_again(settings, fingerprint);
                self.plan_tls_reload();
            }
        }
    }

    fn take_reloaded(&mut self, reloaded: Reloaded) {
        match reloaded {
            Reloaded::Unchanged => tracing::debug!("TLS materials unchanged, not reloaded"),
            Reloaded::Failed(error) => {
                tracing::warn!("TLS materials are not reloaded, the old ones stay in use: {error}");
            }
            // A CONFIG SET has overtaken it.
            Reloaded::Changed(built) if built.0 != settings(&self.config) => {}
            Reloaded::Changed(built) => {
                self.tls.materials = Some(built.1);
                tracing::info!("TLS materials reloaded successfully");
            }
        }
    }
}

/// Reads the files in a thread: they may be on a slow disk.
fn read_again(settings: Settings, fingerprint: [u8; 32]) -> Option<Receiver<Reloaded>> {
    let (tell, told) = mpsc::channel();
    let work = move || {
        let read = Files::read(&settings);
        let reloaded = match read {
            Ok(files) if files.fingerprint() == fingerprint => Reloaded::Unchanged,
            Ok(files) => {
                let now = jiff::Timestamp::now().as_second();
                match Materials::build(&settings, &files, now) {
                    Ok(materials) => Reloaded::Changed(Box::new((settings, materials))),
                    Err(error) => Reloaded::Failed(error),
                }
            }
            Err(error) => Reloaded::Failed(error),
        };
        // Without a receiver any more, nothing changes.
        let _ = tell.send(reloaded);
    };
    match threads::start("tls_reload", work) {
        Ok(_) => Some(told),
        Err(error) => {
            tracing::warn!("TLS materials are not read again: {error}");
            None
        }
    }
}
