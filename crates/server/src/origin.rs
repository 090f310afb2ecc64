//! The origin of a command: a client, a transaction, a script, a file, the primary.

/// The origin of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client.
    Client,
    /// A client whose command had blocked: it runs again from the start.
    Retry,
    /// The end of the time that a blocked client waits: the handler only answers.
    TimeUp,
    /// EXEC, for queued commands.
    Exec,
    /// A script.
    Script,
    /// The loader, for commands of the append only file. They bypass the gates, and are not counted
    /// or notified.
    Loading,
    /// The primary that this server follows: its commands bypass the gates, and their effects are
    /// the primary's own bytes.
    Primary,
}

impl Origin {
    /// Whether the command may block its client.
    pub fn may_block(self) -> bool {
        match self {
            Origin::Client | Origin::Retry => true,
            Origin::TimeUp | Origin::Exec | Origin::Script => false,
            Origin::Loading | Origin::Primary => false,
        }
    }

    /// Whether an outer command runs this command; the outer command's time then includes it.
    pub fn is_nested(self) -> bool {
        matches!(self, Origin::Exec | Origin::Script)
    }
}
