//! Replication: the one stream of effects, counted in bytes, and its history.
//!
//! The append only file and replicas receive the same bytes. State machines without I/O.
//!
//! # The stream of effects
//!
//! `replication::Stream` owns the identity of a dataset's past: the replication offset, the id of
//! its history with the history that it continues, and the selected database. A command records its
//! effects in `keyspace::Effects`, each with its audience (the log, replicas, both); a complete
//! unit is encoded once, with SELECT, MULTI and EXEC where needed, and the offset grows by the
//! bytes that a replica receives. The log holds the same bytes. If the two differ, the log has an
//! annotation line (`replication::Mark`): `#SO` the position at the beginning of a file, `#RO` the
//! number of bytes that only replicas receive (PUBLISH), `#LO` before bytes for the log alone
//! (`redis.set_repl`), `#NS` before a SELECT that is not in the stream. So each place in the log
//! has an offset, and loading the log restores offset and history; a server that starts begins a
//! new history that continues the loaded history, as Redis does. A snapshot has the position of its
//! moment in its aux fields (`repl-id`, `repl-offset`, `repl-stream-db`).
//!
//! The log is the backlog, too. `persistence/aof/chain.rs` holds the incremental files that can be
//! read as the stream, oldest first; `decode.rs` turns their bytes into stream bytes (`#RO:n`
//! becomes n newlines, which every replica counts and skips), and a `LogFeed` reads them for a
//! replica, at the pace of the replica's socket. Offsets are the same in both sources, and so are
//! the bytes but for these newlines: a replica changes between the sources anywhere but inside such
//! a hole. The server serves a replica from the log if PSYNC asks for a position that the backlog
//! no longer holds, or if the replica reads so slowly that it would hold more than the backlog's
//! size and 8 MiB, or if a rewrite is about to remove the file that has the replica's position
//! (`parts/replication/slow.rs`); and from the backlog again as soon as the backlog has that
//! position. While a replica reads from the log it holds nothing in memory, and
//! `client-output-buffer-limit` does not apply. A file that is no longer written is opened for each
//! read. A file that a rewrite is about to remove while a reader is in it or before it stays open,
//! and each file refers to its successor, so that the removal does no harm (a replica that has
//! stopped keeps the disk space of its unread files until `repl-timeout`). `repl-log-retain` and
//! `repl-log-retain-seconds` keep replaced files as history of the manifest, which the loader
//! ignores, at most 1,024 of them. The writer records a place of its file every 4 MiB; a reader
//! finds a position in an older file by decoding the file from its begin, in slices of the loop.
//! Without annotations (`aof-checksum no`) positions are unknown: a `#SO` line with an id of zeros
//! marks the place where they end, and the log serves no replica.
//!
//! A full sync can take two links (Redis 8's rdb channel, Valkey 9's dual channel): the second link
//! brings the snapshot while the main link brings the stream. A primary keeps nothing for the
//! second link: the main link (`State::Streams`) is a reader of the backlog from the snapshot's
//! position on, and so pins the backlog; for Valkey, whose main link comes later, a `Pin` holds the
//! backlog until the main link has joined (`primary`). In a replica the main link
//! waits while the second link goes through the stages (`upstream`). The replica holds the main
//! link's stream (`HeldStream`) up to `replica-full-sync-buffer-limit`, then stops reading it, and
//! replays it in pieces once the snapshot is loaded. The primary's reply picks the dialect
//! (`ChannelProtocol`).
//!
//! With `changes-retain` the stream is read as changes, too (`replication/change_stream`). Notes
//! add what the stream lacks: they are PINGs with a message, which hold time and user of the next
//! units, and the positions of consumers. Every replica skips notes, and log, backlog and replicas
//! count them alike; a replica of russet and a loader apply them (`Server::receive_note`). `Units`
//! takes the stream apart; a reader (`parts/replication/changes.rs`) begins at a place between two
//! units that the backlog or the log has recorded, reads in slices, and stays with its client for
//! the next command. `parts/replication/changes.rs` has the consequences for the log's files and
//! the backlog.
//!
//! While there is no listener, nothing is encoded or counted, as in Redis, because that would cost
//! a write about a tenth of its time. A dataset that was changed meanwhile begins a new history
//! with the next listener.
#![warn(missing_docs)]

mod backlog;
pub mod change_stream;
mod channel;
pub mod compression;
mod handshake;
mod held;
mod history;
mod lines;
mod marks;
mod payload;
pub mod primary;
pub mod quorum;
mod requests;
#[cfg(any(test, feature = "testing"))]
#[path = "../simulation/mod.rs"]
pub mod simulation;
mod stream;
pub mod upstream;

pub use backlog::Backlog;
pub use channel::{ChannelHandshake, ChannelProtocol, Join, SnapshotAnnouncement};
pub use handshake::{Handshake, HandshakeError, HandshakeOutcome, Introduction};
pub use held::HeldStream;
pub use history::{Position, ReplId, ReplOffset};
pub use marks::Mark;
pub use payload::Payload;
pub use requests::{Changes, NoRequest, Request, align, changes, first_request};
pub use stream::{Stream, write_select};
