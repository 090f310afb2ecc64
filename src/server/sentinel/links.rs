//! The links: connections that the core asked for, their requests and replies; names that it wants
//! resolved.
//!
//! Bounds: [`READS_MAX`] reads of one connection in a turn, [`LOOKUPS_MAX`] names at once, each by
//! a thread of its own. Requests of a turn leave in one write for each connection.
//! Invariant: an event of an older generation of a slot is dropped.
//! Elsewhere: the core (`russet_sentinel`) decides which connections there are, and how many.

use std::io::{ErrorKind, Write};
use std::net::ToSocketAddrs;
use std::sync::mpsc;
use std::time::Duration;

use crate::server::parts::sentinel::{SentinelConnection, SentinelDriver, SentinelLinkStage};
use crate::server::state::Server;
use russet_base::threads;
use russet_config::system_text;
use russet_host::Now;
use russet_net::{Address, Connecting, Destination, Stream, Target};
use russet_resp::ReplyValue;
use russet_sentinel::ConnId;

/// Reads of one connection in one turn.
const READS_MAX: usize = 8;
const READ_BYTES: usize = 16 * 1024;
/// Names being resolved at once; the core asks again for others.
const LOOKUPS_MAX: usize = 16;

/// The result of serving a connection.
enum Served {
    /// It is connected.
    Connected,
    Replies {
        replies: Vec<ReplyValue>,
        /// There may be more that no event reports.
        more: bool,
    },
    /// It waits for an event.
    Wait,
    /// It cannot be established, for this reason.
    Refused(String),
    /// Closed by the other end, or by an error.
    Over,
}

impl SentinelDriver {
    /// Begins a connection.
    pub(super) fn connect(&mut self, server: &mut Server, conn: ConnId, ip: &[u8], port: u16) {
        let wake = server.connections.wake.clone();
        let to = Destination {
            host: String::from_utf8_lossy(ip).into_owned(),
            port,
            source: server.config.bind_source_addr.lossy().parse().ok(),
            tls: server.connections.tls.of_replication(&server.config),
        };
        let connecting = match Connecting::begin(to, wake) {
            Ok(connecting) => connecting,
            Err(error) => {
                let (now, why) = (Now::from(server.now), system_text(&error));
                self.core.refused(now, conn, &why);
                return;
            }
        };
        let (slot, generation) = self.links.slab.reserve();
        let link = Box::new(SentinelConnection::new(conn, connecting));
        self.links.slab.put_back(slot, link);
        self.links.places.insert(conn, (slot, generation));
        self.serve(server, slot, generation);
    }

    /// Closes a connection that the core gives up.
    pub(super) fn close(&mut self, conn: ConnId) {
        if let Some((slot, generation)) = self.links.places.remove(&conn)
            && self.links.slab.take_at(slot, generation).is_some()
        {
            self.links.slab.free(slot);
        }
    }

    /// Queues a request; those of one round leave in one write.
    pub(super) fn queue(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(&(slot, generation)) = self.links.places.get(&conn) else {
            return;
        };
        if let Some(link) = self.links.slab.at_mut(slot) {
            if link.out.is_empty() {
                self.links.unsent.push((slot, generation));
            }
            link.out.extend_from_slice(bytes);
        }
    }

    /// Sends the queued requests. `true`: a connection has failed, and the core has received the
    /// failure.
    pub(super) fn send_requests(&mut self, server: &Server) -> bool {
        let mut has_failed = false;
        for (slot, generation) in std::mem::take(&mut self.links.unsent) {
            let Some(mut link) = self.links.slab.take_at(slot, generation) else {
                continue;
            };
            match send(&mut link, server, Target::sentinel_link(slot, generation)) {
                Ok(()) => self.links.slab.put_back(slot, link),
                Err(()) => {
                    self.links.drop_taken(slot, link.conn);
                    self.core.closed(Now::from(server.now), link.conn);
                    has_failed = true;
                }
            }
        }
        has_failed
    }

    /// Serves a connection that has had an event or has more to be read, and passes the result to
    /// the core.
    pub(in crate::server) fn serve(&mut self, server: &mut Server, slot: u32, generation: u32) {
        let Some(mut link) = self.links.slab.take_at(slot, generation) else {
            return;
        };
        let (conn, now) = (link.conn, Now::from(server.now));
        let target = Target::sentinel_link(slot, generation);
        match serve(&mut link, server, target) {
            Served::Connected => {
                let local = match &link.stage {
                    SentinelLinkStage::Open(stream) => local_ip(stream),
                    SentinelLinkStage::Connecting(_) => Vec::new(),
                };
                // Bytes that have arrived meanwhile cause no further event.
                self.links.unread.push((slot, generation));
                self.links.slab.put_back(slot, link);
                self.core.connected(now, conn, &local);
            }
            Served::Replies { replies, more } => {
                if more {
                    self.links.unread.push((slot, generation));
                }
                self.links.slab.put_back(slot, link);
                self.may_rest = self.is_calm;
                for reply in replies {
                    self.core.reply(now, conn, reply);
                    server.carry_out(self);
                }
            }
            Served::Refused(why) => {
                self.links.drop_taken(slot, conn);
                self.core.refused(now, conn, &why);
            }
            Served::Wait => self.links.slab.put_back(slot, link),
            Served::Over => {
                self.links.drop_taken(slot, conn);
                self.core.closed(now, conn);
            }
        }
    }

