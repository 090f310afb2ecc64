//! Helper threads: all are started here, so that the memory of all of them is counted (`ledger`).

use std::io;
use std::thread::{Builder, JoinHandle};

use super::memory::ledger::Ledger;

/// Starts a thread of this thread's server. System tools show at most 15 bytes of `name`.
///
/// Error: the system cannot provide a thread.
pub fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let ledger = Ledger::mine();
    Builder::new().name(name.to_owned()).spawn(move || {
        ledger.join();
        work()
    })
}
