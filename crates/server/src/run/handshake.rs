//! TLS handshakes: a bounded share of every turn.
//!
//! The cost of a step is known only afterwards, so the share is checked after each step: a turn
//! takes at least one step, and with 2,048-bit RSA keys at most one step. Other clients wait no
//! longer than that for handshakes, however many arrive at once.
//!
//! With couriers (`couriers.rs`) the couriers do the work, each with a share of its own rounds. The
//! end or failure of a handshake is handled here in both cases.

use std::io::ErrorKind;

use super::Loop;

use crate::server::clients::client::Client;
use crate::server::clients::ending::{EndReason, Ending};
use crate::server::clients::session::Session;
use crate::server::figures::stats::Stats;
use crate::server::memory::limits::refuses_stranger;
use crate::server::parts::clients::tls::Handshakes;
use crate::server::parts::users::Acl;
use russet_base::clock;
use russet_config::Config;
use russet_net::Stream;

/// A turn's share.
const SHARE_NANOS: u64 = 200_000;

impl Loop {
    fn handshakes(&mut self) -> &mut Handshakes {
        &mut self.engine.server.connections.tls.handshakes
    }

    /// Continues handshakes whose peers have sent something.
    pub(in crate::server) fn shake_hands(&mut self) {
        if self.handshakes().ready.is_empty() {
            return;
        }
        let began = clock::cycles();
        let share = self.engine.server.cycles.ticks(SHARE_NANOS);
        while let Some(id) = self.handshakes().ready.pop_front() {
            if let Some(session) = self.engine.server.clients.take(id) {
                self.read(session);
            }
            if clock::cycles().wrapping_sub(began) >= share {
                break;
            }
        }
    }

    /// After a read during a handshake. `Err`: the connection is over.
    #[cold]
    pub(in crate::server) fn note_handshake(
        &mut self,
        session: &mut Session,
        read: &std::io::Result<(usize, bool)>,
    ) -> Result<(), ()> {
        let server = &mut self.engine.server;
        let stream = session.stream.as_ref().ok_or(())?;
        if !stream.is_handshaking() {
            server.stats.clients.handshakes += 1;
            let admitted = admit(&mut server.acl, &mut server.stats, &server.config, session);
            if let Some(handoff) = session.stream.as_mut().and_then(Stream::handoff) {
                handoff.forget_certificate();
            }
            return admitted;
        }
        match read {
            Ok(_) => {
                server.connections.log_failed_handshake(
                    &mut server.stats,
                    &server.now,
                    session,
                    "the peer has gone during the handshake",
                );
                Err(())
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(())
            }
            Err(error) => {
                let why = match error.kind() {
                    ErrorKind::InvalidData => error.to_string(),
                    _ => russet_config::system_text(error),
                };
                server.connections.log_failed_handshake(
                    &mut server.stats,
                    &server.now,
                    session,
                    &why,
                );
                session.client.ends_by(Ending::new(EndReason::Refused, why));
                Err(())
            }
        }
    }
}

/// The handshake is complete: logs the client in by its certificate, or refuses it.
fn admit(
    acl: &mut Acl,
    stats: &mut Stats,
    config: &Config,
    session: &mut Session,
) -> Result<(), ()> {
    if let Some(refusal) = refuses_stranger(acl, config, &session.client.identity.peer) {
        session.reply.raw(refusal.as_bytes());
        turn_away(stats, &mut session.client, "protected mode");
        return Ok(());
    }
    let Session { client, stream, .. } = session;
    let certificate = stream.as_ref().and_then(Stream::peer_certificate);
    let logged_in = certificate.map_or(Ok(true), |certificate| {
        acl.log_in_by_certificate(client, &certificate, config)
    });
    let welcomed = logged_in.and_then(|known| {
        stats.denied_certificates += u64::from(!known);
        acl.welcomes(client).map_or(Ok(()), Err)
    });
    if let Err(refusal) = welcomed {
        session.reply.error(&refusal);
        turn_away(stats, &mut session.client, "its user's clients budget");
    }
    Ok(())
}

