//! A machine at work with sockets of loopback; the other end is a socket of the test. Each
//! condition has a deadline.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Registry};

use super::*;
use russet_base::threads;
use russet_base::wake::Wake;
use russet_net::{Destination, Role};

/// Notes its events; takes at most two bytes at a time, and answers each two.
#[derive(Default)]
struct Pairs {
    out: Outbox<()>,
    noted: Vec<String>,
}

impl Machine for Pairs {
    type Context<'a> = ();
    type Order = ();

    fn event(&mut self, _: Now, (): &(), event: Event<'_>) {
        match event {
            Event::Opened { local_ip, .. } => {
                self.noted
                    .push(format!("open at {}", local_ip.escape_ascii()));
            }
            Event::Received { link, bytes, taken } => {
                *taken = bytes.len().min(2);
                let bytes = bytes[..*taken].to_ascii_uppercase().into();
                self.out.persist();
                self.out.push(Action::Send { link, bytes });
            }
            Event::Closed { .. } => self.noted.push("closed".to_owned()),
            Event::Refused { why, .. } => self.noted.push(why.to_owned()),
            Event::Persisted { is_saved } => self.out.persisted(is_saved),
            Event::Resolved { ip, .. } => self.noted.push(format!("{}", ip.is_some())),
            Event::Tick => {}
        }
    }

    fn due_ms(&self) -> Option<i64> {
        None
    }

    fn pop(&mut self) -> Option<Action<()>> {
        self.out.pop()
    }
}

struct Server {
    machine: Pairs,
    links: Links,
    registry: Registry,
    poll: Poll,
    saves: usize,
}

impl Driver for Server {
    type Machine = Pairs;

    fn machine(&mut self) -> Option<&mut Pairs> {
        Some(&mut self.machine)
    }

    fn links(&mut self) -> Option<(&mut Links, Option<&Registry>)> {
        Some((&mut self.links, Some(&self.registry)))
    }

    fn now(&self) -> Now {
        Now::default()
    }

    fn event(&mut self, event: Event<'_>) {
        self.machine.event(Now::default(), &(), event);
    }

    fn obey(&mut self, (): ()) {}

    fn save(&mut self, _: bool) -> bool {
        self.saves += 1;
        true
    }

    fn destination(&self, host: &[u8], port: u16) -> Result<Destination, String> {
        Ok(Destination {
            host: String::from_utf8_lossy(host).into_owned(),
            port,
            source: None,
            socket: Default::default(),
            tls: None,
        })
    }

    fn wake(&self) -> Wake {
        Wake::default()
    }
}

impl Server {
    fn new() -> Server {
        let poll = Poll::new().expect("a poll");
        Server {
            machine: Pairs::default(),
            links: Links::new(Role::SentinelLink),
            registry: poll.registry().try_clone().expect("a registry"),
            poll,
            saves: 0,
        }
    }

    fn dial(&mut self, number: u64, port: u16) {
        let (link, host) = (LinkId(number), b"127.0.0.1".to_vec());
        self.machine.out.push(Action::Dial { link, host, port });
        self.carry_out();
    }

    /// Turns until it is so.
    fn until(&mut self, is: impl Fn(&Server) -> bool) {
        let begin = Instant::now();
        let mut events = Events::with_capacity(16);
        while !is(self) {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "{:?}",
                self.machine.noted
            );
            let wait = Duration::from_millis(if self.is_urgent() { 0 } else { 20 });
            self.poll.poll(&mut events, Some(wait)).expect("events");
            for event in &events {
                self.serve_event(event.token().into());
            }
            LoopDriver::turn(self);
        }
    }
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

fn connected() -> (Server, TcpStream) {
    let (listener, port) = listen();
    let mut server = Server::new();
    server.dial(1, port);
    server.until(|server| !server.machine.noted.is_empty());
    assert_eq!(server.machine.noted, ["open at 127.0.0.1"]);
    (server, listener.accept().expect("a connection").0)
}

#[test]
fn bytes_come_in_the_pieces_that_the_machine_takes_and_answers_after_their_saves() {
    let (mut server, mut peer) = connected();
    peer.write_all(b"abcde").expect("room");
    server.until(|server| server.saves == 3);
    let mut answer = [0; 5];
    peer.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"ABCDE");
    drop(peer);
    server.until(|server| server.machine.noted.len() == 2);
    assert_eq!(
        (&*server.machine.noted[1], server.links.len()),
        ("closed", 0)
    );
}

#[test]
fn more_than_a_socket_takes_is_sent_when_it_takes_more() {
    let (mut server, mut peer) = connected();
    let message = bytes::Bytes::from(vec![b'x'; 1 << 20]);
    for _ in 0..16 {
        let (link, bytes) = (LinkId(1), message.clone());
        server.machine.out.push(Action::Send { link, bytes });
    }
    server.carry_out();
    LoopDriver::turn(&mut server);
    let (_, unsent) = server.links.queued(LinkId(1));
    assert!(unsent > 0 && !server.is_urgent(), "it waits for the socket");
    let reader = threads::start("reader", move || {
        let mut all = vec![0; 16 << 20];
        peer.read_exact(&mut all).expect("all of it");
    });
    server.until(|server| server.links.queued(LinkId(1)) == (0, 0));
    reader.expect("a thread").join().expect("it has all");
}

#[test]
fn a_link_that_is_closed_has_sent_what_it_could_and_is_heard_of_no_more() {
    let (mut server, mut peer) = connected();
    let (link, bytes) = (LinkId(1), bytes::Bytes::from_static(b"last words"));
    server.machine.out.push(Action::Send { link, bytes });
    server.machine.out.push(Action::Close(link));
    server.carry_out();
    let mut text = String::new();
    peer.read_to_string(&mut text).expect("the end");
    assert_eq!((&*text, server.machine.noted.len()), ("last words", 1));
    drop(peer);
    LoopDriver::turn(&mut server);
    assert_eq!(server.machine.noted.len(), 1);
}

#[test]
fn a_port_without_a_listener_is_a_refusal_with_its_reason() {
    let (listener, port) = listen();
    drop(listener);
    let mut server = Server::new();
    server.dial(1, port);
    server.until(|server| !server.machine.noted.is_empty());
    assert_eq!(server.machine.noted, ["Connection refused"]);
    assert_eq!(server.links.len(), 0);
}
