//! TLS handshakes that an I/O thread does, stepped by hand: the loop learns of their end before it
//! gets a byte, failures come as a link of the loop's own would report them, and none holds others
//! up.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::ClientConnection;

use super::*;
use crate::tls::testing::{self, Authority, Subject};
use crate::tls::{Authentication, TlsLink};

/// A peer under TLS, of a connection whose handshake has not begun.
struct Peer {
    socket: TcpStream,
    tls: ClientConnection,
    slot: usize,
}

impl TestBed {
    /// Has the I/O thread adopt a connection that begins with a handshake.
    fn accept(&mut self) -> Peer {
        let authority = Authority::shared();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let socket = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        socket.set_nonblocking(true).expect("a socket");
        socket.set_nodelay(true).expect("a socket");
        let (ours, _) = listener.accept().expect("accepted");
        ours.set_nonblocking(true).expect("a socket");
        let ours = mio::net::TcpStream::from_std(ours);
        let link = TlsLink::accepted(ours, &authority.materials().server).expect("a server");
        let slot = self.streams.len();
        let stream = Stream::Tls(Box::new(link));
        self.streams
            .push(Some(self.io_thread.adopt(id(slot), stream)));
        let mut settings = testing::settings(Authentication::Mandatory);
        let own = authority.issue(&Subject::named("a client"));
        let materials = testing::build(&mut settings, authority, &own).expect("all is well");
        let config = materials.client.expect("authorities");
        let name = "localhost".try_into().expect("a name");
        let tls = ClientConnection::new(Arc::clone(&config), name).expect("a client");
        Peer { socket, tls, slot }
    }
}

/// Steps until it is so: the kernel may deliver what was sent a little later.
fn until(bed: &mut TestBed, is_so: impl Fn(&mut TestBed) -> bool) {
    for _ in 0..10_000 {
        bed.step();
        bed.receive();
        if is_so(bed) {
            return;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    panic!("it is never so");
}

/// Whether the I/O thread's end of a connection has something for the loop.
fn has_news(slot: usize) -> impl Fn(&mut TestBed) -> bool {
    move |bed| bed.handoff(slot).has_unread()
}

impl Peer {
    /// All that it has to say now.
    fn says(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).expect("a vector");
        }
        bytes
    }

    /// Takes what has come for it.
    fn hears(&mut self) {
        while let Ok(1..) = self.tls.read_tls(&mut self.socket) {
            self.tls.process_new_packets().expect("TLS");
        }
    }

    /// Continues the handshake in pieces of `n` bytes until it is over at this end. `last` goes
    /// with the end of the handshake.
    fn shakes(&mut self, bed: &mut TestBed, n: usize, last: &[u8]) {
        for _ in 0..1000 {
            let is_last = !self.tls.is_handshaking();
            if is_last {
                self.tls.writer().write_all(last).expect("room");
            }
            for piece in self.says().chunks(n) {
                self.socket.write_all(piece).expect("room");
                bed.step();
                bed.receive();
            }
            if is_last {
                return;
            }
            bed.step();
            bed.receive();
            self.hears();
        }
        panic!("it does not end");
    }
}

#[test]
fn the_certificate_comes_before_the_first_byte_however_the_bytes_are_cut() {
    for n in [1, 7, 100, 1 << 16] {
        let mut bed = TestBed::new(0);
        let mut peer = bed.accept();
        assert!(bed.handoff(0).is_handshaking());
        peer.shakes(&mut bed, n, b"PING");
        until(&mut bed, has_news(0));
        let stream = bed.streams[0].as_mut().expect("connected");
        assert!(stream.is_handshaking(), "no read has noticed its end");
        // The first read does, whether bytes have come with it or not.
        let mut got = drain(&mut |part| Ok(stream.fill(part)?.0)).0;
        assert!(!stream.is_handshaking());
        if got.is_empty() {
            until(&mut bed, has_news(0));
            let stream = bed.streams[0].as_mut().expect("connected");
            got = drain(&mut |part| Ok(stream.fill(part)?.0)).0;
        }
        assert_eq!(got, b"PING");
        let stream = bed.streams[0].as_mut().expect("connected");
        let name = stream.peer_certificate().expect("shown").common_name;
        assert_eq!(name, Some(&b"a client"[..]));
        let handoff = bed.handoff(0);
        handoff.forget_certificate();
        assert!(handoff.peer_certificate().is_none());
        handoff.write(b"PONG").expect("room");
        bed.step();
        let mut answer = [0; 4];
        while peer.tls.reader().read_exact(&mut answer).is_err() {
            // The kernel may deliver a little later.
            peer.hears();
        }
        assert_eq!(&answer, b"PONG");
    }
}

