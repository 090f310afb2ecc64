//! Clients: their state, their connections, what they wait for, and the table of all of them.

pub mod batch;
pub mod blocked;
pub mod client;
pub mod ending;
#[cfg(test)]
mod exemptions;
pub mod fieldsets;
pub mod held;
pub mod input;
pub mod output;
pub mod session;
pub mod table;
