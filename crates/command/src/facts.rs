//! Facts of a row that single places of the server act on, beside the flags.
//!
//! Flags are Redis's words, and decide which gates concern a command; a fact answers the question
//! of a single place about a command, in the row instead of by comparing names. COMMAND INFO shows
//! none.

use bitflags::bitflags;

bitflags! {
    /// See the module.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Facts: u32 {
        /// Gives the connection a user: always audited.
        const LOGS_IN = 1 << 0;
        /// As `LOGS_IN`, if the command has the word AUTH; without AUTH the command is never
        /// audited.
        const MAY_LOG_IN = 1 << 1;
        /// Repairs or ends a stuck audit log: the command runs while the log takes no lines.
        const MENDS_AUDIT = 1 << 2;
        /// The arguments from 2 on are directives, each with a value.
        const SETS_DIRECTIVES = 1 << 3;
        /// Argument 2 is a user, whose name the audit shows.
        const NAMES_USER = 1 << 4;
        /// Each argument from 2 on is.
        const NAMES_USERS = 1 << 5;
        /// Shows data or the server's state, and changes neither: a locked session of the console
        /// may run the command, and all subcommands if it is a container. Commands in `@read` may
        /// run there anyhow.
        const SHOWS = 1 << 6;
        /// Acts, although its container `SHOWS`.
        const ACTS = 1 << 7;
        /// As `SHOWS`, unless argument 2 is RESET.
        const MAY_RESET = 1 << 8;
        /// The command needs its own connection, or the console has other calls for the same
        /// purpose.
        const NOT_IN_CONSOLE = 1 << 9;
        /// Begins the effect of ASKING, which ends after each other command.
        const BEGINS_ASKING = 1 << 10;
        /// A container whose subcommands leave the effect of CLIENT CACHING to the next command.
        const SPARES_CACHING = 1 << 11;
        /// Selects the client's database: the keys of later commands are in that.
        const SELECTS = 1 << 12;
        /// Moves keys to another node, so the command runs while the keys' slot moves.
        const MOVES_KEYS = 1 << 13;
        /// Moves slots: the conversation of two nodes, whose replies are sent.
        const MOVES_SLOTS = 1 << 14;
        /// Without keys, but a source of slots may send the command, because it frames the stream,
        /// or is about functions, which belong to no slot.
        const FRAMES_SLOTS = 1 << 15;
        /// For nodes that have logged in with the cluster's secret, which run no other.
        const INTERNAL = 1 << 16;
        /// Makes a replica of the connection: over a budget, it waits even if others are refused.
        const JOINS = 1 << 17;
        /// May have IDMP or IDMPAUTO, the name of its producer.
        const MAY_BE_IDEMPOTENT = 1 << 18;
        /// Stores any value in any key: a user that may run the command on all keys owns the data.
        const STORES_ANYTHING = 1 << 19;
        /// As fast as the commands of `Flags::FAST`, which Redis does not say of this command:
        /// timed as they are.
        const TIMED_AS_FAST = 1 << 20;
        /// Asks the other nodes of a cluster, and answers their questions, which may name no other
        /// command.
        const ASKS_NODES = 1 << 21;
        /// Shows data without looking up the keys that hold it, although it is no `READONLY`
        /// command: the reply waits until all of the data is safe (`min-sync-replicas`).
        const READS_ALL = 1 << 22;
        /// For servers alone, which repeat it from a log or another server's stream: to clients
        /// the command is unknown.
        const OF_SERVERS = 1 << 23;
    }
}
