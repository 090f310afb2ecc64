//! Why a connection ends.

/// Kinds of ends. Their words are labels of metrics and fields of CLIENT CLOSED: they do not
/// change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The peer closed the connection.
    Peer,
    /// Reading or writing failed.
    Broken,
    /// QUIT.
    Quit,
    /// CLIENT KILL.
    Killed,
    /// Idle for longer than `timeout`.
    Idle,
    /// Over `client-output-buffer-limit`.
    OutputLimit,
    /// Over `client-query-buffer-limit`.
    QueryLimit,
    /// The client was among the largest while all clients were over `maxmemory-clients`.
    ClientMemory,
    /// A request that is not RESP.
    Protocol,
    /// The client's address or certificate is not admitted, or the TLS handshake failed.
    Refused,
    /// The client's user was deleted or lost permissions that the connection uses.
    User,
    /// The server became a replica or a primary.
    Role,
    /// A link between servers that is given up: a replica, its second connection, a primary.
    Link,
    /// A link that carries slots.
    Slots,
    /// The append only file cannot be written, and the client's writes wait for it too long.
    Disk,
    /// Too few replicas have acknowledged what the client wrote or read (`min-sync-replicas`).
    Sync,
    Shutdown,
}

impl EndReason {
    pub const ALL: [EndReason; 17] = [
        EndReason::Peer,
        EndReason::Broken,
        EndReason::Quit,
        EndReason::Killed,
        EndReason::Idle,
        EndReason::OutputLimit,
        EndReason::QueryLimit,
        EndReason::ClientMemory,
        EndReason::Protocol,
        EndReason::Refused,
        EndReason::User,
        EndReason::Role,
        EndReason::Link,
        EndReason::Slots,
        EndReason::Disk,
        EndReason::Sync,
        EndReason::Shutdown,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            EndReason::Peer => "peer",
            EndReason::Broken => "broken",
            EndReason::Quit => "quit",
            EndReason::Killed => "killed",
            EndReason::Idle => "idle",
            EndReason::OutputLimit => "output-limit",
            EndReason::QueryLimit => "query-limit",
            EndReason::ClientMemory => "client-memory",
            EndReason::Protocol => "protocol",
            EndReason::Refused => "refused",
            EndReason::User => "user",
            EndReason::Role => "role",
            EndReason::Link => "link",
            EndReason::Slots => "slots",
            EndReason::Disk => "disk",
            EndReason::Sync => "sync",
            EndReason::Shutdown => "shutdown",
        }
    }

    /// Whether the server ends the connection without an error reply that gives the reason.
    pub(crate) fn needs_reason(self) -> bool {
        matches!(
            self,
            EndReason::Killed
                | EndReason::Idle
                | EndReason::OutputLimit
                | EndReason::QueryLimit
                | EndReason::ClientMemory
                | EndReason::User
                | EndReason::Role
                | EndReason::Disk
                | EndReason::Shutdown
        )
    }
}

/// Why a connection ends, with figures or names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnection {
    pub reason: EndReason,
    /// May be empty. Bytes of a client are in it only as printable text.
    pub detail: Box<str>,
}

impl Disconnection {
    pub fn new(reason: EndReason, detail: impl Into<Box<str>>) -> Disconnection {
        let detail = detail.into();
        Disconnection { reason, detail }
    }
}

impl From<EndReason> for Disconnection {
    fn from(reason: EndReason) -> Disconnection {
        Disconnection::new(reason, "")
    }
}

impl std::fmt::Display for Disconnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason.word())?;
        match &*self.detail {
            "" => Ok(()),
            detail => write!(f, ": {detail}"),
        }
    }
}
