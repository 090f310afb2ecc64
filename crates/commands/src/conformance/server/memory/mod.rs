//! Limits of memory and of clients.
//! Each file tests the folder or file of the server that has its name.

mod client_eviction;
mod limits;
mod memory_limit;
