//! Roles: connections that are not clients. Each role is a type in a file of its own; its state is
//! in `state::Connections`, apart from the poll, so that the guest loop of a busy script
//! (`execution::busy`) serves it as the loop does.
//!
//! Elsewhere: `net::Role` numbers them; `server::cluster`, `sentinel`, `migration`, `replication`
//! and `console` decide.

pub mod cluster;
pub mod console;
pub mod migration;
pub mod scrape;
pub mod sentinel;
pub mod upstream;
mod upstream_channel;

use super::Loop;

impl Loop {
    /// A round of the guest: asks each role's connections, because no poll reports them.
    pub(in crate::server) fn serve_roles(&mut self) {
        self.accept_scrapes();
        self.serve_scrapes();
        self.tend_scrapes();
        self.serve_consoles();
        self.serve_bus();
    }

    /// Called by cron: each role's deadlines.
    pub(in crate::server) fn tend_roles(&mut self) {
        self.tend_scrapes();
        self.tend_consoles();
        self.tend_bus();
    }
}
