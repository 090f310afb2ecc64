//! The daemon's entry: arguments, sockets, the loop.

use std::sync::Arc;

use russet::config::Config;
use russet::server::{Engine, Loop, Signals};

fn main() -> std::io::Result<()> {
    let mut config = Config::default();
    let args: Vec<String> = std::env::args().collect();
    for pair in args[1..].chunks(2) {
        if pair[0] == "--port" {
            config.port = pair[1].parse().unwrap();
        }
    }
    let port = config.port;
    let engine = Engine::new(
        config,
        &russet::commands::table(),
        Arc::new(Signals::default()),
    );
    let poll = mio::Poll::new()?;
    let (_sender, receiver) = mio::unix::pipe::new()?;
    let mut l = Loop::new(engine, poll, receiver)?;
    let ip = std::net::IpAddr::from([127, 0, 0, 1]);
    l.listen(vec![russet::net::bind_tcp(ip, port, 511)?])?;
    l.run()
}
