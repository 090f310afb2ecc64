//! INFO, metrics, findings, the audit.
//! Each file tests the folder or file of the server that has its name.

mod audit;
mod client_line;
mod fields;
mod health;
mod keysizes;
mod metrics;
mod observers;
mod prefixes;
mod verdict;
