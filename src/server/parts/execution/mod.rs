//! What the execution of commands keeps between commands.

pub mod gates;
pub mod migrate;
pub mod scripting;
pub mod searches;
