//! Files: snapshots, the append only file, flushed data, files of other servers.
//! Each file tests the folder or file of the server that has its name.

mod aof;
mod flushes;
mod loading;
mod snapshot;
