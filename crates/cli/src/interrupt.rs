//! Ctrl-C at a prompt: it ends what a command prints without an end, and not the client.
//!
//! While no such command runs, the signal ends the process as ever.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

/// See the module. Registered once; the registration lasts as long as the process.
#[derive(Debug)]
pub(crate) struct Interrupt {
    /// The signal ends the process.
    is_fatal: Arc<AtomicBool>,
    is_pressed: Arc<AtomicBool>,
}

impl Interrupt {
    pub(crate) fn register() -> io::Result<Interrupt> {
        let is_fatal = Arc::new(AtomicBool::new(true));
        let is_pressed = Arc::new(AtomicBool::new(false));
        flag::register_conditional_default(SIGINT, Arc::clone(&is_fatal))?;
        flag::register(SIGINT, Arc::clone(&is_pressed))?;
        Ok(Interrupt {
            is_fatal,
            is_pressed,
        })
    }

    /// From now on the signal is noticed by [`Interrupt::is_pressed`].
    pub(crate) fn begin(&self) {
        self.is_pressed.store(false, Ordering::SeqCst);
        self.is_fatal.store(false, Ordering::SeqCst);
    }

    /// From now on the signal ends the process.
    pub(crate) fn end(&self) {
        self.is_fatal.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_pressed(&self) -> bool {
        self.is_pressed.load(Ordering::SeqCst)
    }
}