    /// Resolves a name; the answer comes in a later turn.
    pub(super) fn look_up(&mut self, server: &Server, host: Vec<u8>) {
        if self.lookups.names.contains(&host) || self.lookups.names.len() >= LOOKUPS_MAX {
            return;
        }
        let (sender, wake) = (self.lookups.sender.clone(), server.connections.wake.clone());
        let name = host.clone();
        let begun = threads::start("russet-resolve", move || {
            let ip = resolve(&name);
            // The process may be ending.
            let _ = sender.send((name, ip));
            wake.wake();
        });
        match begun {
            Ok(_) => self.lookups.names.push(host),
            Err(_) => self.core.resolved(Now::from(server.now), &host, None),
        }
    }

    /// Names that have been resolved meanwhile.
    pub(super) fn take_lookups(&mut self, server: &Server) {
        while let Ok((host, ip)) = self.lookups.reported.try_recv() {
            self.lookups.names.retain(|name| *name != host);
            self.core.resolved(Now::from(server.now), &host, ip);
        }
    }
}

/// As [`resolve`], for as long as an operator's command may hold the loop.
pub(super) fn resolve_within_limit(name: &[u8]) -> Option<Vec<u8>> {
    const LIMIT: Duration = Duration::from_secs(1);
    let (sender, reported) = mpsc::channel();
    let name = name.to_vec();
    // The thread ends by itself after the limit, too.
    threads::start("russet-resolve", move || _ = sender.send(resolve(&name))).ok()?;
    reported.recv_timeout(LIMIT).ok()?
}

/// The first address of a name. Blocks.
fn resolve(name: &[u8]) -> Option<Vec<u8>> {
    let name = std::str::from_utf8(name).ok()?;
    let address = (name, 0).to_socket_addrs().ok()?.next()?;
    Some(address.ip().to_string().into_bytes())
}

fn local_ip(stream: &Stream) -> Vec<u8> {
    match stream.local() {
        Address::Tcp(address) => address.ip().to_canonical().to_string().into_bytes(),
        Address::Unix(_) | Address::Unknown => Vec::new(),
    }
}

fn serve(link: &mut SentinelConnection, server: &Server, target: Target) -> Served {
    let stream = match &mut link.stage {
        SentinelLinkStage::Connecting(connecting) => {
            let Some(registry) = &server.connections.registry else {
                return Served::Refused("there is no poll".to_owned());
            };
            return match connecting.advance(registry, target.into()) {
                Ok(Some(stream)) => {
                    link.stage = SentinelLinkStage::Open(stream);
                    Served::Connected
                }
                Ok(None) => Served::Wait,
                Err(error) => Served::Refused(system_text(&error)),
            };
        }
        SentinelLinkStage::Open(stream) => stream,
    };
    let (mut replies, mut more) = (Vec::new(), true);
    let mut bytes = [0; READ_BYTES];
    for _ in 0..READS_MAX {
        let read = match stream.fill(&mut bytes) {
            Ok((0, _)) => return Served::Over,
            Ok((n, is_full)) => {
                more = is_full;
                &bytes[..n]
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                more = false;
                break;
            }
            Err(_) => return Served::Over,
        };
        let mut input = read;
        while !input.is_empty() {
            match link.parser.push(&mut input) {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => {}
                // The peer does not speak the protocol.
                Err(_) => return Served::Over,
            }
        }
        if !more {
            break;
        }
    }
    if !link.out.is_empty() && send(link, server, target).is_err() {
        return Served::Over;
    }
    Served::Replies { replies, more }
}

/// Writes as much as the socket takes; the rest waits until it is writable.
fn send(link: &mut SentinelConnection, server: &Server, target: Target) -> Result<(), ()> {
    let SentinelLinkStage::Open(stream) = &mut link.stage else {
        return Ok(());
    };
    let mut sent = 0;
    let mut is_full = false;
    while sent < link.out.len() {
        match stream.write(&link.out[sent..]) {
            Ok(0) => return Err(()),
            Ok(n) => sent += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                is_full = true;
                break;
            }
            Err(_) => return Err(()),
        }
    }
    link.out.drain(..sent);
    match stream.flush() {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => is_full = true,
        Err(_) => return Err(()),
    }
    if is_full != link.write_armed
        && let Some(registry) = &server.connections.registry
    {
        let armed = stream.want_write(registry, target.into(), is_full);
        armed.map_err(|_| ())?;
        link.write_armed = is_full;
    }
    Ok(())
}
