//! The sockets by which other nodes open links to a machine.
//!
//! An event, a registration or a round without a poll means that connections may wait; cron tries
//! again what failed for want of a descriptor. Cost: a system call for each connection and for each
//! socket.

use std::io::{self, ErrorKind};

use mio::Registry;

use russet_net::{AcceptedStream, Address, Listener, Role, Target};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Door {
    pub listeners: Vec<Listener>,
    role: Option<Role>,
    /// A listener may have connections to accept.
    pub has_waiting: bool,
    /// Perhaps no descriptor was left for a connection.
    pub retries: bool,
}

impl Door {
    pub fn register(&mut self, registry: &Registry, role: Role) -> io::Result<()> {
        for (i, listener) in self.listeners.iter_mut().enumerate() {
            listener.register(registry, Target::lasting(role, i).into())?;
        }
        self.role = Some(role);
        // A connection may have arrived before the registration.
        self.has_waiting = true;
        Ok(())
    }

    /// Whether an event is of this door's sockets.
    pub fn has(&self, token: Target) -> bool {
        self.role == Some(token.role)
    }

    /// The next connection that waits at a listener; this is the first listener to be asked.
    /// `None`: no other waits. Error: why some may have to wait.
    pub fn accept(&mut self, at: &mut usize) -> Option<io::Result<(AcceptedStream, Address)>> {
        while let Some(listener) = self.listeners.get(*at) {
            match listener.accept() {
                Err(error) => match error.kind() {
                    ErrorKind::ConnectionAborted | ErrorKind::Interrupted => continue,
                    ErrorKind::WouldBlock => {}
                    _ => {
                        self.retries = true;
                        *at += 1;
                        return Some(Err(error));
                    }
                },
                accepted => return Some(accepted),
            }
            *at += 1;
        }
        None
    }
}
