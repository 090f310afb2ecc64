//! Replication at work: changes of role, the snapshots that full synchronizations send and load,
//! and cron's work for the links.
//!
//! The parts own the state (`parts::replication`, `replication::Stream`); the methods here use
//! several parts. Sockets belong to the loop (`run::upstream`, `run::feed`). The link to the
//! primary is a machine without I/O (`russet_replication::upstream`), for which `upstream` has the
//! meaning of each action here.
//!
//! # Replication
//!
//! `replication/` has the machines without sockets: the stream with its backlog, and the link of a
//! replica to its primary (`upstream`), with its conversations (`Handshake`) and the frame of a
//! snapshot (`Payload`). `server/parts/replication` owns the state: the table of replicas, the
//! connections to the primary.
//! `server/replication` composes: changes of role, full synchronizations, waits for
//! acknowledgements, cron.
//!
//! **A replica of this server** is a client with the flag `REPLICA`. The stream is not copied to
//! it: a replica is a position in the backlog (`replication/backlog.rs`), and `Loop::feed`
//! (`run/feed.rs`) writes from the shared blocks to its socket, at most a write a turn. While turn
//! follows turn, less than 64 KB of the stream waits for more, for at most 1 ms; before the loop
//! sleeps, and when a client waits for acknowledgements, all of it leaves. That takes most of the
//! kernel's work for replicas off a busy primary; a kill of the process loses up to 1 ms more of
//! the writes that were answered without WAIT. With the append only file only bytes that are safe
//! there are sent (`Past::sendable`): a primary that restarts after a kill has everything that its
//! replicas have, and that readers of changes have (`Past::recoverable`). A full synchronization
//! begins at the end of a turn (`Engine::begin_due_syncs`): all replicas with the same needs
//! (dialect and version, parts, frame) share a snapshot, whose target is a spool; each replica
//! reads the spool at its own pace (`parts/replication/sending.rs`), and a late replica joins while
//! the spool still has its first byte and the backlog the stream after it. FLUSHALL ends the
//! transfers of the data that it deletes: their replicas ask again.
//!
//! With `repl-compression` links are compressed (`replication/compression`: `Packer` and
//! `Unpacker`, without I/O; its module has the format), snapshots by the spool's thread, once for
//! all replicas that share a snapshot (`SyncNeeds::packed`), and unpacked in `Payload`. The stream
//! is compressed where it leaves, in `Loop::feed_packed`, at most 256 KiB of it for a replica in a
//! turn: a block of up to 64 KiB depends only on its bytes and on the earlier bytes that the link
//! knows, so replicas at the same position are sent the same blocks
//! (`parts/replication/packing.rs`), and a link holds a single block. A replica unpacks the stream
//! where it comes in, by a `Stream` that wraps the socket (`net/unpacking.rs`), no more than the
//! reader takes and a block; the first bytes distinguish a compressed stream from a plain stream.
//! So the backlog, offsets, acknowledgements, and the bytes held while a second link brings the
//! snapshot are of the plain stream. A damaged block ends the link; everything applied before it
//! was sound, and PSYNC continues there. Whether the stream is compressed is decided when it
//! begins, and stays so until the link ends.
//!
//! A replica counts for WAIT when it has acknowledged something on its link, or has asked to
//! continue from a position: a replica that has been sent a snapshot may still be loading it. If a
//! later link has the same announced address, the earlier link does not count until an
//! acknowledgement arrives on it, because it is the half-open link of a replica that has connected
//! again, unless two replicas share an address.
//!
//! **The link to this server's primary** has stages, and its machine decides
//! (`russet_replication::upstream`): dialling, conversation, a snapshot that is received into a
//! file or loaded from the socket (`load.rs`) in slices, resumable within a key. The loop reads and
//! writes its connections (`run/upstream.rs`), `upstream.rs` does the rest. A
//! large old dataset is freed by the helper thread; with `replica-lazy-flush no` the new dataset
//! waits for that, and clients get -LOADING. With `swapdb` it is loaded into a second keyspace,
//! which replaces the first at once. Then the link becomes a client with the flag `PRIMARY`: its
//! commands are parsed and prefetched as any client's, bypass the gates and run with
//! `Origin::Primary` (`stream.rs`). Their effects are not recorded: the primary's own bytes go to
//! the backlog and the log as they are, after each command or, for a transaction, after EXEC. So
//! the offset never moves inside a unit, and sub-replicas, the log and the primary count alike. The
//! writes of a writable replica's clients are in the log alone, as `#NS`, and do not count.
//!
//! A replica that has much of the stream to catch up is limited by its own processor time. A
//! command that a read has cut off is continued in the shared read buffer, for any client, so that
//! the next read is as long as any other. The blocks of the backlog
//! (`base::memory::alloc::Filling`) get their pages from the kernel at once: a page fault for each
//! page would cost more than copying the bytes does. Tried and not kept: reads of 256 KB (no gain),
//! backlog blocks of huge pages (the fastest, but a page of 2 MB that the machine has given back to
//! its host takes 6 ms to return).
//!
//! **Synchronous replication** (`min-sync-replicas`): replies wait until enough replicas have what
//! they acknowledge or show (`sync_writes.rs`; `parts/replication/sync_writes.rs` decides).
//!
//! **A group** (`sync-quorum`): `quorum/` is the host of the machine that decides whether this
//! server may be the primary, whom it may follow, and how much of its stream is safe. Promotions go
//! by it (`Server::order_lead`), links ask it before PSYNC and before old data goes
//! (`ask_quorum`), and its notes are facts of the stream (`Stream::lineage`), which snapshots and
//! the log keep.
//!
//! **Roles.** REPLICAOF keeps data and history: this server asks the new primary for the stream
//! from its own position. A promotion begins a history that continues the old history up to the
//! offset, and disconnects replicas so that they learn the new id. FAILOVER (`failover.rs`) holds
//! writes until a replica has everything, follows it, and asks it by PSYNC to take over.
//!
//! Before a full sync replaces a replica's data, two checks run. The machine's guard refuses the
//! snapshot if the data was in sync with this address and the snapshot has far fewer keys. The keys
//! are counted in the received file without reading values (`rdb/census.rs`, which usually ends
//! with the first announced number), in the keyspace loaded beside, or in the first bytes.
//! `demotion.rs`: if this server was a primary with writes that its new primary has not
//! acknowledged, it writes them from the backlog to a file (`replication/requests.rs` finds
//! commands in a stretch of the stream). For this the server remembers the acknowledged offsets of
//! disconnected replicas (`Replicas::departed`).

pub mod changes;
pub mod cron;
mod demotion;
pub mod failover;
pub mod full_sync;
pub mod load;
pub mod primary;
pub mod quorum;
pub mod role;
pub mod stream;
pub mod sync_writes;
pub mod upstream;
pub mod wait;
