//! Connections over a network that a simulator owns: while a thread has a dialler, all outgoing
//! connections of its loop are made by it, and no socket of the system is opened.

use std::cell::RefCell;
use std::io;

use super::stream::Stream;

/// Connects to a host and a port.
pub type Dialler = Box<dyn FnMut(&str, u16) -> io::Result<Stream>>;

thread_local! {
    static DIALLER: RefCell<Option<Dialler>> = const { RefCell::new(None) };
}

/// Sets the dialler of this thread; returns the dialler before.
pub fn install(dialler: Option<Dialler>) -> Option<Dialler> {
    DIALLER.with(|its| std::mem::replace(&mut *its.borrow_mut(), dialler))
}

/// The connection as the dialler makes it; `None`: there is no dialler.
pub(super) fn dial(host: &str, port: u16) -> Option<io::Result<Stream>> {
    DIALLER.with(|its| its.borrow_mut().as_mut().map(|dialler| dialler(host, port)))
}
