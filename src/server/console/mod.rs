//! The console: what its calls do. `crate::console` reads and writes them, `run/links/console.rs`
//! has their connections, `parts::console` the state.
//!
//! | file | does |
//! |---|---|
//! | `answer` | which answer a request gets: files, calls |
//! | `sessions` | login, rights, lock, the end of sessions |
//! | `commands` | runs commands, through the gates of any client |
//! | `streams` | what streams show: subscriptions, figures, commands of others |
//! | `sample` | rows of the history |

pub mod answer;
pub mod commands;
pub mod sample;
pub mod sessions;
pub mod streams;
