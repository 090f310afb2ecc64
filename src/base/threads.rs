//! Helper threads: the only place that starts one, so that what all of them hold is counted
//! (`ledger`).

use std::io;
use std::thread::{Builder, JoinHandle};

use super::ledger::Ledger;

/// Starts a thread of this thread's server. `name` is what the system's tools show: at most 15
/// bytes of it.
///
/// Error: the system has no thread to give.
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
