//! The pipe that wakes the loop: signals and helper threads write to it ([`Wake`]).
//!
//! Its bytes have no meaning. After any byte, the loop checks the results of all helper threads,
//! and at the end of the turn the signals' flags.

use std::io::{self, Read, Write};

use mio::{Interest, Registry};

use super::Loop;

use russet_base::wake::Wake;
use russet_net::{Role, Target};

/// The end of the pipe that the loop reads.
pub struct Control(mio::unix::pipe::Receiver);

impl Control {
    /// A pipe that wakes the poll of this registry.
    pub fn open(registry: &Registry) -> io::Result<(Control, Wake)> {
        let (sender, mut receiver) = mio::unix::pipe::new()?;
        let token = Target::lasting(Role::Control, 0).into();
        registry.register(&mut receiver, token, Interest::READABLE)?;
        // A full pipe wakes the loop as well.
        let wake = Wake::new(move || _ = (&sender).write(&[0]));
        Ok((Control(receiver), wake))
    }

    fn drain(&mut self) {
        let mut bytes = [0; 64];
        while matches!(self.0.read(&mut bytes), Ok(n) if n > 0) {}
    }
}

impl Loop {
    /// Something has woken the loop.
    pub(crate) fn control_event(&mut self) {
        if let Some(control) = &mut self.control {
            control.drain();
        }
        self.engine.serve_freed();
        self.engine.serve_synced();
        self.engine.serve_tasks();
    }
}
