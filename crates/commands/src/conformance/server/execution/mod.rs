//! The way of a command.
//! Each file tests the folder or file of the server that has its name.

mod cross_protocol;
mod dispatch;
mod gates;
mod timed;
