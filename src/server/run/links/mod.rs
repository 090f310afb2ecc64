//! Roles: connections that are not clients. Each role is a type in a file of its own, but for the
//! links of `machines`; its state is in `state::Connections`, apart from the poll, so that the
//! guest loop of a busy script (`execution::busy`) serves it as the loop does.
//!
//! Elsewhere: `net::Role` numbers them; `server::cluster`, `sentinel`, `migration`, `replication`
//! and `console` decide.

pub mod console;
pub mod http;
pub mod machines;
pub mod upstream;

use super::Loop;

use crate::server::parts::http::Port;

impl Loop {
    /// A round of the guest: asks each role's connections, because no poll reports them.
    pub(in crate::server) fn serve_roles(&mut self) {
        for port in Port::ALL {
            self.serve_http(port);
        }
        self.each_machine(|machine| machine.turn_as_guest());
    }

    /// Called by cron: each role's deadlines.
    pub(in crate::server) fn tend_roles(&mut self) {
        for port in Port::ALL {
            self.tend_http(port);
        }
        self.each_machine(|machine| machine.retry());
    }
}
