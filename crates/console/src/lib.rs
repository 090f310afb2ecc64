//! The web console's protocol, without a server: requests and answers of HTTP (`http`), their
//! compression (`pack`), their admission (`doors`) and the words of a refusal (`refusals`), the
//! embedded files (`assets`), the bodies of calls (`calls`), replies as JSON (`json`), events of
//! streams (`events`), figures over time (`history`); and HTTP as the metrics share it (`wire`).
//!
//! `server::console` runs the calls, `server/run/http.rs` and `console.rs` drive the connections.

pub mod assets;
pub mod calls;
pub mod doors;
pub mod events;
pub mod history;
pub mod http;
pub mod json;
pub mod pack;
pub mod refusals;
pub mod wire;
