//! TLS materials: installed by CONFIG SET, and read again by a thread when their files change.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use rustls::ClientConfig;

use crate::base::threads;
use crate::net::tls::{Files, Materials, Settings};
use crate::server::parts::tls::{Logged, Reloaded, load, settings};
use crate::server::state::Server;

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

impl Server {
    /// Applies the current configuration, or leaves everything as it was.
    pub fn configure_tls(&mut self) -> Result<(), Logged> {
        self.connections.tls.materials = load(&self.config)?;
        // A reload in progress is older, and so are links to other servers.
        self.connections.tls.reloading = None;
        self.connections.migrate_links = Default::default();
        self.plan_tls_reload();
        Ok(())
    }

    /// The TLS of connections to other servers of the cluster, and of MIGRATE.
    pub fn cluster_tls(&self) -> Option<Arc<ClientConfig>> {
        let materials = self.connections.tls.materials.as_ref()?;
        materials.client.clone().filter(|_| self.config.tls_cluster)
    }

    fn plan_tls_reload(&mut self) {
        let interval_ms = u64::from(self.config.tls_auto_reload_interval) * 1000;
        self.connections.tls.reload_due_ms = self.now.mono_ms + interval_ms;
    }

    /// Cron's part: reads files again, ends handshakes that take too long, warns of certificates
    /// about to expire.
    pub(in crate::server) fn watch_tls(&mut self) {
        self.end_overdue_handshakes();
        let Some(materials) = &self.connections.tls.materials else {
            return;
        };
        self.connections
            .tls
            .warnings
            .look_at(materials, self.now.unix_s());
        match self
            .connections
            .tls
            .reloading
            .as_ref()
            .map(Receiver::try_recv)
        {
            Some(Ok(reloaded)) => {
                self.connections.tls.reloading = None;
                self.plan_tls_reload();
                self.take_reloaded(reloaded);
            }
            Some(Err(TryRecvError::Empty)) => {}
            // The thread ended without a result: try again.
            Some(Err(TryRecvError::Disconnected)) => self.connections.tls.reloading = None,
            None if self.config.tls_auto_reload_interval == 0 => {}
            None if self.now.mono_ms < self.connections.tls.reload_due_ms => {}
            None => {
                let (settings, fingerprint) = (settings(&self.config), materials.fingerprint);
                self.connections.tls.reloading = read_again(settings, fingerprint);
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
                self.connections.tls.materials = Some(built.1);
                tracing::info!("TLS materials reloaded successfully");
            }
        }
    }
}
