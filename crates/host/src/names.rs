//! Names, resolved off the loop: the system's resolver blocks.
//!
//! Each name has a thread of its own, at most [`LOOKUPS_MAX`] at once; an answer is left in a
//! channel and the loop woken. Cost: a thread per lookup.

use std::net::ToSocketAddrs;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use russet_base::threads;
use russet_base::wake::Wake;

/// Names being resolved at once; a machine asks again for others.
const LOOKUPS_MAX: usize = 16;

/// A resolved name; `None`: it has no address.
type Resolution = (Vec<u8>, Option<Vec<u8>>);

/// The lookups under way.
#[derive(Debug)]
pub(super) struct Lookups {
    sender: Sender<Resolution>,
    reported: Receiver<Resolution>,
    names: Vec<Vec<u8>>,
}

impl Default for Lookups {
    fn default() -> Lookups {
        let (sender, reported) = mpsc::channel();
        Lookups {
            sender,
            reported,
            names: Vec::new(),
        }
    }
}

impl Lookups {
    /// Begins to resolve a name, unless it is being resolved or too many are. `false`: the system
    /// cannot provide a thread.
    pub(super) fn begin(&mut self, name: &[u8], wake: Wake) -> bool {
        if self.names.iter().any(|begun| begun == name) || self.names.len() >= LOOKUPS_MAX {
            return true;
        }
        let (sender, asked) = (self.sender.clone(), name.to_vec());
        let begun = threads::start("russet-resolve", move || {
            let ip = resolve(&asked);
            // The process may be ending.
            let _ = sender.send((asked, ip));
            wake.wake();
        });
        if begun.is_ok() {
            self.names.push(name.to_vec());
        }
        begun.is_ok()
    }

    /// The next name that has been resolved meanwhile.
    pub(super) fn take(&mut self) -> Option<Resolution> {
        if self.names.is_empty() {
            return None;
        }
        let (name, ip) = self.reported.try_recv().ok()?;
        self.names.retain(|begun| *begun != name);
        Some((name, ip))
    }
}

/// The first address of a name, as text. Blocks, at most for this time.
pub fn resolve_within(name: &[u8], limit: Duration) -> Option<Vec<u8>> {
    let (sender, reported) = mpsc::channel();
    let name = name.to_vec();
    // The thread ends by itself after the limit, too.
    threads::start("russet-resolve", move || _ = sender.send(resolve(&name))).ok()?;
    reported.recv_timeout(limit).ok()?
}

fn resolve(name: &[u8]) -> Option<Vec<u8>> {
    let name = std::str::from_utf8(name).ok()?;
    let address = (name, 0).to_socket_addrs().ok()?.next()?;
    Some(address.ip().to_string().into_bytes())
}
