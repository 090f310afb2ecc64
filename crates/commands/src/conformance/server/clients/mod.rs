//! Clients: their exemptions, and the questions of nodes, which run as a client's commands do.
//! Each file tests the folder or file of the server that has its name.

mod answers;
mod exemptions;
