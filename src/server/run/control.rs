//! The pipe that wakes the loop: signals and helper threads write to it.

use std::io::{self, Read};

use mio::{Interest, Registry};

use super::Loop;

use crate::net::{Role, Target};

/// See the module.
pub(in crate::server) struct Control(mio::unix::pipe::Receiver);

impl Control {
    pub(in crate::server) fn register(
        mut pipe: mio::unix::pipe::Receiver,
        registry: &Registry,
    ) -> io::Result<Control> {
        let token = Target::lasting(Role::Control, 0).into();
        registry.register(&mut pipe, token, Interest::READABLE)?;
        Ok(Control(pipe))
    }

    fn drain(&mut self) {
        let mut bytes = [0; 64];
        while matches!(self.0.read(&mut bytes), Ok(n) if n > 0) {}
    }
}

impl Loop {
    /// Bytes only wake the loop: the helper thread's counters and the signal flags, which the end
    /// of the turn reads, have their meaning.
    pub(in crate::server) fn control_event(&mut self) {
        if let Some(control) = &mut self.control {
            control.drain();
        }
        self.engine.serve_freed();
        self.engine.serve_synced();
        self.engine.serve_searches();
    }
}
