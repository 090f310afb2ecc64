//! Roles: connections that are not clients. Each role is a type in a file of its own; its state is
//! in [`Roles`], apart from the poll, so that the guest loop of a busy script (`server::busy`)
//! serves it as the loop does.

mod scrape;

use self::scrape::Scrapes;
use super::Loop;

/// The connections of all roles.
#[derive(Default)]
pub(in crate::server) struct Roles {
    scrapes: Scrapes,
}

impl Loop {
    /// A round of the guest: asks each role's connections, because no poll reports them.
    pub(super) fn serve_roles(&mut self) {
        self.accept_scrapes();
        self.serve_scrapes();
        self.tend_scrapes();
    }

    /// Called by cron: each role's deadlines.
    pub(super) fn tend_roles(&mut self) {
        self.tend_scrapes();
    }
}
