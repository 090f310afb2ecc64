//! Groups of servers with a quorum in a simulated world, with virtual time.
//!
//!     storms     what happens, from a seed; a failing storm is reduced to few events
//!     histories  directed histories, each by name
//!     search     every order of messages, breadth-first
//!     rules      each rule that is broken on purpose is found
//!     world      nodes, clients, an authority, and what must hold
//!     steps      the steps of time, packets that arrive
//!     host       the machines' actions are carried out
//!     node       a server: the machine's host, its stream, its disk
//!     network    connections: delays, one-way cuts, ends that are not seen
//!
//! An entry of the stream counts as one byte. Ids are numbers in hexadecimal digits, so a seed
//! repeats to the letter.

mod histories;
mod host;
mod network;
mod node;
mod rules;
mod search;
mod steps;
mod storms;
mod world;
