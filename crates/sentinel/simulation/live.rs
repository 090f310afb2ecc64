//! The core in one quorum with real Sentinels, over real sockets: run by hand with the environment
//! variable `RUSSET_SENTINEL_LIVE=PORT:PRIMARY_PORT:SECONDS`, while the others run.
//!
//! A driver as small as possible: it polls, and keeps no file.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::world::{setup, words_of};
use crate::actions::{Action, Order};
use crate::commands::Host;
use crate::core::Sentinel;
use crate::links::ConnId;
use crate::shared::Own;
use russet_host::Now;
use russet_resp::{Reply, ReplyBounds, ReplyParser};

struct Driver {
    core: Sentinel,
    start: Instant,
    links: BTreeMap<u64, (TcpStream, ReplyParser)>,
    clients: Vec<TcpStream>,
}

/// The bytes that can be read now; `None` at the end of the stream.
fn read(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 65536];
    match socket.read(&mut bytes) {
        Ok(0) => None,
        Ok(n) => Some(bytes[..n].to_vec()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Some(Vec::new()),
        Err(_) => None,
    }
}

impl Driver {
    fn now(&self) -> Now {
        let ms = self.start.elapsed().as_millis() as i64 + 1_000_000;
        Now {
            monotonic_ms: ms,
            wall_ms: ms,
        }
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.core.pop() {
            let now = self.now();
            match action {
                Action::Dial { link, host, port } => {
                    let place = format!("{}:{port}", String::from_utf8_lossy(&host));
                    match TcpStream::connect(place) {
                        Ok(socket) => {
                            socket.set_nonblocking(true).expect("a socket");
                            let parser = ReplyParser::new(ReplyBounds::default());
                            self.links.insert(link.0, (socket, parser));
                            self.core.connected(now, link, b"127.0.0.1");
                        }
                        Err(error) => self.core.refused(now, link, &error.to_string()),
                    }
                }
                Action::Close(conn) => {
                    self.links.remove(&conn.0);
                }
                Action::Send { link, bytes } => {
                    if let Some((socket, _)) = self.links.get_mut(&link.0) {
                        // A broken link is noticed when it is read.
                        let _ = socket.write_all(&bytes);
                    }
                }
                Action::Persist { .. } => self.core.persisted(true),
                Action::Order(Order::Event { channel, text, .. }) => {
                    println!(
                        "{} {channel} {}",
                        now.wall_ms,
                        String::from_utf8_lossy(&text)
                    );
                }
                _ => {}
            }
        }
    }

    fn read_links(&mut self) {
        let conns: Vec<u64> = self.links.keys().copied().collect();
        for conn in conns {
            let Some((socket, _)) = self.links.get_mut(&conn) else {
                continue;
            };
            let bytes = read(socket);
            let now = self.now();
            let Some(bytes) = bytes else {
                self.links.remove(&conn);
                self.core.closed(now, ConnId(conn));
                continue;
            };
            let mut input = bytes.as_slice();
            while let Some((_, parser)) = self.links.get_mut(&conn)
                && let Ok(Some(reply)) = parser.push(&mut input)
            {
                self.core.reply(now, ConnId(conn), reply);
                self.carry_out();
            }
        }
    }

    fn serve(&mut self) {
        for mut socket in std::mem::take(&mut self.clients) {
            let Some(bytes) = read(&mut socket) else {
                continue;
            };
            let mut input = bytes.as_slice();
            let mut parser = ReplyParser::new(ReplyBounds::default());
            while !input.is_empty() {
                let before = input;
                let Ok(Some(_)) = parser.push(&mut input) else {
                    break;
                };
                let words = words_of(&before[..before.len() - input.len()]);
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                let reply = self.reply_to(&words);
                let _ = socket.write_all(&reply);
            }
            self.clients.push(socket);
        }
    }

    fn reply_to(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let (now, mut reply) = (self.now(), Reply::new());
        let name = words[0].to_ascii_uppercase();
        match (name.as_slice(), words) {
            (b"PING", _) => reply.simple("PONG"),
            (b"PUBLISH", [_, channel, message]) => {
                self.core.publish(now, channel, message, &mut reply);
            }
            (b"SENTINEL", _) => {
                let host = Host {
                    loglevel: "notice",
                    is_executable: &|_| true,
                    resolve: &|_| None,
                };
                self.core.command(now, words, &host, &mut reply);
            }
            _ => reply.ok(),
        }
        self.carry_out();
        reply.take_text()
    }
}

#[test]
fn it_joins_a_quorum_of_real_sentinels() {
    let Ok(asked) = std::env::var("RUSSET_SENTINEL_LIVE") else {
        return;
    };
    let numbers: Vec<u16> = asked
        .split(':')
        .map(|n| n.parse().expect("a number"))
        .collect();
    let [port, primary, seconds] = numbers[..] else {
        panic!("three numbers");
    };
    let setup = setup("127.0.0.1", primary, 2);
    let start = Instant::now();
    let now = Now {
        monotonic_ms: 1_000_000,
        wall_ms: 1_000_000,
    };
    let own = Own {
        port,
        password: Vec::new(),
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let mut driver = Driver {
        core: Sentinel::new(&setup, own, std::process::id().into(), now),
        start,
        links: BTreeMap::new(),
        clients: Vec::new(),
    };
    let mut next_tick = 0;
    while start.elapsed() < Duration::from_secs(seconds.into()) {
        if let Ok((socket, _)) = listener.accept() {
            socket.set_nonblocking(true).expect("a socket");
            driver.clients.push(socket);
        }
        driver.read_links();
        driver.serve();
        let now = driver.now();
        if now.monotonic_ms >= next_tick {
            driver.core.tick(now);
            next_tick = now.monotonic_ms + driver.core.next_tick_ms();
        }
        driver.carry_out();
        std::thread::sleep(Duration::from_millis(2));
    }
}