#[test]
fn nothing_is_written_during_a_handshake() {
    let mut bed = TestBed::new(0);
    let _peer = bed.accept();
    bed.step();
    let error = bed.handoff(0).write(b"early").expect_err("no room");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_failed_handshake_is_the_error_of_a_read() {
    let mut bed = TestBed::new(0);
    let mut peer = bed.accept();
    peer.socket.write_all(b"GET / HTTP/1.1\r\n").expect("room");
    until(&mut bed, has_news(0));
    let stream = bed.streams[0].as_mut().expect("connected");
    let error = stream.fill(&mut [0; 100]).expect_err("no TLS");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    assert!(stream.is_handshaking());
    assert_eq!(peer.slot, 0);
}

#[test]
fn a_peer_that_leaves_in_the_middle_of_its_handshake_is_at_its_end() {
    let mut bed = TestBed::new(0);
    let mut peer = bed.accept();
    let hello = peer.says();
    peer.socket
        .write_all(&hello[..hello.len() / 2])
        .expect("room");
    bed.step();
    bed.receive();
    assert!(!bed.handoff(0).has_unread());
    drop(peer);
    until(&mut bed, has_news(0));
    let stream = bed.streams[0].as_mut().expect("connected");
    assert_eq!(stream.fill(&mut [0; 100]).expect("its end"), (0, false));
    assert!(stream.is_handshaking());
}

#[test]
fn a_handshake_goes_on_where_its_connection_is() {
    let mut bed = TestBed::new(0);
    let mut peer = bed.accept();
    let hello = peer.says();
    peer.socket.write_all(&hello).expect("room");
    bed.step();
    let handoff = bed.streams[0].as_mut().and_then(Stream::handoff);
    bed.io_thread
        .recall(id(0), handoff.expect("a io_thread has it"));
    bed.step();
    bed.receive();
    while peer.tls.is_handshaking() {
        peer.hears();
    }
    let stream = bed.streams[0].as_mut().expect("connected");
    assert!(stream.is_handshaking() && stream.io_thread().is_none());
    peer.tls.writer().write_all(b"here").expect("room");
    let rest = peer.says();
    peer.socket.write_all(&rest).expect("room");
    let mut got = Vec::new();
    while got.len() < 4 {
        got.extend(drain(&mut |part| Ok(stream.fill(part)?.0)).0);
    }
    assert!(got == b"here" && !stream.is_handshaking());
}

#[test]
fn many_handshakes_hold_nobody_up() {
    let mut bed = TestBed::new(1);
    let mut peers: Vec<Peer> = (0..40).map(|_| bed.accept()).collect();
    bed.step();
    for peer in &mut peers {
        let hello = peer.says();
        peer.socket.write_all(&hello).expect("room");
    }
    let (mut iterations, mut served) = (0, 0);
    while !bed.worker.is_idle() || iterations == 0 {
        bed.peers[0].write_all(b"x").expect("room");
        bed.step();
        bed.receive();
        let stream = bed.streams[0].as_mut().expect("connected");
        served += drain(&mut |part| Ok(stream.fill(part)?.0)).0.len();
        iterations += 1;
    }
    assert!(iterations > 3 && served > 3, "{iterations} {served}");
    for peer in &mut peers {
        peer.shakes(&mut bed, 1 << 16, b"");
    }
    for peer in &peers {
        assert!(!peer.tls.is_handshaking());
        until(&mut bed, has_news(peer.slot));
    }
}
