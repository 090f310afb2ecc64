//! Clusters of processes: russet alone, and mixed with Redis and Valkey.
//!
//! | module | holds |
//! |---|---|
//! | `group` | nodes, the facts on which all must agree, redis-cli's orders |
//! | `channels` | sharded publications while slots move |
//! | `client` | a client that follows redirections |
//! | `last_slot` | a primary without slots follows the shard that has taken them |
//! | `life` | join, fail over, restart, add and delete nodes |
//! | `moving` | slots move while clients write |
//! | `slots` | slots move at once, in both ways, also from and to Redis 8.10 and Valkey 9.1 |
//! | `orders` | `russet cli --cluster` beside redis-cli |
//! | `mixed` | the same with nodes of Redis 8.0, Redis 8.10 and Valkey 9.1 |
//! | `copies` | full copies: how others see the replica meanwhile, the facts of the cluster |
//! | `writers` | clients that write meanwhile, and the writes that must not be lost |
//! | `undone` | FLUSH UNDO after slots have moved away |
//! | `kept` | the data that a source keeps of slots that have moved |
//! | `promoted` | slots that have moved stay when the target dies |
//! | `storm` | slots that move between shards of which any part is killed, while clients write |
//! | `quorum` | shards whose failovers lose no answered write, among voters of other makes |
//! | `roles` | the rights of a connection that takes part in a migration |
//! | `search` | indexes over all shards, from any node |
//! | `series` | time series of all shards, from any node |
//! | `unsynced` | a replica that never had its primary's data |
//! | `tls`, `ipv6` | the bus under TLS, and over IPv6 |
//! | `shards` | a small cluster that is put together by hand |
//!
//! Tests that need real servers, or redis-cli, follow the rule of `support::peers`.

mod channels;
mod client;
mod copies;
mod group;
mod hot_keys;
mod ipv6;
mod kept;
mod last_slot;
mod life;
mod mixed;
mod moving;
mod orders;
mod promoted;
mod quorum;
mod roles;
mod search;
mod series;
mod shards;
mod slots;
mod storm;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod undone;
mod unsynced;
mod waits;
mod writers;