/// Refuses a client: sends it the reason, and closes it.
fn turn_away(stats: &mut Stats, client: &mut Client, detail: &'static str) {
    client.close_after_reply(Ending::new(EndReason::Refused, detail));
    stats.clients.rejected_connections += 1;
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    use rustls::ClientConnection;

    use super::super::tests::{Peer, connect};
    use russet_net::Address;
    use russet_net::tls::testing::{self, Authority, Subject};

    /// A loop under TLS, and the client ends of `many` connections.
    fn with_clients(many: usize) -> (Peer, Vec<TcpStream>) {
        with_threads(1, many)
    }

    /// The same, with so many I/O threads, which do the handshakes if there are at least two.
    fn with_threads(threads: u32, many: usize) -> (Peer, Vec<TcpStream>) {
        let mut peer = Peer::new();
        let config = &mut peer.all.engine.server.config;
        config.io_threads = threads;
        config.io_threads_always_active = true;
        peer.all.start_io_threads();
        let materials = Authority::shared().materials();
        peer.all
            .engine
            .server
            .connections
            .tls
            .install(Some(materials));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let clients = (0..many).map(|_| {
            let client = TcpStream::connect(address).expect("connected");
            let (socket, from) = listener.accept().expect("accepted");
            socket.set_nonblocking(true).expect("a socket");
            let socket = mio::net::TcpStream::from_std(socket);
            peer.all.welcome_tls(socket, Address::Tcp(from));
            client
        });
        let clients = clients.collect();
        (peer, clients)
    }

    fn client() -> ClientConnection {
        let authority = Authority::shared();
        let mut settings = testing::settings(russet_net::tls::Authentication::Mandatory);
        let own = authority.issue(&Subject::named("a client"));
        let materials = testing::build(&mut settings, authority, &own).expect("all is well");
        let config = materials.client.expect("authorities");
        let name = "localhost".try_into().expect("a name");
        ClientConnection::new(Arc::clone(&config), name).expect("a client")
    }

    fn hello() -> Vec<u8> {
        let mut bytes = Vec::new();
        client().write_tls(&mut bytes).expect("a vector");
        bytes
    }

    /// Regression: a command that came with the end of the handshake ran, though protected mode
    /// refuses the client.
    #[test]
    fn a_stranger_runs_no_command_with_the_end_of_the_handshake() {
        stranger(1);
        stranger(2);
    }

    fn stranger(threads: u32) {
        let (mut peer, _) = with_threads(threads, 0);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut socket =
            TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let (accepted, _) = listener.accept().expect("accepted");
        accepted.set_nonblocking(true).expect("a socket");
        let from = Address::Tcp("192.0.2.1:1000".parse().expect("an address"));
        let accepted = mio::net::TcpStream::from_std(accepted);
        peer.all.welcome_tls(accepted, from);
        let limit = Some(std::time::Duration::from_millis(100));
        socket.set_read_timeout(limit).expect("a socket");
        let mut client = client();
        let mut text = Vec::new();
        let mut has_sent = false;
        for _ in 0..50 {
            if !client.is_handshaking() && !has_sent {
                client.writer().write_all(b"SET k v\r\n").expect("room");
                has_sent = true;
            }
            // A single write: the server reads the end of the handshake and the command at once.
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).expect("a vector");
            }
            if socket.write_all(&bytes).is_err() {
                break;
            }
            peer.all.turn().expect("a turn");
            match client.read_tls(&mut socket) {
                Ok(0) => break,
                Ok(_) => {
                    client.process_new_packets().expect("TLS");
                    let _ = client.reader().read_to_end(&mut text);
                }
                Err(_) => {}
            }
        }
        let text = String::from_utf8_lossy(&text);
        assert!(has_sent && text.starts_with("-DENIED"), "{text}");
        assert!(!text.contains("+OK"), "{text}");
        assert_eq!(peer.all.engine.keyspace.stats.misses, 0);
        let db = peer.all.engine.keyspace.db(russet_keyspace::DbIndex(0));
        assert_eq!(db.len(), 0);
    }

    #[test]
    fn half_a_handshake_is_nobodys_connection() {
        let (mut peer, clients) = with_clients(5);
        peer.send(b"ACL SETUSER default clients=2\r\n");
        let server = &mut peer.all.engine.server;
        assert_eq!(server.clients.len(), 1 + clients.len());
        let from = Address::Tcp("127.0.0.1:1000".parse().expect("an address"));
        assert_eq!(server.refuses(&from), None);
        let _second = connect(&mut peer.all);
        let refusal = peer.all.engine.server.refuses(&from);
        assert!(refusal.is_some_and(|reported| reported.contains("clients=2")));
    }

    #[test]
    fn half_a_handshake_ends_when_its_time_is_over() {
        half(1);
        half(2);
    }

    fn half(threads: u32) {
        let (mut peer, mut clients) = with_threads(threads, 1);
        let hello = hello();
        clients[0]
            .write_all(&hello[..hello.len() / 2])
            .expect("sent");
        for _ in 0..5 {
            peer.all.turn().expect("a turn");
        }
        let server = &mut peer.all.engine.server;
        server.watch_tls();
        assert_eq!(server.clients.len(), 2);
        server.now.mono_ms += 61_000;
        server.watch_tls();
        peer.all.close_clients();
        peer.all.post_io_threads();
        let server = &peer.all.engine.server;
        assert_eq!(
            (server.clients.len(), server.stats.clients.failed_handshakes),
            (1, 1)
        );
        let mut end = [0];
        let limit = Some(std::time::Duration::from_secs(5));
        clients[0].set_read_timeout(limit).expect("a socket");
        assert!(matches!(clients[0].read(&mut end), Ok(0) | Err(_)));
    }

    #[test]
    fn many_handshakes_take_their_share_of_a_turn() {
        let (mut peer, mut clients) = with_clients(40);
        let mut other = connect(&mut peer.all);
        let hello = hello();
        for client in &mut clients {
            client.write_all(&hello).expect("sent");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        let mut turns = 0;
        loop {
            other.write_all(b"PING\r\n").expect("room");
            peer.all.turn().expect("a turn");
            let mut reply = [0; 100];
            assert_eq!(other.read(&mut reply).expect("answered"), 7);
            turns += 1;
            if peer.all.handshakes().ready.is_empty() {
                break;
            }
        }
        assert!(turns > 5, "{turns}");
        for client in &mut clients {
            let mut first = [0];
            client.read_exact(&mut first).expect("a server's hello");
            assert_eq!(first, [0x16]);
        }
    }
}
