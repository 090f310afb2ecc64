//! Settings that hold for the connections of clients.

pub mod output_limits;
pub mod tls;
