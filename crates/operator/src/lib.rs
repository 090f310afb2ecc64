//! Tools that query a running server from outside: `russet ping`, `russet doctor`, `russet tail`.
//!
//! They are clients: they learn about the server only by commands, and about the machine only from
//! the kernel; nothing here shares state with the server process.
//!
//! # Outside the server
//!
//! One incremental parser reads the replies of other servers (`resp/reply_parser.rs`): for the
//! tools and MIGRATE through a blocking link (`resp/blocking_link.rs`), for links on the loop from
//! the bytes that their socket has given.
//!
//! `operator` is a client: `russet ping` and `russet doctor` query a running server by commands and
//! the machine by `/proc`; each check is a function from figures to findings. `russet tail`
//! attaches as a replica at an offset that the backlog has, with `capa observer`, so that it does
//! not count as a copy. `packaging/` has its installers: `deb`, `container/build`, units, and
//! `test`, which runs through all of it.
#![warn(missing_docs)]

pub mod doctor;
mod link;
mod listening;
pub mod ping;
pub mod tail;

use std::path::PathBuf;
use std::time::Duration;

pub use link::text;
pub use listening::holder;

pub(crate) use link::OperatorLink;

use russet_config::{Login, ServerAddress, TlsFiles};

/// The place of the server, and the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name or an address.
    pub(crate) host: String,
    /// The client port, of TLS or not.
    pub(crate) port: u16,
    /// Used instead of host and port.
    pub(crate) socket: Option<PathBuf>,
    /// The user of AUTH; `None`: `default`.
    pub(crate) user: Option<String>,
    /// The password of AUTH; `None`: no login.
    pub(crate) password: Option<Vec<u8>>,
    /// Used instead of all of them: wherever this process listens.
    pub(crate) pid: Option<u32>,
    /// Time limit of each step.
    pub(crate) limit: Duration,
    /// For the doctor: this is a Sentinel, and its groups are meant; the login at the data nodes.
    pub(crate) group: Option<Login>,
    /// For the doctor: this is a node of a cluster, and all of it is meant.
    pub(crate) is_cluster: bool,
    /// The port is under TLS.
    pub(crate) tls: Option<TlsFiles>,
    /// The settings of the server's configuration file, if that was given.
    pub(crate) settings: Vec<(String, String)>,
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
            group: None,
            is_cluster: false,
            tls: None,
            settings: Vec::new(),
        }
    }
}

impl From<ServerAddress> for Target {
    fn from(place: ServerAddress) -> Target {
        let usual = Target::default();
        Target {
            host: place.host.unwrap_or(usual.host),
            port: place.port.unwrap_or(usual.port),
            socket: place.socket,
            user: place.user,
            password: place.password,
            pid: place.pid,
            // Zero would mean no limit.
            limit: place
                .limit_s
                .map_or(usual.limit, |s| Duration::from_secs(u64::from(s.max(1)))),
            group: place.group,
            is_cluster: place.is_cluster,
            tls: place.tls,
            settings: place.settings,
        }
    }
}
