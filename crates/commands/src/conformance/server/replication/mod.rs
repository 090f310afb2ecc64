//! Replicas, their primaries, and slots that move.
//! Each file tests the folder or file of the server that has its name.

mod applied;
mod role;
mod snapshots;
mod stream;
