//! Helper threads. Every thread is started here, so that `ledger` counts the memory of every
//! thread.

pub mod cancel;

use std::io;
use std::thread::{Builder, JoinHandle};

use super::memory::ledger::Ledger;
use super::processors::{CpuList, bind_cpu_list};

/// Starts a helper thread of this thread's server. System tools show at most 15 bytes of `name`.
///
/// Error: the system cannot provide a thread.
pub fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    start_at(CpuList::Helper, name, work)
}

/// As [`start`], on the processors of a list.
pub fn start_at<T: Send + 'static>(
    list: CpuList,
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let ledger = Ledger::mine();
    Builder::new().name(name.to_owned()).spawn(move || {
        ledger.join();
        bind_cpu_list(list);
        work()
    })
}
