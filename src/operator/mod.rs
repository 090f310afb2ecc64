//! What an operator asks a running server from outside: `russet ping`, `russet doctor`.
//!
//! Both are clients. What they know of the server they are told by commands, and of the machine
//! by the kernel; nothing here shares anything with the process that serves.

pub mod doctor;
mod link;
mod listening;
pub mod ping;

use std::path::PathBuf;
use std::time::Duration;

pub use link::{Link, text};

use crate::config::Place;

/// Where the server is, and how to get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub host: String,
    pub port: u16,
    /// In the place of host and port.
    pub socket: Option<PathBuf>,
    pub user: Option<String>,
    pub password: Option<Vec<u8>>,
    /// In the place of all that says where: wherever this process listens.
    pub pid: Option<u32>,
    /// For each step.
    pub limit: Duration,
}

impl Default for Target {
    fn default() -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port: 6379,
            socket: None,
            user: None,
            password: None,
            pid: None,
            limit: Duration::from_secs(3),
        }
    }
}

impl From<Place> for Target {
    fn from(place: Place) -> Target {
        let usual = Target::default();
        Target {
            host: place.host.unwrap_or(usual.host),
            port: place.port.unwrap_or(usual.port),
            socket: place.socket,
            user: place.user,
            password: place.password,
            pid: place.pid,
            // A limit of nothing would be no limit.
            limit: place
                .limit_s
                .map_or(usual.limit, |s| Duration::from_secs(u64::from(s.max(1)))),
        }
    }
}
